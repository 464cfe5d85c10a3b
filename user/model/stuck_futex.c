// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Futexes. Inside one process they are waits for its other threads. In shared
 * memory the word may tell who owns it; else all who map the memory may wake.
 */
#include <linux/futex.h>
#include <signal.h>

#include "model/stuck_look.h"

/* glibc, struct __pthread_mutex_s: fields of a mutex, and bits of its kind */
#define MUTEX_OWNER 8
#define MUTEX_KIND 16
#define KIND_ROBUST 0x10
#define KIND_SHARED 0x80
#define KIND_BITS 0x3f3

/* at: from the word the call is about */
static uint32_t word_at(const struct stuck_memory *m, size_t at)
{
	uint32_t word = 0;

	if (m && m->before + at + sizeof(word) <= m->size)
		memcpy(&word, m->bytes + m->before + at, sizeof(word));
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

static bool waits_at_word(const struct stuck_thread *t)
{
	return !t->moved && t->rec.state &&
	       (t->rec.call == LENS_CALL_FUTEX || t->rec.call == LENS_CALL_FUTEX_WAITV);
}

#define SIGNAL(number) (1ull << ((number) - 1))
/* handlers that say nothing: for SIGINT every Python program has one */
#define NOT_SENT (SIGNAL(SIGABRT) | SIGNAL(SIGCHLD) | SIGNAL(SIGINT))

/* as the process numbers its threads: in most as everybody does */
static bool has_thread(const struct stuck *s, const struct stuck_proc *p, uint32_t nstid)
{
	if (p->leader && p->leader->rec.nstid == p->leader->rec.tid) {
		const struct stuck_thread *t = hash_get(stuck_look(s)->threads, &nstid);

		return t && t->proc == p && !t->is_dead;
	}
	for (size_t i = 0; nstid && i < p->thread_count; i++)
		if (p->threads[i]->rec.nstid == nstid && !p->threads[i]->is_dead)
			return true;
	return false;
}

/*
 * As glibc waits for a condition variable, which no handler may signal, and not for a semaphore,
 * of which there are none left and that counts who waits behind its value.
 */
static bool is_condition(const struct stuck_thread *t, const struct stuck_memory *m)
{
	if (!(t->rec.arg[1] & FUTEX_CLOCK_REALTIME) || t->rec.flags & LENS_THREAD_COMPAT ||
	    (t->rec.arg[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET)
		return false;
	return m && m->size >= m->before + 2 * sizeof(uint32_t) &&
	       (word_at(m, 0) || !word_at(m, sizeof(uint32_t)));
}

/*
 * By sem_post(3), or because the call is interrupted: who waits for nothing but to be told to
 * end waits like that. Not for another thread, whose number is in the word (pthread_join) or
 * in the mutex that the word begins; nor as the threads of a pool do for work. What the first
 * thread waits for handlers do signal, as they should not.
 */
static bool may_handler_wake(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	bool mutex = word_at(m, 0) == 2 && has_thread(s, t->proc, word_at(m, MUTEX_OWNER));
	bool work = t->rec.tid != t->proc->key.tgid && is_condition(t, m);

	return t->proc->handlers & ~NOT_SENT && !mutex && !work &&
	       !has_thread(s, t->proc, word_at(m, 0) & FUTEX_TID_MASK);
}

static void need_own_threads(const struct stuck *s, struct stuck_thread *t)
{
	struct stuck_need *n = stuck_add_need(t, WANT_WAKE);

	stuck_add_provider(n, t->proc, WHY_OWN_THREADS, 0);
	if (t->rec.flags & LENS_THREAD_SHARES_MEMORY)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process that shares its memory");
	else if (!t->proc->does_else || may_handler_wake(s, t))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
}

/* -------------------------------------------------------------- shared memory */

static bool maps(const struct stuck *s, const struct stuck_proc *p, uint64_t object)
{
	const struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < l->mapping_count && stuck_may_visit(s, NULL); i++)
		if (l->mappings[i].object == object && l->mappings[i].proc.tgid == p->key.tgid)
			return true;
	return false;
}

/*
 * Threads of the owner's number, which each pid namespace gives anew: any of those that can see
 * the word. One that cannot is another's, or has unmapped what it locked.
 */
static void add_owners(const struct stuck *s, struct stuck_need *n,
		       const struct lens_rec_mapping *map, uint32_t tid)
{
	bool doubtful = false;

	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *o = s->threads[i];

		if (o->rec.nstid != tid || o->is_dead)
			continue;
		if (maps(s, o->proc, map->object))
			stuck_add_provider(n, o->proc, WHY_OWNS_FUTEX, 0);
		else
			doubtful = true;
	}
	if (n->provider_count)
		return;
	if (doubtful)
		stuck_hope_outside(n, HOPE_OUTSIDE, "an owner that is not known for certain");
	else if (stuck_is_inside(s))
		stuck_hope_outside(n, HOPE_OUTSIDE, "an owner outside of this pid namespace");
	else
		n->owner_dead = true;
}

/* a mutex waits so, unless it has a time limit */
static bool waits_as_mutex(const struct stuck_thread *t, unsigned op)
{
	return op == FUTEX_WAIT || (op == FUTEX_WAIT_BITSET && t->rec.arg[3]);
}

/* the thread that owns the mutex at the word, 0: the word does not tell */
static uint32_t owner_of(const struct stuck_thread *t, const struct stuck_memory *m, unsigned op)
{
	uint32_t word = word_at(m, 0), kind = word_at(m, MUTEX_KIND),
		 owner = word_at(m, MUTEX_OWNER);

	if (!waits_as_mutex(t, op) && !t->was_moved)
		return 0;
	if (!m || m->size < m->before + MUTEX_KIND + sizeof(kind) || !(kind & KIND_SHARED) ||
	    kind & ~KIND_BITS)
		return 0;
	if (kind & KIND_ROBUST)
		return word == (owner | FUTEX_WAITERS) ? owner : 0;
	return word == 2 ? owner : 0;
}

static bool is_robust(const struct stuck_thread *t, const struct stuck_memory *m)
{
	struct stuck_rwlock lock;

	return !stuck_is_rwlock(t, m, &lock) && word_at(m, MUTEX_KIND) & KIND_ROBUST;
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

/* each mapping is a reference, each descriptor is, and each that is on its way */
static bool has_more_references(const struct stuck *s, const struct lens_rec_mapping *map)
{
	const struct stuck_look *l = stuck_look(s);
	uint64_t seen = 0;

	for (size_t i = 0; i < l->mapping_count && stuck_may_visit(s, NULL); i++)
		seen += l->mappings[i].file == map->file;
	return map->refs > seen + stuck_count_references(s, map->file);
}

/* who waits for children handles the signal by which it is told to have them end */
void stuck_find_wakers(struct stuck *s)
{
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		if (!t->is_dead && !waits_at_word(t))
			t->proc->does_else = true;
		if (t->rec.call >= LENS_CALL_WAIT4 && t->rec.call <= LENS_CALL_WAITID &&
		    t->proc->handlers & ~NOT_SENT)
			t->proc->minds_children = true;
	}
}

/* its own process wakes a thread by another one: that is no circle of processes */
static void add_mapper(struct stuck_need *n, const struct stuck_thread *t, struct stuck_proc *p)
{
	stuck_add_provider(n, p, p == t->proc ? WHY_OWN_THREADS : WHY_MAPS, 0);
	if (p != t->proc && p->minds_children)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
}

/* who has a descriptor of it can map it */
static void add_file_holders(const struct stuck *s, const struct stuck_thread *t,
			     struct stuck_need *n, const struct lens_rec_mapping *map)
{
	const struct stuck_desc *d = stuck_find_self(s, map->object);

	for (; d && stuck_may_visit(s, n); d = d->next_self) {
		if (d->proc)
			add_mapper(n, t, d->proc);
		else
			stuck_hope_outside(n, HOPE_OUTSIDE,
					   "a process that receives its descriptor");
	}
}

/*
 * Of a word that no other process can reach nobody is told who would wake it, but what might:
 * a signal handler, unless it is that for SIGINT, which every Python program has.
 */
static bool is_for_handler(const struct stuck_thread *t, const struct stuck_need *n)
{
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc != t->proc)
			return false;
	return t->proc->handlers & ~(1ull << (SIGINT - 1));
}

static void add_mappers(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
			const struct lens_rec_mapping *map)
{
	const struct stuck_look *l = stuck_look(s);

	add_file_holders(s, t, n, map);
	if (has_more_references(s, map))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	if (stuck_is_inside(s))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process outside of this pid namespace");
	for (size_t i = 0; i < l->mapping_count; i++) {
		struct stuck_proc *p;

		if (l->mappings[i].object != map->object || !stuck_may_visit(s, n))
			continue;
		p = hash_get(l->procs, &l->mappings[i].proc);
		add_mapper(n, t, p);
		/* its mappings are told of by each process that has them, and hide a reference */
		if (p->flags & LENS_THREAD_SHARES_MEMORY ||
		    stuck_mapping_is_doubtful(l, &l->mappings[i]))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	}
}

/* somebody must wake who waits at the word; it does not say who */
static struct stuck_need *need_wake(struct stuck *s, struct stuck_thread *t,
				    const struct lens_rec_mapping *map, uint64_t address)
{
	struct stuck_need *n = stuck_add_need(t, WANT_WAKE);

	n->thing = memory_thing(s, map, address);
	n->inferred = true;
	add_mappers(s, t, n, map);
	if (is_for_handler(t, n))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
	if (map->flags & LENS_DESC_NAMED)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process that maps it by name");
	return n;
}

/* a mapping that a word is in, of the process itself if it has one, and the address there */
static const struct lens_rec_mapping *find_object(const struct stuck *s,
						  const struct stuck_thread *t, uint64_t sequence,
						  uint64_t offset, uint64_t *ret_address)
{
	const struct stuck_look *l = stuck_look(s);
	const struct lens_rec_mapping *found = NULL;

	for (size_t i = 0; sequence && i < l->mapping_count; i++) {
		const struct lens_rec_mapping *m = &l->mappings[i];

		if (m->sequence != sequence || offset < m->offset ||
		    offset - m->offset >= m->end - m->start)
			continue;
		if (!found || m->proc.tgid == t->proc->key.tgid)
			found = m;
	}
	if (found)
		*ret_address = offset - found->offset + found->start;
	return found;
}

/* futex_waitv(2): any word of a set */
void stuck_need_futexes(struct stuck *s, struct stuck_thread *t, const uint64_t *arg)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	const struct lens_rec_mapping *map;
	struct lens_word word;
	uint64_t address;
	bool own = false;

	if (!m || m->size != (uint32_t)arg[1] * sizeof(word))
		stuck_need_outside(t, WANT_WAKE, HOPE_OUTSIDE,
				   "members of its set that could not be read");
	for (size_t at = 0; m && at + sizeof(word) <= m->size; at += sizeof(word)) {
		memcpy(&word, m->bytes + at, sizeof(word));
		map = find_object(s, t, word.sequence, word.offset, &address);
		if (map)
			need_wake(s, t, map, address);
		else if (word.sequence)
			stuck_need_outside(t, WANT_WAKE, HOPE_OUTSIDE,
					   "whoever has one of its words");
		else
			own = true;
	}
	if (own)
		need_own_threads(s, t);
}

/* the shared memory of the word it sleeps at, NULL: it is its own or, if that was told, not seen */
static const struct lens_rec_mapping *find_word(struct stuck *s, struct stuck_thread *t,
						const uint64_t *arg, uint64_t *ret_address)
{
	const struct lens_rec_futex *moved = hash_get(stuck_look(s)->moved, &t->rec.tid);
	const struct lens_rec_mapping *map;

	*ret_address = arg[0];
	if (arg[1] & FUTEX_PRIVATE_FLAG)
		return NULL;
	if (!moved)
		return find_mapping(s, t->proc, arg[0]);
	t->was_moved = true;
	map = find_object(s, t, moved->sequence, moved->offset, ret_address);
	if (!map && !(moved->flags & LENS_FUTEX_OWN))
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
				   "whoever has the futex that it was moved to");
	return map;
}

/* whom the kernel lends its priority, whatever the word says by now: that anybody can write */
static void need_heir(struct stuck *s, struct stuck_thread *t, const struct lens_rec_mapping *map,
		      uint64_t address)
{
	const struct stuck_thread *heir = hash_get(stuck_look(s)->tasks, &t->rec.heir);
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);

	n->thing = memory_thing(s, map, address);
	if (heir && !heir->is_dead)
		stuck_add_provider(n, heir->proc, WHY_OWNS_FUTEX, 0);
	else
		stuck_hope_outside(n, HOPE_OUTSIDE, "an owner that is not seen");
}

void stuck_need_futex(struct stuck *s, struct stuck_thread *t, const uint64_t *arg)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	unsigned op = arg[1] & FUTEX_CMD_MASK;
	struct stuck_rwlock lock = {};
	const struct lens_rec_mapping *map;
	struct stuck_need *n;
	uint64_t address;
	uint32_t tid;

	map = find_word(s, t, arg, &address);
	if (!map) {
		if (!t->need_count)
			need_own_threads(s, t);
		return;
	}
	/* it is to have the lock that it was moved to, which has inheritance */
	if (t->was_moved && op == FUTEX_WAIT_REQUEUE_PI)
		op = FUTEX_LOCK_PI;
	if (op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2) {
		need_heir(s, t, map, address);
		return;
	}
	tid = owner_of(t, m, op);
	if (!tid && stuck_is_rwlock(t, m, &lock))
		tid = lock.writer;
	if (!tid) {
		n = need_wake(s, t, map, address);
		n->readers = lock.readers;
		return;
	}
	n = stuck_add_need(t, WANT_LOCK);
	/* by what glibc's look like */
	n->inferred = true;
	n->thing = memory_thing(s, map, address);
	n->detail = tid;
	n->outlives = !is_robust(t, m);
	add_owners(s, n, map, tid);
}
