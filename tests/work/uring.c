/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pipes, sockets and eventfds through io_uring, by its system calls: inline, by worker threads,
 * with registered files, polled by a kernel thread, and by operations that
 * wait for data. What posts no completion is counted by what arrives.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "duct.h"
#include "handover.h"
#include "line.h"
#include "ring.h"

static struct duct a, b;

static void need_ring(unsigned setup)
{
	if (!ring_open(setup))
		work_skip("no io_uring here");
}

/* a write and a read of 1000 bytes; flags go to both, descriptors may be registered ones */
static void once(int w, int r, unsigned flags)
{
	struct io_uring_sqe op = ring_operation(IORING_OP_WRITE, w, duct_data, 1000);

	op.flags = (uint8_t)flags;
	work_expect(work_did(a.c, WORK_WRITE, ring_do(&op)), 1000, "io_uring write");
	op = ring_operation(IORING_OP_READ, r, duct_sink, 1000);
	op.flags = (uint8_t)flags;
	work_expect(work_did(a.c, WORK_READ, ring_do(&op)), 1000, "io_uring read");
}

/* ------------------------------------------------------------------- modes */

static void run_rw(void)
{
	struct iovec v[2] = { { duct_data, 300 }, { duct_data, 700 } };
	struct iovec to = { duct_sink, 400 };
	struct io_uring_sqe op;

	need_ring(0);
	a = duct_new(0);
	work_ready();
	for (int i = 0; i < 200; i++)
		once(a.w, a.r, 0);
	op = ring_operation(IORING_OP_WRITEV, a.w, v, 2);
	work_expect(work_did(a.c, WORK_WRITE, ring_do(&op)), 1000, "io_uring writev");
	op = ring_operation(IORING_OP_READV, a.r, &to, 1);
	work_expect(work_did(a.c, WORK_READ, ring_do(&op)), 400, "io_uring readv");
	op = ring_operation(IORING_OP_READ, a.r, duct_sink, 5000);
	work_expect(work_did(a.c, WORK_READ, ring_do(&op)), 600, "short io_uring read");
	work_expect(duct_put(&a, 50), 50, "write");
	work_expect(duct_get(&a, 20), 20, "read");
}

static void run_workers(void)
{
	need_ring(0);
	a = duct_new(0);
	work_ready();
	for (int i = 0; i < 200; i++)
		once(a.w, a.r, IOSQE_ASYNC);
}

/* descriptors that are in no table of descriptors any more */
static void run_fixed(void)
{
	int fds[2];

	need_ring(0);
	a = duct_new(0);
	fds[0] = dup(a.w);
	fds[1] = dup(a.r);
	if (syscall(SYS_io_uring_register, ring_fd(), IORING_REGISTER_FILES, fds, 2))
		work_die("io_uring_register");
	close(fds[0]);
	close(fds[1]);
	work_ready();
	for (int i = 0; i < 100; i++) {
		once(0, 1, IOSQE_FIXED_FILE);
		once(0, 1, IOSQE_FIXED_FILE | IOSQE_ASYNC);
	}
}

static void run_sqpoll(void)
{
	need_ring(IORING_SETUP_SQPOLL);
	a = duct_new(0);
	work_ready();
	for (int i = 0; i < 200; i++)
		once(a.w, a.r, 0);
}

static void run_splice(void)
{
	struct io_uring_sqe op = { .opcode = IORING_OP_TEE, .len = 1000 };
	ssize_t n;

	need_ring(0);
	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	for (int i = 0; i < 50; i++) {
		work_expect(duct_put(&a, 1000), 1000, "write");
		op.opcode = IORING_OP_TEE;
		op.fd = b.w;
		op.splice_fd_in = a.r;
		work_expect(work_did(b.c, WORK_WRITE, ring_do(&op)), 1000, "io_uring tee");
		op.opcode = IORING_OP_SPLICE;
		op.off = op.splice_off_in = (uint64_t)-1;
		n = ring_do(&op);
		work_expect(work_did(a.c, WORK_READ, n), 1000, "io_uring splice");
		work_did(b.c, WORK_WRITE, n);
		op.off = op.splice_off_in = 0;
		work_expect(duct_get(&b, 2000), 2000, "read");
	}
}

static void put_slowly(void *unused)
{
	for (unsigned i = 0; i < 50; i++) {
		work_wait_ticks(0, i + 1);
		work_expect(duct_put(&a, 100), 100, "write");
	}
}

/* reads that find nothing and complete when another process has written */
static void run_waiting(void)
{
	struct io_uring_sqe op;
	pid_t kid;

	need_ring(0);
	a = duct_new(0);
	work_ready();
	kid = work_spawn(put_slowly, NULL);
	for (int i = 0; i < 50; i++) {
		op = ring_operation(IORING_OP_READ, a.r, duct_sink, 100);
		ring_submit(&op);
		work_tick(0);
		work_expect(work_did(a.c, WORK_READ, ring_complete()), 100, "io_uring read");
	}
	work_wait(kid);
}

/* successes that are told to nobody */
static void run_silent(void)
{
	struct io_uring_sqe op = ring_operation(IORING_OP_WRITE, 0, duct_data, 70);

	need_ring(0);
	a = duct_new(0);
	op.fd = a.w;
	op.flags = IOSQE_CQE_SKIP_SUCCESS;
	work_ready();
	for (int i = 0; i < 30; i++) {
		ring_submit(&op);
		/* blocks until the bytes are there */
		work_expect(duct_get(&a, 70), 70, "read");
		work_did(a.c, WORK_WRITE, 70);
	}
	work_fact("silent", 30);
}

static void run_eventfd(void)
{
	uint64_t value, got;
	struct iovec v = { &value, sizeof(value) };
	struct io_uring_sqe op;
	int fd = eventfd(0, 0), c;

	need_ring(0);
	if (fd < 0)
		work_die("eventfd");
	c = work_eventfd(fd);
	work_ready();
	for (unsigned i = 1; i <= 100; i++) {
		value = i;
		op = ring_operation(IORING_OP_WRITE, fd, &value, sizeof(value));
		op.flags = i % 2 ? 0 : IOSQE_ASYNC;
		work_expect(ring_do(&op), sizeof(value), "io_uring write");
		work_did(c, WORK_WRITE, (ssize_t)value);
		op = ring_operation(IORING_OP_READ, fd, &got, sizeof(got));
		work_expect(ring_do(&op), sizeof(got), "io_uring read");
		work_expect(work_did(c, WORK_READ, (ssize_t)got), (ssize_t)value, "value");
	}
	/* where the value is does not show any more when it completes: counts as unseen */
	value = 1000;
	op = ring_operation(IORING_OP_WRITEV, fd, &v, 1);
	work_expect(ring_do(&op), sizeof(value), "io_uring writev");
	work_did(c, WORK_WRITE, (ssize_t)value);
	work_fact("vectors", 1);
}

static void over_line(const struct line *l, enum work_dir dir, unsigned opcode, void *data,
		      unsigned len, unsigned flags)
{
	struct io_uring_sqe op = ring_operation(opcode, l->fd, data, len);

	op.flags = (uint8_t)flags;
	/* neither an offset nor a second address */
	op.off = opcode == IORING_OP_WRITE || opcode == IORING_OP_READ ? (uint64_t)-1 : 0;
	work_expect(line_did(l, dir, ring_do(&op)), 100, "io_uring operation on a socket");
}

/* what a splice takes out of it goes into a pipe, and is dropped there */
static void splice_out(const struct line *l, const int *fds, unsigned flags)
{
	struct io_uring_sqe op = ring_operation(IORING_OP_SPLICE, fds[1], NULL, 100);

	op.flags = (uint8_t)flags;
	op.off = (uint64_t)-1;
	op.splice_off_in = (uint64_t)-1;
	op.splice_fd_in = l->fd;
	work_expect(line_did(l, WORK_READ, ring_do(&op)), 100, "io_uring splice of a socket");
	work_expect(read(fds[0], line_bytes, 100), 100, "read");
}

static void over_connection(const struct line ends[2])
{
	int fds[2];
	struct iovec v[2] = { { line_bytes, 30 }, { line_bytes + 50, 70 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	if (pipe(fds))
		work_die("pipe");
	for (unsigned i = 0; i < 50; i++) {
		unsigned flags = i % 2 ? IOSQE_ASYNC : 0;

		over_line(&ends[0], WORK_WRITE, IORING_OP_SEND, line_bytes, 100, flags);
		over_line(&ends[1], WORK_READ, IORING_OP_RECV, line_bytes, 100, flags);
		over_line(&ends[1], WORK_WRITE, IORING_OP_WRITE, line_bytes, 100, flags);
		over_line(&ends[0], WORK_READ, IORING_OP_READ, line_bytes, 100, flags);
		over_line(&ends[0], WORK_WRITE, IORING_OP_SENDMSG, &m, 1, flags);
		over_line(&ends[1], WORK_READ, IORING_OP_RECVMSG, &m, 1, flags);
		line_put(&ends[1], 100);
		splice_out(&ends[0], fds, flags);
	}
	line_put(&ends[0], 40);
}

/* two connections, one of them over loopback */
static void run_sockets(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct line local[2], tcp[2];
	int fd[2], listener = socket(AF_INET, SOCK_STREAM, 0);

	need_ring(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		work_die("socketpair");
	line_join(fd, false, local);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) ||
	    connect(fd[0], (struct sockaddr *)&at, len))
		work_die("connect");
	fd[1] = accept(listener, NULL, NULL);
	line_join(fd, false, tcp);
	work_ready();
	over_connection(local);
	over_connection(tcp);
	work_fact("each", 50 * 7);
}

/* with MSG_TRUNC a call returns more than it moved */
static void run_cut(void)
{
	struct iovec v = { line_bytes, 40 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct line ends[2];

	need_ring(0);
	line_open(AF_INET, SOCK_DGRAM, ends);
	work_ready();
	for (unsigned i = 0; i < 30; i++) {
		struct io_uring_sqe op = ring_operation(IORING_OP_RECVMSG, ends[1].fd, &m, 1);

		op.off = 0;
		op.msg_flags = MSG_TRUNC;
		op.flags = i % 2 ? IOSQE_ASYNC : 0;
		line_put(&ends[0], 100);
		work_expect(ring_do(&op), 100, "io_uring recvmsg");
		line_did(&ends[1], WORK_READ, 40);
	}
	line_put(&ends[1], 5);
	work_discarded(ends[1].in, 30 * 60, 0);
	work_fact("cut", 30);
}

/* one operation, and a completion for each message that comes in */
static void run_multishot(void)
{
	struct io_uring_sqe op = { .opcode = IORING_OP_PROVIDE_BUFFERS, .fd = 4, .len = 100 };
	struct line ends[2];

	need_ring(0);
	line_open(AF_UNIX, SOCK_SEQPACKET, ends);
	op.addr = (uintptr_t)duct_sink;
	work_expect(ring_do(&op), 0, "io_uring buffers");
	op = ring_operation(IORING_OP_RECV, ends[1].fd, NULL, 0);
	op.off = 0;
	op.ioprio = IORING_RECV_MULTISHOT;
	op.flags = IOSQE_BUFFER_SELECT;
	work_ready();
	ring_submit(&op);
	for (unsigned i = 0; i < 3; i++) {
		line_put(&ends[0], 100);
		work_expect(line_did(&ends[1], WORK_READ, ring_complete()), 100, "io_uring recv");
	}
	work_fact("operations", 1);
}

static void run_pty(void)
{
	struct iovec to = { duct_sink, 70 };
	struct io_uring_sqe op;
	int master, slave, c;

	need_ring(0);
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &(int){ 0 }))
		work_die("/dev/ptmx");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	work_pty_raw(slave);
	c = work_pty(master, slave, false);
	work_ready();
	for (int i = 0; i < 50; i++) {
		op = ring_operation(IORING_OP_WRITE, slave, duct_data, 70);
		op.flags = i % 2 ? 0 : IOSQE_ASYNC;
		work_expect(work_did(c, WORK_WRITE, ring_do(&op)), 70, "io_uring write");
		op = ring_operation(i % 3 ? IORING_OP_READ : IORING_OP_READV, master,
			       i % 3 ? (void *)duct_sink : &to, i % 3 ? 70 : 1);
		work_expect(work_did(c, WORK_READ, ring_do(&op)), 70, "io_uring read");
	}
}

/* messages that carry a descriptor, one by a worker */
static void run_passing(void)
{
	struct handover h;
	struct line l[2];
	int fd[2];

	ring_open(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		work_die("socketpair");
	line_join(fd, false, l);
	work_ready();
	for (unsigned i = 0; i < 2; i++) {
		int got[HANDOVER_MAX];
		unsigned flags = i ? IOSQE_ASYNC : 0;

		handover_make(&h, 100, &l[0].fd, 1);
		over_line(&l[0], WORK_WRITE, IORING_OP_SENDMSG, &h.m, 1, flags);
		handover_note(true, &l[0].fd, 1);
		handover_expect(&h, 100);
		over_line(&l[1], WORK_READ, IORING_OP_RECVMSG, &h.m, 1, flags);
		work_expect(handover_take(&h, got), 1, "descriptors");
		handover_note(false, got, 1);
	}
}

static const struct work_mode modes[] = {
	{ "rw", run_rw },
	{ "workers", run_workers },
	{ "fixed", run_fixed },
	{ "sqpoll", run_sqpoll },
	{ "splice", run_splice },
	{ "waiting", run_waiting },
	{ "silent", run_silent },
	{ "eventfd", run_eventfd },
	{ "sockets", run_sockets },
	{ "cut", run_cut },
	{ "multishot", run_multishot },
	{ "pty", run_pty },
	{ "passing", run_passing },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
