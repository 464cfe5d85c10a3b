// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The operations of a channel that are followed one by one. The kernel side
 * begins to follow when a channel gets its second reader or writer; how much
 * was inside then is known for sure only at the end, as the totals less what
 * was followed. Until then operations are kept. Where everything was followed
 * from the first call on, they are matched as they come and nothing is kept.
 */
#include "model/fifo.h"
#include "model/ops.h"

struct kept_op {
	struct lens_op op;
	uint64_t since_ns;		/* it did not begin before */
};

#define CHUNK_OPS 100
struct chunk {
	struct chunk *next;
	unsigned count;
	struct kept_op ops[CHUNK_OPS];
};

struct ops {
	struct chunk *first, *last;
	size_t count;			/* operations taken in so far */
	size_t kept;
	bool overflow;
	struct fifo *running;		/* matched as they come */
};

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

void ops_free(struct ops *o)
{
	if (!o)
		return;
	drop_kept(o);
	if (o->running) {
		fifo_fini(o->running);
		free(o->running);
	}
	free(o);
}

size_t ops_kept(const struct ops *o)
{
	return o ? o->kept : 0;
}

/* ------------------------------------------------------------------ taking */

static void replay(const struct world *w, const struct ops *o, struct fifo *f)
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

/* whole: every call since the channel was there is kept; over: none is under way */
static void find_places(const struct world *w, const struct ops *o, struct fifo *f, bool whole,
			const bool over[])
{
	_cleanup_free_ struct lens_op *ops = xcalloc(o->kept + 1, sizeof(*ops));

	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		places_begin(&f->places[d], ops, collect(w, o, d, ops), whole, over[d]);
		f->placed[d] = f->places[d].known;
	}
}

/* the channel came after the start, so that everything that happened to it was counted */
static bool is_born(const struct world *w, const struct chan *c)
{
	const struct glimpse *first = chan_state(c)->first;

	return world_state(w)->looks && !(first && first->valid);
}

static size_t count_users(const struct chan *c, enum lens_dir dir)
{
	size_t count = 0;

	for (size_t i = 0; i < c->end_count; i++) {
		const struct side *s = &c->ends[i]->side[dir];

		count += s->seen || s->announced;
	}
	return count;
}

/* everything that is under way returned before the last look, and it was the last */
static bool is_over(const struct world *w, const struct chan *c, enum lens_dir dir)
{
	if (world_state(w)->looks < 2)
		return false;
	for (size_t i = 0; i < c->end_count; i++)
		if (c->ends[i]->side[dir].under_way[UNIT_BYTES])
			return false;
	return true;
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
			const struct side *s = &at->ends[i]->side[d];

			if ((s->seen || s->announced) && !s->followed)
				return false;
			if (s->first_under_way[UNIT_BYTES])
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
	bool is_whole = is_born(w, c);

	if (!is_whole && o->kept < OPS_TO_FIND_PLACES)
		return false;
	find_places(w, o, f, is_whole, never);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (!f->placed[d] && count_users(c, d) && o->kept < OPS_PER_CHAN_MAX / 2)
			return false;
	return true;
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
	o->running = xcalloc(1, sizeof(*o->running));
	*o->running = fresh;
	fifo_seed(o->running, NULL, before);
	replay(w, o, o->running);
	world_state(w)->ops_kept -= o->kept;
	drop_kept(o);
}

static void keep(struct world *w, struct ops *o, const struct kept_op *k)
{
	struct world_state *ws = world_state(w);

	if (o->kept >= OPS_PER_CHAN_MAX || ws->ops_kept >= OPS_KEPT_MAX) {
		ws->ops_kept -= o->kept;
		drop_kept(o);
		o->overflow = true;
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

/* a thread makes one call after the other, and none before its process was there */
static uint64_t began_after(struct endpoint *e, const struct lens_op *op)
{
	uint64_t since_ns = e->last_tid == op->tid ? e->last_return_ns : e->proc->key.start_ns;

	e->last_tid = op->tid;
	e->last_return_ns = op->ts_ns;
	return since_ns;
}

void ops_take(struct world *w, const struct lens_op *op)
{
	struct kept_op k = { .op = *op };
	struct chan_state *cs;
	struct endpoint *e;
	enum lens_dir dir;
	struct chan *c;
	struct ops *o;

	e = world_op_end(w, op->id, &dir);
	if (!e)
		return;
	e->side[dir].op_count++;
	e->side[dir].op_bytes += op->ret > 0 ? op->ret : 0;
	e->side[dir].op_msgs += op->ret >= (chan_has_messages(e->chan) ? 0 : 1);
	/* what is written at half a connection goes through the queue of its peer */
	c = dir == LENS_WRITE ? chan_source(e->chan) : e->chan;
	if (!c)
		return;
	cs = chan_state(c);
	if (!cs->ops)
		cs->ops = xcalloc(1, sizeof(*cs->ops));
	o = cs->ops;
	k.since_ns = began_after(e, op);
	if (op->ret < 0 || o->overflow)
		return;
	o->count++;
	/* now and then, because to find out costs a walk over all ends */
	if (!o->running && !(o->count & (o->count - 1)))
		try_running(w, c, o);
	if (o->running)
		fifo_op(o->running, e, dir, op, k.since_ns);
	else
		keep(w, o, &k);
}

/* ---------------------------------------------------------------- matching */

/* what one process moved in one direction before its operations were followed */
struct early {
	struct proc *who;
	uint64_t bytes, msgs;
	uint64_t until_ns;
};

static const char why_lost[] = "apportioned: records of single operations were lost";

static const char *find_early(const struct chan *c, enum lens_dir dir, struct early *ret)
{
	const struct chan *at = chan_side(c, dir);

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; at && i < at->end_count; i++) {
		const struct side *s = &at->ends[i]->side[dir];
		struct proc *p = at->ends[i]->proc;

		if (s->op_bytes > s->total.bytes || s->op_count > s->total.ops)
			return "apportioned: operations are known that no total contains";
		if (s->op_count == s->total.ops)
			continue;
		if (s->followed)
			return why_lost;
		if (s->op_bytes == s->total.bytes && !chan_has_messages(c))
			continue;	/* calls that moved nothing */
		if (ret->who)
			return "apportioned: several used it before its operations were followed";
		ret->who = p;
		ret->bytes = s->total.bytes - s->op_bytes;
		/* of messages, looks with MSG_COPY seem to be some too */
		ret->msgs = s->total.msgs > s->op_msgs ? s->total.msgs - s->op_msgs : 0;
		ret->until_ns = p->exited ? p->exit_ns : UINT64_MAX;
	}
	return NULL;
}

/* what flowed before, between the two who were alone then, and what that left inside */
static const char *seed_stream(const struct chan *c, const struct early early[], struct fifo *f)
{
	uint64_t before = chan_state(c)->before, old;
	const struct early *in = &early[LENS_WRITE], *out = &early[LENS_READ];

	if (out->bytes > before + in->bytes)
		return "apportioned: a call was under way when its operations began to be followed";
	old = out->bytes < before ? out->bytes : before;
	if (old)
		fifo_passed(f, NULL, out->who, old);
	if (out->bytes > old)
		fifo_passed(f, in->who, out->who, out->bytes - old);
	fifo_seed(f, NULL, before - old);
	fifo_seed(f, in->who, in->bytes - (out->bytes - old));
	return NULL;
}

/*
 * Messages sent before: of those only their number and size are known, and
 * that somebody got them before.
 */
static const char *seed_messages(const struct chan *c, const struct early early[], struct fifo *f)
{
	const struct early *in = &early[LENS_WRITE], *out = &early[LENS_READ];
	struct flow_cell *cell;

	if (c->ledger.msgs_before)
		return "apportioned: the types of the messages that were there are not known";
	if (out->msgs > in->msgs || out->bytes > in->bytes)
		return "apportioned: a call was under way when its operations began to be followed";
	if (!out->msgs)
		return NULL;
	cell = flow_cell(&f->flows, in->who, out->who);
	cell->bytes += out->bytes;
	cell->messages += out->msgs;
	return NULL;
}

/* the only process in a write call that has not returned; NULL: none, or several */
static struct proc *writer_under_way(const struct chan *c)
{
	const struct chan *at = chan_source(c);
	struct proc *who = NULL;

	for (size_t i = 0; at && i < at->end_count; i++) {
		if (!at->ends[i]->side[LENS_WRITE].under_way[UNIT_BYTES])
			continue;
		if (who)
			return NULL;
		who = at->ends[i]->proc;
	}
	return who;
}

/*
 * What was read and never seen written: by a call that has not returned, and
 * of messages by whoever sent before sending was followed. m gets the rest.
 */
static const char *settle_owed(const struct chan *c, const struct fifo *f, struct proc *early,
			       struct flow_matrix *m)
{
	struct proc *writer = f->messages ? early : writer_under_way(c);

	for (size_t i = f->owed.head; i < f->owed.count; i++) {
		const struct piece *p = &f->owed.pieces[i];
		struct flow_cell *cell;

		/* MSG_COPY looked at a message */
		if (p->taken || (f->messages && !p->bytes))
			continue;
		if (!writer)
			return "apportioned: more was read than its followed operations wrote";
		cell = flow_cell(m, writer, p->who);
		cell->bytes += p->bytes;
		cell->messages += f->messages;
	}
	return NULL;
}

static const char *match_kept(const struct world *w, const struct chan *c,
			      const struct early early[], const bool over[], struct fifo *f)
{
	const char *why;

	f->messages = chan_has_messages(c);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (early[d].who)
			fifo_earlier(f, d, early[d].who, early[d].bytes, early[d].until_ns);
	why = f->messages ? seed_messages(c, early, f) : seed_stream(c, early, f);
	if (why)
		return why;
	if (!f->messages)
		find_places(w, chan_state(c)->ops, f, is_born(w, c) && !early[LENS_READ].who &&
			    !early[LENS_WRITE].who, over);
	replay(w, chan_state(c)->ops, f);
	return NULL;
}

static const char *match(const struct world *w, const struct chan *c, struct fifo *f,
			 struct flow_matrix *m, struct ops_order *ret)
{
	const struct ops *o = chan_state(c)->ops;
	bool over[LENS_DIR_MAX] = { is_over(w, c, LENS_READ), is_over(w, c, LENS_WRITE) };
	struct early early[LENS_DIR_MAX];
	const char *why = find_early(c, LENS_WRITE, &early[LENS_WRITE]);
	size_t owed;

	if (!why)
		why = find_early(c, LENS_READ, &early[LENS_READ]);
	/* what was lost and what was not followed look the same; all that was counted is neither */
	if (!why && (o->running || w->loss.count[LENS_LOSS_RING_FULL]) &&
	    (early[LENS_WRITE].who || early[LENS_READ].who))
		why = why_lost;
	if (!why && o->running)
		*f = fifo_copy(o->running);
	else if (!why)
		why = match_kept(w, c, early, over, f);
	if (!why && f->overflow)
		why = "apportioned: more was inside than is kept track of";
	if (why)
		return why;
	fifo_end(f, LENS_WRITE, over[LENS_WRITE]);
	fifo_end(f, LENS_READ, over[LENS_READ]);
	stretches_settle(&f->stretches, &f->flows);
	owed = f->owed.count - f->owed.head;
	flow_matrix_add(m, &f->flows);
	why = settle_owed(c, f, early[LENS_WRITE].who, m);
	/* of messages sent before they were followed, the types are not known */
	ret->is_proven = fifo_is_ordered(f) && !owed &&
			 !(f->messages && (early[LENS_WRITE].who || early[LENS_READ].who));
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		ret->by_places[d] = !fifo_is_in_turn(f, d);
	return why;
}

const char *ops_match(const struct world *w, const struct chan *c, struct flow_matrix *m,
		      struct ops_order *ret)
{
	const struct ops *o = chan_state(c)->ops;
	struct fifo f = {};
	const char *why;

	if (!o)
		return "apportioned: its operations were not followed one by one";
	if (o->overflow)
		return "apportioned: it had more operations than are kept";
	if (ledger_has_holes(c))
		return "apportioned: bytes were dropped from it at a moment that is not known";
	why = match(w, c, &f, m, ret);
	fifo_fini(&f);
	return why;
}
