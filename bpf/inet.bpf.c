// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP and UDP: hooks where bytes have been given to a socket or taken from it,
 * whichever call did it. TCP counts at the own socket, which is half of the
 * connection. A datagram that was sent counts at the socket whose queue it
 * went into, if that was seen, and else as what leaves the own one.
 */
#include "inet.bpf.h"
#include "sock.bpf.h"
#include "sockcall.bpf.h"

/*
 * Where the last datagram that was queued while this task ran has gone. The
 * task may have been interrupted for another's, which its source port tells.
 */
struct inet_note {
	struct lens_chan to;	/* kind 0: none */
	__u64 file;
	__be16 from_port;
	__u16 pad[3];
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
	ident_user(bpf_get_current_task_btf(), dir, key);
	if (totals_count_new(key, f, FILE_TYPED | FILE_INET, call))
		inet_introduce(ident_address(sk), key);
	return 0;
}

/* ---------------------------------------------------------------- datagrams */

static __always_inline int inet_queued(struct sock *sk, struct sk_buff *skb)
{
	struct lens_total_key key = {};
	struct lens_proc unused;
	struct inet_note *note;
	struct udphdr *header;
	struct file *f;

	f = ident_sock(sk, &key);
	if (!f || key.kind != LENS_KIND_UDP)
		return 0;
	note = bpf_task_storage_get(&lens_inet_notes, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!note) {
		loss_add(LENS_KIND_UDP, LENS_LOSS_STORAGE, 1, 0);
		return 0;
	}
	header = (void *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header));
	note->from_port = BPF_CORE_READ(header, source);
	note->file = ident_address(f);
	ident_split(&key, &note->to, &unused);
	return 0;
}

/* key is of the sender's socket */
static __always_inline int inet_datagram_sent(struct sock *sk, struct lens_total_key *key,
					      struct file *f, const struct call *call)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct inet_note *note = bpf_task_storage_get(&lens_inet_notes, t, NULL, 0);
	__be16 port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);

	if (!note || !note->to.kind || note->from_port != port || call->ret < 0) {
		key->gen = LENS_GEN_OUTGOING;
		return inet_count(sk, key, f, LENS_WRITE, call);
	}
	note->to.kind = LENS_KIND_NONE;
	key->ino = note->to.ino;
	ident_user(t, LENS_WRITE, key);
	totals_count(key, (struct file *)note->file, FILE_INET, call);
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
	struct lens_total_key key = {};
	struct file *f = inet_called(sk, ret, &key);

	if (!f)
		return 0;
	if (key.kind == LENS_KIND_TCP)
		return inet_count(sk, &key, f, LENS_WRITE, &call);
	call.moved = ret >= 0;
	return inet_datagram_sent(sk, &key, f, &call);
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

	if (flags & KDEF_MSG_TRUNC && sk->sk_type == KDEF_SOCK_DGRAM && ret > 0)
		moved = sockcall_fitting(ret);
	return inet_received(sk, moved, flags, false);
}

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(inet__sock_any__queued, struct sock *sk)
{
	if (sk->__sk_common.skc_family == KDEF_AF_UNIX || sk->sk_type != KDEF_SOCK_DGRAM)
		return 0;
	return inet_queued(sk, sk->sk_receive_queue.prev);
}

/* ---------------------------------------------------------- function hooks */

/* what the tracepoints do not see; where functions cannot be hooked, the end of splice(2) does */
SEC("?fexit/tcp_splice_read")
int BPF_PROG(inet__sockfexit__spliced, struct socket *sock, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	inet_received(sock->sk, ret, 0, false);
	return 0;
}

SEC("?fexit/tcp_splice_read")
int BPF_PROG(inet__fexit__spliced, struct socket *sock, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	inet_received(sock->sk, ret, 0, false);
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(inet__fexit__sent, struct sock *sk, struct msghdr *msg, unsigned long size, int ret)
{
	inet_sent(sk, ret, ret > 0 && ret < size);
	return 0;
}

/* splice(2) and sendfile(2), until v6.5 */
SEC("?fexit/tcp_sendpage")
int BPF_PROG(inet__fexit__page_sent, struct sock *sk, void *page, int offset, unsigned long size,
	     int flags, int ret)
{
	inet_sent(sk, ret, false);
	return 0;
}

SEC("?fexit/tcp_recvmsg")
int BPF_PROG(inet__fexit__received, struct sock *sk, struct msghdr *msg, unsigned long size,
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

SEC("?fexit/__udp_enqueue_schedule_skb")
int BPF_PROG(inet__fexit__queued, struct sock *sk, struct sk_buff *skb, int ret)
{
	/* else it was dropped, for the queue is full */
	if (!ret)
		inet_queued(sk, skb);
	return 0;
}
