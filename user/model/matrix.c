// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The sparse matrix of flows between processes, how long bytes stayed under
 * way, and the proportional split for when their order is not known.
 */
#include "model/flow.h"

struct cell_key {
	const struct proc *from, *to;
};

struct flow_cell *flow_cell(struct flow_matrix *m, struct proc *from, struct proc *to)
{
	struct cell_key key = { from, to };
	struct flow_cell *cell;

	if (!m->cells)
		m->cells = hash_new(sizeof(key));
	cell = hash_get(m->cells, &key);
	if (cell)
		return cell;
	cell = xcalloc(1, sizeof(*cell));
	cell->from = from;
	cell->to = to;
	hash_add(m->cells, &key, cell);
	return cell;
}

const struct flow_cell *flow_cell_find(const struct flow_matrix *m, const struct proc *from,
				       const struct proc *to)
{
	struct cell_key key = { from, to };

	return m->cells ? hash_get(m->cells, &key) : NULL;
}

size_t flow_matrix_count(const struct flow_matrix *m)
{
	return m->cells ? hash_count(m->cells) : 0;
}

struct flow_cell *flow_matrix_at(const struct flow_matrix *m, size_t index)
{
	return hash_at(m->cells, index);
}

void flow_matrix_add(struct flow_matrix *to, const struct flow_matrix *from)
{
	for (size_t i = 0; i < flow_matrix_count(from); i++) {
		const struct flow_cell *f = flow_matrix_at((struct flow_matrix *)from, i);
		struct flow_cell *t = flow_cell(to, f->from, f->to);

		t->bytes += f->bytes;
		t->messages += f->messages;
		t->doubtful_messages += f->doubtful_messages;
		for (unsigned d = 0; d < LENS_DIR_MAX; d++)
			t->doubtful[d] += f->doubtful[d];
		residency_merge(&t->residency, &f->residency);
	}
}

void flow_matrix_fini(struct flow_matrix *m)
{
	for (size_t i = 0; i < flow_matrix_count(m); i++) {
		struct flow_cell *cell = flow_matrix_at(m, i);

		residency_fini(&cell->residency);
		free(cell);
	}
	if (m->cells)
		hash_free(m->cells);
	m->cells = NULL;
}

/* --------------------------------------------------------------- residency */

/* 64 buckets for each power of two; below 64 ns each value has its own */
#define BUCKET_BITS 6

static uint32_t bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < 1u << BUCKET_BITS)
		return ns;
	shift = 63 - __builtin_clzll(ns) - BUCKET_BITS;
	return ((shift + 1) << BUCKET_BITS) + ((ns >> shift) & ((1u << BUCKET_BITS) - 1));
}

static uint64_t bucket_end(uint32_t index)
{
	unsigned shift = index >> BUCKET_BITS;
	uint64_t mantissa = index & ((1u << BUCKET_BITS) - 1);

	if (!shift)
		return index;
	return (((1u << BUCKET_BITS) + mantissa + 1) << (shift - 1)) - 1;
}

static void add_bucket(struct residency *r, uint32_t index, uint64_t count)
{
	size_t low = 0, high = r->used;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->buckets[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->used || r->buckets[low].index != index) {
		if (r->used == r->room) {
			r->room = r->room ? r->room * 2 : 8;
			r->buckets = xrealloc(r->buckets, r->room, sizeof(*r->buckets));
		}
		memmove(r->buckets + low + 1, r->buckets + low,
			(r->used - low) * sizeof(*r->buckets));
		r->buckets[low] = (struct residency_bucket){ .index = index };
		r->used++;
	}
	r->buckets[low].count += count;
	r->count += count;
}

void residency_add(struct residency *r, uint64_t ns)
{
	add_bucket(r, bucket_of(ns), 1);
	if (ns > r->max_ns)
		r->max_ns = ns;
}

void residency_merge(struct residency *to, const struct residency *from)
{
	for (size_t i = 0; i < from->used; i++)
		add_bucket(to, from->buckets[i].index, from->buckets[i].count);
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

uint64_t residency_percentile(const struct residency *r, unsigned percent)
{
	uint64_t rank = ((unsigned __int128)r->count * percent + 99) / 100, seen = 0;

	for (size_t i = 0; i < r->used; i++) {
		uint64_t end = bucket_end(r->buckets[i].index);

		seen += r->buckets[i].count;
		if (seen >= rank)
			return end < r->max_ns ? end : r->max_ns;
	}
	return r->max_ns;
}

void residency_fini(struct residency *r)
{
	free(r->buckets);
	memset(r, 0, sizeof(*r));
}

/* ------------------------------------------------------------------- share */

void share_out(const uint64_t *rows, size_t row_count, const uint64_t *cols, size_t col_count,
	       uint64_t *ret)
{
	_cleanup_free_ uint64_t *left = xcalloc(row_count + 1, sizeof(*left));
	uint64_t all_left = 0;

	for (size_t i = 0; i < row_count; i++) {
		left[i] = rows[i];
		all_left += rows[i];
	}
	for (size_t j = 0; j < col_count; j++) {
		uint64_t sum = 0, given = 0, before = all_left;

		/* differences of a rounded running sum: each is right to within one */
		for (size_t i = 0; i < row_count; i++) {
			uint64_t until;

			sum += left[i];
			until = before ? (unsigned __int128)sum * cols[j] / before : 0;
			ret[i * col_count + j] = until - given;
			left[i] -= until - given;
			given = until;
		}
		all_left -= given;
	}
}
