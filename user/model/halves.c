// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Connections: two channels that are each other's peer. The queue of a half
 * takes what is written at its peer; so its books need both.
 */
#include "model/state.h"

struct chan *chan_source(const struct chan *c)
{
	/* what leaves a socket for where nobody is known is not read here */
	if (inet_is_outgoing(c))
		return NULL;
	if (chan_inet(c) && chan_inet(c)->joined == INET_ITSELF)
		return (struct chan *)c;
	return event_kind_has_halves(c->key.kind) ? c->peer : (struct chan *)c;
}

const struct chan *chan_side(const struct chan *c, enum lens_dir dir)
{
	return dir == LENS_WRITE ? chan_source(c) : c;
}

static void join(struct chan *c, struct chan *peer)
{
	c->peer = peer;
	peer->peer = c;
	/* which is first must not depend on who was told of the other */
	if (memcmp(&c->key, &peer->key, sizeof(c->key)) < 0)
		peer->is_second = true;
	else
		c->is_second = true;
}

/* summed up alone, so many are remembered */
#define LONE_MAX 16384

void halves_forget(struct world *w, const struct chan *c)
{
	struct hash *lone = world_state(w)->lone;

	if (!event_kind_has_halves(c->key.kind) || c->peer || hash_get(lone, &c->key))
		return;
	if (hash_count(lone) < LONE_MAX)
		hash_add(lone, &c->key, lone);
	else
		world_state(w)->forgot_lone = true;
}

static bool lacks_sums(const struct world *w, const struct chan *c)
{
	/* one that is only known as a peer may be any of those */
	return hash_get(world_state(w)->lone, &c->key) || (c->may_be_back && !c->end_count);
}

bool halves_lack_sums(const struct world *w, const struct chan *c)
{
	return event_kind_has_halves(c->key.kind) &&
	       (lacks_sums(w, c) || (c->peer && lacks_sums(w, c->peer)));
}

/* of a pty each end tells which the other is */
void halves_pair(struct world *w, struct chan *c)
{
	struct lens_chan other = c->key;

	c->may_be_back = world_state(w)->forgot_lone;
	if (c->key.kind != LENS_KIND_PTY || c->peer)
		return;
	other.gen ^= LENS_PTY_SLAVE;
	if (!hash_get(w->chans, &other))
		world_chan(w, &other);
	else
		join(c, hash_get(w->chans, &other));
}

/* the first that is told of stays: a half has one peer for life */
void halves_join(struct chan *c, struct chan *peer)
{
	if (!event_kind_has_halves(c->key.kind) || c == peer || c->peer || peer->peer)
		return;
	join(c, peer);
}

void halves_apply(struct world *w, const struct event *ev)
{
	halves_join(world_chan(w, &ev->lens_rec_peer->chan),
		    world_chan(w, &ev->lens_rec_peer->peer));
}

bool chan_is_redirected(const struct chan *c)
{
	return c->redirected || (c->peer && c->peer->redirected);
}

bool chan_is_encrypted(const struct chan *c)
{
	return c->encrypted || (c->peer && c->peer->encrypted);
}

void queue_moved(const struct chan *c, struct moved *ret)
{
	const struct chan *source = chan_source(c);
	struct moved theirs = {};

	chan_moved(c, false, ret);
	if (source == c)
		return;
	if (source)
		chan_moved(source, false, &theirs);
	for (unsigned u = 0; u < UNIT_MAX; u++)
		ret->n[u][LENS_WRITE] = theirs.n[u][LENS_WRITE];
}

/* of one that no look found, nothing changed around the look: it counts no more */
static struct glimpse seen_glimpse(const struct chan *c, bool first)
{
	const struct kept_glimpse *g = glimpse_of(c, first ? GLIMPSE_FIRST : GLIMPSE_LAST);
	struct glimpse unseen = {};

	if (g)
		return glimpse_read(g);
	chan_moved(c, false, &unseen.before);
	unseen.after = unseen.before;
	return unseen;
}

void queue_glimpse(const struct chan *c, bool first, struct glimpse *ret)
{
	const struct chan *source = chan_source(c);
	const struct kept_glimpse *own = glimpse_of(c, first ? GLIMPSE_FIRST : GLIMPSE_LAST);
	struct glimpse theirs = {};

	*ret = own ? glimpse_read(own) : (struct glimpse){};
	if (source == c)
		return;
	/* what nobody had heard of by the end of the first look had moved nothing then */
	if (source && !(first && source->is_later))
		theirs = seen_glimpse(source, first);
	for (unsigned u = 0; u < UNIT_MAX; u++) {
		ret->before.n[u][LENS_WRITE] = theirs.before.n[u][LENS_WRITE];
		ret->after.n[u][LENS_WRITE] = theirs.after.n[u][LENS_WRITE];
	}
	inet_queue(c, &theirs, first, ret);
}

/* ------------------------------------------------------------------- whole */

static void add_ledger(struct ledger *to, const struct ledger *from)
{
	to->known &= from->known;
	to->before_start += from->before_start;
	to->written += from->written;
	to->read += from->read;
	to->queued += from->queued;
	to->discarded += from->discarded;
	to->by_kernel += from->by_kernel;
	to->in_flight += from->in_flight;
	/* what is missing in one direction is not made good by a surplus in the other */
	if ((to->unaccounted < 0) == (from->unaccounted < 0) || !from->unaccounted)
		to->unaccounted += from->unaccounted;
	else if (llabs(from->unaccounted) > llabs(to->unaccounted))
		to->unaccounted = from->unaccounted;
	to->slack += from->slack;
	to->discarded_observed &= from->discarded_observed;
	to->msgs_before += from->msgs_before;
	to->msgs_written += from->msgs_written;
	to->msgs_read += from->msgs_read;
	to->msgs_queued += from->msgs_queued;
	to->msgs_discarded += from->msgs_discarded;
	to->msgs_unaccounted += from->msgs_unaccounted;
}

static void add_depth(struct lens_depth *to, const struct lens_depth *from)
{
	if (!from->valid)
		return;
	to->queued_bytes += from->queued_bytes;
	to->capacity_bytes += from->capacity_bytes;
	to->queued_msgs += from->queued_msgs;
	to->capacity_msgs += from->capacity_msgs;
	to->wait_readers += from->wait_readers;
	to->wait_writers += from->wait_writers;
	to->valid |= from->valid;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* what the copy of a channel changes is its own */
static void detach(struct chan *whole)
{
	struct chan_parts *parts;

	whole->own_depth = false;
	if (!whole->more)
		return;
	parts = xcalloc(1, sizeof(*parts));
	memcpy(parts, whole->more, sizeof(*parts));
	whole->more = &parts->more;
}

static void add_more(struct chan *whole, const struct chan *peer)
{
	const struct chan_more *from = chan_more(peer);
	struct chan_more *to = chan_more_get(whole);

	if (!to->name) {
		to->name = from->name;
		to->name_len = from->name_len;
		to->name_truncated = from->name_truncated;
	}
	add_ledger(&to->ledger, chan_ledger(peer));
	to->full_share = larger(to->full_share, from->full_share);
	to->empty_share = larger(to->empty_share, from->empty_share);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (from->blocked_samples[d] > to->blocked_samples[d])
			to->blocked_samples[d] = from->blocked_samples[d];
}

struct chan *chan_whole_new(const struct chan *c)
{
	const struct chan *peer = c->peer;
	struct chan *whole = xcalloc(1, sizeof(*whole));

	*whole = *c;
	detach(whole);
	whole->ends.many = xcalloc(c->end_count + (peer ? peer->end_count : 0) + 1,
				   sizeof(struct endpoint *));
	whole->has_many_ends = true;
	memcpy(whole->ends.many, chan_ends(c), c->end_count * sizeof(struct endpoint *));
	if (!peer)
		return whole;
	memcpy(whole->ends.many + c->end_count, chan_ends(peer),
	       peer->end_count * sizeof(struct endpoint *));
	whole->end_count += peer->end_count;
	whole->existed_before |= peer->existed_before;
	whole->live |= peer->live;
	whole->gone &= peer->gone;
	whole->is_self |= peer->is_self;
	add_depth(chan_depth_get(whole), chan_depth(peer));
	if (c->more || peer->more)
		add_more(whole, peer);
	else
		whole->balances &= peer->balances;
	return whole;
}

void chan_whole_free(struct chan *whole)
{
	if (whole->own_depth)
		free((void *)whole->depth);
	free(whole->more);
	free(whole->ends.many);
	free(whole);
}
