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

/* what place_look() works with: not on the stack, of which a chain of calls has 512 bytes */
struct place_ends {
	__u64 bufs;
	__u32 head, tail, ring_size;
	__u32 last_fill, tail_offset;	/* in slots head - 1 and tail */
};

struct place_walk {
	struct place_ends e;
	__u32 first, known;		/* slots */
	__u64 sum, sum_known, sum_tail;	/* bytes from first to there */
	bool is_foreign;
};

/* a holder of the mutex is about to leave it */
#define LOOKS_MAX 16

/*
 * One look at the pipe at an address: lens_op.aux for the end of a call of dir,
 * 0 if somebody was inside. A global function, which the verifier walks once
 * and not at every turn of the loop around it.
 */
__u64 place_look(__u64 pipe, __u32 dir, struct place_track *track, struct place_walk *w);

/* the same, or 0, for the pipe behind file (an address) */
static __always_inline __u64 place_of(__u64 address, __u32 dir, struct place_track *track,
				      struct place_walk *w)
{
	struct file *file = (void *)address;
	struct pipe_inode_info *pipe = core_load_of(file, f_inode, i_pipe);
	__u64 place = 0;

	for (__u32 i = 0; i < LOOKS_MAX && !place; i++)
		place = place_look((__u64)pipe, dir, track, w);
	return place;
}

#endif
