/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Can a task lose its CPU while it is in the kernel? Then two of them can be in the same
 * function hook there, and the kernel skips the second. Pure; internal to source/.
 */
#ifndef LENS_SOURCE_PREEMPTION_H
#define LENS_SOURCE_PREEMPTION_H

#include "base/base.h"

/* what tells; NULL or "" for what cannot be read */
struct preemption_signs {
	const char *version;	/* uname -v */
	const char *debug;	/* /sys/kernel/debug/sched/preempt: the mode in parentheses */
	const char *cmdline;	/* /proc/cmdline */
	const char *config;	/* the kernel's configuration */
};

/* why it can, or NULL if it cannot or nobody knows */
const char *preemption_sign(const struct preemption_signs *signs);

#endif
