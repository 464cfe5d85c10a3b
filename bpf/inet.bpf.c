// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP and UDP: hooks where bytes have been given to a socket or taken from it,
 * whichever call did it. TCP counts at the own socket, which is half of the
 * connection. A datagram that was sent counts at the socket whose queue it
 * went into, if that was seen, and else as what leaves the own one.
 */
#include "datagram.bpf.h"
#include "inet.bpf.h"
#include "multipath.bpf.h"
#include "sock.bpf.h"
#include "sockcall.bpf.h"
#include "storage.bpf.h"

/* receivers of one send that are told apart; of a multicast the rest comes from outside */
#define RECEIVERS_MAX 8

struct datagram {
	__u32 bytes;
	__be16 from_port;
	__u16 pad;
};

/*
 * Where the datagrams have gone that were queued while this task ran, since its last send. It
 * may have been interrupted for another's, which the source port tells.
 */
struct inet_note {
	struct inet_queue {
		__u64 ino, file;
		__u32 bytes, count;	/* count: without empty ones */
	} queue[RECEIVERS_MAX];
	__u32 used;
	__be16 from_port;
	__be16 pieces_port;	/* a send from there left something for the next one */
	__u32 pieces_bytes;	/* what it left */
	__u16 is_certain;	/* they are these, and not others that were queued meanwhile */
	__u16 is_counted;	/* right now: what is queued meanwhile is another's */
	struct datagram coming;	/* about to be queued */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct inet_note);
} lens_inet_notes SEC(".maps");

static __always_inline int inet_count(struct sock *sk, struct lens_total_key *key, struct file *f,
				      __u32 dir, const struct call *call)
{
	ident_user(ident_current(), dir, key);
	if (totals_count_new(key, f, FILE_TYPED | FILE_INET, call))
		inet_introduce(ident_address(sk), key);
	return 0;
}

/* ---------------------------------------------------------------- datagrams */

static __always_inline void note_add(struct inet_note *note, __u64 ino, __u64 file, __u32 bytes)
{
	struct inet_queue *q = NULL;
	__u32 i;

	for (i = 0; i < RECEIVERS_MAX; i++) {
		if (i == note->used) {
			q = &note->queue[i];
			note->used++;
			*q = (struct inet_queue){ .ino = ino, .file = file };
			break;
		}
		if (note->queue[i].ino == ino) {
			q = &note->queue[i];
			break;
		}
	}
	if (!q)
		return;
	q->bytes += bytes;
	if (bytes)
		q->count++;
}

static __always_inline void datagram_read(struct sk_buff *skb, struct datagram *ret)
{
	struct udphdr *header =
		(void *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header));

	ret->from_port = BPF_CORE_READ(header, source);
	ret->bytes = BPF_CORE_READ(skb, len);
}

static __always_inline struct inet_note *note_get(void)
{
	struct inet_note *note = storage_make(bpf_task_storage_get, &lens_inet_notes,
					      bpf_get_current_task_btf());

	if (!note)
		loss_add(LENS_KIND_UDP, LENS_LOSS_STORAGE, 1, 0);
	return note;
}

static __always_inline int inet_queued(struct sock *sk, struct inet_note *note,
				       const struct datagram *d)
{
	struct lens_total_key key = {};
	struct file *f = ident_sock(sk, &key);

	if (!f || key.kind != LENS_KIND_UDP || note->is_counted)
		return 0;
	if (note->from_port != d->from_port)
		note->used = 0;
	note->from_port = d->from_port;
	note_add(note, key.ino, ident_address(f), d->bytes);
	return 0;
}

/* a send that is being counted, at each queue where it went */
struct inet_sending {
	struct lens_total_key key;
	__u32 bytes;
	__u16 is_short;
	__u16 is_certain;	/* what is noted is of this send, even if it does not add up */
};

static long count_queue(__u32 i, struct inet_sending *s)
{
	struct inet_note *note = bpf_task_storage_get(&lens_inet_notes,
						      bpf_get_current_task_btf(), NULL, 0);
	struct call call = { .is_short = s->is_short };
	struct inet_queue *q;

	if (!note || i >= RECEIVERS_MAX)
		return 1;
	q = &note->queue[i];
	s->key.ino = q->ino;
	call.ret = s->bytes;
	call.moved = 1;
	/*
	 * Of one that was cut in segments there are several; the kernel makes no more than 128.
	 * What does not add up may be of others that send by this socket right now.
	 */
	if (s->is_certain || (s->bytes && q->bytes == s->bytes)) {
		call.ret = q->bytes;
		if (q->count)
			call.moved = q->count;
		if (q->count > 1)
			call.aux = q->count;
	}
	totals_count(&s->key, (struct file *)q->file, FILE_INET, &call);
	return 0;
}

/* is it a piece of a datagram that has not left for this host yet? Its end counts for all of it */
static __always_inline bool is_corked_here(struct sock *sk)
{
	return BPF_CORE_READ((struct udp_sock *)sk, pending) &&
	       BPF_CORE_READ((struct inet_sock *)sk, cork.base.dst, dev, flags) &
		       KDEF_IFF_LOOPBACK;
}

static __always_inline void note_piece(__be16 port, __u32 bytes)
{
	struct inet_note *note = note_get();

	if (!note)
		return;
	if (note->pieces_port != port)
		note->pieces_bytes = 0;
	note->pieces_port = port;
	note->pieces_bytes += bytes;
}

/* the bytes of the pieces before the last one */
static __always_inline __u32 note_pieces_end(struct inet_note *note, __be16 port)
{
	if (!note || note->pieces_port != port)
		return 0;
	note->pieces_port = 0;
	return note->pieces_bytes;
}

/* may what was not seen to arrive be for this host all the same? */
static __always_inline bool may_be_here(struct sock *sk)
{
	struct dst_entry *route = BPF_CORE_READ(sk, sk_dst_cache);

	return !route || BPF_CORE_READ(route, dev, flags) & KDEF_IFF_LOOPBACK;
}

/*
 * s->key is of the sender's socket. What was not queued while the sender ran may have been
 * queued by a thread of the kernel, or dropped there.
 */
static __always_inline int inet_datagram_sent(struct sock *sk, struct inet_sending *s,
					      struct file *f, const struct call *call)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct inet_note *note = bpf_task_storage_get(&lens_inet_notes, t, NULL, 0);
	__be16 port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
	bool is_piece = call->ret >= 0 && is_corked_here(sk);
	struct call whole = *call;
	__u64 receiver = 0;
	__u32 used;

	if (call->ret >= 0 && note && note->used && note->from_port == port) {
		used = note->used;
		note->used = 0;
		s->bytes = call->ret;
		/* some segments may have been dropped */
		s->is_certain = note->is_certain || note->pieces_port == port ||
				BPF_CORE_READ((struct udp_sock *)sk, gso_size);
		ident_user(ident_current(), LENS_WRITE, &s->key);
		note->is_counted = true;
		bpf_loop(used, count_queue, s, 0);
		note->is_counted = false;
		if (is_piece)
			note_piece(port, 0);
		else
			note_pieces_end(note, port);
		return 0;
	}
	if (is_piece) {
		note_piece(port, call->ret);
		return 0;
	}
	if (call->ret >= 0)
		whole.ret += note_pieces_end(note, port);
	if (call->ret >= 0 && may_be_here(sk))
		receiver = datagram_receiver(ident_address(sk), DATAGRAM_ANY, &s->key);
	if (!receiver) {
		s->key.gen = LENS_GEN_OUTGOING;
		return inet_count(sk, &s->key, f, LENS_WRITE, &whole);
	}
	ident_user(ident_current(), LENS_WRITE, &s->key);
	totals_count(&s->key, (struct file *)receiver, FILE_INET, &whole);
	return 0;
}

/* ------------------------------------------------------------------- calls */

/* one of the kernel's own has no file: NULL, as for calls that will be made again */
static __always_inline struct file *inet_called(struct sock *sk, __s64 ret,
						struct lens_total_key *ret_key)
{
	if (sk->__sk_common.skc_family == KDEF_AF_UNIX || is_restart(ret))
		return NULL;
	return ident_sock(sk, ret_key);
}

static __always_inline int inet_sent(struct sock *sk, __s64 ret, bool is_short)
{
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	struct inet_sending s = { .is_short = is_short };
	struct file *f = inet_called(sk, ret, &s.key);

	if (!f)
		return 0;
	if (s.key.kind == LENS_KIND_TCP)
		return inet_count(sk, &s.key, f, LENS_WRITE, &call);
	call.moved = ret >= 0;
	return inet_datagram_sent(sk, &s, f, &call);
}

static __always_inline int inet_received(struct sock *sk, __s64 ret, __u32 flags, bool is_short)
{
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	struct lens_total_key key = {};
	struct file *f = inet_called(sk, ret, &key);

	if (!f)
		return 0;
	if (key.kind == LENS_KIND_UDP)
		call.moved = ret >= 0;
	/* neither a look nor what comes back of the own sends leaves the queue */
	if (flags & (KDEF_MSG_PEEK | KDEF_MSG_ERRQUEUE) && ret >= 0)
		call_is_look(&call);
	return inet_count(sk, &key, f, LENS_READ, &call);
}

/* ------------------------------------------ connections, whatever the variant */

/*
 * A socket that was disconnected keeps its number in the stream, so that no byte of the old
 * connection can be taken for one of the new one; a new socket has none before it connects.
 * sk is the kernel's own here, before its state changes.
 */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(inet___any__connecting, struct sock *sk, int old_state, int state)
{
	struct lens_total_key key = {};
	struct lens_rec_sock r = {};
	struct lens_proc unused;
	struct sock *stream;

	if (state != KDEF_TCP_SYN_SENT || sk->sk_type != KDEF_SOCK_STREAM)
		return 0;
	stream = multipath_first((void *)ident_address(sk));
	if (!BPF_CORE_READ((struct tcp_sock *)stream, write_seq) || !ident_sock(sk, &key))
		return 0;
	ident_split(&key, &r.chan, &unused);
	inet_describe(ident_address(sk), &r);
	r.flags |= LENS_SOCK_RENEWED;
	rec_init(&r.h, LENS_REC_SOCK, sizeof(r));
	return core_emit(&r, sizeof(r), r.chan.kind);
}

/* ------------------------------------ tracepoints of v6.3, of any protocol */

SEC("?tp_btf/sock_send_length")
int BPF_PROG(inet__sock_any__sent, struct sock *sk, int ret, int flags)
{
	return inet_sent(sk, ret, false);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(inet__sock_any__received, struct sock *sk, int ret, int flags)
{
	__s64 moved = ret;

	if (flags & KDEF_MSG_TRUNC && sk->sk_type == KDEF_SOCK_DGRAM && ret > 0 &&
	    sk->__sk_common.skc_family != KDEF_AF_UNIX)
		moved = sockcall_fitting(ret);
	return inet_received(sk, moved, flags, false);
}

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(inet__sock_any__queued, struct sock *sk)
{
	struct inet_note *note;
	struct sk_buff *last;
	struct datagram d;

	if (sk->__sk_common.skc_family == KDEF_AF_UNIX || sk->sk_type != KDEF_SOCK_DGRAM)
		return 0;
	/* as an address: the verifier would search all types for whether to trust a pointer here */
	last = core_load(sk, sk_receive_queue.prev);
	datagram_read(last, &d);
	/* taken meanwhile, it may be anything by now; or it was before, and this is the queue */
	if (BPF_CORE_READ(sk, sk_receive_queue.prev) != last ||
	    (__u64)last == ident_address(sk) + bpf_core_field_offset(struct sock, sk_receive_queue))
		return 0;
	note = note_get();
	return note ? inet_queued(sk, note, &d) : 0;
}

/* ---------------------------------------------------------- function hooks */

/*
 * Of TCP those of the socket layer: in a sockmap and under TLS (kTLS) a socket has functions of
 * another module instead of those of its protocol. Both families have functions of their own.
 */
static __always_inline bool is_stream(struct sock *sk)
{
	return sk->sk_protocol == KDEF_IPPROTO_TCP && sk->sk_type == KDEF_SOCK_STREAM;
}

static __always_inline int stream_sent(struct socket *sock, unsigned long size, int ret)
{
	struct sock *sk = sock->sk;

	return is_stream(sk) ? inet_sent(sk, ret, ret > 0 && ret < size) : 0;
}

static __always_inline int stream_received(struct socket *sock, int flags, int ret)
{
	struct sock *sk = sock->sk;

	return is_stream(sk) ? inet_received(sk, ret, flags, false) : 0;
}

/* what splice(2) takes out of others is read by a call that is hooked */
static __always_inline int stream_spliced(struct file *f, __s64 ret)
{
	struct call call = { .ret = ret, .moved = ret > 0 };
	struct lens_total_key key = {};
	struct sock *sk = ident_file_sock((struct file *)ident_address(f));

	if (is_restart(ret) || !ident_sock_probe(sk, &key) || key.kind != LENS_KIND_TCP ||
	    multipath_is(sk))
		return 0;
	ident_user(ident_current(), LENS_READ, &key);
	if (totals_count_new(&key, f, FILE_TYPED | FILE_INET, &call))
		inet_introduce((__u64)sk, &key);
	return 0;
}

/* what the tracepoints do not see; where functions cannot be hooked, the end of splice(2) does */
SEC("?fexit/sock_splice_read")
int BPF_PROG(inet__sockfexit__spliced, struct file *f, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	return stream_spliced(f, ret);
}

SEC("?fexit/sock_splice_read")
int BPF_PROG(inet__fexit__spliced, struct file *f, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	return stream_spliced(f, ret);
}

SEC("?fexit/inet_sendmsg")
int BPF_PROG(inet__fexit__sent, struct socket *sock, struct msghdr *msg, unsigned long size,
	     int ret)
{
	return stream_sent(sock, size, ret);
}

SEC("?fexit/inet6_sendmsg")
int BPF_PROG(inet__fexit__sent6, struct socket *sock, struct msghdr *msg, unsigned long size,
	     int ret)
{
	return stream_sent(sock, size, ret);
}

/* splice(2) and sendfile(2), until v6.5; of both families */
SEC("?fexit/inet_sendpage")
int BPF_PROG(inet__fexit__page_sent, struct socket *sock, void *page, int offset,
	     unsigned long size, int flags, int ret)
{
	return stream_sent(sock, ret, ret);
}

SEC("?fexit/inet_recvmsg")
int BPF_PROG(inet__fexit__received, struct socket *sock, struct msghdr *msg, unsigned long size,
	     int flags, int ret)
{
	return stream_received(sock, flags, ret);
}

SEC("?fexit/inet6_recvmsg")
int BPF_PROG(inet__fexit__received6, struct socket *sock, struct msghdr *msg, unsigned long size,
	     int flags, int ret)
{
	return stream_received(sock, flags, ret);
}

/* a group of its own: not every kernel has MPTCP; what splice(2) takes out is read here, too */

SEC("?fexit/mptcp_sendmsg")
int BPF_PROG(multipath__fexit__sent, struct sock *sk, struct msghdr *msg, unsigned long size,
	     int ret)
{
	inet_sent(sk, ret, ret > 0 && ret < size);
	return 0;
}

SEC("?fexit/mptcp_recvmsg")
int BPF_PROG(multipath__fexit__received, struct sock *sk, struct msghdr *msg, unsigned long size,
	     int flags, int *address_size, int ret)
{
	inet_received(sk, ret, flags, false);
	return 0;
}

/* the function for IPv6 calls that for IPv4 where the address is one: each counts its own */

SEC("?fexit/udp_sendmsg")
int BPF_PROG(inet__fexit__datagram_sent, struct sock *sk, struct msghdr *msg, unsigned long size,
	     int ret)
{
	if (sk->__sk_common.skc_family == KDEF_AF_INET)
		inet_sent(sk, ret, false);
	return 0;
}

SEC("?fexit/udpv6_sendmsg")
int BPF_PROG(inet__fexit__datagram6_sent, struct sock *sk, struct msghdr *msg, unsigned long size,
	     int ret)
{
	inet_sent(sk, ret, false);
	return 0;
}

/* what was copied is what was moved: with MSG_TRUNC the call returns more */
static __always_inline void datagram_received(struct sock *sk, const struct msghdr *msg,
					      unsigned long size, int flags, int ret)
{
	__s64 moved = ret > 0 && size < ret ? size : ret;

	inet_received(sk, moved, flags, msg->msg_flags & KDEF_MSG_TRUNC);
}

SEC("?fexit/udp_recvmsg")
int BPF_PROG(inet__fexit__datagram_received, struct sock *sk, struct msghdr *msg,
	     unsigned long size, int flags, int *address_size, int ret)
{
	datagram_received(sk, msg, size, flags, ret);
	return 0;
}

SEC("?fexit/udpv6_recvmsg")
int BPF_PROG(inet__fexit__datagram6_received, struct sock *sk, struct msghdr *msg,
	     unsigned long size, int flags, int *address_size, int ret)
{
	datagram_received(sk, msg, size, flags, ret);
	return 0;
}

/* once it is queued, it is the receiver's, and may be gone */
SEC("?fentry/__udp_enqueue_schedule_skb")
int BPF_PROG(inet__fexit__coming, struct sock *sk, struct sk_buff *skb)
{
	struct inet_note *note = note_get();

	if (note)
		datagram_read(skb, &note->coming);
	return 0;
}

SEC("?fexit/__udp_enqueue_schedule_skb")
int BPF_PROG(inet__fexit__queued, struct sock *sk, struct sk_buff *skb, int ret)
{
	struct inet_note *note = bpf_task_storage_get(&lens_inet_notes,
						      bpf_get_current_task_btf(), NULL, 0);

	/* else it was dropped, for the queue is full */
	if (!ret && note) {
		note->is_certain = true;
		inet_queued(sk, note, &note->coming);
	}
	return 0;
}
