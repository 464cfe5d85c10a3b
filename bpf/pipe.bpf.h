/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting on pipes and fifos, shared by every variant of their hooks.
 */
#ifndef LENS_PIPE_BPF_H
#define LENS_PIPE_BPF_H

#include "totals.bpf.h"

/*
 * file is known to the verifier; mixed: FILE_MIXED or 0. False: it is no pipe, and
 * nothing was counted.
 */
static __always_inline bool pipe_count(struct task_struct *t, struct file *file, __u32 dir,
				       __s64 ret, bool is_short, __u32 mixed)
{
	struct lens_total_key key;
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };

	if (!ident_pipe(file, &key))
		return false;
	ident_user(t, dir, &key);
	totals_count(&key, file, FILE_TYPED | FILE_PIPE | mixed, &call);
	return true;
}

/* open(2) and its kin returned fd: tells of it if it is a fifo; global, walked once */
int pipe_opened(__s64 fd);

#endif
