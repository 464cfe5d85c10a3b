/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Identity of sockets: struct sock -> channel. A socket is known by its inode
 * on sockfs, which it has from socket(2), socketpair(2) or accept(2) on until
 * it is closed. An end that was not accepted yet has none.
 */
#ifndef LENS_IDENT_SOCK_BPF_H
#define LENS_IDENT_SOCK_BPF_H

#include "ident.bpf.h"
#include "ktypes_sock.bpf.h"

/* kinds by the type of a socket, a byte each */
#define SOCK_KIND(type, kind) ((__u64)(kind) << (type) * 8)
#define SOCK_KINDS_UNIX (SOCK_KIND(KDEF_SOCK_STREAM, LENS_KIND_UNIX_STREAM) |		\
			 SOCK_KIND(KDEF_SOCK_DGRAM, LENS_KIND_UNIX_DGRAM) |		\
			 SOCK_KIND(KDEF_SOCK_SEQPACKET, LENS_KIND_UNIX_SEQPACKET))
#define SOCK_KINDS_INET (SOCK_KIND(KDEF_SOCK_STREAM, LENS_KIND_TCP) |			\
			 SOCK_KIND(KDEF_SOCK_DGRAM, LENS_KIND_UDP))

/*
 * Reckoned, so that the verifier does not walk what follows once for every kind. MPTCP, the one
 * protocol of more than 8 bits, is that of TCP but for a bit above them: its sockets are
 * used like those of TCP.
 */
static __always_inline __u32 sock_kind(__u16 family, __u16 type, __u16 protocol)
{
	__u64 kinds = 0;

	if (family == KDEF_AF_UNIX)
		kinds = SOCK_KINDS_UNIX;
	else if ((family == KDEF_AF_INET || family == KDEF_AF_INET6) &&
		 (protocol & 0xff) ==
			 (type == KDEF_SOCK_STREAM ? KDEF_IPPROTO_TCP : KDEF_IPPROTO_UDP))
		kinds = SOCK_KINDS_INET;
	barrier_var(kinds);
	return type < 8 ? kinds >> type * 8 & 0xff : LENS_KIND_NONE;
}

static __always_inline bool kind_is_inet(__u32 kind)
{
	return kind == LENS_KIND_TCP || kind == LENS_KIND_UDP;
}

static __always_inline bool kind_is_unix(__u32 kind)
{
	return kind == LENS_KIND_UNIX_STREAM || kind == LENS_KIND_UNIX_DGRAM ||
	       kind == LENS_KIND_UNIX_SEQPACKET;
}

static __always_inline bool kind_is_sock(__u32 kind)
{
	return kind_is_unix(kind) || kind_is_inet(kind);
}

/* half of a connection: what is written at one socket is queued at its peer */
static __always_inline bool kind_has_halves(__u32 kind)
{
	return kind == LENS_KIND_UNIX_STREAM || kind == LENS_KIND_UNIX_SEQPACKET;
}

/*
 * sk is known to the verifier; its file, NULL if it has no inode. The user is left open.
 * Following pointers from a socket that the verifier trusts makes it search all types of
 * the kernel at every step; core_cast() ends the trust, and spares it that.
 */
static __always_inline struct file *ident_sock(struct sock *sk, struct lens_total_key *k)
{
	struct file *f;

	sk = core_cast(sk, LENS_FILL_TYPE_SOCK);
	f = sk->sk_socket->file;

	k->kind = sock_kind(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol);
	k->ino = f->f_inode->i_ino;
	k->dev = lens_sockfs_dev;
	k->gen = 0;
	return k->kind && k->ino ? f : NULL;
}

/* the socket behind a file, NULL if it is none; both just addresses */
static __always_inline struct sock *ident_file_sock(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);
	struct socket *s;

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) != KDEF_S_IFSOCK ||
	    BPF_CORE_READ(i, i_sb, s_dev) != lens_sockfs_dev)
		return NULL;
	s = BPF_CORE_READ(f, private_data);
	return s ? BPF_CORE_READ(s, sk) : NULL;
}

/* sk is just an address */
static __always_inline struct file *ident_sock_probe(struct sock *sk, struct lens_total_key *k)
{
	struct socket *s;
	struct file *f;

	if (!sk)
		return NULL;
	k->kind = sock_kind(BPF_CORE_READ(sk, __sk_common.skc_family), BPF_CORE_READ(sk, sk_type),
			    BPF_CORE_READ(sk, sk_protocol));
	s = BPF_CORE_READ(sk, sk_socket);
	f = s ? BPF_CORE_READ(s, file) : NULL;
	if (!k->kind || !f)
		return NULL;
	k->ino = BPF_CORE_READ(f, f_inode, i_ino);
	k->dev = lens_sockfs_dev;
	k->gen = 0;
	return f;
}

/* the other end of a unix socket, both just addresses */
static __always_inline struct sock *ident_unix_peer(struct sock *sk)
{
	return BPF_CORE_READ((struct unix_sock *)sk, peer);
}

#endif
