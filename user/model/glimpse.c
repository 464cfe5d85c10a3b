// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What looks saw of each channel, as it is kept: there may be a million of
 * them, most of which nobody uses.
 */
#include "model/state.h"

static void set_moved(struct kept_glimpse *g, const struct moved *moved, bool after)
{
	static const struct moved nothing;

	if (!g->moves && !memcmp(moved, &nothing, sizeof(nothing)))
		return;
	if (!g->moves)
		g->moves = xcalloc(1, sizeof(*g->moves));
	*(after ? &g->moves->after : &g->moves->before) = *moved;
}

void glimpse_before(struct kept_glimpse *g, const struct chan *c)
{
	struct moved moved;

	chan_moved(c, true, &moved);
	set_moved(g, &moved, false);
}

void glimpse_after(struct kept_glimpse *g, const struct chan *c)
{
	struct moved moved;

	chan_moved(c, false, &moved);
	set_moved(g, &moved, true);
}

/* one for all channels that were found empty, and of which nothing had been counted */
static const struct kept_glimpse idle = { .valid = true };

struct kept_glimpse *glimpse_settle(struct kept_glimpse *g)
{
	if (!g->valid || g->has_place || g->moves || g->queued[UNIT_BYTES] || g->queued[UNIT_MSGS])
		return g;
	free(g);
	/* nobody changes it any more */
	return (struct kept_glimpse *)&idle;
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

struct kept_glimpse *glimpse_copy(const struct kept_glimpse *g)
{
	struct kept_glimpse *copy;

	if (g == &idle)
		return (struct kept_glimpse *)&idle;
	copy = xcalloc(1, sizeof(*copy));
	*copy = *g;
	if (g->moves) {
		copy->moves = xcalloc(1, sizeof(*copy->moves));
		*copy->moves = *g->moves;
	}
	return copy;
}

void glimpse_free(struct kept_glimpse *g)
{
	if (!g || g == &idle)
		return;
	free(g->moves);
	free(g);
}
