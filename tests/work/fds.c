/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors of one pipe that travel: dup, fork, exec, SCM_RIGHTS,
 * pidfd_getfd, /proc, threads. The channel must stay the same and the bytes
 * be credited to whoever moved them.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

static struct duct a;

static void put_times(const struct duct *d, int times, size_t len)
{
	for (int i = 0; i < times; i++)
		work_expect(duct_put(d, len), (ssize_t)len, "write");
}

/* the same pipe through another descriptor */
static struct duct by(int r, int w)
{
	if (r < 0 || w < 0)
		work_die("descriptor");
	return (struct duct){ .r = r, .w = w, .c = a.c };
}

static void run_dup(void)
{
	char path[32];
	struct duct d[4];

	a = duct_new(0);
	work_ready();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a.w);
	d[0] = by(dup(a.r), dup(a.w));
	d[1] = by(dup2(a.r, 200), dup2(a.w, 201));
	d[2] = by(fcntl(a.r, F_DUPFD_CLOEXEC, 300), fcntl(a.w, F_DUPFD, 300));
	/* a new open file, the same pipe */
	d[3] = by(a.r, open(path, O_WRONLY));
	for (size_t i = 0; i < ARRAY_SIZE(d); i++) {
		put_times(&d[i], (int)i + 1, 100);
		duct_drain(&d[i], 100, 60);
	}
	put_times(&a, 1, 50);
}

static void write_child(void *times)
{
	put_times(&a, *(int *)times, 10);
}

static void read_child(void *unused)
{
	duct_drain(&a, 3500, 333);
}

static void run_fork(void)
{
	int few = 100, many = 200;
	pid_t one, two, reader;

	a = duct_new(0);
	work_ready();
	one = work_spawn(write_child, &few);
	two = work_spawn(write_child, &many);
	reader = work_spawn(read_child, NULL);
	put_times(&a, 50, 10);
	work_wait(one);
	work_wait(two);
	work_wait(reader);
}

static void exit_child(void *unused)
{
	put_times(&a, 5, 100);
	_exit(0);
}

/* a writer that has long ended when somebody asks */
static void run_exits(void)
{
	a = duct_new(0);
	work_ready();
	work_reap(work_spawn(exit_child, NULL));
	duct_drain(&a, 500, 500);
}

static void exec_child(void *unused)
{
	char r[16], w[16], c[16];

	put_times(&a, 3, 100);
	snprintf(r, sizeof(r), "%d", a.r);
	snprintf(w, sizeof(w), "%d", a.w);
	snprintf(c, sizeof(c), "%d", a.c);
	work_exec("@reborn", (const char *const[]){ r, w, c, NULL });
}

static void run_reborn(void)
{
	a.r = (int)work_arg(0, -1);
	a.w = (int)work_arg(1, -1);
	a.c = (int)work_arg(2, -1);
	put_times(&a, 4, 100);
}

/* the program changes, the process does not */
static void run_exec(void)
{
	pid_t kid;

	a = duct_new(0);
	work_ready();
	kid = work_spawn(exec_child, NULL);
	work_reap(kid);
	duct_drain(&a, 700, 100);
	work_fact("reborn", kid);
}

/* ------------------------------------------------- received, not inherited */

static int line[2];

static void socket_pair(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, line))
		work_die("socketpair");
}

static void send_descriptor(int fd, int chan)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &chan, sizeof(chan) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	work_expect(sendmsg(line[0], &m, 0), sizeof(chan), "sendmsg");
}

static int receive_descriptor(int *ret_chan)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec v = { ret_chan, sizeof(*ret_chan) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd;

	work_expect(recvmsg(line[1], &m, 0), sizeof(*ret_chan), "recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void read_received(void *unused)
{
	struct duct d;

	d.r = receive_descriptor(&d.c);
	duct_drain(&d, 1000, 1000);
}

static void run_scm(void)
{
	pid_t kid;

	socket_pair();
	/* born before the pipe, so that it inherits nothing */
	kid = work_spawn(read_received, NULL);
	work_ready();
	a = duct_new(0);
	send_descriptor(a.r, a.c);
	close(a.r);
	work_look_through(a.c, a.w);
	put_times(&a, 10, 100);
	work_wait(kid);
	put_times(&a, 1, 11);
}

static void read_fetched(void *unused)
{
	struct duct d;
	int at[2], pidfd;

	work_expect(read(line[1], at, sizeof(at)), sizeof(at), "socket");
	pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0);
	d.c = at[1];
	d.r = (int)syscall(SYS_pidfd_getfd, pidfd, at[0], 0);
	if (d.r < 0)
		work_die("pidfd_getfd");
	duct_drain(&d, 1000, 1000);
}

static void run_pidfd(void)
{
	pid_t kid;
	int at[2];

	socket_pair();
	kid = work_spawn(read_fetched, NULL);
	work_ready();
	a = duct_new(0);
	at[0] = a.r;
	at[1] = a.c;
	work_expect(write(line[0], at, sizeof(at)), sizeof(at), "socket");
	put_times(&a, 10, 100);
	work_wait(kid);
}

/* ------------------------------------------------------- numbers used again */

/* by close_range(2), which tells of no descriptor by itself; the numbers are another pipe's then */
static void run_closerange(void)
{
	struct duct before, after;

	before = duct_new(0);
	work_ready();
	put_times(&before, 3, 100);
	duct_drain(&before, 120, 120);
	work_gone(before.c);
	if (syscall(SYS_close_range, before.r, before.w, 0))
		work_skip("no close_range(2)");
	after = duct_new(0);
	if (after.r != before.r || after.w != before.w)
		work_die("other numbers");
	put_times(&after, 2, 50);
	duct_drain(&after, 70, 70);
}

/* ------------------------------------------------- taken before anybody looks */

enum { MADE, TAKEN, MAY_MOVE };		/* ticks */

static struct duct *made;	/* as its maker has it */
static pid_t maker;

static void make(void *unused)
{
	*made = duct_new(0);
	/* it is empty in the end, too; the first process has no descriptor to look by */
	work_settled(made->c);
	work_tick(MADE);
}

/* of the maker, which is a sibling: nobody that it comes from has ever had it */
static int taken(int fd)
{
	int own = (int)syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, maker, 0), fd, 0);

	if (own < 0)
		work_die("pidfd_getfd");
	work_tick(TAKEN);
	work_wait_ticks(MAY_MOVE, 1);
	return own;
}

static void write_taken(void *unused)
{
	struct duct d = { .w = taken(made->w), .c = made->c };

	put_times(&d, 10, 100);
}

static void read_taken(void *unused)
{
	struct duct d = { .r = taken(made->r), .c = made->c };

	duct_drain(&d, 1000, 1000);
}

static void run_taken(void)
{
	pid_t writer, reader;

	made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED)
		work_die("mmap");
	maker = work_spawn(make, NULL);
	work_wait_ticks(MADE, 1);
	writer = work_spawn(write_taken, NULL);
	reader = work_spawn(read_taken, NULL);
	work_wait_ticks(TAKEN, 2);
	work_ready();
	work_tick(MAY_MOVE);
	work_wait(writer);
	work_wait(reader);
	work_fact("maker", maker);
}

/* ------------------------------------------------------------------ threads */

static void *write_thread(void *unused)
{
	put_times(&a, 100, 7);
	return NULL;
}

/* four threads are one process */
static void run_threads(void)
{
	pthread_t t[4];

	a = duct_new(0);
	work_ready();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, write_thread, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	duct_drain(&a, 2000, 999);
}

static struct duct b;
static int flipped;
static volatile bool flip_over;

static void *flip_thread(void *unused)
{
	while (!flip_over)
		if (dup2(b.w, flipped) < 0 || dup2(a.w, flipped) < 0)
			work_die("dup2");
	return NULL;
}

/* a record is longer than the one before, so that lines of a trace can be told apart */
#define RECORD_LENGTHS 61
static size_t record_len(uint64_t record)
{
	return sizeof(record) + record % RECORD_LENGTHS;
}

/* who got which record is told by what the records say */
static void take_records(const struct duct *d, char name, char *owner, long count)
{
	char rest[RECORD_LENGTHS];
	uint64_t record;

	while (duct_depth(d)) {
		ssize_t n = work_did(d->c, WORK_READ, read(d->r, &record, sizeof(record)));
		ssize_t more;

		if (n != sizeof(record) || record >= (uint64_t)count || owner[record])
			work_die("record");
		owner[record] = name;
		more = (ssize_t)(record_len(record) - sizeof(record));
		if (more && work_did(d->c, WORK_READ, read(d->r, rest, (size_t)more)) != more)
			work_die("rest of a record");
		work_did(d->c, WORK_WRITE, n + more);
	}
}

/*
 * A thread turns a descriptor to and fro between two pipes while another one
 * writes to it. Leaves one letter per record in a file: where it arrived.
 */
static void run_flip(void)
{
	long count = work_arg(0, 20000);
	int truth = open(work_text(1), O_WRONLY | O_CREAT | O_EXCL, 0600);
	char *owner = calloc(1, (size_t)count);
	pthread_t flipper;

	if (truth < 0 || !owner)
		work_die("truth");
	a = duct_new(0);
	b = duct_new(0);
	flipped = dup(a.w);
	work_ready();
	pthread_create(&flipper, NULL, flip_thread, NULL);
	for (long i = 0; i < count; i++) {
		uint64_t record[1 + RECORD_LENGTHS / sizeof(uint64_t) + 1] = { (uint64_t)i };
		size_t len = record_len(record[0]);

		work_expect(write(flipped, record, len), (ssize_t)len, "write");
		if (i % 100 == 99 || i + 1 == count) {
			take_records(&a, 'a', owner, count);
			take_records(&b, 'b', owner, count);
		}
	}
	flip_over = true;
	pthread_join(flipper, NULL);
	work_expect(write(truth, owner, (size_t)count), count, "write of the truth");
	close(truth);
}

static void *outlive(void *leader)
{
	pthread_join(*(pthread_t *)leader, NULL);
	put_times(&a, 20, 5);
	work_tick(0);
	pause();
	return NULL;
}

static void leave_first(void *unused)
{
	static pthread_t self;
	pthread_t t;

	self = pthread_self();
	pthread_create(&t, NULL, outlive, &self);
	pthread_exit(NULL);
}

/* the leader is gone, its process goes on */
static void run_leaderexit(void)
{
	a = duct_new(0);
	work_ready();
	work_spawn(leave_first, NULL);
	work_wait_ticks(0, 1);
	duct_drain(&a, 100, 100);
}

/* both ends, both directions, two processes that share everything */
static void echo(void *unused)
{
	for (int i = 0; i < 10; i++) {
		duct_drain(&a, 100, 100);
		work_tick(0);
	}
	put_times(&a, 10, 20);
}

static void run_bothends(void)
{
	pid_t kid;

	a = duct_new(0);
	work_ready();
	put_times(&a, 10, 100);
	kid = work_spawn(echo, NULL);
	work_wait(kid);
	duct_drain(&a, 200, 200);
}

static const struct work_mode modes[] = {
	{ "dup", run_dup },
	{ "fork", run_fork },
	{ "exits", run_exits },
	{ "exec", run_exec },
	{ "@reborn", run_reborn },
	{ "scm", run_scm },
	{ "pidfd", run_pidfd },
	{ "closerange", run_closerange },
	{ "taken", run_taken },
	{ "threads", run_threads },
	{ "flip", run_flip },
	{ "leaderexit", run_leaderexit },
	{ "bothends", run_bothends },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
