/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Jobs of a terminal: what one in the background does there stops it, whoever waits for it. Which
 * signal did is what its parent, the shell, has from wait(2).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int master, slave;

/* what the job does, and what becomes of it */
struct job {
	void (*fn)(void);
	int signal;
};

static void write_p(void *unused)
{
	close_others(p[1], -1);
	put(p[1]);
}

static void make_terminal(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		work_die("posix_openpt");
}

/* with itself in the foreground */
static void take_terminal(void)
{
	if (setsid() < 0)
		work_die("setsid");
	slave = open(ptsname(master), O_RDWR);
	if (slave < 0 || tcsetpgrp(slave, getpid()))
		work_die("terminal");
	close(master);
}

static void run_job(const struct job *job)
{
	work_adopt();
	if (setpgid(0, 0))
		work_die("setpgid");
	job->fn();
	work_die("a job that was to be stopped");
}

/* the shell: nobody but its job has the pipe */
static void start_job(void *arg)
{
	const struct job *job = arg;
	int status;
	pid_t pid;

	close(p[1]);
	take_terminal();
	pid = fork();
	if (!pid)
		run_job(job);
	close(p[0]);
	errno = EPROTO;
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != job->signal)
		work_die("a job that is stopped");
	tell(pid);
	pause();
}

static void behind(struct job *job)
{
	make_channel();
	make_pipe(p);
	make_terminal();
	fill(p[1]);
	role("shell", work_spawn(start_job, job));
	role("job", hear_pid());
	role("writer", work_spawn(write_p, NULL));
	close_pair(p);
	asleep("shell", SYS_pause);
	asleep("writer", SYS_write);
}

static void read_terminal(void)
{
	get(slave);
}

static void set_terminal(void)
{
	struct termios t;

	if (tcgetattr(slave, &t) || tcsetattr(slave, TCSANOW, &t))
		work_die("tcsetattr");
}

/* in the foreground, by somebody's kill(2) */
static void be_told(void)
{
	/* it is in the background as yet, and does not want to be stopped for that */
	signal(SIGTTOU, SIG_IGN);
	if (tcsetpgrp(slave, getpid()))
		work_die("tcsetpgrp");
	kill(getpid(), SIGTTIN);
}

static void job_reads(void)
{
	struct job job = { read_terminal, SIGTTIN };

	behind(&job);
}

static void job_sets(void)
{
	struct job job = { set_terminal, SIGTTOU };

	behind(&job);
}

static void job_told(void)
{
	struct job job = { be_told, SIGTTIN };

	behind(&job);
}

static const struct work_mode modes[] = {
	{ "jobreads", job_reads }, { "jobsets", job_sets }, { "jobtold", job_told },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
