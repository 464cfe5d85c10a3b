// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Depth, addresses and streams of sockets of the internet protocols, read
 * without their lock.
 *
 * Sequence numbers say more than the receive queue does: what was written and
 * not yet read, wherever it is now, is what lies between the writer's and the
 * reader's place in the stream. A stream's end has a number of its own, which
 * is no byte of it.
 */
#include "describe.bpf.h"
#include "inet.bpf.h"
#include "multipath.bpf.h"
#include "redirect.bpf.h"

/* an acknowledgement may come between two loads */
#define LOOKS_MAX 4

static __always_inline bool is_done(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_flags) >> KDEF_SOCK_DONE & 1;
}

/* the end of the stream that a reader has taken, or that waits behind the bytes */
static __always_inline __u32 read_end(struct sock *sk, __u32 unread)
{
	return is_done(sk) && !unread;
}

static __always_inline __u32 unread_bytes(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	__u32 unread = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);

	/* torn: the reader was faster */
	if ((__s32)unread < 0)
		return 0;
	return unread - (unread && is_done(sk));
}

/* packets of one queue that are added up at most */
#define QUEUE_MAX (1u << 16)
/* no datagram is longer; what is was torn while it was read */
#define DATAGRAM_MAX (1u << 16)

struct datagrams {
	void *head;
	struct sk_buff *at;
	__u64 bytes;
};

static long add_datagram(__u32 i, struct datagrams *d)
{
	struct sk_buff *skb = d->at;
	__u32 len;

	if (!skb || (void *)skb == d->head)
		return 1;
	len = BPF_CORE_READ(skb, len);
	if (len <= DATAGRAM_MAX)
		d->bytes += len;
	d->at = BPF_CORE_READ(skb, next);
	return 0;
}

static __always_inline void add_queue(struct sk_buff_head *queue, struct lens_depth *depth)
{
	struct datagrams d = { .head = queue };
	__u32 count = BPF_CORE_READ(queue, qlen);

	d.at = BPF_CORE_READ(queue, next);
	bpf_loop(count < QUEUE_MAX ? count : QUEUE_MAX, add_datagram, &d, 0);
	depth->queued_bytes += d.bytes;
	depth->queued_msgs += count;
}

/* a reader takes the whole queue over to one of its own */
static __noinline int describe_datagrams(struct sock *sk, struct lens_depth *ret)
{
	add_queue((void *)sk + bpf_core_field_offset(struct sock, sk_receive_queue), ret);
	add_queue((void *)sk + bpf_core_field_offset(struct udp_sock, reader_queue), ret);
	return 0;
}

/* more are not added up */
#define REDIRECTED_MAX (1u << 16)

struct redirected {
	void *head, *at;
	__u64 bytes;
};

static long add_redirected(__u32 i, struct redirected *r)
{
	struct sk_msg *m = r->at - bpf_core_field_offset(struct sk_msg, list);

	if (!r->at || r->at == r->head)
		return 1;
	r->bytes += BPF_CORE_READ(m, sg.size);
	return bpf_probe_read_kernel(&r->at, sizeof(r->at), r->at) != 0;
}

/* what lies in the queue that programs fill */
static __noinline __u64 redirected_bytes(struct sk_psock *p)
{
	struct redirected r = {};

	if (!bpf_core_type_exists(struct sk_psock) || !p)
		return 0;
	r.head = (void *)p + bpf_core_field_offset(struct sk_psock, ingress_msg);
	if (!bpf_probe_read_kernel(&r.at, sizeof(r.at), r.head))
		bpf_loop(REDIRECTED_MAX, add_redirected, &r, 0);
	return r.bytes;
}

int describe_inet(__u64 file, struct lens_depth *ret)
{
	struct sock *sk = ident_file_sock((struct file *)file), *path;

	if (!sk || !ret)
		return 0;
	path = multipath_first(sk);
	ret->key = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	ret->valid = LENS_DEPTH_VALID;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == KDEF_TCP_LISTEN) {
		ret->queued_msgs = BPF_CORE_READ(path, sk_ack_backlog);
		/* a full one takes one more than its backlog says: sk_acceptq_is_full() */
		ret->capacity_msgs = BPF_CORE_READ(path, sk_max_ack_backlog) + 1;
		ret->valid |= LENS_DEPTH_LISTENING;
		return 0;
	}
	ret->capacity_bytes = BPF_CORE_READ(sk, sk_rcvbuf);
	if (BPF_CORE_READ(sk, sk_type) == KDEF_SOCK_DGRAM)
		describe_datagrams(sk, ret);
	else
		ret->queued_bytes = unread_bytes(path);
	if (path != sk)
		ret->queued_bytes += multipath_unread((struct mptcp_sock *)sk);
	ret->queued_bytes += redirected_bytes(redirect_of(sk));
	return 0;
}

/* ---------------------------------------------------------------- addresses */

static __always_inline void read_addresses(struct sock *sk, struct lens_rec_sock *r)
{
	struct sock_common *c = &sk->__sk_common;

	if (BPF_CORE_READ(c, skc_family) == KDEF_AF_INET6) {
		bpf_core_read(r->local, sizeof(r->local), &c->skc_v6_rcv_saddr);
		bpf_core_read(r->remote, sizeof(r->remote), &c->skc_v6_daddr);
	} else {
		r->local[10] = r->local[11] = r->remote[10] = r->remote[11] = 0xff;
		bpf_core_read(r->local + 12, 4, &c->skc_rcv_saddr);
		bpf_core_read(r->remote + 12, 4, &c->skc_daddr);
	}
	/* the number in the hash goes when the connection does; this one stays */
	r->local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	r->remote_port = __builtin_bswap16(BPF_CORE_READ(c, skc_dport));
}

/* ------------------------------------------------------------------ streams */

/*
 * Does anybody change it right now? Free is what it was when it was looked at. No decision here
 * and below: the verifier would walk every combination of what several looks have found.
 */
static __always_inline __u32 is_locked(struct sock *sk)
{
	__u32 lock = BPF_CORE_READ(sk, sk_lock.owned);

	if (bpf_core_field_exists(sk->sk_lock.slock.rlock))
		lock |= BPF_CORE_READ(sk, sk_lock.slock.rlock.raw_lock.val.counter);
	return lock;
}

/*
 * Numbers of one stream that belong together. The kernel counts the bytes before it moves
 * the place, with the lock held: who finds it free in between, and the place where it was, has
 * not read between the two.
 */
static __always_inline bool read_send_origin(struct tcp_sock *tp, __u32 *ret)
{
	__u32 una = BPF_CORE_READ(tp, snd_una);

	*ret = una - (__u32)BPF_CORE_READ(tp, bytes_acked);
	return !(is_locked((struct sock *)tp) | (BPF_CORE_READ(tp, snd_una) ^ una));
}

static __always_inline bool read_receive_origin(struct tcp_sock *tp, __u32 *ret)
{
	__u32 next = BPF_CORE_READ(tp, rcv_nxt);

	*ret = next - (__u32)BPF_CORE_READ(tp, bytes_received);
	return !(is_locked((struct sock *)tp) | (BPF_CORE_READ(tp, rcv_nxt) ^ next));
}

static __always_inline void read_origins(struct tcp_sock *tp, struct lens_rec_sock *r)
{
	bool sent = false, received = false;
	__u32 i;

	for (i = 0; i < LOOKS_MAX && !sent; i++)
		sent = read_send_origin(tp, &r->send_origin);
	for (i = 0; i < LOOKS_MAX && !received; i++)
		received = read_receive_origin(tp, &r->receive_origin);
	/* tcp_disconnect() forgets the remote port before it forgets the numbers */
	if (sent && received && BPF_CORE_READ((struct sock *)tp, __sk_common.skc_dport))
		r->flags |= LENS_SOCK_SYNCED;
}

static __always_inline bool has_sent_end(__u32 state)
{
	return state == KDEF_TCP_FIN_WAIT1 || state == KDEF_TCP_FIN_WAIT2 ||
	       state == KDEF_TCP_LAST_ACK || state == KDEF_TCP_CLOSING;
}

/* in a closed one what was not sent is thrown away, so its number tells nothing */
static __always_inline void read_places(struct sock *sk, struct lens_rec_sock *r)
{
	struct tcp_sock *tp = (void *)sk;
	__u32 unread = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);

	if (r->state == KDEF_TCP_CLOSE)
		return;
	r->sent = BPF_CORE_READ(tp, write_seq) - has_sent_end(r->state);
	r->taken = BPF_CORE_READ(tp, copied_seq) - read_end(sk, unread);
	r->flags |= LENS_SOCK_PLACED;
}

static __always_inline __u32 read_drops(struct sock *sk)
{
	__u32 drops = BPF_CORE_READ(sk, sk_drops.counter);
	struct numa_drop_counters *more;

	if (!bpf_core_field_exists(sk->sk_drop_counters))
		return drops;
	more = BPF_CORE_READ(sk, sk_drop_counters);
	if (!more)
		return drops;
	return drops + BPF_CORE_READ(more, drops0.counter) + BPF_CORE_READ(more, drops1.counter);
}

/* "tls" with its end */
#define ULP_TLS 0x00736c74u

/* does the kernel encrypt what calls write? */
static __always_inline bool is_encrypted(struct inet_connection_sock *c)
{
	const struct tcp_ulp_ops *above = BPF_CORE_READ(c, icsk_ulp_ops);
	__u32 name = 0;

	return above && !bpf_core_read(&name, sizeof(name), &above->name) && name == ULP_TLS;
}

/* a record that was begun, one that has not left, and what was decrypted and not read */
static __always_inline bool holds_bytes(struct inet_connection_sock *c)
{
	struct tls_context *tls = BPF_CORE_READ(c, icsk_ulp_data);
	struct tls_sw_context_tx *tx;
	struct tls_sw_context_rx *rx;
	struct list_head *unsent;

	if (!bpf_core_type_exists(struct tls_sw_context_tx) ||
	    !bpf_core_type_exists(struct tls_sw_context_rx))
		return true;
	tx = BPF_CORE_READ(tls, priv_ctx_tx);
	rx = BPF_CORE_READ(tls, priv_ctx_rx);
	unsent = (void *)tx + bpf_core_field_offset(struct tls_sw_context_tx, tx_list);
	return (tx && (BPF_CORE_READ(tx, open_rec) || BPF_CORE_READ(unsent, next) != unsent)) ||
	       (rx && BPF_CORE_READ(rx, rx_list.qlen));
}

int inet_describe_encrypted(__u64 sk, struct lens_rec_sock *ret)
{
	struct inet_connection_sock *c = (void *)sk;

	if (!ret || !(ret->flags & LENS_SOCK_SYNCED) || !is_encrypted(c))
		return 0;
	ret->flags |= LENS_SOCK_ENCRYPTED;
	if (holds_bytes(c))
		ret->flags |= LENS_SOCK_HOLDS;
	return 0;
}

static __always_inline bool has_streams(const struct lens_rec_sock *r)
{
	return r->remote_port && r->state != KDEF_TCP_LISTEN && r->state != KDEF_TCP_SYN_SENT &&
	       r->state != KDEF_TCP_SYN_RECV;
}

int inet_describe(__u64 address, struct lens_rec_sock *ret)
{
	struct sock *sk = (struct sock *)address;

	if (!ret)
		return 0;
	read_addresses(sk, ret);
	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	ret->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	ret->send_room = BPF_CORE_READ(sk, sk_sndbuf);
	if (multipath_is(sk))
		ret->flags |= LENS_SOCK_MULTIPATH;
	if (redirect_of(sk))
		ret->flags |= LENS_SOCK_REDIRECTED;
	if (BPF_CORE_READ(sk, sk_dst_cache, dev, flags) & KDEF_IFF_LOOPBACK)
		ret->flags |= LENS_SOCK_LOCAL;
	if (BPF_CORE_READ(sk, sk_type) == KDEF_SOCK_DGRAM) {
		ret->drops = read_drops(sk);
		return 0;
	}
	if (ret->flags & LENS_SOCK_MULTIPATH || !has_streams(ret))
		return 0;
	read_origins((struct tcp_sock *)sk, ret);
	read_places(sk, ret);
	return 0;
}

int inet_describe_paths(__u64 address, struct lens_rec_sock *ret)
{
	struct sock *sk = (struct sock *)address, *first = multipath_first(sk);

	if (!ret || !first || !has_streams(ret))
		return 0;
	if (BPF_CORE_READ(first, sk_dst_cache, dev, flags) & KDEF_IFF_LOOPBACK)
		ret->flags |= LENS_SOCK_LOCAL;
	read_origins((struct tcp_sock *)first, ret);
	return 0;
}

/*
 * The bytes that calls wrote and read, whichever path they went, counted from where the streams
 * of the first one begin.
 */
int inet_place_paths(__u64 address, struct lens_rec_sock *ret)
{
	struct mptcp_sock *m = (struct mptcp_sock *)address;
	struct sock *first = multipath_first((struct sock *)address);
	struct tcp_sock *tp = (void *)first;

	if (!ret || ret->state == KDEF_TCP_CLOSE || !(ret->flags & LENS_SOCK_SYNCED))
		return 0;
	/* with a peer that speaks TCP there is no more than one, whose numbers are all it knows */
	if (!BPF_CORE_READ(m, remote_key))
		ret->sent = BPF_CORE_READ(tp, write_seq) + multipath_unsent(m) -
			    has_sent_end(BPF_CORE_READ(first, __sk_common.skc_state));
	else
		ret->sent = ret->send_origin + multipath_written(m, first) -
			    has_sent_end(ret->state);
	if (multipath_counts_reads()) {
		ret->taken = ret->receive_origin + (__u32)BPF_CORE_READ(m, bytes_consumed);
	} else if (multipath_is_single(m)) {
		ret->taken = BPF_CORE_READ(tp, copied_seq);
		ret->taken -= read_end(first, BPF_CORE_READ(tp, rcv_nxt) - ret->taken) +
			      multipath_unread(m);
	} else {
		return 0;
	}
	ret->flags |= LENS_SOCK_PLACED;
	return 0;
}

/* as if the reader was so far behind in its stream */
int inet_place_redirected(__u64 sk, struct lens_rec_sock *ret)
{
	if (ret)
		ret->taken -= redirected_bytes(redirect_of((struct sock *)sk));
	return 0;
}

int inet_introduce(__u64 sk, const struct lens_total_key *key)
{
	struct lens_rec_sock r = {};
	struct lens_proc unused;

	if (!key)
		return 0;
	ident_split(key, &r.chan, &unused);
	inet_tell(sk, &r);
	rec_init(&r.h, LENS_REC_SOCK, sizeof(r));
	return core_emit(&r, sizeof(r), r.chan.kind);
}
