// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind types.h.
 */
#include "model/types.h"

static void use(struct type_use *u, enum lens_dir dir, struct proc *who, uint64_t bytes)
{
	if (!u->messages[dir])
		u->first[dir] = who;
	u->several[dir] |= u->first[dir] != who;
	u->messages[dir]++;
	u->bytes[dir] += bytes;
}

void types_take(struct types *t, int64_t type, enum lens_dir dir, struct proc *who, uint64_t bytes)
{
	struct type_use *u;

	use(&t->all, dir, who, bytes);
	if (type == LENS_PRIORITY_UNKNOWN) {
		t->unknown = true;
		return;
	}
	if (!t->uses)
		t->uses = hash_new(sizeof(int64_t));
	u = hash_get(t->uses, &type);
	if (!u) {
		u = xcalloc(1, sizeof(*u));
		u->type = type;
		hash_add(t->uses, &type, u);
	}
	use(u, dir, who, bytes);
}

struct type_use *types_find(struct types *t, int64_t type)
{
	if (t->unknown)
		return &t->all;
	return t->uses ? hash_get(t->uses, &type) : NULL;
}

size_t types_count(const struct types *t)
{
	return t->uses ? hash_count(t->uses) : 0;
}

struct types types_copy(const struct types *t)
{
	struct types copy = *t;

	copy.uses = NULL;
	if (!t->uses)
		return copy;
	copy.uses = hash_new(sizeof(int64_t));
	for (size_t i = 0; i < types_count(t); i++) {
		struct type_use *u = xcalloc(1, sizeof(*u));

		*u = *(const struct type_use *)hash_at(t->uses, i);
		hash_add(copy.uses, &u->type, u);
	}
	return copy;
}

void types_fini(struct types *t)
{
	for (size_t i = 0; i < types_count(t); i++)
		free(hash_at(t->uses, i));
	hash_free(t->uses);
	*t = (struct types){};
}

/* several senders' messages, all for one receiver: which of them are left, is not known */
static bool is_gathered(const struct type_use *u)
{
	return u->several[LENS_WRITE] && !u->several[LENS_READ] && u->messages[LENS_READ];
}

static bool is_certain(const struct type_use *u, bool whole, uint64_t early)
{
	return !u->several[LENS_WRITE] || !u->messages[LENS_READ] ||
	       (whole && is_gathered(u) &&
		u->messages[LENS_READ] <= u->messages[LENS_WRITE] + early);
}

bool types_are_certain(const struct types *t, bool whole, uint64_t early)
{
	if (t->unknown)
		return is_certain(&t->all, whole, early);
	for (size_t i = 0; i < types_count(t); i++)
		if (!is_certain(hash_at(t->uses, i), whole, early))
			return false;
	return true;
}

static void doubt(const struct type_use *u, struct flow_matrix *m)
{
	uint64_t left = u->messages[LENS_WRITE] - u->messages[LENS_READ];

	if (!is_gathered(u) || u->messages[LENS_WRITE] <= u->messages[LENS_READ])
		return;
	for (size_t i = 0; i < flow_matrix_count(m); i++) {
		struct flow_cell *cell = flow_matrix_at(m, i);

		if (cell->to == u->first[LENS_READ])
			cell->doubtful_messages += left;
	}
}

void types_doubt(const struct types *t, struct flow_matrix *m)
{
	if (t->unknown)
		return doubt(&t->all, m);
	for (size_t i = 0; i < types_count(t); i++)
		doubt(hash_at(t->uses, i), m);
}
