// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Locks on files. All that stand in the way must go: each is a group of its
 * own, whose members are those who could give it back.
 */
#include <fcntl.h>

#include "model/stuck_look.h"

#define LOCK_EX_ 2 /* flock(2), sys/file.h */

/* the range of bytes a record lock asks for, where it can be told */
struct range {
	uint64_t start, end;
	bool exclusive;
};

static struct range wanted_range(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	struct range r = { .start = 0, .end = INT64_MAX, .exclusive = true };
	struct flock f;

	if (!m || m->size < sizeof(f) || t->rec.flags & LENS_THREAD_COMPAT)
		return r;
	memcpy(&f, m->bytes, sizeof(f));
	r.exclusive = f.l_type == F_WRLCK;
	if (f.l_whence != SEEK_SET || f.l_start < 0 || f.l_len < 0)
		return r;
	r.start = f.l_start;
	if (f.l_len)
		r.end = f.l_start + f.l_len - 1;
	return r;
}

static bool conflicts(const struct stuck_thread *t, const struct lens_rec_lock *l, bool flock,
		      const struct range *want)
{
	if (flock != !!(l->flags & LENS_LOCK_FLOCK))
		return false;
	if (flock)
		return l->file != l->wanted && (l->exclusive || t->rec.arg[1] & LOCK_EX_);
	/* what one owns already is no obstacle; OFD locks are owned by the description */
	if (l->owner == t->rec.files || l->owner == l->wanted)
		return false;
	return (l->exclusive || want->exclusive) && l->start <= want->end && want->start <= l->end;
}

static void add_owners(struct stuck *s, struct stuck_need *n, const struct lens_rec_lock *l,
		       uint32_t group)
{
	size_t before = n->provider_count;

	if (l->flags & (LENS_LOCK_FLOCK | LENS_LOCK_OFD)) {
		for (const struct stuck_desc *d = stuck_find_file(s, l->file); d; d = d->next_file)
			if (d->proc)
				stuck_add_provider(n, d->proc, WHY_OWNS_LOCK, d->rec.fd);
	} else {
		for (size_t i = 0; i < s->thread_count; i++)
			if (s->threads[i]->rec.files == l->owner && !s->threads[i]->is_dead)
				stuck_add_provider(n, s->threads[i]->proc, WHY_OWNS_LOCK, 0);
	}
	for (size_t i = before; i < n->provider_count; i++)
		n->providers[i].group = group;
	/* nobody new: either all are counted already, or somebody holds it whom nobody sees */
	if (n->provider_count > before || n->provider_count)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a holder that is not seen";
}

static struct stuck_thing *lock_thing(struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, t->rec.arg[0]);
	const struct stuck_lock *lock = hash_get(stuck_look(s)->locks, &t->rec.tid);
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
	const struct stuck_lock *lock = hash_get(stuck_look(s)->locks, &t->rec.tid);
	struct range want = wanted_range(s, t);
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);
	uint32_t group = 0;

	n->fd = t->rec.arg[0];
	n->all_groups = true;
	n->thing = lock_thing(s, t);
	for (; lock; lock = lock->next)
		if (conflicts(t, &lock->rec, flock, &want))
			add_owners(s, n, &lock->rec, ++group);
	if (group)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a lock that was not read";
}
