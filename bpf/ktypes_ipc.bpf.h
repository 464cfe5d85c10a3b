/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types of pipes, messages, semaphores and what else is waited for. As ktypes.h. */
#ifndef LENS_KTYPES_IPC_BPF_H
#define LENS_KTYPES_IPC_BPF_H

#include "ktypes_file.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* ------------------------------------------------------------------ pipes */

typedef struct {
	long counter;
} atomic_long_t;

struct mutex {
	atomic_long_t owner;	/* the low bits are flags */
	struct list_head wait_list;	/* struct mutex_waiter */
};

struct mutex_waiter {
	struct list_head list;
	struct task_struct *task;
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

struct ipc_ids {
	struct idr ipcs_idr;
	int max_idx;
};

struct ipc_namespace {
	struct ipc_ids ids[3];	/* semaphores, messages, shared memory */
	struct vfsmount *mq_mnt;
	struct ns_common ns;
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

#pragma clang attribute pop

#endif
