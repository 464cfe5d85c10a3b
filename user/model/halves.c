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
	if (c->inet && c->inet->joined == INET_ITSELF)
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

/* of a pty each end tells which the other is */
void halves_pair(struct world *w, struct chan *c)
{
	struct lens_chan other = c->key;

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
static struct glimpse glimpse_of(const struct chan *c, bool first)
{
	const struct kept_glimpse *g = first ? chan_state(c)->first : chan_state(c)->last;
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
	const struct kept_glimpse *own = first ? chan_state(c)->first : chan_state(c)->last;
	struct glimpse theirs = {};

	*ret = own ? glimpse_read(own) : (struct glimpse){};
	if (source == c)
		return;
	/* what nobody had heard of by the end of the first look had moved nothing then */
	if (source && !(first && chan_state(source)->is_later))
		theirs = glimpse_of(source, first);
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

struct chan *chan_whole_new(const struct chan *c)
{
	const struct chan *peer = c->peer;
	struct chan *whole = xcalloc(1, sizeof(*whole));

	*whole = *c;
	whole->ends = xcalloc(c->end_count + (peer ? peer->end_count : 0) + 1,
			      sizeof(struct endpoint *));
	if (c->end_count)
		memcpy(whole->ends, c->ends, c->end_count * sizeof(struct endpoint *));
	if (!peer)
		return whole;
	if (peer->end_count)
		memcpy(whole->ends + c->end_count, peer->ends,
		       peer->end_count * sizeof(struct endpoint *));
	whole->end_count += peer->end_count;
	if (!whole->name) {
		whole->name = peer->name;
		whole->name_len = peer->name_len;
		whole->name_truncated = peer->name_truncated;
	}
	whole->existed_before |= peer->existed_before;
	whole->live |= peer->live;
	whole->gone &= peer->gone;
	whole->is_self |= peer->is_self;
	add_depth(&whole->depth, &peer->depth);
	add_ledger(&whole->ledger, &peer->ledger);
	whole->full_share = larger(c->full_share, peer->full_share);
	whole->empty_share = larger(c->empty_share, peer->empty_share);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (peer->blocked_samples[d] > whole->blocked_samples[d])
			whole->blocked_samples[d] = peer->blocked_samples[d];
	return whole;
}

void chan_whole_free(struct chan *whole)
{
	free(whole->ends);
	free(whole);
}
