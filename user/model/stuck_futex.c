// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Futexes. Inside one process they are waits for its other threads. In shared
 * memory the word may tell who owns it; else all who map the memory may wake.
 */
#include <linux/futex.h>

#include "model/stuck_look.h"

/* glibc, struct __pthread_mutex_s: fields of a mutex, and bits of its kind */
#define MUTEX_OWNER 8
#define MUTEX_KIND 16
#define KIND_ROBUST 0x10
#define KIND_SHARED 0x80
#define KIND_MAX 0x3ff

static uint32_t word_at(const struct stuck_memory *m, size_t at)
{
	uint32_t word = 0;

	if (m && at + sizeof(word) <= m->size)
		memcpy(&word, m->bytes + at, sizeof(word));
	return word;
}

static const struct lens_rec_mapping *find_mapping(const struct stuck *s,
						   const struct stuck_proc *p, uint64_t address)
{
	const struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < l->mapping_count; i++)
		if (l->mappings[i].proc.tgid == p->key.tgid && l->mappings[i].start <= address &&
		    address < l->mappings[i].end)
			return &l->mappings[i];
	return NULL;
}

/* --------------------------------------------------------------- one process */

/* other than those in the same situation */
static bool others_do_else(const struct stuck_thread *t)
{
	for (size_t i = 0; i < t->proc->thread_count; i++) {
		const struct stuck_thread *o = t->proc->threads[i];

		bool same = o->rec.call == LENS_CALL_FUTEX || o->rec.call == LENS_CALL_FUTEX_WAITV;

		if (!o->is_dead && (!same || o->moved || !o->rec.state))
			return true;
	}
	return false;
}

static void need_own_threads(struct stuck_thread *t)
{
	struct stuck_need *n = stuck_add_need(t, WANT_WAKE);

	stuck_add_provider(n, t->proc, WHY_OWN_THREADS, 0);
	if (others_do_else(t))
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a signal handler";
}

/* -------------------------------------------------------------- shared memory */

/* a thread of the owner's number among those that can see the word */
static struct stuck_proc *find_owner(const struct stuck *s, const struct stuck_thread *t,
				     const struct lens_rec_mapping *map, uint32_t tid)
{
	struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *o = s->threads[i];

		if (o->rec.nstid != tid || o->is_dead)
			continue;
		if (o->rec.pidns == t->rec.pidns)
			return o->proc;
		for (size_t m = 0; m < l->mapping_count; m++)
			if (l->mappings[m].object == map->object &&
			    l->mappings[m].proc.tgid == o->proc->key.tgid)
				return o->proc;
	}
	return NULL;
}

/* the thread that owns the lock at the word, 0: the word does not tell; certain: the kernel says so
 */
static uint32_t owner_of(const struct stuck_memory *m, unsigned op)
{
	uint32_t word = word_at(m, 0), kind = word_at(m, MUTEX_KIND),
		 owner = word_at(m, MUTEX_OWNER);

	if (op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2)
		return word & FUTEX_TID_MASK;
	if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET)
		return 0;
	if (!m || m->size < MUTEX_KIND + sizeof(kind) || !(kind & KIND_SHARED) || kind > KIND_MAX)
		return 0;
	if (kind & KIND_ROBUST)
		return (word & FUTEX_TID_MASK) == owner ? owner : 0;
	return word == 2 ? owner : 0;
}

static struct stuck_thing *memory_thing(struct stuck *s, const struct lens_rec_mapping *map,
					uint64_t address)
{
	_cleanup_(buf_fini) struct buf id = {};
	struct stuck_thing *t;

	buf_printf(&id, "futex:%x:%llu+0x%llx", map->dev, (unsigned long long)map->ino,
		   (unsigned long long)(address - map->start + map->offset));
	t = stuck_thing_add(s, LENS_OBJECT_FUTEX, id.data);
	if (!t->name)
		t->name = xstrdup(id.data);
	return t;
}

static void add_mappers(const struct stuck *s, struct stuck_need *n,
			const struct lens_rec_mapping *map)
{
	const struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < l->mapping_count; i++) {
		struct stuck_proc *p;

		if (l->mappings[i].object != map->object || !stuck_may_visit(s, n))
			continue;
		p = hash_get(l->procs, &l->mappings[i].proc);
		if (p)
			stuck_add_provider(n, p, WHY_MAPS, 0);
	}
}

/* somebody must wake who waits at the word; it does not say who */
static void need_wake(struct stuck *s, struct stuck_thread *t, const struct lens_rec_mapping *map,
		      uint64_t address)
{
	struct stuck_need *n = stuck_add_need(t, WANT_WAKE);

	n->thing = memory_thing(s, map, address);
	n->inferred = true;
	add_mappers(s, n, map);
	if (map->flags & LENS_DESC_NAMED && n->outside < HOPE_OUTSIDE) {
		n->outside = HOPE_OUTSIDE;
		n->outside_why = "a process that maps it by name";
	}
}

/* futex_waitv(2): any word of a set */
void stuck_need_futexes(struct stuck *s, struct stuck_thread *t, const uint64_t *arg)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	const struct lens_rec_mapping *map;
	struct futex_waitv word;
	bool own = false;

	if (!m || m->size != (uint32_t)arg[1] * sizeof(word))
		stuck_need_outside(t, WANT_WAKE, HOPE_OUTSIDE,
				   "members of its set that could not be read");
	for (size_t at = 0; m && at + sizeof(word) <= m->size; at += sizeof(word)) {
		memcpy(&word, m->bytes + at, sizeof(word));
		map = word.flags & FUTEX_PRIVATE_FLAG ? NULL : find_mapping(s, t->proc, word.uaddr);
		if (map)
			need_wake(s, t, map, word.uaddr);
		else
			own = true;
	}
	if (own)
		need_own_threads(t);
}

void stuck_need_futex(struct stuck *s, struct stuck_thread *t, const uint64_t *arg)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	unsigned op = arg[1] & FUTEX_CMD_MASK;
	const struct lens_rec_mapping *map = NULL;
	struct stuck_proc *owner;
	struct stuck_need *n;
	uint32_t tid;

	if (!(arg[1] & FUTEX_PRIVATE_FLAG))
		map = find_mapping(s, t->proc, arg[0]);
	if (!map) {
		need_own_threads(t);
		return;
	}
	tid = owner_of(m, op);
	if (!tid) {
		need_wake(s, t, map, arg[0]);
		return;
	}
	n = stuck_add_need(t, WANT_LOCK);
	n->thing = memory_thing(s, map, arg[0]);
	owner = find_owner(s, t, map, tid);
	n->detail = tid;
	if (owner)
		stuck_add_provider(n, owner, WHY_OWNS_FUTEX, 0);
	else
		n->owner_dead = true;
}
