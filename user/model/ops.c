// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The operations of a channel that are followed one by one. The kernel side
 * begins to follow when a channel gets its second reader or writer; how much
 * was inside then is known for sure only at the end, as the totals less what
 * was followed. Until then operations are kept. Where everything was followed
 * from the first call on, they are matched as they come and nothing is kept;
 * and so are messages when they become many, since who sent any before that
 * changes nothing about how they are matched.
 */
#include "model/kept.h"

static void drop_kept(struct ops *o)
{
	struct chunk *next;

	for (struct chunk *at = o->first; at; at = next) {
		next = at->next;
		free(at);
	}
	o->first = o->last = NULL;
	o->kept = 0;
}

static void drop_running(struct ops *o)
{
	if (o->running)
		fifo_fini(o->running);
	free(o->running);
	o->running = NULL;
}

void ops_free(struct ops *o)
{
	if (!o)
		return;
	drop_kept(o);
	drop_running(o);
	numbered_free(o->numbered);
	free(o);
}

size_t ops_kept(const struct ops *o)
{
	return o ? o->kept + (o->numbered ? o->numbered->count : 0) +
		   (o->running ? types_count(&o->running->types) : 0) : 0;
}

/* ------------------------------------------------------------------ taking */

void ops_replay(const struct world *w, const struct ops *o, struct fifo *f)
{
	for (const struct chunk *at = o->first; at; at = at->next) {
		for (unsigned i = 0; i < at->count; i++) {
			const struct kept_op *k = &at->ops[i];
			enum lens_dir dir;
			const struct endpoint *e = world_op_end(w, k->op.id, &dir);

			fifo_op(f, e, dir, &k->op, k->since_ns);
		}
	}
}

/* ------------------------------------------------------------------ places */

/* the kept operations of one direction that moved something; their number */
static size_t collect(const struct world *w, const struct ops *o, enum lens_dir dir,
		      struct lens_op *ret)
{
	size_t count = 0;

	for (const struct chunk *at = o->first; at; at = at->next) {
		for (unsigned i = 0; i < at->count; i++) {
			enum lens_dir its;

			if (at->ops[i].op.ret > 0 && world_op_end(w, at->ops[i].op.id, &its) &&
			    its == dir)
				ret[count++] = at->ops[i].op;
		}
	}
	return count;
}

void ops_find_places(const struct world *w, const struct ops *o, struct fifo *f, bool whole,
		     const bool over[])
{
	_cleanup_free_ struct lens_op *ops = xcalloc(o->kept + 1, sizeof(*ops));

	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		places_begin(&f->places[d], ops, collect(w, o, d, ops), whole, over[d]);
		f->placed[d] = f->places[d].known;
	}
}

bool ops_are_born(const struct world *w, const struct chan *c)
{
	const struct kept_glimpse *first = glimpse_of(c, GLIMPSE_FIRST);

	return world_state(w)->looks && !(first && first->valid);
}

bool chan_has_cut_messages(const struct chan *c)
{
	for (size_t i = 0; chan_has_messages(c) && i < c->end_count; i++)
		if (end_side(chan_ends(c)[i], LENS_READ)->total.shorts)
			return true;
	return false;
}

static size_t count_users(const struct chan *c, enum lens_dir dir)
{
	size_t count = 0;

	for (size_t i = 0; i < c->end_count; i++) {
		const struct side *s = end_side(chan_ends(c)[i], dir);

		count += s->seen || s->announced;
	}
	return count;
}

/* ----------------------------------------------------------------- running */

/* every operation was followed, and what was there before them is known */
static bool is_followed_whole(const struct world *w, const struct chan *c, int64_t *ret_before)
{
	struct glimpse g;

	if (!world_state(w)->looks || chan_has_messages(c) || !chan_source(c))
		return false;
	queue_glimpse(c, true, &g);
	if (memcmp(&g.before, &g.after, sizeof(g.before)))
		return false;
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		const struct chan *at = chan_side(c, d);

		for (size_t i = 0; i < at->end_count; i++) {
			const struct side *s = end_side(chan_ends(at)[i], d);

			if ((s->seen || s->announced) && !s->followed)
				return false;
			if (side_waits(s)->first_under_way[UNIT_BYTES])
				return false;
		}
	}
	*ret_before = g.queued[UNIT_BYTES] - g.after.n[UNIT_BYTES][LENS_WRITE] +
		      g.after.n[UNIT_BYTES][LENS_READ];
	return *ret_before >= 0;
}

/*
 * Where the origin of the places has to be found, it takes some operations to
 * know everybody by; without places the order is only inferred.
 */
#define OPS_TO_FIND_PLACES 1024

static bool find_running_places(const struct world *w, const struct chan *c, const struct ops *o,
				struct fifo *f)
{
	static const bool never[LENS_DIR_MAX];
	bool is_whole = ops_are_born(w, c);

	if (!is_whole && o->kept < OPS_TO_FIND_PLACES)
		return false;
	ops_find_places(w, o, f, is_whole, never);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (!f->placed[d] && count_users(c, d) && o->kept < OPS_PER_CHAN_MAX / 2)
			return false;
	return true;
}

/* hands what is kept to fresh, which goes on from there */
static void begin_running(struct world *w, struct ops *o, const struct fifo *fresh)
{
	o->running = xcalloc(1, sizeof(*o->running));
	*o->running = *fresh;
	ops_replay(w, o, o->running);
	world_state(w)->ops_kept -= o->kept;
	drop_kept(o);
	world_state(w)->ops_kept += types_count(&o->running->types);
}

static void try_running(struct world *w, const struct chan *c, struct ops *o)
{
	struct fifo fresh = {};
	int64_t before;

	if (!is_followed_whole(w, c, &before))
		return;
	if (!find_running_places(w, c, o, &fresh)) {
		fifo_fini(&fresh);
		return;
	}
	fifo_seed(&fresh, NULL, before);
	begin_running(w, o, &fresh);
}

static bool is_much(const struct world *w, const struct ops *o)
{
	return o->kept >= OPS_PER_CHAN_MAX / 2 || world_state(w)->ops_kept >= OPS_KEPT_MAX / 2;
}

static void overflow(struct world *w, struct ops *o)
{
	world_state(w)->ops_kept -= ops_kept(o);
	drop_kept(o);
	drop_running(o);
	numbered_free(o->numbered);
	o->numbered = NULL;
	o->overflow = true;
}

static void keep(struct world *w, struct ops *o, const struct kept_op *k)
{
	struct world_state *ws = world_state(w);

	if (o->kept >= OPS_PER_CHAN_MAX || ws->ops_kept >= OPS_KEPT_MAX) {
		overflow(w, o);
		return;
	}
	if (!o->last || o->last->count == CHUNK_OPS) {
		struct chunk *chunk = xcalloc(1, sizeof(*chunk));

		if (o->last)
			o->last->next = chunk;
		else
			o->first = chunk;
		o->last = chunk;
	}
	o->last->ops[o->last->count++] = *k;
	o->kept++;
	ws->ops_kept++;
}

/* of types, a sender may think of any number */
static void run(struct world *w, struct ops *o, const struct endpoint *e, enum lens_dir dir,
		const struct kept_op *k)
{
	const struct types *types = &o->running->types;
	size_t before = types_count(types);

	fifo_op(o->running, e, dir, &k->op, k->since_ns);
	world_state(w)->ops_kept += types_count(types) - before;
	if (types_count(types) > OPS_PER_CHAN_MAX || world_state(w)->ops_kept > OPS_KEPT_MAX)
		overflow(w, o);
}

/*
 * A thread makes one call after the other, and none before its process was there. Of an operation
 * that comes late, what that thread did before it is not known any more.
 */
static uint64_t began_after(struct endpoint *e, const struct lens_op *op)
{
	struct end_more *more = end_more_get(e);
	uint64_t since_ns = e->proc->key.start_ns;

	if (more->last_tid == op->tid && more->last_return_ns > op->ts_ns)
		return since_ns;
	if (more->last_tid == op->tid)
		since_ns = more->last_return_ns;
	more->last_tid = op->tid;
	more->last_return_ns = op->ts_ns;
	return since_ns;
}

/* needs no order, so that it need not be kept */
static void take_numbered(struct world *w, struct ops *o, struct proc *who, enum lens_dir dir,
			  const struct numbered_op *op, uint64_t since_ns)
{
	struct world_state *ws = world_state(w);
	size_t before;

	if (!o->numbered)
		o->numbered = xcalloc(1, sizeof(*o->numbered));
	before = o->numbered->count;
	numbered_take(o->numbered, who, dir, op, since_ns);
	ws->ops_kept += o->numbered->count - before;
	if (o->numbered->count > OPS_PER_CHAN_MAX || ws->ops_kept > OPS_KEPT_MAX)
		overflow(w, o);
}

void ops_take(struct world *w, const struct numbered_op *numbered)
{
	const struct lens_op *op = &numbered->op;
	struct kept_op k = { .op = *op };
	struct chan_state *cs;
	struct endpoint *e;
	enum lens_dir dir;
	struct side *s;
	struct chan *c;
	struct ops *o;

	e = world_op_end(w, op->id, &dir);
	if (!e)
		return;
	s = end_side_get(e, dir);
	s->op_count++;
	s->op_bytes += op->ret > 0 ? op->ret : 0;
	s->op_msgs += op->ret >= (chan_has_messages(e->chan) ? 0 : 1);
	/* what is written at half a connection goes through the queue of its peer */
	c = dir == LENS_WRITE ? chan_source(e->chan) : e->chan;
	if (!c)
		return;
	cs = chan_state_get(c);
	if (!cs->ops)
		cs->ops = xcalloc(1, sizeof(*cs->ops));
	o = cs->ops;
	k.since_ns = began_after(e, op);
	if (o->overflow)
		return;
	if (numbered->message)
		return take_numbered(w, o, e->proc, dir, numbered, k.since_ns);
	if (op->ret < 0)
		return;
	o->count++;
	/* now and then, because to find out costs a walk over all ends */
	if (!o->running && !(o->count & (o->count - 1)))
		try_running(w, c, o);
	if (!o->running && chan_has_messages(c) && is_much(w, o))
		begin_running(w, o, &(struct fifo){ .messages = true });
	if (o->running)
		run(w, o, e, dir, &k);
	else
		keep(w, o, &k);
}
