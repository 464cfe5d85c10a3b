/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stacks of threads: addresses of the kernel side become names. Internal to
 * source/.
 */
#ifndef LENS_SOURCE_LIVE_STACK_H
#define LENS_SOURCE_LIVE_STACK_H

#include "source/source.h"

struct bpf_link;
struct lens;
struct live_stacks;

/* reads the names of the kernel's functions; says so if they are hidden */
int live_stacks_open(struct live_stacks **ret);
/* once the kernel side is loaded: a process that keeps the right to read what is mapped */
int live_stacks_start(struct live_stacks *stacks, struct lens *skel);
void live_stacks_freep(struct live_stacks **stacks);
/* one walk of the iterator over stacks; hands over FRAMES records of those that are wanted */
int live_stacks_walk(struct live_stacks *stacks, struct bpf_link *iterator, stuck_wants wants,
		     source_sink sink, void *arg);

#endif
