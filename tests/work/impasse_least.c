/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Waiters for whom what is there is not enough: "reader" has the end that the rest
 * would have to come from, or go to, and waits until "waiter" goes on.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <linux/tcp.h>
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

/* all that there is was looked at before */
static void peek_behind(void *unused)
{
	int none = 0;

	if (setsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none)))
		work_die("SO_PEEK_OFF");
	while (recv(s[0], data, sizeof(data), MSG_PEEK | MSG_DONTWAIT) > 0)
		continue;
	receive_as(MSG_PEEK);
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

static void begin(void (*waits)(void *), long call)
{
	role("waiter", work_spawn(waits, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("waiter", call);
	asleep("reader", SYS_read);
}

static void knot(void (*waits)(void *), long call)
{
	send_part();
	begin(waits, call);
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

static void peek_at_new(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	knot(peek_behind, SYS_recvmsg);
}

/* it comes first, and is not among what is read with the others */
static void urgent(void)
{
	int marked = 0;

	make_pipe(q);
	tcp_pair();
	if (send(s[1], data, 1, MSG_OOB) != 1)
		work_die("send");
	while (!marked)
		if (ioctl(s[0], SIOCATMARK, &marked))
			work_die("SIOCATMARK");
	begin(poll_s0, SYS_poll);
}

static void poll_s0_for_room(void *unused)
{
	poll_s0_for(POLLOUT);
}

static void send_on(void *unused)
{
	close_others(s[0], q[1]);
	send(s[0], data, sizeof(data), 0);
}

/* its window is full, to the last byte that probes have put there: the rest stays here */
static int peer_takes_nothing(int socket)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &len))
		work_die("TCP_INFO");
	return info.tcpi_notsent_bytes && !info.tcpi_unacked && !info.tcpi_snd_wnd;
}

/* of a buffer that has room for much more only little may be unsent, once the peer takes nothing */
static void unsent(void (*waits)(void *), long call)
{
	int room = 4 << 20, limit = 1;

	make_pipe(q);
	tcp_pair();
	if (setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) ||
	    setsockopt(s[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof(limit)))
		work_die("setsockopt");
	do
		fill(s[0]);
	while (!peer_takes_nothing(s[0]));
	/* whatever the limit, more may join the last segment since its beginning was sent */
	fill(s[0]);
	begin(waits, call);
}

static void unsent_poll(void) { unsent(poll_s0_for_room, SYS_poll); }
static void unsent_send(void) { unsent(send_on, SYS_sendto); }

/* a set that has told of the other one, which is as ready as before, and tells when that changes */
static void wait_for_set_of_sets(void *unused)
{
	struct epoll_event e = { .events = EPOLLIN };
	int inner, outer;

	close_others(s[0], q[1]);
	inner = epoll_create1(0);
	outer = epoll_create1(0);
	if (epoll_ctl(inner, EPOLL_CTL_ADD, s[0], &e))
		work_die("epoll");
	e.events = EPOLLIN | EPOLLET;
	if (epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e) || epoll_wait(outer, &e, 1, -1) != 1)
		work_die("epoll");
	epoll_wait(outer, &e, 1, -1);
}

static void edge_of_set(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	knot(wait_for_set_of_sets, SYS_epoll_wait);
}

static const struct work_mode modes[] = {
	{ "leastunix", least_unix },
	{ "leasttcp", least_tcp },
	{ "leastpoll", least_poll },
	{ "pollapart", poll_apart },
	{ "epollapart", epoll_apart },
	{ "waitall", all_of_message },
	{ "peekall", peek_at_all },
	{ "peeknew", peek_at_new },
	{ "urgentpoll", urgent },
	{ "unsentpoll", unsent_poll },
	{ "unsentsend", unsent_send },
	{ "edgeset", edge_of_set },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
