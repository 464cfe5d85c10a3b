/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * UDP over loopback: datagrams by address and connected. The queue of a socket
 * is a channel; its writers are whoever sends there.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net.h"
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

/* one datagram, which arrives there and nowhere else */
static void send_to(int from, int fd, int chan, size_t len)
{
	ssize_t n = sendto(from, bytes, len, 0, (struct sockaddr *)&server, server_len);

	work_expect(work_did_message(chan, WORK_WRITE, n), (ssize_t)len, "sendto");
	n = recv(fd, bytes, sizeof(bytes), 0);
	work_expect(work_did_message(chan, WORK_READ, n), (ssize_t)len, "recv");
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

/* an address of this host that is not that of the loopback device; the receiver has any */
static void run_own(void)
{
	int few = 2;

	net_enter();
	net_add_address("10.213.9.1");
	bind_receiver("0.0.0.0");
	work_ready();
	server_as_four("10.213.9.1");
	work_wait(work_spawn(send_some, &few));
	received(recv(receiver, bytes, 100, 0), 20);
}

/* of one port: bound to any address, to the one that is sent to, and connected to a sender */
static void run_nearest(void)
{
	int fd[3], chan[3], from, yes = 1;
	struct sockaddr_in any, its;
	socklen_t len = sizeof(its);

	from = bound("127.0.0.1");
	memcpy(&its, &server, sizeof(its));
	close(bound("127.0.0.1"));
	memcpy(&any, &server, sizeof(any));
	any.sin_addr.s_addr = INADDR_ANY;
	for (int i = 0; i < 3; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (bind(fd[i], i ? (struct sockaddr *)&server : (struct sockaddr *)&any,
			 sizeof(any)))
			work_die("bind");
		chan[i] = work_socket(fd[i]);
	}
	if (connect(fd[2], (struct sockaddr *)&its, len))
		work_die("connect");
	work_ready();
	server_as_four("127.0.0.1");
	send_to(from, fd[2], chan[2], 11);
	send_to(socket(AF_INET, SOCK_DGRAM, 0), fd[1], chan[1], 12);
	server_as_four("127.0.0.2");
	send_to(socket(AF_INET, SOCK_DGRAM, 0), fd[0], chan[0], 13);
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

/* each datagram from several calls */
static void send_in_pieces(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (int i = 0; i < 5; i++) {
		work_expect(sendto(fd, bytes, 100, MSG_MORE, (struct sockaddr *)&server,
				   server_len), 100, "sendto");
		work_expect(sendto(fd, bytes, 30, MSG_MORE, (struct sockaddr *)&server,
				   server_len), 30, "sendto");
		work_expect(sendto(fd, bytes, 7, 0, (struct sockaddr *)&server, server_len), 7,
			    "sendto");
		sent(137, 137);
		received(recv(receiver, bytes, 200, 0), 137);
	}
	work_any_operations(receiver_chan, WORK_WRITE);
}

static void run_cork(void)
{
	bind_receiver("127.0.0.1");
	work_ready();
	send_in_pieces();
}

/* all of it queued while somebody else runs, as ksoftirqd does for a busy processor */
static void run_elsewhere(void)
{
	int few = 3;

	net_enter();
	net_deliver_elsewhere();
	bind_receiver("127.0.0.1");
	work_ready();
	send_some(&few);
	for (int i = 0; i < few; i++)
		received(recv(receiver, bytes, 100, 0), 20);
	send_in_pieces();
}

/* and one that is never sent */
static void run_corked(void)
{
	int fd, on = 1;
	ssize_t n;

	bind_receiver("127.0.0.1");
	work_ready();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	sent(sendto(fd, bytes, 20, 0, (struct sockaddr *)&server, server_len), 20);
	if (setsockopt(fd, SOL_UDP, UDP_CORK, &on, sizeof(on)))
		work_die("UDP_CORK");
	work_expect(sendto(fd, bytes, 50, 0, (struct sockaddr *)&server, server_len), 50,
		    "sendto");
	received(recv(receiver, bytes, 200, 0), 20);
	n = recv(receiver, bytes, 200, MSG_DONTWAIT);
	work_expect_error(work_did_message(receiver_chan, WORK_READ, n), EAGAIN, "recv");
}

/* put together by one socket while another one sends, and without an end by sendto(2) */
static void run_pieces(void)
{
	int a, b, corked, on = 1, off = 0;
	struct sockaddr *to = (struct sockaddr *)&server;

	bind_receiver("127.0.0.1");
	work_ready();
	a = socket(AF_INET, SOCK_DGRAM, 0);
	b = socket(AF_INET, SOCK_DGRAM, 0);
	corked = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 1; i <= 5; i++) {
		work_expect(sendto(a, bytes, 100, MSG_MORE, to, server_len), 100, "sendto");
		sent(sendto(b, bytes, 11, 0, to, server_len), 11);
		work_expect(sendto(a, bytes, 7, 0, to, server_len), 7, "sendto");
		sent(107, 107);
		received(recv(receiver, bytes, 200, 0), 11);
		received(recv(receiver, bytes, 200, 0), 107);
		if (setsockopt(corked, SOL_UDP, UDP_CORK, &on, sizeof(on)))
			work_die("UDP_CORK");
		work_expect(sendto(corked, bytes, 10 * (size_t)i, 0, to, server_len), 10 * i,
			    "sendto");
		if (setsockopt(corked, SOL_UDP, UDP_CORK, &off, sizeof(off)))
			work_die("UDP_CORK");
		sent(10 * i, 10 * i);
		received(recv(receiver, bytes, 200, 0), 10 * i);
		/* what setsockopt(2) let go is seen with the next one */
		sent(sendto(corked, bytes, 3, 0, to, server_len), 3);
		received(recv(receiver, bytes, 200, 0), 3);
	}
	work_any_operations(receiver_chan, WORK_WRITE);
}

/* one call that the kernel cuts into several datagrams */
static void run_segments(void)
{
	int fd, size = 400;

	bind_receiver("127.0.0.1");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		work_skip("no UDP_SEGMENT");
	work_ready();
	for (int i = 0; i < 5; i++) {
		work_expect(sendto(fd, bytes, 1900, 0, (struct sockaddr *)&server, server_len),
			    1900, "sendto");
		for (int left = 1900; left > 0; left -= size) {
			sent(left < size ? left : size, left < size ? left : size);
			received(recv(receiver, bytes, 2000, 0), left < size ? left : size);
		}
	}
	work_any_operations(receiver_chan, WORK_WRITE);
}

enum { CROWD = 12 };

/* one call that several sockets receive */
static void several(const char *address, bool joins, int count)
{
	struct sockaddr_in any = { .sin_family = AF_INET }, to = any;
	struct ip_mreqn group = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
	int from = socket(AF_INET, SOCK_DGRAM, 0), fd[CROWD], chan[CROWD], yes = 1;
	socklen_t len = sizeof(any);

	inet_pton(AF_INET, address, &to.sin_addr);
	group.imr_multiaddr = to.sin_addr;
	for (int i = 0; i < count; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (bind(fd[i], (struct sockaddr *)&any, len) ||
		    getsockname(fd[i], (struct sockaddr *)&any, &len) ||
		    (joins && setsockopt(fd[i], IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
					 sizeof(group))))
			work_die("bind");
		chan[i] = work_socket(fd[i]);
	}
	to.sin_port = any.sin_port;
	setsockopt(from, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group));
	work_ready();
	for (int i = 1; i <= 5; i++) {
		work_expect(sendto(from, bytes, 10 * (size_t)i, 0, (struct sockaddr *)&to, len),
			    10 * i, "sendto");
		for (int j = 0; j < count; j++) {
			work_did_message(chan[j], WORK_WRITE, 10 * i);
			work_expect(work_did_message(chan[j], WORK_READ,
						     recv(fd[j], bytes, 99, 0)), 10 * i, "recv");
		}
	}
}

static void run_broadcast(void)
{
	several("127.255.255.255", false, 3);
}

static void run_multicast(void)
{
	several("239.7.7.7", true, 3);
}

/* more than are told apart */
static void run_crowd(void)
{
	several("239.7.7.7", true, CROWD);
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

#define STORM_SENDERS 4
#define STORM_EACH 1500
static int storm_shared;

/* every other datagram by the socket that all of them have */
static void storm_send(void *number)
{
	int own = socket(AF_INET, SOCK_DGRAM, 0), size = *(int *)number;
	size_t len;

	for (int i = 0; i < STORM_EACH; i++) {
		size = (size * 31 + 7) % 1000;
		len = i % 3 ? (size_t)size : 0;
		sent(sendto(i & 1 ? own : storm_shared, bytes, len, 0,
			    (struct sockaddr *)&server, server_len), (ssize_t)len);
	}
}

static void storm_receive(void *unused)
{
	ssize_t n;

	(void)unused;
	for (int i = 0; i < STORM_SENDERS * STORM_EACH; i++) {
		n = recv(receiver, bytes, sizeof(bytes), 0);
		received(n, n);
	}
}

/* several processes send at once, and what they send is taken at once */
static void run_storm(void)
{
	int number[STORM_SENDERS], room = 64 << 20;
	pid_t pid[STORM_SENDERS + 1];

	bind_receiver("127.0.0.1");
	if (setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		work_die("SO_RCVBUFFORCE");
	storm_shared = socket(AF_INET, SOCK_DGRAM, 0);
	work_ready();
	pid[STORM_SENDERS] = work_spawn(storm_receive, NULL);
	for (int i = 0; i < STORM_SENDERS; i++) {
		number[i] = 100 * i + 1;
		pid[i] = work_spawn(storm_send, &number[i]);
	}
	for (int i = 0; i <= STORM_SENDERS; i++)
		work_wait(pid[i]);
}

static const struct work_mode modes[] = {
	{ "sendto", run_sendto },
	{ "six", run_six },
	{ "mapped", run_mapped },
	{ "own", run_own },
	{ "nearest", run_nearest },
	{ "connected", run_connected },
	{ "reuseport", run_reuseport },
	{ "cork", run_cork },
	{ "elsewhere", run_elsewhere },
	{ "corked", run_corked },
	{ "pieces", run_pieces },
	{ "segments", run_segments },
	{ "broadcast", run_broadcast },
	{ "multicast", run_multicast },
	{ "crowd", run_crowd },
	{ "drops", run_drops },
	{ "storm", run_storm },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
