/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel knows of a socket of the internet protocols that its file
 * does not tell: addresses, and where its streams are.
 */
#ifndef LENS_INET_BPF_H
#define LENS_INET_BPF_H

#include "ident_sock.bpf.h"

/* a global function, walked once; sk is an address. The channel is left open */
int inet_describe(__u64 sk, struct lens_rec_sock *ret);
/* hands over the record of the socket behind a new endpoint */
int inet_introduce(__u64 sk, const struct lens_total_key *key);

#endif
