/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Locks that a process has for itself stand in the way of those that it wants for a descriptor,
 * and the other way round.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static char path[64];

static int open_file(void)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		work_die(path);
	return fd;
}

static void lock(int fd, int command)
{
	struct flock all = { .l_type = F_WRLCK };

	if (fcntl(fd, command, &all))
		work_die("fcntl");
}

static void lock_twice(int first, int second)
{
	int fd;

	close_others(-1, -1);
	fd = open_file();
	lock(fd, first);
	lock(fd, second);
}

static void own_then_ofd(void *unused) { lock_twice(F_SETLK, F_OFD_SETLKW); }
static void ofd_then_own(void *unused) { lock_twice(F_OFD_SETLK, F_SETLKW); }

/* what is for the same owner is no obstacle, whoever else has some of the file */
static void own_again(void *unused)
{
	struct flock one = { .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
	int fd = open_file();

	if (fcntl(fd, F_SETLK, &one))
		work_die("fcntl");
	work_tick(0);
	work_wait_ticks(0, 2);
	lock(fd, F_SETLKW);
}

static void other_byte(void *unused)
{
	struct flock one = { .l_type = F_WRLCK, .l_start = 9, .l_len = 1 };

	if (fcntl(open_file(), F_SETLK, &one))
		work_die("fcntl");
	work_tick(0);
}

static void remove_file(void)
{
	if (is_main())
		unlink(path);
}

static void make_file(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/lens-knot-lock-%d", getpid());
	fd = open(path, O_CREAT | O_RDWR, 0600);
	if (fd < 0)
		work_die(path);
	close(fd);
	atexit(remove_file);
}

static void alone(void (*fn)(void *))
{
	make_file();
	role("locker", work_spawn(fn, NULL));
	asleep("locker", SYS_fcntl);
}

static void for_descriptor(void)
{
	alone(own_then_ofd);
}

static void for_itself(void)
{
	alone(ofd_then_own);
}

static void of_another(void)
{
	make_file();
	role("locker", work_spawn(own_again, NULL));
	work_wait_ticks(0, 1);
	role("owner", work_spawn(other_byte, NULL));
	asleep("owner", SYS_pause);
	asleep("locker", SYS_fcntl);
}

static const struct work_mode modes[] = {
	{ "lockdescriptor", for_descriptor }, { "lockitself", for_itself },
	{ "lockother", of_another },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
