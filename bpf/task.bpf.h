/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes: who is ours, who belongs to the followed command, and the
 * records that describe a process from the kernel's side.
 */
#ifndef LENS_TASK_BPF_H
#define LENS_TASK_BPF_H

#include "core.bpf.h"
#include "ident.bpf.h"

/* which LENS_END_* a new endpoint of the current task carries; learns who reads our output */
__hidden __u32 task_end_flags(const struct lens_proc *proc, const struct lens_chan *chan,
			      __u32 dir);
/* ipclens, or a reader of its output */
__hidden bool task_is_self(const struct lens_proc *proc);
/* a short PROC record of the current task; flags: LENS_END_TREE or 0 */
__hidden int task_announce(__u32 flags);
/* puts a PROC record of t, with executable and cgroup, into scratch `which`; returns its length */
__hidden __u32 task_describe(struct task_struct *t, __u32 which, __u32 why);

#endif
