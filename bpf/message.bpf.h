/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which message a call on a message queue was about: every message gets a number
 * when the kernel allocates it, and whoever takes it out is the one that frees it.
 */
#ifndef LENS_MESSAGE_BPF_H
#define LENS_MESSAGE_BPF_H

#include "core.bpf.h"

/*
 * Numbers are given while this is set. The hooks that give them are attached
 * only when a queue has several senders and several receivers.
 */
extern bool lens_numbering;

enum message_end { MESSAGE_SENT, MESSAGE_TAKEN };

/*
 * The number of the message that the current task's call put in or took out,
 * 0 if it is not known, and forgets both. A global function: the verifier walks it once.
 */
int message_of_call(__u32 end);

/* to be asked once at the end of every call, so that none is taken for another's */
static __always_inline __u32 message_number(enum message_end end)
{
	return lens_numbering ? (__u32)message_of_call(end) : 0;
}

#endif
