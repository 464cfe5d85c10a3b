/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "line.h"

char line_bytes[LINE_MAX];

void line_join(const int fd[2], bool messages, struct line ret_ends[2])
{
	int chan[2];

	for (int i = 0; i < 2; i++)
		chan[i] = work_socket(fd[i]);
	for (int i = 0; i < 2; i++)
		ret_ends[i] = (struct line){ fd[i], chan[i], chan[!i], messages };
}

static void connect_stream(int ret_fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret_fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) ||
	    connect(ret_fd[0], (struct sockaddr *)&at, len))
		work_die("connect");
	ret_fd[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void connect_datagrams(int ret_fd[2])
{
	struct sockaddr_in at[2];
	socklen_t len = sizeof(at[0]);

	for (int i = 0; i < 2; i++) {
		at[i] = (struct sockaddr_in){ .sin_family = AF_INET };
		at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ret_fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(ret_fd[i], (struct sockaddr *)&at[i], len) ||
		    getsockname(ret_fd[i], (struct sockaddr *)&at[i], &len))
			work_die("bind");
	}
	for (int i = 0; i < 2; i++)
		if (connect(ret_fd[i], (struct sockaddr *)&at[!i], len))
			work_die("connect");
}

void line_open(int family, int type, struct line ret_ends[2])
{
	int fd[2];

	if (family == AF_UNIX && socketpair(AF_UNIX, type, 0, fd))
		work_die("socketpair");
	if (family == AF_INET && type == SOCK_STREAM)
		connect_stream(fd);
	else if (family == AF_INET)
		connect_datagrams(fd);
	line_join(fd, type != SOCK_STREAM, ret_ends);
}

ssize_t line_did(const struct line *l, enum work_dir dir, ssize_t ret)
{
	int chan = dir == WORK_READ ? l->in : l->out;

	return l->messages ? work_did_message(chan, dir, ret) : work_did(chan, dir, ret);
}

void line_put(const struct line *l, size_t len)
{
	ssize_t n = send(l->fd, line_bytes, len, MSG_NOSIGNAL);

	work_expect(line_did(l, WORK_WRITE, n), (ssize_t)len, "send");
}

void line_get(const struct line *l, size_t len)
{
	ssize_t n = recv(l->fd, line_bytes, len, MSG_WAITALL);

	work_expect(line_did(l, WORK_READ, n), (ssize_t)len, "recv");
}

static void answer(void *at)
{
	const struct line *l = at;

	line_get(l, 1000);
	line_put(l, 300);
	line_get(l, 200);
	work_tick(0);
}

void line_talk(const struct line ends[2])
{
	struct line other = ends[1];
	pid_t kid;

	work_ready();
	kid = work_spawn(answer, &other);
	line_put(&ends[0], 1000);
	line_get(&ends[0], 250);
	line_put(&ends[0], 275);
	work_wait(kid);
}

void line_calls(const struct line ends[2])
{
	struct iovec v[2] = { { line_bytes, 10 }, { line_bytes + 50, 20 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm[3] = { { .msg_hdr = m }, { .msg_hdr = m }, { .msg_hdr = m } };
	const struct line *a = &ends[0], *b = &ends[1];

	work_ready();
	line_did(a, WORK_WRITE, write(a->fd, line_bytes, 100));
	line_did(a, WORK_WRITE, writev(a->fd, v, 2));
	line_did(a, WORK_WRITE, send(a->fd, line_bytes, 7, 0));
	line_did(a, WORK_WRITE, sendto(a->fd, line_bytes, 8, 0, NULL, 0));
	line_did(a, WORK_WRITE, sendmsg(a->fd, &m, 0));
	work_expect(sendmmsg(a->fd, mm, 3, 0), 3, "sendmmsg");
	for (int i = 0; i < 3; i++)
		line_did(a, WORK_WRITE, mm[i].msg_len);
	line_did(b, WORK_READ, read(b->fd, line_bytes, 50));
	line_did(b, WORK_READ, readv(b->fd, v, 2));
	line_did(b, WORK_READ, recv(b->fd, line_bytes, 9, 0));
	line_did(b, WORK_READ, recvfrom(b->fd, line_bytes, 11, 0, NULL, NULL));
	line_did(b, WORK_READ, recvmsg(b->fd, &m, 0));
	work_expect(recvmmsg(b->fd, mm, 3, MSG_DONTWAIT, NULL), 3, "recvmmsg");
	for (int i = 0; i < 3; i++)
		line_did(b, WORK_READ, mm[i].msg_len);
	/* looks, which move nothing */
	for (int i = 0; i < 5; i++)
		work_expect(recv(b->fd, line_bytes, 5, MSG_PEEK), 5, "peek");
	work_any_operations(b->in, WORK_READ);
}

void line_shutdown(const struct line ends[2])
{
	const struct line *a = &ends[0], *b = &ends[1];

	work_ready();
	line_put(a, 500);
	shutdown(a->fd, SHUT_WR);
	line_get(b, 400);
	work_expect_error(line_did(a, WORK_WRITE, send(a->fd, line_bytes, 10, MSG_NOSIGNAL)),
			  EPIPE, "send");
	line_put(b, 70);
	line_get(b, 100);
	work_expect(line_did(b, WORK_READ, recv(b->fd, line_bytes, 10, 0)), 0, "end");
}

void line_closed(const struct line ends[2], int first)
{
	work_ready();
	line_put(&ends[0], 1000);
	line_get(&ends[1], 300);
	line_put(&ends[1], 40);
	work_gone(ends[first].in);
	close(ends[first].fd);
	work_gone(ends[!first].in);
	close(ends[!first].fd);
}

void line_splice(const struct line ends[2], size_t file_len, size_t get_len)
{
	int file = memfd_create("source", 0), p[2];
	const struct line *a = &ends[0], *b = &ends[1];

	if (file < 0 || ftruncate(file, (off_t)file_len) || pipe(p))
		work_die("source");
	work_ready();
	work_expect(write(p[1], line_bytes, 3000), 3000, "write");
	work_expect(line_did(a, WORK_WRITE, splice(p[0], NULL, a->fd, NULL, 3000, 0)), 3000,
		    "splice");
	work_expect(line_did(a, WORK_WRITE, sendfile(a->fd, file, NULL, file_len)),
		    (ssize_t)file_len, "sendfile");
	work_any_operations(a->out, WORK_WRITE);
	for (size_t left = 6000; left;) {
		ssize_t n = line_did(b, WORK_READ, splice(b->fd, NULL, p[1], NULL, left, 0));

		if (n <= 0)
			work_die("splice");
		left -= (size_t)n;
		work_expect(read(p[0], line_bytes, (size_t)n), n, "read");
	}
	work_any_operations(b->in, WORK_READ);
	line_get(b, get_len);
}
