/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A job in the foreground of a terminal, and who has the other end of it, wait for each other. The
 * leader of the session has no descriptor of the terminal: what it can do is end, which sends a
 * SIGHUP to the job.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int master, slave;
static void (*work_of_job)(void);
static bool leader_waits;

static void make_terminal(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		work_die("posix_openpt");
}

static void run_job(void *unused)
{
	/* the end of its parent, the leader, is to reach it by way of the terminal only */
	prctl(PR_SET_PDEATHSIG, 0);
	close(master);
	work_of_job();
}

static void lead(void *unused)
{
	pid_t job;

	if (setsid() < 0)
		work_die("setsid");
	/* the first terminal that it opens controls it, with itself in the foreground */
	slave = open(ptsname(master), O_RDWR);
	if (slave < 0)
		work_die("terminal");
	job = work_spawn(run_job, NULL);
	tell(job);
	close_others(-1, -1);
	if (leader_waits)
		waitpid(job, NULL, 0);
}

static void serve(void (*fn)(void *))
{
	make_channel();
	make_pipes();
	make_terminal();
	role("leader", work_spawn(lead, NULL));
	role("job", hear_pid());
	role("terminal", work_spawn(fn, NULL));
	let_go();
	asleep("job", -1);
	asleep("terminal", SYS_read);
	asleep("leader", leader_waits ? SYS_wait4 : SYS_pause);
}

/* ---------------------------------------------------- what either of the two does */

static void read_slave(void)
{
	close_others(slave, p[1]);
	get(slave);
}

static void read_q_with_slave(void)
{
	close_others(slave, q[0]);
	get(q[0]);
}

static void fill_slave(void)
{
	close_others(slave, p[1]);
	fill(slave);
	put(slave);
}

static void ignore_hangup(void)
{
	signal(SIGHUP, SIG_IGN);
	read_slave();
}

static void block_hangup(void)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hangup, NULL);
	read_slave();
}

static void *read_slave_in_thread(void *unused)
{
	get(slave);
	return NULL;
}

/* the signal is sent to the process, and its first thread takes it */
static void block_hangup_in_thread(void)
{
	sigset_t hangup;
	pthread_t reader;

	close_others(slave, p[1]);
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &hangup, NULL);
	if (pthread_create(&reader, NULL, read_slave_in_thread, NULL))
		work_die("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &hangup, NULL);
	pthread_join(reader, NULL);
}

/* to write there it need not be in the foreground */
static void fill_slave_behind(void)
{
	if (setpgid(0, 0))
		work_die("setpgid");
	fill_slave();
}

static void read_p_with_master(void *unused)
{
	close_others(p[0], master);
	get(p[0]);
}

static void read_master_with_q(void *unused)
{
	close_others(q[1], master);
	get(master);
}

/* ----------------------------------------------------------------------- knots */

static void hangup_reader(void)
{
	work_of_job = read_slave;
	serve(read_p_with_master);
}

static void hangup_writer(void)
{
	work_of_job = fill_slave;
	serve(read_p_with_master);
}

/* who waits at the terminal is not the one who is sent the signal */
static void hangup_master(void)
{
	work_of_job = read_q_with_slave;
	serve(read_master_with_q);
}

/* the leader does not end before its job does */
static void hangup_waits(void)
{
	leader_waits = true;
	hangup_reader();
}

static void hangup_ignored(void)
{
	work_of_job = ignore_hangup;
	serve(read_p_with_master);
}

static void hangup_blocked(void)
{
	work_of_job = block_hangup;
	serve(read_p_with_master);
}

static void hangup_thread(void)
{
	work_of_job = block_hangup_in_thread;
	serve(read_p_with_master);
	asleep_wholly("job", -1);
}

static void hangup_leader_stopped(void)
{
	hangup_reader();
	stop("leader");
}

static void hangup_behind(void)
{
	work_of_job = fill_slave_behind;
	serve(read_p_with_master);
}

static void hangup_stopped(void)
{
	hangup_reader();
	stop("terminal");
}

static const struct work_mode modes[] = {
	{ "hangupreader", hangup_reader },   { "hangupwriter", hangup_writer },
	{ "hangupmaster", hangup_master },   { "hangupwaits", hangup_waits },
	{ "hangupignored", hangup_ignored }, { "hangupblocked", hangup_blocked },
	{ "hangupbehind", hangup_behind },   { "hangupstopped", hangup_stopped },
	{ "hangupthread", hangup_thread },   { "hangupleaderstopped", hangup_leader_stopped },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
