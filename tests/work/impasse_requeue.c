/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who went to sleep at one futex and was moved to another one, as FUTEX_CMP_REQUEUE does it: by
 * its call it still waits at the first. That it was moved is what the kernel says who moves it.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define PAGE 4096

struct shared {
	uint32_t first;
	char pad[60];
	union {
		pthread_mutex_t mutex;
		uint32_t word;
	} second;
};

static struct shared *s, *other;

static void *map_page(int how)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		work_die("mmap");
	return page;
}

static void make_mutex(int protocol)
{
	pthread_mutexattr_t attr;

	s = map_page(MAP_SHARED);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setprotocol(&attr, protocol);
	pthread_mutex_init(&s->second.mutex, &attr);
}

static void wait_at_first(void *unused)
{
	close_others(-1, -1);
	syscall(SYS_futex, &s->first, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* the one that sleeps at the first; nobody does afterwards */
static void move(int op, int wake, uint32_t *to)
{
	long moved = syscall(SYS_futex, &s->first, op, wake, (long)INT_MAX, to, 0);

	errno = moved < 0 ? errno : EPROTO;
	if (moved != 1 || syscall(SYS_futex, &s->first, FUTEX_WAKE, 1, NULL, NULL, 0) != 0)
		work_die("FUTEX_CMP_REQUEUE");
}

/* ------------------------------------------------------------ to the lock of a mutex */

static void lock(void *unused)
{
	close_others(-1, -1);
	pthread_mutex_lock(&s->second.mutex);
	work_tick(0);
	pause();
}

static void to_mutex(void)
{
	make_mutex(PTHREAD_PRIO_NONE);
	role("owner", work_spawn(lock, NULL));
	work_wait_ticks(0, 1);
	role("waiter", work_spawn(wait_at_first, NULL));
	asleep("waiter", SYS_futex);
	/* as a condition variable of old did it: somebody waits for it now */
	__atomic_store_n(&s->second.word, 2, __ATOMIC_SEQ_CST);
	move(FUTEX_CMP_REQUEUE, 0, &s->second.word);
}

static void wait_for_lock_at_first(void *unused)
{
	close_others(-1, -1);
	syscall(SYS_futex, &s->first, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &s->second.word, 0);
}

static void to_heir(void)
{
	make_mutex(PTHREAD_PRIO_INHERIT);
	role("owner", work_spawn(lock, NULL));
	work_wait_ticks(0, 1);
	role("waiter", work_spawn(wait_for_lock_at_first, NULL));
	asleep("waiter", SYS_futex);
	move(FUTEX_CMP_REQUEUE_PI, 1, &s->second.word);
}

/* the owner waits for who was moved to its lock; a third one could wake whoever is at the first */
static void lock_and_read_q(void *unused)
{
	close_others(q[0], -1);
	pthread_mutex_lock(&s->second.mutex);
	work_tick(0);
	get(q[0]);
}

static void wait_at_first_with_q(void *unused)
{
	close_others(q[1], -1);
	syscall(SYS_futex, &s->first, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void keep_page(void *unused)
{
	close_others(-1, -1);
	pause();
}

static void to_ring(void)
{
	make_pipe(q);
	make_mutex(PTHREAD_PRIO_NONE);
	role("owner", work_spawn(lock_and_read_q, NULL));
	work_wait_ticks(0, 1);
	role("waiter", work_spawn(wait_at_first_with_q, NULL));
	role("third", work_spawn(keep_page, NULL));
	let_go();
	asleep("owner", SYS_read);
	asleep("waiter", SYS_futex);
	asleep("third", SYS_pause);
	__atomic_store_n(&s->second.word, 2, __ATOMIC_SEQ_CST);
	move(FUTEX_CMP_REQUEUE, 0, &s->second.word);
}

/* --------------------------------------------------------------- to other memory */

static void wait_without_other(void *unused)
{
	munmap(other, PAGE);
	wait_at_first(NULL);
}

static void wait_in_set_without_other(void *unused)
{
	struct futex_waitv word = { .uaddr = (uintptr_t)&s->first, .flags = FUTEX_32 };

	munmap(other, PAGE);
	close_others(-1, -1);
	syscall(SYS_futex_waitv, &word, 1, 0, NULL, CLOCK_MONOTONIC);
}

static void keep_other(void *unused)
{
	munmap(s, PAGE);
	keep_page(NULL);
}

/* of which the waiter has nothing */
static void move_to_memory(void (*waiter)(void *), long nr)
{
	s = map_page(MAP_SHARED);
	other = map_page(MAP_SHARED);
	role("waiter", work_spawn(waiter, NULL));
	role("holder", work_spawn(keep_other, NULL));
	asleep("waiter", nr);
	asleep("holder", SYS_pause);
	move(FUTEX_CMP_REQUEUE, 0, &other->first);
	munmap(s, PAGE);
	munmap(other, PAGE);
}

static void to_memory(void)
{
	move_to_memory(wait_without_other, SYS_futex);
}

static void to_memory_from_set(void)
{
	move_to_memory(wait_in_set_without_other, SYS_futex_waitv);
}

/* a word that nobody else could reach, if it had not been told where it is by moving somebody */
static void move_to_own(void *unused)
{
	struct shared *own = map_page(MAP_PRIVATE);

	close_others(-1, -1);
	own->first = 0;
	work_wait_ticks(0, 1);
	move(FUTEX_CMP_REQUEUE, 0, &own->first);
	munmap(s, PAGE);
	work_tick(1);
	pause();
}

static void to_stranger(void)
{
	s = map_page(MAP_SHARED);
	role("waiter", work_spawn(wait_at_first, NULL));
	role("holder", work_spawn(move_to_own, NULL));
	asleep("waiter", SYS_futex);
	work_tick(0);
	work_wait_ticks(1, 1);
	munmap(s, PAGE);
	asleep("holder", SYS_pause);
}

static const struct work_mode modes[] = {
	{ "requeuemutex", to_mutex },	{ "requeueheir", to_heir },
	{ "requeuering", to_ring },	{ "requeuememory", to_memory },
	{ "requeuestranger", to_stranger }, { "requeuewords", to_memory_from_set },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
