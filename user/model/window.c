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

/* a heap: the earliest is the first, and no mark takes longer than what it hands on */
struct window {
	struct numbered_op *ops;
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

static void push(struct window *win, const struct numbered_op *op)
{
	size_t at = win->count++, above;

	for (; at && is_before(op, &win->ops[above = (at - 1) / 2]); at = above)
		win->ops[at] = win->ops[above];
	win->ops[at] = *op;
}

static struct numbered_op pop(struct window *win)
{
	const struct numbered_op first = win->ops[0], last = win->ops[--win->count];
	size_t at = 0, below;

	while ((below = 2 * at + 1) < win->count) {
		if (below + 1 < win->count && is_before(&win->ops[below + 1], &win->ops[below]))
			below++;
		if (!is_before(&win->ops[below], &last))
			break;
		win->ops[at] = win->ops[below];
		at = below;
	}
	win->ops[at] = last;
	return first;
}

/* hands on the first count and all up to up_to_ns */
static void release(struct world *w, size_t count, uint64_t up_to_ns)
{
	struct window *win = world_state(w)->window;

	for (; win->count && (count || win->ops[0].op.ts_ns <= up_to_ns); count -= !!count) {
		const struct numbered_op op = pop(win);

		win->released_ns = op.op.ts_ns;
		ops_take(w, &op);
	}
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
	}
	push(win, &numbered);
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
