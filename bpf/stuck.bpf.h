/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One look at who waits for what: shared by the iterators that take it. All by
 * probing reads; nothing is held, stopped or woken.
 */
#ifndef LENS_STUCK_BPF_H
#define LENS_STUCK_BPF_H

#include "arch.bpf.h"
#include "ident.bpf.h"
#include "ktypes_memory.bpf.h"
#include "ktypes_queued.bpf.h"
#include "ktypes_sock.bpf.h"
#include "ktypes_timer.bpf.h"
#include "ktypes_uring.bpf.h"

extern const volatile __u16 lens_waits[CALL_TABLE];

/* the call a task is in: enum lens_call, with its number and arguments */
__hidden __u32 stuck_call(struct task_struct *t, __u32 *ret_nr, __u32 *ret_flags,
			  struct call_args *ret_args);

/* will a timer of its process have a signal reach it? */
__hidden bool stuck_timer(struct task_struct *t);
/* ... one behind a descriptor is not set, and has not expired */
__hidden bool stuck_timerfd_is_idle(struct timerfd_ctx *ctx);
/* fills in what is known of the socket behind a descriptor */
__hidden int stuck_sock(struct sock *sk, struct lens_rec_desc *d, char *name);
/* hands over who waits for room in the queue of a unix socket */
__hidden int stuck_peer_waiters(struct sock *sk);
/* hands over who waits for the lock of a pipe, which somebody has */
__hidden int stuck_lock_waiters(struct pipe_inode_info *pipe);
/* hands over what an epoll set watches */
__hidden int stuck_epoll(struct eventpoll *ep);
/* hands over the descriptors on their way in a socket's queue */
__hidden int stuck_in_flight(struct sock *sk);
/* fills in what a file, of ident_file_at(), stands for; its name goes to name, of STUCK_NAME_MAX
 * bytes */
/* to an open file description */
__hidden __u64 stuck_references(struct file *f);
__hidden int stuck_file(struct file *f, struct lens_rec_desc *d, char *name);

/* makes a record of what stuck_file() has filled in at the start of the scratch buffer; its length,
 * 0: it does not fit */
__hidden __u32 stuck_desc_finish(struct scratch *s);
/* hands over the locks on the file that a task, asleep until it has one, wants to lock; end: of its
 * kernel stack; a global function, walked once */
int stuck_locks(__u64 task, __u64 end);
/* ... and the leases that a task, asleep in open(2) or truncate(2), waits to be given up */
__hidden int stuck_leases(struct task_struct *t);
#define KERNEL_SPACE (1ull << 63) /* addresses from here on */
#define STUCK_STACK_WORDS 512 /* from where a task left the processor to open(2): some 150 */

/* hands over the FIFO that a task, asleep in open(2), waits for a partner on */
__hidden int stuck_opening(struct task_struct *t, struct seq_file *seq);

/* some futex that is waited for is not known to be in memory that is one process's own */
extern bool lens_words_shared;

/*
 * Is what a descriptor of a sleeping task stands for what its call is about? end: of its kernel
 * stack. A global function, walked once.
 */
int stuck_subject(__u64 task, __u32 fd, __u64 end);
/* ... of one in waitid(2): is it the process that it waits for? */
__hidden bool stuck_awaits(struct task_struct *t, __u32 pidfd);
__hidden bool stuck_awaits_group(struct task_struct *t, __u64 group);

/*
 * The address of the futex that a task sleeps at. Its call says `address`, but it may have been
 * moved since, to `second` or elsewhere: that is handed over. 0: to none in its own memory.
 */
__hidden __u64 stuck_futex(struct task_struct *t, struct seq_file *seq, __u64 address,
			   __u64 second);
/*
 * What lists a sleeping task where it waits, of a kind; on its kernel stack, where the kernel
 * has, too, what the call was given: user memory may say something else by now. end: of that
 * stack; 0: it waits for something else. A global function, walked once.
 */
enum stuck_queued {
	QUEUED_POLL,	/* struct poll_wqueues */
	QUEUED_SEM,	/* struct sem_queue */
	QUEUED_LOCK,	/* struct file_lock, before v6.9 struct file_lock___pre69 */
	QUEUED_LEASE,	/* ... of who breaks one */
	QUEUED_WORDS,	/* struct futex_vector, count of them */
	QUEUED_CHILD,	/* struct wait_opts */
	QUEUED_TIMER,	/* ... and is woken by when its time is up: not 0 */
};
__u64 stuck_queued(__u64 task, __u64 end, __u32 kind, __u32 count);

/* hands over what a task, asleep in poll(2) or select(2), waits for */
__hidden int stuck_polled(struct task_struct *t, struct seq_file *seq, __u32 call);

/* number of the inode behind a shared futex */
static __always_inline __u64 stuck_sequence(void *inode)
{
	return BPF_CORE_READ((struct inode___sequence *)inode, i_sequence.counter);
}

/* hands over that somebody else may have to bring in what a call moves data to or from */
__hidden int stuck_buffer(struct task_struct *t, struct seq_file *seq, __u32 call,
			  const struct call_args *a, bool compat);

/* hands over the requests to the ring at an address that wait for files, and who makes them; a
 * global function, walked once */
int stuck_ring(__u64 address);

#define STUCK_NAME_MAX 256 /* NAME_MAX + 1, more than sun_path */

#endif
