/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pipes and the read and write calls: every result they can have, and calls
 * that are under way while somebody looks. Bytes that move without them are
 * splice.c; how a descriptor got where it is, fds.c; crowds, many.c.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

#define PAGE 4096

static struct duct a, b;

/* ----------------------------------------------------- read, write and vectors */

static void read_100k(void *unused)
{
	duct_drain(&a, 100000, 3000);
}

static void run_rw(void)
{
	pid_t kid;

	a = duct_new(0);
	work_ready();
	kid = work_spawn(read_100k, NULL);
	for (int i = 0; i < 100; i++)
		work_expect(duct_put(&a, 1000), 1000, "write");
	work_wait(kid);
	work_expect(duct_put(&a, 777), 777, "left over");
}

static void run_rwv(void)
{
	struct iovec v[] = { { duct_data, 100 }, { duct_data, 0 }, { duct_data, 2000 } };
	struct iovec half[2] = { { duct_sink, 50 }, { duct_sink, 1000 } };

	a = duct_new(0);
	work_ready();
	for (int i = 0; i < 10; i++) {
		work_expect(work_did(a.c, WORK_WRITE, writev(a.w, v, 3)), 2100, "writev");
		/* position -1: the only one that a pipe takes */
		work_expect(work_did(a.c, WORK_WRITE, pwritev2(a.w, v, 3, -1, 0)), 2100, "v2");
		work_expect(work_did(a.c, WORK_READ, readv(a.r, half, 2)), 1050, "readv");
		work_expect(work_did(a.c, WORK_READ, preadv2(a.r, half, 2, -1, 0)), 1050, "v2");
	}
}

static void run_zerolen(void)
{
	a = duct_new(0);
	work_ready();
	for (int i = 0; i < 5; i++)
		work_expect(duct_put(&a, 0), 0, "empty write");
	work_expect(duct_put(&a, 10), 10, "write");
	for (int i = 0; i < 3; i++)
		work_expect(duct_get(&a, 0), 0, "empty read");
	work_expect(duct_get(&a, 10), 10, "read");
	close(a.w);
	for (int i = 0; i < 4; i++)
		work_expect(duct_get(&a, 10), 0, "end of file");
}

static void run_nonblock(void)
{
	ssize_t n;

	a = duct_new(O_NONBLOCK);
	work_ready();
	for (int i = 0; i < 7; i++)
		work_expect_error(duct_get(&a, 10), EAGAIN, "empty");
	do {
		n = duct_put(&a, PAGE);
	} while (n > 0);
	for (int i = 0; i < 5; i++)
		work_expect_error(duct_put(&a, 1), EAGAIN, "full");
	duct_drain(&a, 10000, 10000);
}

static void run_short(void)
{
	a = duct_new(O_NONBLOCK);
	work_ready();
	work_expect(duct_put(&a, 100), 100, "write");
	work_expect(duct_get(&a, 50000), 100, "short read");
	work_expect(duct_put(&a, 100000), 65536, "short write");
	work_expect(duct_get(&a, 65000), 65000, "read");
	work_expect(duct_get(&a, 65000), 536, "short read");
}

static void read_ten(void *unused)
{
	close(a.w);
	duct_drain(&a, 10, 10);
	close(a.r);
}

static void run_epipe(void)
{
	pid_t kid;

	signal(SIGPIPE, SIG_IGN);
	a = duct_new(0);
	work_look_through(a.c, a.w);
	work_ready();
	kid = work_spawn(read_ten, NULL);
	close(a.r);
	work_expect(duct_put(&a, 10), 10, "write");
	work_wait(kid);
	for (int i = 0; i < 3; i++)
		work_expect_error(duct_put(&a, 500), EPIPE, "write without reader");
}

/* faulting addresses: nothing moved, or what fitted before the fault */
static void run_fault(void)
{
	char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (edge == MAP_FAILED || munmap(edge + PAGE, PAGE))
		work_die("mmap");
	memset(edge, 1, PAGE);
	a = duct_new(0);
	work_ready();
	work_expect_error(work_did(a.c, WORK_WRITE, write(a.w, edge + PAGE, 10)), EFAULT, "write");
	work_expect(duct_put(&a, 300), 300, "write");
	work_expect_error(work_did(a.c, WORK_READ, read(a.r, edge + PAGE, 10)), EFAULT, "read");
}

/* ------------------------------------------------------------- packets, sizes */

static void run_packet(void)
{
	a = duct_new(O_DIRECT);
	work_ready();
	for (int i = 1; i <= 12; i++)
		work_expect(duct_put(&a, (size_t)i * 100), i * 100, "packet");
	for (int i = 1; i <= 9; i++)
		work_expect(duct_get(&a, PAGE), i * 100, "packet");
}

/* the rest of a packet that does not fit is lost, as recv(2) does it */
static void run_packetcut(void)
{
	a = duct_new(O_DIRECT);
	work_ready();
	for (int i = 0; i < 5; i++)
		work_expect(duct_put(&a, 100), 100, "packet");
	for (int i = 0; i < 3; i++)
		work_expect(duct_get(&a, 40), 40, "cut packet");
	work_discarded(a.c, 3 * 60, 0);
}

static void run_resized(void)
{
	a = duct_new(O_NONBLOCK);
	work_ready();
	if (fcntl(a.w, F_SETPIPE_SZ, 1 << 20) != 1 << 20)
		work_die("F_SETPIPE_SZ");
	work_expect(duct_put(&a, 300000), 300000, "write");
	duct_drain(&a, 280000, 65536);
	if (fcntl(a.r, F_SETPIPE_SZ, 8 * PAGE) != 8 * PAGE)
		work_die("F_SETPIPE_SZ");
	work_expect_error(fcntl(a.w, F_SETPIPE_SZ, PAGE), EBUSY, "too small for what is queued");
	/* 20000 bytes lie in five or six pages now */
	if (duct_put(&a, 100000) <= 0)
		work_die("write");
	duct_drain(&a, 10000, 10000);
}

/* -------------------------------------------------------- calls under way */

static void write_big(void *len)
{
	duct_put(&a, *(size_t *)len);
}

/* until the writer sleeps on a pipe that is full again */
static void wait_full(pid_t kid)
{
	do {
		work_wait_blocked(kid, SYS_write, (unsigned long)a.w);
	} while (duct_depth(&a) < 65536 - PAGE);
}

/* a write of 1 MiB that has not returned when the truth is told */
static void run_bigwrite(void)
{
	size_t len = 1 << 20;
	pid_t kid;

	a = duct_new(0);
	work_ready();
	kid = work_spawn(write_big, &len);
	wait_full(kid);
	duct_drain(&a, 200000, 10000);
	wait_full(kid);
	work_in_flight(a.c, 200000 + duct_depth(&a));
	work_fact("writer", kid);
}

static void write_until_killed(void *moved)
{
	/* its call returns nothing to it, but has moved so much by then */
	work_did(a.c, WORK_WRITE, *(const ssize_t *)moved);
	if (write(a.w, duct_data, 1 << 20))
		work_die("not killed");
}

static void read_until_killed(void *unused)
{
	if (read(b.r, duct_sink, 100))
		work_die("not killed");
}

static void kill_and_see(pid_t kid)
{
	siginfo_t info;

	if (kill(kid, SIGKILL) || waitid(P_PID, (id_t)kid, &info, WEXITED | WNOWAIT))
		work_die("kill");
}

/* in the middle of a call: what a writer has moved, and a reader that had nothing */
static void run_killed(void)
{
	ssize_t moved = 200704;
	pid_t writer, reader;

	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	moved += fcntl(a.w, F_GETPIPE_SZ);
	writer = work_spawn(write_until_killed, &moved);
	reader = work_spawn(read_until_killed, NULL);
	wait_full(writer);
	duct_drain(&a, 200704, 4096);
	wait_full(writer);
	work_wait_blocked(reader, SYS_read, (unsigned long)b.r);
	kill_and_see(writer);
	kill_and_see(reader);
	duct_drain(&a, 10000, 10000);
	work_expect(duct_put(&b, 100), 100, "write");
	work_expect(duct_get(&b, 60), 60, "read");
}

/* a write under way when the observer comes, and finished later */
static void run_straddlewrite(void)
{
	size_t len = 1 << 20;
	pid_t kid;

	a = duct_new(0);
	kid = work_spawn(write_big, &len);
	wait_full(kid);
	work_ready();
	/* counted whole when it returns, although this much came before */
	work_in_flight(a.c, -duct_depth(&a));
	duct_drain(&a, len, 50000);
	work_wait(kid);
}

static void read_thrice(void *unused)
{
	for (int i = 0; i < 3; i++) {
		work_expect(duct_get(&a, 500), 100, "read");
		work_tick(0);
	}
}

/* a read that slept already when the observer came */
static void run_straddleread(void)
{
	pid_t kid;

	a = duct_new(0);
	kid = work_spawn(read_thrice, NULL);
	work_wait_blocked(kid, SYS_read, (unsigned long)a.r);
	work_ready();
	for (unsigned i = 0; i < 3; i++) {
		work_expect(duct_put(&a, 100), 100, "write");
		work_wait_ticks(0, i + 1);
	}
	work_wait(kid);
}

/* bytes that lay in the pipe before */
static void run_preload(void)
{
	a = duct_new(0);
	work_expect(write(a.w, duct_data, 5000), 5000, "write");
	work_ready();
	work_expect(duct_get(&a, 2000), 2000, "read");
	work_expect(duct_put(&a, 100), 100, "write");
}

static void on_signal(int unused)
{
	work_tick(1);
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

static void read_interrupted(void *unused)
{
	handle(SA_RESTART);
	work_expect(duct_get(&a, 1000), 10, "restarted read");
	handle(0);
	work_tick(0);
	for (int i = 0; i < 3; i++)
		work_expect_error(duct_get(&a, 1000), EINTR, "interrupted read");
	work_expect(duct_get(&a, 1000), 20, "read");
	work_tick(2);
	/* a write that moved something before the signal reports that much */
	work_expect(duct_put(&b, 100000), 65536, "interrupted write");
}

static void run_interrupted(void)
{
	pid_t kid;

	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	kid = work_spawn(read_interrupted, NULL);
	for (unsigned i = 0; i < 6; i++) {
		work_wait_blocked(kid, SYS_read, (unsigned long)a.r);
		kill(kid, SIGUSR1);
		work_wait_ticks(1, i + 1);
		if (i == 2) {
			work_wait_blocked(kid, SYS_read, (unsigned long)a.r);
			work_expect(duct_put(&a, 10), 10, "write");
			work_wait_ticks(0, 1);
		}
	}
	work_wait_blocked(kid, SYS_read, (unsigned long)a.r);
	work_expect(duct_put(&a, 20), 20, "write");
	work_wait_ticks(2, 1);
	work_wait_blocked(kid, SYS_write, (unsigned long)b.w);
	kill(kid, SIGUSR1);
	work_wait(kid);
	duct_drain(&b, 60000, 60000);
}

/* --------------------------------------------------------- what happens in bulk */

static void run_selfpipe(void)
{
	long ops = work_arg(0, 1000);

	a = duct_new(0);
	work_ready();
	for (long i = 0; i < ops; i++) {
		duct_put(&a, 1);
		duct_get(&a, 1);
	}
}

static void pong(void *ops)
{
	for (long i = 0; i < *(long *)ops; i++) {
		duct_drain(&a, 8, 8);
		duct_put(&b, 8);
	}
}

static void run_pingpong(void)
{
	long ops = work_arg(0, 1000);
	pid_t kid;

	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	kid = work_spawn(pong, &ops);
	for (long i = 0; i < ops; i++) {
		duct_put(&a, 8);
		duct_drain(&b, 8, 8);
	}
	work_wait(kid);
}

static volatile sig_atomic_t enough;

static void on_enough(int unused)
{
	enough = 1;
}

static void rattle(void *unused)
{
	struct duct own = duct_new(0);

	signal(SIGUSR2, on_enough);
	work_tick(3);
	while (!enough) {
		duct_put(&own, 64);
		duct_get(&own, 64);
	}
	work_gone(own.c);
	close(own.w);
	close(own.r);
}

/* as much as two processors can do, until "stop" comes */
static void run_load(void)
{
	pid_t kid[2];
	char stop[5];

	work_ready();
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(rattle, NULL);
	work_wait_ticks(3, ARRAY_SIZE(kid));
	if (read(STDIN_FILENO, stop, sizeof(stop)) < 0)
		work_die("stdin");
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		kill(kid[i], SIGUSR2);
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

static void run_shortlived(void)
{
	long count = work_arg(0, 300);

	work_ready();
	for (long i = 0; i < count; i++) {
		struct duct d = duct_new(0);

		work_expect(duct_put(&d, 10), 10, "write");
		work_expect(duct_get(&d, 10), 10, "read");
		work_gone(d.c);
		close(d.r);
		close(d.w);
	}
}

/* closed with bytes in it */
static void run_closed(void)
{
	a = duct_new(0);
	work_ready();
	work_expect(duct_put(&a, 1000), 1000, "write");
	work_expect(duct_get(&a, 400), 400, "read");
	work_gone(a.c);
	close(a.w);
	close(a.r);
}

static const struct work_mode modes[] = {
	{ "rw", run_rw },		{ "rwv", run_rwv },
	{ "zerolen", run_zerolen },	{ "nonblock", run_nonblock },
	{ "short", run_short },		{ "epipe", run_epipe },
	{ "fault", run_fault },		{ "packet", run_packet },
	{ "packetcut", run_packetcut },	{ "resized", run_resized },
	{ "killed", run_killed },
	{ "bigwrite", run_bigwrite },	{ "straddlewrite", run_straddlewrite },
	{ "straddleread", run_straddleread }, { "preload", run_preload },
	{ "interrupted", run_interrupted }, { "selfpipe", run_selfpipe },
	{ "pingpong", run_pingpong },	{ "load", run_load },
	{ "shortlived", run_shortlived }, { "closed", run_closed },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
