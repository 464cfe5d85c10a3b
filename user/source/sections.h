/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How programs get what they need of the kernel's types by number: what they
 * attach to, and the kernel function they call. libbpf would load and search
 * all types for that, once more. Internal to source/.
 */
#ifndef LENS_SOURCE_SECTIONS_H
#define LENS_SOURCE_SECTIONS_H

#include "source/kernel.h"

struct bpf_map;

/*
 * To be in force from before an object is opened until it is loaded; k must
 * stay. Programs then attach by bpf_program__attach_trace() and
 * bpf_program__attach_iter() only.
 */
int sections_use(const struct kernel *k);
/* the type that "tp_btf/x", "fexit/x", "iter/x" (or "?...") attaches to; 0: there is none */
uint32_t sections_target(const struct kernel_types *t, const char *section);

/* which: LENS_FILL_*, the operand of instructions that name it */
void sections_fill(uint32_t which, int32_t value);
/* programs that name this map, an array of one value, mean the address of that */
void sections_address(const struct bpf_map *map);

#endif
