/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The traced command: runs nothing before its release and nothing of ours
 * after it, and its end is told exactly.
 */
#define _GNU_SOURCE 1

#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "source/source.h"

static int run(char *const argv[])
{
	_cleanup_(command_freep) struct command *c = NULL;
	int status;

	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	CHECK_EQ_I64(command_go(c), 0);
	CHECK_EQ_I64(command_wait(c, &status), 0);
	return status;
}

static int shell(char *script)
{
	char *argv[] = { "sh", "-c", script, NULL };

	return run(argv);
}

/* ended, or gone altogether, within a second */
static bool ends(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 1000) == 1;
}

TEST(status_is_told)
{
	int status = shell("exit 7");

	CHECK(WIFEXITED(status));
	CHECK_EQ_I64(WEXITSTATUS(status), 7);
	status = shell("kill -TERM $$");
	CHECK(WIFSIGNALED(status));
	CHECK_EQ_I64(WTERMSIG(status), SIGTERM);
	status = shell("exit 0");
	CHECK_EQ_I64(status, 0);
}

TEST(waits_for_the_release)
{
	char name[] = "/tmp/lens-command-XXXXXX", script[64];
	char *argv[] = { "sh", "-c", script, NULL };
	_cleanup_(command_freep) struct command *c = NULL;
	int fd = mkstemp(name), status;
	struct pollfd p = { .events = POLLIN };
	struct stat st;

	CHECK(fd >= 0);
	snprintf(script, sizeof(script), "echo ran > %s", name);
	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	CHECK(command_pid(c) > 0);
	p.fd = command_fd(c);
	CHECK_EQ_I64(poll(&p, 1, 100), 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
	CHECK_EQ_I64(command_go(c), 0);
	CHECK_EQ_I64(poll(&p, 1, 10000), 1);
	CHECK_EQ_I64(command_wait(c, &status), 0);
	CHECK_EQ_I64(status, 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 4);
	unlink(name);
	close(fd);
}

TEST(inherits_nothing)
{
	int here = open("/dev/null", O_RDONLY), too = fcntl(here, F_DUPFD, 900), status;
	sigset_t all;

	CHECK(here >= 0 && too >= 900);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	/* the descriptor that ls reads the directory with is the only other one */
	status = shell("test \"$(echo $(ls /proc/self/fd))\" = '0 1 2 3' || exit 1;"
		       "grep -q '^SigBlk:.0*$' /proc/self/status || exit 2;"
		       /* but for the two real-time signals that glibc keeps to itself */
		       "grep -Eq '^SigIgn:.0*(180000000)?$' /proc/self/status || exit 3");
	CHECK(WIFEXITED(status));
	CHECK_EQ_I64(WEXITSTATUS(status), 0);
	close(here);
	close(too);
}

static void check_no_exec(char *name, int error, int want)
{
	char *argv[] = { name, NULL };
	_cleanup_(command_freep) struct command *c = NULL;
	int status;

	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	CHECK_EQ_I64(command_go(c), error);
	CHECK_EQ_I64(command_wait(c, &status), 0);
	CHECK(WIFEXITED(status));
	CHECK_EQ_I64(WEXITSTATUS(status), want);
}

TEST(failed_exec_is_told)
{
	CHECK(freopen("/dev/null", "w", stderr));
	/* a directory that may not be searched would make it EACCES */
	CHECK(setenv("PATH", "/usr/bin:/bin", 1) == 0);
	check_no_exec("/no/such/program", -ENOENT, 127);
	check_no_exec("no-such-program-in-path", -ENOENT, 127);
	check_no_exec("/tmp", -EACCES, 126);
	check_no_exec("/etc/passwd", -EACCES, 126);
}

static void check_tracer_dies(bool without_standard_files)
{
	char name[] = "/tmp/lens-command-XXXXXX", script[64];
	char *argv[] = { "sh", "-c", script, NULL };
	int fd = mkstemp(name), report[2], child, pidfd;
	struct stat st;
	pid_t tracer;

	CHECK(fd >= 0 && pipe(report) == 0);
	snprintf(script, sizeof(script), "echo ran > %s", name);
	tracer = fork();
	if (tracer == 0) {
		struct command *c = NULL;

		/* the descriptors of the handshake take their numbers */
		if (without_standard_files) {
			close(0);
			close(2);
		}
		CHECK_EQ_I64(command_prepare(argv, &c), 0);
		child = command_pid(c);
		CHECK(write(report[1], &child, sizeof(child)) == sizeof(child));
		pause();
		/* not reached; keeps the command from looking leaked */
		command_freep(&c);
	}
	CHECK(read(report[0], &child, sizeof(child)) == sizeof(child));
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	CHECK(pidfd >= 0);
	CHECK(kill(tracer, SIGKILL) == 0 && waitpid(tracer, NULL, 0) == tracer);
	CHECK(ends(pidfd));
	CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
	unlink(name);
	close(fd);
	close(pidfd);
	close(report[0]);
	close(report[1]);
}

TEST(never_runs_when_the_tracer_dies)
{
	check_tracer_dies(false);
	check_tracer_dies(true);
}

TEST(unreleased_command_is_dropped)
{
	char *argv[] = { "sleep", "1000", NULL };
	struct command *c = NULL;
	int pidfd;

	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	pidfd = fcntl(command_fd(c), F_DUPFD_CLOEXEC, 0);
	command_freep(&c);
	CHECK(!c);
	CHECK(ends(pidfd));
	/* reaped, too */
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	close(pidfd);
}

/* killed by somebody before the release: no SIGPIPE, no hang */
TEST(command_killed_before_the_release)
{
	char *argv[] = { "true", NULL };
	_cleanup_(command_freep) struct command *c = NULL;
	int status;

	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	CHECK(kill(command_pid(c), SIGKILL) == 0 && ends(command_fd(c)));
	CHECK_EQ_I64(command_go(c), 0);
	CHECK_EQ_I64(command_wait(c, &status), 0);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ_I64(WTERMSIG(status), SIGKILL);
}

/* started with its standard descriptors closed, as some daemons are */
TEST(closed_standard_descriptors)
{
	char *argv[] = { "sh", "-c", "exit 4", NULL };
	_cleanup_(command_freep) struct command *c = NULL;
	int saved = fcntl(1, F_DUPFD_CLOEXEC, 10), status, r;

	close(0);
	close(1);
	close(2);
	r = command_prepare(argv, &c);
	if (r == 0)
		r = command_go(c);
	if (r == 0)
		r = command_wait(c, &status);
	CHECK(dup2(saved, 1) == 1);
	CHECK_EQ_I64(r, 0);
	CHECK(WIFEXITED(status));
	CHECK_EQ_I64(WEXITSTATUS(status), 4);
}
