// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Unix sockets: connections, which are two halves, and datagram sockets,
 * which are the queue they receive from.
 */
#include "mech/mech.h"

#define NO_SHORTS "a send that moved less than asked is not told apart; "
#define LOOKED_UP "passed descriptors are looked up when the call returns"
#define NO_RING "no hooks of io_uring"
#define COMPUTED "discarded bytes are computed; " LOOKED_UP

static const struct mech_variant variants[] = {
	{ "sockfexit", NO_SHORTS COMPUTED },
	{ "sock", NO_SHORTS COMPUTED ", and not seen of io_uring" },
	{ "fexit", COMPUTED },
	{ "sys", "io_uring counts as unseen; datagrams to an address do, or else as for a peer; "
		 "the rest of a cut message is unaccounted; an empty one at the "
		 "end is taken for that; who closed before accept(2) is not known; "
		 LOOKED_UP, NO_RING },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "send" : "recv";
}

/* a connection is called what its server was bound to, or by its two sockets */
static void unix_name(const struct chan *c, struct buf *out)
{
	const struct chan *first = c->is_second ? c->peer : c;
	const struct chan *named = chan_more(c)->name || !c->peer ? c : c->peer;

	if (chan_more(named)->name) {
		buf_add(out, chan_more(named)->name, chan_more(named)->name_len);
		return;
	}
	buf_printf(out, "socket:[%llu]", (unsigned long long)first->key.ino);
	if (first->peer)
		buf_printf(out, "<->[%llu]", (unsigned long long)first->peer->key.ino);
}

const struct mech mech_UNIX_STREAM = {
	.kind = LENS_KIND_UNIX_STREAM, .type = "unix-stream", .group = "unix",
	.title = "unix stream socket",
	.variants = variants, .name = unix_name, .op_name = op_name,
};

const struct mech mech_UNIX_DGRAM = {
	.kind = LENS_KIND_UNIX_DGRAM, .type = "unix-dgram", .group = "unix",
	.title = "unix datagram socket",
	.variants = variants, .name = unix_name, .op_name = op_name,
};

const struct mech mech_UNIX_SEQPACKET = {
	.kind = LENS_KIND_UNIX_SEQPACKET, .type = "unix-seqpacket", .group = "unix",
	.title = "unix seqpacket socket",
	.variants = variants, .name = unix_name, .op_name = op_name,
};
