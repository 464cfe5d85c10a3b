/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * --strict: did a descriptor stand for the same file all through a call? Under
 * `sys` the file is looked up when the call returns; another thread may have
 * put a different one there meanwhile, and back again.
 */
#ifndef LENS_STRICT_BPF_H
#define LENS_STRICT_BPF_H

#include "core.bpf.h"
#include "ident.bpf.h"

/* set by user space before loading */
extern const volatile bool lens_strict;

/*
 * To be asked once for every descriptor of a call that ends, with the file it
 * stands for now. True: that may not be the file the call was about; key then
 * tells the channel it was when the call began, of kind LENS_KIND_NONE if none.
 * A global function: the verifier walks it once.
 */
int strict_doubts(__u32 fd, __u64 file, struct lens_total_key *key);

#endif
