/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Kernel types of files, and those that everything is made of. As ktypes.h, which has
 * all three parts.
 */
#ifndef LENS_KTYPES_FILE_BPF_H
#define LENS_KTYPES_FILE_BPF_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false, true };
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

typedef struct {
	__u32 val;
} kuid_t;

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
	void *s_fs_info;
	unsigned long s_flags;
	unsigned long s_blocksize;
};

struct address_space {
	unsigned long nrpages;
};

struct file_lock_context {
	struct list_head flc_flock;
	struct list_head flc_posix;
	struct list_head flc_lease;
};

struct inode {
	__u16 i_mode;
	__u32 i_nlink;
	__u32 i_rdev;
	kuid_t i_uid;
	long long i_size;
	struct address_space *i_mapping;
	unsigned long i_ino;
	__u32 i_generation;
	atomic_t i_count;
	struct super_block *i_sb;
	struct file_lock_context *i_flctx;
	struct pipe_inode_info *i_pipe;
	void *i_private;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct {
		int count;
	} d_lockref;
	struct hlist_node d_sib;	/* v6.8: were list heads d_child and d_subdirs */
	struct hlist_head d_children;
};

struct dentry___pre68 {
	struct list_head d_child;
	struct list_head d_subdirs;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

typedef struct {
	long counter;
} atomic64_t;

typedef struct {
	atomic64_t refcnt;
} file_ref_t;

struct file {
	struct path f_path;
	struct inode *f_inode;
	__u32 f_mode;
	__u32 f_flags;
	const struct cred *f_cred;
	void *private_data;
	file_ref_t f_ref;	/* v6.13: was f_count; counts from -1 */
	struct fown_struct *f_owner;	/* v6.12: was no pointer */
};

struct file___pre613 {
	atomic64_t f_count;
};

/* of a task that sleeps, on its stack */
struct wait_queue_entry {
	void *private;		/* the task */
	struct list_head entry;
};

struct wait_queue_head {
	struct list_head head;
};

/* v6.9 moved what locks and leases share into file_lock_core */
struct file_lock_core {
	struct file_lock_core *flc_blocker;
	struct list_head flc_list;
	void *flc_owner;
	__u32 flc_flags;
	__u8 flc_type;
	int flc_pid;
	struct wait_queue_head flc_wait;
	struct file *flc_file;
};

struct file_lock {
	struct file_lock_core c;
	long long fl_start;
	long long fl_end;
};

struct file_lock___pre69 {
	struct file_lock___pre69 *fl_blocker;
	struct list_head fl_list;
	void *fl_owner;
	__u32 fl_flags;
	__u8 fl_type;
	__u32 fl_pid;
	struct wait_queue_head fl_wait;
	struct file *fl_file;
	long long fl_start;
	long long fl_end;
};

struct kiocb {
	struct file *ki_filp;
};

struct iov_iter {
	unsigned long iov_offset;
	unsigned long count;
	void *ubuf;		/* shares its place with a kernel's list of segments */
};

struct fdtable {
	__u32 max_fds;
	struct file **fd;
	unsigned long *close_on_exec;
};

struct files_struct {
	atomic_t count;		/* tasks that share it */
	struct fdtable *fdt;
};

struct ns_common {
	__u32 inum;
};

struct xarray {
	void *xa_head;
};

struct xa_node {
	__u8 shift;
	void *slots[64];
};

struct idr {
	struct xarray idr_rt;
};

#pragma clang attribute pop

#endif
