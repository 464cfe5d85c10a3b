/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots in which the descriptor that a call is about stands for something else by now: another
 * thread, which may have ended, or another process of the same table has put that in its place.
 * A holder sleeps who could end the wait; what has taken its place would make a ring. And rings of
 * processes that share a table, or have a descriptor twice in a set.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define IN_PLACE 0 /* ticks: how many have what they need */

static int in, out;		     /* what is waited for, and what ends that */
static int replacing_in, replacing_out; /* ... and what comes in its place */
static int told[2];
static void (*wait_there)(int fd);

/* -------------------------------------------------------------------- waits */

static void by_read(int fd) { get(fd); }

static void by_poll(int fd)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };

	poll(&f, 1, -1);
}

static void by_select(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	select(fd + 1, &set, NULL, NULL, NULL);
}

static void by_recvmsg(int fd)
{
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	recvmsg(fd, &m, 0);
}

static void by_epoll(int set)
{
	struct epoll_event e;

	epoll_wait(set, &e, 1, -1);
}

#define HOUR_MS 3600000

static void by_epoll_timed(int set)
{
	struct epoll_event e;

	epoll_wait(set, &e, 1, HOUR_MS);
}

static void by_waitid(int pidfd)
{
	siginfo_t info;

	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
}

/* ---------------------------------------------------------------- processes */

static void replace(void)
{
	get(told[0]);
	dup2(replacing_in, in);
	close(replacing_in);
	work_tick(IN_PLACE);
}

static void *replace_and_end(void *unused)
{
	replace();
	return NULL;
}

static void *hear_and_end(void *unused)
{
	get(told[0]);
	work_tick(IN_PLACE);
	return NULL;
}

static void *wait_and_end(void *unused)
{
	wait_there(in);
	return NULL;
}

static pthread_t start(void *(*run)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL))
		work_die("pthread_create");
	return thread;
}

static void close_ends_of_others(void)
{
	close(out);
	close(replacing_out);
	close(told[1]);
	close(q[0]);
}

static void wait_replaced_by_gone(void *unused)
{
	close_ends_of_others();
	start(replace_and_end);
	wait_there(in);
}

static void wait_replaced_by_thread(void *unused)
{
	pthread_t thread;

	close_ends_of_others();
	thread = start(wait_and_end);
	replace();
	pthread_join(thread, NULL);
}

static void wait_replaced_by_process(void *unused)
{
	close_ends_of_others();
	if (!syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL)) {
		replace();
		_exit(0);
	}
	wait_there(in);
}

/* has what would end the wait for what has come in the place of the other */
static void read_q_with_replacing(void *unused)
{
	close(in);
	close(out);
	close(replacing_in);
	close_pair(told);
	close(q[1]);
	get(q[0]);
}

static void hold_out(void *unused)
{
	close_others(out, -1);
}

/* -------------------------------------------------------------------- knots */

static void use(const int ends[2], const int replacing[2])
{
	in = ends[0];
	out = ends[1];
	replacing_in = replacing[0];
	replacing_out = replacing[1];
}

static void make_ends(void)
{
	int ends[2], replacing[2];

	make_pipe(ends);
	make_pipe(replacing);
	use(ends, replacing);
}

static void stray(void (*process)(void *), void (*wait)(int), long nr, long nr_of_process)
{
	wait_there = wait;
	make_pipe(q);
	make_pipe(told);
	role("process", work_spawn(process, NULL));
	role("reader", work_spawn(read_q_with_replacing, NULL));
	role("holder", work_spawn(hold_out, NULL));
	close_others(told[1], -1);
	asleep_anywhere("process", nr);
	put(told[1]);
	work_wait_ticks(IN_PLACE, 1);
	let_go();
	asleep_wholly("process", nr_of_process);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

static void stray_poll(void)
{
	make_ends();
	stray(wait_replaced_by_thread, by_poll, SYS_poll, SYS_futex);
}

static void stray_select(void)
{
	make_ends();
	stray(wait_replaced_by_thread, by_select, SYS_pselect6, SYS_futex);
}

static void stray_gone(void)
{
	make_ends();
	stray(wait_replaced_by_gone, by_read, SYS_read, SYS_read);
}

static void stray_poll_gone(void)
{
	make_ends();
	stray(wait_replaced_by_gone, by_poll, SYS_poll, SYS_poll);
}

static void stray_process(void)
{
	make_ends();
	stray(wait_replaced_by_process, by_read, SYS_read, SYS_read);
}

static void stray_socket(void)
{
	int ends[2], replacing[2];

	make_socket_pair(ends, SOCK_STREAM);
	make_socket_pair(replacing, SOCK_STREAM);
	use(ends, replacing);
	stray(wait_replaced_by_gone, by_recvmsg, SYS_recvmsg, SYS_recvmsg);
}

/* what limits the wait is the socket's, which nobody has by a descriptor by then */
static void stray_timed_socket(void)
{
	struct timeval hour = { .tv_sec = HOUR_MS / 1000 };
	int ends[2], replacing[2];

	make_socket_pair(ends, SOCK_STREAM);
	make_socket_pair(replacing, SOCK_STREAM);
	if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof(hour)))
		work_die("SO_RCVTIMEO");
	use(ends, replacing);
	stray(wait_replaced_by_gone, by_recvmsg, SYS_recvmsg, SYS_recvmsg);
}

static int set_of(int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	int set = epoll_create1(0);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		work_die("epoll");
	return set;
}

static void make_sets(void)
{
	int ends[2], replacing[2];

	make_ends();
	ends[0] = set_of(in);
	ends[1] = out;
	replacing[0] = set_of(replacing_in);
	replacing[1] = replacing_out;
	use(ends, replacing);
}

static void stray_set(void)
{
	make_sets();
	stray(wait_replaced_by_gone, by_epoll, SYS_epoll_wait, SYS_epoll_wait);
}

static void stray_timed_set(void)
{
	make_sets();
	stray(wait_replaced_by_gone, by_epoll_timed, SYS_epoll_wait, SYS_epoll_wait);
}

/* ----------------------------------------------------------------------- locks */

static char path[2][64];

static int open_locked(unsigned which)
{
	int fd = open(path[which], O_RDWR | O_CREAT, 0600);

	if (fd < 0 || flock(fd, LOCK_EX))
		work_die(path[which]);
	unlink(path[which]);
	return fd;
}

static void by_flock(int fd)
{
	flock(fd, LOCK_EX);
}

/* of the same file, but not of the same description */
static int open_again(int fd)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	fd = open(name, O_RDWR);
	if (fd < 0)
		work_die(name);
	return fd;
}

/* what is held is locked, by who has the other description of it */
static void stray_lock(void)
{
	int ends[2], replacing[2];

	for (unsigned i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "/tmp/lens-stray-%d-%u", getpid(), i);
	ends[1] = open_locked(0);
	ends[0] = open_again(ends[1]);
	replacing[1] = open_locked(1);
	replacing[0] = open_again(replacing[1]);
	use(ends, replacing);
	stray(wait_replaced_by_gone, by_flock, SYS_flock, SYS_flock);
}

/* -------------------------------------------------------------------- children */

static void pause_alone(void *unused)
{
	close_others(-1, -1);
}

static void read_q_alone(void *unused)
{
	close_others(q[0], -1);
	get(q[0]);
}

static int number_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		work_skip("no descriptors of processes here");
	return fd;
}

/* waits for a child that sleeps, not for the one that waits for it */
static void wait_for_child(void *unused)
{
	pid_t holder = work_spawn(pause_alone, NULL), reader = work_spawn(read_q_alone, NULL);

	tell(holder);
	tell(reader);
	close(q[0]);
	close(told[1]);
	in = number_of(holder);
	replacing_in = number_of(reader);
	start(replace_and_end);
	by_waitid(in);
}

static void stray_child(void)
{
	make_pipe(q);
	make_pipe(told);
	make_channel();
	role("process", work_spawn(wait_for_child, NULL));
	role("holder", hear_pid());
	role("reader", hear_pid());
	close_others(told[1], -1);
	asleep_anywhere("process", SYS_waitid);
	put(told[1]);
	work_wait_ticks(IN_PLACE, 1);
	let_go();
	asleep_wholly("process", SYS_waitid);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* ----------------------------------------------------------------------- rings */

static int s[2];

/* both read, by one descriptor of one table */
static void read_s0_twice(void *unused)
{
	close_others(s[0], -1);
	if (!syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL))
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	get(s[0]);
}

static void read_s1(void *unused)
{
	close_others(s[1], -1);
	get(s[1]);
}

static void shared_table(void)
{
	make_socket_pair(s, SOCK_STREAM);
	role("sharer", work_spawn(read_s0_twice, NULL));
	role("reader", work_spawn(read_s1, NULL));
	let_go();
	asleep("sharer", SYS_read);
	asleep("reader", SYS_read);
}

/* a thread was there when the call began, which had to take a reference of its own then */
static void receive_beside_gone(void *unused)
{
	close_others(s[0], told[0]);
	start(hear_and_end);
	by_recvmsg(s[0]);
}

static void ended_thread(void)
{
	make_pipe(told);
	make_socket_pair(s, SOCK_STREAM);
	role("process", work_spawn(receive_beside_gone, NULL));
	role("reader", work_spawn(read_s1, NULL));
	close_others(told[1], -1);
	asleep_anywhere("process", SYS_recvmsg);
	put(told[1]);
	work_wait_ticks(IN_PLACE, 1);
	let_go();
	asleep_wholly("process", SYS_recvmsg);
	asleep("reader", SYS_read);
}

/* entries for several kinds of events, all of one descriptor */
static void poll_s0_twice(void *unused)
{
	struct pollfd both[] = { { s[0], POLLIN, 0 }, { -1, 0, 0 }, { s[0], POLLPRI, 0 },
				 { s[0], 0, 0 } };

	close_others(s[0], -1);
	poll(both, ARRAY_SIZE(both), -1);
}

static void polled_twice(void)
{
	make_socket_pair(s, SOCK_STREAM);
	role("poll", work_spawn(poll_s0_twice, NULL));
	role("reader", work_spawn(read_s1, NULL));
	let_go();
	asleep("poll", SYS_poll);
	asleep("reader", SYS_read);
}

/* ------------------------------------------------------------ a process group */

static pid_t reader;

static void lead_and_read_q(void *unused)
{
	setpgid(0, 0);
	read_q(NULL);
}

static void *join_reader(void *unused)
{
	get(told[0]);
	setpgid(0, reader);
	work_tick(IN_PLACE);
	return NULL;
}

static bool group_by_id;

static void wait_for_group(void *unused)
{
	pid_t holder;

	setpgid(0, 0);
	holder = work_spawn(hold_out, NULL);
	reader = work_spawn(lead_and_read_q, NULL);
	tell(holder);
	tell(reader);
	close_others(q[1], told[0]);
	start(join_reader);
	if (group_by_id)
		waitid(P_PGID, 0, &(siginfo_t){ 0 }, WEXITED);
	else
		waitpid(0, NULL, 0);
}

/* it waits for the children of the group that it was in, and is in that of the reader by now */
static void stray_group_by(long nr)
{
	make_pipe(q);
	make_pipe(told);
	make_channel();
	role("process", work_spawn(wait_for_group, NULL));
	role("holder", hear_pid());
	role("reader", hear_pid());
	asleep_anywhere("process", nr);
	put(told[1]);
	work_wait_ticks(IN_PLACE, 1);
	let_go();
	asleep_wholly("process", nr);
	asleep("reader", SYS_read);
}

static void stray_group(void)
{
	stray_group_by(SYS_wait4);
}

static void stray_group_id(void)
{
	group_by_id = true;
	stray_group_by(SYS_waitid);
}

static const struct work_mode modes[] = {
	{ "straypoll", stray_poll },
	{ "strayselect", stray_select },
	{ "straygone", stray_gone },
	{ "straypollgone", stray_poll_gone },
	{ "strayprocess", stray_process },
	{ "straysocket", stray_socket },
	{ "strayset", stray_set },
	{ "endedthread", ended_thread },
	{ "straytimedsocket", stray_timed_socket },
	{ "straytimedset", stray_timed_set },
	{ "straychild", stray_child },
	{ "straygroup", stray_group },
	{ "straygroupid", stray_group_id },
	{ "straylock", stray_lock },
	{ "sharedtable", shared_table },
	{ "polledtwice", polled_twice },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
