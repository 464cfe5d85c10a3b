/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Eventfds: what is added and what is taken, whichever call does it, semaphores,
 * every way to fail, what the kernel adds itself, and ids used again.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "work.h"

struct counter { int fd, c; };

static struct counter a;

static struct counter counter_new(unsigned value, int flags)
{
	struct counter n = { .fd = eventfd(value, flags) };

	if (n.fd < 0)
		work_die("eventfd");
	n.c = work_eventfd(n.fd);
	return n;
}

/* what was moved in place of the size of it; -1: the call failed */
static ssize_t amount(ssize_t ret, uint64_t value)
{
	return ret == sizeof(value) ? (ssize_t)value : ret < 0 ? -1 : -2;
}

static ssize_t add(const struct counter *to, uint64_t value)
{
	return work_did(to->c, WORK_WRITE, amount(write(to->fd, &value, sizeof(value)), value));
}

static ssize_t take(const struct counter *from)
{
	uint64_t value = 0;
	ssize_t ret = read(from->fd, &value, sizeof(value));

	return work_did(from->c, WORK_READ, amount(ret, value));
}

static void take_until(const struct counter *from, uint64_t sum)
{
	while (sum) {
		ssize_t got = take(from);

		if (got <= 0 || (uint64_t)got > sum)
			work_die("eventfd read");
		sum -= (uint64_t)got;
	}
}

static void take_all(void *sum)
{
	take_until(&a, *(uint64_t *)sum);
}

/* ------------------------------------------------------------------- modes */

static void run_add(void)
{
	uint64_t sum = 0;
	pid_t kid;

	for (uint64_t i = 1; i <= 200; i++)
		sum += i * 1000;
	a = counter_new(0, 0);
	work_ready();
	kid = work_spawn(take_all, &sum);
	for (uint64_t i = 1; i <= 200; i++)
		work_expect(add(&a, i * 1000), (ssize_t)i * 1000, "eventfd write");
	work_wait(kid);
	work_expect(add(&a, 17), 17, "eventfd write");
}

static void take_one(void *count)
{
	for (unsigned i = 0; i < *(unsigned *)count; i++)
		work_expect(take(&a), 1, "semaphore");
}

static void run_semaphore(void)
{
	unsigned each = 40;
	pid_t kid[3];

	a = counter_new(0, EFD_SEMAPHORE);
	work_ready();
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(take_one, &each);
	for (unsigned i = 0; i < ARRAY_SIZE(kid) * each / 10; i++)
		work_expect(add(&a, 10), 10, "eventfd write");
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

/* what it began with is there before anybody adds to it */
static void run_before(void)
{
	a = counter_new(500, 0);
	work_ready();
	work_expect(add(&a, 3), 3, "eventfd write");
	work_expect(take(&a), 503, "eventfd read");
	work_expect(add(&a, 4), 4, "eventfd write");
}

/* made under observation: then its maker has added it */
static void run_initial(void)
{
	work_ready();
	a = counter_new(500, 0);
	work_did(a.c, WORK_WRITE, 500);
	work_expect(take(&a), 500, "eventfd read");
}

static void run_errors(void)
{
	uint64_t value = UINT64_MAX;
	const void *volatile nowhere = NULL;
	uint32_t small = 1;

	a = counter_new(0, EFD_NONBLOCK);
	work_ready();
	work_expect_error(take(&a), EAGAIN, "read of nothing");
	work_expect(add(&a, 0), 0, "eventfd write");
	work_expect_error(take(&a), EAGAIN, "read of nothing");
	work_expect_error(add(&a, value), EINVAL, "largest number");
	work_expect_error(work_did(a.c, WORK_WRITE, write(a.fd, &small, sizeof(small))), EINVAL,
			  "small write");
	work_expect_error(work_did(a.c, WORK_WRITE, write(a.fd, nowhere, sizeof(value))), EFAULT,
			  "write from nowhere");
	work_expect(add(&a, 9), 9, "eventfd write");
	work_expect(take(&a), 9, "eventfd read");
}

/* each segment of a writev is a call of its own to the kernel's function */
static void run_vector(void)
{
	uint64_t value[3] = { 5, 60, 700 }, got = 0, rest = 0;
	struct iovec v[3] = { { &value[0], 8 }, { &value[1], 8 }, { &value[2], 8 } };
	struct iovec to[2] = { { &got, 8 }, { &rest, 8 } };

	a = counter_new(0, 0);
	work_ready();
	work_any_operations(a.c, WORK_WRITE);
	for (unsigned i = 0; i < 20; i++) {
		work_expect(writev(a.fd, v, 3), 24, "eventfd writev");
		work_did(a.c, WORK_WRITE, 765);
		work_expect(readv(a.fd, to, 2), 8, "eventfd readv");
		work_expect(work_did(a.c, WORK_READ, (ssize_t)got), 765, "eventfd readv");
	}
}

/* through every way a descriptor is passed on */
static void run_dup(void)
{
	struct counter b;
	uint64_t sum = 30;
	pid_t kid;

	a = counter_new(0, 0);
	work_ready();
	b = (struct counter){ .fd = dup(a.fd), .c = a.c };
	kid = work_spawn(take_all, &sum);
	work_expect(add(&b, 10), 10, "eventfd write");
	work_expect(add(&a, 20), 20, "eventfd write");
	work_wait(kid);
}

static void run_straddle(void)
{
	uint64_t sum = 25;
	pid_t kid;

	a = counter_new(0, 0);
	kid = work_spawn(take_all, &sum);
	work_wait_blocked(kid, SYS_read, (unsigned long)a.fd);
	work_ready();
	work_expect(add(&a, 25), 25, "eventfd write");
	work_wait(kid);
}

static void run_blocked(void)
{
	uint64_t sum = 1;
	pid_t kid;

	a = counter_new(0, 0);
	work_ready();
	work_expect(add(&a, 8), 8, "eventfd write");
	work_expect(take(&a), 8, "eventfd read");
	kid = work_spawn(take_all, &sum);
	work_wait_blocked(kid, SYS_read, (unsigned long)a.fd);
	work_fact("stuck", kid);
}

static void add_some(void *unused)
{
	for (unsigned i = 0; i < 300; i++)
		work_expect(add(&a, 3), 3, "eventfd write");
}

static void take_some(void *unused)
{
	ssize_t got;

	/* a semaphore gives each as much as it asks for */
	for (unsigned i = 0; i < 900; i++) {
		got = take(&a);
		work_expect(got, 1, "semaphore");
	}
}

/* several of both: nobody can say whose were taken by whom */
static void run_matrix(void)
{
	pid_t kid[6];

	a = counter_new(0, EFD_SEMAPHORE);
	work_ready();
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(i % 2 ? take_some : add_some, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

static void run_pingpong_child(void *other)
{
	struct counter *b = other;

	for (unsigned i = 0; i < 500; i++) {
		work_expect(take(&a), 1, "eventfd read");
		work_expect(add(b, 2), 2, "eventfd write");
	}
}

static void run_pingpong(void)
{
	struct counter b;
	pid_t kid;

	a = counter_new(0, 0);
	b = counter_new(0, 0);
	work_ready();
	kid = work_spawn(run_pingpong_child, &b);
	for (unsigned i = 0; i < 500; i++) {
		work_expect(add(&a, 1), 1, "eventfd write");
		work_expect(take(&b), 2, "eventfd read");
	}
	work_wait(kid);
}

/* one id after the other is used again at once: they are so many eventfds all the same */
#define REUSES 50

static void use_one(void *unused)
{
	uint64_t value = 7, got = 0;
	int fd = eventfd(0, 0);

	if (fd < 0)
		work_die("eventfd");
	work_expect(write(fd, &value, sizeof(value)), 8, "eventfd write");
	work_expect(read(fd, &got, sizeof(got)), 8, "eventfd read");
	_exit(0);
}

static void run_reused(void)
{
	work_ready();
	for (unsigned i = 0; i < REUSES; i++)
		work_reap(work_spawn(use_one, NULL));
	work_fact("reuses", REUSES);
}

/* a number that no sum can take */
static void run_large(void)
{
	uint64_t value = UINT64_MAX - 1, got = 0;

	a = counter_new(0, EFD_NONBLOCK);
	work_ready();
	work_expect(write(a.fd, &value, sizeof(value)), 8, "eventfd write");
	work_expect_error(write(a.fd, &value, sizeof(value)), EAGAIN, "eventfd write");
	work_expect(read(a.fd, &got, sizeof(got)), 8, "eventfd read");
	work_did(a.c, WORK_WRITE, 0);
	errno = EAGAIN;
	work_did(a.c, WORK_WRITE, -1);
	work_did(a.c, WORK_READ, 0);
	work_fact("large", 2);
}

/* --------------------------------------------------------- added by the kernel */

#define REQUESTS 10

static void run_kernel(void)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_flags = IOCB_FLAG_RESFD };
	struct iocb *list = &cb;
	struct io_event event;
	aio_context_t context = 0;
	char byte;

	cb.aio_fildes = (uint32_t)open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cb.aio_buf = (uint64_t)(uintptr_t)&byte;
	cb.aio_nbytes = 1;
	if (syscall(SYS_io_setup, 4, &context))
		work_skip("no AIO here");
	a = counter_new(0, 0);
	cb.aio_resfd = (uint32_t)a.fd;
	work_ready();
	work_expect(add(&a, 100), 100, "eventfd write");
	for (unsigned i = 0; i < REQUESTS; i++) {
		work_expect(syscall(SYS_io_submit, context, 1, &list), 1, "io_submit");
		work_expect(syscall(SYS_io_getevents, context, 1, 1, &event, NULL), 1,
			    "io_getevents");
	}
	work_expect(take(&a), 100 + REQUESTS, "eventfd read");
	work_by_kernel(a.c, REQUESTS);
}

static const struct work_mode modes[] = {
	{ "add", run_add },		{ "semaphore", run_semaphore },
	{ "before", run_before },	{ "initial", run_initial },
	{ "errors", run_errors },	{ "vector", run_vector },
	{ "dup", run_dup },		{ "straddle", run_straddle },
	{ "blocked", run_blocked },	{ "matrix", run_matrix },
	{ "pingpong", run_pingpong },	{ "reused", run_reused },
	{ "large", run_large },		{ "kernel", run_kernel },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
