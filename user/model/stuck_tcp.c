// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP within this host: which socket is the other end, or has it in its backlog.
 */
#include "model/stuck_look.h"

static bool is_any_address(const uint8_t a[16])
{
	static const uint8_t six[16], four[16] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, six, 16) || !memcmp(a, four, 16);
}

/*
 * The next listener, from *at on, that may have a connection nobody has accepted: one that has
 * any. Several can share a port, and which of them has it is not known.
 */
static const struct stuck_desc *next_listener(const struct stuck *s, const struct stuck_desc *d,
					      size_t *at)
{
	const struct stuck_look *l = stuck_look(s);

	while (*at < l->desc_count) {
		const struct stuck_desc *one = l->descs[(*at)++];
		const struct lens_rec_desc *r = &one->rec;

		if (r->object == d->rec.object && r->flags & LENS_DESC_LISTEN && r->queued_msgs &&
		    r->netns == d->rec.netns && r->local_port == d->rec.remote_port &&
		    (is_any_address(r->local_addr) ||
		     !memcmp(r->local_addr, d->rec.remote_addr, 16)) &&
		    stuck_find_self(s, r->self) == one)
			return one;
	}
	return NULL;
}

/* each of the others is one more who could: a need of its own */
void stuck_need_more_listeners(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
			       uint32_t fd, enum stuck_want want, size_t at)
{
	size_t first = t->need_count - 1;
	const struct stuck_desc *one;
	struct stuck_need *n;

	while ((one = next_listener(s, d, &at)) && stuck_may_visit(s, NULL)) {
		n = stuck_add_need(t, want);
		n->fd = fd;
		n->thing = stuck_thing_of(s, d);
		n->end = d->rec.self;
		stuck_add_holders(s, n, one, 0, WHY_LISTENS);
		n->inferred = t->needs[first].inferred = true;
	}
	if (one)
		stuck_need_outside(t, want, HOPE_OUTSIDE, "more listeners at its port");
}

static bool is_loopback(const struct lens_rec_desc *d)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return !memcmp(d->remote_addr, d->local_addr, 16) || !memcmp(d->remote_addr, v6, 16) ||
	       (d->remote_addr[10] == 0xff && d->remote_addr[12] == 127);
}

static const struct stuck_desc *tcp_peer(const struct stuck *s, const struct stuck_desc *d)
{
	struct stuck_tuple back = stuck_tuple_of(&d->rec, true);

	return hash_get(stuck_look(s)->by_tuple, &back);
}

bool stuck_is_tcp_connection(const struct stuck_desc *d)
{
	return d->rec.object == LENS_OBJECT_TCP && d->rec.flags & LENS_DESC_CONNECTED &&
	       !(d->rec.flags & LENS_DESC_LISTEN);
}

/* connected to this host, but nobody has the other end: it waits to be accepted */
bool stuck_is_pending(const struct stuck *s, const struct stuck_desc *d)
{
	return stuck_is_tcp_connection(d) && !tcp_peer(s, d) && is_loopback(&d->rec);
}

/*
 * What was sent and has not arrived comes by itself, or the kernel gives the connection up. It
 * makes room as well: a reader that takes nothing leaves no window for any more of it. That there
 * is a window again may be on its way, too, or be asked for again and again.
 */
static void ready_tcp(struct stuck_need *n, const struct stuck_desc *d,
		      const struct stuck_desc *other)
{
	const struct stuck_desc *sender = n->want == WANT_ROOM ? d : other;
	const struct stuck_desc *receiver = n->want == WANT_ROOM ? other : d;

	if (!sender)
		return;
	if (sender->rec.flags & LENS_DESC_SENDING ||
	    (sender->rec.sent_bytes && receiver && receiver->rec.flags & LENS_DESC_WINDOW))
		stuck_hope_outside(n, HOPE_RUNS, "what is on its way");
}

/* at: the listener behind the one that is taken here */
void stuck_need_tcp(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d,
		    size_t *at)
{
	const struct stuck_desc *other = tcp_peer(s, d);

	if (stuck_is_pending(s, d)) {
		other = next_listener(s, d, at);
		/* packets may have been sent on to another port on their way */
		n->inferred = true;
	}
	ready_tcp(n, d, other);
	stuck_doubt_ends(n, d, other);
	/* the kernel gives up after some minutes */
	if (d->rec.flags & LENS_DESC_CONNECTING)
		stuck_hope_outside(n, HOPE_RUNS, "a time limit of the kernel");
	if (d->rec.flags & LENS_DESC_USER_TIMEOUT && d->rec.sent_bytes)
		stuck_hope_outside(n, HOPE_RUNS, "a time limit of the connection");
	if (!other) {
		stuck_hope_outside(n, HOPE_OUTSIDE,
				   "a peer outside this host or network namespace");
		return;
	}
	stuck_add_holders(s, n, stuck_find_self(s, other->rec.self), 0,
			  other->rec.flags & LENS_DESC_LISTEN ? WHY_LISTENS : WHY_HOLDS_END);
}

/* the kernel gives up after some minutes */
void stuck_need_syn(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		    uint32_t fd)
{
	const struct stuck_desc *other;
	struct stuck_need *n;
	size_t at = 0;

	stuck_need_outside(t, WANT_ACCEPT, HOPE_RUNS, "a time limit of the kernel");
	n = &t->needs[t->need_count - 1];
	if (!d)
		return;
	n->fd = fd;
	n->thing = stuck_thing_of(s, d);
	n->end = d->rec.self;
	other = next_listener(s, d, &at);
	if (other)
		stuck_add_holders(s, n, other, 0, WHY_LISTENS);
	stuck_need_more_listeners(s, t, d, fd, WANT_ACCEPT, at);
}
