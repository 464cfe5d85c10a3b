/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots over locks for one who writes or many who read, in shared memory; and over
 * words that look a little like one.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int p[2];

/* at the beginning of the first page: none is in front of it */
static pthread_rwlock_t *lock;

static void *share(size_t size)
{
	char *pages = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at;

	if (pages == MAP_FAILED || size > 4096)
		work_die("mmap");
	at = mmap(pages + 4096, 4096, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (at == MAP_FAILED)
		work_die("mmap");
	return at;
}

static void make_lock(void)
{
	pthread_rwlockattr_t attr;

	lock = share(sizeof(*lock));
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	work_expect(pthread_rwlock_init(lock, &attr), 0, "pthread_rwlock_init");
}

static void write_and_leave(void *unused)
{
	pthread_rwlock_wrlock(lock);
	_exit(0);
}

static void hold(void *to_write)
{
	if (to_write)
		pthread_rwlock_wrlock(lock);
	else
		pthread_rwlock_rdlock(lock);
	work_tick(0);
	pause();
}

static void read_lock(void *unused)
{
	pthread_rwlock_rdlock(lock);
}

static void write_lock(void *unused)
{
	pthread_rwlock_wrlock(lock);
}

static void both_wait(void)
{
	role("reader", work_spawn(read_lock, NULL));
	asleep("reader", SYS_futex);
	role("writer", work_spawn(write_lock, NULL));
	asleep("writer", SYS_futex);
}

/* who wrote has ended with it */
static void writer_gone(void)
{
	pid_t gone;

	make_lock();
	gone = work_spawn(write_and_leave, NULL);
	role("gone", gone);
	work_reap(gone);
	both_wait();
}

static void writer_lives(void)
{
	make_lock();
	role("owner", work_spawn(hold, ""));
	work_wait_ticks(0, 1);
	both_wait();
}

/* who they are nobody can tell */
static void readers_live(void)
{
	make_lock();
	role("one", work_spawn(hold, NULL));
	role("two", work_spawn(hold, NULL));
	work_wait_ticks(0, 2);
	role("writer", work_spawn(write_lock, NULL));
	asleep("writer", SYS_futex);
}

static void write_then_read_pipe(void *unused)
{
	close(p[1]);
	pthread_rwlock_wrlock(lock);
	work_tick(0);
	get(p[0]);
}

static void read_then_write_pipe(void *unused)
{
	close(p[0]);
	work_wait_ticks(0, 1);
	pthread_rwlock_rdlock(lock);
	put(p[1]);
}

static void nap(void *unused)
{
	close_others(-1, -1);
	for (;;)
		nanosleep(&(struct timespec){ .tv_sec = 3600 }, NULL);
}

/* lock and pipe in opposite order; that another process maps the lock, and lives, helps nobody */
static void lock_and_pipe(void)
{
	make_pipe(p);
	make_lock();
	role("bystander", work_spawn(nap, NULL));
	role("owner", work_spawn(write_then_read_pipe, NULL));
	role("waiter", work_spawn(read_then_write_pipe, NULL));
	close_pair(p);
	asleep("owner", SYS_read);
	asleep("waiter", SYS_futex);
}

/* -------------------------------------------------------------- what is none */

static struct impostors {
	pthread_rwlock_t like[5]; /* words of one, with one that is not so */
	sem_t semaphore;
	pthread_cond_t condition;
	uint32_t gone[8]; /* numbers of who has ended are all around */
	uint32_t small[8];
	pthread_mutex_t mutex;
	pthread_barrier_t barrier;
} *shared;

static void leave(void *unused)
{
	_exit(0);
}

static void wait_at(void *word)
{
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET, *(uint32_t *)word, NULL, NULL,
		FUTEX_BITSET_MATCH_ANY);
	work_die("futex");
}

static void wait_semaphore(void *unused)
{
	sem_wait(&shared->semaphore);
}

static void wait_condition(void *unused)
{
	pthread_mutex_lock(&shared->mutex);
	for (;;)
		pthread_cond_wait(&shared->condition, &shared->mutex);
}

static void wait_barrier(void *unused)
{
	pthread_barrier_wait(&shared->barrier);
}

static void make_impostors(pid_t gone)
{
	pthread_condattr_t condition;
	pthread_mutexattr_t mutex;
	pthread_barrierattr_t barrier;

	pthread_condattr_init(&condition);
	pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->condition, &condition);
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex);
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &barrier, 2);
	sem_init(&shared->semaphore, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(shared->gone); i++)
		shared->gone[i] = gone;
}

static void impostor(const char *name, void (*waits)(void *), void *arg)
{
	role(name, work_spawn(waits, arg));
	asleep(name, SYS_futex);
}

/* the words of a lock that a process which has ended holds, but for one of them */
static void wrong_words(pid_t gone)
{
	static const struct {
		const char *name;
		unsigned word, value, at;
	} wrong[] = {
		{ "nothing", 0, 8 | 3, 2 },
		{ "readers", 0, 3 /* nobody waits to read */, 2 },
		{ "shared", 7, 2, 2 },
		{ "padding", 4, 1, 3 },
		{ "kind", 12, 3, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const uint32_t like[13] = { 8 | 3, 1, 3, 3, [6] = gone, [7] = 1 };
		uint32_t *word = (void *)&shared->like[i];

		memcpy(word, like, sizeof(like));
		word[wrong[i].word] = wrong[i].value;
		impostor(wrong[i].name, wait_at, &word[wrong[i].at]);
	}
}

/* a number of nobody that is, as the kind of a mutex, shared and robust */
static uint32_t small_number(void)
{
	for (uint32_t number = 0x90; number < 0x400; number++)
		if ((number & 0x90) == 0x90 && kill(number, 0) && errno == ESRCH)
			return number;
	work_die("kill");
}

static void impostors(void)
{
	pid_t gone;

	shared = share(sizeof(*shared));
	gone = work_spawn(leave, NULL);
	work_reap(gone);
	make_impostors(gone);
	wrong_words(gone);
	impostor("number", wait_at, &shared->gone[2]);
	for (size_t i = 0; i < ARRAY_SIZE(shared->small); i++)
		shared->small[i] = small_number();
	impostor("small", wait_at, &shared->small[2]);
	impostor("semaphore", wait_semaphore, NULL);
	impostor("condition", wait_condition, NULL);
	impostor("barrier", wait_barrier, NULL);
}

static const struct work_mode modes[] = {
	{ "rwgone", writer_gone },  { "rwheld", writer_lives },	 { "rwreaders", readers_live },
	{ "rwpipe", lock_and_pipe }, { "rwimpostors", impostors },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
