/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes that look alike: one pid used again and again, and processes that
 * are gone before anybody can look.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

#define READ_EACH 20

static struct duct a;

/* a pid nobody has: that of a child just reaped */
static pid_t free_pid(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		work_die("fork");
	return pid;
}

static pid_t clone_as(pid_t want)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&want,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* the n-th of them writes n % 100 + 1 bytes */
static void run_reuse(void)
{
	long times = work_arg(0, 2000), stolen = 0;
	pid_t want = free_pid();

	a = duct_new(0);
	work_ready();
	for (long i = 0; i < times; i++) {
		pid_t pid = clone_as(want);

		if (!pid) {
			work_adopt();
			_exit(duct_put(&a, (size_t)(i % 100 + 1)) <= 0);
		}
		if (pid < 0 && errno == EEXIST && stolen++ < 1000) {
			/* somebody else got it meanwhile: take another, and go on */
			want = free_pid();
			i--;
			continue;
		}
		if (pid < 0 && errno == EPERM)
			work_skip("clone3 with set_tid needs CAP_SYS_ADMIN");
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			work_die("clone3");
		if (i % READ_EACH == READ_EACH - 1)
			duct_drain(&a, (size_t)duct_depth(&a), 65536);
	}
	work_fact("times", times);
	work_fact("changed_pid", stolen);
}

/* writers that live for one write */
static void run_mayflies(void)
{
	long times = work_arg(0, 200);

	a = duct_new(0);
	work_ready();
	for (long i = 0; i < times; i++) {
		pid_t pid = fork();

		if (!pid) {
			work_adopt();
			_exit(duct_put(&a, 10) != 10);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			work_die("fork");
		duct_drain(&a, 10, 10);
	}
}

/* the writer begins its life in another cgroup than its parent's, and executes nothing */
static void run_elsewhere(void)
{
	int cgroup = open(work_text(0), O_RDONLY | O_DIRECTORY);
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};
	pid_t pid;

	a = duct_new(0);
	work_ready();
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		work_adopt();
		_exit(duct_put(&a, 10) != 10);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		work_die("clone3");
	work_fact("kid", pid);
	duct_drain(&a, 10, 10);
}

/* the name changes while the process goes on */
static void run_renamed(void)
{
	a = duct_new(0);
	work_ready();
	work_expect(duct_put(&a, 10), 10, "write");
	prctl(PR_SET_NAME, "new-\033[1m-name");
	work_expect(duct_get(&a, 10), 10, "read");
}

static const struct work_mode modes[] = {
	{ "reuse", run_reuse },
	{ "mayflies", run_mayflies },
	{ "elsewhere", run_elsewhere },
	{ "renamed", run_renamed },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
