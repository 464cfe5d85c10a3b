/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A service with a thread that reads what its helper sends, while the helper waits for work:
 * idle where the first thread waits to be told by a signal handler, stuck where it waits for
 * the other thread. It has such a handler in each case.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static sem_t told;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t begun;
static pthread_t reading;

static void tell_it(int number)
{
	sem_post(&told);
}

static void *read_p_in_thread(void *unused)
{
	pthread_mutex_lock(&mutex);
	pthread_barrier_wait(&begun);
	get(p[0]);
	return NULL;
}

static void start_thread(void)
{
	close_others(p[0], q[1]);
	sem_init(&told, 0, 0);
	pthread_barrier_init(&begun, NULL, 2);
	signal(SIGTERM, tell_it);
	if (pthread_create(&reading, NULL, read_p_in_thread, NULL))
		work_die("pthread_create");
	pthread_barrier_wait(&begun);
}

static void wait_to_be_told(void *unused)
{
	start_thread();
	sem_wait(&told);
}

static void wait_for_thread(void *unused)
{
	start_thread();
	pthread_join(reading, NULL);
}

static void wait_for_lock(void *unused)
{
	start_thread();
	pthread_mutex_lock(&mutex);
}

static void service(void (*fn)(void *))
{
	make_pipes();
	role("service", work_spawn(fn, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	/* when that one sleeps nobody waits at the barrier any more, which is a futex, too */
	asleep_anywhere("service", SYS_read);
	asleep("service", SYS_futex);
	asleep("reader", SYS_read);
}

static void told_by_handler(void) { service(wait_to_be_told); }
static void told_by_thread(void) { service(wait_for_thread); }
static void told_by_owner(void) { service(wait_for_lock); }

static const struct work_mode modes[] = {
	{ "toldhandler", told_by_handler },
	{ "toldthread", told_by_thread },
	{ "toldowner", told_by_owner },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
