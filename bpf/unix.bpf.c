// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Unix sockets: hooks where a message has been sent or received, whichever
 * call did it. Streams and seqpackets are counted at the own socket, which
 * costs no look at the peer; a datagram that was sent counts at the socket
 * whose queue it went into. Descriptors that a message carries are told of when
 * its call returns.
 */
#include "sock.bpf.h"

/*
 * Who is at the other end, kept at a socket for the time when its peer's inode
 * can no longer be asked: a client may write and close before it is accepted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct lens_chan);
} lens_unix_peers SEC(".maps");

/* a new endpoint at half a connection: tells of its peer, now or when that has an inode */
static __always_inline void unix_introduce(struct sock *sk, const struct lens_total_key *key)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);
	struct lens_total_key its = {};
	struct lens_chan chan, peer, *kept;
	struct lens_proc unused;
	struct sock *other;

	ident_split(key, &chan, &unused);
	kept = bpf_sk_storage_get(&lens_unix_peers, sk, NULL, 0);
	if (kept && kept->kind) {
		peer = *kept;
		sock_join(&chan, &peer);
		return;
	}
	other = u ? u->peer : NULL;
	if (!other)
		return;
	if (ident_sock(other, &its)) {
		ident_split(&its, &peer, &unused);
		sock_join(&chan, &peer);
	}
	kept = storage_make(bpf_sk_storage_get, &lens_unix_peers, other);
	if (kept)
		*kept = chan;
	else
		loss_add(key->kind, LENS_LOSS_STORAGE, 1, 0);
}

/* ------------------------------------------------------- passed descriptors */

/* key: of the queue they go through */
static __always_inline void unix_passed(const struct lens_total_key *key, __u32 dir,
					const struct pass_control *control)
{
	struct lens_proc unused;
	struct lens_chan via;

	if (!control->size)
		return;
	ident_split(key, &via, &unused);
	pass_tell(control, &via, dir);
}

/* a call has control data, as the kernel holds it while the call lasts */
static __always_inline int unix_pass_note(struct msghdr *msg, bool received)
{
	struct sock_note *note = sock_note_make(bpf_get_current_task_btf(), LENS_KIND_UNIX_STREAM);

	if (!note)
		return 0;
	note->control.at = (__u64)msg->msg_control;
	note->control.size = received ? 0 : msg->msg_controllen;
	note->control.flags = !received ? PASS_KERNEL :
			      msg->msg_flags & KDEF_MSG_CMSG_COMPAT ? PASS_COMPAT : 0;
	if (!note->passes)
		__sync_fetch_and_add(&lens_passing, 1);
	note->passes = 1;
	return 0;
}

static __always_inline int unix_pass_offered(struct socket *sock, struct msghdr *msg,
					     struct scm_cookie *scm, int ret)
{
	if (ret || sock->sk->__sk_common.skc_family != KDEF_AF_UNIX || !scm->fp)
		return 0;
	return unix_pass_note(msg, false);
}

/* the kernel has put descriptors behind what was there: so far it has advanced */
static __always_inline int unix_pass_installed(struct msghdr *msg)
{
	struct sock_note *note = bpf_task_storage_get(&lens_sock_notes,
						      bpf_get_current_task_btf(), NULL, 0);

	if (note && note->passes)
		note->control.size = (__u64)msg->msg_control - note->control.at;
	return 0;
}

/* at the own socket */
static __always_inline int unix_count(struct sock *sk, __u32 dir, const struct call *call,
				      const struct pass_control *control)
{
	struct lens_total_key key = {};
	struct file *f = ident_sock(sk, &key);

	if (!f)
		return 0;
	ident_user(ident_current(), dir, &key);
	if (totals_count_new(&key, f, FILE_TYPED | FILE_SOCKET, call) && kind_has_halves(key.kind))
		unix_introduce(sk, &key);
	unix_passed(&key, dir, control);
	return 0;
}

/* ---------------------------------------------------------------- datagrams */

/* a datagram has just been queued here, by the task that sends it */
static __always_inline int unix_queued(struct sock *sk)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct lens_total_key key = {};
	struct lens_proc unused;
	struct sock_note *note;
	struct file *f;

	f = ident_sock(sk, &key);
	if (!f)
		return 0;
	note = sock_note_make(t, LENS_KIND_UNIX_DGRAM);
	if (!note)
		return 0;
	ident_split(&key, &note->to, &unused);
	note->to_file = ident_address(f);
	return 0;
}

static __always_inline bool note_take_receiver(struct sock_note *note, struct lens_total_key *k,
					       __u64 *ret_file)
{
	if (!note || !note->to.kind)
		return false;
	k->ino = note->to.ino;
	k->dev = note->to.dev;
	k->gen = note->to.gen;
	k->kind = note->to.kind;
	*ret_file = note->to_file;
	note->to.kind = LENS_KIND_NONE;
	return true;
}

static __always_inline void note_forget_receiver(void)
{
	struct sock_note *note = bpf_task_storage_get(&lens_sock_notes,
						      bpf_get_current_task_btf(), NULL, 0);

	if (note)
		note->to.kind = LENS_KIND_NONE;
}

/* counts at the receiver; a failure on no receiver counts nowhere */
static __always_inline int unix_datagram_sent(struct sock *sk, const struct call *call,
					      const struct pass_control *control)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct lens_total_key key = {};
	struct unix_sock *u;
	struct file *f;
	__u64 file;

	if (!note_take_receiver(bpf_task_storage_get(&lens_sock_notes, t, NULL, 0), &key,
				&file)) {
		u = bpf_skc_to_unix_sock(sk);
		if (!u || !u->peer)
			return 0;
		f = ident_sock(u->peer, &key);
		if (!f)
			return 0;
		file = ident_address(f);
	}
	ident_user(ident_current(), LENS_WRITE, &key);
	totals_count(&key, (struct file *)file, FILE_SOCKET, call);
	unix_passed(&key, LENS_WRITE, control);
	return 0;
}

/* a packet of a unix socket is being copied to its receiver */
static __always_inline int unix_copied(const struct sk_buff *skb, int len)
{
	struct sock *from = skb->sk;
	struct sock_note *note;

	if (!from || from->__sk_common.skc_family != KDEF_AF_UNIX ||
	    from->sk_type == KDEF_SOCK_STREAM)
		return 0;
	note = sock_note_make(bpf_get_current_task_btf(), LENS_KIND_UNIX_DGRAM);
	if (!note)
		return 0;
	note->copied = len;
	note->size = skb->len;
	note->has_copy = 1;
	return 0;
}

/*
 * What was copied is what was moved: with MSG_TRUNC the call returns more. A
 * message that was cut or could not be copied has left the queue all the same.
 */
static __always_inline void packet_received(struct call *call)
{
	struct sock_note *note = bpf_task_storage_get(&lens_sock_notes,
						      bpf_get_current_task_btf(), NULL, 0);

	/* none was taken from the queue: an error, or the end of a connection */
	if (!note || !note->has_copy)
		return;
	note->has_copy = 0;
	call->moved = true;
	call->is_short = note->size > note->copied || call->ret < 0;
	if (call->ret > 0)
		call->ret = note->copied;
}

/* --------------------------------------- calls; type is of the socket */

/* Global: the verifier would walk all that follows for every way through this else */
__noinline int unix_taken(struct call *call, __u32 type, __u32 flags)
{
	if (!call)
		return 0;
	if (type != KDEF_SOCK_STREAM)
		packet_received(call);
	if (flags & KDEF_MSG_PEEK && call->ret >= 0)
		call_is_look(call);
	return 0;
}

static __always_inline int unix_sent(struct sock *sk, __u16 type, __s64 ret, bool is_short)
{
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	struct pass_control control;

	sock_take_control(&control);
	if (is_restart(ret))
		return 0;
	/* nothing was sent, whatever it was to carry */
	if (ret < 0)
		control.size = 0;
	if (type != KDEF_SOCK_STREAM)
		call.moved = ret >= 0;
	if (type == KDEF_SOCK_DGRAM)
		return unix_datagram_sent(sk, &call, &control);
	return unix_count(sk, LENS_WRITE, &call, &control);
}

static __always_inline int unix_received(struct sock *sk, __u16 type, __s64 ret, __u32 flags)
{
	struct call call = { .ret = ret, .moved = ret > 0 };
	struct pass_control control;

	sock_take_control(&control);
	if (is_restart(ret))
		return 0;
	unix_taken(&call, type, flags);
	return unix_count(sk, LENS_READ, &call, &control);
}

/* ------------------------------------ tracepoints of v6.3, of any protocol */

SEC("?tp_btf/sock_send_length")
int BPF_PROG(unix__sock_any__sent, struct sock *sk, int ret, int flags)
{
	return sk->__sk_common.skc_family == KDEF_AF_UNIX ?
	       unix_sent(sk, sk->sk_type, ret, false) : 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(unix__sock_any__received, struct sock *sk, int ret, int flags)
{
	return sk->__sk_common.skc_family == KDEF_AF_UNIX ?
	       unix_received(sk, sk->sk_type, ret, flags) : 0;
}

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(unix__sock_any__queued, struct sock *sk)
{
	if (sk->__sk_common.skc_family != KDEF_AF_UNIX || sk->sk_type != KDEF_SOCK_DGRAM)
		return 0;
	return unix_queued(sk);
}

SEC("?tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(unix__sock_any__copied, const struct sk_buff *skb, int len)
{
	return unix_copied(skb, len);
}

/* ---------------------------------------------------------- function hooks */

/* what the tracepoints do not see; where functions cannot be hooked, the end of splice(2) does */
SEC("?fexit/unix_stream_splice_read")
int BPF_PROG(unix__sockfexit__spliced, struct socket *sock, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	unix_received(sock->sk, KDEF_SOCK_STREAM, ret, 0);
	return 0;
}

SEC("?fexit/unix_stream_splice_read")
int BPF_PROG(unix__fexit__spliced, struct socket *sock, long *position, void *pipe,
	     unsigned long size, unsigned int flags, long ret)
{
	unix_received(sock->sk, KDEF_SOCK_STREAM, ret, 0);
	return 0;
}

SEC("?fexit/unix_stream_sendmsg")
int BPF_PROG(unix__fexit__stream_sent, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int ret)
{
	unix_sent(sock->sk, KDEF_SOCK_STREAM, ret, ret > 0 && ret < size);
	return 0;
}

/* splice(2) and sendfile(2) into a stream, until v6.5 */
SEC("?fexit/unix_stream_sendpage")
int BPF_PROG(unix__fexit__page_sent, struct socket *sock, void *page, int offset,
	     unsigned long size, int flags, long ret)
{
	unix_sent(sock->sk, KDEF_SOCK_STREAM, ret, false);
	return 0;
}

SEC("?fexit/unix_stream_recvmsg")
int BPF_PROG(unix__fexit__stream_received, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int flags, int ret)
{
	unix_received(sock->sk, KDEF_SOCK_STREAM, ret, flags);
	return 0;
}

/* the functions of seqpackets call those of datagrams: each counts its own kind */

SEC("?fexit/unix_seqpacket_sendmsg")
int BPF_PROG(unix__fexit__packet_sent, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int ret)
{
	unix_sent(sock->sk, KDEF_SOCK_SEQPACKET, ret, false);
	return 0;
}

SEC("?fexit/unix_seqpacket_recvmsg")
int BPF_PROG(unix__fexit__packet_received, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int flags, int ret)
{
	unix_received(sock->sk, KDEF_SOCK_SEQPACKET, ret, flags);
	return 0;
}

SEC("?fexit/unix_dgram_sendmsg")
int BPF_PROG(unix__fexit__datagram_sent, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int ret)
{
	struct sock *sk = sock->sk;

	if (sk->sk_type != KDEF_SOCK_DGRAM)
		return 0;
	/* without an address it went to the peer, whatever was looked up before */
	if (!msg->msg_namelen)
		note_forget_receiver();
	unix_sent(sk, KDEF_SOCK_DGRAM, ret, false);
	return 0;
}

SEC("?fexit/unix_dgram_recvmsg")
int BPF_PROG(unix__fexit__datagram_received, struct socket *sock, struct msghdr *msg,
	     unsigned long size, int flags, int ret)
{
	struct sock *sk = sock->sk;

	if (sk->sk_type == KDEF_SOCK_DGRAM)
		unix_received(sk, KDEF_SOCK_DGRAM, ret, flags);
	return 0;
}

/* who an address stands for, just before the datagram is queued there */
SEC("?fexit/unix_find_other")
int BPF_PROG(unix__fexit__found, struct net *net, struct sockaddr_un *address, int size, int type,
	     struct sock *ret)
{
	if (type == KDEF_SOCK_DGRAM)
		unix_queued(ret);
	return 0;
}

SEC("?tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(unix__fexit__copied, const struct sk_buff *skb, int len)
{
	return unix_copied(skb, len);
}

/*
 * Descriptors of a message: only functions see them apart from their system call. These
 * are called for messages with control data, and for received descriptors, alone.
 */

SEC("?fexit/__scm_send")
int BPF_PROG(unix__sockfexit__offered, struct socket *sock, struct msghdr *msg,
	     struct scm_cookie *scm, int ret)
{
	return unix_pass_offered(sock, msg, scm, ret);
}

SEC("?fentry/scm_detach_fds")
int BPF_PROG(unix__sockfexit__installs, struct msghdr *msg, struct scm_cookie *scm)
{
	return unix_pass_note(msg, true);
}

SEC("?fexit/scm_detach_fds")
int BPF_PROG(unix__sockfexit__installed, struct msghdr *msg, struct scm_cookie *scm)
{
	return unix_pass_installed(msg);
}

SEC("?fexit/__scm_send")
int BPF_PROG(unix__fexit__offered, struct socket *sock, struct msghdr *msg,
	     struct scm_cookie *scm, int ret)
{
	return unix_pass_offered(sock, msg, scm, ret);
}

SEC("?fentry/scm_detach_fds")
int BPF_PROG(unix__fexit__installs, struct msghdr *msg, struct scm_cookie *scm)
{
	return unix_pass_note(msg, true);
}

SEC("?fexit/scm_detach_fds")
int BPF_PROG(unix__fexit__installed, struct msghdr *msg, struct scm_cookie *scm)
{
	return unix_pass_installed(msg);
}
