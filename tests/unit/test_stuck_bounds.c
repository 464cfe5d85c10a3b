/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Looks that somebody made up, of so many who wait that asking each of them about all others, or
 * about each thing that there is, would take minutes.
 */
#include <unistd.h>

#include "looked.h"

/* what takes less than one second, with room for checkers of memory and for other work */
#define LIMIT_S 40

static void begin(void)
{
	look_now_ns = 1000;
	alarm(LIMIT_S);
}

static struct stuck_thread *finish(struct stuck *s, struct lens_rec_thread *threads, size_t count,
				   void (*between)(struct stuck *s))
{
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	for (size_t i = 0; i < count; i++)
		look_apply(s, &threads[i], LENS_REC_THREAD, sizeof(threads[i]));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	between(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	for (size_t i = 0; i < count; i++)
		look_apply(s, &threads[i], LENS_REC_THREAD, sizeof(threads[i]));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	return look_thread(s, threads[0].tid);
}

/* ------------------------------------------------------------- the lock of a pipe */

enum { LOCK_WAITERS = 100000 };

static void make_locked_pipe(struct stuck *s)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 10 }, .fd = 3, .file = 1, .self = 1, .ino = 1,
		.peer = 10 + LOCK_WAITERS - 1, .object = LENS_OBJECT_PIPE, .mode = 1, .refs = 1,
		.readers = 1, .capacity_msgs = 16,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	for (unsigned i = 0; i < LOCK_WAITERS - 1; i++) {
		struct lens_rec_waiter w = { .self = 1, .task = 10 + i };

		look_apply(s, &w, LENS_REC_WAITER, sizeof(w));
	}
}

TEST(who_has_the_lock_of_a_pipe)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	_cleanup_free_ struct lens_rec_thread *t = xcalloc(LOCK_WAITERS, sizeof(*t));
	const struct stuck_thread *judged;

	begin();
	for (unsigned i = 0; i < LOCK_WAITERS; i++) {
		t[i] = look_sleeper(10, LENS_CALL_READ, 3);
		t[i].tid = t[i].task = 10 + i;
		t[i].state = STUCK_STATE_UNINTERRUPTIBLE;
	}
	judged = finish(s, t, LOCK_WAITERS, make_locked_pipe);
	CHECK_EQ_U64(judged->need_count, 1);
	CHECK(judged->needs[0].want == WANT_LOCK);
}

/* --------------------------------------------------------------------- semaphores */

enum { SEMAPHORES = 30000, OPERATIONS = 1300, SEM_WAITERS = 2000 };

struct sem_operation {
	uint16_t num;
	int16_t op, flags;
};

/* all can be carried out but the last one */
static void tell_operations(struct stuck *s, uint32_t tid)
{
	struct {
		struct lens_rec_memory r;
		struct sem_operation op[OPERATIONS];
		uint64_t end;
	} wanted = { { .proc = { .start_ns = 1, .tgid = tid }, .tid = tid,
		       .size = sizeof(wanted.op), .call = LENS_CALL_SEMOP } };

	for (unsigned i = 0; i < OPERATIONS; i++)
		wanted.op[i] = (struct sem_operation){ .num = SEMAPHORES - 1 - i / 2,
						       .op = i % 2 ? -1 : 1 };
	wanted.op[OPERATIONS - 1] = (struct sem_operation){ .num = SEMAPHORES - 1, .op = -2 };
	look_apply(s, &wanted, LENS_REC_MEMORY, sizeof(wanted.r) + sizeof(wanted.op));
}

static void tell_semaphores(struct stuck *s)
{
	for (unsigned i = 0; i < SEMAPHORES; i++) {
		struct lens_rec_sem value = { .ipcns = 1, .id = 7, .num = i, .count = SEMAPHORES };

		look_apply(s, &value, LENS_REC_SEM, sizeof(value));
	}
	for (unsigned i = 0; i < SEM_WAITERS; i++)
		tell_operations(s, 10 + i);
}

TEST(operations_on_many_semaphores)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	_cleanup_free_ struct lens_rec_thread *t = xcalloc(SEM_WAITERS, sizeof(*t));
	const struct stuck_thread *judged;

	begin();
	for (unsigned i = 0; i < SEM_WAITERS; i++)
		t[i] = look_sleeper(10 + i, LENS_CALL_SEMOP, 7);
	judged = finish(s, t, SEM_WAITERS, tell_semaphores);
	CHECK_EQ_U64(judged->need_count, 1);
	CHECK_EQ_U64(judged->needs[0].detail, SEMAPHORES - 1);
}
