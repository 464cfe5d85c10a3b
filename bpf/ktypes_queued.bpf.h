/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Kernel types by which a sleeping thread is listed where it waits: on its stack, or
 * behind what is there. As ktypes.h, for the programs that need them.
 */
#ifndef LENS_KTYPES_QUEUED_BPF_H
#define LENS_KTYPES_QUEUED_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head___both {
	struct list_head *next, *prev;
};

/* a poll at one wait queue, which holds a reference to the file */
struct poll_table_entry {
	struct file *filp;
	unsigned int key;	/* POLL* that end the wait */
	struct wait_queue_entry wait;
};

struct poll_table_page {
	struct poll_table_page *next;
	struct poll_table_entry *entry;	/* behind the last */
	struct poll_table_entry entries[1];
};

/* of poll(2) and select(2) */
struct poll_wqueues {
	struct poll_table_page *table;
	struct task_struct *polling_task;
	int inline_index;	/* how many of these there are */
	struct poll_table_entry inline_entries[1];
};

struct sembuf {
	short sem_op;
};

struct sem_queue {
	struct list_head list;
	struct task_struct *sleeper;
	void *sops;
	int nsops;
};

/* who sleeps at a word */
struct futex_q {
	struct {
		struct list_head node_list;
	} list;
	struct task_struct *task;
	void *lock_ptr;			/* of what lists it, NULL: it was woken */
	union {
		struct {
			__u64 ptr;	/* number of an inode, or an address space */
			unsigned long word;
			unsigned int offset;
		} both;
	} key;
};

/* of futex_waitv(2), which has an array of them */
struct futex_vector {
	struct futex_q q;
};

/* of wait4(2) and waitid(2) */
struct wait_opts {
	struct pid *wo_pid;
	struct wait_queue_entry child_wait;
};

/* the time limit of a sleep: in nanoseconds, and in ticks */
struct hrtimer_clock_base {
	struct {
		struct {
			struct rb_root rb_root;
		} rb_root;
	} active;
};

struct hrtimer___queued {
	struct {
		struct rb_node node;
		__u64 expires;
	} node;
	struct hrtimer_clock_base *base;
	__u8 state;
};

struct hrtimer_sleeper {
	struct hrtimer timer;
	struct task_struct *task;
};

/* of io_uring_enter(2) */
struct io_wait_queue {
	struct wait_queue_entry wq;
	struct hrtimer t;	/* v6.12 */
};

struct timer_list {
	struct {
		void *pprev;
	} entry;
	unsigned long expires;
};

struct process_timer {
	struct timer_list timer;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
