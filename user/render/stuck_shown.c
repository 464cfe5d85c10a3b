// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which waits, roots and cycles are shown: those that pass the filter.
 */
#include "render/stuck_label.h"
#include "render/view.h"

bool filter_matches_wait(const struct stuck_thread *t, const struct render_filter *f)
{
	bool kind = !f->kinds, proc = filter_matches_proc(t->proc->about, f);
	bool channel = !f->channel_count;

	if (t->proc->about && t->proc->about->is_self && !f->with_self)
		return false;
	for (size_t i = 0; i < t->need_count; i++) {
		const struct stuck_need *n = &t->needs[i];

		kind |= n->thing && n->thing->is_channel && f->kinds >> n->thing->object & 1;
		channel |= !channel && n->thing && n->thing->name &&
			   filter_matches_name(n->thing->id, n->thing->name,
					       strlen(n->thing->name), f);
		for (size_t j = 0; !proc && j < n->provider_count; j++)
			proc |= filter_matches_proc(n->providers[j].proc->about, f);
	}
	return kind && proc && channel;
}

bool render_stuck_is_bad(const struct stuck *s, const struct render_options *opt)
{
	for (size_t i = 0; i < s->thread_count; i++)
		if (stuck_verdict_is_bad(s->threads[i]->verdict) &&
		    filter_matches_wait(s->threads[i], &opt->filter))
			return true;
	return false;
}

static bool has_ended(const struct stuck_proc *p)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (!p->threads[i]->is_dead)
			return false;
	return true;
}

bool render_stuck_has(const struct stuck *s, const struct render_filter *f)
{
	for (size_t i = 0; i < s->proc_count; i++) {
		const struct proc *p = s->procs[i]->about;

		if (!has_ended(s->procs[i]) && !(p && p->is_self && !f->with_self) &&
		    filter_matches_proc(p, f))
			return true;
	}
	return false;
}

static bool has_filter(const struct render_filter *f)
{
	return f->pid_count || f->comm_count || f->cgroup_count || f->channel_count || f->kinds;
}

/* the process waits, by way of others or not, for this root */
static bool leads_to(const struct stuck *s, const struct stuck_proc *p, const struct stuck_root *r)
{
	for (size_t i = 0; p && i <= s->proc_count; i++) {
		const struct stuck_thread *t = stuck_worst_wait(p);

		if (p == r->proc || (p->ring && p->ring == r->proc->ring))
			return true;
		p = t ? t->main_provider : NULL;
	}
	return false;
}

bool render_stuck_shows_root(const struct stuck *s, const struct stuck_root *r,
			     const struct render_options *opt)
{
	if (filter_matches_wait(r->thread, &opt->filter))
		return true;
	for (size_t i = 0; has_filter(&opt->filter) && i < s->thread_count; i++)
		if (s->threads[i]->verdict >= STUCK_PEER_SLOW &&
		    filter_matches_wait(s->threads[i], &opt->filter) &&
		    leads_to(s, s->threads[i]->proc, r))
			return true;
	return false;
}

bool render_stuck_shows_ring(const struct stuck *s, const struct stuck_ring *ring,
			     const struct render_options *opt)
{
	for (size_t i = 0; i < s->root_count; i++)
		if (ring->count && s->roots[i].proc->ring == ring->procs[0]->ring &&
		    render_stuck_shows_root(s, &s->roots[i], opt))
			return true;
	return false;
}

bool render_stuck_shows_stack(const struct stuck *s, const struct stuck_thread *t,
			      const struct render_options *opt, bool all)
{
	/* trees are shown whole, with whoever is at their root */
	if (t->verdict >= STUCK_PEER_SLOW)
		return true;
	for (size_t i = 0; i < s->root_count; i++)
		if (s->roots[i].proc == t->proc)
			return true;
	return all && t->verdict != STUCK_NOT && filter_matches_wait(t, &opt->filter);
}
