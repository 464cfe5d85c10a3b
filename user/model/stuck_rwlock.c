// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Locks for one who writes or many who read, as glibc has them in shared memory. There
 * is no mark that says so: that every word of one is as it must be while somebody waits
 * there is what tells it from a condition variable, a semaphore, a barrier, or numbers.
 */
#include <linux/futex.h>

#include "model/stuck_look.h"

/* struct __pthread_rwlock_arch_t of x86-64, since glibc 2.25 */
struct rwlock {
	uint32_t readers; /* RW_*, then how many read or wait to */
	uint32_t writers;
	uint32_t phase_futex, writers_futex;
	uint32_t pad[2];
	uint32_t writer; /* tid */
	uint32_t shared;
	uint8_t elision[8]; /* not on other processes' locks */
	uint64_t pad2;
	uint32_t kind; /* who is preferred */
	uint32_t end;
};

#define RW_WRITE_PHASE 1
#define RW_WRITE_LOCKED 2
#define RW_READERS_SHIFT 3
/* of both futexes */
#define RW_TAKEN 1
#define RW_WAITED 2
#define RW_KINDS 3

static bool has_shape(const struct rwlock *l)
{
	uint64_t elision;

	memcpy(&elision, l->elision, sizeof(elision));
	return l->shared == 1 && !l->pad[0] && !l->pad[1] && !elision && !l->pad2 &&
	       l->kind < RW_KINDS && l->phase_futex <= (RW_TAKEN | RW_WAITED) &&
	       l->writers_futex <= (RW_TAKEN | RW_WAITED) && l->writer <= FUTEX_TID_MASK;
}

/* the lock whose word so many bytes from its beginning is the one that is waited at */
static bool lock_at(const struct stuck_memory *m, size_t word, struct rwlock *ret)
{
	const size_t size = offsetof(struct rwlock, end);

	if (m->before < word || m->size - m->before + word < size)
		return false;
	memcpy(ret, m->bytes + m->before - word, size);
	return has_shape(ret);
}

bool stuck_is_rwlock(const struct stuck_thread *t, const struct stuck_memory *m,
		     struct stuck_rwlock *ret)
{
	uint32_t expected = t->rec.arg[2], readers;
	struct rwlock l;

	/* a mutex or a barrier waits otherwise, and 32-bit programs have another structure */
	if (!m || (t->rec.arg[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET ||
	    t->rec.flags & LENS_THREAD_COMPAT)
		return false;
	*ret = (struct stuck_rwlock){};
	if (lock_at(m, offsetof(struct rwlock, phase_futex), &l) && l.phase_futex == expected) {
		readers = l.readers >> RW_READERS_SHIFT;
		/* reads, or will: as long as somebody writes; writes: as long as others read */
		if (expected == (RW_TAKEN | RW_WAITED) && readers && l.readers & RW_WRITE_PHASE)
			ret->writer = l.writer;
		else if (expected == RW_WAITED && !(l.readers & RW_WRITE_PHASE) && !l.writer)
			ret->readers = l.readers & RW_WRITE_LOCKED ? readers : 0;
	} else if (lock_at(m, offsetof(struct rwlock, writers_futex), &l) &&
		   l.writers_futex == expected && expected == (RW_TAKEN | RW_WAITED) &&
		   l.readers & RW_WRITE_LOCKED) {
		ret->writer = l.writer;
	}
	return ret->writer || ret->readers;
}
