// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What looks saw of each channel, as it is kept. There may be a million of
 * them, most of which nobody uses: those that were found empty, and of which
 * nothing had been counted, say so by a bit.
 */
#include "model/state.h"

static const struct kept_glimpse idle = { .valid = true };
static const struct moved nothing;

static bool is_idle(const struct kept_glimpse *g)
{
	return g->valid && !g->has_place && !g->moves && !g->queued[UNIT_BYTES] &&
	       !g->queued[UNIT_MSGS];
}

const struct kept_glimpse *glimpse_of(const struct chan *c, enum which which)
{
	return c->idle_glimpses & 1u << which ? &idle : chan_state(c)->glimpse[which];
}

void glimpse_forget(struct chan *c, enum which which)
{
	struct kept_glimpse *g = chan_state(c)->glimpse[which];

	c->idle_glimpses &= ~(1u << which);
	if (!g)
		return;
	free(g->moves);
	free(g);
	chan_state_get(c)->glimpse[which] = NULL;
}

/* takes over *g and what it points to, in place of what is there */
static void put(struct chan *c, enum which which, const struct kept_glimpse *g)
{
	struct chan_state *s;

	if (is_idle(g)) {
		glimpse_forget(c, which);
		c->idle_glimpses |= 1u << which;
		return;
	}
	s = chan_state_get(c);
	c->idle_glimpses &= ~(1u << which);
	if (!s->glimpse[which])
		s->glimpse[which] = xcalloc(1, sizeof(*g));
	*s->glimpse[which] = *g;
}

static void set_moved(struct kept_glimpse *g, const struct moved *moved, bool after)
{
	if (!g->moves && !memcmp(moved, &nothing, sizeof(nothing)))
		return;
	if (!g->moves)
		g->moves = xcalloc(1, sizeof(*g->moves));
	*(after ? &g->moves->after : &g->moves->before) = *moved;
}

/* records are not trusted, and a ledger adds several of these */
static int64_t bounded(uint64_t bytes)
{
	const uint64_t most = UINT64_C(1) << 48;

	return bytes < most ? bytes : most;
}

void glimpse_found(struct chan *c, const struct lens_depth *depth)
{
	const struct kept_glimpse *before = glimpse_of(c, GLIMPSE_NOW);
	struct kept_glimpse g = {};
	struct moved moved;

	if (before) {
		g = *before;
	} else {
		chan_moved(c, true, &moved);
		set_moved(&g, &moved, false);
	}
	if (depth->valid) {
		g.valid = true;
		g.queued[UNIT_BYTES] = bounded(depth->queued_bytes);
		g.queued[UNIT_MSGS] = depth->queued_msgs;
	}
	put(c, GLIMPSE_NOW, &g);
}

void glimpse_place(struct chan *c, uint32_t sent, uint32_t taken)
{
	const struct kept_glimpse *now = glimpse_of(c, GLIMPSE_NOW);
	struct kept_glimpse g;

	if (!now)
		return;
	g = *now;
	g.has_place = true;
	g.sent = sent;
	g.taken = taken;
	put(c, GLIMPSE_NOW, &g);
}

void glimpse_complete(struct chan *c)
{
	const struct kept_glimpse *now = glimpse_of(c, GLIMPSE_NOW);
	struct kept_glimpse g;
	struct moved moved;

	glimpse_forget(c, GLIMPSE_LAST);
	if (!now)
		return;
	g = *now;
	chan_moved(c, false, &moved);
	set_moved(&g, &moved, true);
	/* what it points to goes with it */
	if (now != &idle)
		chan_state_get(c)->glimpse[GLIMPSE_NOW]->moves = NULL;
	glimpse_forget(c, GLIMPSE_NOW);
	put(c, GLIMPSE_LAST, &g);
}

void glimpse_remember(struct chan *c)
{
	const struct kept_glimpse *last = glimpse_of(c, GLIMPSE_LAST);
	struct kept_glimpse g;

	if (!last)
		return;
	g = *last;
	if (g.moves) {
		g.moves = xcalloc(1, sizeof(*g.moves));
		*g.moves = *last->moves;
	}
	put(c, GLIMPSE_FIRST, &g);
}

struct glimpse glimpse_read(const struct kept_glimpse *g)
{
	struct glimpse ret = {
		.valid = g->valid,
		.has_place = g->has_place,
		.sent = g->sent,
		.taken = g->taken,
	};

	memcpy(ret.queued, g->queued, sizeof(ret.queued));
	if (g->moves) {
		ret.before = g->moves->before;
		ret.after = g->moves->after;
	}
	return ret;
}
