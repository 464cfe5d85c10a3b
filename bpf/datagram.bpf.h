/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who receives a UDP datagram, for hooks that see only who sent it: the kernel's
 * own table of ports is searched as the kernel has just done it.
 */
#ifndef LENS_DATAGRAM_BPF_H
#define LENS_DATAGRAM_BPF_H

#include "ident_sock.bpf.h"

/*
 * The socket of this network namespace that got what the current task has just sent by
 * the one at an address: its key without a user, and its file as an address. 0 if it went
 * elsewhere, to several, or to one of several that share a port. index: of the message in
 * its call; if that is not known, it has to be one that tells no address.
 * A global function, walked once.
 */
#define DATAGRAM_ANY (~0u)
__u64 datagram_receiver(__u64 sk, __u32 index, struct lens_total_key *ret);

#endif
