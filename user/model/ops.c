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

static void try_running(struct world *w, const struct chan *c, struct ops *o)
{
	int64_t before;

	if (!is_followed_whole(w, c, &before))
		return;
	o->running = xcalloc(1, sizeof(*o->running));
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
		flow_cell(&f->flows, NULL, out->who)->bytes += old;
	if (out->bytes > old)
		flow_cell(&f->flows, in->who, out->who)->bytes += out->bytes - old;
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

static void add_matrix(struct flow_matrix *to, const struct flow_matrix *from)
{
	for (size_t i = 0; i < flow_matrix_count(from); i++) {
		const struct flow_cell *f = flow_matrix_at((struct flow_matrix *)from, i);
		struct flow_cell *t = flow_cell(to, f->from, f->to);

		t->bytes += f->bytes;
		t->messages += f->messages;
		residency_merge(&t->residency, &f->residency);
	}
}

static const char *match_kept(const struct world *w, const struct chan *c,
			      const struct early early[], struct fifo *f)
{
	const char *why;

	f->messages = chan_has_messages(c);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (early[d].who)
			fifo_earlier(f, d, early[d].who, early[d].until_ns);
	why = f->messages ? seed_messages(c, early, f) : seed_stream(c, early, f);
	if (!why)
		replay(w, chan_state(c)->ops, f);
	return why;
}

static const char *match(const struct world *w, const struct chan *c, struct fifo *kept,
			 struct flow_matrix *m, bool *ret_ordered)
{
	const struct ops *o = chan_state(c)->ops;
	const struct fifo *f = o->running ? o->running : kept;
	struct early early[LENS_DIR_MAX];
	const char *why = find_early(c, LENS_WRITE, &early[LENS_WRITE]);
	size_t owed;

	if (!why)
		why = find_early(c, LENS_READ, &early[LENS_READ]);
	/* what was lost and what was not followed look the same; all that was counted is neither */
	if (!why && (o->running || w->loss.count[LENS_LOSS_RING_FULL]) &&
	    (early[LENS_WRITE].who || early[LENS_READ].who))
		why = why_lost;
	if (!why && !o->running)
		why = match_kept(w, c, early, kept);
	if (!why && f->overflow)
		why = "apportioned: more was inside than is kept track of";
	if (why)
		return why;
	owed = f->owed.count - f->owed.head;
	add_matrix(m, &f->flows);
	why = settle_owed(c, f, early[LENS_WRITE].who, m);
	/* of messages sent before they were followed, the types are not known */
	*ret_ordered = fifo_is_ordered(f) && !owed &&
		       !(f->messages && (early[LENS_WRITE].who || early[LENS_READ].who));
	return why;
}

const char *ops_match(const struct world *w, const struct chan *c, struct flow_matrix *m,
		      bool *ret_ordered)
{
	const struct ops *o = chan_state(c)->ops;
	struct fifo kept = {};
	const char *why;

	if (!o)
		return "apportioned: its operations were not followed one by one";
	if (o->overflow)
		return "apportioned: it had more operations than are kept";
	if (ledger_has_holes(c))
		return "apportioned: bytes were dropped from it at a moment that is not known";
	why = match(w, c, &kept, m, ret_ordered);
	fifo_fini(&kept);
	return why;
}
