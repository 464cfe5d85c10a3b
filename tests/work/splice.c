/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Bytes that enter and leave pipes without read and write: splice, tee,
 * vmsplice, sendfile.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

static struct duct a, b;

static int file_of(size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, duct_data, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		work_die("memfd");
	return fd;
}

static void splice_on(void *unused)
{
	size_t left = 50000;
	int file = file_of(0);

	while (left > 10000) {
		ssize_t n = splice(a.r, NULL, b.w, NULL, left - 10000, 0);

		work_did(a.c, WORK_READ, n);
		if (work_did(b.c, WORK_WRITE, n) <= 0)
			work_die("splice");
		left -= (size_t)n;
	}
	while (left) {
		ssize_t n = splice(a.r, NULL, file, NULL, left, SPLICE_F_MOVE);

		if (work_did(a.c, WORK_READ, n) <= 0)
			work_die("splice to a file");
		left -= (size_t)n;
	}
}

static void read_40k(void *unused)
{
	duct_drain(&b, 40000, 7000);
}

static void run_splice(void)
{
	pid_t middle, last;
	off_t from = 0;
	int file = file_of(30000);

	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	middle = work_spawn(splice_on, NULL);
	last = work_spawn(read_40k, NULL);
	for (int i = 0; i < 20; i++)
		work_expect(duct_put(&a, 1000), 1000, "write");
	while (from < 30000) {
		ssize_t n = splice(file, &from, a.w, NULL, 30000 - (size_t)from, 0);

		if (work_did(a.c, WORK_WRITE, n) <= 0)
			work_die("splice from a file");
	}
	work_wait(middle);
	work_wait(last);
}

static void run_tee(void)
{
	a = duct_new(0);
	b = duct_new(0);
	work_ready();
	for (int i = 0; i < 8; i++)
		work_expect(duct_put(&a, 1000), 1000, "write");
	/* nothing leaves the first pipe */
	work_expect(work_did(b.c, WORK_WRITE, tee(a.r, b.w, 8000, 0)), 8000, "tee");
	work_expect(duct_get(&a, 3000), 3000, "read");
	work_expect(work_did(b.c, WORK_WRITE, tee(a.r, b.w, 2000, 0)), 2000, "tee");
	work_expect(duct_get(&b, 9000), 9000, "read");
	work_any_operations(a.c, WORK_READ);
}

static void vm_read(void *unused)
{
	size_t left = 40000;

	while (left) {
		struct iovec v = { duct_sink, left };
		ssize_t n = vmsplice(a.r, &v, 1, 0);

		if (work_did(a.c, WORK_READ, n) <= 0)
			work_die("vmsplice from a pipe");
		left -= (size_t)n;
	}
}

static void run_vmsplice(void)
{
	const unsigned gift = SPLICE_F_GIFT;
	struct iovec v[2] = { { duct_data, 6000 }, { duct_data + 8192, 4000 } };
	pid_t kid;

	a = duct_new(0);
	work_ready();
	kid = work_spawn(vm_read, NULL);
	for (int i = 0; i < 4; i++)
		work_expect(work_did(a.c, WORK_WRITE, vmsplice(a.w, v, 2, 0)), 10000, "vmsplice");
	work_wait(kid);
	work_expect(work_did(a.c, WORK_WRITE, vmsplice(a.w, v, 1, gift)), 6000, "vmsplice");
	work_expect(duct_get(&a, 1000), 1000, "read");
}

static void run_sendfile(void)
{
	int file = file_of(60000);
	off_t from = 0;

	a = duct_new(0);
	work_ready();
	while (from < 60000) {
		if (work_did(a.c, WORK_WRITE, sendfile(a.w, file, &from, 25000)) <= 0)
			work_die("sendfile");
		duct_drain(&a, (size_t)duct_depth(&a), 25000);
	}
	work_expect(duct_put(&a, 5), 5, "write");
}

static const struct work_mode modes[] = {
	{ "splice", run_splice },
	{ "tee", run_tee },
	{ "vmsplice", run_vmsplice },
	{ "sendfile", run_sendfile },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
