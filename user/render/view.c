/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Collects what a document shows, once, so that its parts (channels, flows,
 * processes, totals) agree with each other.
 */
#include "render/view.h"

#define NS_PER_S 1000000000ULL

/* amounts of something else do not compare with bytes */
static uint64_t bytes_of(unsigned kind, uint64_t moved)
{
	return event_kind_has_bytes(kind) ? moved : 0;
}

static void add_chan(struct view *v, const struct chan *c)
{
	struct chan *whole = c->peer ? chan_whole_new(c) : NULL;

	v->chans[v->chan_count++] = (struct view_chan){ whole ? whole : c, whole };
}

static void leave_out(struct view *v, const struct chan *c)
{
	v->own_chans++;
	v->own_bytes += bytes_of(c->key.kind, chan_bytes(c, LENS_WRITE));
}

/* says how many there are, of which no more is said */
static bool is_left_out_file(struct view *v, const struct chan *c, const struct render_filter *f)
{
	if (!chan_is_read_only_file(c) || !filter_matches_chan(c, f) || f->kinds ||
	    f->channel_count)
		return false;
	v->read_only_files++;
	v->read_only_mappers += chan_memory(c)->peak_mappers;
	return true;
}

static bool has_own_end(const struct flow *flow)
{
	return (flow->from && flow->from->is_self) || (flow->to && flow->to->is_self);
}

static void add_flows(struct view *v, const struct world *w, const struct render_filter *f)
{
	v->flows = xcalloc(w->flow_count + 1, sizeof(*v->flows));
	for (size_t i = 0; i < w->flow_count; i++) {
		const struct flow *flow = &w->flows[i];

		if (!filter_matches_flow(flow, f) || !render_wants_chan(w, flow->chan, f))
			continue;
		if (has_own_end(flow) && !f->with_self) {
			v->own_flows++;
			v->own_bytes += bytes_of(flow->chan->key.kind, flow->bytes);
		} else {
			v->flows[v->flow_count++] = flow;
		}
	}
}

static void add_folds(struct view *v, const struct world *w, const struct render_filter *f)
{
	v->folds = xcalloc(hash_count(w->folds) + 1, sizeof(*v->folds));
	for (size_t i = 0; i < hash_count(w->folds); i++) {
		const struct fold *fold = hash_at(w->folds, i);
		bool known = false, matches = filter_matches_fold(fold, f, &known);
		bool used = fold->total[LENS_READ].ops || fold->total[LENS_WRITE].ops ||
			    fold->shared;

		if (!matches || (!used && !f->idle))
			continue;
		if (fold->is_self && !f->with_self) {
			v->own_chans += fold->channels;
			v->own_flows += fold->flows;
			v->own_bytes += bytes_of(fold->kind, fold->total[LENS_WRITE].bytes);
		} else if (!known) {
			v->unfiltered_chans += fold->channels;
			if (fold->unplaced)
				v->unfiltered_ops += fold->total[LENS_READ].ops +
						     fold->total[LENS_WRITE].ops;
		} else {
			v->folds[v->fold_count++] = fold;
		}
	}
}

void view_report(struct view *v, const struct world *w, const struct render_filter *f)
{
	*v = (struct view){};
	v->chans = xcalloc(hash_count(w->chans) + 1, sizeof(*v->chans));
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		if (c->is_second || is_left_out_file(v, c, f))
			continue;
		if (render_wants_chan(w, c, f))
			add_chan(v, c);
		else if (chan_is_own(c) && chan_has_traffic(c) && filter_matches_chan(c, f))
			leave_out(v, c);
	}
	add_flows(v, w, f);
	add_folds(v, w, f);
}

void view_list(struct view *v, const struct world *w, const struct render_filter *f)
{
	struct render_filter all = *f;

	all.idle = true;
	*v = (struct view){};
	v->chans = xcalloc(hash_count(w->chans) + 1, sizeof(*v->chans));
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		bool exists = !c->gone || (c->peer && !c->peer->gone);

		if (c->is_second || (exists && is_left_out_file(v, c, &all)))
			continue;
		if (exists && render_wants_chan(w, c, &all))
			add_chan(v, c);
		else if (exists && chan_is_own(c) && filter_matches_chan(c, &all))
			v->own_chans++;
	}
}

void view_fini(struct view *v)
{
	for (size_t i = 0; i < v->chan_count; i++)
		if (v->chans[i].whole)
			chan_whole_free(v->chans[i].whole);
	free(v->chans);
	free(v->flows);
	free(v->folds);
	*v = (struct view){};
}

struct busy {
	struct view_chan chan;
	uint64_t bytes;		/* moved in both directions */
	size_t order;
};

static int compare_busy(const void *left, const void *right)
{
	const struct busy *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* few of a million have moved anything: the others only make room for them */
static void sort_chans(struct view *v)
{
	_cleanup_free_ struct busy *busy = NULL;
	size_t count = 0, idle = 0;

	for (size_t i = 0; i < v->chan_count; i++) {
		struct view_chan chan = v->chans[i];
		const struct chan *c = chan.chan;
		uint64_t bytes = bytes_of(c->key.kind,
					  chan_bytes(c, LENS_READ) + chan_bytes(c, LENS_WRITE));

		if (!bytes) {
			v->chans[idle++] = chan;
			continue;
		}
		/* room doubles: it is full when the count is a power of two */
		if (!(count & (count - 1)))
			busy = xrealloc(busy, count ? count * 2 : 1, sizeof(*busy));
		busy[count] = (struct busy){ chan, bytes, count };
		count++;
	}
	if (!count)
		return;
	qsort(busy, count, sizeof(*busy), compare_busy);
	memmove(v->chans + count, v->chans, idle * sizeof(*v->chans));
	for (size_t i = 0; i < count; i++)
		v->chans[i] = busy[i].chan;
}

/* all flows lie in one array, in the order in which they were first heard of */
static int compare_flows(const void *left, const void *right)
{
	const struct flow *a = *(const struct flow *const *)left;
	const struct flow *b = *(const struct flow *const *)right;

	uint64_t x = bytes_of(a->chan->key.kind, a->bytes);
	uint64_t y = bytes_of(b->chan->key.kind, b->bytes);

	if (x != y)
		return x < y ? 1 : -1;
	/* signals carry none; elsewhere a pipeline is best left in its order */
	if (!x && a->messages != b->messages)
		return a->messages < b->messages ? 1 : -1;
	return a < b ? -1 : a > b;
}

static int compare_folds(const void *left, const void *right)
{
	const struct fold *a = *(const struct fold *const *)left;
	const struct fold *b = *(const struct fold *const *)right;

	uint64_t x = bytes_of(a->kind, a->total[LENS_WRITE].bytes);
	uint64_t y = bytes_of(b->kind, b->total[LENS_WRITE].bytes);

	if (x != y)
		return x < y ? 1 : -1;
	if (a->channels != b->channels)
		return a->channels < b->channels ? 1 : -1;
	/* two of a process go by that, two of names by these */
	if (!a->proc != !b->proc)
		return a->proc ? -1 : 1;
	if (a->proc != b->proc)
		return memcmp(&a->proc->key, &b->proc->key, sizeof(a->proc->key));
	return memcmp(a->names, b->names, sizeof(a->names));
}

void view_sort(struct view *v)
{
	sort_chans(v);
	if (v->flow_count)
		qsort(v->flows, v->flow_count, sizeof(*v->flows), compare_flows);
	if (v->fold_count)
		qsort(v->folds, v->fold_count, sizeof(*v->folds), compare_folds);
}

/* what a text shows in tables of their own; of the last, flows say all there is */
enum part { PART_QUEUE, PART_MEMORY, PART_TARGET, PART_MAX };

static enum part part_of(const struct chan *c)
{
	if (chan_is_memory(c))
		return PART_MEMORY;
	return chan_has_queue(c) ? PART_QUEUE : PART_TARGET;
}

void view_split(struct view *v)
{
	_cleanup_free_ struct view_chan *rest = NULL;
	size_t count = 0, left = 0;

	for (size_t i = 0; i < v->chan_count; i++) {
		if (part_of(v->chans[i].chan) == PART_QUEUE) {
			v->chans[count++] = v->chans[i];
			continue;
		}
		/* likewise */
		if (!(left & (left - 1)))
			rest = xrealloc(rest, left ? left * 2 : 1, sizeof(*rest));
		rest[left++] = v->chans[i];
	}
	for (enum part part = PART_MEMORY; part < PART_MAX; part++) {
		if (part == PART_MEMORY)
			v->memory_first = count;
		for (size_t i = 0; i < left; i++)
			if (part_of(rest[i].chan) == part)
				v->chans[count++] = rest[i];
		if (part == PART_MEMORY)
			v->memory_end = count;
	}
}

uint64_t world_duration_ns(const struct world *w)
{
	return w->end_ns > w->start_ns ? w->end_ns - w->start_ns : 0;
}

bool flow_rate(const struct world *w, const struct flow *flow, uint64_t *ret_bytes_per_s)
{
	uint64_t duration_ns = world_duration_ns(w);

	if (!duration_ns)
		return false;
	*ret_bytes_per_s = (uint64_t)((unsigned __int128)flow->bytes * NS_PER_S / duration_ns);
	return true;
}

static void mark(struct hash *marked, const struct proc *p)
{
	if (p && !hash_get(marked, &p->key))
		hash_add(marked, &p->key, (void *)p);
}

/* who waits at a channel, and for whom */
static void mark_stuck(struct hash *marked, const struct stuck *s, const struct chan *c)
{
	const struct stuck_thread *t;
	size_t at = 0;

	while ((t = stuck_next_wait(s, c, &at))) {
		mark(marked, t->proc->about);
		for (size_t i = 0; i < t->need_count; i++)
			for (size_t j = 0; j < t->needs[i].provider_count; j++)
				mark(marked, t->needs[i].providers[j].proc->about);
	}
}

const struct proc **view_procs(const struct view *v, const struct world *w,
			       const struct render_filter *f, size_t *ret_count)
{
	_cleanup_(hash_freep) struct hash *marked = hash_new(sizeof(struct lens_proc));
	const struct proc **procs = xcalloc(hash_count(w->procs) + 1, sizeof(*procs));
	size_t count = 0;

	for (size_t i = 0; i < v->chan_count; i++) {
		for (size_t j = 0; j < v->chans[i].chan->end_count; j++)
			mark(marked, chan_ends(v->chans[i].chan)[j]->proc);
		if (w->stuck)
			mark_stuck(marked, w->stuck, v->chans[i].chan);
	}
	for (size_t i = 0; i < v->flow_count; i++) {
		mark(marked, v->flows[i]->from);
		mark(marked, v->flows[i]->to);
	}
	for (size_t i = 0; i < v->fold_count; i++)
		mark(marked, v->folds[i]->proc);
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		const struct proc *p = hash_at(w->procs, i);

		if (hash_get(marked, &p->key) || (f->tree_only && p->in_tree))
			procs[count++] = p;
	}
	*ret_count = count;
	return procs;
}
