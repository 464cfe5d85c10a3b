// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Hope: the least solution of "a thread can go on if one of its needs can be
 * fulfilled, a process can act if one of its threads can go on". Beginning with
 * none for everybody, it only grows, and nobody gets any from himself.
 */
#include "model/stuck_look.h"

static enum stuck_hope better(enum stuck_hope a, enum stuck_hope b)
{
	return a > b ? a : b;
}

static enum stuck_hope any_provider(const struct stuck_need *n)
{
	enum stuck_hope hope = HOPE_NONE;

	for (size_t i = 0; i < n->provider_count && hope < HOPE_RUNS; i++)
		hope = better(hope, n->providers[i].proc->hope);
	return hope;
}

/* the worst of the groups; providers of a group stand together */
static enum stuck_hope every_group(const struct stuck_need *n)
{
	enum stuck_hope worst = HOPE_RUNS, group;
	size_t i = 0;

	if (!n->provider_count)
		return HOPE_NONE;
	while (i < n->provider_count) {
		uint32_t which = n->providers[i].group;

		group = HOPE_NONE;
		for (; i < n->provider_count && n->providers[i].group == which; i++)
			group = better(group, n->providers[i].proc->hope);
		if (group < worst)
			worst = group;
	}
	return worst;
}

static enum stuck_hope need_hope(const struct stuck_need *n)
{
	return better(n->outside, n->all_groups ? every_group(n) : any_provider(n));
}

#define HANDLES_CHILDREN (1ull << 16) /* SIGCHLD */

/*
 * That a child stops is told by SIGCHLD whatever clone(2) was told to send at its end, which most
 * often ends who does not handle it.
 */
static bool hears_of(const struct stuck_proc *parent, const struct stuck_proc *child)
{
	return parent->handlers & HANDLES_CHILDREN || child->flags & LENS_THREAD_TELLS;
}

/*
 * Who has a handler for the end or stop of a child may be interrupted by it, or have it do what
 * others wait for; a child that could act could end.
 */
static bool raise_parent(const struct stuck *s, const struct stuck_proc *child)
{
	struct stuck_proc *parent = stuck_find_proc(s, child->parent);
	bool changed = false;

	if (!parent || parent == child || !hears_of(parent, child) ||
	    child->hope < HOPE_STRANGER)
		return false;
	for (size_t i = 0; i < parent->thread_count; i++) {
		struct stuck_thread *t = parent->threads[i];

		if (t->is_dead || t->own != HOPE_NONE)
			continue;
		t->own = HOPE_OUTSIDE;
		t->own_why = "waiting, with a signal set for the end of a child";
		changed = true;
	}
	return changed;
}

bool stuck_awaits_tracer(const struct stuck_thread *t)
{
	return t->own == HOPE_STOPPED && t->need_count == 1 && t->needs[0].want == WANT_CONTINUE;
}

/* true if the thread's hope has grown */
static bool raise_thread(struct stuck_thread *t)
{
	enum stuck_hope hope = stuck_awaits_tracer(t) ? HOPE_NONE : t->own;

	for (size_t i = 0; i < t->need_count; i++) {
		t->needs[i].hope = need_hope(&t->needs[i]);
		hope = better(hope, t->needs[i].hope);
	}
	/* who is stopped does nothing, whatever becomes of what it waits for */
	if (t->own == HOPE_STOPPED && (hope > HOPE_STOPPED || !stuck_awaits_tracer(t)))
		hope = HOPE_STOPPED;
	if (hope <= t->hope)
		return false;
	t->hope = hope;
	t->proc->hope = better(t->proc->hope, hope);
	return true;
}

/*
 * Who has ended holds nothing and is nobody's partner: if it was seen as one, it ended
 * during the look, after the threads that waited for it were seen to, and that woke them.
 */
static bool has_ended(const struct stuck_proc *p)
{
	return p->thread_count && !p->live_count;
}

static void settle(struct stuck *s)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < s->thread_count; i++)
			if (!s->threads[i]->is_dead)
				changed |= raise_thread(s->threads[i]);
		for (size_t i = 0; i < s->proc_count; i++)
			changed |= raise_parent(s, s->procs[i]);
		/* chains are as often listed backwards */
		for (size_t i = s->thread_count; i-- > 0;)
			if (!s->threads[i]->is_dead)
				changed |= raise_thread(s->threads[i]);
	}
}

/* leaders who wait for other terminals' jobs, as far as anybody nests them */
#define JOBS_MAX 64

/* what ends whole jobs is asked for last: it is no hope for who waits for what is only stopped */
static bool raise_jobs(struct stuck *s, bool any_leader)
{
	bool changed = false;

	for (size_t i = 0; i < s->thread_count; i++)
		changed |= stuck_hope_hangup(s->threads[i], any_leader);
	return changed;
}

void stuck_hope_settle(struct stuck *s)
{
	for (size_t i = 0; i < s->proc_count; i++)
		s->procs[i]->hope = has_ended(s->procs[i]) ? HOPE_RUNS : HOPE_NONE;
	for (size_t i = 0; i < s->thread_count; i++)
		s->threads[i]->hope = HOPE_NONE;
	settle(s);
	for (unsigned i = 0; raise_jobs(s, i >= JOBS_MAX); i++)
		settle(s);
}
