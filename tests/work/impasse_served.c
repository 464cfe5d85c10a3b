/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory that another process has to bring in: pages of a file in a file system whose server
 * lives, but has not answered yet. Who touches such a page waits for it, and so would whoever
 * read it from outside. And locks that such a server keeps.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define FILE_SIZE 65536
#define PAGE 4096

/* -------------------------------------------------------------- file system */

static int device;
static char directory[] = "/tmp/lens-served-XXXXXX";

static void answer(uint64_t request, int error, const void *what, size_t size)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + size), .error = error,
				     .unique = request };
	struct iovec both[] = { { &h, sizeof(h) }, { (void *)(uintptr_t)what, size } };

	if (writev(device, both, 2) < 0)
		work_die("fuse");
}

static struct fuse_attr attributes(uint64_t node)
{
	mode_t mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666;

	return (struct fuse_attr){ .ino = node, .mode = mode, .nlink = 1, .size = FILE_SIZE };
}

static void serve_one(const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31,
				      .flags = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS,
				      .max_write = PAGE };
	struct fuse_entry_out entry = { .nodeid = 2, .attr = attributes(2) };
	struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
	struct fuse_open_out open = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer(in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ: /* later */
	case FUSE_SETLKW:
		break;
	default:
		answer(in->unique, -ENOSYS, NULL, 0);
	}
}

static void serve(void *unused)
{
	static char request[FUSE_MIN_READ_BUFFER + PAGE];

	close_others(device, -1);
	for (;;) {
		if (read(device, request, sizeof(request)) <= 0)
			work_die("fuse");
		serve_one((void *)request);
	}
}

static void remove_directory(void)
{
	if (is_main())
		rmdir(directory);
}

/* in a mount namespace of its own, which ends with the workload */
static void mount_here(void)
{
	char options[64];

	device = open("/dev/fuse", O_RDWR);
	if (device < 0)
		work_skip("no FUSE here");
	if (!mkdtemp(directory))
		work_die("mkdtemp");
	atexit(remove_directory);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("lens", directory, "fuse", 0, options))
		work_skip("no file system can be mounted here");
}

static int served_file(void)
{
	char path[64];
	int fd;

	mount_here();
	role("server", work_spawn(serve, NULL));
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_RDWR);
	if (fd < 0)
		work_die(path);
	return fd;
}

/* a page that nobody has touched */
static char *served_page(void)
{
	int fd = served_file();
	char *page;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* else the kernel asks for several pages, and sleeps in another way */
	if (page == MAP_FAILED || madvise(page, PAGE, MADV_RANDOM))
		work_die("mmap");
	close(fd);
	close(device);
	return page;
}

/* -------------------------------------------------------------------- knots */

static int s[2];
static char *page;

static void receive_there(void *unused)
{
	close_others(s[0], q[1]);
	recv(s[0], page, 1, 0);
}

static void receive_there_by_vector(void *unused)
{
	struct iovec vector[2] = { { NULL, 0 }, { page, 1 } };
	struct msghdr message = { .msg_iov = vector, .msg_iovlen = 2 };

	close_others(s[0], q[1]);
	recvmsg(s[0], &message, 0);
}

static void read_q_with_socket(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

/* it has taken the datagram, and waits for the page to put it in */
static void message(void (*receive)(void *), long nr)
{
	page = served_page();
	make_pipe(q);
	make_socket_pair(s, SOCK_DGRAM);
	if (send(s[1], "x", 1, 0) != 1)
		work_die("send");
	role("receiver", work_spawn(receive, NULL));
	role("reader", work_spawn(read_q_with_socket, NULL));
	let_go();
	asleep("receiver", nr);
	asleep("reader", SYS_read);
}

static void served_message(void) { message(receive_there, SYS_recvfrom); }
static void served_vector(void) { message(receive_there_by_vector, SYS_recvmsg); }

static void poll_there(void *unused)
{
	close_others(p[0], q[1]);
	poll((void *)page, 1, -1);
}

/* the set that it waits for is in that page */
static void served_set(void)
{
	page = served_page();
	make_pipes();
	role("poll", work_spawn(poll_there, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("poll", SYS_poll);
	asleep("reader", SYS_read);
}

/* what of its stack has its arguments, as ps(1) and others find them, is in that page now */
static void name_there(void *unused)
{
	unsigned long begin = 0;
	char line[2048];
	char *at = line;
	FILE *f = fopen("/proc/self/stat", "r");

	if (!f || !fgets(line, sizeof(line), f))
		work_die("/proc/self/stat");
	fclose(f);
	for (int field = 1; at && field < 48; field++)
		at = strchr(at + 1, ' ');
	if (at)
		begin = strtoul(at, NULL, 10) & ~(PAGE - 1ul);
	close_others(p[0], q[1]);
	if (!begin || mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)begin) ==
		MAP_FAILED)
		work_die("mremap");
	get(p[0]);
}

static void served_name(void)
{
	page = served_page();
	make_pipes();
	role("named", work_spawn(name_there, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("named", SYS_read);
	asleep("reader", SYS_read);
}

/* a lock that only the server knows of: no request of the kernel's own tells what is waited for */
static int locked;

static void lock_there(void *unused)
{
	close_others(locked, q[1]);
	flock(locked, LOCK_EX);
}

static void lock_record_there(void *unused)
{
	struct flock all = { .l_type = F_WRLCK };

	close_others(locked, q[1]);
	fcntl(locked, F_SETLKW, &all);
}

static void read_q_alone(void *unused)
{
	close_others(q[0], -1);
	get(q[0]);
}

static void lock_of_server(void (*fn)(void *), long nr)
{
	locked = served_file();
	make_pipe(q);
	role("locker", work_spawn(fn, NULL));
	role("reader", work_spawn(read_q_alone, NULL));
	let_go();
	asleep("locker", nr);
	asleep("reader", SYS_read);
}

static void served_lock(void) { lock_of_server(lock_there, SYS_flock); }
static void served_record(void) { lock_of_server(lock_record_there, SYS_fcntl); }

static const struct work_mode modes[] = {
	{ "servedmessage", served_message },
	{ "servedvector", served_vector },
	{ "servedset", served_set },
	{ "servedname", served_name },
	{ "servedlock", served_lock },
	{ "servedrecord", served_record },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
