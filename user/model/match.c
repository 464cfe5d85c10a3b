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
		if (end_waits(chan_ends(c)[i], dir)->under_way[UNIT_BYTES])
			return false;
	return true;
}

static const char why_lost[] = "apportioned: records of single operations were lost";
const char kept_why_excess[] = "apportioned: more was read than its followed operations wrote";
const char kept_why_crowded[] = "apportioned: more was inside than is kept track of";

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
		if (!end_waits(chan_ends(at)[i], LENS_WRITE)->under_way[UNIT_BYTES])
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

		if (p->taken)
			continue;
		/* recordings have looks with MSG_COPY, too, which report nothing */
		if (!writer && f->messages && !p->bytes)
			continue;
		if (!writer)
			return kept_why_excess;
		cell = flow_cell(m, writer, p->who);
		cell->bytes += p->bytes;
		cell->messages += f->messages;
	}
	return NULL;
}

/* whatever was sent before: how messages are matched does not depend on it */
static void match_messages(const struct world *w, const struct ops *o, struct fifo *f)
{
	if (o->running) {
		*f = fifo_copy(o->running);
		return;
	}
	f->messages = true;
	ops_replay(w, o, f);
}

static const char *match_stream(const struct world *w, const struct chan *c,
				const struct early early[], const bool over[], struct fifo *f)
{
	const struct ops *o = chan_state(c)->ops;
	const char *why;

	if (o->running) {
		*f = fifo_copy(o->running);
		return NULL;
	}
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (early[d].who)
			fifo_earlier(f, d, early[d].who, early[d].bytes, early[d].until_ns);
	why = seed_stream(c, early, f);
	if (why)
		return why;
	ops_find_places(w, o, f, ops_are_born(w, c) && !early[LENS_READ].who &&
			!early[LENS_WRITE].who, over);
	ops_replay(w, o, f);
	return NULL;
}

/* of messages sent before they were followed, the types are not known: any may be one of them */
static void doubt_early(const struct early *in, struct flow_matrix *m)
{
	for (size_t i = 0; flow_matrix_count(m) > 1 && i < flow_matrix_count(m); i++)
		flow_matrix_at(m, i)->doubtful_messages += in->msgs;
}

/* what the order of the operations says, of a channel whose messages have no numbers */
static const char *match_order(const struct chan *c, const struct early early[],
			       const bool over[], struct fifo *f, struct flow_matrix *m,
			       struct ops_order *ret)
{
	bool is_late = early[LENS_WRITE].who || early[LENS_READ].who;
	size_t owed;
	const char *why;

	fifo_end(f, LENS_WRITE, over[LENS_WRITE]);
	fifo_end(f, LENS_READ, over[LENS_READ]);
	stretches_settle(&f->stretches, &f->flows);
	owed = f->owed.count - f->owed.head;
	flow_matrix_add(m, &f->flows);
	why = settle_owed(c, f, early[LENS_WRITE].who, m);
	if (!(f->messages && is_late) && fifo_is_ordered(f) && !owed) {
		ret->is_proven = true;
		ret->oldest_ns = fifo_oldest_ns(f);
	} else if (f->messages && types_are_certain(&f->types, !chan_has_cut_messages(c),
						    early[LENS_WRITE].msgs)) {
		ret->is_proven = true;
		types_doubt(&f->types, m);
		doubt_early(&early[LENS_WRITE], m);
	}
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		ret->by_places[d] = !fifo_is_in_turn(f, d);
	return why;
}

static const char *match(const struct world *w, const struct chan *c, struct fifo *f,
			 struct flow_matrix *m, struct ops_order *ret)
{
	const struct ops *o = chan_state(c)->ops;
	bool over[LENS_DIR_MAX] = { is_over(w, c, LENS_READ), is_over(w, c, LENS_WRITE) };
	struct early early[LENS_DIR_MAX];
	const char *why = find_early(c, LENS_WRITE, &early[LENS_WRITE]);

	if (!why)
		why = find_early(c, LENS_READ, &early[LENS_READ]);
	/* what was lost and what was not followed look the same; all that was counted is neither */
	if (!why && ((o->running && !chan_has_messages(c)) || w->loss.count[LENS_LOSS_RING_FULL]) &&
	    (early[LENS_WRITE].who || early[LENS_READ].who))
		why = why_lost;
	if (why)
		return why;
	if (chan_has_messages(c))
		match_messages(w, o, f);
	if (o->numbered) {
		*ret = (struct ops_order){ .is_proven = true, .by_numbers = true };
		return strays_match(c, early, f, m, &ret->oldest_ns);
	}
	why = chan_has_messages(c) ? seed_messages(c, early, f) :
				     match_stream(w, c, early, over, f);
	if (!why && f->overflow)
		why = kept_why_crowded;
	return why ? why : match_order(c, early, over, f, m, ret);
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
