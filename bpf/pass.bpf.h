/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors that travel over unix sockets (SCM_RIGHTS). A message carries
 * them in its control data, as numbers in the table of whoever sends it, and is
 * received with numbers in the receiver's: what they stand for is looked up
 * there when the call returns.
 */
#ifndef LENS_PASS_BPF_H
#define LENS_PASS_BPF_H

#include "core.bpf.h"

/* the control data of one message */
struct pass_control {
	__u64 at;		/* address */
	__u32 size;		/* bytes; 0: there is none */
	__u32 flags;		/* PASS_* */
};

#define PASS_COMPAT 1		/* laid out for 32-bit programs */
#define PASS_KERNEL 2		/* the kernel's own copy, not user memory */

/* how many tasks are in a call whose note holds control data with descriptors */
extern __s32 lens_passing;

/* tells of every descriptor in it; via: the queue the message goes through */
int pass_tell(const struct pass_control *control, const struct lens_chan *via, __u32 dir);

/*
 * sendmsg(2) or recvmsg(2) on the socket behind the file at an address has
 * succeeded; header: its struct msghdr in user memory. noted: the queue a
 * datagram went into is in the note of the task.
 */
int pass_returned(__u64 file, __u64 header, __u32 dir, __u32 compat, __u32 noted);

/* the current task has got a file from the process that via stands for, without a message */
int pass_fetched(const struct lens_chan *via, __u64 file, __u32 fd);

/*
 * Tells of every descriptor in the queue of a unix socket, whose channel is chan; for looks.
 * Returns how many there were.
 */
int pass_in_flight(__u64 sk, const struct lens_chan *chan);

#endif
