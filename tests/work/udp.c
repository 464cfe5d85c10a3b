/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * UDP over loopback: datagrams by address and connected. The queue of a socket
 * is a channel; its writers are whoever sends there.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "work.h"

static char bytes[2000];
static struct sockaddr_in6 server;
static socklen_t server_len;

/* the same port by an address of IPv4 */
static void server_as_four(const char *address)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = server.sin6_port };

	inet_pton(AF_INET, address, &four.sin_addr);
	memcpy(&server, &four, sizeof(four));
	server_len = sizeof(four);
}

static int receiver, receiver_chan;

/* at any port */
static int bound(const char *address)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&server;
	int family = strchr(address, ':') ? AF_INET6 : AF_INET, fd = socket(family, SOCK_DGRAM, 0);

	memset(&server, 0, sizeof(server));
	server.sin6_family = (sa_family_t)family;
	inet_pton(family, address, family == AF_INET ? (void *)&four->sin_addr :
		  (void *)&server.sin6_addr);
	server_len = sizeof(server);
	if (bind(fd, (struct sockaddr *)&server, family == AF_INET ? sizeof(*four) :
		 sizeof(server)) || getsockname(fd, (struct sockaddr *)&server, &server_len))
		work_skip("no such address to bind to");
	return fd;
}

static void bind_receiver(const char *address)
{
	receiver = bound(address);
	receiver_chan = work_socket(receiver);
}

/* sent by a call that returned so much */
static void sent(ssize_t ret, ssize_t want)
{
	work_expect(work_did_message(receiver_chan, WORK_WRITE, ret), want, "send");
}

static void received(ssize_t ret, ssize_t want)
{
	work_expect(work_did_message(receiver_chan, WORK_READ, ret), want, "recv");
}

static void send_some(void *count)
{
	int fd = socket(((struct sockaddr *)&server)->sa_family, SOCK_DGRAM, 0);

	for (int i = 0; i < *(int *)count; i++)
		sent(sendto(fd, bytes, 20, 0, (struct sockaddr *)&server, server_len), 20);
}

/* senders that never connect, an empty datagram, and one that is cut */
static void sendto_at(const char *address)
{
	struct iovec v[2] = { { bytes, 15 }, { bytes + 15, 20 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	int few = 2, many = 3, fd;

	bind_receiver(address);
	work_ready();
	work_wait(work_spawn(send_some, &few));
	work_wait(work_spawn(send_some, &many));
	fd = socket(((struct sockaddr *)&server)->sa_family, SOCK_DGRAM, 0);
	sent(sendto(fd, bytes, 0, 0, (struct sockaddr *)&server, server_len), 0);
	sent(sendto(fd, bytes, 100, 0, (struct sockaddr *)&server, server_len), 100);
	for (int i = 0; i < 2; i++)
		sent(sendto(fd, bytes, 90, 0, (struct sockaddr *)&server, server_len), 90);
	sent(sendto(fd, bytes, 7, 0, (struct sockaddr *)&server, server_len), 7);
	for (int i = 0; i < 5; i++)
		received(recv(receiver, bytes, 100, 0), 20);
	received(recv(receiver, bytes, 100, 0), 0);
	work_expect(recv(receiver, bytes, 30, MSG_PEEK), 30, "peek");
	received(recv(receiver, bytes, 30, 0), 30);
	/* the call returns more than it moved */
	work_expect(recv(receiver, bytes, 40, MSG_TRUNC), 90, "recv");
	received(40, 40);
	work_expect(recvmsg(receiver, &m, MSG_TRUNC), 90, "recvmsg");
	received(35, 35);
	work_discarded(receiver_chan, 70 + 50 + 55, 0);
	work_any_operations(receiver_chan, WORK_READ);
}

static void run_sendto(void)
{
	sendto_at("127.0.0.1");
}

static void run_six(void)
{
	sendto_at("::1");
}

static void run_mapped(void)
{
	int few = 2;

	bind_receiver("::");
	work_ready();
	server_as_four("127.0.0.1");
	work_wait(work_spawn(send_some, &few));
	received(recv(receiver, bytes, 100, 0), 20);
}

/* two sockets, connected to each other; several datagrams by one call */
static void run_connected(void)
{
	struct iovec v[3] = { { bytes, 10 }, { bytes, 0 }, { bytes, 30 } };
	struct mmsghdr mm[3] = { 0 };
	struct sockaddr_in6 its;
	int other, other_chan;
	socklen_t len = sizeof(its);

	bind_receiver("127.0.0.1");
	its = server;
	other = bound("127.0.0.1");
	other_chan = work_socket(other);
	if (connect(receiver, (struct sockaddr *)&server, server_len) ||
	    connect(other, (struct sockaddr *)&its, len))
		work_die("connect");
	for (int i = 0; i < 3; i++) {
		mm[i].msg_hdr.msg_iov = &v[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	work_ready();
	work_expect(sendmmsg(other, mm, 3, 0), 3, "sendmmsg");
	for (int i = 0; i < 3; i++)
		work_did_message(receiver_chan, WORK_WRITE, mm[i].msg_len);
	work_expect(recvmmsg(receiver, mm, 2, 0, NULL), 2, "recvmmsg");
	for (int i = 0; i < 2; i++)
		work_did_message(receiver_chan, WORK_READ, mm[i].msg_len);
	work_expect(work_did_message(other_chan, WORK_WRITE, write(receiver, bytes, 55)), 55,
		    "write");
	work_expect(work_did_message(other_chan, WORK_READ, read(other, bytes, 99)), 55, "read");
}

/* two receivers of one port: each has the queue it has */
static void run_reuseport(void)
{
	int fd[2], chan[2], yes = 1, from;

	receiver = bound("127.0.0.1");
	close(receiver);
	for (int i = 0; i < 2; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
		if (bind(fd[i], (struct sockaddr *)&server, sizeof(struct sockaddr_in)))
			work_die("bind");
		chan[i] = work_socket(fd[i]);
	}
	work_ready();
	for (int i = 0; i < 40; i++) {
		from = socket(AF_INET, SOCK_DGRAM, 0);
		work_expect(sendto(from, bytes, 33, 0, (struct sockaddr *)&server, server_len), 33,
			    "sendto");
		for (int j = 0; j < 2; j++) {
			if (poll(&(struct pollfd){ .fd = fd[j], .events = POLLIN }, 1, 0) != 1)
				continue;
			work_did_message(chan[j], WORK_WRITE, 33);
			work_did_message(chan[j], WORK_READ, recv(fd[j], bytes, 99, 0));
		}
		close(from);
	}
}

/* a queue that takes no more: what does not fit is dropped, and the sender is not told */
static void run_drops(void)
{
	int fd, small = 8000;

	bind_receiver("127.0.0.1");
	setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	work_ready();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 100; i++)
		work_expect(sendto(fd, bytes, 1000, 0, (struct sockaddr *)&server, server_len),
			    1000, "sendto");
	small = 0;
	while (recv(receiver, bytes, 2000, MSG_DONTWAIT) == 1000)
		small++;
	work_fact("received", small);
	work_fact("sent", 100);
}

static const struct work_mode modes[] = {
	{ "sendto", run_sendto },
	{ "six", run_six },
	{ "mapped", run_mapped },
	{ "connected", run_connected },
	{ "reuseport", run_reuseport },
	{ "drops", run_drops },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
