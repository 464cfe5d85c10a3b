/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Readers for whom what is there is not enough: "reader" has the end that the rest
 * would have to come from, and waits until "waiter" goes on.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define LEAST 100
#define PART 10

static int s[2];
static char data[LEAST];

static void read_q_with_s1(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

static void receive(void *unused)
{
	close_others(s[0], q[1]);
	read(s[0], data, sizeof(data));
}

static void receive_as(int flags)
{
	struct iovec v = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	close_others(s[0], q[1]);
	recvmsg(s[0], &m, flags);
}

static void receive_all(void *unused)
{
	receive_as(MSG_WAITALL);
}

/* what there is stays where it is */
static void peek(void *unused)
{
	receive_as(MSG_WAITALL | MSG_PEEK);
}

static void poll_s0_for(short events)
{
	struct pollfd f = { .fd = s[0], .events = events };

	close_others(s[0], q[1]);
	poll(&f, 1, -1);
}

static void poll_s0(void *unused)
{
	poll_s0_for(POLLIN);
}

/* what there is to read says nothing of either */
static void poll_s0_apart(void *unused)
{
	poll_s0_for(POLLPRI | POLLRDHUP);
}

static void epoll_s0_apart(void *unused)
{
	struct epoll_event e = { .events = EPOLLPRI | EPOLLRDHUP };
	int set = epoll_create1(0);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, s[0], &e))
		work_die("epoll");
	close(s[1]);
	close(q[0]);
	epoll_wait(set, &e, 1, -1);
}

static void tcp_pair(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	s[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&a, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&a, &len) || connect(s[1], (void *)&a, len))
		work_die("connect");
	s[0] = accept(listener, NULL, NULL);
	close(listener);
}

/* a part of what is waited for, so that it is there before the wait begins */
static void send_part(void)
{
	int there = 0;

	if (write(s[1], data, PART) != PART)
		work_die("write");
	while (there < PART)
		if (ioctl(s[0], FIONREAD, &there))
			work_die("FIONREAD");
}

static void need_least(void)
{
	int least = LEAST;

	if (setsockopt(s[0], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least)))
		work_die("SO_RCVLOWAT");
}

static void knot(void (*waits)(void *), long call)
{
	send_part();
	role("waiter", work_spawn(waits, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("waiter", call);
	asleep("reader", SYS_read);
}

static void least_unix(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	need_least();
	knot(receive, SYS_read);
}

static void least_tcp(void)
{
	make_pipe(q);
	tcp_pair();
	need_least();
	knot(receive, SYS_read);
}

static void least_poll(void)
{
	make_pipe(q);
	tcp_pair();
	need_least();
	knot(poll_s0, SYS_poll);
}

static void poll_apart(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	knot(poll_s0_apart, SYS_poll);
}

static void epoll_apart(void)
{
	make_pipe(q);
	tcp_pair();
	knot(epoll_s0_apart, SYS_epoll_wait);
}

static void all_of_message(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	knot(receive_all, SYS_recvmsg);
}

static void peek_at_all(void)
{
	make_pipe(q);
	tcp_pair();
	knot(peek, SYS_recvmsg);
}

static const struct work_mode modes[] = {
	{ "leastunix", least_unix },
	{ "leasttcp", least_tcp },
	{ "leastpoll", least_poll },
	{ "pollapart", poll_apart },
	{ "epollapart", epoll_apart },
	{ "waitall", all_of_message },
	{ "peekall", peek_at_all },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
