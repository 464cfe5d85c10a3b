/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The messages that wait in a queue, one by one. Lockless, and bounded by the
 * number the queue says it has.
 */
#ifndef LENS_BACKLOG_BPF_H
#define LENS_BACKLOG_BPF_H

#include "core.bpf.h"

/* what a look has been at already; the collector clears it before each */
struct walked_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lens_chan);
	__type(value, __u32);
};
extern struct walked_map lens_walked SEC(".maps");

/* emits the messages of q */
__hidden int backlog_queue(struct msg_queue *q, const struct lens_chan *chan, __u32 count);
/* emits the POSIX queue of that inode and name, with its messages, once a look */
__hidden int backlog_mqueue(struct inode *inode, struct dentry *dentry);

/* the number of a process in the initial pid namespace */
static __always_inline __u32 pid_in_root(struct pid *p)
{
	__u32 nr = 0;

	if (p)
		bpf_probe_read_kernel(&nr, sizeof(nr),
				      (void *)p + bpf_core_field_offset(struct pid, numbers) +
				      bpf_core_field_offset(struct upid, nr));
	return nr;
}

#endif
