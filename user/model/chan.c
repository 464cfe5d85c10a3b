// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Parts of a channel that it has once there is something to tell: a million of
 * them may do nothing but exist, and then what they have is the same for many.
 */
#include "model/state.h"

const struct chan_more chan_more_none;
const struct chan_state chan_state_none;
const struct ledger ledger_unknown;
const struct ledger ledger_idle = { .known = true };
const struct lens_depth depth_unknown;

static struct chan_parts *parts(struct chan *c)
{
	struct chan_parts *p;

	if (!c->more) {
		p = xcalloc(1, sizeof(*p));
		p->more.ledger = *chan_ledger(c);
		c->more = &p->more;
	}
	return (struct chan_parts *)c->more;
}

struct chan_more *chan_more_get(struct chan *c)
{
	return &parts(c)->more;
}

struct chan_state *chan_state_get(struct chan *c)
{
	return &parts(c)->state;
}

/* ------------------------------------------------------------------- depth */

/* there are not many that the empty can have: as many as there are sizes of a queue */
#define DEPTHS_MAX 256

struct lens_depth *chan_depth_get(struct chan *c)
{
	struct lens_depth *own;

	if (!c->own_depth) {
		own = xcalloc(1, sizeof(*own));
		*own = *chan_depth(c);
		c->depth = own;
		c->own_depth = true;
	}
	return (struct lens_depth *)c->depth;
}

/* one for all channels that have the same; NULL: it is not likely that there are others */
static const struct lens_depth *shared_depth(struct world *w, const struct lens_depth *depth)
{
	struct hash *depths = world_state(w)->depths;
	struct lens_depth *shared = hash_get(depths, depth);

	if (shared || depth->queued_bytes || depth->queued_msgs ||
	    hash_count(depths) >= DEPTHS_MAX)
		return shared;
	shared = xcalloc(1, sizeof(*shared));
	*shared = *depth;
	hash_add(depths, depth, shared);
	return shared;
}

void chan_set_depth(struct world *w, struct chan *c, const struct lens_depth *depth,
		    uint64_t ts_ns)
{
	const struct lens_depth *shared = c->own_depth ? NULL : shared_depth(w, depth);

	if (shared)
		c->depth = shared;
	else
		*chan_depth_get(c) = *depth;
	c->depth_ns = ts_ns;
	/* a queue can outlive the namespace that its name was in */
	if (c->key.kind == LENS_KIND_POSIX_MQ && depth->key)
		chan_more_get(c)->ipcns = depth->key;
}

static bool is_used_by_us(const struct chan *c)
{
	return c->is_self || (c->peer && c->peer->is_self);
}

static bool is_written_by_others(const struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++) {
		const struct side *s = end_side(chan_ends(c)[i], LENS_WRITE);

		if ((s->announced || s->total.ops) && !(s->flags & LENS_END_SELF))
			return true;
	}
	return false;
}

bool chan_is_own(const struct chan *c)
{
	/* who ends us is none of the traffic here */
	if (!is_used_by_us(c) || event_kind_has_target(c->key.kind))
		return is_used_by_us(c);
	return !is_written_by_others(c) && !(c->peer && is_written_by_others(c->peer));
}

bool chan_gives_own(const struct chan *c)
{
	const struct chan *source = chan_source(c);

	return source && source->is_self && !event_kind_has_target(c->key.kind) &&
	       !is_written_by_others(source);
}
