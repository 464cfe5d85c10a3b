/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel knows of a socket of the internet protocols that its file
 * does not tell: addresses, and where its streams are.
 */
#ifndef LENS_INET_BPF_H
#define LENS_INET_BPF_H

#include "ident_sock.bpf.h"

/*
 * Global functions, walked once; sk is an address. Of a socket with LENS_SOCK_MULTIPATH the others
 * add what its paths know: apart, since little is left of the stack where they are called.
 */
int inet_describe(__u64 sk, struct lens_rec_sock *ret);
int inet_describe_paths(__u64 sk, struct lens_rec_sock *ret);
int inet_place_paths(__u64 sk, struct lens_rec_sock *ret);
/* sets LENS_SOCK_ENCRYPTED and what goes with it, of one with LENS_SOCK_SYNCED */
int inet_describe_encrypted(__u64 sk, struct lens_rec_sock *ret);
/* ... and of one with LENS_SOCK_REDIRECTED, what is in the queue that BPF programs fill */
int inet_place_redirected(__u64 sk, struct lens_rec_sock *ret);

/* the channel is left open */
static __always_inline void inet_tell(__u64 sk, struct lens_rec_sock *ret)
{
	inet_describe(sk, ret);
	if (ret->flags & LENS_SOCK_MULTIPATH) {
		inet_describe_paths(sk, ret);
		inet_place_paths(sk, ret);
	} else if (ret->flags & LENS_SOCK_SYNCED) {
		inet_describe_encrypted(sk, ret);
	}
	if (ret->flags & LENS_SOCK_REDIRECTED)
		inet_place_redirected(sk, ret);
}

/* hands over the record of the socket behind a new endpoint */
int inet_introduce(__u64 sk, const struct lens_total_key *key);

#endif
