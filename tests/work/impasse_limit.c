/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Time limits that are not to be seen in what limits calls, by now: "waiter" went to sleep with
 * one, and then it was taken away, for calls to come; or the kernel has one of its own. "reader"
 * waits for the waiter, and could end its wait.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "redirect.h"
#include "work.h"

static int s[2]; /* the waiter's, and the reader's */

static void get_s0(void *unused)
{
	close_others(s[0], q[1]);
	get(s[0]);
}

static void put_s0(void *unused)
{
	close_others(s[0], q[1]);
	put(s[0]);
}

static void read_q_with_s1(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

static void start(void (*waits)(void *), long nr)
{
	make_pipe(q);
	role("waiter", work_spawn(waits, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	asleep("waiter", nr);
	asleep("reader", SYS_read);
}

/* ------------------------------------------------------------------- sockets */

static void limit(int option, time_t seconds)
{
	struct timeval limit = { .tv_sec = seconds };

	if (setsockopt(s[0], SOL_SOCKET, option, &limit, sizeof(limit)))
		work_die("time limit");
}

static void lifted(int option, void (*waits)(void *), long nr)
{
	limit(option, 3600);
	start(waits, nr);
	limit(option, 0);
	let_go();
}

static void limit_of_read(void)
{
	make_socket_pair(s, SOCK_STREAM);
	lifted(SO_RCVTIMEO, get_s0, SYS_read);
}

static void limit_of_read_tcp(void)
{
	redirect_pair(s);
	lifted(SO_RCVTIMEO, get_s0, SYS_read);
}

static void limit_of_send(void)
{
	make_socket_pair(s, SOCK_STREAM);
	fill(s[0]);
	lifted(SO_SNDTIMEO, put_s0, SYS_write);
}

/* the call that has begun without one has none */
static void limit_comes_later(void)
{
	make_socket_pair(s, SOCK_STREAM);
	start(get_s0, SYS_read);
	limit(SO_RCVTIMEO, 3600);
	let_go();
}

/* ------------------------------------------------------------------ terminals */

static void set_least(unsigned bytes, unsigned tenths)
{
	struct termios t;

	if (tcgetattr(s[0], &t))
		work_die("tcgetattr");
	cfmakeraw(&t);
	t.c_cc[VMIN] = bytes;
	t.c_cc[VTIME] = tenths;
	if (tcsetattr(s[0], TCSANOW, &t))
		work_die("tcsetattr");
}

static void limit_of_terminal(void)
{
	s[1] = posix_openpt(O_RDWR | O_NOCTTY);
	if (s[1] < 0 || grantpt(s[1]) || unlockpt(s[1]))
		work_die("posix_openpt");
	s[0] = open(ptsname(s[1]), O_RDWR | O_NOCTTY);
	set_least(0, 250);
	start(get_s0, SYS_read);
	set_least(1, 0);
	let_go();
}

/* ---------------------------------------------------------------- connections */

#define CLIENTS 4 /* more than may wait to be accepted */

static int clients[CLIENTS];

static void connect_all(const struct sockaddr_in *to)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(clients[i], (const void *)to, sizeof(*to)) && errno != EINPROGRESS)
			work_die("connect");
	}
}

static void poll_last(void *unused)
{
	struct pollfd f = { .fd = clients[CLIENTS - 1], .events = POLLIN };

	close_others(f.fd, q[1]);
	poll(&f, 1, -1);
}

/* nobody answers the last one: the kernel gives it up some time */
static void limit_of_connecting(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(a);

	s[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s[1], (void *)&a, size) || getsockname(s[1], (void *)&a, &size) ||
	    listen(s[1], 0))
		work_die("listen");
	connect_all(&a);
	start(poll_last, SYS_poll);
	let_go();
}

static const struct work_mode modes[] = {
	{ "limitlater", limit_comes_later },
	{ "limitread", limit_of_read },
	{ "limittcp", limit_of_read_tcp },
	{ "limitsend", limit_of_send },
	{ "limittty", limit_of_terminal },
	{ "limitconnect", limit_of_connecting },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
