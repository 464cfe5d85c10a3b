/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots over sockets: streams and queues that nobody takes from, connections
 * that nobody accepts, two that wait for the other to speak first.
 */
#define _GNU_SOURCE 1
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int s[2];

static void hold_s1(void *unused)
{
	close(s[0]);
}

static void write_s0(void *unused)
{
	close(s[1]);
	fill(s[0]);
	put(s[0]);
}

static void read_s0(void *unused)
{
	close(s[1]);
	get(s[0]);
}

static void read_s1(void *unused)
{
	close(s[0]);
	get(s[1]);
}

static void full_socket(void)
{
	role("reader", work_spawn(hold_s1, NULL));
	role("writer", work_spawn(write_s0, NULL));
	close_pair(s);
	asleep("reader", SYS_pause);
	asleep("writer", SYS_write);
}

/* (f) a stream nobody reads from */
static void unix_full(void)
{
	make_socket_pair(s, SOCK_STREAM);
	full_socket();
}

static void unix_stopped(void)
{
	unix_full();
	stop("reader");
}

/* a debugger has it, and has stopped it */
static void unix_traced(void)
{
	unix_full();
	trace("reader");
}

/* (n) a queue of datagrams nobody takes */
static void dgram_full(void)
{
	make_socket_pair(s, SOCK_DGRAM);
	full_socket();
}

/* each waits for the other to speak first */
static void unix_cycle(void)
{
	make_socket_pair(s, SOCK_SEQPACKET);
	role("one", work_spawn(read_s0, NULL));
	role("two", work_spawn(read_s1, NULL));
	close_pair(s);
	asleep("one", SYS_read);
	asleep("two", SYS_read);
}

static void make_tcp_pair(int pair[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len))
		work_die("listen");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (void *)&a, len))
		work_die("connect");
	pair[1] = accept(l, NULL, NULL);
	if (pair[1] < 0)
		work_die("accept");
	close(l);
}

/* (m) zero window */
static void tcp_full(void)
{
	make_tcp_pair(s);
	full_socket();
}

static void tcp_cycle(void)
{
	make_tcp_pair(s);
	role("one", work_spawn(read_s0, NULL));
	role("two", work_spawn(read_s1, NULL));
	close_pair(s);
	asleep("one", SYS_read);
	asleep("two", SYS_read);
}

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len;
static int listener;

static void make_listener(int backlog)
{
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path + 1, 32, "lens-knot-%d", getpid());
	address_len = sizeof(sa_family_t) + 1 + strlen(address.sun_path + 1);
	if (bind(listener, (void *)&address, address_len) || listen(listener, backlog))
		work_die("listen");
}

static void connect_and_read(void *unused)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	close(listener);
	if (connect(fd, (void *)&address, address_len))
		work_die("connect");
	get(fd);
}

static void hold_listener(void *unused)
{
}

static void accept_one(void *unused)
{
	accept(listener, NULL, NULL);
}

/* (r) a full backlog, and a connection that nobody has accepted */
static void backlog(void)
{
	make_listener(0);
	role("listener", work_spawn(hold_listener, NULL));
	role("client", work_spawn(connect_and_read, NULL));
	asleep("client", SYS_read);
	role("late", work_spawn(connect_and_read, NULL));
	close(listener);
	asleep("late", SYS_connect);
}

static struct sockaddr_in inet_address;

static void connect_and_read_tcp(void *unused)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	close(listener);
	if (connect(fd, (void *)&inet_address, sizeof(inet_address)))
		work_die("connect");
	get(fd);
}

/* the same over TCP, where the kernel goes on trying for some minutes */
static void tcp_backlog(void)
{
	socklen_t len = sizeof(inet_address);

	inet_address.sin_family = AF_INET;
	inet_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&inet_address, len) || listen(listener, 0) ||
	    getsockname(listener, (void *)&inet_address, &len))
		work_die("listen");
	role("listener", work_spawn(hold_listener, NULL));
	role("client", work_spawn(connect_and_read_tcp, NULL));
	asleep("client", SYS_read);
	role("late", work_spawn(connect_and_read_tcp, NULL));
	close(listener);
	asleep("late", SYS_connect);
}

static void idle_server(void)
{
	make_listener(4);
	role("server", work_spawn(accept_one, NULL));
	close(listener);
	asleep("server", -1);
}

static const struct work_mode modes[] = {
	{ "unixfull", unix_full },   { "unixstopped", unix_stopped }, { "dgramfull", dgram_full },
	{ "unixcycle", unix_cycle }, { "tcpfull", tcp_full },	      { "tcpcycle", tcp_cycle },
	{ "backlog", backlog },	     { "accept", idle_server },	      { "tcpbacklog", tcp_backlog },
	{ "unixtraced", unix_traced },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
