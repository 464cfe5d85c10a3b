/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots that a signal could undo, or only seems to be able to: of a message in a queue, of
 * what is ready at a descriptor; children by process group; an eventfd that is full.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int source = -1; /* at which something happens that somebody is told of by a signal */
static int other_end = -1;
static bool blocks_signal, ignores_signal;

static void on_signal(int number)
{
}

static void prepare(int number)
{
	sigset_t set;

	close(p[1]);
	close(q[0]);
	signal(number, ignores_signal ? SIG_IGN : on_signal);
	sigemptyset(&set);
	sigaddset(&set, number);
	if (blocks_signal)
		sigprocmask(SIG_BLOCK, &set, NULL);
}

/* ------------------------------------------------------------------- queues */

static void read_with_notice(void *unused)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	prepare(SIGUSR1);
	if (mq_notify(source, &event))
		work_die("mq_notify");
	get(p[0]);
}

static void hold(void *unused)
{
	close_others(source, other_end);
}

static void knot_of_two(void (*waits)(void *))
{
	role("waiter", work_spawn(waits, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("waiter", SYS_read);
	asleep("reader", SYS_read);
}

static void mq_signal(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/lens-knot-%d", getpid());
	source = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	if (source < 0)
		work_die("mq_open");
	mq_unlink(name);
	make_pipes();
	role("sender", work_spawn(hold, NULL));
	knot_of_two(read_with_notice);
}

static void mq_blocked(void)
{
	blocks_signal = true;
	mq_signal();
}

/* -------------------------------------------------------------- descriptors */

static void read_asynchronously(void *unused)
{
	prepare(SIGIO);
	if (fcntl(source, F_SETOWN, getpid()) || fcntl(source, F_SETFL, O_ASYNC))
		work_die("O_ASYNC");
	get(p[0]);
}

static void async_signal(void)
{
	int pair[2];

	make_socket_pair(pair, SOCK_STREAM);
	source = pair[0];
	other_end = pair[1];
	make_pipes();
	role("sender", work_spawn(hold, NULL));
	knot_of_two(read_asynchronously);
}

static void async_ignored(void)
{
	ignores_signal = true;
	async_signal();
}

/* ----------------------------------------------------------------- children */

static bool by_waitid;

/* for one child in a group of its own; the other one is not asked about */
static void wait_for_group(void *unused)
{
	pid_t child = work_spawn(read_q, NULL);
	siginfo_t info;

	if (setpgid(child, child))
		work_die("setpgid");
	tell(child);
	tell(work_spawn(hold, NULL));
	close_others(q[1], -1);
	if (by_waitid)
		waitid(P_PGID, child, &info, WEXITED);
	else
		waitpid(-child, NULL, 0);
}

static void wait_group(void)
{
	make_pipes();
	make_channel();
	role("waiter", work_spawn(wait_for_group, NULL));
	role("reader", hear_pid());
	role("other", hear_pid());
	let_go();
	asleep("waiter", by_waitid ? SYS_waitid : SYS_wait4);
	asleep("reader", SYS_read);
}

static void waitid_group(void)
{
	by_waitid = true;
	wait_group();
}

/* not for its end, but to be told when a signal from outside has stopped it */
static void wait_for_stop(void *unused)
{
	siginfo_t info;

	tell(work_spawn(read_q, NULL));
	close_others(q[1], -1);
	waitid(P_ALL, 0, &info, WSTOPPED);
}

static void wait_stopped(void)
{
	make_pipes();
	make_channel();
	role("waiter", work_spawn(wait_for_stop, NULL));
	role("reader", hear_pid());
	let_go();
	asleep("waiter", SYS_waitid);
	asleep("reader", SYS_read);
}

/* who clone(2) makes without a signal for its end is no child that wait4(2) asks about */
static void wait_beside_clone(void *unused)
{
	pid_t child = work_spawn(read_q, NULL), other = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);

	if (other < 0)
		work_die("clone");
	if (!other) {
		close_others(-1, -1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	tell(child);
	tell(other);
	close_others(q[1], -1);
	waitpid(-1, NULL, 0);
}

static void wait_clone(void)
{
	make_pipes();
	make_channel();
	role("waiter", work_spawn(wait_beside_clone, NULL));
	role("reader", hear_pid());
	role("other", hear_pid());
	let_go();
	asleep("waiter", SYS_wait4);
	asleep("reader", SYS_read);
	asleep("other", SYS_pause);
}

/* ------------------------------------------------------------------ eventfd */

static void add_too_much(void *unused)
{
	uint64_t some = 10;

	close_others(source, q[1]);
	work_expect(write(source, &some, sizeof(some)), sizeof(some), "eventfd");
}

static void read_beside(void *unused)
{
	close_others(source, q[0]);
	get(q[0]);
}

/* there is room for some, not for what is written */
static void event_full(void)
{
	uint64_t most = UINT64_MAX - 5;

	source = eventfd(0, 0);
	work_expect(write(source, &most, sizeof(most)), sizeof(most), "eventfd");
	make_pipes();
	role("waiter", work_spawn(add_too_much, NULL));
	role("reader", work_spawn(read_beside, NULL));
	let_go();
	asleep("waiter", SYS_write);
	asleep("reader", SYS_read);
}

static const struct work_mode modes[] = {
	{ "mqsignal", mq_signal },	 { "mqblocked", mq_blocked },
	{ "asyncsignal", async_signal }, { "asyncignored", async_ignored },
	{ "waitgroup", wait_group },	 { "waitidgroup", waitid_group },
	{ "waitclone", wait_clone },	 { "eventfull", event_full },
	{ "waitstopped", wait_stopped },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
