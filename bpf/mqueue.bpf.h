/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting on POSIX message queues, shared by every variant of their hooks.
 */
#ifndef LENS_MQUEUE_BPF_H
#define LENS_MQUEUE_BPF_H

#include "totals.bpf.h"

/*
 * Global functions: the verifier walks them once. file is the address of what
 * is behind the descriptor, ret is what the call returned.
 */
int mqueue_sent(__u64 file, __u32 priority, __u64 size, __s64 ret);
/* priority: where in its memory the caller wanted it, or 0 */
int mqueue_received(__u64 file, __u64 priority, __s64 ret);

#endif
