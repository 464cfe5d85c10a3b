// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Connections over the internet protocols. A socket knows its addresses, not
 * who is at the other end; the two halves find each other by the origins of
 * their streams, which both know and no other connection has. So a tuple that
 * is used again joins nothing to what used it before, and the halves may be in
 * two network namespaces, or behind a translation of addresses.
 */
#include "model/state.h"

/* a half that can be found by one of its origins */
struct seat {
	struct chan *chan;
	struct seat *next;
};

struct seat_key {
	uint32_t origin;
	uint32_t is_send;
};

struct hash *seats_new(void)
{
	return hash_new(sizeof(struct seat_key));
}

void seats_free(struct hash *seats)
{
	for (size_t i = 0; i < hash_count(seats); i++) {
		struct seat *seat = hash_at(seats, i), *next;

		for (; seat; seat = next) {
			next = seat->next;
			free(seat);
		}
	}
	hash_free(seats);
}

/* those of channels that are about to be forgotten leave; false: nobody is left */
static bool keep_seats(void *unused, void *value)
{
	struct seat *first = value, *next;

	for (struct seat *s = first; s->next;) {
		next = s->next;
		if (!next->chan->folded) {
			s = next;
			continue;
		}
		s->next = next->next;
		free(next);
	}
	next = first->next;
	if (first->chan->folded && !next) {
		free(first);
		return false;
	}
	if (first->chan->folded) {
		*first = *next;
		free(next);
	}
	return true;
}

void seats_forget_folded(struct hash *seats)
{
	hash_filter(seats, keep_seats, NULL);
}

static void sit(struct hash *seats, struct chan *c, uint32_t origin, bool is_send)
{
	struct seat_key key = { origin, is_send };
	struct seat *seat = xcalloc(1, sizeof(*seat)), *first = hash_get(seats, &key);

	seat->chan = c;
	if (!first) {
		hash_add(seats, &key, seat);
		return;
	}
	seat->next = first->next;
	first->next = seat;
}

/* the active opener counts its own first number, which carries no byte */
static bool same_stream(uint32_t send_origin, uint32_t receive_origin)
{
	return receive_origin - send_origin <= 1;
}

static bool is_reversed(const struct chan_inet *a, const struct chan_inet *b)
{
	return a->local_port == b->remote_port && a->remote_port == b->local_port &&
	       !memcmp(a->local, b->remote, sizeof(a->local)) &&
	       !memcmp(a->remote, b->local, sizeof(a->remote));
}

static bool are_halves(const struct chan_inet *a, const struct chan_inet *b)
{
	return same_stream(a->send_origin, b->receive_origin) &&
	       same_stream(b->send_origin, a->receive_origin);
}

static enum inet_joined how(const struct chan_inet *a, const struct chan_inet *b)
{
	if (!is_reversed(a, b))
		return INET_TRANSLATED;
	return a->netns == b->netns ? INET_SAME_NETNS : INET_OTHER_NETNS;
}

static struct chan *find_in(const struct hash *seats, const struct chan *c, uint32_t origin,
			    bool is_send)
{
	struct seat_key key = { origin, is_send };

	for (struct seat *s = hash_get(seats, &key); s; s = s->next)
		if (s->chan != c && !s->chan->peer && s->chan->key.kind == c->key.kind &&
		    are_halves(chan_inet(c), chan_inet(s->chan)))
			return s->chan;
	return NULL;
}

static void find_peer(struct world *w, struct chan *c)
{
	struct hash *seats = world_state(w)->seats;
	struct chan_inet *mine = chan_more(c)->inet, *its;
	struct chan *peer;

	if (is_reversed(mine, mine) && are_halves(mine, mine)) {
		mine->joined = INET_ITSELF;
		return;
	}
	/* of an opener's peer the origin is known for certain, by either of them */
	peer = find_in(seats, c, mine->receive_origin, true);
	if (!peer)
		peer = find_in(seats, c, mine->send_origin, false);
	if (!peer) {
		sit(seats, c, mine->send_origin, true);
		sit(seats, c, mine->receive_origin, false);
		return;
	}
	its = chan_more(peer)->inet;
	halves_join(c, peer);
	mine->joined = its->joined = how(mine, its);
	mine->is_opener = its->receive_origin != mine->send_origin;
	its->is_opener = mine->receive_origin != its->send_origin;
}

/* is it not the same, to within what the end of a stream may add? */
static bool is_other_stream(uint32_t origin, uint32_t other)
{
	return origin - other + 1 > 2;
}

static bool is_connected_anew(const struct chan_inet *known, const struct lens_rec_sock *r)
{
	return r->flags & LENS_SOCK_SYNCED &&
	       is_other_stream(known->send_origin, r->send_origin) &&
	       is_other_stream(known->receive_origin, r->receive_origin);
}

static bool is_connection(const struct lens_rec_sock *r)
{
	return r->remote_port && r->state && r->state != LENS_TCP_CLOSE &&
	       r->state != LENS_TCP_SYN_SENT;
}

/* records of two processors may come in another order than they were made in */
static void note_connection(struct chan_inet *i, const struct lens_rec_sock *r, uint64_t ns)
{
	if (r->flags & LENS_SOCK_RENEWED) {
		if (ns > i->renewed_ns)
			i->renewed_ns = ns;
	} else if (is_connection(r) && (!i->connected_ns || ns < i->connected_ns)) {
		i->connected_ns = ns;
	}
	/* before that there was none: what was tried then had failed */
	i->anew |= i->connected_ns && i->connected_ns < i->renewed_ns;
}

/* an earlier record than the latest says nothing new */
static void take(struct chan_inet *to, const struct lens_rec_sock *r)
{
	memcpy(to->local, r->local, sizeof(to->local));
	memcpy(to->remote, r->remote, sizeof(to->remote));
	to->local_port = r->local_port;
	to->remote_port = r->remote_port;
	to->netns = r->netns;
	to->state = r->state;
	to->flags = r->flags;
	to->send_origin = r->send_origin;
	to->receive_origin = r->receive_origin;
	to->send_room = r->send_room;
	to->drops = r->drops;
}

void inet_apply(struct world *w, const struct event *ev)
{
	const struct lens_rec_sock *r = ev->lens_rec_sock;
	struct chan *c = world_chan(w, &r->chan);
	struct chan_more *more = chan_more_get(c);
	struct chan_inet *i = more->inet;
	bool known = i && i->flags & LENS_SOCK_SYNCED;

	if (!i) {
		i = more->inet = xcalloc(1, sizeof(*i));
		i->first_drops = r->drops;
	}
	if (c->key.kind == LENS_KIND_TCP)
		note_connection(i, r, ev->ts_ns);
	c->redirected |= !!(r->flags & LENS_SOCK_REDIRECTED);
	c->encrypted |= !!(r->flags & LENS_SOCK_ENCRYPTED);
	c->held_at_start |= ev->snapshot && !world_state(w)->looks && r->flags & LENS_SOCK_HOLDS;
	if (ev->snapshot && r->flags & LENS_SOCK_PLACED)
		glimpse_place(c, r->sent, r->taken);
	if (known) {
		/* it is what it was, but for its state, unless it was connected anew */
		i->anew |= is_connected_anew(i, r);
		i->state = r->state;
		i->send_room = r->send_room;
		i->drops = r->drops;
		return;
	}
	take(i, r);
	if (r->flags & LENS_SOCK_SYNCED && event_kind_has_halves(c->key.kind))
		find_peer(w, c);
}

bool inet_was_connected_anew(const struct chan *c)
{
	return (chan_inet(c) && chan_inet(c)->anew) ||
	       (c->peer && chan_inet(c->peer) && chan_inet(c->peer)->anew);
}

bool inet_may_have_held(const struct chan *c)
{
	const struct chan *source = chan_source(c);

	return chan_is_encrypted(c) && (chan_state(c)->before || c->held_at_start ||
					(source && source->held_at_start));
}

bool inet_is_multipath(const struct chan *c)
{
	return (chan_inet(c) && chan_inet(c)->flags & LENS_SOCK_MULTIPATH) ||
	       (c->peer && chan_inet(c->peer) && chan_inet(c->peer)->flags & LENS_SOCK_MULTIPATH);
}

bool inet_misses_peer(const struct chan *c)
{
	return c->key.kind == LENS_KIND_TCP && !chan_source(c) && chan_inet(c) &&
	       chan_inet(c)->flags & LENS_SOCK_LOCAL;
}

bool inet_is_outgoing(const struct chan *c)
{
	return c->key.kind == LENS_KIND_UDP && c->key.gen == LENS_GEN_OUTGOING;
}

bool inet_takes_from_outside(const struct chan *c)
{
	return c->key.kind == LENS_KIND_UDP;
}

/* ------------------------------------------------------------------- queues */

/* what was written and not read, wherever it is: between two places in the stream */
void inet_queue(const struct chan *c, const struct glimpse *theirs, bool first, struct glimpse *g)
{
	int32_t between;

	if (!chan_inet(c) || !theirs->has_place)
		return;
	if (g->has_place) {
		between = (int32_t)(theirs->sent - g->taken);
	} else if (first && !c->existed_before) {
		/* not accepted then: all that was ever written waited for it */
		between = (int32_t)(theirs->sent - chan_inet(c)->receive_origin);
		g->valid = true;
	} else {
		return;
	}
	/* the reader's place was taken later, and it was fast */
	g->queued[UNIT_BYTES] = between > 0 ? between : 0;
}

void inet_look_settled(struct world *w)
{
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);
		struct lens_chan own = c->key;
		struct lens_depth *depth;
		struct glimpse g;

		if (inet_is_outgoing(c)) {
			const struct chan *socket;

			/* it lives as long as its socket */
			own.gen = 0;
			socket = hash_get(w->chans, &own);
			c->live = socket && socket->live;
			c->gone = !c->live;
			continue;
		}
		if (!chan_inet(c) || !c->peer || !c->in_look || !chan_depth(c)->valid)
			continue;
		queue_glimpse(c, false, &g);
		depth = chan_depth_get(c);
		depth->queued_bytes = (uint64_t)g.queued[UNIT_BYTES];
		depth->capacity_bytes += chan_inet(c->peer)->send_room;
	}
}

uint64_t inet_dropped_messages(const struct chan *c)
{
	const struct chan_inet *i = chan_inet(c);

	return c->key.kind == LENS_KIND_UDP && i ? i->drops - i->first_drops : 0;
}

bool inet_may_have_dropped(const struct chan *c, const struct ledger *l)
{
	const struct chan *source = chan_source(c);

	/* those that were longer than their reader asked for */
	if (c->key.kind == LENS_KIND_UDP && !l->msgs_unaccounted)
		return true;
	/* an end that was reset drops what it has not sent */
	return chan_inet(c) && source && chan_inet(source) &&
	       (source->gone || chan_inet(source)->state == LENS_TCP_CLOSE);
}
