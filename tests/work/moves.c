/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The calls on descriptors and sockets behind moves.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "counted.h"
#include "ends.h"
#include "moves.h"
#include "ring.h"
#include "work.h"

enum { PARTS = 3, MESSAGES = 3 };

static char data[MOVE_BYTES];

/* cut into parts, of which one may be empty; returns how many */
static int cut(struct iovec v[PARTS], size_t len, unsigned how)
{
	size_t first = len / 3, second = how & 16 ? 0 : len / 5;

	v[0] = (struct iovec){ data, first };
	v[1] = (struct iovec){ data + first, second };
	v[2] = (struct iovec){ data + first + second, len - first - second };
	return PARTS;
}

/* ----------------------------------------------------------------- io_uring */

/* only what need not wait: of O_NONBLOCK it takes no notice */
static bool by_ring(const struct end *e, size_t len, unsigned how, short ready)
{
	unsigned on = e->mech->socket ? RINGS_SOCKETS : e->mech->splices ? RINGS_PIPES : 0;
	struct pollfd p = { .fd = e->fd, .events = ready };

	return stage->rings & on && len && how >> 12 == 5 && poll(&p, 1, 0) > 0;
}

/* a process that was just forked has inherited one that is its parent's */
static void own_ring(void)
{
	static pid_t owner;

	if (owner == getpid())
		return;
	if (owner)
		ring_close();
	if (!ring_open(0))
		work_die("io_uring");
	owner = getpid();
}

static ssize_t ring_move(const struct end *e, size_t len, unsigned how, enum work_dir dir)
{
	static const unsigned ops[][2] = { { IORING_OP_READ, IORING_OP_WRITE },
					   { IORING_OP_RECV, IORING_OP_SEND } };
	unsigned op = ops[e->mech->socket && how & 1][dir == WORK_WRITE];
	struct io_uring_sqe sqe = ring_operation(op, e->fd, data, (unsigned)len);
	ssize_t n;

	own_ring();
	if (op == IORING_OP_RECV || op == IORING_OP_SEND)
		sqe.off = 0;
	n = ring_do(&sqe);
	/* how often it tries is its own business */
	if (n <= 0)
		work_any_operations(dir == WORK_READ ? e->in : e->out, dir);
	return n;
}

/* ------------------------------------------------------------------ writing */

static ssize_t put_many(const struct end *e, size_t len)
{
	struct mmsghdr mm[MESSAGES] = { 0 };
	struct iovec v[MESSAGES];
	int n;

	for (int i = 0; i < MESSAGES; i++) {
		v[i] = (struct iovec){ data, len / (size_t)(i + 1) };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	n = sendmmsg(e->fd, mm, MESSAGES, 0);
	if (n < 0)
		counted_put(e, -1, 0);
	/* the one that failed is an attempt, which not everybody sees */
	if (n < MESSAGES)
		work_any_operations(e->out, WORK_WRITE);
	for (int i = 0; i < n; i++)
		counted_put(e, mm[i].msg_len, 0);
	return n;
}

ssize_t move_put(const struct end *e, size_t len, unsigned how)
{
	struct iovec v[PARTS];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)cut(v, len, how) };
	ssize_t n;

	if (e->mech->put)
		return e->mech->put(e, len, how);
	if (by_ring(e, len, how, POLLOUT))
		return counted_put(e, ring_move(e, len, how, WORK_WRITE), 0);
	how %= e->mech->socket ? 8 : 4;
	switch (how) {
	case 0:
		n = writev(e->fd, v, PARTS);
		break;
	case 1:
		n = pwritev2(e->fd, v, PARTS, -1, 0);
		break;
	case 4:
		n = send(e->fd, data, len, 0);
		break;
	case 5:
		n = sendto(e->fd, data, len, MSG_NOSIGNAL, NULL, 0);
		break;
	case 6:
		n = sendmsg(e->fd, &m, 0);
		break;
	case 7:
		return put_many(e, len);
	default:
		n = write(e->fd, data, len);
	}
	/* of empty vectors the socket or pipe is not told */
	if (!len && how < 2) {
		work_any_operations(e->out, WORK_WRITE);
		return n;
	}
	return counted_put(e, n, 0);
}

/* ------------------------------------------------------------------ reading */

static ssize_t get_many(const struct end *e, size_t len)
{
	struct mmsghdr mm[MESSAGES] = { 0 };
	struct iovec v[MESSAGES];
	int n;

	for (int i = 0; i < MESSAGES; i++) {
		v[i] = (struct iovec){ data, len };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(e->fd, mm, MESSAGES, MSG_WAITFORONE, NULL);
	if (n < 0)
		counted_get(e, -1, 0);
	if (n < MESSAGES)
		work_any_operations(e->in, WORK_READ);
	for (int i = 0; i < n; i++)
		counted_get(e, mm[i].msg_len, 0);
	return n;
}

ssize_t move_get(const struct end *e, size_t len, unsigned how)
{
	struct iovec v[PARTS];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)cut(v, len, how) };
	ssize_t n;

	if (e->mech->get)
		return e->mech->get(e, len, how);
	if (by_ring(e, len, how, POLLIN))
		return counted_get(e, ring_move(e, len, how, WORK_READ), 0);
	switch (how % (e->mech->socket ? 9 : 4)) {
	case 0:
		n = readv(e->fd, v, PARTS);
		break;
	case 1:
		n = preadv2(e->fd, v, PARTS, -1, 0);
		break;
	case 4:
		n = recv(e->fd, data, len, 0);
		break;
	case 5:
		n = recvfrom(e->fd, data, len, 0, NULL, NULL);
		break;
	case 6:
		n = recvmsg(e->fd, &m, 0);
		break;
	case 7:
		return get_many(e, len);
	case 8:
		/* of a message this returns all its length */
		n = recv(e->fd, data, len, MSG_TRUNC);
		if (n > (ssize_t)len)
			n = (ssize_t)len;
		break;
	default:
		n = read(e->fd, data, len);
	}
	return counted_get(e, n, 0);
}

void move_peek(const struct end *e, size_t len, unsigned how)
{
	struct iovec v = { data, len };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	work_any_operations(e->in, WORK_READ);
	if (how & 1)
		recvmsg(e->fd, &m, MSG_PEEK);
	else
		recv(e->fd, data, len, how & 2 ? MSG_PEEK | MSG_TRUNC : MSG_PEEK);
}

/* ---------------------------------------------------- without user memory */

/* whose failure this is nobody says; and a socket may be written to in several pieces */
static void either_failed(const struct end *from, const struct end *to, ssize_t n)
{
	if (from && (n <= 0 || from->mech->socket))
		work_any_operations(from->in, WORK_READ);
	if (to && (n <= 0 || to->mech->socket))
		work_any_operations(to->out, WORK_WRITE);
}

void move_splice(const struct end *from, const struct end *to, size_t len)
{
	ssize_t n = splice(from->fd, NULL, to->fd, NULL, len, SPLICE_F_NONBLOCK);

	either_failed(from, to, n);
	if (n <= 0)
		return;
	counted_get(from, n, 0);
	counted_put(to, n, 0);
}

void move_sendfile(const struct end *from, const struct end *to, size_t len)
{
	ssize_t n = sendfile(to->fd, from->fd, NULL, len);

	either_failed(from, to, n);
	if (n <= 0)
		return;
	counted_get(from, n, 0);
	counted_put(to, n, 0);
}

void move_tee(const struct end *from, const struct end *to, size_t len)
{
	ssize_t n = tee(from->fd, to->fd, len, SPLICE_F_NONBLOCK);

	either_failed(from, to, n);
	/* nothing leaves the first one */
	work_any_operations(from->in, WORK_READ);
	if (n > 0)
		counted_put(to, n, 0);
}

static int file_of(size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)len))
		work_die("memfd");
	return fd;
}

void move_from_file(const struct end *to, size_t len, unsigned how)
{
	struct iovec v[PARTS];
	loff_t at = 0;
	int file = -1;
	ssize_t n;

	if (how & 1 || to->mech->socket) {
		file = file_of(len);
		n = sendfile(to->fd, file, NULL, len);
	} else if (how & 2) {
		file = file_of(len);
		n = splice(file, &at, to->fd, NULL, len, SPLICE_F_NONBLOCK);
	} else {
		n = vmsplice(to->fd, v, (unsigned long)cut(v, len, how), SPLICE_F_NONBLOCK);
	}
	if (file >= 0)
		close(file);
	either_failed(NULL, to, n);
	if (n > 0)
		counted_put(to, n, 0);
}

void move_to_file(const struct end *from, size_t len, unsigned how)
{
	struct iovec v = { data, len };
	ssize_t n;

	if (how & 1) {
		int file = file_of(0);

		n = splice(from->fd, NULL, file, NULL, len, SPLICE_F_NONBLOCK);
		close(file);
	} else {
		n = vmsplice(from->fd, &v, 1, SPLICE_F_NONBLOCK);
	}
	either_failed(from, NULL, n);
	if (n > 0)
		counted_get(from, n, 0);
}

/* -------------------------------------------------------------- descriptors */

union rights {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

void move_pass(const struct end *e, int fd)
{
	union rights control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
					     .cmsg_level = SOL_SOCKET,
					     .cmsg_type = SCM_RIGHTS } };
	struct iovec v = { data, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	counted_put(e, sendmsg(e->fd, &m, 0), 0);
}

int move_receive(const struct end *e, int flags)
{
	union rights control = { 0 };
	struct iovec v = { data, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(e->fd, &m, flags);
	int fd = -1;

	counted_get(e, n, 0);
	if (n == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}
