/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pseudo-terminals: both directions without a line discipline, and what one adds
 * and takes away; packet mode, /dev/tty, hang-up, several devpts, indices used again.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "work.h"

/* by end: the descriptor, and the channel of what is read there */
struct terminal {
	int master, slave;
	int from_slave, to_slave;	/* read at the master, read at the slave */
};

static struct terminal t;
static char data[8192], sink[8192];

static struct terminal terminal_from(int master)
{
	struct terminal n = { .master = master };

	/* without a name: /dev may have another devpts */
	n.slave = ioctl(master, TIOCSPTLCK, &(int){ 0 });
	if (n.slave == 0)
		n.slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (n.slave < 0)
		work_die("slave");
	n.from_slave = work_pty(master, n.slave, false);
	n.to_slave = work_pty(master, n.slave, true);
	return n;
}

static struct terminal terminal_new(bool raw)
{
	struct terminal n;
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	if (master < 0)
		work_die("/dev/ptmx");
	n = terminal_from(master);
	if (raw)
		work_pty_raw(n.slave);
	return n;
}

/* what is written at one end counts for the queue that the other reads */
static ssize_t put(int fd, int queue, const void *what, size_t len)
{
	return work_did(queue, WORK_WRITE, write(fd, what, len));
}

static ssize_t get(int fd, int queue, size_t most)
{
	return work_did(queue, WORK_READ, read(fd, sink, most));
}

static void put_all(int fd, int queue, size_t len)
{
	while (len) {
		ssize_t n = put(fd, queue, data, len < sizeof(data) ? len : sizeof(data));

		if (n <= 0)
			work_die("write");
		len -= (size_t)n;
	}
}

static void get_all(int fd, int queue, size_t len)
{
	while (len) {
		ssize_t n = get(fd, queue, len < sizeof(sink) ? len : sizeof(sink));

		if (n <= 0)
			work_die("read");
		len -= (size_t)n;
	}
}

/* may come piece by piece */
static void expect_text(int fd, int queue, const char *text)
{
	while (*text) {
		ssize_t n = get(fd, queue, strlen(text));

		if (n <= 0 || memcmp(sink, text, (size_t)n))
			work_die(text);
		text += n;
	}
}

/* ---------------------------------------------------------- as it was written */

static void answer(void *unused)
{
	get_all(t.slave, t.to_slave, 20000);
	put_all(t.slave, t.from_slave, 50000);
}

static void run_raw(void)
{
	pid_t kid;

	t = terminal_new(true);
	work_ready();
	kid = work_spawn(answer, NULL);
	put_all(t.master, t.to_slave, 20000);
	get_all(t.master, t.from_slave, 50000);
	work_wait(kid);
}

/* what nobody has read lies there still, in both directions */
static void run_queued(void)
{
	t = terminal_new(true);
	work_ready();
	put_all(t.master, t.to_slave, 1500);
	put_all(t.slave, t.from_slave, 700);
	get_all(t.master, t.from_slave, 200);
	get_all(t.slave, t.to_slave, 300);
}

static void write_times(void *unused)
{
	for (unsigned i = 0; i < 50; i++)
		work_expect(put(t.slave, t.from_slave, data, 40), 40, "write");
}

static void run_writers(void)
{
	pid_t kid[3];

	t = terminal_new(true);
	work_ready();
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(write_times, NULL);
	get_all(t.master, t.from_slave, ARRAY_SIZE(kid) * 50 * 40);
	for (unsigned i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

static void run_errors(void)
{
	int fd;

	t = terminal_new(true);
	fd = t.slave;
	work_ready();
	fcntl(t.slave, F_SETFL, O_NONBLOCK);
	work_expect_error(get(t.slave, t.to_slave, 10), EAGAIN, "read of nothing");
	put_all(t.slave, t.from_slave, 10);
	get_all(t.master, t.from_slave, 10);
	close(fd);
	work_expect_error(get(t.master, t.from_slave, 10), EIO, "read from nobody");
	work_gone(t.to_slave);
	work_gone(t.from_slave);
	close(t.master);
}

static void write_through_tty(void *unused)
{
	int fd;

	close(t.master);
	if (setsid() < 0 || ioctl(t.slave, TIOCSCTTY, 0))
		work_die("TIOCSCTTY");
	/* without a name of its own, it is the same terminal */
	fd = open("/dev/tty", O_RDWR);
	if (fd < 0)
		work_die("/dev/tty");
	get_all(fd, t.to_slave, 300);
	put_all(fd, t.from_slave, 100);
	put_all(t.slave, t.from_slave, 11);
}

static void run_devtty(void)
{
	pid_t kid;

	t = terminal_new(true);
	work_ready();
	kid = work_spawn(write_through_tty, NULL);
	put_all(t.master, t.to_slave, 300);
	get_all(t.master, t.from_slave, 111);
	work_wait(kid);
}

/* into a pipe, and out of that again */
static void send_all(int from, int chan, const int *fds, int pipe_chan, size_t len)
{
	while (len) {
		ssize_t n = work_did(chan, WORK_READ, sendfile(fds[1], from, NULL, len));

		if (work_did(pipe_chan, WORK_WRITE, n) <= 0)
			work_die("sendfile");
		work_expect(work_did(pipe_chan, WORK_READ, read(fds[0], sink, sizeof(sink))), n,
			    "read");
		len -= (size_t)n;
	}
}

static void run_splice(void)
{
	int fds[2], c;

	t = terminal_new(true);
	if (pipe(fds))
		work_die("pipe");
	c = work_pipe(fds[0], NULL);
	work_ready();
	for (unsigned i = 0; i < 20; i++) {
		work_expect(work_did(c, WORK_WRITE, write(fds[1], data, 100)), 100, "write");
		work_expect(splice(fds[0], NULL, t.slave, NULL, 100, 0), 100, "splice");
		work_did(c, WORK_READ, 100);
		work_did(t.from_slave, WORK_WRITE, 100);
		if (i % 2)
			send_all(t.master, t.from_slave, fds, c, 100);
		else
			get_all(t.master, t.from_slave, 100);
	}
}

static void run_straddle(void)
{
	pid_t kid;

	t = terminal_new(true);
	kid = work_spawn(answer, NULL);
	work_wait_blocked(kid, SYS_read, (unsigned long)t.slave);
	work_ready();
	put_all(t.master, t.to_slave, 20000);
	get_all(t.master, t.from_slave, 50000);
	work_wait(kid);
}

/* ------------------------------------------------------- the kernel's own part */

static void type(void *unused)
{
	expect_text(t.slave, t.to_slave, "hello\n");
	work_expect(put(t.slave, t.from_slave, "a\nb\n", 4), 4, "write");
	/* the character that ends the input is taken out */
	work_expect(get(t.slave, t.to_slave, sizeof(sink)), 0, "end of file");
}

static void run_cooked(void)
{
	pid_t kid;

	t = terminal_new(false);
	work_ready();
	/* a word erased, too: so much less arrives */
	work_expect(put(t.master, t.to_slave, "hellx\177o\r", 8), 8, "write");
	/* "hellx", then "\b \b", "o", and the newline in two bytes */
	get_all(t.master, t.from_slave, 11);
	kid = work_spawn(type, NULL);
	expect_text(t.master, t.from_slave, "a\r\nb\r\n");
	work_expect(put(t.master, t.to_slave, "\004", 1), 1, "write");
	work_wait(kid);
	work_by_kernel(t.from_slave, 11 + 2);
	work_by_kernel(t.to_slave, -2 - 1);
}

static void run_packet(void)
{
	unsigned reads = 0;

	t = terminal_new(true);
	if (ioctl(t.master, TIOCPKT, &(int){ 1 }))
		work_die("TIOCPKT");
	work_ready();
	for (unsigned i = 0; i < 30; i++) {
		put_all(t.slave, t.from_slave, 100);
		for (size_t got = 0; got < 100; reads++) {
			ssize_t n = get(t.master, t.from_slave, sizeof(sink));

			if (n < 2)
				work_die("packet");
			got += (size_t)n - 1;
		}
	}
	put_all(t.master, t.to_slave, 50);
	get_all(t.slave, t.to_slave, 50);
	work_by_kernel(t.from_slave, reads);
}

/* ------------------------------------------------------------------ identity */

#define REUSES 30

static void use_one(void *unused)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	int slave;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &(int){ 0 }))
		work_die("/dev/ptmx");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (slave < 0)
		work_die("slave");
	work_pty_raw(slave);
	work_expect(write(slave, data, 9), 9, "write");
	work_expect(read(master, sink, sizeof(sink)), 9, "read");
	_exit(0);
}

static void run_reused(void)
{
	work_ready();
	for (unsigned i = 0; i < REUSES; i++)
		work_reap(work_spawn(use_one, NULL));
	work_fact("reuses", REUSES);
}

static struct terminal terminal_of_own_devpts(void)
{
	char dir[] = "/tmp/lens-devpts-XXXXXX", ptmx[64];
	struct terminal n;
	int master;

	if (!mkdtemp(dir) || mount("devpts", dir, "devpts", 0, "newinstance,ptmxmode=0666"))
		work_die("mount of devpts");
	snprintf(ptmx, sizeof(ptmx), "%s/ptmx", dir);
	master = open(ptmx, O_RDWR | O_NOCTTY);
	if (master < 0)
		work_die(ptmx);
	n = terminal_from(master);
	work_pty_raw(n.slave);
	if (umount2(dir, MNT_DETACH) || rmdir(dir))
		work_die(dir);
	return n;
}

/* both have index 0 */
static void run_instances(void)
{
	struct terminal other;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		work_skip("no mount namespaces here");
	t = terminal_of_own_devpts();
	other = terminal_of_own_devpts();
	work_ready();
	put_all(t.slave, t.from_slave, 123);
	get_all(t.master, t.from_slave, 123);
	put_all(other.slave, other.from_slave, 456);
	get_all(other.master, other.from_slave, 400);
}

static const struct work_mode modes[] = {
	{ "raw", run_raw },		{ "queued", run_queued },
	{ "writers", run_writers },	{ "errors", run_errors },
	{ "devtty", run_devtty },	{ "splice", run_splice },
	{ "straddle", run_straddle },	{ "cooked", run_cooked },
	{ "packet", run_packet },	{ "reused", run_reused },
	{ "instances", run_instances },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
