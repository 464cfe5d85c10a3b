// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Puts streamed operations in the order of their return. Every CPU delivers
 * its own in order, but in batches, and a slow CPU's batch may wait until the
 * next reading of the totals empties it, and then in the ring. So an operation is handed on
 * when the source says that nothing older comes, or when too many wait. Recordings that do
 * not say so have readings far enough from each other: two of them.
 */
#include "model/ops.h"

#define WINDOW_MAX (64u << 10)

struct window {
	struct numbered_op *ops, *spare;	/* both have room for size */
	size_t count, size;
	uint64_t released_ns;		/* everything up to here was handed on */
	uint64_t round_ns;		/* begin of the last reading of the totals */
	bool is_told;			/* ... is not what counts */
};

struct window *window_new(void)
{
	return xcalloc(1, sizeof(struct window));
}

void window_free(struct window *win)
{
	free(win->ops);
	free(win->spare);
	free(win);
}

/* total, so that the result does not depend on the order of arrival */
static bool is_before(const struct numbered_op *a, const struct numbered_op *b)
{
	const struct lens_op *x = &a->op, *y = &b->op;

	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns;
	if (x->id != y->id)
		return x->id < y->id;
	if (x->tid != y->tid)
		return x->tid < y->tid;
	if (x->aux != y->aux)
		return x->aux < y->aux;
	if (x->ret != y->ret)
		return x->ret < y->ret;
	return a->message < b->message;
}

/* the end of the ascending run that begins at from */
static size_t run_end(const struct numbered_op *ops, size_t from, size_t count)
{
	for (from++; from < count && !is_before(&ops[from], &ops[from - 1]); from++)
		;
	return from;
}

/* merges ops[a..b) and ops[b..c) into to */
static void merge(const struct numbered_op *ops, size_t a, size_t b, size_t c,
		  struct numbered_op *to)
{
	size_t i = a, j = b;

	for (size_t at = a; at < c; at++)
		to[at] = j < c && (i == b || is_before(&ops[j], &ops[i])) ? ops[j++] : ops[i++];
}

/* merges neighbouring runs until there is one: each batch is a run already */
static void sort(struct window *win)
{
	while (win->count && run_end(win->ops, 0, win->count) < win->count) {
		struct numbered_op *from = win->ops;

		for (size_t a = 0, b, c; a < win->count; a = c) {
			b = run_end(from, a, win->count);
			c = b < win->count ? run_end(from, b, win->count) : b;
			merge(from, a, b, c, win->spare);
		}
		win->ops = win->spare;
		win->spare = from;
	}
}

/* hands on the first count and all up to up_to_ns; they need not be sorted yet */
static void release(struct world *w, size_t count, uint64_t up_to_ns)
{
	struct window *win = world_state(w)->window;
	size_t n;

	if (!win->count)
		return;
	sort(win);
	for (n = 0; n < win->count && (n < count || win->ops[n].op.ts_ns <= up_to_ns); n++)
		ops_take(w, &win->ops[n]);
	if (!n)
		return;
	win->released_ns = win->ops[n - 1].op.ts_ns;
	win->count -= n;
	memmove(win->ops, win->ops + n, win->count * sizeof(*win->ops));
}

void window_add(struct world *w, const struct lens_op *op, uint32_t message)
{
	struct window *win = world_state(w)->window;
	const struct numbered_op numbered = { .op = *op, .message = message };

	if (op->ts_ns < win->released_ns) {
		ops_take(w, &numbered);
		return;
	}
	if (win->count == WINDOW_MAX)
		release(w, WINDOW_MAX / 2, 0);
	if (win->count == win->size) {
		win->size = win->size ? win->size * 2 : 256;
		win->ops = xrealloc(win->ops, win->size, sizeof(*win->ops));
		win->spare = xrealloc(win->spare, win->size, sizeof(*win->spare));
	}
	win->ops[win->count++] = numbered;
}

void window_round(struct world *w, uint64_t ts_ns)
{
	struct window *win = world_state(w)->window;

	if (win->is_told)
		return;
	release(w, 0, win->round_ns);
	win->round_ns = ts_ns;
}

void window_ordered(struct world *w, uint64_t until_ns)
{
	world_state(w)->window->is_told = true;
	release(w, 0, until_ns);
}

void window_flush(struct world *w)
{
	release(w, SIZE_MAX, 0);
}
