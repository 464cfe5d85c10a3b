/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes that sleep in read(2), deep in functions whose names the test
 * knows: the way there is the order in which they stand here. Compiled as
 * everything is, without frame pointers.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int p[2], q[2];

/* a function of its own, that does something behind each call and has an array the call may fill */
#define DEEP __attribute__((noinline, noclone))
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory")

/* --------------------------------------------------------------------- calls */

static DEEP void deep_wait(int fd)
{
	char byte[16];

	if (read(fd, byte, 1) < 0)
		work_die("read");
	KEEP(byte);
}

static DEEP void deep_inner(int fd)
{
	char room[300];

	KEEP(room);
	deep_wait(fd);
	KEEP(room);
}

/* its frame hangs on another register, since nobody knows how large it is */
static DEEP void deep_sized(int fd, size_t size)
{
	char room[size];

	KEEP(room);
	deep_inner(fd);
	KEEP(room);
}

static DEEP void deep_outer(int fd)
{
	deep_sized(fd, 1000 + (size_t)fd);
	KEEP(&fd);
}

static void read_deeply(void *unused)
{
	deep_outer(p[0]);
}

static void start(void (*run)(void *))
{
	make_pipe(p);
	role("reader", work_spawn(run, NULL));
	asleep("reader", SYS_read);
}

static void calls(void)
{
	start(read_deeply);
}

/* --------------------------------------------------------------- large frames */

/* each larger than what is read of a stack at once */
static DEEP void deep_large(int fd)
{
	char room[100000];

	KEEP(room);
	deep_outer(fd);
	KEEP(room);
}

static DEEP void deep_larger(int fd)
{
	char room[300000];

	KEEP(room);
	deep_large(fd);
	KEEP(room);
}

static void read_behind_large(void *unused)
{
	deep_larger(p[0]);
}

static void large(void)
{
	start(read_behind_large);
}

/* -------------------------------------------------------------------- threads */

static volatile pid_t other;

static void *in_thread(void *arg)
{
	other = gettid();
	deep_outer(p[0]);
	return arg;
}

static DEEP void deep_second(int fd)
{
	deep_wait(fd);
	KEEP(&fd);
}

/* "0 ..." is read(2) */
static void wait_until_other_reads(void)
{
	char path[64], text[2];

	do {
		int fd;

		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", other);
		text[0] = 0;
		fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, text, sizeof(text)) < 0)
			work_die("read");
		close(fd);
	} while (text[0] != '0' || text[1] != ' ');
}

static void two_threads(void *unused)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, in_thread, NULL))
		work_die("pthread_create");
	wait_until_other_reads();
	deep_second(q[0]);
	KEEP(&thread);
}

static void threads(void)
{
	make_pipe(p);
	make_pipe(q);
	role("reader", work_spawn(two_threads, NULL));
	asleep("reader", SYS_read);
}

/* --------------------------------------------------------------------- signal */

static void deep_handler(int number)
{
	deep_outer(p[0]);
	KEEP(&number);
}

static DEEP void deep_interrupted(void)
{
	raise(SIGUSR1);
	KEEP(p);
}

static void read_in_handler(void *unused)
{
	signal(SIGUSR1, deep_handler);
	deep_interrupted();
}

static void in_signal(void)
{
	start(read_in_handler);
}

/* ------------------------------------------------------------------- generated */

/* code of no file, as a JIT compiler makes it: keeps the stack in order, calls, returns */
static void read_in_generated(void *unused)
{
	static const unsigned char code[] = {
		0x48, 0x83, 0xec, 0x08,		/* sub $8, %rsp */
		0xff, 0xd6,			/* call *%rsi */
		0x48, 0x83, 0xc4, 0x08, 0xc3,	/* add $8, %rsp; ret */
	};
	void (*made)(int fd, void (*next)(int fd));
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		work_die("mmap");
	memcpy(page, code, sizeof(code));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
		work_die("mprotect");
	made = (void (*)(int, void (*)(int)))page;
	made(p[0], deep_outer);
	KEEP(page);
}

static void generated(void)
{
	start(read_in_generated);
}

static const struct work_mode modes[] = {
	{ "calls", calls },	  { "large", large },	      { "threads", threads },
	{ "signal", in_signal }, { "generated", generated },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
