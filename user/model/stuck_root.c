// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Roots: where a chain of waits ends, which is what to look at first. Chains
 * are followed along the need each verdict is about.
 */
#include "model/stuck_look.h"

/* how well a provider explains the wait; the best goes on with the chain */
static int weight(const struct stuck_thread *t, const struct stuck_need *n,
		  const struct stuck_proc *p)
{
	int w = t->hope == HOPE_NONE ? p->on_ring + (p->ring ? 2 : p->leads_to_ring)
				     : (int)p->hope;

	if (p != t->proc)
		w += 20;
	if (!stuck_competes(p, n))
		w += 10;
	return w;
}

/* the provider a chain goes on with: the one who gives what hope there is */
static struct stuck_proc *find_main_provider(const struct stuck_thread *t)
{
	const struct stuck_need *n = t->main;
	struct stuck_proc *best = NULL;

	/* that those who are stuck themselves could arm it is no reason why nobody does */
	if (n && n->want == WANT_ARM && t->hope == HOPE_NONE)
		return NULL;
	for (size_t i = 0; n && i < n->provider_count; i++) {
		struct stuck_proc *p = n->providers[i].proc;

		if (n->providers[i].why == WHY_OWN_THREADS)
			continue;
		if (!best || weight(t, n, p) > weight(t, n, best))
			best = p;
	}
	return best;
}

/* the thread by which a chain goes on beyond this process; NULL: it ends here */
static const struct stuck_thread *next_link(const struct stuck_proc *p, enum stuck_verdict verdict)
{
	const struct stuck_thread *best = NULL;

	if (p->hope > HOPE_NONE && verdict >= STUCK_EOF_LEAK)
		return NULL;
	for (size_t i = 0; i < p->thread_count; i++) {
		const struct stuck_thread *t = p->threads[i];

		if (t->verdict >= STUCK_PEER_SLOW && (!best || t->verdict > best->verdict))
			best = t;
	}
	return best;
}

static struct stuck_root *add_root(struct stuck *s, struct stuck_proc *p,
				   const struct stuck_thread *t)
{
	for (size_t i = 0; i < s->root_count; i++)
		if (s->roots[i].proc == p && s->roots[i].verdict == t->verdict)
			return &s->roots[i];
	s->roots = xrealloc(s->roots, s->root_count + 1, sizeof(*s->roots));
	s->roots[s->root_count] = (struct stuck_root){
		.proc = p,
		.verdict = t->verdict,
		.thread = t,
		.need = t->main,
	};
	return &s->roots[s->root_count++];
}

/* told by who is on it, not by who is only among those that wait for each other */
static struct stuck_root *add_ring(struct stuck *s, const struct stuck_ring *r,
				   const struct stuck_thread *t)
{
	const struct stuck_thread *first = stuck_worst_wait(r->procs[0]);

	if (!t->proc->on_ring && first && first->verdict == t->verdict)
		t = first;
	return add_root(s, r->procs[0], t);
}

/*
 * Follows the chain from t to where it ends; walk: a number that no walk had yet.
 * A chain that comes round without being a deadlock, since one of those on it may
 * go on, ends where it entered the circle; one that began on it, with the next.
 */
static struct stuck_root *root_of(struct stuck *s, const struct stuck_thread *t, size_t walk)
{
	const struct stuck_thread *begin = t;

	for (;;) {
		const struct stuck_thread *next;
		struct stuck_proc *p;

		t->proc->mark = walk;
		if (t->verdict == STUCK_OWNER_DEAD || t->verdict == STUCK_NO_MATCH)
			return add_root(s, t->proc, t);
		if (t->proc->ring && t->verdict == STUCK_DEADLOCK)
			return add_ring(s, &s->rings[t->proc->ring - 1], t);
		p = t->main_provider;
		if (!p)
			return add_root(s, t->proc, t);
		if (t->verdict == STUCK_EOF_LEAK)
			return add_root(s, p, t);
		if (p == begin->proc)
			return add_root(s, begin->main_provider, begin);
		if (p->mark == walk)
			return add_root(s, p, t);
		next = next_link(p, t->verdict);
		if (!next)
			return add_root(s, p, t);
		t = next;
	}
}

/* worst first, then what blocks most, then as found */
static int compare_roots(const void *left, const void *right)
{
	const struct stuck_root *a = left, *b = right;
	bool bad_a = stuck_verdict_is_bad(a->verdict), bad_b = stuck_verdict_is_bad(b->verdict);

	if (bad_a != bad_b)
		return bad_a ? -1 : 1;
	if (a->blocks != b->blocks)
		return a->blocks > b->blocks ? -1 : 1;
	if (a->verdict != b->verdict)
		return a->verdict > b->verdict ? -1 : 1;
	return a->proc->key.tgid < b->proc->key.tgid ? -1 : a->proc->key.tgid > b->proc->key.tgid;
}

/* the worst wait of a process stands for it */
const struct stuck_thread *stuck_worst_wait(const struct stuck_proc *p)
{
	const struct stuck_thread *worst = NULL;

	for (size_t i = 0; i < p->thread_count; i++)
		if (p->threads[i]->verdict >= STUCK_PEER_SLOW &&
		    (!worst || p->threads[i]->verdict > worst->verdict))
			worst = p->threads[i];
	return worst;
}

void stuck_root_settle(struct stuck *s)
{
	for (size_t i = 0; i < s->thread_count; i++)
		s->threads[i]->main_provider = find_main_provider(s->threads[i]);
	for (size_t i = 0; i < s->proc_count; i++)
		s->procs[i]->mark = 0;
	for (size_t i = 0; i < s->proc_count; i++) {
		const struct stuck_thread *t = stuck_worst_wait(s->procs[i]);
		struct stuck_root *r = t ? root_of(s, t, i + 1) : NULL;

		if (r && r->proc != s->procs[i])
			r->blocks++;
	}
	if (s->root_count)
		qsort(s->roots, s->root_count, sizeof(*s->roots), compare_roots);
}
