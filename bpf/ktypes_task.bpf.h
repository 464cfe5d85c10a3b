/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types of processes, and of the iterators over them. As ktypes.h. */
#ifndef LENS_KTYPES_TASK_BPF_H
#define LENS_KTYPES_TASK_BPF_H

#include "ktypes_file.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

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

/* the tree of the mappings of an address space; pointers to nodes carry type bits */
struct maple_tree {
	void *ma_root;
};

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

struct rt_mutex_base {
	struct task_struct *owner;	/* the low bit is a flag */
};

struct rt_mutex_waiter {
	struct rt_mutex_base *lock;
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
	struct rt_mutex_waiter *pi_blocked_on;
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
