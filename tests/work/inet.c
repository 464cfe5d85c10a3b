/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TCP over loopback: connections by every call and of several shapes. What a
 * socket receives is a channel; its writers are whoever sends at the other end.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "line.h"
#include "net.h"

static struct line one[2];
static struct sockaddr_in6 server;
static socklen_t server_len;
static int listener;

/* at any port; of IPv6 also for IPv4, as mapped addresses */
static void listen_at(const char *address, int backlog)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&server;
	int family = strchr(address, ':') ? AF_INET6 : AF_INET, off = 0;

	memset(&server, 0, sizeof(server));
	server.sin6_family = (sa_family_t)family;
	if (inet_pton(family, address, family == AF_INET ? (void *)&four->sin_addr :
		      (void *)&server.sin6_addr) != 1)
		work_die(address);
	listener = socket(family, SOCK_STREAM, 0);
	if (family == AF_INET6)
		setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	server_len = sizeof(server);
	if (bind(listener, (struct sockaddr *)&server, family == AF_INET ? sizeof(*four) :
		 sizeof(server)) || listen(listener, backlog) ||
	    getsockname(listener, (struct sockaddr *)&server, &server_len))
		work_skip("no such address to listen at");
}

/* the same port by an address of IPv4 */
static void server_as_four(const char *address)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = server.sin6_port };

	inet_pton(AF_INET, address, &four.sin_addr);
	memcpy(&server, &four, sizeof(four));
	server_len = sizeof(four);
}

static int connected(void)
{
	int fd = socket(((struct sockaddr *)&server)->sa_family, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&server, server_len))
		work_die("connect");
	return fd;
}

/* the client is one[0] */
static void join(int client, int accepted)
{
	int fd[2] = { client, accepted };

	line_join(fd, false, one);
}

static void connect_pair(const char *address)
{
	int client;

	listen_at(address, 5);
	client = connected();
	join(client, accept(listener, NULL, NULL));
	close(listener);
}

/* ------------------------------------------------------------------ streams */

static void run_pair(void)
{
	connect_pair("127.0.0.1");
	line_talk(one);
}

static void run_six(void)
{
	connect_pair("::1");
	line_talk(one);
}

/* any of 127/8 is this host */
static void run_eight(void)
{
	connect_pair("127.77.0.9");
	line_talk(one);
}

/* the server sees ::ffff:127.0.0.1, the client 127.0.0.1 */
static void run_mapped(void)
{
	int client;

	listen_at("::", 5);
	server_as_four("127.0.0.1");
	client = connected();
	join(client, accept(listener, NULL, NULL));
	line_talk(one);
}

static void run_calls(void)
{
	const struct line *b = &one[1];

	connect_pair("127.0.0.1");
	line_calls(one);
	/* bytes that are thrown away have left the queue */
	line_did(b, WORK_READ, recv(b->fd, NULL, 15, MSG_TRUNC));
}

/* until nothing fits, neither at the receiver nor at the sender; all of it is queued */
static void run_full(void)
{
	const struct line *a = &one[0], *b = &one[1];
	struct pollfd p;
	ssize_t n;

	connect_pair("127.0.0.1");
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
	work_expect(line_did(a, WORK_WRITE, send(a->fd, line_bytes, 0, 0)), 0, "send");
}

static void run_shutdown(void)
{
	connect_pair("127.0.0.1");
	line_shutdown(one);
}

/* ended in one direction, with bytes left before the end */
static void run_halfread(void)
{
	connect_pair("127.0.0.1");
	work_ready();
	line_put(&one[0], 500);
	shutdown(one[0].fd, SHUT_WR);
	line_get(&one[1], 123);
}

/* the other end is reset */
static void run_closed(void)
{
	connect_pair("127.0.0.1");
	line_closed(one, 1);
}

static void run_splice(void)
{
	connect_pair("127.0.0.1");
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

	connect_pair("127.0.0.1");
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

	connect_pair("127.0.0.1");
	kid = work_spawn(read_one, NULL);
	work_wait_blocked(kid, SYS_recvfrom, (unsigned long)one[1].fd);
	work_ready();
	line_put(&one[0], 600);
	work_wait(kid);
}

/* ------------------------------------------------------------- connections */

/* one tuple used again and again: each connection is one of its own */
static void run_again(void)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct linger hard = { .l_onoff = 1 };
	socklen_t len = sizeof(from);
	int yes = 1;

	listen_at("127.0.0.1", 5);
	work_ready();
	for (size_t i = 1; i <= 50; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0), accepted;

		setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (bind(client, (struct sockaddr *)&from, sizeof(from)) ||
		    getsockname(client, (struct sockaddr *)&from, &len) ||
		    connect(client, (struct sockaddr *)&server, server_len))
			work_die("connect");
		accepted = accept(listener, NULL, NULL);
		join(client, accepted);
		line_put(&one[0], i);
		line_get(&one[1], i);
		line_put(&one[1], 2 * i);
		line_get(&one[0], i);
		work_gone(one[0].in);
		close(client);
		work_gone(one[1].in);
		close(accepted);
	}
}

/* from one address of this host to itself, which is not that of the loopback device */
static void run_own(void)
{
	net_enter();
	net_add_address("10.213.9.1");
	connect_pair("10.213.9.1");
	line_talk(one);
}

/* two listeners of one port: the kernel chooses who gets a connection */
static void run_reuseport(void)
{
	struct pollfd at[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int yes = 1, client;

	listen_at("127.0.0.1", 5);
	close(listener);
	for (int i = 0; i < 2; i++) {
		at[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(at[i].fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
		if (bind(at[i].fd, (struct sockaddr *)&server, sizeof(struct sockaddr_in)) ||
		    listen(at[i].fd, 5))
			work_die("listen");
	}
	work_ready();
	for (size_t n = 1; n <= 20; n++) {
		client = connected();
		if (poll(at, 2, -1) != 1)
			work_die("poll");
		join(client, accept(at[at[0].revents ? 0 : 1].fd, NULL, NULL));
		line_put(&one[0], n);
		line_get(&one[1], n);
	}
}

static void set_fastopen(const char *fastopen)
{
	int fd;

	fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY);
	if (fd < 0)
		work_skip("no TCP Fast Open");
	work_expect(write(fd, fastopen, strlen(fastopen)), (ssize_t)strlen(fastopen), "sysctl");
	close(fd);
}

/* the first bytes go with the packet that opens the connection */
static void run_fastopen(void)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int yes = 5, client, peer;
	ssize_t n;

	/* client and server, without cookies: Documentation/networking/ip-sysctl.rst */
	net_enter();
	set_fastopen("519");
	listen_at("127.0.0.1", 5);
	setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &yes, sizeof(yes));
	work_ready();
	client = socket(AF_INET, SOCK_STREAM, 0);
	n = sendto(client, line_bytes, 300, MSG_FASTOPEN, (struct sockaddr *)&server, server_len);
	peer = accept(listener, NULL, NULL);
	join(client, peer);
	work_expect(line_did(&one[0], WORK_WRITE, n), 300, "sendto");
	if (getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    !(info.tcpi_options & TCPI_OPT_SYN_DATA))
		work_die("nothing went with the first packet");
	line_get(&one[1], 250);
	line_put(&one[1], 40);
	line_get(&one[0], 40);
}

/* the pages themselves are sent; what comes back of them is nothing that was received */
static void run_zerocopy(void)
{
	const struct line *a = &one[0], *b = &one[1];
	struct msghdr m = { 0 };
	char control[200];
	int yes = 1;

	connect_pair("127.0.0.1");
	if (setsockopt(a->fd, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof(yes)))
		work_skip("no SO_ZEROCOPY");
	work_ready();
	work_expect(line_did(a, WORK_WRITE, send(a->fd, line_bytes, 50000, MSG_ZEROCOPY)), 50000,
		    "send");
	line_get(b, 50000);
	line_put(b, 70);
	line_get(a, 70);
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	if (poll(&(struct pollfd){ .fd = a->fd }, 1, -1) != 1)
		work_die("poll");
	work_expect(recvmsg(a->fd, &m, MSG_ERRQUEUE), 0, "errors");
	work_any_operations(a->in, WORK_READ);
}

static int inherited;

static void client_leaves(void *unused)
{
	int fd = connected();

	inherited = work_socket(fd);
	work_expect(write(fd, line_bytes, 777), 777, "write");
	work_gone(inherited);
	_exit(0);
}

/* written and closed before it was accepted: both ends are known all the same */
static void run_early(void)
{
	pid_t kid;
	int fd;

	listen_at("127.0.0.1", 5);
	work_ready();
	kid = work_spawn(client_leaves, NULL);
	work_reap(kid);
	work_fact("kid", kid);
	fd = accept(listener, NULL, NULL);
	work_fact("got", recv(fd, line_bytes, 777, MSG_WAITALL));
	work_expect(recv(fd, line_bytes, 1, 0), 0, "end");
}

/* what waited since before the start, in a connection that was accepted after it */
static void run_waiting(void)
{
	int client;

	listen_at("127.0.0.1", 5);
	client = connected();
	work_expect(write(client, line_bytes, 400), 400, "write");
	work_ready();
	work_expect(write(client, line_bytes, 50), 50, "write");
	work_fact("got", recv(accept(listener, NULL, NULL), line_bytes, 425, MSG_WAITALL));
}

/* accepted later, and that end is the first to speak */
static void run_answered(void)
{
	int client;

	listen_at("127.0.0.1", 5);
	client = connected();
	work_ready();
	join(client, accept(listener, NULL, NULL));
	line_put(&one[1], 300);
	line_get(&one[0], 250);
}

/* connected, but nobody accepts */
static void run_pending(void)
{
	listen_at("127.0.0.1", 7);
	work_ready();
	for (int i = 0; i < 3; i++)
		work_expect(write(connected(), line_bytes, 10), 10, "write");
}

/* one end that is both */
static void run_itself(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), chan;
	struct line l;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, len) ||
	    getsockname(fd, (struct sockaddr *)&at, &len) ||
	    connect(fd, (struct sockaddr *)&at, len))
		work_die("connect");
	chan = work_socket(fd);
	l = (struct line){ fd, chan, chan, false };
	work_ready();
	for (int i = 0; i < 20; i++) {
		line_put(&l, 300);
		line_get(&l, 290);
	}
}

/* leaves its server for another one; returns what that has accepted */
static int move_on(int client)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (connect(client, &none, sizeof(none)))
		work_die("disconnect");
	listen_at("127.0.0.1", 5);
	if (connect(client, (struct sockaddr *)&server, server_len))
		work_die("connect");
	return accept(listener, NULL, NULL);
}

static int talk_twice(void)
{
	int client = one[0].fd, accepted;

	line_put(&one[0], 100);
	line_get(&one[1], 100);
	accepted = move_on(client);
	work_expect(write(client, line_bytes, 70), 70, "write");
	work_expect(read(accepted, line_bytes, 70), 70, "read");
	return client;
}

static void run_anew(void)
{
	connect_pair("127.0.0.1");
	work_ready();
	talk_twice();
}

/* ... and is closed before anybody looks again */
static void run_anewclosed(void)
{
	work_ready();
	connect_pair("127.0.0.1");
	close(talk_twice());
}

/* refused at first, where nobody listens, which is no connection */
static void run_refused(void)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);

	listen_at("127.0.0.1", 5);
	close(listener);
	work_ready();
	for (int i = 0; i < 3; i++)
		work_expect_error(connect(client, (struct sockaddr *)&server, server_len),
				  ECONNREFUSED, "connect");
	listen_at("127.0.0.1", 5);
	if (connect(client, (struct sockaddr *)&server, server_len))
		work_die("connect");
	join(client, accept(listener, NULL, NULL));
	line_talk(one);
}

static const struct work_mode modes[] = {
	{ "pair", run_pair },
	{ "six", run_six },
	{ "eight", run_eight },
	{ "mapped", run_mapped },
	{ "calls", run_calls },
	{ "full", run_full },
	{ "shutdown", run_shutdown },
	{ "halfread", run_halfread },
	{ "closed", run_closed },
	{ "splice", run_splice },
	{ "writers", run_writers },
	{ "straddleread", run_straddleread },
	{ "again", run_again },
	{ "own", run_own },
	{ "reuseport", run_reuseport },
	{ "fastopen", run_fastopen },
	{ "zerocopy", run_zerocopy },
	{ "early", run_early },
	{ "waiting", run_waiting },
	{ "pending", run_pending },
	{ "itself", run_itself },
	{ "anew", run_anew },
	{ "anewclosed", run_anewclosed },
	{ "refused", run_refused },
	{ "answered", run_answered },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
