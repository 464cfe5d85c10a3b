// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sockets of the internet protocols: connections, which are two halves if
 * both ends are on this host, and UDP sockets, which are the queue they
 * receive from; what they send elsewhere is a channel of its own.
 */
#include <arpa/inet.h>

#include "mech/mech.h"

#define ZEROCOPY "TCP_ZEROCOPY_RECEIVE is not seen; "
#define NO_SHORTS "a send that moved less than asked is not told apart; "
#define COMPUTED "discarded bytes are computed"
#define RING_COUNTED "io_uring counts as unseen; "
#define NO_RING "no hooks of io_uring"

static const struct mech_variant tcp_variants[] = {
	{ "sockfexit", ZEROCOPY NO_SHORTS COMPUTED },
	{ "sock", ZEROCOPY NO_SHORTS COMPUTED },
	{ "fexit", ZEROCOPY COMPUTED,
	  "no hooks of MPTCP" },
	{ "sys", RING_COUNTED ZEROCOPY COMPUTED, NO_RING },
	{}
};

#define NO_LITE "UDP-Lite is not observed; "
#define TRUNCATED \
	"what io_uring receives with MSG_TRUNC counts in full, and as unseen; "
#define GUESSED \
	"datagrams that leave a cork by setsockopt(2), and those to more than 8 sockets at once, " \
	"count as from outside; "

static const struct mech_variant udp_variants[] = {
	{ "sockfexit", NO_LITE GUESSED TRUNCATED COMPUTED },
	{ "sock", NO_LITE GUESSED TRUNCATED COMPUTED },
	{ "fexit", NO_LITE GUESSED COMPUTED },
	{ "sys", "datagrams to sockets that share a port, to several and to other network "
		 "namespaces count as sent elsewhere and as from outside; segments of one send are "
		 "one message; " NO_LITE RING_COUNTED COMPUTED,
	  NO_RING },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "send" : "recv";
}

void mech_inet_address(const uint8_t address[16], uint16_t port, struct buf *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];

	if (!memcmp(address, mapped, sizeof(mapped))) {
		inet_ntop(AF_INET, address + sizeof(mapped), text, sizeof(text));
		buf_printf(out, "%s:%u", text, port);
	} else {
		inet_ntop(AF_INET6, address, text, sizeof(text));
		buf_printf(out, "[%s]:%u", text, port);
	}
}

/* the half that a connection is told from: the one that opened it, if that is known */
static const struct chan_inet *teller(const struct chan *c)
{
	const struct chan_inet *first = c->is_second ? chan_inet(c->peer) : chan_inet(c);

	if (!c->peer)
		return chan_inet(c);
	return first->is_opener ? first : c->is_second ? chan_inet(c) : chan_inet(c->peer);
}

static void inet_name(const struct chan *c, struct buf *out)
{
	const struct chan_inet *i = chan_inet(c) ? teller(c) : NULL;

	if (!i) {
		buf_printf(out, "socket:[%llu]", (unsigned long long)c->key.ino);
		return;
	}
	mech_inet_address(i->local, i->local_port, out);
	if (!i->remote_port && c->key.gen)
		buf_puts(out, "->*");
	if (!i->remote_port)
		return;
	/* what a connected UDP socket receives comes from there */
	buf_puts(out, c->key.kind == LENS_KIND_UDP && !c->key.gen ? "<-" : "->");
	mech_inet_address(i->remote, i->remote_port, out);
}

const struct mech mech_TCP = {
	.kind = LENS_KIND_TCP, .type = "tcp", .group = "inet", .title = "TCP connection",
	.variants = tcp_variants, .name = inet_name, .op_name = op_name,
};

const struct mech mech_UDP = {
	.kind = LENS_KIND_UDP, .type = "udp", .group = "inet", .title = "UDP socket",
	.variants = udp_variants, .name = inet_name, .op_name = op_name,
};
