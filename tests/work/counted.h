/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The result of a call on an end of a channel, as the truth has it.
 */
#ifndef COUNTED_H
#define COUNTED_H

#include <sys/types.h>

struct end;

/* the next call will put in so much, and others may have it before that returns */
void counted_ahead(const struct end *e, size_t len, long tag);
/* ret: bytes, or amount, or -1; tag: what tells apart what can overtake others; returns ret */
ssize_t counted_put(const struct end *e, ssize_t ret, long tag);
ssize_t counted_get(const struct end *e, ssize_t ret, long tag);

#endif
