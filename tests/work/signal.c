// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Signals to other processes. The truth is the number of calls that succeeded,
 * by who is meant.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

static void nothing(void *arg)
{
}

/* pending ones stay so: nobody has to handle them */
static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL))
		work_die("sigprocmask");
}

static void repeat(long times, int (*call)(pid_t pid, int number), pid_t pid, int number)
{
	for (long i = 0; i < times; i++)
		work_expect(call(pid, number), 0, "signal");
}

static int by_thread(pid_t pid, int number)
{
	return (int)syscall(SYS_tgkill, pid, pid, number);
}

static int by_queue(pid_t pid, int number)
{
	return sigqueue(pid, number, (union sigval){ .sival_int = 1 });
}

static int by_pidfd(pid_t pid, int number)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int ret = (int)syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);

	close(fd);
	return ret;
}

/* what no queue has room for does not arrive */
static void overflow(pid_t pid)
{
	struct rlimit none, old;

	if (prlimit(pid, RLIMIT_SIGPENDING, NULL, &old))
		work_die("prlimit");
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	if (prlimit(pid, RLIMIT_SIGPENDING, &none, NULL))
		work_die("prlimit");
	work_expect_error(by_queue(pid, SIGRTMIN + 2), EAGAIN, "a full queue");
	if (prlimit(pid, RLIMIT_SIGPENDING, &old, NULL))
		work_die("prlimit");
}

static void run_signals(void)
{
	pid_t one, two;

	block_all();
	signal(SIGHUP, SIG_IGN);
	one = work_spawn(nothing, NULL);
	two = work_spawn(nothing, NULL);
	work_wait(one);
	work_wait(two);
	if (setpgid(one, one) || setpgid(two, one))
		work_die("setpgid");
	work_ready();
	repeat(5, kill, one, SIGUSR1);		/* four of them find it pending */
	repeat(7, by_queue, one, SIGRTMIN + 1);
	repeat(3, by_thread, one, SIGUSR2);
	repeat(2, by_pidfd, one, SIGUSR2);
	repeat(4, kill, one, SIGHUP);		/* which is ignored */
	repeat(2, kill, two, SIGTERM);
	repeat(6, kill, -one, SIGURG);		/* to each of the two */
	overflow(one);
	/* none of these reaches another process */
	repeat(3, kill, one, 0);
	repeat(3, kill, getpid(), SIGUSR1);
	work_expect_error(kill(one, 999), EINVAL, "no such signal");
	work_fact("one", one);
	work_fact("two", two);
	work_fact("queued", SIGRTMIN + 1);
	work_fact("overflown", SIGRTMIN + 2);
}

static const struct work_mode modes[] = {
	{ "all", run_signals },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
