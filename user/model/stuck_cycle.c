// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Cycles among the dead: strongly connected components of "waits for", and
 * for each of them a shortest ring to show. The walk keeps its own stack, as
 * a chain may be as long as there are processes.
 */
#include "model/stuck_look.h"

/* a thread of a process, a need of it, a provider of that */
struct edge_at {
	bool to_actors; /* see only_reaps() */
	size_t thread, need, provider;
};

/*
 * Who does nothing but wait for children to end has what they have, as a rule: their locks and
 * pipes, which it made. It is seldom the one who should give them what they wait for, so that
 * a cycle without such tells more; unless nobody else has it.
 */
static bool only_reaps(const struct stuck_proc *p)
{
	size_t needs = 0;

	for (size_t i = 0; i < p->thread_count; i++)
		for (size_t j = 0; j < p->threads[i]->need_count; j++, needs++)
			if (p->threads[i]->needs[j].want != WANT_EXIT)
				return false;
	return needs;
}

/*
 * ... and so does one from somebody who waits for one thing. Two that wait for any of several, as
 * ssh(1) and sshd(8), mostly do so for each other, too, whatever it is that they are to pass on.
 */
static bool waits_for_one(const struct stuck_proc *p)
{
	size_t needs = 0;

	for (size_t i = 0; i < p->thread_count; i++)
		needs += p->threads[i]->need_count;
	return needs == 1;
}

/* the next process that p, of which nothing is to be hoped, waits for; NULL: no more */
static struct stuck_proc *next_edge(const struct stuck_proc *p, struct edge_at *at)
{
	for (; at->thread < p->thread_count; at->thread++, at->need = 0) {
		const struct stuck_thread *t = p->threads[at->thread];

		for (; at->need < t->need_count; at->need++, at->provider = 0) {
			const struct stuck_need *n = &t->needs[at->need];

			/*
			 * An end of file that the process withholds from itself is no cycle;
			 * nor is that somebody could arm what nobody has to.
			 */
			if (stuck_is_own_leak(t, n) || n->want == WANT_ARM)
				continue;

			while (at->provider < n->provider_count) {
				const struct stuck_provider *v = &n->providers[at->provider++];

				if (v->proc->hope == HOPE_NONE && v->why != WHY_OWN_THREADS &&
				    n->hope == HOPE_NONE &&
				    !(at->to_actors && n->provider_count > 1 &&
				      only_reaps(v->proc)))
					return v->proc;
			}
		}
	}
	return NULL;
}

/* ------------------------------------------------- components, after Tarjan */

struct visit {
	struct stuck_proc *proc;
	struct edge_at at;
};

struct walk {
	struct stuck *s;
	struct visit *path; /* from where the walk began to where it is */
	size_t depth;
	struct stuck_proc **open; /* visited, component not yet known */
	size_t open_count;
	size_t *low; /* by mark - 1 */
	bool *is_open;
	size_t visited;
	uint32_t rings;
	bool to_actors;
};

static void enter(struct walk *w, struct stuck_proc *p)
{
	p->mark = ++w->visited;
	w->low[p->mark - 1] = p->mark;
	w->is_open[p->mark - 1] = true;
	w->open[w->open_count++] = p;
	w->path[w->depth++] = (struct visit){ .proc = p, .at.to_actors = w->to_actors };
}

static bool waits_for_itself(const struct stuck_proc *p)
{
	struct edge_at at = {};
	struct stuck_proc *to;

	while ((to = next_edge(p, &at)))
		if (to == p)
			return true;
	return false;
}

/* takes the component off the open ones; one of more than one process is a cycle */
static void close_component(struct walk *w, struct stuck_proc *first)
{
	size_t begin = w->open_count;
	uint32_t ring = 0;

	while (w->open[--begin] != first)
		continue;
	/* that one has what it waits for, too, tells less than any cycle of several */
	if (w->open_count - begin > 1 || (!w->to_actors && waits_for_itself(first)))
		ring = ++w->rings;
	for (size_t i = begin; i < w->open_count; i++) {
		w->open[i]->ring = ring;
		w->is_open[w->open[i]->mark - 1] = false;
	}
	w->open_count = begin;
}

static void leave(struct walk *w)
{
	struct stuck_proc *p = w->path[--w->depth].proc, *up;
	size_t low = w->low[p->mark - 1];

	if (low == p->mark)
		close_component(w, p);
	if (!w->depth)
		return;
	up = w->path[w->depth - 1].proc;
	if (low < w->low[up->mark - 1])
		w->low[up->mark - 1] = low;
	up->leads_to_ring |= p->ring || p->leads_to_ring;
}

static void walk_from(struct walk *w, struct stuck_proc *start)
{
	enter(w, start);
	while (w->depth) {
		struct visit *v = &w->path[w->depth - 1];
		struct stuck_proc *to = next_edge(v->proc, &v->at);

		if (!to) {
			leave(w);
		} else if (!to->mark) {
			enter(w, to);
		} else {
			v->proc->leads_to_ring |= to->ring || to->leads_to_ring;
			if (w->is_open[to->mark - 1] && to->mark < w->low[v->proc->mark - 1])
				w->low[v->proc->mark - 1] = to->mark;
		}
	}
}

/* -------------------------------------------------------------------- rings */

/*
 * A shortest way from a process of the component back to itself, by others if there
 * are any: that it has what it waits for, too, tells less.
 */
static void find_ring(struct stuck *s, struct stuck_proc *start, bool to_actors,
		      struct stuck_ring *ret)
{
	_cleanup_free_ struct stuck_proc **queue = xcalloc(s->proc_count, sizeof(*queue));
	_cleanup_free_ size_t *from = xcalloc(s->proc_count, sizeof(*from));
	size_t head = 0, tail = 0, length = 1;
	struct stuck_proc *to = NULL;

	for (size_t i = 0; i < s->proc_count; i++)
		s->procs[i]->mark = 0;
	queue[tail++] = start;
	start->mark = 1;
	for (; head < tail && to != start; head++) {
		struct edge_at at = { .to_actors = to_actors };

		while ((to = next_edge(queue[head], &at)) && (to != start || !head)) {
			if (to->ring != start->ring || to->mark)
				continue;
			to->mark = 1;
			from[tail] = head;
			queue[tail++] = to;
		}
	}
	/* the last one looked at waits for the first; or there is nobody else */
	head = to == start ? head - 1 : 0;
	for (size_t i = head; i; i = from[i])
		length++;
	ret->procs = xcalloc(length, sizeof(*ret->procs));
	ret->count = length;
	for (size_t i = head; length; i = from[i]) {
		ret->procs[--length] = queue[i];
		queue[i]->on_ring = true;
	}
}

/* marks who is on a cycle; returns how many there are that have no process in common */
static uint32_t find_components(struct stuck *s, bool to_actors)
{
	_cleanup_free_ struct visit *path = xcalloc(s->proc_count + 1, sizeof(*path));
	_cleanup_free_ struct stuck_proc **open = xcalloc(s->proc_count + 1, sizeof(*open));
	_cleanup_free_ size_t *low = xcalloc(s->proc_count + 1, sizeof(*low));
	_cleanup_free_ bool *is_open = xcalloc(s->proc_count + 1, sizeof(*is_open));
	struct walk w = { .s = s, .path = path, .open = open, .low = low, .is_open = is_open,
			  .to_actors = to_actors };

	for (size_t i = 0; i < s->proc_count; i++) {
		s->procs[i]->mark = s->procs[i]->ring = 0;
		s->procs[i]->leads_to_ring = false;
	}
	for (size_t i = 0; i < s->proc_count; i++)
		if (!s->procs[i]->mark && s->procs[i]->hope == HOPE_NONE)
			walk_from(&w, s->procs[i]);
	return w.rings;
}

void stuck_cycle_settle(struct stuck *s)
{
	_cleanup_free_ bool *acts = xcalloc(s->proc_count + 1, sizeof(*acts));

	find_components(s, true);
	for (size_t i = 0; i < s->proc_count; i++)
		acts[i] = s->procs[i]->ring;
	s->ring_count = find_components(s, false);
	s->rings = xcalloc(s->ring_count + 1, sizeof(*s->rings));
	for (unsigned choice = 4; choice-- > 0;)
		for (size_t i = 0; i < s->proc_count; i++) {
			struct stuck_proc *p = s->procs[i];
			unsigned to_actors = choice / 2, alone = choice % 2;

			if (p->ring && acts[i] >= to_actors && waits_for_one(p) >= alone &&
			    !s->rings[p->ring - 1].count)
				find_ring(s, p, to_actors, &s->rings[p->ring - 1]);
		}
}
