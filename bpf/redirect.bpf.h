/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets in a sockmap: a BPF program decides where what they are sent goes, past
 * their streams and to whichever socket. What it put into the queue of one has no number there.
 * Everything by probing reads, so that any address will do.
 */
#ifndef LENS_REDIRECT_BPF_H
#define LENS_REDIRECT_BPF_H

#include "ident_sock.bpf.h"

/* flags in the lowest bits of sk_user_data: include/net/sock.h */
#define USER_DATA_FLAGS 7ull

/* NULL: it is in no map. Others have data of theirs there, which does not lead back */
static __always_inline struct sk_psock *redirect_of(struct sock *sk)
{
	struct sk_psock *p = NULL;

	if (bpf_core_type_exists(struct sk_psock))
		p = (void *)((__u64)BPF_CORE_READ(sk, sk_user_data) & ~USER_DATA_FLAGS);
	return p && BPF_CORE_READ(p, sk) == sk ? p : NULL;
}

#endif
