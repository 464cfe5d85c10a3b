// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What is to be said of each wait. A thread without hope waits on a cycle or
 * into one (deadlock), or for somebody who is not there (dead end). For the
 * others: whether the partner is at work, elsewhere, or stopped.
 */
#include <unistd.h>

#include "model/stuck_look.h"

static bool is_stream(const struct stuck_need *n)
{
	unsigned object = n->thing ? n->thing->object : LENS_OBJECT_NONE;

	return object == LENS_OBJECT_PIPE || object == LENS_OBJECT_FIFO ||
	       object == LENS_OBJECT_UNIX_STREAM || object == LENS_OBJECT_UNIX_SEQPACKET;
}

static bool awaits_end_of_file(const struct stuck_need *n)
{
	return (n->want == WANT_DATA || n->want == WANT_HANGUP) && is_stream(n);
}

bool stuck_is_own_leak(const struct stuck_thread *t, const struct stuck_need *n)
{
	if (!awaits_end_of_file(n) || !n->provider_count)
		return false;
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc != t->proc)
			return false;
	return true;
}

static bool runs_now(const struct stuck_proc *p)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (!p->threads[i]->is_dead && !p->threads[i]->rec.state)
			return true;
	return false;
}

/* asked of each process once: it may have as many threads as there are who wait for it */
static bool is_busy(const struct stuck_proc *p)
{
	for (size_t i = 0; i < p->thread_count; i++) {
		const struct stuck_thread *t = p->threads[i];

		if (!t->is_dead &&
		    (t->moved || (t->own == HOPE_RUNS &&
				  (!t->rec.state || t->rec.state & STUCK_STATE_TRACED))))
			return true;
	}
	return false;
}

/* who started it has left; a daemon that leads its own session must be younger than who waits */
static bool is_orphan(const struct stuck_proc *p, const struct stuck_proc *waiter)
{
	if (!(p->flags & LENS_THREAD_ADOPTED))
		return false;
	return p->flags & LENS_THREAD_LEADERLESS ||
	       (p->flags & LENS_THREAD_LEADER && p->key.start_ns > waiter->key.start_ns);
}

/*
 * Who is the only one to write has it on purpose, as the first part of a pipeline that was left
 * in the background, or in a session of its own, and waits for something to tell. A copy that
 * was forgotten is that of what somebody started to read its output; or somebody has written
 * and gone, and whoever made the channel is still there, the holder no child of his any more,
 * or the holder was started later, when who was to write had the end already.
 */
static bool came_with_another(const struct stuck *s, const struct stuck_thread *t,
			      const struct stuck_provider *v)
{
	const struct stuck_desc *d = stuck_find_fd(s, v->proc, v->fd);
	const struct stuck_proc *maker;

	/* a graph made by hand has no descriptors */
	if (!d)
		return true;
	maker = stuck_maker_of(s, d);
	if (maker == t->proc)
		return true;
	return d->rec.flags & LENS_DESC_USED &&
	       (maker || v->proc->key.start_ns > t->proc->key.start_ns);
}

bool stuck_wrote_nothing(const struct stuck_need *n, const struct stuck_provider *v)
{
	unsigned object = n->thing ? n->thing->object : LENS_OBJECT_NONE;

	if (v->why != WHY_HOLDS_END || v->proc->written)
		return false;
	return object == LENS_OBJECT_PIPE || object == LENS_OBJECT_FIFO ||
	       (is_stream(n) && v->fd <= STDERR_FILENO);
}

/*
 * A forgotten copy: an orphan that has written nothing to anything since it
 * was born, and is no child of who waits. An inference: it might begin to.
 */
static bool is_forgotten(const struct stuck *s, const struct stuck_thread *t,
			 const struct stuck_need *n, const struct stuck_provider *v)
{
	return stuck_wrote_nothing(n, v) && is_orphan(v->proc, t->proc) &&
	       v->proc->parent != t->proc->key.tgid && !runs_now(v->proc) &&
	       came_with_another(s, t, v);
}

static bool is_leak(const struct stuck *s, const struct stuck_thread *t)
{
	bool any = false;

	for (size_t i = 0; i < t->need_count; i++) {
		const struct stuck_need *n = &t->needs[i];

		if (!awaits_end_of_file(n) || n->outside != HOPE_NONE)
			return false;
		for (size_t j = 0; j < n->provider_count; j++) {
			if (n->providers[j].proc == t->proc)
				continue;
			if (!is_forgotten(s, t, n, &n->providers[j]))
				return false;
			any = true;
		}
	}
	return any && t->own == HOPE_NONE;
}

static bool leads_to_deadlock(const struct stuck_proc *p)
{
	return p->ring || p->leads_to_ring;
}

static bool leads_into_ring(const struct stuck_need *n, const struct stuck_proc *but)
{
	for (size_t i = 0; i < n->provider_count && n->want != WANT_ARM; i++)
		if (n->providers[i].why != WHY_OWN_THREADS && n->providers[i].proc != but &&
		    leads_to_deadlock(n->providers[i].proc))
			return true;
	return false;
}

/* rather by way of another one: event loops have a pipe to themselves in their set */
static const struct stuck_need *need_into_ring(const struct stuck_thread *t)
{
	const struct stuck_need *own = NULL;

	for (size_t i = 0; i < t->need_count; i++) {
		if (leads_into_ring(&t->needs[i], t->proc))
			return &t->needs[i];
		if (!own && leads_into_ring(&t->needs[i], NULL))
			own = &t->needs[i];
	}
	return own;
}

static bool waits_for_own_threads_only(const struct stuck_thread *t)
{
	for (size_t i = 0; i < t->need_count; i++)
		for (size_t j = 0; j < t->needs[i].provider_count; j++)
			if (t->needs[i].providers[j].why != WHY_OWN_THREADS)
				return false;
	return t->need_count && t->needs[0].want == WANT_WAKE && !t->needs[0].thing;
}

static enum stuck_verdict judge_dead(struct stuck_thread *t)
{
	const struct stuck_need *into_ring;

	t->main = &t->needs[0];
	for (size_t i = 0; i < t->need_count; i++) {
		if (!t->needs[i].owner_dead)
			continue;
		t->main = &t->needs[i];
		return STUCK_OWNER_DEAD;
	}
	if (t->need_count == 1 && stuck_is_own_leak(t, t->main))
		return STUCK_EOF_LEAK;
	into_ring = need_into_ring(t);
	if (!into_ring)
		return STUCK_DEAD_END;
	t->main = into_ring;
	return STUCK_DEADLOCK;
}

/* somebody else should take away or let go, and does something else */
static bool is_held_up(const struct stuck_thread *t, const struct stuck_need *n)
{
	bool others = false;

	if (n->want != WANT_ROOM && n->want != WANT_LOCK && n->want != WANT_ACCEPT)
		return false;
	for (size_t i = 0; i < n->provider_count; i++) {
		if (n->providers[i].proc->is_busy)
			return false;
		others |= n->providers[i].proc != t->proc;
	}
	return others;
}

/* of several ways out the best, and rather one from outside than who hopes for it as well */
static bool says_more(const struct stuck_need *n, const struct stuck_need *than)
{
	return n->hope > than->hope || (n->hope == than->hope && n->outside == n->hope &&
					than->outside != than->hope);
}

static enum stuck_verdict judge_hopeful(const struct stuck *s, struct stuck_thread *t)
{
	t->main = &t->needs[0];
	for (size_t i = 0; i < t->need_count; i++) {
		if (says_more(&t->needs[i], t->main))
			t->main = &t->needs[i];
		if (t->needs[i].no_match) {
			t->main = &t->needs[i];
			return STUCK_NO_MATCH;
		}
	}
	if (is_leak(s, t))
		return STUCK_EOF_LEAK;
	if (t->hope == HOPE_STOPPED)
		return STUCK_PEER_STOPPED;
	if (t->need_count == 1 && is_held_up(t, t->main))
		return STUCK_PEER_SLOW;
	return t->hope == HOPE_RUNS ? STUCK_WAITING : STUCK_EXTERNAL;
}

static void judge_thread(const struct stuck *s, struct stuck_thread *t)
{
	t->verdict = STUCK_NOT;
	t->main = NULL;
	t->certain = true;
	if (t->is_dead || t->moved || !t->need_count)
		return;
	if (t->own == HOPE_STOPPED && t->hope != HOPE_NONE) {
		t->verdict = STUCK_EXTERNAL;
		return;
	}
	if (waits_for_own_threads_only(t))
		return;
	t->verdict = t->hope == HOPE_NONE ? judge_dead(t) : judge_hopeful(s, t);
	for (size_t i = 0; i < t->need_count; i++)
		t->certain &= !t->needs[i].inferred;
	if (t->verdict == STUCK_EOF_LEAK && t->hope > HOPE_NONE)
		t->certain = false;
}

bool stuck_wants_stranger(const struct stuck_thread *t)
{
	if (t->verdict != STUCK_EXTERNAL || t->hope != HOPE_STRANGER)
		return false;
	for (size_t i = 0; i < t->need_count; i++)
		for (size_t j = 0; j < t->needs[i].provider_count; j++) {
			const struct stuck_proc *p = t->needs[i].providers[j].proc;

			if (p != t->proc && p->hope == HOPE_STRANGER)
				return true;
		}
	return false;
}

/* the thread that says most about its process: one that runs, else the leader */
static const struct stuck_thread *find_telling(const struct stuck_proc *p)
{
	const struct stuck_thread *best = NULL;

	for (size_t i = 0; i < p->thread_count; i++) {
		const struct stuck_thread *t = p->threads[i];

		if (t->is_dead)
			continue;
		if (!best || t->verdict > best->verdict || (t->moved && !best->moved) ||
		    (t->verdict == best->verdict && t->rec.tid == p->key.tgid && !best->moved))
			best = t;
	}
	return best;
}

/* the results of an earlier judgement of the same graph */
static void forget(struct stuck *s)
{
	for (size_t i = 0; i < s->ring_count; i++)
		free(s->rings[i].procs);
	free(s->rings);
	free(s->roots);
	s->rings = NULL;
	s->roots = NULL;
	s->ring_count = s->root_count = 0;
	for (size_t i = 0; i < s->proc_count; i++) {
		s->procs[i]->on_ring = false;
	}
}

/* not by what it waits for others to do */
static bool has_way_out(const struct stuck_thread *t)
{
	if (t->own > HOPE_STOPPED)
		return true;
	for (size_t i = 0; i < t->need_count; i++)
		if (t->needs[i].outside > HOPE_STOPPED)
			return true;
	return false;
}

/* the process may act, by a thread that its telling one says nothing of */
static bool acts_beside(const struct stuck_proc *p)
{
	if (!p->telling || has_way_out(p->telling))
		return false;
	for (size_t i = 0; i < p->thread_count; i++)
		if (!p->threads[i]->is_dead && has_way_out(p->threads[i]))
			return true;
	return false;
}

void stuck_judge(struct stuck *s)
{
	forget(s);
	stuck_compete_settle(s);
	stuck_hope_settle(s);
	stuck_cycle_settle(s);
	for (size_t i = 0; i < s->proc_count; i++)
		s->procs[i]->is_busy = is_busy(s->procs[i]);
	for (size_t i = 0; i < s->thread_count; i++)
		judge_thread(s, s->threads[i]);
	for (size_t i = 0; i < s->proc_count; i++) {
		s->procs[i]->telling = find_telling(s->procs[i]);
		s->procs[i]->acts_beside = acts_beside(s->procs[i]);
	}
	stuck_root_settle(s);
	stuck_index_settle(s);
}
