// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who passed what before anybody looked is written down nowhere. But the kernel
 * knows who opened a file, and what no path leads to can only have been inherited
 * or received: who has it, did not make it and descends from nobody who has it was
 * given it, and if one socket alone joins it with another holder, over that one.
 */
#include "model/state.h"
#include "model/ways.h"

/* a socket with more pairs of processes than that tells nothing */
#define PAIRS_MAX 64

struct way {
	const struct proc *a, *b;	/* each pair in both orders */
	const struct chan *over;
};

struct ways {
	struct way *way;		/* by a, then b */
	size_t count, room;
	struct guess *guess;		/* by the socket */
	size_t guess_count;
};

struct ways *ways_new(void)
{
	return xcalloc(1, sizeof(struct ways));
}

void ways_free(struct ways *ways)
{
	free(ways->way);
	free(ways->guess);
	free(ways);
}

static int compare(uintptr_t a, uintptr_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_ways(const void *left, const void *right)
{
	const struct way *x = left, *y = right;
	int order = compare((uintptr_t)x->a, (uintptr_t)y->a);

	if (!order)
		order = compare((uintptr_t)x->b, (uintptr_t)y->b);
	return order ? order : compare((uintptr_t)x->over, (uintptr_t)y->over);
}

static int compare_guesses(const void *left, const void *right)
{
	const struct guess *x = left, *y = right;
	int order = compare((uintptr_t)x->over, (uintptr_t)y->over);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

/* --------------------------------------------------------------------- ways */

static void add_way(struct ways *ways, const struct proc *a, const struct proc *b,
		    const struct chan *over)
{
	if (ways->count == ways->room) {
		ways->room = ways->room ? ways->room * 2 : 64;
		ways->way = xrealloc(ways->way, ways->room, sizeof(*ways->way));
	}
	ways->way[ways->count++] = (struct way){ a, b, over };
}

/* whoever sends to a socket that is no connection is a writer of it */
static void add_ways(struct ways *ways, const struct chan *c)
{
	const struct chan *other = c->peer ? c->peer : c;

	if (c->end_count * other->end_count > PAIRS_MAX)
		return;
	for (size_t i = 0; i < c->end_count; i++)
		for (size_t j = 0; j < other->end_count; j++) {
			const struct endpoint *a = chan_ends(c)[i], *b = chan_ends(other)[j];

			if (a->proc == b->proc || (c == other && !(a->reader && b->writer)))
				continue;
			add_way(ways, a->proc, b->proc, c);
			add_way(ways, b->proc, a->proc, c);
		}
}

static bool is_unix(const struct chan *c)
{
	return event_kind_is_socket(c->key.kind) && !event_kind_is_inet(c->key.kind);
}

static void find_ways(struct world *w, struct ways *ways)
{
	ways->count = 0;
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		if (is_unix(c) && !c->is_second && c->existed_before)
			add_ways(ways, c);
	}
	if (ways->count)
		qsort(ways->way, ways->count, sizeof(*ways->way), compare_ways);
}

/* the first that is not before it */
static size_t seek(const struct ways *ways, const struct proc *a, const struct proc *b)
{
	struct way like = { .a = a, .b = b };
	size_t low = 0, high = ways->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ways(&ways->way[middle], &like) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_between(const struct ways *ways, size_t at, const struct proc *a,
		       const struct proc *b)
{
	return at < ways->count && ways->way[at].a == a && ways->way[at].b == b;
}

bool ways_join(const struct world *w, const struct proc *a, const struct proc *b,
	       const struct chan *but)
{
	const struct ways *ways = world_state(w)->ways;

	for (size_t i = seek(ways, a, b); is_between(ways, i, a, b); i++)
		if (ways->way[i].over != but && ways->way[i].over != but->peer)
			return true;
	return false;
}

/* ------------------------------------------------------------------ guesses */

/* no path leads there, so it comes by fork, or from who has it */
static bool is_given(const struct chan *c)
{
	switch (c->key.kind) {
	case LENS_KIND_PIPE:
	case LENS_KIND_EVENTFD:
	case LENS_KIND_MEMFD:
		return true;
	case LENS_KIND_POSIX_SHM:
		return chan_depth(c)->valid & LENS_DEPTH_UNLINKED;
	default:
		return false;
	}
}

/* so that it is known of the others that they did not */
static bool has_maker(const struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++)
		if (chan_ends(c)[i]->made)
			return true;
	return false;
}

static bool has_it_by_fork(const struct world *w, const struct endpoint *e)
{
	const struct proc *p = e->proc;

	if (end_mapper(e)->is_mapper && end_mapper(e)->how == MAPPER_INHERITED)
		return true;
	for (unsigned i = 0; i < ANCESTORS_MAX && p; i++) {
		const struct lens_proc *parent = proc_forked_by(p);

		p = parent ? hash_get(w->procs, parent) : NULL;
		if (p && chan_find_endpoint(e->chan, p))
			return true;
	}
	return false;
}

static bool is_open_question(const struct world *w, const struct endpoint *e)
{
	const struct mapper *m = end_mapper(e);

	return !e->made && !e->opened && !e->received &&
	       (e->held_before || (m->is_mapper && m->how == MAPPER_BEFORE)) &&
	       !has_it_by_fork(w, e);
}

/* the one socket that joins it with whoever else has it */
static bool find_over(const struct ways *ways, const struct endpoint *e, struct guess *ret)
{
	const struct chan *over = NULL;

	for (size_t i = 0; i < e->chan->end_count; i++) {
		const struct proc *from = chan_ends(e->chan)[i]->proc;

		if (from == e->proc)
			continue;
		for (size_t at = seek(ways, from, e->proc); is_between(ways, at, from, e->proc);
		     at++) {
			if (over)
				return false;
			over = ways->way[at].over;
			*ret = (struct guess){ .end = e, .over = over, .from = from };
		}
	}
	return over;
}

static void add_guesses(const struct world *w, struct ways *ways, const struct chan *c)
{
	struct guess guess;

	for (size_t i = 0; i < c->end_count; i++) {
		struct endpoint *e = chan_ends(c)[i];

		if (!is_open_question(w, e) || !find_over(ways, e, &guess))
			continue;
		guess.order = ways->guess_count;
		ways->guess = xrealloc(ways->guess, ways->guess_count + 1, sizeof(guess));
		ways->guess[ways->guess_count++] = guess;
	}
}

void ways_settle(struct world *w)
{
	struct ways *ways = world_state(w)->ways;

	ways->guess_count = 0;
	find_ways(w, ways);
	for (size_t i = 0; ways->count && i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		if (c->existed_before && is_given(c) && has_maker(c))
			add_guesses(w, ways, c);
	}
	if (ways->guess_count)
		qsort(ways->guess, ways->guess_count, sizeof(*ways->guess), compare_guesses);
}

const struct guess *ways_guess(const struct world *w, const struct endpoint *e)
{
	const struct ways *ways = world_state(w)->ways;

	/* few of all endpoints can be one */
	if (!is_given(e->chan) || e->made || e->received || !e->chan->existed_before)
		return NULL;
	for (size_t i = 0; i < ways->guess_count; i++)
		if (ways->guess[i].end == e)
			return &ways->guess[i];
	return NULL;
}

const struct guess *ways_guesses(const struct world *w, const struct chan *over,
				 size_t *ret_count)
{
	const struct ways *ways = world_state(w)->ways;
	size_t first = 0, end;

	while (first < ways->guess_count && ways->guess[first].over != over)
		first++;
	for (end = first; end < ways->guess_count && ways->guess[end].over == over;)
		end++;
	*ret_count = end - first;
	return *ret_count ? ways->guess + first : NULL;
}
