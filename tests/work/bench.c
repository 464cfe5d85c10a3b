/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Traffic to be timed, by tools/bench and tests/vm/budget. Unlike the other
 * workloads it counts nothing while it runs and takes no part in their
 * protocol: whatever it did besides the calls would be measured with them.
 *
 *	bench WORKLOAD [CHANNELS]	for every line with a number N on stdin: does the
 *					workload N times and prints how many ns that took
 *	bench windows			where the clock counts instructions: prints the
 *					ns of one system call, for some workloads
 *	bench hold PROCESSES FDS	so many processes hold so many descriptors of
 *					pipes each; says so, and waits for the end of stdin
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#define BULK_BYTES 65536
#define CHANNELS_MAX 10000

/* short enough that most windows see no tick of the clock and no other task */
#define WINDOW_OPS 40
#define WINDOWS 801

struct workload {
	const char *name;
	unsigned calls;			/* system calls per operation, of all processes */
	void (*prepare)(void);
	void (*run)(unsigned long n);
};

static int (*ducts)[2];
static unsigned duct_count = 1;
static int there[2], back[2];
static int queue, answers, zero;	/* answers: the same queue, or one of its own */
static char bulk[BULK_BYTES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		work_die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		work_die("setrlimit");
}

/* true in the child, which ends with its parent */
static bool fork_peer(void)
{
	pid_t pid = fork();

	if (pid < 0)
		work_die("fork");
	if (!pid && prctl(PR_SET_PDEATHSIG, SIGKILL))
		work_die("prctl");
	return !pid;
}

static void put(int fd, const void *data, size_t len)
{
	work_expect(write(fd, data, len), (ssize_t)len, "write");
}

static void get(int fd)
{
	char c;

	work_expect(read(fd, &c, 1), 1, "read");
}

/* -------------------------------------------------------------------- workloads */

static void innocent_run(unsigned long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void zero_prepare(void)
{
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (zero < 0)
		work_die("/dev/zero");
}

static void zero_run(unsigned long n)
{
	while (n--)
		get(zero);
}

static void self_prepare(void)
{
	ducts = calloc(duct_count, sizeof(*ducts));
	if (!ducts)
		work_die("calloc");
	for (unsigned i = 0; i < duct_count; i++)
		if (pipe2(ducts[i], O_CLOEXEC))
			work_die("pipe");
}

/* the same process writes and reads: no switch of tasks hides the cost of a call */
static void self_run(unsigned long n)
{
	static unsigned next;

	while (n--) {
		put(ducts[next][1], "x", 1);
		get(ducts[next][0]);
		if (++next == duct_count)
			next = 0;
	}
}

static void pingpong_prepare(void)
{
	char c;

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		work_die("pipe");
	if (!fork_peer())
		return;
	while (read(there[0], &c, 1) == 1)
		put(back[1], &c, 1);
	_exit(0);
}

static void pingpong_run(unsigned long n)
{
	while (n--) {
		put(there[1], "x", 1);
		get(back[0]);
	}
}

static void bulk_prepare(void)
{
	if (pipe2(there, O_CLOEXEC))
		work_die("pipe");
	if (!fork_peer())
		return;
	while (read(there[0], bulk, sizeof(bulk)) > 0)
		;
	_exit(0);
}

static void bulk_run(unsigned long n)
{
	while (n--)
		put(there[1], bulk, sizeof(bulk));
}

struct message {
	long type;
	char text[8];
};

static void message_put(int id, long type)
{
	struct message m = { .type = type };

	work_expect(msgsnd(id, &m, sizeof(m.text), 0), 0, "msgsnd");
}

static void message_get(int id, long type)
{
	struct message m;

	if (msgrcv(id, &m, sizeof(m.text), type, 0) < 0)
		exit(errno == EIDRM ? 0 : 1);
}

static void queue_remove(void)
{
	msgctl(queue, IPC_RMID, NULL);
	if (answers != queue)
		msgctl(answers, IPC_RMID, NULL);
}

static int queue_new(void)
{
	int id = msgget(IPC_PRIVATE, 0600);

	if (id < 0)
		work_die("msgget");
	return id;
}

static void queue_prepare(void)
{
	queue = answers = queue_new();
	atexit(queue_remove);
}

static void message_answer(void)
{
	if (!fork_peer())
		return;
	for (;;) {
		message_get(queue, 1);
		message_put(answers, 2);
	}
}

static void message_prepare(void)
{
	queue_prepare();
	message_answer();
}

static void queues_prepare(void)
{
	queue_prepare();
	answers = queue_new();
	message_answer();
}

static void message_run(unsigned long n)
{
	while (n--) {
		message_put(queue, 1);
		message_get(answers, 2);
	}
}

static void message_self_run(unsigned long n)
{
	while (n--) {
		message_put(queue, 1);
		message_get(queue, 1);
	}
}

static const struct workload workloads[] = {
	{ "pingpong", 4, pingpong_prepare, pingpong_run },
	{ "bulk", 2, bulk_prepare, bulk_run },
	{ "self", 2, self_prepare, self_run },
	{ "message", 4, message_prepare, message_run },
	{ "queues", 4, queues_prepare, message_run },
	{ "getppid", 1, NULL, innocent_run },
	{ "zero", 1, zero_prepare, zero_run },
};

/* without another process, whose share of a window would depend on the scheduler */
static const struct workload windowed[] = {
	{ "getppid", 1, NULL, innocent_run },
	{ "zero", 1, zero_prepare, zero_run },
	{ "pipe", 2, self_prepare, self_run },
	{ "sysvmsg", 2, queue_prepare, message_self_run },
};

/* ------------------------------------------------------------------- measuring */

static int serve(const struct workload *w)
{
	char line[32];

	if (w->prepare)
		w->prepare();
	printf("%u\n", w->calls);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long n = strtoul(line, NULL, 10);
		uint64_t begin_ns = now_ns();

		w->run(n);
		printf("%llu\n", (unsigned long long)(now_ns() - begin_ns));
		fflush(stdout);
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* the median leaves out the windows that were interrupted */
static int windows(void)
{
	static uint64_t ns[WINDOWS];

	for (size_t i = 0; i < ARRAY_SIZE(windowed); i++) {
		const struct workload *w = &windowed[i];

		if (w->prepare)
			w->prepare();
		for (int j = 0; j < WINDOWS; j++) {
			uint64_t begin_ns = now_ns();

			w->run(WINDOW_OPS);
			ns[j] = now_ns() - begin_ns;
		}
		qsort(ns, WINDOWS, sizeof(*ns), compare);
		printf("%s %.1f\n", w->name, (double)ns[WINDOWS / 2] / WINDOW_OPS / w->calls);
	}
	return 0;
}

static int hold(long processes, long descriptors)
{
	int fd[2];

	allow_descriptors();
	for (long i = 0; i < processes; i++) {
		if (pipe2(fd, O_CLOEXEC))
			work_die("pipe");
		if (fork_peer()) {
			for (long j = 0; j < descriptors; j++)
				if (dup(fd[j & 1]) < 0)
					work_die("dup");
			put(fd[1], "x", 1);
			for (;;)
				pause();
		}
		get(fd[0]);
		close(fd[0]);
		close(fd[1]);
	}
	puts("held");
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(name, "hold"))
		return hold(atol(argv[2]), atol(argv[3]));
	if (argc > 2) {
		duct_count = (unsigned)strtoul(argv[2], NULL, 10);
		if (!duct_count || duct_count > CHANNELS_MAX)
			work_die("CHANNELS");
		allow_descriptors();
	}
	if (!strcmp(name, "windows"))
		return windows();
	for (size_t i = 0; i < ARRAY_SIZE(workloads); i++)
		if (!strcmp(name, workloads[i].name))
			return serve(&workloads[i]);
	fputs("usage: bench WORKLOAD [CHANNELS] | windows | hold PROCESSES FDS\n", stderr);
	return 2;
}
