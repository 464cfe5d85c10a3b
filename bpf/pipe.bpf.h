/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting on pipes and fifos, shared by every variant of their hooks.
 */
#ifndef LENS_PIPE_BPF_H
#define LENS_PIPE_BPF_H

#include "totals.bpf.h"

/*
 * The usual case, an anonymous pipe through which this process has moved something before,
 * with as few loads as it takes (hit_begin()). file is known to the verifier, and may be no
 * pipe at all.
 */
static __always_inline bool pipe_hit(struct hit *h, struct file *file, struct task_struct *t,
				     __u32 dir, bool preempted)
{
	struct inode *inode = file->f_inode;

	/* nothing but pipes is on pipefs */
	return (__u64)inode->i_sb == lens_pipefs_sb &&
	       hit_begin(h, t, inode->i_ino, HIT_ANYWHERE, LENS_KIND_PIPE, dir, preempted);
}

/* streams what pipe_hit() counted: which channel it is, is found again, since this is seldom */
static __always_inline bool pipe_follow(__u64 left, __u64 file, __u32 dir, __s64 ret, bool is_short)
{
	struct call call = { .ret = ret, .moved = true, .is_short = is_short };
	struct lens_total_key key = { .dir = dir };

	if (lens_has_cast ? ident_pipe(ident_file_at(file), &key) :
			    ident_pipe_probe((struct file *)file, &key))
		totals_stream_pipe(left >> TOTALS_ID_SHIFT, &key, file, &call);
	return true;
}

/* open(2) and its kin returned fd: tells of it if it is a fifo; global, walked once */
int pipe_opened(__s64 fd);

#endif
