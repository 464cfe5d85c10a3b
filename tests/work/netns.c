/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Network namespaces: the same ports and abstract names in two of them, which
 * are different channels, and two that are connected like containers of one host.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "line.h"
#include "net.h"

#define PORT 7777

union name {
	struct sockaddr any;
	struct sockaddr_in inet;
	struct sockaddr_un local;
};

static socklen_t name_inet(union name *n, const char *address)
{
	*n = (union name){ .inet = { .sin_family = AF_INET, .sin_port = htons(PORT) } };
	inet_pton(AF_INET, address, &n->inet.sin_addr);
	return sizeof(n->inet);
}

static socklen_t name_local(union name *n, const char *text)
{
	*n = (union name){ .local = { .sun_family = AF_UNIX } };
	strcpy(n->local.sun_path + 1, text);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(text));
}

static int bound(const union name *n, socklen_t len, int type)
{
	int fd = socket(n->any.sa_family, type, 0);

	if (fd < 0 || bind(fd, &n->any, len))
		work_die("bind");
	return fd;
}

static int connected(const union name *n, socklen_t len, int type)
{
	int fd = socket(n->any.sa_family, type, 0);

	if (fd < 0 || connect(fd, &n->any, len))
		work_die("connect");
	return fd;
}

static void accept_pair(int listener, int client, struct line ret_ends[2])
{
	int fd[2] = { client, accept(listener, NULL, NULL) };

	line_join(fd, false, ret_ends);
	close(listener);
}

/* where datagrams go, and a socket that is connected to it */
struct drop {
	int to, from, chan;
};

static void drop_open(const union name *n, socklen_t len, struct drop *ret)
{
	ret->to = bound(n, len, SOCK_DGRAM);
	ret->chan = work_socket(ret->to);
	ret->from = connected(n, len, SOCK_DGRAM);
}

static void drop_put(const struct drop *d, size_t len)
{
	work_expect(work_did_message(d->chan, WORK_WRITE, send(d->from, line_bytes, len, 0)),
		    (ssize_t)len, "send");
}

static void drop_get(const struct drop *d, size_t len)
{
	work_expect(work_did_message(d->chan, WORK_READ, recv(d->to, line_bytes, LINE_MAX, 0)),
		    (ssize_t)len, "recv");
}

/* -------------------------------------------------------------- apart */

/* of one namespace */
struct half {
	struct line tcp[2], local[2];
	struct drop udp, dgram;
	size_t len;
};

static struct half halves[2];

static void half_open(struct half *h)
{
	union name n;
	socklen_t len;
	int listener;

	net_enter();
	len = name_inet(&n, "127.0.0.1");
	listener = bound(&n, len, SOCK_STREAM);
	listen(listener, 1);
	accept_pair(listener, connected(&n, len, SOCK_STREAM), h->tcp);
	drop_open(&n, len, &h->udp);
	len = name_local(&n, "lens-stream");
	listener = bound(&n, len, SOCK_STREAM);
	listen(listener, 1);
	accept_pair(listener, connected(&n, len, SOCK_STREAM), h->local);
	len = name_local(&n, "lens-dgram");
	drop_open(&n, len, &h->dgram);
}

static void half_send(void *of)
{
	const struct half *h = of;

	line_put(&h->tcp[0], h->len);
	line_put(&h->local[0], h->len + 1);
	drop_put(&h->udp, h->len + 2);
	drop_put(&h->dgram, h->len + 3);
}

/* one process for each namespace sends, in both to the same names */
static void run_apart(void)
{
	for (size_t i = 0; i < 2; i++) {
		half_open(&halves[i]);
		halves[i].len = 100 + 1000 * i;
	}
	work_ready();
	for (size_t i = 0; i < 2; i++)
		work_wait(work_spawn(half_send, &halves[i]));
	for (size_t i = 0; i < 2; i++) {
		const struct half *h = &halves[i];

		line_get(&h->tcp[1], h->len);
		line_get(&h->local[1], h->len + 1);
		drop_get(&h->udp, h->len + 2);
		drop_get(&h->dgram, h->len + 3);
	}
}

/* -------------------------------------------------------------- a cable */

static int there, here;

static void move_to(int namespace)
{
	if (setns(namespace, CLONE_NEWNET))
		work_die("setns");
}

/* two namespaces with a cable between them, of which this process is in the first */
static void lay_cable(void)
{
	net_enter();
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	net_enter();
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	net_connect(there, "10.213.8.1", "10.213.8.2");
}

static struct line cable[2];

/* as the server there, with everything it does from inside of that namespace */
static void serve(void *unused)
{
	move_to(there);
	line_get(&cable[1], 54321);
	line_put(&cable[1], 777);
}

static void run_cable(void)
{
	union name n;
	socklen_t len = name_inet(&n, "10.213.8.2");
	int listener;

	lay_cable();
	move_to(there);
	listener = bound(&n, len, SOCK_STREAM);
	listen(listener, 1);
	move_to(here);
	accept_pair(listener, connected(&n, len, SOCK_STREAM), cable);
	work_ready();
	line_put(&cable[0], 54321);
	work_wait(work_spawn(serve, NULL));
	line_get(&cable[0], 777);
}

static struct drop hole;

static void receive(void *unused)
{
	move_to(there);
	for (size_t i = 1; i <= 20; i++)
		drop_get(&hole, i);
}

static void run_cableudp(void)
{
	union name n;
	socklen_t len = name_inet(&n, "10.213.8.2");

	lay_cable();
	move_to(there);
	hole.to = bound(&n, len, SOCK_DGRAM);
	hole.chan = work_socket(hole.to);
	move_to(here);
	hole.from = connected(&n, len, SOCK_DGRAM);
	/* from now on each knows the other's hardware address */
	send(hole.from, "", 1, 0);
	if (recv(hole.to, line_bytes, 2, 0) != 1)
		work_die("recv");
	work_ready();
	for (size_t i = 1; i <= 20; i++)
		drop_put(&hole, i);
	work_wait(work_spawn(receive, NULL));
}

static const struct work_mode modes[] = {
	{ "apart", run_apart },
	{ "cable", run_cable },
	{ "cableudp", run_cableudp },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
