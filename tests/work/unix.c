/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Unix sockets: connections by every call, servers of several shapes, and
 * datagrams. What a socket receives is a channel; its writers are whoever
 * sends at the other end.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "line.h"

static void line_pair(int type, struct line ret_ends[2])
{
	int fd[2];

	if (socketpair(AF_UNIX, type, 0, fd))
		work_die("socketpair");
	line_join(fd, (type & 0xf) != SOCK_STREAM, ret_ends);
}

static struct line one[2];

/* ------------------------------------------------------------------ streams */

static void run_pair(void)
{
	line_pair(SOCK_STREAM, one);
	line_talk(one);
}

static void run_calls(void)
{
	line_pair(SOCK_STREAM, one);
	line_calls(one);
}

/* until it does not fit, in part, and not at all; then nobody is there any more */
static void run_full(void)
{
	const struct line *a = &one[0], *b = &one[1];
	ssize_t n;

	line_pair(SOCK_STREAM | SOCK_NONBLOCK, one);
	work_ready();
	work_expect_error(line_did(b, WORK_READ, recv(b->fd, line_bytes, 1, 0)), EAGAIN, "recv");
	do {
		n = line_did(a, WORK_WRITE, send(a->fd, line_bytes, sizeof(line_bytes), 0));
	} while (n > 0);
	work_expect_error(n, EAGAIN, "send");
	line_did(b, WORK_READ, recv(b->fd, line_bytes, 5000, 0));
	/* nothing is sent: a stream has no empty messages */
	work_expect(line_did(a, WORK_WRITE, send(a->fd, line_bytes, 0, 0)), 0, "send");
	work_expect_error(line_did(a, WORK_WRITE, send(a->fd, (void *)8, 10, 0)), EAGAIN, "send");
}

static void run_shutdown(void)
{
	line_pair(SOCK_STREAM, one);
	line_shutdown(one);
}

static void run_closed(void)
{
	line_pair(SOCK_STREAM, one);
	line_closed(one, 0);
}

static void run_splice(void)
{
	line_pair(SOCK_STREAM, one);
	line_splice(one, 5000, 1500);
}

/* ------------------------------------------------------------------ servers */

static socklen_t address(struct sockaddr_un *a, const char *name, size_t len)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, name, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* abstract, with a NUL inside, one for each run */
static socklen_t own_address(struct sockaddr_un *a)
{
	char name[64];
	int len = snprintf(name, sizeof(name), "_lens_test_%d_end", getpid());

	name[0] = '\0';
	name[5] = '\0';
	return address(a, name, (size_t)len);
}

static struct sockaddr_un server;
static socklen_t server_len;
static int listener;

static void listen_at(int type, int backlog)
{
	server_len = own_address(&server);
	listener = socket(AF_UNIX, type, 0);
	if (bind(listener, (struct sockaddr *)&server, server_len) || listen(listener, backlog))
		work_die("listen");
}

static int connected(int type)
{
	int fd = socket(AF_UNIX, type, 0);

	if (connect(fd, (struct sockaddr *)&server, server_len))
		work_die("connect");
	return fd;
}

/* channels by number of connection: of the server's end, then of the client's */
#define CONNECTIONS 6

static void serve(void *first)
{
	for (int i = *(int *)first; i < CONNECTIONS; i += 2) {
		struct line l;
		int chan[2];

		work_wait_ticks(1, (unsigned)i);
		l.fd = accept(listener, NULL, NULL);
		/* the client tells what its channel is; it asks for ours */
		work_expect(read(l.fd, chan, sizeof(chan)), sizeof(chan), "read");
		l.out = chan[0];
		l.in = work_socket(l.fd);
		l.messages = false;
		line_did(&l, WORK_READ, sizeof(chan));
		work_expect(write(l.fd, &l.in, sizeof(l.in)), sizeof(l.in), "write");
		line_did(&l, WORK_WRITE, sizeof(l.in));
		line_get(&l, 100);
		line_put(&l, 1000);
		work_tick(1);
		work_tick(2);
	}
}

/* two processes that were forked after listen() accept in turn: the peer is who accepted */
static void run_prefork(void)
{
	int zero = 0, first = 1;

	listen_at(SOCK_STREAM, 5);
	work_ready();
	work_spawn(serve, &zero);
	work_spawn(serve, &first);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct line l = { .fd = connected(SOCK_STREAM) };
		int chan[2] = { 0 };

		l.in = chan[0] = work_socket(l.fd);
		work_expect(write(l.fd, chan, sizeof(chan)), sizeof(chan), "write");
		work_expect(read(l.fd, &l.out, sizeof(l.out)), sizeof(l.out), "read");
		line_did(&l, WORK_READ, sizeof(l.out));
		line_did(&l, WORK_WRITE, sizeof(chan));
		line_put(&l, 100);
		line_get(&l, 900);
		work_wait_ticks(2, (unsigned)i + 1);
	}
}

static void client_leaves(void *unused)
{
	int fd = connected(SOCK_STREAM);

	work_expect(write(fd, line_bytes, 777), 777, "write");
	_exit(0);
}

/* written and closed before it was accepted: both ends are known all the same */
static void run_early(void)
{
	pid_t kid;
	int fd;

	listen_at(SOCK_STREAM, 5);
	work_ready();
	kid = work_spawn(client_leaves, NULL);
	work_reap(kid);
	fd = accept(listener, NULL, NULL);
	work_expect(recv(fd, line_bytes, 1000, MSG_WAITALL), 777, "recv");
	work_fact("kid", kid);
	work_fact("got", 777);
}

/* connected, and accepted later by an end that is the first to speak */
static void run_answered(void)
{
	int fd[2];

	listen_at(SOCK_STREAM, 5);
	fd[0] = connected(SOCK_STREAM);
	work_ready();
	fd[1] = accept(listener, NULL, NULL);
	line_join(fd, false, one);
	line_put(&one[1], 300);
	line_get(&one[0], 250);
}

/* connected, but nobody accepts */
static void run_pending(void)
{
	int fd[3];

	listen_at(SOCK_STREAM, 7);
	work_ready();
	for (int i = 0; i < 3; i++) {
		fd[i] = connected(SOCK_STREAM);
		work_expect(write(fd[i], line_bytes, 10), 10, "write");
	}
}

/* --------------------------------------------------------------- seqpackets */

static void run_seqpacket(void)
{
	const struct line *a = &one[0], *b = &one[1];

	line_pair(SOCK_SEQPACKET, one);
	work_ready();
	line_put(a, 100);
	line_put(a, 0);
	line_put(a, 1000);
	line_put(a, 2000);
	line_put(a, 30);
	line_put(b, 5);
	line_get(b, 100);
	line_get(b, 0);
	/* cut: the rest of the message is lost, whatever the call returns */
	work_expect(line_did(b, WORK_READ, recv(b->fd, line_bytes, 400, 0)), 400, "recv");
	work_discarded(b->in, 600, 0);
	work_expect(recv(b->fd, line_bytes, 400, MSG_PEEK | MSG_TRUNC), 2000, "peek");
	work_expect(recv(b->fd, line_bytes, 500, MSG_TRUNC), 2000, "recv");
	line_did(b, WORK_READ, 500);
	work_discarded(b->in, 1500, 0);
	work_any_operations(b->in, WORK_READ);
}

/* looks that go on where the last one ended, and receives that take what was looked at */
static void run_peekoff(void)
{
	const struct line *a = &one[0], *b = &one[1];
	int from = 0;

	line_pair(SOCK_STREAM, one);
	if (setsockopt(b->fd, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof(from)))
		work_skip("no SO_PEEK_OFF");
	work_ready();
	line_put(a, 100);
	for (int i = 0; i < 3; i++)
		work_expect(recv(b->fd, line_bytes, 30, MSG_PEEK), 30, "peek");
	work_expect(recv(b->fd, line_bytes, 30, MSG_PEEK), 10, "peek");
	line_get(b, 60);
	line_put(a, 50);
	work_expect(recv(b->fd, line_bytes, 200, MSG_PEEK), 50, "peek");
	line_get(b, 70);
	work_any_operations(b->in, WORK_READ);
}

/* with MSG_TRUNC a call returns more than it moved; and calls on nothing are no messages */
static void run_lengths(void)
{
	struct iovec v[2] = { { line_bytes, 10 }, { line_bytes + 10, 20 } };
	struct iovec nothing = { line_bytes, 0 };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
	const struct line *a = &one[0], *b = &one[1];

	line_pair(SOCK_SEQPACKET, one);
	work_ready();
	for (int i = 0; i < 5; i++)
		line_put(a, 100);
	work_expect(writev(a->fd, &nothing, 1), 0, "writev");
	work_expect(read(b->fd, line_bytes, 0), 0, "read");
	work_expect(recv(b->fd, line_bytes, 40, MSG_TRUNC), 100, "recv");
	line_did(b, WORK_READ, 40);
	work_expect(recvmsg(b->fd, &m, MSG_TRUNC), 100, "recvmsg");
	line_did(b, WORK_READ, 30);
	work_expect(recvmmsg(b->fd, mm, 2, MSG_TRUNC, NULL), 2, "recvmmsg");
	for (int i = 0; i < 2; i++)
		line_did(b, WORK_READ, mm[i].msg_len - 70);
	line_get(b, 100);
	work_discarded(b->in, 60 + 3 * 70, 0);
	for (int i = 0; i < 2; i++) {
		work_gone(one[i].in);
		close(one[i].fd);
	}
}

/* the end of a pipe and of a file into a socket, and vectors without room: none is a message */
static void move_nothing(const struct line *a, const struct line *b)
{
	struct iovec none[2] = { { line_bytes, 0 }, { NULL, 0 } }, some = { line_bytes, 50 };
	int p[2], file = memfd_create("nothing", MFD_CLOEXEC);

	if (pipe(p) || file < 0)
		work_die("pipe");
	work_expect(write(p[1], line_bytes, 60), 60, "write");
	close(p[1]);
	work_expect(writev(a->fd, none, 2), 0, "writev of nothing");
	work_expect(pwritev2(a->fd, none, 2, -1, 0), 0, "pwritev2 of nothing");
	work_expect(line_did(a, WORK_WRITE, splice(p[0], NULL, a->fd, NULL, 100, 0)), 60,
		    "splice");
	work_expect(splice(p[0], NULL, a->fd, NULL, 100, 0), 0, "splice of nothing");
	work_expect(sendfile(a->fd, file, NULL, 100), 0, "sendfile of nothing");
	line_put(a, 0);
	line_put(a, 30);
	close(p[0]);
	work_expect(readv(b->fd, none, 2), 0, "readv into nothing");
	work_expect(line_did(b, WORK_READ, readv(b->fd, &some, 1)), 50, "readv");
	work_discarded(b->in, 10, 0);
	work_expect(preadv2(b->fd, none, 1, -1, 0), 0, "preadv2 into nothing");
	/* with room an empty message is one */
	work_expect(line_did(b, WORK_READ, readv(b->fd, &some, 1)), 0, "readv");
	work_expect(readv(b->fd, none, 2), 0, "readv into nothing");
	line_get(b, 30);
	close(file);
}

static void nothing(int type)
{
	line_pair(type, one);
	work_ready();
	for (int i = 0; i < 3; i++)
		move_nothing(&one[0], &one[1]);
	for (int i = 0; i < 2; i++) {
		work_gone(one[i].in);
		close(one[i].fd);
	}
}

static void run_seqnothing(void)
{
	nothing(SOCK_SEQPACKET);
}

static void run_nothing(void)
{
	nothing(SOCK_DGRAM);
}

/* an empty message, and then the end of the connection, which looks the same */
static void run_seqend(void)
{
	const struct line *a = &one[0], *b = &one[1];

	line_pair(SOCK_SEQPACKET, one);
	work_ready();
	line_put(a, 10);
	line_put(a, 0);
	shutdown(a->fd, SHUT_WR);
	line_get(b, 10);
	work_expect(line_did(b, WORK_READ, recv(b->fd, line_bytes, 10, 0)), 0, "empty message");
	work_expect(recv(b->fd, line_bytes, 10, 0), 0, "end");
	work_expect(recv(b->fd, line_bytes, 10, 0), 0, "end");
	work_any_operations(b->in, WORK_READ);
}

/* ---------------------------------------------------------------- datagrams */

static int receiver, receiver_chan;

static void bind_receiver(void)
{
	server_len = own_address(&server);
	receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(receiver, (struct sockaddr *)&server, server_len))
		work_die("bind");
	receiver_chan = work_socket(receiver);
}

static void send_some(void *count)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	for (int i = 0; i < *(int *)count; i++)
		work_did_message(receiver_chan, WORK_WRITE,
				 sendto(fd, line_bytes, 20, 0, (struct sockaddr *)&server,
					server_len));
}

/* senders that never connect */
static void run_sendto(void)
{
	int few = 2, many = 3;

	bind_receiver();
	work_ready();
	work_wait(work_spawn(send_some, &few));
	work_wait(work_spawn(send_some, &many));
	for (int i = 0; i < 5; i++)
		work_expect(work_did_message(receiver_chan, WORK_READ,
					     recv(receiver, line_bytes, 100, 0)), 20, "recv");
}

/* connected to one, and sending to another all the same */
static void run_detour(void)
{
	struct line to[2];
	int fd;

	bind_receiver();
	line_pair(SOCK_DGRAM, to);
	fd = to[0].fd;
	work_ready();
	line_put(&to[0], 11);
	work_did_message(receiver_chan, WORK_WRITE,
			 sendto(fd, line_bytes, 22, 0, (struct sockaddr *)&server, server_len));
	line_put(&to[0], 33);
	line_get(&to[1], 11);
	work_did_message(receiver_chan, WORK_READ, recv(receiver, line_bytes, 100, 0));
}

/* several messages in one call, an empty one among them */
static void run_mmsg(void)
{
	struct iovec v[4] = {
		{ line_bytes, 10 }, { line_bytes, 0 }, { line_bytes, 30 }, { line_bytes, 40 },
	};
	struct mmsghdr mm[4] = { 0 };
	const struct line *a = &one[0], *b = &one[1];

	line_pair(SOCK_DGRAM, one);
	for (int i = 0; i < 4; i++) {
		mm[i].msg_hdr.msg_iov = &v[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	work_ready();
	work_expect(sendmmsg(a->fd, mm, 4, 0), 4, "sendmmsg");
	for (int i = 0; i < 4; i++)
		line_did(a, WORK_WRITE, mm[i].msg_len);
	for (int i = 0; i < 4; i++)
		v[i].iov_len = 25;
	work_expect(recvmmsg(b->fd, mm, 3, 0, NULL), 3, "recvmmsg");
	for (int i = 0; i < 3; i++)
		line_did(b, WORK_READ, mm[i].msg_len);
	work_discarded(b->in, 5, 0);
}

/* a queue that takes no more: what was sent before is there */
static void run_dgramfull(void)
{
	const struct line *a = &one[0];
	ssize_t n;

	line_pair(SOCK_DGRAM | SOCK_NONBLOCK, one);
	work_ready();
	do {
		n = line_did(a, WORK_WRITE, send(a->fd, line_bytes, 5, 0));
	} while (n > 0);
	work_expect_error(n, EAGAIN, "send");
}

static void many_writes(void *unused)
{
	for (int i = 0; i < 200; i++)
		line_put(&one[0], 64);
}

static void many_reads(void *unused)
{
	for (int i = 0; i < 200; i++)
		line_get(&one[1], 64);
}

/* two processes write and two read one inherited pair */
static void matrix(int type)
{
	pid_t kid[4];

	line_pair(type, one);
	work_ready();
	for (int i = 0; i < 4; i++)
		kid[i] = work_spawn(i < 2 ? many_reads : many_writes, NULL);
	for (int i = 0; i < 4; i++)
		work_wait(kid[i]);
}

static void run_matrix(void)
{
	matrix(SOCK_DGRAM);
}

static void run_seqmatrix(void)
{
	matrix(SOCK_SEQPACKET);
}

/* pairs into each of which two processes send at the same moment, for the first time */
enum { MEETINGS = 60 };
static struct line meetings[MEETINGS][2];

static void sends_with_another(void *arg)
{
	unsigned *arrived = arg;

	for (unsigned i = 0; i < MEETINGS; i++) {
		__atomic_fetch_add(arrived, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2 * (i + 1))
			;
		line_put(&meetings[i][0], 8);
	}
}

static void run_meet(void)
{
	unsigned *arrived = mmap(NULL, sizeof(*arrived), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t kid[2];

	if (arrived == MAP_FAILED)
		work_die("mmap");
	for (int i = 0; i < MEETINGS; i++)
		line_pair(SOCK_SEQPACKET, meetings[i]);
	work_ready();
	for (int i = 0; i < 2; i++)
		kid[i] = work_spawn(sends_with_another, arrived);
	for (int i = 0; i < 2; i++)
		work_wait(kid[i]);
}

static const struct work_mode modes[] = {
	{ "pair", run_pair },
	{ "calls", run_calls },
	{ "full", run_full },
	{ "shutdown", run_shutdown },
	{ "closed", run_closed },
	{ "splice", run_splice },
	{ "prefork", run_prefork },
	{ "early", run_early },
	{ "pending", run_pending },
	{ "answered", run_answered },
	{ "seqpacket", run_seqpacket },
	{ "peekoff", run_peekoff },
	{ "lengths", run_lengths },
	{ "seqnothing", run_seqnothing },
	{ "nothing", run_nothing },
	{ "seqend", run_seqend },
	{ "sendto", run_sendto },
	{ "detour", run_detour },
	{ "mmsg", run_mmsg },
	{ "dgramfull", run_dgramfull },
	{ "matrix", run_matrix },
	{ "seqmatrix", run_seqmatrix },
	{ "meet", run_meet },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
