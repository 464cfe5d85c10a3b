/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A host with very many threads that wait: processes in a row, each of which reads
 * what the one before it would have to write, and has channels of its own beside.
 *
 *	row waiting PROCESSES PAIRS	of so many pairs of descriptors each
 */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

enum { TICK_MADE };

/* from: the pipe of the one before, -1: there is none; to: its own */
static _Noreturn void wait_in_row(int from, int not_mine, long pairs)
{
	char byte;

	work_adopt();
	close(not_mine);
	for (long i = 0; i < pairs; i++) {
		int fd[2];

		if (i & 1 ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd))
			work_die("pair");
	}
	work_tick(TICK_MADE);
	if (from >= 0 && read(from, &byte, 1) != 0)
		work_die("read");
	for (;;)
		pause();
}

static void run_waiting(void)
{
	long processes = work_arg(0, 2000), pairs = work_arg(1, 4);
	pid_t *pid = calloc((size_t)processes, sizeof(*pid));
	int *from = calloc((size_t)processes, sizeof(*from)), last = -1;
	struct rlimit limit;

	if (!pid || !from || getrlimit(RLIMIT_NOFILE, &limit))
		work_die("processes");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		work_die("RLIMIT_NOFILE");
	for (long i = 0; i < processes; i++) {
		int fd[2];

		if (pipe(fd))
			work_die("pipe");
		from[i] = last;
		pid[i] = fork();
		if (pid[i] < 0)
			work_die("fork");
		if (!pid[i])
			wait_in_row(last, fd[0], pairs);
		close(fd[1]);
		if (last >= 0)
			close(last);
		last = fd[0];
	}
	work_wait_ticks(TICK_MADE, (unsigned)processes);
	for (long i = 1; i < processes; i++)
		work_wait_blocked(pid[i], SYS_read, (unsigned long)from[i]);
	work_fact("first", pid[0]);
	work_ready();
}

static const struct work_mode modes[] = { { "waiting", run_waiting } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
