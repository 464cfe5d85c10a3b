/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a channel looks like at this moment: depth, capacity, path. Slow path
 * only; everything by probing reads, so that any address will do. Global functions
 * where that is possible: the verifier walks them once, and not for every result
 * of what came before. They take addresses, since it lets no other pointer through.
 */
#ifndef LENS_DESCRIBE_BPF_H
#define LENS_DESCRIBE_BPF_H

#include "ident_sock.bpf.h"
#include "kinds.bpf.h"

#define DESCRIBE_LEN 0xffff		/* mask of the length in a describe_path() result */
#define DESCRIBE_TRUNCATED 0x10000	/* the path is longer than what was kept */
#define DESCRIBE_RAW 0x20000		/* no path but one string of any bytes */

/* LENS_F_* of a record that holds a name */
static __always_inline __u16 describe_flags(__u32 described)
{
	return (described & DESCRIBE_TRUNCATED ? LENS_F_TRUNCATED : 0) |
	       (described & DESCRIBE_RAW ? LENS_F_RAW_NAME : 0);
}

static __always_inline __u64 path_of(__u64 file)
{
	return file + bpf_core_field_offset(struct file, f_path);
}

/*
 * Writes the components of a path, leaf first, each ended by a NUL,
 * into scratch buffer `which` from `offset` on, at most `limit` bytes. The
 * path is the one in the file's own mount tree, as far up as that goes.
 */
__u32 describe_path(__u32 which, __u32 offset, __u32 limit, __u64 path);
/* likewise the path of a cgroup */
__u32 describe_cgroup(__u32 which, __u32 offset, __u32 limit, __u64 kernfs_node);
/* depth of what is behind a file, one for each kind of file */
int describe_pipe(__u64 file, struct lens_depth *ret);
int describe_mqueue_depth(__u64 inode, struct lens_depth *ret);
int describe_sock(__u32 kind, __u64 file, struct lens_depth *ret);
int describe_eventfd(__u64 file, struct lens_depth *ret);
int describe_inet(__u64 file, struct lens_depth *ret);
int describe_pty(__u64 file, struct lens_depth *ret);
/* the name of a socket that is bound to no path, as it is */
__u32 describe_address(__u32 which, __u32 offset, __u64 unix_address);
/* the SysV message queue of that id in the ipc namespace of the current task, if it has one */
int describe_queue_of(__s32 id, struct lens_depth *ret);
__hidden int describe_queue(struct msg_queue *q, struct lens_depth *ret);
__hidden int describe_mqueue(struct inode *inode, struct lens_depth *ret);
/* the last component of a path, alone */
__u32 describe_leaf(__u32 which, __u32 offset, __u64 dentry);

/* what follows is inline, because the kernel limits how deeply functions call each other */

static __always_inline __u32 describe_sock_name(__u32 which, __u32 offset, struct file *file)
{
	struct unix_sock *u = (void *)ident_file_sock(file);
	struct unix_address *addr;
	struct sock *peer;

	if (!u)
		return 0;
	addr = BPF_CORE_READ(u, addr);
	/* a client has no name of its own, but its connection has that of the server */
	if (!addr && BPF_CORE_READ(u, sk.sk_type) != KDEF_SOCK_DGRAM) {
		peer = BPF_CORE_READ(u, peer);
		u = (void *)peer;
		addr = u ? BPF_CORE_READ(u, addr) : NULL;
	}
	if (!addr)
		return 0;
	if (!BPF_CORE_READ(u, path.dentry))
		return describe_address(which, offset, (__u64)addr);
	return describe_path(which, offset, LENS_PATH_MAX,
			     (__u64)u + bpf_core_field_offset(struct unix_sock, path));
}

/*
 * Depth of the channel behind a file, and its path where the kind has one; among: kinds that it
 * can be of, a constant.
 */
static __always_inline int describe_depth(__u32 kind, __u64 among, struct file *file,
					  struct lens_depth *ret)
{
	if (among & KINDS_FIFO && (kind == LENS_KIND_PIPE || kind == LENS_KIND_FIFO))
		return describe_pipe((__u64)file, ret);
	if (among & KIND_BIT(LENS_KIND_POSIX_MQ) && kind == LENS_KIND_POSIX_MQ)
		return describe_mqueue_depth((__u64)BPF_CORE_READ(file, f_inode), ret);
	if (among & KINDS_INET && kind_is_inet(kind))
		return describe_inet((__u64)file, ret);
	if (among & KINDS_SOCK && kind_is_sock(kind))
		return describe_sock(kind, (__u64)file, ret);
	if (among & KIND_BIT(LENS_KIND_EVENTFD) && kind == LENS_KIND_EVENTFD)
		return describe_eventfd((__u64)file, ret);
	if (among & KIND_BIT(LENS_KIND_PTY) && kind == LENS_KIND_PTY)
		return describe_pty((__u64)file, ret);
	return 0;
}

static __always_inline __u32 describe_name(__u32 kind, __u64 among, __u32 which, __u32 offset,
					   struct file *file)
{
	if (among & KIND_BIT(LENS_KIND_FIFO) && kind == LENS_KIND_FIFO)
		return describe_path(which, offset, LENS_PATH_MAX, path_of((__u64)file));
	if (among & KIND_BIT(LENS_KIND_POSIX_MQ) && kind == LENS_KIND_POSIX_MQ)
		return describe_leaf(which, offset, (__u64)BPF_CORE_READ(file, f_path.dentry));
	/* an address is no name: it comes in a record of its own */
	if (among & KINDS_UNIX && kind_is_sock(kind) && !kind_is_inet(kind))
		return describe_sock_name(which, offset, file);
	return 0;
}

#endif
