/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots over words in shared memory: mutexes whose owner lives, sleeps or has
 * ended, and sets of words.
 */
#define _GNU_SOURCE 1
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int p[2];

static void read_p(void *unused)
{
	close(p[1]);
	get(p[0]);
}

/* ------------------------------------------------------------------ futex */

static pthread_mutex_t *mutex;

static int protocol = PTHREAD_PRIO_NONE;

static void make_mutex(bool robust)
{
	pthread_mutexattr_t attr;

	mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mutex == MAP_FAILED)
		work_die("mmap");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (robust)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&attr, protocol);
	pthread_mutex_init(mutex, &attr);
}

static void lock(void *unused)
{
	pthread_mutex_lock(mutex);
}

static void lock_and_leave(void *unused)
{
	pthread_mutex_lock(mutex);
	_exit(0);
}

/* (g) the owner of a mutex in shared memory has ended */
static void dead_owner(void)
{
	make_mutex(false);
	work_reap(work_spawn(lock_and_leave, NULL));
	role("waiter", work_spawn(lock, NULL));
	asleep("waiter", SYS_futex);
}

/* ... or sleeps */
static void live_owner(bool robust)
{
	pid_t owner;

	make_mutex(robust);
	owner = work_spawn(lock, NULL);
	work_wait(owner);
	role("owner", owner);
	role("waiter", work_spawn(lock, NULL));
	asleep("waiter", SYS_futex);
}

static void plain_owner(void)
{
	live_owner(false);
}

static void robust_owner(void)
{
	live_owner(true);
}

/* ---------------------------------------------------------------- futex_waitv */

static uint32_t *words;

static void make_words(void)
{
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		work_die("mmap");
}

static void wait_for_words(const struct timespec *until)
{
	struct futex_waitv set[] = {
		{ .uaddr = (uintptr_t)&words[0], .flags = FUTEX_32 },
		{ .uaddr = (uintptr_t)&words[1], .flags = FUTEX_32 },
	};

	syscall(SYS_futex_waitv, set, ARRAY_SIZE(set), 0, until, CLOCK_MONOTONIC);
}

static void wait_for_any_word(void *unused)
{
	close(p[0]);
	wait_for_words(NULL);
}

static void wait_for_any_word_timed(void *unused)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 3600;
	close(p[0]);
	wait_for_words(&until);
}

/* whoever could wake one of the words reads from a pipe that the waiter would write to */
static void any_word(void (*waits)(void *))
{
	make_pipe(p);
	make_words();
	role("waiter", work_spawn(waits, NULL));
	role("reader", work_spawn(read_p, NULL));
	close_pair(p);
	munmap(words, 4096);
	asleep("waiter", SYS_futex_waitv);
	asleep("reader", SYS_read);
}

static void words_dead(void)
{
	any_word(wait_for_any_word);
}

static void words_timed(void)
{
	any_word(wait_for_any_word_timed);
}

/* ------------------------------------------------ a word that nobody else maps */

/* a file that nobody else maps, nor has a descriptor of */
static void wait_alone(void *unused)
{
	int fd = memfd_create("alone", 0);

	if (fd < 0 || ftruncate(fd, 4096))
		work_die("memfd_create");
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		work_die("mmap");
	close(fd);
	if (syscall(SYS_futex, words, FUTEX_WAIT, 0, NULL, NULL, 0))
		work_die("futex");
}

static void on_signal(int number)
{
}

/* a handler may wake it: sem_post(3) is one of the few things it may do */
static void wait_with_handler(void *unused)
{
	signal(SIGUSR1, on_signal);
	wait_alone(NULL);
}

static void *doze(void *unused)
{
	pause();
	return NULL;
}

static void wait_beside_thread(void *unused)
{
	pthread_t other;

	if (pthread_create(&other, NULL, doze, NULL))
		work_die("pthread_create");
	wait_alone(NULL);
}

static void alone(void (*waits)(void *))
{
	role("waiter", work_spawn(waits, NULL));
	asleep_anywhere("waiter", SYS_futex);
}

static void word_alone(void)
{
	alone(wait_alone);
}

static void word_and_handler(void)
{
	alone(wait_with_handler);
}

static void word_and_thread(void)
{
	alone(wait_beside_thread);
	asleep_anywhere("waiter", SYS_pause);
}

static void *wait_at_one(void *unused)
{
	await_end_of_leader();
	syscall(SYS_futex, words, FUTEX_WAIT, 0, NULL, NULL, 0);
	return NULL;
}

static void *wait_at_both(void *unused)
{
	await_end_of_leader();
	wait_for_words(NULL);
	return NULL;
}

static void leave_to_threads(void *unused)
{
	pthread_t one, both;

	close(p[0]);
	if (pthread_create(&one, NULL, wait_at_one, NULL) ||
	    pthread_create(&both, NULL, wait_at_both, NULL))
		work_die("pthread_create");
	/* not pthread_exit(3), which would load a library */
	syscall(SYS_exit, 0);
}

/* its memory is told of by each of the threads that are left */
static void word_without_leader(void)
{
	make_pipe(p);
	make_words();
	role("waiter", work_spawn(leave_to_threads, NULL));
	role("reader", work_spawn(read_p, NULL));
	close_pair(p);
	munmap(words, 4096);
	asleep_anywhere("waiter", SYS_futex);
	asleep_anywhere("waiter", SYS_futex_waitv);
	asleep("reader", SYS_read);
}

/* whose owner the kernel knows, as it lends him its priority */
static void heir_owner(void)
{
	protocol = PTHREAD_PRIO_INHERIT;
	live_owner(false);
}

static void lock_then_read(void *unused)
{
	close(p[1]);
	lock(NULL);
	work_tick(0);
	get(p[0]);
}

static void wait_to_lock(void *unused)
{
	close(p[0]);
	work_wait_ticks(0, 1);
	lock(NULL);
	put(p[1]);
}

/* a mutex and a pipe in opposite order */
static void mutex_and_pipe(void)
{
	make_pipe(p);
	make_mutex(false);
	role("reader", work_spawn(lock_then_read, NULL));
	role("locker", work_spawn(wait_to_lock, NULL));
	close_pair(p);
	asleep("reader", SYS_read);
	asleep("locker", SYS_futex);
}

/* ---------------------------------------------- with inheritance, and something else */

/*
 * Of nothing but such mutexes the kernel makes no knot: it refuses the last one. With a plain
 * mutex, or a pipe, it does not see it.
 */
static void heir_and_pipe(void)
{
	protocol = PTHREAD_PRIO_INHERIT;
	make_pipe(p);
	make_mutex(false);
	role("reader", work_spawn(lock_then_read, NULL));
	role("waiter", work_spawn(wait_to_lock, NULL));
	close_pair(p);
	asleep("reader", SYS_read);
	asleep("waiter", SYS_futex);
}

static void lock_then_tell(void *unused)
{
	close_pair(p);
	lock(NULL);
	work_tick(0);
	wait_for_end();
}

/* whoever maps it can say that it is his, which the kernel does not believe */
static void claim_then_read(void *unused)
{
	uint32_t *word = (uint32_t *)mutex;

	close(p[1]);
	work_wait_ticks(1, 1);
	*word = (uint32_t)getpid() | FUTEX_WAITERS;
	get(p[0]);
}

static void heir_claimed(void)
{
	protocol = PTHREAD_PRIO_INHERIT;
	make_pipe(p);
	make_mutex(false);
	role("owner", work_spawn(lock_then_tell, NULL));
	role("waiter", work_spawn(wait_to_lock, NULL));
	role("reader", work_spawn(claim_then_read, NULL));
	close_pair(p);
	asleep("waiter", SYS_futex);
	work_tick(1);
	asleep("reader", SYS_read);
	asleep("owner", -1);
}

static pthread_mutex_t *plain, *heir;

static void lock_heir_then_plain(void *unused)
{
	pthread_mutex_lock(heir);
	work_tick(0);
	work_wait_ticks(1, 1);
	pthread_mutex_lock(plain);
}

static void lock_plain_then_heir(void *unused)
{
	pthread_mutex_lock(plain);
	work_tick(1);
	work_wait_ticks(0, 1);
	pthread_mutex_lock(heir);
}

static void heir_and_mutex(void)
{
	make_mutex(false);
	plain = mutex;
	protocol = PTHREAD_PRIO_INHERIT;
	make_mutex(false);
	heir = mutex;
	role("reader", work_spawn(lock_heir_then_plain, NULL));
	role("waiter", work_spawn(lock_plain_then_heir, NULL));
	asleep("reader", SYS_futex);
	asleep("waiter", SYS_futex);
}

/* ------------------------------------------------- semaphores in opposite order */

static sem_t *sems;

static void take_both(void *first)
{
	sem_t *one = first;

	sem_wait(one);
	work_tick(0);
	work_wait_ticks(0, 2);
	sem_wait(&sems[one == sems]);
}

/* who made them has them as well, and does nothing but wait for their end */
static void sems_of_children(void *unused)
{
	pid_t left, right;

	sems = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sems == MAP_FAILED || sem_init(&sems[0], 1, 1) || sem_init(&sems[1], 1, 1))
		work_die("sem_init");
	left = work_spawn(take_both, &sems[0]);
	right = work_spawn(take_both, &sems[1]);
	tell(left);
	tell(right);
	waitpid(left, NULL, 0);
	waitpid(right, NULL, 0);
}

static void sems_crossed(void)
{
	make_channel();
	role("parent", work_spawn(sems_of_children, NULL));
	role("left", hear_pid());
	role("right", hear_pid());
	asleep("left", SYS_futex);
	asleep("right", SYS_futex);
	asleep("parent", SYS_wait4);
}

/* -------------------------------------------------------- whoever minds children */

static void wait_at_words(void *unused)
{
	syscall(SYS_futex, words, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* it has its child end when a signal says so: by a word, or that of a semaphore */
static void mind_child(void *unused)
{
	pid_t child;

	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		work_die("mmap");
	child = work_spawn(wait_at_words, NULL);
	signal(SIGTERM, on_signal);
	tell(child);
	waitpid(child, NULL, 0);
}

static void minded(void)
{
	make_channel();
	role("parent", work_spawn(mind_child, NULL));
	role("child", hear_pid());
	asleep("child", SYS_futex);
	asleep("parent", SYS_wait4);
}

static const struct work_mode modes[] = {
	{ "deadowner", dead_owner }, { "owner", plain_owner },	  { "robust", robust_owner },
	{ "words", words_dead },     { "wordstimed", words_timed }, { "mutexpipe", mutex_and_pipe },
	{ "inherit", heir_owner },   { "heirpipe", heir_and_pipe }, { "heirmutex", heir_and_mutex },
	{ "heirclaimed", heir_claimed },
	{ "wordalone", word_alone }, { "wordhandler", word_and_handler },
	{ "wordthread", word_and_thread }, { "wordleader", word_without_leader },
	{ "semscrossed", sems_crossed }, { "wordminded", minded },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
