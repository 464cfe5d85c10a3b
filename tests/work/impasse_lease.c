/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots over leases: who opens or cuts a file waits until those who have one give it up,
 * or until the kernel takes it from them.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static char path[64];

static void make_file(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/lens-lease-%d", getpid());
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		work_die("open");
	close(fd);
}

static void take_lease(int type)
{
	int fd = open(path, type == F_WRLCK ? O_RDWR : O_RDONLY);

	/* of which it is told, when somebody comes */
	signal(SIGIO, SIG_IGN);
	if (fd < 0)
		work_die("open");
	if (fcntl(fd, F_SETLEASE, type)) {
		if (errno == EINVAL)
			work_skip("no leases on this file system");
		work_die("F_SETLEASE");
	}
	work_tick(0);
	pause();
}

static void lease_to_write(void *unused)
{
	take_lease(F_WRLCK);
}

static void lease_to_read(void *unused)
{
	take_lease(F_RDLCK);
}

static void open_to_read(void *unused)
{
	open(path, O_RDONLY);
}

static void open_to_write(void *unused)
{
	open(path, O_WRONLY);
}

static void cut(void *unused)
{
	truncate(path, 0);
}

/* one can have it to write, and is asked by two */
static void lease_of_one(void)
{
	make_file();
	role("owner", work_spawn(lease_to_write, NULL));
	work_wait_ticks(0, 1);
	role("opener", work_spawn(open_to_read, NULL));
	asleep("opener", SYS_openat);
	role("second", work_spawn(open_to_write, NULL));
	asleep("second", SYS_openat);
	unlink(path);
}

static void lease_and_truncate(void)
{
	make_file();
	role("owner", work_spawn(lease_to_write, NULL));
	work_wait_ticks(0, 1);
	role("cutter", work_spawn(cut, NULL));
	asleep("cutter", SYS_truncate);
	unlink(path);
}

/* many can have it to read: all must give it up to who writes */
static void lease_of_two(void)
{
	make_file();
	role("one", work_spawn(lease_to_read, NULL));
	role("two", work_spawn(lease_to_read, NULL));
	work_wait_ticks(0, 2);
	role("opener", work_spawn(open_to_write, NULL));
	asleep("opener", SYS_openat);
	unlink(path);
}

static const struct work_mode modes[] = {
	{ "leaseopen", lease_of_one },
	{ "leasetruncate", lease_and_truncate },
	{ "leaseread", lease_of_two },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
