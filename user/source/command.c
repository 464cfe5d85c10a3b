/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The command under `-- CMD`: forked early, so that its tree can be followed
 * from its first instruction, and released late. It runs with the rights we
 * were started with, like under strace and perf: `sudo ipclens ... -- CMD` runs
 * CMD as root. Knows nothing of tracing.
 *
 * Socket pairs, not pipes, carry the handshake: a pipe would be a channel of
 * the traced tree.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "source/source.h"

struct command {
	char *name;
	pid_t pid;
	int pidfd;
	/*
	 * Release: the child waits for a byte, or for the end of us. Both ends
	 * stay open here, so that writing to a dead child is no SIGPIPE.
	 */
	int gate[2];
	int result;		/* errno of a failed exec, else end of file */
	bool released;
};

static void close_pair(int pair[2])
{
	base_closep(&pair[0]);
	base_closep(&pair[1]);
}

/* ----------------------------------------------------------------- child */

/* moves fd above the standard descriptors, which may be closed in us */
static int lift(int fd)
{
	return fd > STDERR_FILENO ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static void close_others(int keep, int keep_too)
{
	unsigned low = (unsigned)(keep < keep_too ? keep : keep_too);
	unsigned high = (unsigned)(keep < keep_too ? keep_too : keep);

	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_run(int gate, int result, char *const argv[])
{
	ssize_t n;
	char go;
	int err;

	gate = lift(gate);
	result = lift(result);
	if (gate < 0 || result < 0)
		_exit(126);
	close_others(gate, result);
	default_signals();
	do {
		n = read(gate, &go, 1);
	} while (n < 0 && errno == EINTR);
	/* end of file: the tracer died before the release */
	if (n != 1)
		_exit(126);
	execvp(argv[0], argv);
	err = errno;
	/* nothing can be done about a failed report: the exit status says it, too */
	if (write(result, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(err == ENOENT ? 127 : 126);
}

/* ---------------------------------------------------------------- parent */

pid_t command_pid(const struct command *c)
{
	return c->pid;
}

int command_fd(const struct command *c)
{
	return c->pidfd;
}

static int command_fork(struct command *c, char *const argv[])
{
	int result[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->gate))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, result))
		return -errno;
	c->result = result[0];
	c->pid = fork();
	if (c->pid < 0)
		err = errno;
	if (c->pid == 0) {
		/* first of all: with these open it would never see the end of file */
		close(c->gate[0]);
		close(c->result);
		child_run(c->gate[1], result[1], argv);
	}
	close(result[1]);
	return -err;
}

int command_prepare(char *const argv[], struct command **ret_command)
{
	_cleanup_(command_freep) struct command *c = xcalloc(1, sizeof(*c));
	int r;

	c->pid = c->pidfd = c->gate[0] = c->gate[1] = c->result = -1;
	c->name = xstrdup(argv[0]);
	r = command_fork(c, argv);
	if (r < 0)
		return log_err(r, "cannot start a process for %s: %s", c->name, strerror(-r));
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0)
		return log_err(-errno, "cannot watch the process of %s: %s", c->name,
			       strerror(errno));
	*ret_command = TAKE_PTR(c);
	return 0;
}

int command_go(struct command *c)
{
	ssize_t n;
	int err;

	c->released = true;
	if (write(c->gate[0], "", 1) != 1)
		return log_err(-errno, "cannot release %s: %s", c->name, strerror(errno));
	do {
		n = read(c->result, &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	/* exec closed its end, or the child was killed: command_wait() tells which */
	if (n != sizeof(err))
		return 0;
	return log_err(-err, "cannot run %s: %s", c->name, strerror(err));
}

int command_wait(struct command *c, int *ret_status)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED))
		if (errno != EINTR)
			return -errno;
	if (info.si_code == CLD_EXITED)
		*ret_status = W_EXITCODE(info.si_status, 0);
	else
		*ret_status = info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
	c->pid = -1;
	return 0;
}

void command_freep(struct command **command)
{
	struct command *c = *command;

	if (!c)
		return;
	close_pair(c->gate);
	/* not released: it has just seen the end of file, and leaves */
	if (c->pid > 0 && !c->released)
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	base_closep(&c->pidfd);
	base_closep(&c->result);
	free(c->name);
	free(c);
	*command = NULL;
}
