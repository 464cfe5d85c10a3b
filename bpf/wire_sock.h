/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records about sockets: which two are one connection, where the streams of
 * internet sockets are, and the descriptors that unix sockets pass. Part of
 * wire.h, as are the rules for them.
 */
#ifndef LENS_WIRE_SOCK_H
#define LENS_WIRE_SOCK_H

#include "wire.h"

/* two halves of one connection: what is written at one is read at the other */
struct lens_rec_peer {
	struct lens_rec h;
	struct lens_chan chan, peer;
};

/*
 * A descriptor was sent or received over a unix socket, or (snapshot) is in its
 * queue. One record for each of a message.
 */
struct lens_rec_pass {
	struct lens_rec h;
	struct lens_chan via;	/* as its messages are counted: datagrams where they are received */
	struct lens_chan what;	/* kind 0: a file that is no channel, by its inode */
	struct lens_proc proc;	/* who sent or received; 0: nobody yet (snapshot) */
	struct lens_depth depth;	/* of what was passed (snapshot) */
	__u32 tid;
	__s32 fd;		/* its number in that process; -1: it has none (snapshot) */
	__u32 dir;		/* LENS_WRITE: sent, LENS_READ: received or to be */
	__u32 mode;		/* as in lens_rec_hold */
	__u32 inode_type;	/* S_IFMT bits of the inode's mode; 0: anonymous inode */
	__u32 index, count;	/* which one of those in the same message, how many */
	__u32 flags;		/* LENS_PASS_* */
	__u32 name_len, pad;	/* as in lens_rec_end; of a file: components of its path */
	/* name */
};

#define LENS_PASS_OWN 1		/* via is the sender's own socket: where it went is not known */

/*
 * A socket of the internet protocols: its addresses (of IPv4 as ::ffff:a.b.c.d)
 * and where its two byte streams are. A stream is told from all others by its
 * origin, which both ends know to within one: the active opener's own is one
 * less than what the other took it for.
 */
struct lens_rec_sock {
	struct lens_rec h;
	struct lens_chan chan;
	__u8 local[16], remote[16];
	__u16 local_port, remote_port;	/* 0: bound, connected to none */
	__u32 netns;			/* inode number */
	__u32 state;			/* TCP_* of include/net/tcp_states.h */
	__u32 flags;			/* LENS_SOCK_* */
	__u32 send_origin, receive_origin;
	__u32 sent, taken;		/* sequence numbers behind what calls wrote and read */
	__u32 send_room;		/* bytes of its send buffer */
	__u32 drops;			/* UDP: datagrams that were not queued, in its life */
};

/* lens_chan.gen of what a UDP socket sends to no socket of this host that is known */
#define LENS_GEN_OUTGOING 1

#define LENS_TCP_SYN_SENT 2	/* include/net/tcp_states.h */
#define LENS_TCP_CLOSE 7

#define LENS_SOCK_SYNCED 1	/* the origins are valid */
#define LENS_SOCK_PLACED 2	/* sent and taken are valid */
#define LENS_SOCK_LOCAL 4	/* the remote address is one of this host, as routes go */
#define LENS_SOCK_RENEWED 8	/* about to be connected, and not for the first time it tried */
#define LENS_SOCK_REDIRECTED 32	/* in a sockmap: BPF programs may move what it is sent */
#define LENS_SOCK_ENCRYPTED 64	/* kTLS: its stream is more than what calls write and read */
#define LENS_SOCK_HOLDS 128	/* ... and part of that is in none, or may be */
#define LENS_SOCK_MULTIPATH 16	/* MPTCP; the origins are those of its first path */

_Static_assert(sizeof(struct lens_rec_sock) == 112, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_pass) == 168, "wire layout changed");

#endif
