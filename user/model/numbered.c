// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind numbered.h.
 */
#include "model/numbered.h"

static struct waiting **find(struct numbered *n, uint32_t number)
{
	/* numbers are given one after the other: no need to mix them */
	struct waiting **at = &n->waiting[number % NUMBERED_BUCKETS];

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void credit(struct numbered *n, const struct waiting *sent, const struct waiting *taken)
{
	struct flow_cell *cell = flow_cell(&n->flows, sent->who, taken->who);

	/* MSG_NOERROR may have cut it */
	cell->bytes += taken->bytes;
	cell->messages++;
	residency_add(&cell->residency,
		      taken->ts_ns > sent->ts_ns ? taken->ts_ns - sent->ts_ns : 0);
}

static void forget(struct numbered *n, struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	free(w);
	n->count--;
}

void numbered_take(struct numbered *n, struct proc *who, enum lens_dir dir,
		   const struct numbered_op *op, uint64_t since_ns)
{
	struct waiting **at = find(n, op->message), *other = *at, *w;
	const struct waiting mine = {
		.next = other, .number = op->message, .dir = dir, .who = who,
		.bytes = op->op.ret > 0 ? op->op.ret : 0, .ts_ns = op->op.ts_ns,
		.since_ns = since_ns,
	};

	if (other && other->dir != dir) {
		if (op->op.ret >= 0)
			credit(n, dir == LENS_WRITE ? &mine : other,
			       dir == LENS_WRITE ? other : &mine);
		forget(n, at);
		return;
	}
	/* one that was lost on its way out flows to nobody */
	if (op->op.ret < 0)
		return;
	if (other)
		forget(n, at);	/* its number was given again, 2^32 messages later */
	w = xcalloc(1, sizeof(*w));
	*w = mine;
	w->next = *at;
	*at = w;
	n->count++;
}

void numbered_free(struct numbered *n)
{
	for (size_t i = 0; n && i < NUMBERED_BUCKETS; i++)
		while (n->waiting[i])
			forget(n, &n->waiting[i]);
	if (n)
		flow_matrix_fini(&n->flows);
	free(n);
}

/* ------------------------------------------------------------------- crowds */

void crowd_add(struct crowd *c, struct proc *who, uint64_t bytes, uint64_t messages)
{
	size_t i;

	if (!messages)
		return;
	for (i = 0; i < c->count && c->members[i].who != who; i++)
		;
	if (i == c->count) {
		c->members = xrealloc(c->members, c->count + 1, sizeof(*c->members));
		c->members[c->count++] = (struct crowd_member){ .who = who };
	}
	c->members[i].bytes += bytes;
	c->members[i].messages += messages;
	c->bytes += bytes;
	c->messages += messages;
}

void crowd_fini(struct crowd *c)
{
	free(c->members);
	*c = (struct crowd){};
}

/* all of it went to the one receiver, and nothing was cut on the way */
static bool is_whole(const struct crowd *senders, const struct crowd *receivers)
{
	return receivers->count == 1 && senders->messages == receivers->messages &&
	       senders->bytes == receivers->bytes;
}

bool crowd_is_certain(const struct crowd *senders, const struct crowd *receivers)
{
	return senders->count == 1 || !receivers->count || is_whole(senders, receivers);
}

void crowd_doubt(const struct crowd *senders, const struct crowd *receivers,
		 struct flow_matrix *m)
{
	if (crowd_is_certain(senders, receivers))
		return;
	/* of each pair no more can be wrong than either has */
	for (size_t i = 0; i < senders->count; i++) {
		for (size_t j = 0; j < receivers->count; j++) {
			const struct crowd_member *s = &senders->members[i];
			const struct crowd_member *r = &receivers->members[j];

			flow_cell(m, s->who, r->who)->doubtful_messages +=
				s->messages < r->messages ? s->messages : r->messages;
		}
	}
}

/* bytes of the first messages that a receiver got: all alike, since nothing else is known */
static uint64_t first_bytes(const struct crowd_member *r, uint64_t messages)
{
	return (unsigned __int128)r->bytes * messages / r->messages;
}

void crowd_pass(const struct crowd *senders, const struct crowd *receivers,
		struct flow_matrix *m)
{
	bool whole = is_whole(senders, receivers);
	uint64_t given = 0;		/* messages of sender i */
	size_t i = 0;

	for (size_t j = 0; j < receivers->count; j++) {
		const struct crowd_member *r = &receivers->members[j];
		uint64_t got = 0, n;

		for (; got < r->messages; got += n) {
			const struct crowd_member *s =
				i < senders->count ? &senders->members[i] : NULL;
			struct flow_cell *cell = flow_cell(m, s ? s->who : NULL, r->who);

			n = r->messages - got;
			if (s && s->messages - given < n)
				n = s->messages - given;
			cell->messages += n;
			cell->bytes += whole ? s->bytes :
					       first_bytes(r, got + n) - first_bytes(r, got);
			given += n;
			if (s && given == s->messages) {
				given = 0;
				i++;
			}
		}
	}
}
