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
#include <sys/stat.h>
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

static void execute(void *unused)
{
	execl(path, path, NULL);
}

static void execute_at(void *unused)
{
	syscall(SYS_execveat, AT_FDCWD, path, NULL, NULL, 0);
}

/* who would execute it opens it to read */
static void lease_and_exec(void (*fn)(void *), long nr)
{
	make_file();
	if (chmod(path, 0700))
		work_die("chmod");
	role("owner", work_spawn(lease_to_write, NULL));
	work_wait_ticks(0, 1);
	role("runner", work_spawn(fn, NULL));
	asleep("runner", nr);
	unlink(path);
}

static void lease_and_execve(void) { lease_and_exec(execute, SYS_execve); }
static void lease_and_execveat(void) { lease_and_exec(execute_at, SYS_execveat); }

/* by what the file is called in its file system, which is no path */
static void open_by_handle(void *unused)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount, at = open("/tmp", O_RDONLY | O_DIRECTORY);

	if (at < 0 || name_to_handle_at(AT_FDCWD, path, &handle.h, &mount, 0))
		work_die("name_to_handle_at");
	open_by_handle_at(at, &handle.h, O_RDONLY);
}

static void lease_and_handle(void)
{
	make_file();
	role("owner", work_spawn(lease_to_write, NULL));
	work_wait_ticks(0, 1);
	role("opener", work_spawn(open_by_handle, NULL));
	asleep("opener", SYS_open_by_handle_at);
	unlink(path);
}

/* many can have it to read: all must give it up to who writes */
static void lease_of_two(void)
{
	make_file();
	role("one", work_spawn(lease_to_read, NULL));
	/* who is named first is who was there first */
	work_wait_ticks(0, 1);
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
	{ "leaseexec", lease_and_execve },
	{ "leaseexecat", lease_and_execveat },
	{ "leasehandle", lease_and_handle },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
