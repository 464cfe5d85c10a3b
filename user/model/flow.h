/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The flows of one channel while they are worked out. Internal to model/.
 */
#ifndef LENS_MODEL_FLOW_H
#define LENS_MODEL_FLOW_H

#include "model/state.h"

/*
 * How long bytes stayed in a channel: a histogram whose buckets are at most
 * 1/64 of their value wide, and only those that are in use.
 */
struct residency {
	struct residency_bucket { uint32_t index; uint64_t count; } *buckets;
	size_t used, room;
	uint64_t count, max_ns;
};

void residency_add(struct residency *r, uint64_t ns);
/* the smallest value that is not exceeded by percent of all, rounded up to its bucket's end */
uint64_t residency_percentile(const struct residency *r, unsigned percent);
void residency_merge(struct residency *to, const struct residency *from);
void residency_fini(struct residency *r);

struct flow_cell {
	struct proc *from, *to;		/* from NULL: was there before the start, or unknown */
	uint64_t bytes, messages;
	/* of those, bytes that another order of calls in that direction would give to others */
	uint64_t doubtful[LENS_DIR_MAX];
	/* messages that may have been another's, or have gone to another */
	uint64_t doubtful_messages;
	struct residency residency;
};

/* sender x receiver, only where something flows; in the order of first mention */
struct flow_matrix {
	struct hash *cells;		/* NULL: empty */
};

struct flow_cell *flow_cell(struct flow_matrix *m, struct proc *from, struct proc *to);
/* NULL if nothing flows there */
const struct flow_cell *flow_cell_find(const struct flow_matrix *m, const struct proc *from,
				       const struct proc *to);
void flow_matrix_add(struct flow_matrix *to, const struct flow_matrix *from);
size_t flow_matrix_count(const struct flow_matrix *m);
struct flow_cell *flow_matrix_at(const struct flow_matrix *m, size_t index);
void flow_matrix_fini(struct flow_matrix *m);

/*
 * Splits each column among the rows in proportion to what the rows have left,
 * so that no row gives more than it has and sums are exact. Columns together
 * must not exceed rows together. ret has row_count * col_count cells, row by row.
 */
void share_out(const uint64_t *rows, size_t row_count, const uint64_t *cols, size_t col_count,
	       uint64_t *ret);

#endif
