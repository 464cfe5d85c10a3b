// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind sock.bpf.h, and counting at the end of system calls,
 * where all that is known of a socket is its file.
 */
#include "datagram.bpf.h"
#include "fd.bpf.h"
#include "inet.bpf.h"
#include "sock.bpf.h"

struct sock_notes_map lens_sock_notes SEC(".maps");

int sock_join(const struct lens_chan *chan, const struct lens_chan *peer)
{
	struct lens_rec_peer r = { .chan = *chan, .peer = *peer };

	rec_init(&r.h, LENS_REC_PEER, sizeof(r));
	return core_emit(&r, sizeof(r), chan->kind);
}

/* tells of the peer of a half, if it has an inode */
static __noinline void join_peer(struct sock *sk, const struct lens_total_key *key)
{
	struct lens_total_key peer = {};
	struct lens_chan chan, its;
	struct lens_proc unused;

	if (!ident_sock_probe(ident_unix_peer(sk), &peer))
		return;
	ident_split(key, &chan, &unused);
	ident_split(&peer, &its, &unused);
	sock_join(&chan, &its);
}

/* was a message moved by a call that returned ret without an error? */
static __always_inline bool is_message(struct sock *sk, __u32 kind, __u32 dir, __s64 ret)
{
	if (ret)
		return ret > 0;
	if (kind == LENS_KIND_UNIX_STREAM || kind == LENS_KIND_TCP)
		return false;
	/* nothing left to read from a connection that has ended looks like an empty message */
	return dir == LENS_WRITE || kind == LENS_KIND_UNIX_DGRAM || kind == LENS_KIND_UDP ||
	       !(BPF_CORE_READ(sk, sk_shutdown) & KDEF_RCV_SHUTDOWN);
}

/* what a datagram counts at: the queue it went into, if that is of this host, or what left sk */
static __always_inline struct file *udp_queue(struct sock *sk, struct file *own, __s64 ret,
					      __u32 index, struct lens_total_key *key)
{
	__u64 receiver = 0;

	/* else it is not called, which spares the verifier to walk it */
	if (ret >= 0 && lens_sys_kinds & KIND_BIT(LENS_KIND_UDP))
		receiver = datagram_receiver((__u64)sk, index, key);
	if (receiver)
		return (struct file *)receiver;
	key->gen = LENS_GEN_OUTGOING;
	return own;
}

int sock_returned(__u64 file, __u32 dir, __s64 ret, __u32 flags, __u64 kinds)
{
	struct sock *sk = ident_file_sock((struct file *)file);
	struct lens_total_key key = {};
	struct call call = { .ret = ret };
	struct file *f;

	f = ident_sock_probe(sk, &key);
	if (!f || is_restart(ret) || !(kinds >> (key.kind & 63) & 1))
		return 0;
	if (key.kind == LENS_KIND_UNIX_DGRAM && dir == LENS_WRITE) {
		f = ident_sock_probe(ident_unix_peer(sk), &key);
		if (!f) {
			if (ret >= 0)
				loss_add(LENS_KIND_UNIX_DGRAM, LENS_LOSS_UNSEEN, 1, 0);
			return 0;
		}
	}
	if (key.kind == LENS_KIND_UDP && dir == LENS_WRITE)
		f = udp_queue(sk, f, ret, flags, &key);
	/* a piece of a datagram that waits for more of it is no message yet */
	call.moved = is_message(sk, key.kind, dir, ret) &&
		     !(key.kind == LENS_KIND_UDP && dir == LENS_WRITE &&
		       BPF_CORE_READ((struct udp_sock *)sk, pending));
	if (dir == LENS_READ && flags & (KDEF_MSG_PEEK | KDEF_MSG_ERRQUEUE) && ret >= 0)
		call_is_look(&call);
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	if (!totals_count_new(&key, f, FILE_SOCKET | FILE_MIXED, &call))
		return 0;
	if (kind_is_inet(key.kind))
		inet_introduce((__u64)ident_file_sock(f), &key);
	else if (kind_has_halves(key.kind))
		join_peer(sk, &key);
	return 0;
}
