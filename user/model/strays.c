// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The end of a queue whose messages have numbers, all but some: those from before
 * the kernel side gave any, or from after it. Numbers say whose a message is. Of
 * the others sums may: of all of them, or of those of a type.
 */
#include "model/kept.h"

/* who may have sent to whom without a number: each pair that is in doubt is told so */
#define PAIRS_MAX 4096

/* what is known of the messages without a number */
struct strays {
	const struct chan *chan;
	struct early *in, *out;		/* sent, received before they were followed */
	struct fifo *f;			/* what order says of those that were followed */
	const struct numbered *numbered;
	uint64_t until_ns;		/* when the last of them was received */
	struct types types;		/* of those that were followed, and of the unreceived */
	struct hash *piles;		/* of those that order gave to nobody: struct pile */
	struct flow_matrix *m;
};

/*
 * Sent with a number, and nobody is known to have received it: it may still be
 * inside, or be among those received without a number until then.
 */
typedef void (*take_unreceived)(struct strays *s, const struct waiting *w, void *arg);

static void each_unreceived(struct strays *s, take_unreceived take, void *arg)
{
	for (size_t i = 0; i < NUMBERED_BUCKETS; i++)
		for (const struct waiting *at = s->numbered->waiting[i]; at; at = at->next)
			if (at->dir == LENS_WRITE && at->since_ns <= s->until_ns)
				take(s, at, arg);
}

static void add_to_crowd(struct strays *s, const struct waiting *w, void *crowd)
{
	crowd_add(crowd, w->who, w->bytes, 1);
}

static void add_to_types(struct strays *s, const struct waiting *w, void *types)
{
	types_take(types, w->type, LENS_WRITE, w->who, w->bytes);
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

/* ------------------------------------------------------------------- early */

/* one that was received, and that no followed call sent */
static const char *pass_early(struct strays *s, struct proc *to, uint64_t bytes)
{
	struct flow_cell *cell;

	if (!s->in->msgs)
		return kept_why_excess;
	s->in->msgs--;
	s->in->bytes -= bytes < s->in->bytes ? bytes : s->in->bytes;
	cell = flow_cell(s->m, s->in->who, to);
	cell->bytes += bytes;
	cell->messages++;
	return NULL;
}

static const char *pass_early_numbered(struct strays *s)
{
	const char *why = NULL;

	for (size_t i = 0; !why && i < NUMBERED_BUCKETS; i++)
		for (const struct waiting *at = s->numbered->waiting[i]; !why && at; at = at->next)
			if (at->dir == LENS_READ)
				why = pass_early(s, at->who, at->bytes);
	return why;
}

/* ------------------------------------------------------------- sums of all */

static void collect_line(const struct line *l, struct crowd *crowd)
{
	for (size_t i = l->head; i < l->count; i++)
		if (!l->pieces[i].taken)
			crowd_add(crowd, l->pieces[i].who, l->pieces[i].bytes, 1);
}

/* those that nobody followed, and those that only their senders gave a number */
static void collect_others(struct strays *s, struct crowd crowd[])
{
	const struct chan *c = s->chan;

	crowd_add(&crowd[LENS_WRITE], s->in->who, s->in->bytes, s->in->msgs);
	crowd_add(&crowd[LENS_WRITE], NULL, chan_state(c)->before, chan_ledger(c)->msgs_before);
	each_unreceived(s, add_to_crowd, &crowd[LENS_WRITE]);
	crowd_add(&crowd[LENS_READ], s->out->who, s->out->bytes, s->out->msgs);
}

/* by the order of return where there is one, the rest in the order of how long it was there */
static void infer(struct strays *s)
{
	struct crowd left[LENS_DIR_MAX] = {};

	collect_line(&s->f->written, &left[LENS_WRITE]);
	collect_line(&s->f->owed, &left[LENS_READ]);
	collect_others(s, left);
	crowd_pass(&left[LENS_WRITE], &left[LENS_READ], &s->f->flows);
	flow_matrix_add(s->m, &s->f->flows);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		crowd_fini(&left[d]);
}

/* ---------------------------------------------------------- sums of a type */

static void credit(struct flow_matrix *m, struct proc *from, struct proc *to, uint64_t bytes)
{
	struct flow_cell *cell = flow_cell(m, from, to);

	cell->bytes += bytes;
	cell->messages++;
}

/* sent, of one type and size, by several */
struct pile {
	struct pile_key { int64_t type; uint64_t bytes; } key;
	struct proc **who;
	size_t count, taken;
};

static struct pile_key pile_key(const struct strays *s, int64_t type, uint64_t bytes)
{
	return (struct pile_key){ .type = s->types.unknown ? 0 : type, .bytes = bytes };
}

static void pile_add(struct strays *s, int64_t type, struct proc *who, uint64_t bytes)
{
	struct pile_key key = pile_key(s, type, bytes);
	struct pile *p = hash_get(s->piles, &key);

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->key = key;
		hash_add(s->piles, &key, p);
	}
	/* grows at every power of two */
	if (!(p->count & (p->count - 1)))
		p->who = xrealloc(p->who, p->count ? 2 * p->count : 1, sizeof(struct proc *));
	p->who[p->count++] = who;
}

static void piles_free(struct hash *piles)
{
	for (size_t i = 0; i < hash_count(piles); i++) {
		struct pile *p = hash_at(piles, i);

		free(p->who);
		free(p);
	}
	hash_free(piles);
}

/* one that was sent, and that order gave to nobody */
static void leave(struct strays *s, int64_t type, struct proc *who, uint64_t bytes)
{
	struct type_use *u = types_find(&s->types, type);

	if (u->several[LENS_WRITE])
		pile_add(s, type, who, bytes);
	else
		u->left++;
}

static void leave_unreceived(struct strays *s, const struct waiting *w, void *unused)
{
	leave(s, w->type, w->who, w->bytes);
}

/* one that was received, and that order took from nobody */
static const char *settle(struct strays *s, const struct piece *p)
{
	struct type_use *u = types_find(&s->types, p->type);
	struct pile_key key = pile_key(s, p->type, p->bytes);
	struct pile *pile = u->several[LENS_WRITE] ? hash_get(s->piles, &key) : NULL;

	if (pile && pile->taken < pile->count) {
		credit(s->m, pile->who[pile->taken++], p->who, p->bytes);
		return NULL;
	}
	if (!u->left)
		return pass_early(s, p->who, p->bytes);
	u->left--;
	credit(s->m, u->first[LENS_WRITE], p->who, p->bytes);
	return NULL;
}

/* what nobody followed has flowed between two; what is left of it may be any message */
static const char *pass_out(struct strays *s)
{
	struct flow_cell *cell;

	if (!s->out->msgs)
		return NULL;
	if (s->out->msgs > s->in->msgs || s->out->bytes > s->in->bytes)
		return kept_why_excess;
	cell = flow_cell(s->m, s->in->who, s->out->who);
	cell->bytes += s->out->bytes;
	cell->messages += s->out->msgs;
	s->in->msgs -= s->out->msgs;
	s->in->bytes -= s->out->bytes;
	return NULL;
}

static const char *pass_by_type(struct strays *s)
{
	const struct line *sent = &s->f->written, *owed = &s->f->owed;
	uint64_t early = s->in->msgs;
	const char *why = pass_out(s);

	s->piles = hash_new(sizeof(struct pile_key));
	flow_matrix_add(s->m, &s->f->flows);
	for (size_t i = sent->head; i < sent->count; i++)
		if (!sent->pieces[i].taken)
			leave(s, sent->pieces[i].type, sent->pieces[i].who, sent->pieces[i].bytes);
	each_unreceived(s, leave_unreceived, NULL);
	for (size_t i = owed->head; !why && i < owed->count; i++)
		if (!owed->pieces[i].taken)
			why = settle(s, &owed->pieces[i]);
	piles_free(s->piles);
	types_doubt(&s->types, s->m);
	for (size_t i = 0; early && i < flow_matrix_count(s->m); i++)
		flow_matrix_at(s->m, i)->doubtful_messages += early;
	return why;
}

/* -------------------------------------------------------------------- both */

static const char *pass(struct strays *s, const struct crowd *senders,
			const struct crowd *receivers)
{
	if (receivers->messages > senders->messages)
		return kept_why_excess;
	if (crowd_is_certain(senders, receivers)) {
		crowd_pass(senders, receivers, s->m);
		return NULL;
	}
	if (!chan_ledger(s->chan)->msgs_before &&
	    types_are_certain(&s->types, !chan_has_cut_messages(s->chan), s->in->msgs))
		return pass_by_type(s);
	if (receivers->count > PAIRS_MAX / (senders->count + 1))
		return kept_why_crowded;
	infer(s);
	crowd_doubt(senders, receivers, s->m);
	return NULL;
}

const char *strays_match(const struct chan *c, struct early early[], struct fifo *f,
			 struct flow_matrix *m, uint64_t *ret_oldest_ns)
{
	const struct numbered *numbered = chan_state(c)->ops->numbered;
	struct strays s = {
		.chan = c, .in = &early[LENS_WRITE], .out = &early[LENS_READ], .f = f, .m = m,
		.numbered = numbered, .until_ns = f->received_ns,
	};
	struct crowd crowd[LENS_DIR_MAX] = {};
	const char *why = pass_early_numbered(&s), *why_strays;

	if (!f->types.all.messages[LENS_WRITE] && !f->types.all.messages[LENS_READ] &&
	    !s.out->who)
		*ret_oldest_ns = oldest_unreceived_ns(numbered);
	if (s.out->msgs && chan_state(c)->followed_ns > s.until_ns)
		s.until_ns = chan_state(c)->followed_ns;
	s.types = types_copy(&f->types);
	each_unreceived(&s, add_to_types, &s.types);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		crowd_merge(&crowd[d], &f->sums[d]);
	collect_others(&s, crowd);
	flow_matrix_add(m, &numbered->flows);
	why_strays = pass(&s, &crowd[LENS_WRITE], &crowd[LENS_READ]);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		crowd_fini(&crowd[d]);
	types_fini(&s.types);
	if (!why)
		why = why_strays;
	return why ? why : f->overflow ? kept_why_crowded : NULL;
}
