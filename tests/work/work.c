/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The life of a workload: handshake, children, rendezvous in shared memory.
 * The counting itself is in truth.c.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "truth.h"
#include "work.h"

#define KIDS 64
#define SLOTS 8
#define PATIENCE_NS 1000000L	/* between two looks at another process */

struct kid {
	pid_t pid;
	sem_t done;
};

/* anonymous shared memory: reaches forked children, not exec'd ones */
struct stage {
	struct kid kid[KIDS];
	unsigned kid_count;
	unsigned ticks[SLOTS];
};

static struct stage *stage;
static char **args;
static int arg_count;
static bool is_ready;
static pid_t self;

_Noreturn void work_die(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

void work_expect(ssize_t got, ssize_t want, const char *what)
{
	if (got != want) {
		fprintf(stderr, "workload: got %zd, not %zd\n", got, want);
		work_die(what);
	}
}

void work_expect_error(ssize_t got, int want_errno, const char *what)
{
	if (got != -1 || errno != want_errno)
		work_die(what);
}

static void say(const char *line)
{
	size_t len = strlen(line);

	while (len) {
		ssize_t n = write(STDOUT_FILENO, line, len);

		if (n < 0)
			work_die("stdout");
		line += n;
		len -= (size_t)n;
	}
}

_Noreturn void work_skip(const char *why)
{
	char line[256];

	snprintf(line, sizeof(line), "{\"skip\":\"%s\"}\n", why);
	say(line);
	exit(0);
}

/* true for the line expected, false at the end of input */
static bool hear(const char *expected)
{
	char line[64];
	size_t len = 0;

	while (len < sizeof(line) - 1) {
		ssize_t n = read(STDIN_FILENO, line + len, 1);

		if (n < 0)
			work_die("stdin");
		if (!n)
			return false;
		if (line[len] == '\n') {
			line[len] = 0;
			return !strcmp(line, expected);
		}
		len++;
	}
	return false;
}

void work_ready(void)
{
	char line[64];

	if (is_ready)
		return;
	is_ready = true;
	truth_begin();
	snprintf(line, sizeof(line), "{\"ready\":true,\"pid\":%d}\n", getpid());
	say(line);
	if (!hear("go"))
		exit(0);
}

void work_pause(void)
{
	say("{\"paused\":true}\n");
	if (!hear("on"))
		exit(0);
}

long work_arg(unsigned index, long fallback)
{
	return (int)index < arg_count ? strtol(args[index], NULL, 0) : fallback;
}

const char *work_text(unsigned index)
{
	errno = EINVAL;
	if ((int)index >= arg_count)
		work_die("missing argument");
	return args[index];
}

/* ------------------------------------------------------------------ children */

void work_adopt(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	truth_new_process();
}

pid_t work_spawn(void (*fn)(void *), void *arg)
{
	unsigned n = stage->kid_count++;
	struct kid *kid = &stage->kid[n];
	pid_t pid;

	errno = ENOSPC;
	if (n >= KIDS || sem_init(&kid->done, 1, 0))
		work_die("spawn");
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		work_adopt();
		fn(arg);
		sem_post(&kid->done);
		for (;;)
			pause();
	}
	kid->pid = pid;
	return pid;
}

static struct kid *find_kid(pid_t pid)
{
	for (unsigned i = 0; i < stage->kid_count; i++) {
		if (stage->kid[i].pid == pid)
			return &stage->kid[i];
	}
	errno = ESRCH;
	work_die("unknown child");
}

static void doze(void)
{
	struct timespec t = { .tv_nsec = PATIENCE_NS };

	nanosleep(&t, NULL);
}

void work_wait(pid_t pid)
{
	struct kid *kid = find_kid(pid);
	siginfo_t info = { 0 };

	for (;;) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec++;
		if (!sem_timedwait(&kid->done, &t))
			return;
		/* a child that died will not tell */
		if (!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid) {
			errno = ECHILD;
			work_die("a child failed");
		}
	}
}

void work_reap(pid_t pid)
{
	int status;

	find_kid(pid)->pid = 0;
	errno = ECHILD;
	if (waitpid(pid, &status, 0) != pid || status)
		work_die("a child failed");
}

static void end_kids(void)
{
	if (getpid() != self)
		return;
	for (unsigned i = 0; i < stage->kid_count; i++) {
		if (stage->kid[i].pid <= 0)
			continue;
		kill(stage->kid[i].pid, SIGKILL);
		waitpid(stage->kid[i].pid, NULL, 0);
	}
}

void work_end_with(pid_t kid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)kid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return;
	if (!info.si_status)
		exit(0);
	errno = ECHILD;
	work_die("a child failed");
}

void work_wait_blocked(pid_t tid, long nr, unsigned long arg0)
{
	char path[64], want[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	snprintf(want, sizeof(want), "%ld 0x%lx ", nr, arg0);
	for (;;) {
		FILE *f = fopen(path, "re");
		/* "running" unless it sleeps */
		bool found = f && fgets(line, sizeof(line), f) &&
			     !strncmp(line, want, strlen(want));

		if (!f)
			work_die(path);
		fclose(f);
		if (found)
			return;
		work_end_with(tid);
		doze();
	}
}

_Noreturn void work_exec(const char *mode, const char *const *more)
{
	const char *argv[8] = { "reborn", mode };
	unsigned n = 2;

	while (n < ARRAY_SIZE(argv) - 1 && *more)
		argv[n++] = *more++;
	truth_export();
	execv("/proc/self/exe", (char *const *)argv);
	work_die("exec");
}

void work_tick(unsigned slot)
{
	__atomic_fetch_add(&stage->ticks[slot], 1, __ATOMIC_SEQ_CST);
}

void work_wait_ticks(unsigned slot, unsigned count)
{
	siginfo_t info = { 0 };

	while (__atomic_load_n(&stage->ticks[slot], __ATOMIC_SEQ_CST) < count) {
		if (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid &&
		    info.si_status) {
			errno = ECHILD;
			work_die("a child failed");
		}
		doze();
	}
}

/* ---------------------------------------------------------------------- main */

static void live(void (*run)(void))
{
	char *text;

	self = getpid();
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (stage == MAP_FAILED)
		work_die("mmap");
	atexit(end_kids);
	truth_create();
	if (getenv("WORK_LATE"))
		work_ready();
	run();
	errno = EPROTO;
	if (!is_ready)
		work_die("mode never got ready");
	text = truth_text();
	say(text);
	free(text);
	hear("end");
}

int work_main(int argc, char **argv, const struct work_mode *modes, size_t count)
{
	args = argv + 2;
	arg_count = argc - 2;
	for (size_t i = 0; argc >= 2 && i < count; i++) {
		if (strcmp(modes[i].name, argv[1]))
			continue;
		if (argv[1][0] == '@') {
			truth_import();
			modes[i].run();
		} else {
			live(modes[i].run);
		}
		return 0;
	}
	fprintf(stderr, "usage: %s MODE [ARGUMENT...]\nmodes:", argv[0]);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, " %s", modes[i].name);
	fprintf(stderr, "\n");
	return 2;
}
