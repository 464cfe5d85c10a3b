/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a channel looks like at this moment: depth, capacity, path. Slow path
 * only; everything by probing reads, so that any pointer will do.
 */
#ifndef LENS_DESCRIBE_BPF_H
#define LENS_DESCRIBE_BPF_H

#include "core.bpf.h"

#define DESCRIBE_LEN 0xffff		/* mask of the length in a describe_path() result */
#define DESCRIBE_TRUNCATED 0x10000	/* the path is longer than what was kept */

/*
 * Writes the components of a file's path, leaf first, each ended by a NUL,
 * into scratch buffer `which` from `offset` on, at most `limit` bytes. The
 * path is the one in the file's own mount tree, as far up as that goes.
 */
__hidden __u32 describe_path(__u32 which, __u32 offset, __u32 limit, struct file *file);
/* likewise the path of a cgroup */
__hidden __u32 describe_cgroup(__u32 which, __u32 offset, __u32 limit, struct kernfs_node *kn);
/* depth of the channel behind a file, and its path where the kind has one */
__hidden int describe_depth(__u32 kind, struct file *file, struct lens_depth *ret);
__hidden __u32 describe_name(__u32 kind, __u32 which, __u32 offset, struct file *file);
__hidden int describe_queue(struct msg_queue *q, struct lens_depth *ret);
__hidden int describe_mqueue(struct inode *inode, struct lens_depth *ret);
/* the last component of a path, alone */
__hidden __u32 describe_leaf(__u32 which, __u32 offset, struct dentry *dentry);

#endif
