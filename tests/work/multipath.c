/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * MPTCP over loopback: connections that are made of some of TCP's, which nobody but the kernel
 * has. They are used like those of TCP, and so is what they are told by.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "line.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct line one[2];
static struct sockaddr_in6 server;
static socklen_t server_len = sizeof(server);
static int listener;

static int new_socket(int protocol)
{
	int fd = socket(server.sin6_family, SOCK_STREAM, protocol);

	if (fd < 0)
		work_skip("no MPTCP");
	return fd;
}

/* at any port of IPv4, or of IPv6 */
static void listen_at(int family, int protocol)
{
	memset(&server, 0, sizeof(server));
	server.sin6_family = (sa_family_t)family;
	listener = new_socket(protocol);
	server_len = sizeof(server);
	if (bind(listener, (struct sockaddr *)&server, server_len) || listen(listener, 7) ||
	    getsockname(listener, (struct sockaddr *)&server, &server_len))
		work_skip("no such address to listen at");
}

static int connected(int protocol)
{
	int fd = new_socket(protocol);

	if (connect(fd, (struct sockaddr *)&server, server_len))
		work_die("connect");
	return fd;
}

/* the client is one[0] */
static void connect_pair(int family, int client, int serving)
{
	int fd[2];

	listen_at(family, serving);
	fd[0] = connected(client);
	fd[1] = accept(listener, NULL, NULL);
	line_join(fd, false, one);
	close(listener);
}

static void connect_both(void)
{
	connect_pair(AF_INET, IPPROTO_MPTCP, IPPROTO_MPTCP);
}

static void run_pair(void)
{
	connect_both();
	line_talk(one);
}

static void run_six(void)
{
	connect_pair(AF_INET6, IPPROTO_MPTCP, IPPROTO_MPTCP);
	line_talk(one);
}

/* the server speaks TCP alone, and so does the client then, by a socket that could do more */
static void run_plainserver(void)
{
	connect_pair(AF_INET, IPPROTO_MPTCP, IPPROTO_TCP);
	line_talk(one);
}

static void run_plainclient(void)
{
	connect_pair(AF_INET, IPPROTO_TCP, IPPROTO_MPTCP);
	line_talk(one);
}

static void run_calls(void)
{
	connect_both();
	line_calls(one);
}

/* until nothing fits: all of it is queued, wherever it is */
static void fill(void)
{
	const struct line *a = &one[0], *b = &one[1];
	struct pollfd p;
	ssize_t n;

	fcntl(a->fd, F_SETFL, O_NONBLOCK);
	work_ready();
	work_expect_error(line_did(b, WORK_READ, recv(b->fd, line_bytes, 1, MSG_DONTWAIT)), EAGAIN,
			  "recv");
	p = (struct pollfd){ .fd = a->fd, .events = POLLOUT };
	/* what the receiver has not acknowledged may still make room for more */
	do {
		n = line_did(a, WORK_WRITE, send(a->fd, line_bytes, sizeof(line_bytes), 0));
	} while (n > 0 || poll(&p, 1, 300) > 0);
	work_expect_error(n, EAGAIN, "send");
	line_did(b, WORK_READ, recv(b->fd, line_bytes, 5000, 0));
}

static void run_full(void)
{
	connect_both();
	fill();
}

static void run_plainfull(void)
{
	connect_pair(AF_INET, IPPROTO_MPTCP, IPPROTO_TCP);
	fill();
}

static void run_shutdown(void)
{
	connect_both();
	line_shutdown(one);
}

static void run_plainshutdown(void)
{
	connect_pair(AF_INET, IPPROTO_MPTCP, IPPROTO_TCP);
	line_shutdown(one);
}

static void run_splice(void)
{
	connect_both();
	line_splice(one, 4096, 1000);
}

static void many_writes(void *unused)
{
	for (int i = 0; i < 200; i++)
		line_put(&one[0], 64);
}

/* two processes write, one reads */
static void run_writers(void)
{
	pid_t kid[2];

	connect_both();
	work_ready();
	for (int i = 0; i < 2; i++)
		kid[i] = work_spawn(many_writes, NULL);
	for (int i = 0; i < 2; i++)
		work_wait(kid[i]);
	for (int i = 0; i < 390; i++)
		line_get(&one[1], 64);
}

static void read_one(void *unused)
{
	line_get(&one[1], 500);
}

/* a read that began before the start is counted once, when it returns */
static void run_straddleread(void)
{
	pid_t kid;

	connect_both();
	kid = work_spawn(read_one, NULL);
	work_wait_blocked(kid, SYS_recvfrom, (unsigned long)one[1].fd);
	work_ready();
	line_put(&one[0], 600);
	work_wait(kid);
}

/* one after the other: each connection is one of its own */
static void run_again(void)
{
	listen_at(AF_INET, IPPROTO_MPTCP);
	work_ready();
	for (size_t i = 1; i <= 20; i++) {
		int fd[2] = { connected(IPPROTO_MPTCP), accept(listener, NULL, NULL) };

		line_join(fd, false, one);
		line_put(&one[0], i);
		line_get(&one[1], i);
		line_put(&one[1], 2 * i);
		line_get(&one[0], i);
		work_gone(one[0].in);
		close(fd[0]);
		work_gone(one[1].in);
		close(fd[1]);
	}
}

/* connected, but nobody accepts */
static void run_pending(void)
{
	listen_at(AF_INET, IPPROTO_MPTCP);
	work_ready();
	for (int i = 0; i < 3; i++)
		work_expect(write(connected(IPPROTO_MPTCP), line_bytes, 10), 10, "write");
}

/* with something unread in either direction, for whoever looks: how much, in facts */
static void run_held(void)
{
	connect_both();
	line_put(&one[0], 1000);
	line_get(&one[1], 300);
	line_put(&one[1], 77);
	work_ready();
}

static const struct work_mode modes[] = {
	{ "pair", run_pair },
	{ "six", run_six },
	{ "plainserver", run_plainserver },
	{ "plainclient", run_plainclient },
	{ "calls", run_calls },
	{ "full", run_full },
	{ "plainfull", run_plainfull },
	{ "shutdown", run_shutdown },
	{ "plainshutdown", run_plainshutdown },
	{ "splice", run_splice },
	{ "writers", run_writers },
	{ "straddleread", run_straddleread },
	{ "again", run_again },
	{ "pending", run_pending },
	{ "held", run_held },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
