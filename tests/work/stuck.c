/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes that wait for each other in known ways. The facts are the pids by
 * role, and the truth is in how they were put together. All of them sleep when
 * the workload says that it is done.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int p[2], q[2];

/* ----------------------------------------------------------------- pipes */

static void write_p(void *unused)
{
	close(p[0]);
	fill(p[1]);
	put(p[1]);
}

static void hold_p_reader(void *unused)
{
	close(p[1]);
}

/* (a) a full pipe whose only reader does something else */
static void full_pipe(void)
{
	make_pipe(p);
	role("reader", work_spawn(hold_p_reader, NULL));
	role("writer", work_spawn(write_p, NULL));
	close_pair(p);
	asleep("writer", SYS_write);
}

static void write_p_hold_q(void *unused)
{
	close(p[0]);
	close(q[1]);
	fill(p[1]);
	put(p[1]);
}

static void write_q_hold_p(void *unused)
{
	close(q[0]);
	close(p[1]);
	fill(q[1]);
	put(q[1]);
}

/* (b) two writers on each other's full pipe */
static void two_pipes(void)
{
	make_pipe(p);
	make_pipe(q);
	role("one", work_spawn(write_p_hold_q, NULL));
	role("two", work_spawn(write_q_hold_p, NULL));
	close_pair(p);
	close_pair(q);
	asleep("one", SYS_write);
	asleep("two", SYS_write);
}

static void make_ring(void *unused)
{
	struct io_uring_params params = { 0 };

	if (syscall(SYS_io_uring_setup, 4, &params) < 0)
		work_skip("no io_uring here");
	work_tick(0);
	write_p_hold_q(NULL);
}

static void write_q_later(void *unused)
{
	work_wait_ticks(0, 1);
	write_q_hold_p(NULL);
}

/* the same, but one of them may have requests under way that drain the other's pipe */
static void two_and_ring(void)
{
	make_pipe(p);
	make_pipe(q);
	role("ringed", work_spawn(make_ring, NULL));
	role("plain", work_spawn(write_q_later, NULL));
	close_pair(p);
	close_pair(q);
	asleep("ringed", SYS_write);
	asleep("plain", SYS_write);
}

static void read_p_on(void *unused)
{
	close(p[1]);
	get(p[0]);
	get(p[0]);
}

static void leave_orphan(void *unused)
{
	pid_t pid;

	close(p[0]);
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		/* as a daemon does; ends with the workload, as it holds its input */
		setsid();
		prctl(PR_SET_PDEATHSIG, 0);
		wait_for_end();
	}
	put(p[1]);
	tell(pid);
	_exit(0);
}

/* (c) an orphan that never writes keeps a pipe open, to which its parent has written */
static void orphan(void)
{
	pid_t pid;

	make_pipe(p);
	make_channel();
	role("reader", work_spawn(read_p_on, NULL));
	pid = work_spawn(leave_orphan, NULL);
	role("holder", hear_pid());
	work_reap(pid);
	close_pair(p);
	asleep("reader", SYS_read);
}

static void read_own(void *unused)
{
	get(p[0]);
}

/* the reader itself has forgotten to close its copy of the write end */
static void own_end(void)
{
	make_pipe(p);
	role("reader", work_spawn(read_own, NULL));
	close_pair(p);
	asleep("reader", SYS_read);
}

/* the write end is inside a unix socket that only the reader could receive from */
static void in_flight(void)
{
	int s[2];

	make_pipe(p);
	make_socket_pair(s, SOCK_STREAM);
	send_descriptor(s[0], p[1]);
	close(s[0]);
	role("reader", work_spawn(read_own, NULL));
	close(s[1]);
	close_pair(p);
	asleep("reader", SYS_read);
}

/* --------------------------------------------------------------- children */

static bool by_pidfd;

static void child_writes(void *unused)
{
	siginfo_t info;
	pid_t pid;
	int status;

	make_pipe(p);
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_p(NULL);
		_exit(0);
	}
	close(p[1]);
	tell(pid);
	if (by_pidfd)
		waitid(P_PIDFD, (id_t)syscall(SYS_pidfd_open, pid, 0), &info, WEXITED);
	else
		waitpid(pid, &status, 0);
}

/* (l) a parent waits for a child that is blocked on the parent's full pipe */
static void wait_child(void)
{
	make_channel();
	role("parent", work_spawn(child_writes, NULL));
	role("child", hear_pid());
	asleep("parent", by_pidfd ? SYS_waitid : SYS_wait4);
	asleep("child", SYS_write);
}

static void wait_child_by_pidfd(void)
{
	by_pidfd = true;
	wait_child();
}

/* ------------------------------------------------------------------- sets */

static void hold_writers(void *unused)
{
	close(p[0]);
	close(q[0]);
}

static void poll_both(void *unused)
{
	struct pollfd f[] = { { p[0], POLLIN, 0 }, { q[0], POLLIN, 0 } };

	close(p[1]);
	close(q[1]);
	poll(f, 2, -1);
}

static void select_both(void *unused)
{
	fd_set set;

	close(p[1]);
	close(q[1]);
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	FD_SET(q[0], &set);
	select(FD_SETSIZE, &set, NULL, NULL, NULL);
}

static void epoll_both(void *unused)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int e = epoll_create1(0);

	close(p[1]);
	close(q[1]);
	if (e < 0 || epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev) ||
	    epoll_ctl(e, EPOLL_CTL_ADD, q[0], &ev))
		work_die("epoll");
	epoll_wait(e, &ev, 1, -1);
}

/* (h, i) sets whose members a sleeping process could make ready */
static void sets(void)
{
	make_pipe(p);
	make_pipe(q);
	role("writer", work_spawn(hold_writers, NULL));
	role("poll", work_spawn(poll_both, NULL));
	role("select", work_spawn(select_both, NULL));
	role("epoll", work_spawn(epoll_both, NULL));
	close_pair(p);
	close_pair(q);
	asleep("poll", SYS_poll);
	asleep("select", -1);
	asleep("epoll", SYS_epoll_wait);
}

static void poll_then_nothing(void *unused)
{
	struct pollfd f[] = { { p[0], POLLIN, 0 } };

	close(p[1]);
	close(q[0]);
	poll(f, 1, -1);
}

static void epoll_q(void *unused)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int e = epoll_create1(0);

	close(q[1]);
	close(p[0]);
	if (e < 0 || epoll_ctl(e, EPOLL_CTL_ADD, q[0], &ev))
		work_die("epoll");
	epoll_wait(e, &ev, 1, -1);
}

/* each polls for what the other one could write */
static void poll_cycle(void)
{
	make_pipe(p);
	make_pipe(q);
	role("poll", work_spawn(poll_then_nothing, NULL));
	role("epoll", work_spawn(epoll_q, NULL));
	close_pair(p);
	close_pair(q);
	asleep("poll", SYS_poll);
	asleep("epoll", SYS_epoll_wait);
}

/* ------------------------------------------------------- SysV messages */

struct letter {
	long type;
	char text[32];
};

static int queue;

static void remove_queue(void)
{
	if (is_main())
		msgctl(queue, IPC_RMID, NULL);
}

static void make_queue(void)
{
	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0)
		work_die("msgget");
	atexit(remove_queue);
}

static void receive_42(void *unused)
{
	struct letter l;

	msgrcv(queue, &l, sizeof(l.text), 42, 0);
}

/* (e) a receiver whose type is not there */
static void no_match(void)
{
	struct letter l = { .type = 1 };

	make_queue();
	work_expect(msgsnd(queue, &l, 8, 0), 0, "msgsnd");
	l.type = 2;
	work_expect(msgsnd(queue, &l, 16, 0), 0, "msgsnd");
	role("receiver", work_spawn(receive_42, NULL));
	asleep("receiver", SYS_msgrcv);
}

static void send_1(void *unused)
{
	struct letter l = { .type = 1 };

	msgsnd(queue, &l, sizeof(l.text), 0);
}

/* ... and a sender behind messages that nobody asks for */
static void no_room(void)
{
	struct letter l = { .type = 1 };
	struct msqid_ds ds;

	make_queue();
	if (msgctl(queue, IPC_STAT, &ds))
		work_die("IPC_STAT");
	ds.msg_qbytes = 64;
	if (msgctl(queue, IPC_SET, &ds))
		work_die("IPC_SET");
	while (!msgsnd(queue, &l, sizeof(l.text), IPC_NOWAIT))
		continue;
	role("receiver", work_spawn(receive_42, NULL));
	role("sender", work_spawn(send_1, NULL));
	asleep("receiver", SYS_msgrcv);
	asleep("sender", SYS_msgsnd);
}

/* ---------------------------------------------------------------- threads */

static void *read_in_thread(void *unused)
{
	get(p[0]);
	return NULL;
}

static void two_threads(void *unused)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, read_in_thread, NULL))
		work_die("pthread_create");
}

/* (t) a thread waits for what another thread of the same process could write */
static void threads(void)
{
	make_pipe(p);
	role("process", work_spawn(two_threads, NULL));
	close_pair(p);
	asleep_anywhere("process", SYS_read);
}

/* ------------------------------------------------------------------- main */

/* a chain of processes, each writing to the full pipe of the next; the last is stopped */
struct link {
	int read_fd, write_fd;
};

static void pass_on(void *arg)
{
	const struct link *l = arg;

	close_others(l->read_fd, l->write_fd);
	if (l->write_fd < 0)
		return;
	fill(l->write_fd);
	put(l->write_fd);
}

static void chain(void)
{
	enum { LENGTH = 50 };
	static struct link links[LENGTH];
	static char names[LENGTH][8];

	for (int i = 0; i < LENGTH; i++)
		links[i].read_fd = links[i].write_fd = -1;
	for (int i = 0; i + 1 < LENGTH; i++) {
		make_pipe(p);
		links[i].write_fd = p[1];
		links[i + 1].read_fd = p[0];
	}
	for (int i = 0; i < LENGTH; i++) {
		snprintf(names[i], sizeof(names[i]), "p%d", i);
		role(names[i], work_spawn(pass_on, &links[i]));
	}
	close_others(-1, -1);
	for (int i = 0; i + 1 < LENGTH; i++)
		asleep(names[i], SYS_write);
	/* not before it has closed what it inherited */
	asleep(names[LENGTH - 1], SYS_pause);
	stop(names[LENGTH - 1]);
}

enum { CROWD_MAX = 4000 };

static void make_crowd(void *unused)
{
	static pid_t pids[CROWD_MAX];
	int count = work_arg(0, 100) - 1;

	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			work_die("fork");
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		get(p[0]);
		_exit(0);
	}
	for (int i = 0; i < count; i++)
		work_wait_blocked(pids[i], SYS_read, p[0]);
	get(p[0]);
}

/* many who have inherited both ends of one pipe, and wait for each other: crowd COUNT */
static void crowd(void)
{
	work_expect(work_arg(0, 100) < CROWD_MAX, true, "crowd");
	make_pipe(p);
	role("first", work_spawn(make_crowd, NULL));
	close_pair(p);
	asleep("first", SYS_read);
}

static const struct work_mode modes[] = {
	{ "full", full_pipe }, { "two", two_pipes }, { "ring", two_and_ring },
	{ "orphan", orphan }, { "own", own_end }, { "inflight", in_flight },
	{ "child", wait_child }, { "childfd", wait_child_by_pidfd }, { "sets", sets },
	{ "pollcycle", poll_cycle }, { "nomatch", no_match }, { "noroom", no_room },
	{ "threads", threads }, { "chain", chain }, { "crowd", crowd },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
