/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A host with very many channels, most of them idle: processes in a row, each with
 * pipes and connections of its own, and a pipe to the next one. Some of these carry
 * something, which is the truth; the others nothing. None is ever closed.
 *
 *	scale idle PROCESSES CHANNELS	of so many channels each
 *	scale pipes PROCESSES CHANNELS	of so many pipes each
 */
#define _GNU_SOURCE 1
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

/* the pipe of every so many-th process is used */
enum { USED_EVERY = 20, CALLS = 5, BYTES = 3000, LEFT_BYTES = 7 };
enum { TICK_MADE, TICK_WRITTEN, TICK_READ };

static struct { sem_t write, read; } *begin;
static char data[BYTES];
/* by which pipes are looked at in the end: nobody else takes anything out */
static int *look_fd;
static long looks;
static bool only_pipes;

/* one who has it: the writer of a pipe to the next one, and the reader of the one before */
struct member {
	long number;
	int to_next, from_last;
	int chan_to_next, chan_from_last;	/* -1: is not used */
};

static void make_idle(long count)
{
	for (long i = 0; i < count; i++) {
		int fd[2];

		if (i & 1 && !only_pipes ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd))
			work_die("idle channel");
	}
}

static void wait_for(sem_t *what)
{
	while (sem_wait(what))
		;
}

static void write_some(const struct member *m)
{
	for (long i = 0; i < CALLS; i++) {
		size_t len = BYTES - (size_t)(m->number % 100);

		work_expect(work_did(m->chan_to_next, WORK_WRITE, write(m->to_next, data, len)),
			    (ssize_t)len, "write");
	}
}

/* all but a few bytes, which stay */
static void read_most(const struct member *m)
{
	size_t left = CALLS * (BYTES - (size_t)((m->number - 1) % 100)) - LEFT_BYTES;

	while (left) {
		ssize_t n = read(m->from_last, data, left < BYTES ? left : BYTES);

		if (work_did(m->chan_from_last, WORK_READ, n) <= 0)
			work_die("read");
		left -= (size_t)n;
	}
}

static _Noreturn void be_member(const struct member *m, long channels)
{
	work_adopt();
	for (long i = 0; i < looks; i++)
		close(look_fd[i]);
	make_idle(channels - 1);
	work_tick(TICK_MADE);
	wait_for(&begin->write);
	if (m->chan_to_next >= 0)
		write_some(m);
	work_tick(TICK_WRITTEN);
	wait_for(&begin->read);
	if (m->chan_from_last >= 0)
		read_most(m);
	work_tick(TICK_READ);
	for (;;)
		pause();
}

static void start_members(long processes, long channels, int *ret_left)
{
	int last = -1, last_chan = -1;

	for (long i = 0; i < processes; i++) {
		struct member m = { .number = i, .from_last = last, .chan_from_last = last_chan,
				    .chan_to_next = -1 };
		int fd[2];
		pid_t pid;

		if (pipe(fd))
			work_die("pipe");
		m.to_next = fd[1];
		if (i % USED_EVERY == 0 && i + 1 < processes) {
			m.chan_to_next = work_pipe(fd[0], NULL);
		}
		pid = fork();
		if (pid < 0)
			work_die("fork");
		if (!pid) {
			close(fd[0]);
			be_member(&m, channels);
		}
		if (m.chan_to_next >= 0) {
			look_fd[looks] = dup(fd[0]);
			work_look_through(m.chan_to_next, look_fd[looks++]);
		}
		close(fd[1]);
		if (last >= 0)
			close(last);
		last = fd[0];
		last_chan = m.chan_to_next;
	}
	*ret_left = last;
}

static void let_all(sem_t *what, long processes, unsigned tick)
{
	for (long i = 0; i < processes; i++)
		sem_post(what);
	work_wait_ticks(tick, (unsigned)processes);
}

static void run_idle(void)
{
	long processes = work_arg(0, 200), channels = work_arg(1, 50);
	struct rlimit limit;
	int left;

	begin = mmap(NULL, sizeof(*begin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (begin == MAP_FAILED || sem_init(&begin->write, 1, 0) || sem_init(&begin->read, 1, 0))
		work_die("semaphores");
	look_fd = calloc((size_t)(processes / USED_EVERY + 1), sizeof(*look_fd));
	if (!look_fd || getrlimit(RLIMIT_NOFILE, &limit))
		work_die("descriptors");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		work_die("RLIMIT_NOFILE");
	start_members(processes, channels, &left);
	work_wait_ticks(TICK_MADE, (unsigned)processes);
	work_fact("processes", processes);
	work_fact("channels", processes * channels);
	work_ready();
	let_all(&begin->write, processes, TICK_WRITTEN);
	let_all(&begin->read, processes, TICK_READ);
}

static void run_pipes(void)
{
	only_pipes = true;
	run_idle();
}

static const struct work_mode modes[] = { { "idle", run_idle }, { "pipes", run_pipes } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
