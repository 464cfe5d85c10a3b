/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The system calls that only sockets know, by their registers.
 */
#ifndef LENS_SOCKCALL_BPF_H
#define LENS_SOCKCALL_BPF_H

#include "arch.bpf.h"

/* counts what such a call moved; ret is what it returned */
__hidden int sockcall(struct pt_regs *regs, __u32 class, bool compat, __s64 ret, __u64 kinds);

/*
 * With MSG_TRUNC a call returns all the length of a message, whatever of it there was room for:
 * the least of ret and that room, for the call on a UDP socket that the current task is in. Of
 * the messages of one recvmmsg(2) it is the room of the first; of io_uring's it is not known,
 * which counts as unseen. A global function, walked once.
 */
__s64 sockcall_fitting(__s64 ret);

__u64 sockcall_header_room(__u64 header, __u32 compat);

/* how many bytes fit into a vector of buffers in user memory */
__hidden __u64 sockcall_room(__u64 vector, __u64 count, bool compat);

/* socketcall(2): what it is about, from its first argument; a is replaced by the call's own */
__hidden __u32 sockcall_unwrap(struct call_args *a);

#endif
