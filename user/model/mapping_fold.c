// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An object that many processes map, one after the other, outlives them all:
 * of those that have ended the last ones are kept one by one, and of the
 * others how many they were. It depends on the records only, as in fold.c.
 */
#include "model/mapping.h"
#include "model/state.h"

/* a process with thousands of mappings may fork and end many times before the next look */
#define EARLY_ENDS 65536

/* nothing can be heard of it any more; early: or too little to wait for it */
static bool has_ended(const struct world *w, const struct endpoint *e, bool early)
{
	const struct proc *p = e->proc;

	/* of hand-offs the last count is still to be read */
	if (!p->exited || e->held_now || end_mapper(e)->mapped_bytes ||
	    (early ? !!chan_memory(e->chan)->words : p->exit_look >= world_state(w)->looks_begun))
		return false;
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (end_side(e, d)->seen || end_side(e, d)->announced)
			return false;
	return true;
}

static int compare_exits(const void *left, const void *right)
{
	const struct endpoint *const *a = left, *const *b = right;

	if ((*a)->proc->in_tree != (*b)->proc->in_tree)
		return (*a)->proc->in_tree ? -1 : 1;
	if ((*a)->proc->exit_ns != (*b)->proc->exit_ns)
		return (*a)->proc->exit_ns > (*b)->proc->exit_ns ? -1 : 1;
	/* the order must not be left to chance */
	if ((*a)->proc != (*b)->proc)
		return memcmp(&(*a)->proc->key, &(*b)->proc->key, sizeof(struct lens_proc));
	return memcmp(&(*a)->chan->key, &(*b)->chan->key, sizeof(struct lens_chan));
}

static void forget_end(struct endpoint *e)
{
	struct memory *m = chan_memory_get(e->chan);

	m->folded.procs += end_mapper(e)->is_mapper;
	m->folded.maps += end_mapper(e)->maps;
	m->folded.unmaps += end_mapper(e)->unmaps;
	handoff_forget(e->chan, e->proc);
	chan_state_get(e->chan)->folded_ends++;
	e->folded = true;
}

static bool keep_end(void *arg, void *value)
{
	return !((struct endpoint *)value)->folded;
}

static void drop_forgotten(struct world *w, struct chan *c)
{
	struct chan_state *s = chan_state_get(c);
	size_t kept = 0;

	if (s->by_proc)
		hash_filter(s->by_proc, keep_end, NULL);
	for (size_t i = 0; i < c->end_count; i++) {
		struct endpoint *e = chan_ends(c)[i];

		if (e->folded)
			end_free(w, e);
		else
			chan_ends(c)[kept++] = e;
	}
	c->end_count = kept;
	s->folded_ends = 0;
}

static void fold(struct world *w, bool early)
{
	_cleanup_free_ struct endpoint **ended = NULL;
	size_t count = 0;

	world_state(w)->ended_ends = 0;
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		for (size_t j = 0; chan_is_memory(c) && j < c->end_count; j++) {
			if (!has_ended(w, chan_ends(c)[j], early))
				continue;
			/* room doubles: it is full when the count is a power of two */
			if (!(count & (count - 1)))
				ended = xrealloc(ended, count ? count * 2 : 1, sizeof(*ended));
			ended[count++] = chan_ends(c)[j];
		}
	}
	if (count <= w->max_ended)
		return;
	qsort(ended, count, sizeof(*ended), compare_exits);
	for (size_t i = w->max_ended; i < count; i++)
		forget_end(ended[i]);
	for (size_t i = 0; i < hash_count(w->chans); i++)
		if (chan_state(hash_at(w->chans, i))->folded_ends)
			drop_forgotten(w, hash_at(w->chans, i));
}

void mapping_fold(struct world *w)
{
	fold(w, false);
}

void mapping_ended(struct world *w, const struct proc *p)
{
	world_state(w)->ended_ends += p->end_count;
	if (world_state(w)->ended_ends >= EARLY_ENDS)
		fold(w, true);
}
