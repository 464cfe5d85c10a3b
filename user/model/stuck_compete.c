// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who waits for the same of the same thing. That is asked of each who could end a
 * wait, of every wait: those of a thing are kept with it, and found by halving.
 */
#include "model/stuck_look.h"

static int compare_waiters(const void *left, const void *right)
{
	const struct stuck_waiter *a = left, *b = right;

	if (a->proc != b->proc)
		return (uintptr_t)a->proc < (uintptr_t)b->proc ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return a->want < b->want ? -1 : a->want > b->want;
}

bool stuck_competes(const struct stuck_proc *p, const struct stuck_need *n)
{
	const struct stuck_waiter key = { .proc = p, .end = n->end, .want = n->want };

	return n->thing && n->thing->waiter_count && !p->idles &&
	       bsearch(&key, n->thing->waiters, n->thing->waiter_count, sizeof(key),
		       compare_waiters);
}

static void add_waiter(struct stuck_thing *thing, const struct stuck_proc *p,
		       const struct stuck_need *n)
{
	size_t count = thing->waiter_count;
	const struct stuck_waiter *last = count ? &thing->waiters[count - 1] : NULL;

	/* of a set it may be several times */
	if (last && last->proc == p && last->want == n->want && last->end == n->end)
		return;
	if (!(count & (count - 1)))
		thing->waiters = xrealloc(thing->waiters, count ? count * 2 : 1,
					  sizeof(*thing->waiters));
	thing->waiters[thing->waiter_count++] = (struct stuck_waiter){
		.proc = p, .end = n->end, .want = n->want,
	};
}

void stuck_compete_settle(struct stuck *s)
{
	for (size_t i = 0; i < s->thing_count; i++)
		s->things[i]->waiter_count = 0;
	for (size_t i = 0; i < s->proc_count; i++)
		s->procs[i]->idles = false;
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		t->proc->idles |= !t->need_count && !t->is_dead;
		for (size_t j = 0; j < t->need_count; j++)
			if (t->needs[j].thing)
				add_waiter(t->needs[j].thing, t->proc, &t->needs[j]);
	}
	for (size_t i = 0; i < s->thing_count; i++)
		if (s->things[i]->waiter_count)
			qsort(s->things[i]->waiters, s->things[i]->waiter_count,
			      sizeof(*s->things[i]->waiters), compare_waiters);
}

bool stuck_ring_competes(const struct stuck_ring *r, const struct stuck_need *n)
{
	for (size_t i = 0; i < r->count; i++)
		if (!stuck_competes(r->procs[i], n))
			return false;
	return r->count > 1;
}

bool stuck_ring_outlives(const struct stuck_ring *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct stuck_thread *t = stuck_worst_wait(r->procs[i]);

		if (!t || !t->main || !t->main->outlives)
			return false;
	}
	return true;
}
