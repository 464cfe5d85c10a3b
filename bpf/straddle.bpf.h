/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Calls that were under way when function hooks were attached: those hooks
 * take effect at the entry of a function and never see such a call return.
 * The tasks in them are marked, and the end of the system call counts them
 * instead, once each.
 */
#ifndef LENS_STRADDLE_BPF_H
#define LENS_STRADDLE_BPF_H

#include "core.bpf.h"

/* who is still in a call that began before the hooks: set while marked */
struct straddlers_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
};
extern struct straddlers_map lens_straddlers SEC(".maps");

/* how many are; the collector detaches the system call hook when none is left */
extern __s32 lens_straddling;

/* forgets the mark of t; true if it had one */
static __always_inline bool straddle_end(struct task_struct *t)
{
	__u32 *mark = bpf_task_storage_get(&lens_straddlers, t, NULL, 0);

	if (!mark || !*mark)
		return false;
	*mark = 0;
	__sync_fetch_and_add(&lens_straddling, -1);
	return true;
}

#endif
