/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which channels and flows the user asked for. Values of one kind of filter
 * are alternatives, the kinds must all hold, and those that speak of a process
 * must hold for one and the same process at either end.
 */
#include <fnmatch.h>

#include "mech/mech.h"
#include "render/render.h"
#include "render/view.h"

static bool pid_matches(const struct proc *p, const struct render_filter *f)
{
	for (size_t i = 0; i < f->pid_count; i++)
		if (p->key.tgid == f->pids[i] || (p->known && p->nspid == f->pids[i]))
			return true;
	return !f->pid_count;
}

/* a name may itself look like a pattern ("pipe:[12]"), so try it as it is first */
static bool name_matches(const char *pattern, const char *name)
{
	return !strcmp(pattern, name) || !fnmatch(pattern, name, 0);
}

static bool comm_matches(const struct proc *p, const struct render_filter *f)
{
	for (size_t i = 0; i < f->comm_count; i++)
		if (name_matches(f->comms[i], p->comm))
			return true;
	return !f->comm_count;
}

/* whole components only: /a/b holds for /a/b and /a/b/c, not for /a/bc */
static bool path_has_prefix(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	while (len && prefix[len - 1] == '/')
		len--;
	return !strncmp(path, prefix, len) && (path[len] == '/' || path[len] == '\0');
}

static bool cgroup_matches(const struct proc *p, const struct render_filter *f)
{
	for (size_t i = 0; p->cgroup && i < f->cgroup_count; i++)
		if (path_has_prefix(p->cgroup, f->cgroups[i]))
			return true;
	return !f->cgroup_count;
}

bool render_has_cgroup(const struct world *w, const char *cgroup)
{
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		const struct proc *p = hash_at(w->procs, i);

		if (p->cgroup && path_has_prefix(p->cgroup, cgroup))
			return true;
	}
	return false;
}

static bool speaks_of_procs(const struct render_filter *f)
{
	return f->pid_count || f->comm_count || f->cgroup_count;
}

static bool proc_matches(const struct proc *p, const struct render_filter *f)
{
	return p && pid_matches(p, f) && comm_matches(p, f) && cgroup_matches(p, f);
}

/* name: hostile bytes, which people may have copied as they were shown */
bool filter_matches_name(const char *id, const char *name, size_t len,
			 const struct render_filter *f)
{
	_cleanup_(buf_fini) struct buf shown = {};

	buf_puts(&shown, "");
	text_escape(&shown, name, len);
	for (size_t i = 0; i < f->channel_count; i++)
		if (!strcmp(f->channels[i], id) || name_matches(f->channels[i], name) ||
		    name_matches(f->channels[i], shown.data))
			return true;
	return !f->channel_count;
}

static bool channel_matches(const struct chan *c, const struct render_filter *f)
{
	_cleanup_(buf_fini) struct buf id = {}, name = {};
	const struct mech *mech = mech_get(c->key.kind);

	if (!f->channel_count)
		return true;
	buf_puts(&id, "");
	mech_chan_id(c, &id);
	buf_puts(&name, "");
	if (mech)
		mech->name(c, &name);
	return filter_matches_name(id.data, name.data, name.len, f);
}

static bool end_in_tree(const struct endpoint *e)
{
	return e->proc->in_tree ||
	       ((end_side(e, LENS_READ)->flags | end_side(e, LENS_WRITE)->flags) & LENS_END_TREE);
}

/* a descriptor that was merely inherited has not been touched */
static bool tree_touched(const struct chan *c, bool holding_counts)
{
	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];
		bool used = end_side(e, LENS_READ)->seen || end_side(e, LENS_WRITE)->seen ||
			    end_waits(e, LENS_READ)->samples || end_waits(e, LENS_WRITE)->samples ||
			    end_mapper(e)->is_mapper;

		if (end_in_tree(e) && (used || holding_counts))
			return true;
	}
	return false;
}

static bool any_end_matches(const struct chan *c, const struct render_filter *f)
{
	for (size_t i = 0; i < c->end_count; i++)
		if (proc_matches(chan_ends(c)[i]->proc, f))
			return true;
	return false;
}

static bool half_matches(const struct chan *c, const struct render_filter *f)
{
	if (f->kinds && !(f->kinds & (UINT64_C(1) << c->key.kind)))
		return false;
	if (f->tree_only && !tree_touched(c, f->idle))
		return false;
	if (speaks_of_procs(f) && !any_end_matches(c, f))
		return false;
	return channel_matches(c, f);
}

bool filter_matches_chan(const struct chan *c, const struct render_filter *f)
{
	return half_matches(c, f) || (c->peer && half_matches(c->peer, f));
}

bool filter_matches_flow(const struct flow *flow, const struct render_filter *f)
{
	bool tree = (flow->from && flow->from->in_tree) || (flow->to && flow->to->in_tree);

	if (f->tree_only && !tree)
		return false;
	return !speaks_of_procs(f) || proc_matches(flow->from, f) || proc_matches(flow->to, f);
}

static bool names_match(const struct fold *fold, const struct render_filter *f)
{
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		for (size_t i = 0; i < f->comm_count && fold->names[d].count == FOLD_ONE; i++)
			if (name_matches(f->comms[i], fold->names[d].comm))
				return true;
	return !f->comm_count;
}

/* of whom nothing was told: any filter but one by kind may want them or not */
static bool unknown_match(const struct fold *fold, const struct render_filter *f, bool *ret_known)
{
	*ret_known = !speaks_of_procs(f) && !f->tree_only && !f->channel_count;
	return !f->kinds || f->kinds & (UINT64_C(1) << fold->kind);
}

static bool several_match(const struct fold *fold, const struct render_filter *f, bool *ret_known)
{
	bool has_several = fold->names[LENS_READ].count == FOLD_SEVERAL ||
			   fold->names[LENS_WRITE].count == FOLD_SEVERAL;
	bool match = names_match(fold, f);

	if (f->kinds && !(f->kinds & (UINT64_C(1) << fold->kind)))
		return false;
	if (f->tree_only && !fold->in_tree)
		return false;
	if (!match && !has_several)
		return false;
	*ret_known = match && !f->pid_count && !f->cgroup_count && !f->channel_count;
	return true;
}

/* as a flow of that process, if what is known of the process tells */
static bool unplaced_matches(const struct fold *fold, const struct render_filter *f,
			     bool *ret_known)
{
	const struct proc *p = fold->proc;
	bool named = p->known || (!f->comm_count && !f->tree_only &&
				  (!f->pid_count || pid_matches(p, f)));

	*ret_known = named && (p->cgroup || !f->cgroup_count) && !f->channel_count;
	if (f->kinds && !(f->kinds & (UINT64_C(1) << fold->kind)))
		return false;
	if (p->known && ((f->tree_only && !p->in_tree) || !pid_matches(p, f) ||
			 !comm_matches(p, f)))
		return false;
	return !p->cgroup || cgroup_matches(p, f);
}

bool filter_matches_fold(const struct fold *fold, const struct render_filter *f, bool *ret_known)
{
	if (fold->proc)
		return unplaced_matches(fold, f, ret_known);
	if (fold->unknown)
		return unknown_match(fold, f, ret_known);
	return several_match(fold, f, ret_known);
}

bool filter_matches_proc(const struct proc *p, const struct render_filter *f)
{
	return !speaks_of_procs(f) || proc_matches(p, f);
}

bool filter_is_set(const struct render_filter *f)
{
	return speaks_of_procs(f) || f->channel_count || f->kinds || f->tree_only;
}

uint64_t chan_bytes(const struct chan *c, enum lens_dir dir)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->end_count; i++)
		sum += end_side(chan_ends(c)[i], dir)->total.bytes;
	return sum;
}

static bool writable_ever(const struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++)
		if (end_mapper(chan_ends(c)[i])->prot_ever & LENS_PROT_WRITE)
			return true;
	return false;
}

bool chan_is_read_only_file(const struct chan *c)
{
	return c->key.kind == LENS_KIND_MMAP_FILE && !writable_ever(c);
}

/* two had it mapped, or one had something mapped that others can find by its name */
static bool memory_was_shared(const struct chan *c)
{
	bool named = c->key.kind != LENS_KIND_MEMFD && c->key.kind != LENS_KIND_SHARED_ANON;

	return chan_memory(c)->peak_mappers > 1 || chan_memory(c)->words ||
	       (named && writable_ever(c));
}

/*
 * A reader asleep on an empty channel is the normal state of an idle host, but
 * a writer asleep on a full one, a descriptor that was taken from a process
 * without a call on its memory, or bytes that do not add up, are news.
 */
static bool half_has_traffic(const struct chan *c)
{
	const struct ledger *l = chan_ledger(c);

	if (chan_is_memory(c))
		return memory_was_shared(c);
	for (size_t i = 0; i < c->end_count; i++)
		if (end_side(chan_ends(c)[i], LENS_READ)->total.ops ||
		    end_side(chan_ends(c)[i], LENS_WRITE)->total.ops)
			return true;
	return chan_more(c)->blocked_samples[LENS_WRITE] || chan_more(c)->passed.count ||
	       (l->known && (l->unaccounted || l->msgs_unaccounted));
}

bool chan_has_traffic(const struct chan *c)
{
	return half_has_traffic(c) || (c->peer && half_has_traffic(c->peer));
}

/* somebody asleep for good is news, too */
static bool is_stuck(const struct world *w, const struct chan *c)
{
	size_t at = 0;

	return w->stuck && stuck_next_wait(w->stuck, c, &at);
}

bool render_wants_chan(const struct world *w, const struct chan *c, const struct render_filter *f)
{
	return (f->with_self || !chan_is_own(c)) &&
	       (f->idle || chan_has_traffic(c) || is_stuck(w, c)) && filter_matches_chan(c, f);
}
