/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots in which somebody waits by io_uring: "ring" has requests under way, and
 * waits for any of them; "plain" waits for ring by a call.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "ring.h"
#include "work.h"

/* ring waits at p, which plain has the other end of; plain reads from q, which ring writes to */
static int p[2], q[2], other[2];
static char byte;

static void open_ring(unsigned setup)
{
	if (!ring_open(setup))
		work_skip("no io_uring here");
}

static void request(unsigned opcode, int fd, unsigned flags)
{
	struct io_uring_sqe op = ring_operation(opcode, fd, &byte, 1);

	op.flags = (uint8_t)flags;
	ring_submit(&op);
}

static void wait_here(void)
{
	ring_sleep(0, NULL, 0);
}

/* ------------------------------------------------------------------ who waits */

static void close_those_of_plain(void)
{
	close(p[1]);
	close(q[0]);
}

static void reads(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

static void reads_elsewhere(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], IOSQE_ASYNC);
	wait_here();
}

static void reads_fixed(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	if (!ring_register(IORING_REGISTER_FILES, p, 1))
		work_die("register");
	request(IORING_OP_READ, 0, IOSQE_FIXED_FILE);
	wait_here();
}

static void reads_hidden(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	if (!ring_hide())
		work_skip("rings cannot be registered here");
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

static void polls(void *unused)
{
	struct io_uring_sqe op;

	close_those_of_plain();
	open_ring(0);
	op = ring_operation(IORING_OP_POLL_ADD, p[0], NULL, 0);
	op.off = 0;
	op.poll32_events = POLLIN;
	ring_submit(&op);
	wait_here();
}

static void reads_either(void *unused)
{
	close_those_of_plain();
	close(other[1]);
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	request(IORING_OP_READ, other[0], 0);
	wait_here();
}

static void reads_polled(void *unused)
{
	close_those_of_plain();
	open_ring(IORING_SETUP_SQPOLL);
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

static struct __kernel_timespec hour = { .tv_sec = 3600 };

static void reads_for_an_hour(void *unused)
{
	struct io_uring_sqe op;

	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	op = ring_operation(IORING_OP_TIMEOUT, -1, &hour, 1);
	op.off = 0;
	ring_submit(&op);
	wait_here();
}

static void waits_an_hour(void *unused)
{
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&hour };

	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	ring_sleep(IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

static struct io_uring_getevents_arg *limit;

static void waits_by_shared_limit(void *unused)
{
	limit->ts = (uintptr_t)&hour;
	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	ring_sleep(IORING_ENTER_EXT_ARG, limit, sizeof(*limit));
}

/* as with a time limit, but there is none */
static void waits_with_mask(void *unused)
{
	struct io_uring_getevents_arg arg = { 0 };

	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	ring_sleep(IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

static void writes(void *unused)
{
	close(p[0]);
	close(q[0]);
	open_ring(0);
	fill(p[1]);
	request(IORING_OP_WRITE, p[1], 0);
	wait_here();
}

static void waits_for_nothing(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	wait_here();
}

static void has_idle_ring(void *unused)
{
	close_those_of_plain();
	open_ring(0);
	get(p[0]);
}

static void has_busy_ring(void *unused)
{
	close_those_of_plain();
	close(other[1]);
	open_ring(0);
	request(IORING_OP_READ, other[0], 0);
	get(p[0]);
}

/* the thread that takes in its requests may do anything, whatever this one waits for */
static void has_polled_ring(void *unused)
{
	close_those_of_plain();
	close(other[1]);
	open_ring(IORING_SETUP_SQPOLL);
	request(IORING_OP_READ, other[0], 0);
	get(p[0]);
}

/* one request is over, and its memory is that of the next */
static void reads_again(void *unused)
{
	int spare[2];

	close_those_of_plain();
	make_pipe(spare);
	open_ring(0);
	put(spare[1]);
	request(IORING_OP_READ, spare[0], 0);
	ring_complete();
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

/* one is over, and two are asked for, but only for so long */
static void waits_for_two(void *unused)
{
	struct { uint64_t mask; uint32_t mask_size, min_wait_us; uint64_t time; } arg = {
		.min_wait_us = 3600u * 1000000,
	};
	struct io_uring_sqe nothing = ring_operation(IORING_OP_NOP, -1, NULL, 0);

	close_those_of_plain();
	open_ring(0);
	if (!ring_sleeps_at_least())
		work_skip("no minimum time before v6.12");
	ring_submit(&nothing);
	request(IORING_OP_READ, p[0], 0);
	ring_sleep_for(2, IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

static void keeps_ring_only(void)
{
	if (!ring_hide())
		work_die("register");
	work_tick(0);
	for (;;)
		pause();
}

/* another process can put requests into the ring, and has no descriptor of it */
static void reads_beside_hidden(void *unused)
{
	pid_t pid;

	close_those_of_plain();
	open_ring(0);
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		close(q[1]);
		keeps_ring_only();
	}
	work_wait_ticks(0, 1);
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

static void *asks_for_child(void *pid)
{
	struct io_uring_sqe op = ring_operation(50 /* IORING_OP_WAITID, v6.7 */, *(pid_t *)pid,
						NULL, P_PID);

	op.off = 0;
	op.file_index = WEXITED;
	ring_submit(&op);
	return NULL;
}

/* who has asked to be told of a child has ended */
static void reads_after_another(void *unused)
{
	pthread_t thread;
	pid_t pid;

	close_those_of_plain();
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		close(q[1]);
		for (;;)
			pause();
	}
	open_ring(0);
	if (pthread_create(&thread, NULL, asks_for_child, &pid) || pthread_join(thread, NULL))
		work_die("thread");
	/* kernels that do not know it have answered at once */
	if (ring_has_answer())
		work_skip("no waitid by io_uring before v6.7");
	request(IORING_OP_READ, p[0], 0);
	wait_here();
}

static void receives(void *unused)
{
	struct io_uring_sqe op;

	close_those_of_plain();
	open_ring(0);
	op = ring_operation(IORING_OP_RECV, p[0], &byte, 1);
	op.off = 0;
	ring_submit(&op);
	wait_here();
}

static void reads_by_epoll(void *unused)
{
	struct epoll_event e = { .events = EPOLLIN };
	int set = epoll_create1(0);

	close_those_of_plain();
	open_ring(0);
	request(IORING_OP_READ, p[0], 0);
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, ring_fd(), &e))
		work_die("epoll");
	epoll_wait(set, &e, 1, -1);
}

/* --------------------------------------------------------------------- knots */

static void reads_q(void *unused)
{
	close(p[0]);
	close(q[1]);
	close_pair(other);
	get(q[0]);
}

static void reads_q_holds_p(void *unused)
{
	close(p[1]);
	close(q[1]);
	get(q[0]);
}

static void sleeps(void *unused)
{
	close_pair(p);
	close_pair(q);
	close(other[0]);
}

static void knot(void (*ring)(void *), void (*plain)(void *), long nr)
{
	role("ring", work_spawn(ring, NULL));
	role("plain", work_spawn(plain, NULL));
	close_pair(p);
	close_pair(q);
	asleep_wholly("ring", nr);
	asleep("plain", SYS_read);
}

static void with(void (*ring)(void *), long nr)
{
	make_pipe(p);
	make_pipe(q);
	knot(ring, reads_q, nr);
}

static void with_other(void (*ring)(void *), long nr)
{
	make_pipe(p);
	make_pipe(q);
	make_pipe(other);
	role("sleeper", work_spawn(sleeps, NULL));
	knot(ring, reads_q, nr);
	close_pair(other);
	asleep("sleeper", SYS_pause);
}

static void ring_read(void) { with(reads, SYS_io_uring_enter); }
static void ring_async(void) { with(reads_elsewhere, SYS_io_uring_enter); }
static void ring_fixed(void) { with(reads_fixed, SYS_io_uring_enter); }
static void ring_hidden(void) { with(reads_hidden, SYS_io_uring_enter); }
static void ring_poll(void) { with(polls, SYS_io_uring_enter); }
static void ring_again(void) { with(reads_again, SYS_io_uring_enter); }
static void ring_mask(void) { with(waits_with_mask, SYS_io_uring_enter); }
static void ring_polled(void) { with(reads_polled, SYS_io_uring_enter); }
static void ring_timeout(void) { with(reads_for_an_hour, SYS_io_uring_enter); }
static void ring_limit(void) { with(waits_an_hour, SYS_io_uring_enter); }

/* the memory says by now that there is none */
static void ring_forgotten(void)
{
	limit = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (limit == MAP_FAILED)
		work_die("mmap");
	with(waits_by_shared_limit, SYS_io_uring_enter);
	limit->ts = 0;
}

static void ring_empty(void) { with(waits_for_nothing, SYS_io_uring_enter); }
static void ring_idle(void) { with(has_idle_ring, SYS_read); }
static void ring_epoll(void) { with(reads_by_epoll, SYS_epoll_wait); }
static void ring_either(void) { with_other(reads_either, SYS_io_uring_enter); }
static void ring_busy(void) { with_other(has_busy_ring, SYS_read); }
static void ring_beside(void) { with_other(has_polled_ring, SYS_read); }

static void ring_minimum(void) { with(waits_for_two, SYS_io_uring_enter); }
static void ring_registered(void) { with(reads_beside_hidden, SYS_io_uring_enter); }
static void ring_orphan(void) { with(reads_after_another, SYS_io_uring_enter); }

static void writes_p(void *unused)
{
	close(p[0]);
	close_pair(q);
}

/* that somebody else could write, too, does not help a writer */
static void ring_write(void)
{
	make_pipe(p);
	make_pipe(q);
	role("other", work_spawn(writes_p, NULL));
	knot(writes, reads_q_holds_p, SYS_io_uring_enter);
}

static void ring_receive(void)
{
	make_socket_pair(p, SOCK_STREAM);
	make_pipe(q);
	knot(receives, reads_q, SYS_io_uring_enter);
}

/* a FIFO cannot be read without blocking: a thread of the kernel's has to do it */
static void ring_fifo(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/lens-ring-%d", getpid());
	if (mkfifo(path, 0600))
		work_die("mkfifo");
	p[0] = open(path, O_RDONLY | O_NONBLOCK);
	p[1] = open(path, O_WRONLY);
	unlink(path);
	if (p[0] < 0 || p[1] < 0 || fcntl(p[0], F_SETFL, 0))
		work_die(path);
	make_pipe(q);
	knot(reads, reads_q, SYS_io_uring_enter);
}

static const struct work_mode modes[] = {
	{ "ringread", ring_read },	 { "ringasync", ring_async },
	{ "ringfixed", ring_fixed },	 { "ringhidden", ring_hidden },
	{ "ringpoll", ring_poll },	 { "ringagain", ring_again },
	{ "ringmask", ring_mask },	 { "ringpolled", ring_polled },
	{ "ringtimeout", ring_timeout }, { "ringlimit", ring_limit },
	{ "ringforgotten", ring_forgotten },
	{ "ringempty", ring_empty },	 { "ringidle", ring_idle },
	{ "ringepoll", ring_epoll },	 { "ringeither", ring_either },
	{ "ringbusy", ring_busy },	 { "ringwrite", ring_write },
	{ "ringreceive", ring_receive }, { "ringfifo", ring_fifo },
	{ "ringbeside", ring_beside },	 { "ringminimum", ring_minimum },
	{ "ringregistered", ring_registered }, { "ringorphan", ring_orphan },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
