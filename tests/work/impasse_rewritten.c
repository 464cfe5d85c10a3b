/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots in which the memory that a call was given says something else by now: a thread that has
 * ended, or another process, has written to it. Of two things that the call may be about a
 * holder, who sleeps, could give one, and a reader the other, who waits for the process itself.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

enum { HELD, WRITTEN }; /* ticks: by both of them; anew */
enum { HOLDERS, READERS, THINGS };

/* what the calls are given; not on the stack, so that processes may share it */
struct given {
	struct pollfd poll[THINGS];
	fd_set set;
	struct sembuf operation;
	struct flock lock;
	struct futex_waitv word;
};

struct call {
	long nr;
	void (*make)(void);
	void (*hold)(unsigned thing);
	void (*say)(unsigned thing);
	void (*wait)(void);
};

static const struct call *call;
static struct given *given;
static unsigned first, then;
static int told[2];

/* -------------------------------------------------------------------- pipes */

static int in[THINGS], out[THINGS];

static void make_ends(void)
{
	for (unsigned i = 0; i < THINGS; i++) {
		int ends[2];

		make_pipe(ends);
		in[i] = ends[0];
		out[i] = ends[1];
	}
}

static void keep_out(unsigned thing)
{
	close_others(out[thing], q[0]);
}

/* what the reader has is always in the set */
static void say_polled(unsigned thing)
{
	given->poll[0] = (struct pollfd){ .fd = in[READERS], .events = POLLIN };
	given->poll[1] = (struct pollfd){ .fd = thing == HOLDERS ? in[HOLDERS] : -1,
					  .events = POLLIN };
}

static void wait_polling(void)
{
	poll(given->poll, ARRAY_SIZE(given->poll), -1);
}

static void say_selected(unsigned thing)
{
	FD_ZERO(&given->set);
	FD_SET(in[READERS], &given->set);
	FD_SET(in[thing], &given->set);
}

static void wait_selecting(void)
{
	syscall(SYS_pselect6, in[READERS] + 1, &given->set, NULL, NULL, NULL, NULL);
}

/* --------------------------------------------------------------- semaphores */

static int sems;

static void remove_sems(void)
{
	if (is_main())
		semctl(sems, 0, IPC_RMID);
}

static void make_sems(void)
{
	struct sembuf up[] = { { .sem_num = HOLDERS, .sem_op = 1 },
			       { .sem_num = READERS, .sem_op = 1 } };

	sems = semget(IPC_PRIVATE, THINGS, IPC_CREAT | 0600);
	if (sems < 0 || semop(sems, up, ARRAY_SIZE(up)))
		work_die("semaphores");
	atexit(remove_sems);
}

static void say_semaphore(unsigned thing)
{
	given->operation = (struct sembuf){ .sem_num = (unsigned short)thing, .sem_op = -1,
					    .sem_flg = SEM_UNDO };
}

static void take_semaphore(unsigned thing)
{
	struct sembuf down = { .sem_num = (unsigned short)thing, .sem_op = -1,
			       .sem_flg = SEM_UNDO };

	close_others(q[0], -1);
	if (semop(sems, &down, 1))
		work_die("semop");
}

static void wait_for_semaphore(void)
{
	syscall(SYS_semop, sems, &given->operation, 1);
}

/* -------------------------------------------------------------------- locks */

static int file;

static void make_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/lens-rewritten-%d", getpid());
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (file < 0)
		work_die(path);
	unlink(path);
}

/* a byte of the file */
static struct flock lock_of(unsigned thing)
{
	return (struct flock){ .l_type = F_WRLCK, .l_start = thing, .l_len = 1 };
}

static void say_lock(unsigned thing)
{
	given->lock = lock_of(thing);
}

/* of an empty file */
static void say_lock_by_end(unsigned thing)
{
	given->lock = lock_of(thing);
	given->lock.l_whence = SEEK_END;
}

static void take_lock(unsigned thing)
{
	struct flock lock = lock_of(thing);

	close_others(q[0], file);
	if (fcntl(file, F_SETLK, &lock))
		work_die("fcntl");
}

static void wait_for_lock(void)
{
	fcntl(file, F_SETLKW, &given->lock);
}

/* -------------------------------------------------------------------- words */

static uint32_t *words[THINGS];

static void *map(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		work_die("mmap");
	return memory;
}

static void make_words(void)
{
	for (unsigned i = 0; i < THINGS; i++)
		words[i] = map();
}

static void keep_word(unsigned thing)
{
	close_others(q[0], -1);
	munmap(words[!thing], 4096);
}

static void say_word(unsigned thing)
{
	given->word = (struct futex_waitv){ .uaddr = (uintptr_t)words[thing], .flags = FUTEX_32 };
}

static void wait_for_word(void)
{
	syscall(SYS_futex_waitv, &given->word, 1, 0, NULL, CLOCK_MONOTONIC);
}

/* ---------------------------------------------------------------- processes */

static void hold_and_sleep(void *unused)
{
	call->hold(HOLDERS);
	close(q[0]);
	work_tick(HELD);
	pause();
}

static void hold_and_read(void *unused)
{
	call->hold(READERS);
	work_tick(HELD);
	get(q[0]);
}

static void close_ends_of_others(void)
{
	close(q[0]);
	close(told[1]);
	close(out[HOLDERS]);
	close(out[READERS]);
}

static void *write_and_end(void *unused)
{
	get(told[0]);
	call->say(then);
	work_tick(WRITTEN);
	return NULL;
}

static void wait_beside_thread(void *unused)
{
	pthread_t thread;

	close_ends_of_others();
	call->say(first);
	if (pthread_create(&thread, NULL, write_and_end, NULL))
		work_die("pthread_create");
	call->wait();
}

static void wait_alone(void *unused)
{
	close_ends_of_others();
	call->say(first);
	call->wait();
}

static void rewritten(const struct call *of, bool by_thread)
{
	call = of;
	given = map();
	make_pipe(q);
	make_pipe(told);
	call->make();
	role("holder", work_spawn(hold_and_sleep, NULL));
	role("reader", work_spawn(hold_and_read, NULL));
	work_wait_ticks(HELD, 2);
	role("process", work_spawn(by_thread ? wait_beside_thread : wait_alone, NULL));
	close_others(told[1], -1);
	asleep_anywhere("process", call->nr);
	put(told[1]);
	if (by_thread)
		work_wait_ticks(WRITTEN, 1);
	else
		call->say(then);
	for (unsigned i = 0; i < THINGS && words[i]; i++)
		munmap(words[i], 4096);
	let_go();
	asleep_wholly("process", call->nr);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* -------------------------------------------------------------------- knots */

static const struct call
	by_poll = { SYS_poll, make_ends, keep_out, say_polled, wait_polling },
	by_select = { SYS_pselect6, make_ends, keep_out, say_selected, wait_selecting },
	by_semop = { SYS_semop, make_sems, take_semaphore, say_semaphore, wait_for_semaphore },
	by_lock = { SYS_fcntl, make_file, take_lock, say_lock, wait_for_lock },
	by_end = { SYS_fcntl, make_file, take_lock, say_lock_by_end, wait_for_lock },
	by_words = { SYS_futex_waitv, make_words, keep_word, say_word, wait_for_word };

static void to_ring(const struct call *of, bool by_thread)
{
	first = HOLDERS;
	then = READERS;
	rewritten(of, by_thread);
}

static void from_ring(const struct call *of, bool by_thread)
{
	first = READERS;
	then = HOLDERS;
	rewritten(of, by_thread);
}

static void ring(const struct call *of)
{
	first = then = READERS;
	rewritten(of, true);
}

#define KNOTS_OF(name, of)						\
	static void to_##name(void) { to_ring(of, true); }		\
	static void from_##name(void) { from_ring(of, true); }		\
	static void shared_##name(void) { to_ring(of, false); }		\
	static void same_##name(void) { ring(of); }

KNOTS_OF(poll, &by_poll)
KNOTS_OF(select, &by_select)
KNOTS_OF(semop, &by_semop)
KNOTS_OF(lock, &by_lock)
KNOTS_OF(end, &by_end)
KNOTS_OF(words, &by_words)

#define MODES_OF(name)							\
	{ "rewritten" #name, to_##name }, { "rewrittenfrom" #name, from_##name },	\
	{ "rewrittenshared" #name, shared_##name }, { "rewrittensame" #name, same_##name }

static const struct work_mode modes[] = {
	MODES_OF(poll), MODES_OF(select), MODES_OF(semop), MODES_OF(lock), MODES_OF(end),
	MODES_OF(words),
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
