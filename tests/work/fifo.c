/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * FIFOs: opened by name, more than once, through another mount, removed while
 * open, and with names that a terminal or a JSON writer would choke on.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duct.h"
#include "ring.h"
#include "work.h"

static struct duct a, b;
static char directory[] = "/tmp/lens-fifo-XXXXXX";
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	/* the deep one is out of reach by its whole path, so step by step */
	if (!chdir("/"))
		nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_CHDIR);
}

static void enter_directory(void)
{
	if (!mkdtemp(directory) || chdir(directory))
		work_die("directory");
	owner = getpid();
	atexit(remove_all);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		work_die(path);
	return fd;
}

/* absolute path in memory that stays */
static char *path_of(const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		work_die("path");
	return path;
}

/* both ends open in this process; a second open finds a partner and does not block */
static struct duct fifo_new(const char *name)
{
	char *path = path_of(name);
	struct duct d;

	if (mkfifo(path, 0600))
		work_die(path);
	d.r = open_or_die(path, O_RDONLY | O_NONBLOCK);
	d.w = open_or_die(path, O_WRONLY);
	if (fcntl(d.r, F_SETFL, 0))
		work_die("F_SETFL");
	d.c = work_pipe(d.r, path);
	return d;
}

static void write_by_name(void *name)
{
	struct duct d = { .r = -1, .w = open_or_die(name, O_WRONLY), .c = a.c };

	for (int i = 0; i < 30; i++)
		work_expect(duct_put(&d, 100), 100, "write");
}

static void read_by_name(void *name)
{
	struct duct d = { .r = open_or_die(name, O_RDONLY), .w = -1, .c = a.c };

	duct_drain(&d, 3000, 70);
}

static void run_plain(void)
{
	pid_t one;

	enter_directory();
	a = fifo_new("plain");
	work_ready();
	one = work_spawn(write_by_name, "plain");
	duct_drain(&a, 3000, 1000);
	work_wait(one);
	work_expect(duct_put(&a, 123), 123, "left over");
}

/* two open files per end, in processes of their own */
static void run_twice(void)
{
	pid_t kid[3];

	enter_directory();
	a = fifo_new("twice");
	work_ready();
	kid[0] = work_spawn(write_by_name, "twice");
	kid[1] = work_spawn(write_by_name, "twice");
	kid[2] = work_spawn(read_by_name, "twice");
	work_wait(kid[2]);
	duct_drain(&a, 3000, 1000);
	work_wait(kid[0]);
	work_wait(kid[1]);
}

static void run_rdwr(void)
{
	int fd;

	enter_directory();
	if (mkfifo("rdwr", 0600))
		work_die("mkfifo");
	fd = open_or_die("rdwr", O_RDWR | O_NONBLOCK);
	a = (struct duct){ .r = fd, .w = fd, .c = work_pipe(fd, path_of("rdwr")) };
	work_ready();
	for (int i = 0; i < 20; i++) {
		work_expect(duct_put(&a, 200), 200, "write");
		work_expect(duct_get(&a, 150), 150, "read");
	}
	duct_drain(&a, 900, 900);
	work_expect(duct_put(&a, 70000), 65536 - 4096, "short write");
}

/* the same FIFO under two names, one of them in another mount namespace */
static void read_through_mount(void *unused)
{
	struct duct d = { .w = -1, .c = a.c };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir("other", 0700) || mount(directory, "other", NULL, MS_BIND, NULL))
		work_die("bind mount");
	d.r = open_or_die("other/bound", O_RDONLY);
	duct_drain(&d, 4000, 500);
}

static void run_bind(void)
{
	pid_t kid;

	enter_directory();
	a = fifo_new("bound");
	work_ready();
	kid = work_spawn(read_through_mount, NULL);
	for (int i = 0; i < 40; i++)
		work_expect(duct_put(&a, 100), 100, "write");
	work_wait(kid);
}

static void unmount(void)
{
	if (getpid() == owner)
		umount2(path_of("layers"), MNT_DETACH);
}

static struct duct opened(const char *name)
{
	const char *path = path_of(name);
	struct duct d = { .r = open_or_die(path, O_RDONLY | O_NONBLOCK),
			  .w = open_or_die(path, O_WRONLY) };

	d.c = work_pipe(d.r, path);
	return d;
}

/* one FIFO of a lower layer and seen through an overlay, as in a container, is two */
static void run_overlay(void)
{
	enter_directory();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir("layers", 0700) || mount("layers", path_of("layers"), "tmpfs", 0, NULL))
		work_die("tmpfs");
	atexit(unmount);
	if (mkdir("layers/low", 0700) || mkdir("layers/up", 0700) || mkdir("layers/work", 0700) ||
	    mkdir("layers/all", 0700) || mkfifo("layers/low/thing", 0600))
		work_die("layers");
	if (mount("layers", "layers/all", "overlay", 0,
		  "lowerdir=layers/low,upperdir=layers/up,workdir=layers/work"))
		work_skip("no overlayfs here");
	a = opened("layers/all/thing");
	b = opened("layers/low/thing");
	work_ready();
	work_expect(duct_put(&a, 300), 300, "write");
	work_expect(duct_put(&b, 70), 70, "write");
	duct_drain(&a, 280, 280);
	duct_drain(&b, 60, 60);
}

/* the name goes to another FIFO while the first one is in use */
static void run_unlinked(void)
{
	enter_directory();
	a = fifo_new("gone");
	work_ready();
	work_expect(duct_put(&a, 100), 100, "write");
	unlink("gone");
	work_expect(duct_put(&a, 100), 100, "write");
	b = fifo_new("gone");
	work_expect(duct_put(&b, 33), 33, "write");
	duct_drain(&a, 150, 150);
	duct_drain(&b, 33, 33);
}

/* a FIFO that nobody has open keeps nothing, and may live again */
static void run_reopened(void)
{
	enter_directory();
	a = fifo_new("again");
	work_ready();
	work_expect(duct_put(&a, 500), 500, "write");
	work_expect(duct_get(&a, 200), 200, "read");
	close(a.w);
	close(a.r);
	/* the last close threw these away */
	work_discarded(a.c, 300, 0);
	a.r = open_or_die("again", O_RDONLY | O_NONBLOCK);
	a.w = open_or_die("again", O_WRONLY);
	work_look_through(a.c, a.r);
	work_expect(duct_put(&a, 60), 60, "write");
	work_expect(duct_get(&a, 50), 50, "read");
}

/* slots of ticks: 1 and 2 say whose turn it is */
#define READY 3
#define FORGOTTEN 4
#define SOME_TURNS 20

/* what one writes into it the other reads, and the other way round: no two calls overlap */
static void ask(pid_t other, unsigned *turn)
{
	for (unsigned i = 0; i < SOME_TURNS; i++) {
		work_expect(duct_put(&a, 100), 100, "write");
		work_tick(1);
		work_wait_ticks(2, ++*turn);
		work_expect(duct_get(&a, 7), 7, "read");
		work_flow(a.c, other, 1, 7);
	}
}

static void answer(unsigned *turn)
{
	for (unsigned i = 0; i < SOME_TURNS; i++) {
		work_wait_ticks(1, ++*turn);
		work_expect(duct_get(&a, 100), 100, "read");
		work_flow(a.c, owner, 1, 100);
		work_expect(duct_put(&a, 7), 7, "write");
		work_tick(2);
	}
}

static int open_by_path(int flags)
{
	return open("evicted", flags);
}

static int open_by_handle(int flags)
{
	struct { struct file_handle handle; char more[MAX_HANDLE_SZ]; } h = {
		.handle.handle_bytes = MAX_HANDLE_SZ,
	};
	int mount, at, fd;

	if (name_to_handle_at(AT_FDCWD, "evicted", &h.handle, &mount, 0))
		work_skip("this file system has no handles");
	at = open(".", O_RDONLY | O_DIRECTORY);
	fd = open_by_handle_at(at, &h.handle, flags);
	close(at);
	return fd;
}

static int open_by_ring(int flags)
{
	static bool has_ring;
	struct io_uring_sqe op = ring_operation(IORING_OP_OPENAT, AT_FDCWD, "evicted", 0);

	if (!has_ring && !ring_open(0))
		work_skip("no io_uring");
	has_ring = true;
	op.open_flags = (unsigned)flags;
	return (int)ring_do(&op);
}

static int (*open_again)(int flags) = open_by_path;

static void open_both(void)
{
	a.r = open_again(O_RDONLY | O_NONBLOCK);
	a.w = open_again(O_WRONLY);
	if (a.r < 0 || a.w < 0)
		work_die("open");
	if (fcntl(a.r, F_SETFL, 0))
		work_die("F_SETFL");
}

static void close_both(void)
{
	close(a.r);
	close(a.w);
}

static void be_other(void *unused)
{
	unsigned turn = 0;

	close_both();
	open_both();
	work_tick(READY);
	answer(&turn);
	close_both();
	work_tick(READY);
	work_wait_ticks(FORGOTTEN, 1);
	open_both();
	work_tick(READY);
	answer(&turn);
	work_wait_ticks(FORGOTTEN, 2);
	answer(&turn);
}

/* twice while others stop: when nobody has it open, and after it was used again */
static void run_evicted(void)
{
	unsigned turn = 0;
	pid_t kid;

	enter_directory();
	a = fifo_new("evicted");
	work_flows_by_hand(a.c);
	work_ready();
	kid = work_spawn(be_other, NULL);
	work_wait_ticks(READY, 1);
	ask(kid, &turn);
	close_both();
	work_wait_ticks(READY, 2);
	work_pause();
	open_both();
	work_look_through(a.c, a.r);
	work_tick(FORGOTTEN);
	work_wait_ticks(READY, 3);
	ask(kid, &turn);
	work_pause();
	work_tick(FORGOTTEN);
	ask(kid, &turn);
	work_wait(kid);
}

static void run_evictedhandle(void)
{
	open_again = open_by_handle;
	run_evicted();
}

static void run_evictedring(void)
{
	open_again = open_by_ring;
	run_evicted();
}

/* ------------------------------------------------------------------- names */

static const char *const hostile[] = {
	"esc-\033[31mred\033]0;title\007",
	"line\nbreak\r\ttab",
	"latin-\xe9\xff\xfe-not-utf8",
	"overlong-\xc0\xaf-surrogate-\xed\xa0\x80",
	"bidi-\xe2\x80\xae" "evil-\xe2\x80\x8b-zero-\xe2\x80\xa8-line",
	"quote\"back\\slash'\\x1b<script>",
	"c1-\xc2\x9b" "31m-del-\x7f",
	" lead and trail ",
	"snow-\xe2\x98\x83-\xf0\x9f\x98\x80",
};

static void run_hostile(void)
{
	struct duct d[ARRAY_SIZE(hostile)];

	enter_directory();
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		d[i] = fifo_new(hostile[i]);
	work_ready();
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		work_expect(duct_put(&d[i], 10 + i), (ssize_t)(10 + i), "write");
		work_expect(duct_get(&d[i], 10), 10, "read");
	}
}

/* one as deep as a path may be: every component is a step of its own */
static void run_deep(void)
{
	static char path[4096];
	char step[101];
	size_t len;

	enter_directory();
	memset(step, 'd', 100);
	step[100] = 0;
	len = (size_t)snprintf(path, sizeof(path), "%s", directory);
	while (len + 101 + 6 < sizeof(path)) {
		if (mkdir(step, 0700) || chdir(step))
			work_die("mkdir");
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/%s", step);
	}
	snprintf(path + len, sizeof(path) - len, "/fifo");
	if (mkfifo("fifo", 0600))
		work_die("mkfifo");
	a.r = open_or_die("fifo", O_RDONLY | O_NONBLOCK);
	a.w = open_or_die("fifo", O_WRONLY);
	a.c = work_pipe(a.r, path);
	work_ready();
	work_expect(duct_put(&a, 100), 100, "write");
	work_expect(duct_get(&a, 60), 60, "read");
	work_fact("path_bytes", (long)strlen(path));
}

static const struct work_mode modes[] = {
	{ "plain", run_plain },
	{ "twice", run_twice },
	{ "rdwr", run_rdwr },
	{ "bind", run_bind },
	{ "overlay", run_overlay },
	{ "unlinked", run_unlinked },
	{ "reopened", run_reopened },
	{ "evicted", run_evicted },
	{ "evictedhandle", run_evictedhandle },
	{ "evictedring", run_evictedring },
	{ "hostile", run_hostile },
	{ "deep", run_deep },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
