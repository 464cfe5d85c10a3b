// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Channels that are a process itself: signals sent to it, its memory. It is
 * an end of them without doing anything, so the totals of the others tell all.
 */
#include "model/state.h"

const struct endpoint *chan_target(const struct chan *c)
{
	/* the first end there was */
	return event_kind_has_target(c->key.kind) && c->key.dev ? chan_ends(c)[0] : NULL;
}

void target_join(struct world *w, struct chan *c)
{
	struct lens_proc key = { .start_ns = c->key.ino, .tgid = c->key.dev };
	struct endpoint *e;

	if (!event_kind_has_target(c->key.kind) || !key.tgid)
		return;
	e = chan_endpoint(w, c, world_proc(w, &key));
	e->reader = true;
	e->writer = c->key.kind == LENS_KIND_PROCESS_VM;
	/* we have been told of before anybody could end us */
	c->is_self |= e->proc->is_self;
}

bool target_lives(const struct chan *c)
{
	const struct endpoint *target = chan_target(c);

	return target && !target->proc->exited;
}
