// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The end of the operations of a channel: what is known of them, and of what was
 * moved before they were followed, as flows.
 */
#include "model/kept.h"

/* everything that is under way returned before the last look, and it was the last */
static bool is_over(const struct world *w, const struct chan *c, enum lens_dir dir)
{
	if (world_state(w)->looks < 2)
		return false;
	for (size_t i = 0; i < c->end_count; i++)
		if (end_side(chan_ends(c)[i], dir)->under_way[UNIT_BYTES])
			return false;
	return true;
}

/* what one process moved in one direction before its operations were followed */
struct early {
	struct proc *who;
	uint64_t bytes, msgs;
	uint64_t until_ns;
};

static const char why_lost[] = "apportioned: records of single operations were lost";
static const char why_excess[] = "apportioned: more was read than its followed operations wrote";
static const char why_crowded[] = "apportioned: more was inside than is kept track of";

static bool is_message_queue(const struct chan *c)
{
	return c->key.kind == LENS_KIND_SYSV_MSG || c->key.kind == LENS_KIND_POSIX_MQ;
}

static const char *find_early(const struct chan *c, enum lens_dir dir, struct early *ret)
{
	const struct chan *at = chan_side(c, dir);

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; at && i < at->end_count; i++) {
		const struct side *s = end_side(chan_ends(at)[i], dir);
		struct proc *p = chan_ends(at)[i]->proc;

		if (s->op_bytes > s->total.bytes || s->op_count > s->total.ops)
			return "apportioned: operations are known that no total contains";
		if (s->op_count == s->total.ops)
			continue;
		/* looks with MSG_COPY are not streamed, and errors move nothing */
		if (is_message_queue(c) && s->op_msgs >= s->total.msgs)
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

	if (chan_ledger(c)->msgs_before)
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
		if (!end_side(chan_ends(at)[i], LENS_WRITE)->under_way[UNIT_BYTES])
			continue;
		if (who)
			return NULL;
		who = chan_ends(at)[i]->proc;
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
			return why_excess;
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
		ops_find_places(w, chan_state(c)->ops, f, ops_are_born(w, c) &&
				!early[LENS_READ].who && !early[LENS_WRITE].who, over);
	ops_replay(w, chan_state(c)->ops, f);
	return NULL;
}

/* ------------------------------------------------------------------ numbers */

/* who may have sent to whom without a number: each pair that is in doubt is told so */
#define PAIRS_MAX 4096

/* received with a number that no known call sent: by whoever sent before that was followed */
static const char *pass_early(const struct numbered *n, struct early *in, struct flow_matrix *m)
{
	for (size_t i = 0; i < NUMBERED_BUCKETS; i++) {
		for (const struct waiting *at = n->waiting[i]; at; at = at->next) {
			struct flow_cell *cell;

			if (at->dir == LENS_WRITE)
				continue;
			if (!in->msgs)
				return why_excess;
			in->msgs--;
			in->bytes -= at->bytes < in->bytes ? at->bytes : in->bytes;
			cell = flow_cell(m, in->who, at->who);
			cell->bytes += at->bytes;
			cell->messages++;
		}
	}
	return NULL;
}

/*
 * Sent with a number, and nobody is known to have received it: it may still be
 * inside, or be among those received without a number until then.
 */
static void collect_unreceived(const struct numbered *n, uint64_t until_ns, struct crowd *sent)
{
	for (size_t i = 0; i < NUMBERED_BUCKETS; i++)
		for (const struct waiting *at = n->waiting[i]; at; at = at->next)
			if (at->dir == LENS_WRITE && at->since_ns <= until_ns)
				crowd_add(sent, at->who, at->bytes, 1);
}

/* 0: all have been received */
static uint64_t oldest_unreceived_ns(const struct numbered *n)
{
	uint64_t oldest_ns = 0;

	for (size_t i = 0; i < NUMBERED_BUCKETS; i++)
		for (const struct waiting *at = n->waiting[i]; at; at = at->next)
			if (at->dir == LENS_WRITE && (!oldest_ns || at->since_ns < oldest_ns))
				oldest_ns = at->since_ns;
	return oldest_ns;
}

/* the followed calls without a number; returns when the last receive of them ended */
static uint64_t collect_kept(const struct world *w, const struct ops *o, struct crowd crowd[])
{
	uint64_t until_ns = 0;

	for (const struct chunk *at = o->first; at; at = at->next) {
		for (unsigned i = 0; i < at->count; i++) {
			const struct lens_op *op = &at->ops[i].op;
			enum lens_dir dir;
			const struct endpoint *e = world_op_end(w, op->id, &dir);

			crowd_add(&crowd[dir], e->proc, op->ret, 1);
			if (dir == LENS_READ && op->ts_ns > until_ns)
				until_ns = op->ts_ns;
		}
	}
	return until_ns;
}

static void collect_line(const struct line *l, struct crowd *crowd)
{
	for (size_t i = l->head; i < l->count; i++)
		if (!l->pieces[i].taken)
			crowd_add(crowd, l->pieces[i].who, l->pieces[i].bytes, 1);
}

/* by the order of return where there is one, the rest in the order of how long it was there */
static void infer(const struct world *w, const struct chan *c, const struct early early[],
		  const struct crowd *unreceived, struct fifo *f)
{
	const struct early *in = &early[LENS_WRITE], *out = &early[LENS_READ];
	struct crowd left[LENS_DIR_MAX] = {};

	f->messages = true;
	ops_replay(w, chan_state(c)->ops, f);
	crowd_add(&left[LENS_WRITE], in->who, in->bytes, in->msgs);
	crowd_add(&left[LENS_WRITE], NULL, chan_state(c)->before, chan_ledger(c)->msgs_before);
	collect_line(&f->written, &left[LENS_WRITE]);
	for (size_t i = 0; i < unreceived->count; i++)
		crowd_add(&left[LENS_WRITE], unreceived->members[i].who,
			  unreceived->members[i].bytes, unreceived->members[i].messages);
	crowd_add(&left[LENS_READ], out->who, out->bytes, out->msgs);
	collect_line(&f->owed, &left[LENS_READ]);
	crowd_pass(&left[LENS_WRITE], &left[LENS_READ], &f->flows);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		crowd_fini(&left[d]);
}

/* messages with a number flow as these say; of the others, whose are they? */
static const char *match_numbered(const struct world *w, const struct chan *c, struct early early[],
				  struct fifo *f, struct flow_matrix *m)
{
	struct crowd crowd[LENS_DIR_MAX] = {}, unreceived = {};
	const struct ops *o = chan_state(c)->ops;
	const struct early *in = &early[LENS_WRITE], *out = &early[LENS_READ];
	const char *why = pass_early(o->numbered, &early[LENS_WRITE], m);
	uint64_t until_ns = collect_kept(w, o, crowd);

	if (out->msgs && chan_state(c)->followed_ns > until_ns)
		until_ns = chan_state(c)->followed_ns;
	collect_unreceived(o->numbered, until_ns, &unreceived);
	crowd_add(&crowd[LENS_WRITE], in->who, in->bytes, in->msgs);
	crowd_add(&crowd[LENS_WRITE], NULL, chan_state(c)->before, chan_ledger(c)->msgs_before);
	for (size_t i = 0; i < unreceived.count; i++)
		crowd_add(&crowd[LENS_WRITE], unreceived.members[i].who,
			  unreceived.members[i].bytes, unreceived.members[i].messages);
	crowd_add(&crowd[LENS_READ], out->who, out->bytes, out->msgs);
	if (crowd[LENS_READ].messages > crowd[LENS_WRITE].messages)
		why = why_excess;
	flow_matrix_add(m, &o->numbered->flows);
	if (crowd[LENS_READ].count > PAIRS_MAX / (crowd[LENS_WRITE].count + 1))
		why = why_crowded;
	else if (crowd_is_certain(&crowd[LENS_WRITE], &crowd[LENS_READ]))
		crowd_pass(&crowd[LENS_WRITE], &crowd[LENS_READ], m);
	else
		infer(w, c, early, &unreceived, f);
	flow_matrix_add(m, &f->flows);
	if (!why)
		crowd_doubt(&crowd[LENS_WRITE], &crowd[LENS_READ], m);
	crowd_fini(&unreceived);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		crowd_fini(&crowd[d]);
	return why ? why : f->overflow ? why_crowded : NULL;
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
	if (!why && o->numbered) {
		*ret = (struct ops_order){ .is_proven = true, .by_numbers = true };
		if (!o->first && !early[LENS_READ].who)
			ret->oldest_ns = oldest_unreceived_ns(o->numbered);
		return match_numbered(w, c, early, f, m);
	}
	if (!why && o->running)
		*f = fifo_copy(o->running);
	else if (!why)
		why = match_kept(w, c, early, over, f);
	if (!why && f->overflow)
		why = why_crowded;
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
	ret->oldest_ns = fifo_oldest_ns(f);
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
