/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every kernel type and field ipclens depends on, and nothing else. Offsets are relocated
 * against the running kernel's BTF (CO-RE), so only names and types matter here. Seen equal
 * on 6.1, 6.12 and 6.18 unless a flavour (struct name___tag) says otherwise.
 */
#ifndef LENS_KTYPES_H
#define LENS_KTYPES_H

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
	struct list_head *next;
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

/* ------------------------------------------------------------------ pipes */

typedef struct {
	long counter;
} atomic_long_t;

struct mutex {
	atomic_long_t owner;	/* the low bits are flags */
};

struct pipe_buffer {
	__u32 offset;
	__u32 len;
	__u32 flags;
};

struct pipe_inode_info {
	struct mutex mutex;
	struct wait_queue_head rd_wait;
	__u32 head;		/* v6.14: in a union with head_tail; the names stayed */
	__u32 tail;
	__u32 max_usage;
	__u32 ring_size;
	__u32 readers, writers;
	__u32 r_counter;
	__u32 w_counter;
	struct pipe_buffer *bufs;
};

/* ---------------------------------------------------------- SysV messages */

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

struct ipc_ids {
	struct idr ipcs_idr;
	int max_idx;
};

struct ipc_namespace {
	struct ipc_ids ids[3];	/* semaphores, messages, shared memory */
	struct vfsmount *mq_mnt;
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	__u32 level;
	struct hlist_head tasks[4];
	struct upid numbers[1];
};

struct pid_namespace {
	struct idr idr;			/* struct pid by number */
	struct ns_common ns;
	struct task_struct *child_reaper;
};

struct kern_ipc_perm {
	int id;
	__s32 key;
	kuid_t uid;
	__u16 mode;
};

struct msg_queue {
	struct kern_ipc_perm q_perm;
	unsigned long q_cbytes;
	unsigned long q_qnum;
	unsigned long q_qbytes;
	struct pid *q_lspid;
	struct pid *q_lrpid;
	struct list_head q_messages;
	struct list_head q_receivers;
	struct list_head q_senders;
};

struct msg_msg {
	struct list_head m_list;
	long m_type;
	unsigned long m_ts;
};

/* ------------------------------------------------------- SysV semaphores */

struct sem {
	int semval;
	struct pid *sempid;
};

struct sem_array {
	struct kern_ipc_perm sem_perm;
	struct list_head list_id;
	int sem_nsems;
	struct sem sems[1];
};

struct sem_undo_list;

struct sem_undo {
	struct sem_undo_list *ulp;
	struct list_head list_id;
	short semadj[1];
};

struct sem_undo___pointer {	/* v6.1 */
	short *semadj;
};

typedef struct {
	atomic_t refs;
} refcount_t;

/* ------------------------------------------------- queues, sets, terminals */

struct kref {
	refcount_t refcount;
};

struct eventfd_ctx {
	struct kref kref;
	__u64 count;
	__u32 flags;
	int id;
};

/* --------------------------------------------------------- POSIX messages */

struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

/* the messages of one priority */
struct posix_msg_tree_node {
	struct rb_node rb_node;
	struct list_head msg_list;
};

struct mq_attr {
	long mq_maxmsg;
	long mq_msgsize;
	long mq_curmsgs;
};

struct sigevent {
	int sigev_signo, sigev_notify;
};

struct ext_wait_queue {
	struct list_head list;
};

struct mqueue_inode_info {
	struct inode vfs_inode;
	struct rb_root msg_tree;
	struct rb_node *msg_tree_rightmost;
	struct mq_attr attr;
	struct sigevent notify;
	struct pid *notify_owner;
	struct ext_wait_queue e_wait_q[2];	/* senders, receivers */
	unsigned long qsize;
};

struct rb_root_cached {
	struct rb_node *rb_leftmost;
};

struct eventpoll {
	struct rb_root_cached rbr;
};

struct epoll_filefd {
	struct file *file;
	int fd;
} __attribute__((packed));

struct epoll_event {
	__u32 events;
};

struct epitem {
	struct rb_node rbn;
	struct epoll_filefd ffd;
	struct epoll_event event;
};

/* ---------------------------------------------------------- shared memory */

/* the tree of the mappings of an address space; pointers to nodes carry type bits */
struct maple_tree {
	void *ma_root;
};

/* -------------------------------------------------------------- processes */

struct net {
	struct ns_common ns;
	struct list_head dev_base_head;
	__u32 hash_mix;
	struct {
		struct udp_table *udp_table;	/* v6.2 */
		unsigned int sysctl_tcp_notsent_lowat;
	} ipv4;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};

struct kernfs_node {
	struct kernfs_node *__parent;	/* v6.15: renamed from parent */
	const char *name;
	__u64 id;
};

struct kernfs_node___pre615 {
	struct kernfs_node *parent;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct mm_struct {
	struct maple_tree mm_mt;
	atomic_t mm_users;
	struct file *exe_file;
	unsigned long arg_start, arg_end;
	struct task_struct *owner;	/* with CONFIG_MEMCG */
};

struct hrtimer {
	__u8 state;
};

struct completion;

/* kernel/seccomp.c */
struct seccomp_filter {
	struct seccomp_filter *prev;
	struct notification *notif;
};

struct task_io_accounting {
	__u64 wchar;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	unsigned int flags;
	unsigned int is_child_subreaper : 1;
	struct hrtimer real_timer;
	struct hlist_head posix_timers;	/* before v6.13 a list_head */
	struct pid *pids[4];		/* enum pid_type: at 2 the group's, at 3 the session's */
	struct task_io_accounting ioac;
};

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct restart_block {
	struct {
		void *ufds;
		int nfds;
		int has_timeout;
	} poll;
};

struct sysv_sem {
	struct sem_undo_list *undo_list;
};

struct cred {
	kuid_t uid;
};

struct thread_info {
	__u32 status;
};

struct thread_struct {
	unsigned long sp;	/* of the kernel stack, while it does not run */
};

struct task_struct {
	struct thread_info thread_info;
	struct thread_struct thread;
	__u32 __state;
	__u32 flags;
	int exit_code, exit_signal;
	int pid;
	int tgid;
	__u64 start_boottime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct task_struct *parent;
	__u32 ptrace;
	unsigned long jobctl;
	struct restart_block restart_block;
	struct sysv_sem sysvsem;
	struct task_io_accounting ioac;
	struct mm_struct *mm;
	struct files_struct *files;
	struct io_uring_task *io_uring;
	void *worker_private;	/* a kernel thread's, or io_uring's struct io_worker */
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	struct { unsigned long sig[1]; } blocked, saved_sigmask;
	struct completion *vfork_done;
	struct {
		struct seccomp_filter *filter;
	} seccomp;
	struct css_set *cgroups;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];	/* enum pid_type */
	const struct cred *cred;
	char comm[16];
};

struct linux_binprm {
	struct file *file;
};

/* x86-64; arch.bpf.h gives the fields their meaning */
struct pt_regs {
	unsigned long r15, r14, r13, r12, r10, r9, r8, ax, cx, dx, si, di, bx, bp, orig_ax, ip, sp;
};

/* -------------------------------------------------------------- iterators */

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
