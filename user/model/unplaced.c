// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What found the table of totals full: what a process did to channels of one kind in one
 * direction, without which. It is kept by process, since filters ask for those, and beyond a
 * number of such rows by name.
 */
#include "model/fold.h"

/* rows of one process, kind and direction, each of which keeps the process from being forgotten */
#define ROWS_MAX 1024

/* of a name, or of who has none by now; that of a process is looked up when the row is shown */
static struct fold *row_of_name(struct world *w, const struct lens_total_key *of,
				const struct proc *p)
{
	struct fold_key key;

	memset(&key, 0, sizeof(key));
	key.kind = of->kind;
	key.in_tree = p->in_tree;
	key.is_self = p->is_self;
	key.unplaced = true;
	key.unknown = !p->known;
	key.names[of->dir] = FOLD_ONE;
	memcpy(key.comm[of->dir], p->comm, LENS_COMM_LEN);
	return fold_get(w, &key);
}

static struct fold *row_of(struct world *w, const struct lens_total_key *of, struct proc *p)
{
	struct world_state *s = world_state(w);
	struct fold_key key;
	struct fold *f;

	memset(&key, 0, sizeof(key));
	key.of_proc = true;
	key.proc = p->key;
	key.kind = of->kind;
	key.unplaced = true;
	key.names[of->dir] = FOLD_ONE;
	f = hash_get(w->folds, &key);
	if (f)
		return f;
	if (s->unplaced_rows >= ROWS_MAX)
		return row_of_name(w, of, p);
	f = fold_get(w, &key);
	f->proc = p;
	/* as a channel would, the row keeps it */
	p->end_count++;
	s->unplaced_rows++;
	return f;
}

void unplaced_apply(struct world *w, const struct lens_total_key *key, const struct lens_total *t)
{
	struct lens_proc proc = { .start_ns = key->start_ns, .tgid = key->tgid };
	struct hash *told = world_state(w)->unplaced;
	struct lens_total *before = hash_get(told, key), more = *t;
	struct proc *p = world_proc(w, &proc);

	p->is_self |= !!(t->flags & LENS_END_SELF);
	if (!before) {
		before = xcalloc(1, sizeof(*before));
		hash_add(told, key, before);
	}
	event_total_take_off(&more, before);
	if (event_total_any(&more)) {
		fold_add_total(&row_of(w, key, p)->total[key->dir], &more);
		w->unplaced[key->kind] += more.ops;
	}
	/* the next one counts from zero */
	*before = t->flags & LENS_END_LAST ? (struct lens_total){} : *t;
}

static bool keep_told(void *unused, void *value)
{
	struct lens_total *t = value;

	if (event_total_any(t))
		return true;
	free(t);
	return false;
}

void unplaced_forget(struct world *w)
{
	hash_filter(world_state(w)->unplaced, keep_told, NULL);
}

void unplaced_settle(struct world *w)
{
	for (size_t i = 0; i < hash_count(w->folds); i++) {
		struct fold *f = hash_at(w->folds, i);

		if (!f->proc)
			continue;
		f->in_tree = f->proc->in_tree;
		f->is_self = f->proc->is_self;
		for (unsigned d = 0; d < LENS_DIR_MAX; d++)
			if (f->names[d].count == FOLD_ONE)
				memcpy(f->names[d].comm, f->proc->comm, LENS_COMM_LEN);
	}
}

uint64_t world_unplaced(const struct world *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < hash_count(w->folds); i++) {
		const struct fold *f = hash_at(w->folds, i);

		if (f->unplaced && !(f->proc ? f->proc->is_self : f->is_self))
			sum += f->total[LENS_READ].ops + f->total[LENS_WRITE].ops;
	}
	return sum;
}
