/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * MPTCP: a socket whose stream goes by several TCP connections of the
 * kernel's own, its paths. The first of them is the one by which both ends know
 * each other; the bytes of the stream have numbers beside those of each path.
 * Everything by probing reads, so that any address will do.
 */
#ifndef LENS_MULTIPATH_BPF_H
#define LENS_MULTIPATH_BPF_H

#include "ident_sock.bpf.h"

static __always_inline bool multipath_is(struct sock *sk)
{
	return bpf_core_type_exists(struct mptcp_sock) &&
	       BPF_CORE_READ(sk, sk_protocol) == KDEF_IPPROTO_MPTCP;
}

/* the first path of a socket that has several, NULL if there is none; of any other, itself */
static __always_inline struct sock *multipath_first(struct sock *sk)
{
	return multipath_is(sk) ? BPF_CORE_READ((struct mptcp_sock *)sk, first) : sk;
}

/* does the kernel tell how much was read? */
static __always_inline bool multipath_counts_reads(void)
{
	struct mptcp_sock *m = NULL;

	return bpf_core_field_exists(m->bytes_consumed);
}

static __always_inline bool multipath_is_single(struct mptcp_sock *m)
{
	/* its list goes back to its head after the first */
	return BPF_CORE_READ(m, conn_list.next, next) ==
	       (void *)m + bpf_core_field_offset(struct mptcp_sock, conn_list);
}

/* all that was ever written, and the end of the stream if it was, which has a number, too */
static __always_inline __u32 multipath_written(struct mptcp_sock *m, struct sock *first)
{
	struct mptcp_subflow_context *path =
		BPF_CORE_READ((struct inet_connection_sock *)first, icsk_ulp_data);

	/* of the number before the first the active opener's path knows, too: see wire_sock.h */
	return BPF_CORE_READ(m, write_seq) - BPF_CORE_READ(path, idsn) - 1 +
	       BPF_CORE_READ_BITFIELD_PROBED(path, request_mptcp);
}

/* written and not yet given to a path; the end of the stream is none of it */
static __always_inline __u32 multipath_unsent(struct mptcp_sock *m)
{
	__u32 unsent = BPF_CORE_READ(m, write_seq) - BPF_CORE_READ(m, snd_nxt);

	return unsent && BPF_CORE_READ(m, snd_data_fin_enable) ? unsent - 1 : unsent;
}

static __always_inline void *multipath_tell(struct sk_buff *skb)
{
	return (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
}

/* what lies in the socket's own queues, taken from the paths and not yet read */
static __always_inline __u32 multipath_unread(struct mptcp_sock *m)
{
	struct sock *sk = (void *)m;
	struct mptcp_skb_cb *first, *last;
	struct sk_buff *skb = NULL;

	if (!BPF_CORE_READ(sk, sk_receive_queue.qlen)) {
		if (!bpf_core_field_exists(m->receive_queue) ||
		    !BPF_CORE_READ(m, receive_queue.qlen))
			return 0;
		last = multipath_tell(BPF_CORE_READ(m, receive_queue.prev));
	} else {
		last = multipath_tell(BPF_CORE_READ(sk, sk_receive_queue.prev));
		skb = BPF_CORE_READ(sk, sk_receive_queue.next);
	}
	if (bpf_core_field_exists(m->receive_queue) && BPF_CORE_READ(m, receive_queue.qlen))
		skb = BPF_CORE_READ(m, receive_queue.next);
	first = multipath_tell(skb);
	return BPF_CORE_READ(last, end_seq) - BPF_CORE_READ(first, map_seq);
}

#endif
