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
		.next = other, .number = op->message, .dir = dir, .who = who, .type = op->op.aux,
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
