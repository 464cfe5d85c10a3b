/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The shared part of an address space: ranges that do not overlap, sorted by
 * address. Events and snapshots tell of the same ranges out of order, so every
 * range knows since when it is known, and what is known since later stays.
 * Internal to model/.
 */
#ifndef LENS_MODEL_SPACE_H
#define LENS_MODEL_SPACE_H

#include "model/model.h"

struct space *space_new(void);
void space_free(struct space *s);

/* what an edit added (added) or took away, piece by piece */
typedef void (*space_sink)(void *arg, const struct map_range *piece, bool added);

/* index of the first range that ends behind an address */
size_t space_first_behind(const struct space *s, uint64_t address);

/* r takes the place of all in its way that is not younger */
void space_put(struct space *s, const struct map_range *r, space_sink sink, void *arg);
/* takes away what lies in [start, end) and is not younger than ns */
void space_cut(struct space *s, uint64_t start, uint64_t end, uint64_t ns, space_sink sink,
	       void *arg);
/* gives what lies there another protection; whether it may be made writable stays */
void space_protect(struct space *s, uint64_t start, uint64_t end, uint32_t prot, uint64_t ns);
/* takes away what was last heard of before ns */
void space_expire(struct space *s, uint64_t ns, space_sink sink, void *arg);

#endif
