/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots that somebody beside them can end, or that somebody beside them only seems
 * to be able to end: channels whose other side is not where one looks first.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int s[2];

/* ------------------------------------------------------------- more listeners */

/* two at one port or name: the first is that of "other", which waits for the client */
static int listener[2], client;

static void wait_for_client(void *unused)
{
	close_others(listener[0], q[0]);
	get(q[0]);
}

static void hold_listener(void *unused)
{
	close_others(listener[1], -1);
}

static void read_connection(void *unused)
{
	close_others(client, q[1]);
	get(client);
}

static int listen_inet(const char *address, struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	socklen_t len = sizeof(*a);

	a->sin_family = AF_INET;
	inet_pton(AF_INET, address, &a->sin_addr);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(fd, (void *)a, len) || listen(fd, 4) || getsockname(fd, (void *)a, &len))
		work_die("listen");
	return fd;
}

/* until the kernel, which chooses by the port of the client, gives one to the second listener */
static int connect_to_second(const struct sockaddr_in *a)
{
	struct pollfd either[] = {
		{ .fd = listener[0], .events = POLLIN },
		{ .fd = listener[1], .events = POLLIN },
	};

	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (const void *)a, sizeof(*a)) || poll(either, 2, -1) < 1)
			work_die("connect");
		if (either[1].revents)
			return fd;
		close(accept(listener[0], NULL, NULL));
		close(fd);
	}
}

static void not_accepted(const char *first, const char *second)
{
	struct sockaddr_in a = { 0 };

	listener[0] = listen_inet(first, &a);
	listener[1] = listen_inet(second, &a);
	client = connect_to_second(&a);
	make_pipe(q);
	role("other", work_spawn(wait_for_client, NULL));
	role("listener", work_spawn(hold_listener, NULL));
	role("client", work_spawn(read_connection, NULL));
	let_go();
	asleep("other", SYS_read);
	asleep("listener", SYS_pause);
	asleep("client", SYS_read);
}

/* two addresses of one port */
static void two_addresses(void)
{
	not_accepted("127.0.0.1", "127.0.0.2");
}

/* SO_REUSEPORT: the kernel shares connections out between them */
static void shared_port(void)
{
	not_accepted("127.0.0.1", "127.0.0.1");
}

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len;

static void remove_path(void)
{
	if (is_main())
		unlink(address.sun_path);
}

static int listen_unix(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, (void *)&address, address_len) || listen(fd, 0))
		work_die("listen");
	return fd;
}

static void fill_backlog(void)
{
	int fd;

	do
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (!connect(fd, (void *)&address, address_len));
}

static void connect_here(void *unused)
{
	int fd;

	close_others(q[1], -1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (void *)&address, address_len))
		work_die("connect");
}

/* a name that was removed and bound again: both listeners have it, one can be reached */
static void bound_again(void)
{
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/lens-knot-%d", getpid());
	address_len = sizeof(address);
	listener[0] = listen_unix();
	unlink(address.sun_path);
	listener[1] = listen_unix();
	atexit(remove_path);
	fill_backlog();
	make_pipe(q);
	role("other", work_spawn(wait_for_client, NULL));
	role("listener", work_spawn(hold_listener, NULL));
	role("client", work_spawn(connect_here, NULL));
	let_go();
	asleep("other", SYS_read);
	asleep("listener", SYS_pause);
	asleep("client", SYS_connect);
}

/* -------------------------------------------------------------------- sockets */

static void make_tcp_pair(void)
{
	struct sockaddr_in a = { 0 };
	int l = listen_inet("127.0.0.1", &a);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s[0], (void *)&a, sizeof(a)))
		work_die("connect");
	s[1] = accept(l, NULL, NULL);
	if (s[1] < 0)
		work_die("accept");
	close(l);
}

static void hold_s1(void *unused)
{
	close_others(s[1], -1);
}

static void select_exceptions(void *unused)
{
	fd_set readable, urgent;

	close(p[1]);
	close(q[0]);
	close(s[1]);
	FD_ZERO(&readable);
	FD_SET(p[0], &readable);
	FD_ZERO(&urgent);
	FD_SET(s[0], &urgent);
	select(FD_SETSIZE, &readable, NULL, &urgent, NULL);
}

/* data out of band would end it: the third set of select(2) */
static void select_except(void)
{
	make_pipes();
	make_tcp_pair();
	role("selector", work_spawn(select_exceptions, NULL));
	role("reader", work_spawn(read_q, NULL));
	role("sender", work_spawn(hold_s1, NULL));
	let_go();
	asleep("selector", -1);
	asleep("reader", SYS_read);
	asleep("sender", SYS_pause);
}

static void read_q_with_s1(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

static void write_s0_limited(void *unused)
{
	unsigned limit_ms = 3600 * 1000;

	close_others(s[0], q[1]);
	if (setsockopt(s[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms)))
		work_die("TCP_USER_TIMEOUT");
	fill(s[0]);
	/* what was on its way to the other end may have made room since */
	for (;;)
		put(s[0]);
}

/* the kernel gives the connection up when nothing is acknowledged for an hour */
static void tcp_user_timeout(void)
{
	make_pipe(q);
	make_tcp_pair();
	role("writer", work_spawn(write_s0_limited, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("writer", SYS_write);
	asleep("reader", SYS_read);
}

static void poll_room(int timeout_ms)
{
	struct pollfd f = { .fd = s[0], .events = POLLOUT };

	work_expect(poll(&f, 1, timeout_ms), 0, "poll");
}

static void poll_s0(void *unused)
{
	close_others(s[0], q[1]);
	poll_room(0);
	poll_room(-1);
}

/* what a unix socket has sent and nobody has taken, in bytes as they count for SO_SNDBUF */
static int untaken(void)
{
	int bytes;

	if (ioctl(s[0], SIOCOUTQ, &bytes))
		work_die("SIOCOUTQ");
	return bytes;
}

/* more than half of the buffer is free, but only with three quarters is it writable */
static void unix_quarter(void)
{
	char data[4096];
	int size;
	socklen_t len = sizeof(size);

	make_pipe(q);
	make_socket_pair(s, SOCK_STREAM);
	if (getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, &len))
		work_die("SO_SNDBUF");
	fill(s[0]);
	while (untaken() > size / 8 * 3)
		if (read(s[1], data, sizeof(data)) < 1)
			work_die("read");
	work_expect(untaken() > size / 4, true, "between a quarter and a half");
	role("poll", work_spawn(poll_s0, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("poll", SYS_poll);
	asleep("reader", SYS_read);
}

static void name_address(void)
{
	int n = snprintf(address.sun_path + 1, 32, "lens-knot-%d", getpid());

	address_len = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);
}

static void send_to_name(void *unused)
{
	struct iovec data = { "x", 1 };
	struct msghdr m = {
		.msg_name = &address, .msg_namelen = address_len,
		.msg_iov = &data, .msg_iovlen = 1,
	};

	close_others(s[0], q[1]);
	sendmsg(s[0], &m, 0);
}

/* the socket itself is not connected and has room: the queue of the one that is named has none */
static void sendmsg_named(void)
{
	name_address();
	make_pipe(q);
	s[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
	s[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(s[1], (void *)&address, address_len))
		work_die("bind");
	while (sendto(s[0], "x", 1, MSG_DONTWAIT, (void *)&address, address_len) == 1)
		continue;
	role("sender", work_spawn(send_to_name, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("sender", SYS_sendmsg);
	asleep("reader", SYS_read);
}

/* ---------------------------------------------------------------------- pipes */

static int third[2];

static void poll_like_tee(void *unused)
{
	struct pollfd f[] = {
		{ .fd = p[0], .events = POLLIN },
		/* never there; an error is, as soon as nobody reads any more */
		{ .fd = third[1], .events = POLLRDBAND },
	};

	close(p[1]);
	close(q[0]);
	close(third[0]);
	poll(f, ARRAY_SIZE(f), -1);
}

static void hold_third(void *unused)
{
	close_others(third[0], -1);
}

/* `tee -p` watches in this way whether its output still has a reader */
static void poll_band(void)
{
	make_pipes();
	make_pipe(third);
	role("poll", work_spawn(poll_like_tee, NULL));
	role("reader", work_spawn(read_q, NULL));
	role("holder", work_spawn(hold_third, NULL));
	let_go();
	asleep("poll", SYS_poll);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* -------------------------------------------------- descriptors on their way */

/* fd is in a connection that the holder of the listener can accept */
static void put_in_flight(int fd)
{
	name_address();
	listener[1] = listen_unix();
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(client, (void *)&address, address_len))
		work_die("connect");
	send_descriptor(client, fd);
}

static mqd_t out;

static void send_mq(void *unused)
{
	close_others(out, -1);
	mq_send(out, "x", 1, 0);
}

/* a full queue without a name, whose only receiver is in flight */
static void mq_in_flight(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	char name[64];
	mqd_t in;

	snprintf(name, sizeof(name), "/lens-knot-%d", getpid());
	in = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, 0600, &attr);
	out = mq_open(name, O_WRONLY);
	if (in < 0 || out < 0)
		work_die("mq_open");
	mq_unlink(name);
	if (mq_send(out, "x", 1, 0))
		work_die("mq_send");
	put_in_flight(in);
	role("sender", work_spawn(send_mq, NULL));
	role("listener", work_spawn(hold_listener, NULL));
	let_go();
	asleep("sender", SYS_mq_timedsend);
	asleep("listener", SYS_pause);
}

static int read_p_too(void *unused)
{
	work_adopt();
	get(p[0]);
	return 0;
}

static void share_table(void *unused)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = clone(read_p_too, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);

	if (pid < 0)
		work_die("clone");
	tell(pid);
	close_others(p[0], q[1]);
	get(p[0]);
}

/*
 * Two processes have one table of descriptors: that is one reference to each of them, not two,
 * and the other one to an end of q is in flight.
 */
static void flight_and_table(void)
{
	make_pipes();
	make_channel();
	put_in_flight(q[1]);
	role("one", work_spawn(share_table, NULL));
	role("two", hear_pid());
	role("reader", work_spawn(read_q, NULL));
	role("listener", work_spawn(hold_listener, NULL));
	let_go();
	asleep("one", SYS_read);
	asleep("two", SYS_read);
	asleep("reader", SYS_read);
	asleep("listener", SYS_pause);
}

static const struct work_mode modes[] = {
	{ "tcplisten", two_addresses },	   { "tcpreuse", shared_port },
	{ "unixrebind", bound_again },	   { "selectexcept", select_except },
	{ "tcpuser", tcp_user_timeout },   { "unixquarter", unix_quarter },
	{ "dgramsendmsg", sendmsg_named }, { "pollrdband", poll_band },
	{ "mqflight", mq_in_flight },	   { "flightshared", flight_and_table },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
