/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting on pipes and fifos, shared by every variant of their hooks.
 */
#ifndef LENS_PIPE_BPF_H
#define LENS_PIPE_BPF_H

#include "totals.bpf.h"

/*
 * The usual case, an anonymous pipe that this process has used before, with as few loads as
 * it takes. file is known to the verifier. What it leaves to be done, 0: nothing was
 * counted, and the file may be no pipe at all.
 */
static __always_inline __u64 pipe_count(struct task_struct *t, struct file *file, __u32 dir,
					const struct call *call, struct lens_total_key *ret_key)
{
	struct inode *inode = file->f_inode;

	/* nothing but pipes is on pipefs */
	if ((__u64)inode->i_sb != lens_pipefs_sb)
		return 0;
	ret_key->ino = inode->i_ino;
	ret_key->dev = lens_pipefs_dev;
	ret_key->gen = 0;
	ret_key->kind = LENS_KIND_PIPE;
	ident_user(t, dir, ret_key);
	return cache_count(cache_at(ret_key), ret_key, true, call);
}

/* copies, since what is passed on has to be in memory, and the usual case does without */
static __always_inline int pipe_follow(__u64 left, const struct lens_total_key *key, __u64 file,
				       const struct call *call)
{
	struct lens_total_key key_copy = *key;
	struct call call_copy = *call;

	return totals_stream_pipe(left >> TOTALS_ID_SHIFT, &key_copy, file, &call_copy);
}

/* a call on the file at an address, if that is a pipe or fifo; global, walked once */
int pipe_returned(__u64 file, __u32 dir, __s64 ret, __u32 is_short);

/* open(2) and its kin returned fd: tells of it if it is a fifo; global, walked once */
int pipe_opened(__s64 fd);

#endif
