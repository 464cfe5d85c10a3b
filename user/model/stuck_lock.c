// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Locks on files. All that stand in the way must go: each is a group of its
 * own, whose members are those who could give it back.
 */
#include "model/stuck_look.h"

static bool conflicts(const struct lens_rec_lock *l, bool flock)
{
	if (flock != !!(l->flags & LENS_LOCK_FLOCK) || !(l->exclusive || l->wanted_exclusive))
		return false;
	if (flock)
		return l->file != l->wanted;
	/* what one owns already is no obstacle; a process and a description of its own are two */
	if (l->owner == l->wanted_owner)
		return false;
	return l->start <= l->wanted_end && l->wanted_start <= l->end;
}

/* an open file description of which not all who hold it are seen */
static void doubt_holders(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d)
{
	bool hidden = d && stuck_is_hidden(s, d);

	for (; d; d = d->next_file)
		hidden |= !d->proc;
	if (!hidden || n->outside >= HOPE_OUTSIDE)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a holder that is not seen";
}

static void add_owners(struct stuck *s, struct stuck_need *n, const struct lens_rec_lock *l,
		       uint32_t group)
{
	size_t before = n->provider_count;

	if (l->flags) {
		const struct stuck_desc *d = stuck_find_file(s, l->file);

		doubt_holders(s, n, d);
		for (; d && stuck_may_visit(s, n); d = d->next_file)
			if (d->proc)
				stuck_add_grouped(n, d->proc,
						  l->flags & LENS_LOCK_LEASE ? WHY_OWNS_LEASE
									     : WHY_OWNS_LOCK,
						  d->rec.fd, group);
	} else {
		for (size_t i = 0; i < s->thread_count; i++)
			if (s->threads[i]->rec.files == l->owner && !s->threads[i]->is_dead &&
			    stuck_may_visit(s, n))
				stuck_add_grouped(n, s->threads[i]->proc, WHY_OWNS_LOCK, 0, group);
	}
	if (n->provider_count > before)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a holder that is not seen";
}

static bool same_owner(const struct lens_rec_lock *a, const struct lens_rec_lock *b)
{
	if (a->flags != b->flags)
		return false;
	return a->flags ? a->file == b->file : a->owner == b->owner;
}

/* one owner may hold several ranges; whoever gives back one can give back all */
static bool is_counted(const struct stuck_lock *first, const struct stuck_lock *lock, bool flock)
{
	for (; first != lock; first = first->next)
		if (conflicts(&first->rec, flock) && same_owner(&first->rec, &lock->rec))
			return true;
	return false;
}

static struct stuck_thing *lock_thing(struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_lock *lock = hash_get(stuck_look(s)->locks, &t->rec.tid);
	const struct stuck_desc *d = lock ? stuck_find_file(s, lock->rec.wanted) :
					    stuck_find_fd(s, t->proc, t->rec.arg[0]);
	_cleanup_(buf_fini) struct buf id = {};
	struct stuck_thing *thing;

	if (lock)
		buf_printf(&id, "file-lock:%x:%llu", lock->rec.dev,
			   (unsigned long long)lock->rec.ino);
	else if (d)
		buf_printf(&id, "file-lock:%x:%llu", d->rec.dev, (unsigned long long)d->rec.ino);
	else
		return NULL;
	thing = stuck_thing_add(s, LENS_OBJECT_LOCK, id.data);
	if (!thing->name)
		thing->name = d && d->name ? xstrdup(d->name) : xstrdup(id.data);
	return thing;
}

void stuck_need_lock(struct stuck *s, struct stuck_thread *t, bool flock)
{
	const struct stuck_lock *first = hash_get(stuck_look(s)->locks, &t->rec.tid), *lock = first;
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);
	uint32_t group = 0;

	n->fd = t->rec.arg[0];
	n->all_groups = true;
	n->thing = lock_thing(s, t);
	for (; lock; lock = lock->next)
		if (conflicts(&lock->rec, flock) && !is_counted(first, lock, flock))
			add_owners(s, n, &lock->rec, ++group);
	if (group)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a lock that was not read";
}

static struct stuck_thing *lease_thing(struct stuck *s, const struct lens_rec_lock *l)
{
	_cleanup_(buf_fini) struct buf id = {};
	struct stuck_thing *thing;

	buf_printf(&id, "lease:%x:%llu", l->dev, (unsigned long long)l->ino);
	thing = stuck_thing_add(s, LENS_OBJECT_LEASE, id.data);
	if (!thing->name)
		thing->name = xstrdup(id.data);
	return thing;
}

/* the file is opened, or cut, for which others have a lease: each must give it up */
bool stuck_need_lease(struct stuck *s, struct stuck_thread *t)
{
	const struct stuck_lock *lock = hash_get(stuck_look(s)->locks, &t->rec.tid);
	struct stuck_need *n;
	uint32_t group = 0;

	if (!lock)
		return false;
	n = stuck_add_need(t, WANT_LOCK);
	n->all_groups = true;
	n->thing = lease_thing(s, &lock->rec);
	for (; lock; lock = lock->next)
		add_owners(s, n, &lock->rec, ++group);
	/* or it is taken from them */
	stuck_own_hope(t, HOPE_RUNS, "waiting for no longer than fs.lease-break-time");
	return true;
}
