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

/* of each pair no more can be wrong than either has of the stretch */
static void settle(const struct stretch *t, struct flow_matrix *m)
{
	bool is_write = t->dir == LENS_WRITE;

	if (t->own.count < 2 || !t->others.count ||
	    (t->others.count < 2 && !t->left && !t->is_crossed))
		return;
	for (size_t i = 0; i < t->own.count; i++) {
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
	if (t->left || t->is_open)
		return;
	settle(t, m);
	release(s, t);
}

void stretch_pass(struct stretches *s, unsigned number, struct proc *who, uint64_t bytes,
		  unsigned other, struct flow_matrix *m)
{
	struct stretch *t = &s->list[number - 1];

	add_share(&t->others, who, bytes);
	t->left -= bytes < t->left ? bytes : t->left;
	t->is_crossed |= other != 0;
	end_if_over(s, t, m);
}

void stretch_open(struct stretches *s, unsigned number)
{
	s->list[number - 1].is_open = true;
}

void stretch_close(struct stretches *s, unsigned number, struct flow_matrix *m)
{
	s->list[number - 1].is_open = false;
	end_if_over(s, &s->list[number - 1], m);
}

void stretches_settle(struct stretches *s, struct flow_matrix *m)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!s->list[i].used)
			continue;
		settle(&s->list[i], m);
		release(s, &s->list[i]);
	}
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
	to->list = xcalloc(from->count + 1, sizeof(*to->list));
	if (from->count)
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
