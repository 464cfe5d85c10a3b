/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Places in the byte stream of a pipe: how many bytes were ever put in and
 * taken out, by the kernel's own slot counters.
 */
#ifndef LENS_PLACE_BPF_H
#define LENS_PLACE_BPF_H

#include "core.bpf.h"

/*
 * at: low 16 bits of the number of a slot, 40 bits of bytes before that slot,
 * 8 bits of epoch; in one word, so that no two of them can be of different
 * looks. ring: the array of slots these numbers belong to; a resized pipe gets
 * a new one, and numbers its slots anew.
 */
struct place_track {
	__u64 at;
	__u64 ring;
};

/* lens_op.aux for the end of a call of dir on the pipe behind file (an address), or 0 */
__u64 place_of(__u64 file, __u32 dir, struct place_track *track);

#endif
