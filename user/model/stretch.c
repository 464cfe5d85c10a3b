// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind stretch.h.
 */
#include "model/stretch.h"

static void add_share(struct shares *s, struct proc *who, uint64_t bytes)
{
	size_t i;

	for (i = 0; i < s->count && s->list[i].who != who; i++)
		;
	if (i == s->count) {
		s->list = xrealloc(s->list, s->count + 1, sizeof(*s->list));
		s->list[s->count++] = (struct share){ .who = who };
	}
	s->list[i].bytes += bytes;
}

unsigned stretch_new(struct stretches *s, enum lens_dir dir)
{
	size_t i;

	for (i = s->free_from; i < s->count && s->list[i].used; i++)
		;
	if (i == s->count)
		s->list = xrealloc(s->list, ++s->count, sizeof(*s->list));
	s->list[i] = (struct stretch){ .used = true, .dir = dir };
	s->free_from = i + 1;
	return i + 1;
}

void stretch_own(struct stretches *s, unsigned number, struct proc *who, uint64_t bytes)
{
	struct stretch *t = &s->list[number - 1];

	add_share(&t->own, who, bytes);
	t->left += bytes;
}

static bool has_doubt(const struct stretches *s, const struct stretch *t)
{
	if (t->own.count < 2 || !t->others.count)
		return false;
	return t->others.count > 1 || t->left || t->is_crossed ||
	       (t->crosses && s->list[t->crosses - 1].own.count > 1);
}

/* of each pair no more can be wrong than either has of the stretch */
static void settle(const struct stretches *s, const struct stretch *t, struct flow_matrix *m)
{
	bool is_write = t->dir == LENS_WRITE;

	for (size_t i = 0; has_doubt(s, t) && i < t->own.count; i++) {
		for (size_t j = 0; j < t->others.count; j++) {
			const struct share *a = &t->own.list[i], *b = &t->others.list[j];
			struct flow_cell *cell = is_write ? flow_cell(m, a->who, b->who) :
						 flow_cell(m, b->who, a->who);

			cell->doubtful[t->dir] += a->bytes < b->bytes ? a->bytes : b->bytes;
		}
	}
}

static void release(struct stretches *s, struct stretch *t)
{
	free(t->own.list);
	free(t->others.list);
	*t = (struct stretch){};
	if (s->free_from > (size_t)(t - s->list))
		s->free_from = t - s->list;
}

static void end_if_over(struct stretches *s, struct stretch *t, struct flow_matrix *m)
{
	if (t->left || t->is_open || t->is_early)
		return;
	settle(s, t, m);
	release(s, t);
}

/* one process at the other end is no doubt, once it is certain to be the only one */
static void cross(const struct stretches *s, struct stretch *t, unsigned other)
{
	const struct stretch *o = &s->list[other - 1];

	if (o->is_early && t->is_early)
		t->crosses = other;
	else if (!o->is_early || o->is_open || o->own.count > 1)
		t->is_crossed = true;
}

void stretch_pass(struct stretches *s, unsigned number, struct proc *who, uint64_t bytes,
		  unsigned other, struct flow_matrix *m)
{
	struct stretch *t = &s->list[number - 1];

	add_share(&t->others, who, bytes);
	t->left -= bytes < t->left ? bytes : t->left;
	if (other)
		cross(s, t, other);
	end_if_over(s, t, m);
}

void stretch_open(struct stretches *s, unsigned number, bool is_early)
{
	s->list[number - 1].is_open = true;
	s->list[number - 1].is_early = is_early;
}

void stretch_close(struct stretches *s, unsigned number, struct flow_matrix *m)
{
	s->list[number - 1].is_open = false;
	end_if_over(s, &s->list[number - 1], m);
}

void stretches_settle(struct stretches *s, struct flow_matrix *m)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].used)
			settle(s, &s->list[i], m);
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].used)
			release(s, &s->list[i]);
}

void stretches_fini(struct stretches *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->list[i].own.list);
		free(s->list[i].others.list);
	}
	free(s->list);
	*s = (struct stretches){};
}

static void copy_shares(struct shares *to, const struct shares *from)
{
	/* an unused stretch has no list, and gets one without a look at what it had */
	if (!from->count) {
		to->list = NULL;
		return;
	}
	to->list = xcalloc(from->count + 1, sizeof(*to->list));
	memcpy(to->list, from->list, from->count * sizeof(*to->list));
}

struct stretches stretches_copy(const struct stretches *s)
{
	struct stretches copy = *s;

	copy.list = xcalloc(s->count + 1, sizeof(*copy.list));
	for (size_t i = 0; i < s->count; i++) {
		copy.list[i] = s->list[i];
		copy_shares(&copy.list[i].own, &s->list[i].own);
		copy_shares(&copy.list[i].others, &s->list[i].others);
	}
	return copy;
}
