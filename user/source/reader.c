/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Starts the reader, and asks it. It may hang, in a file system that does not
 * answer, say: it is left alone then. What it says about others is hostile.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "source/reader.h"

struct reader {
	int fd; /* -1: it is gone, or hangs */
	uint64_t until_ns;
	struct reader_ask ask;
	struct reader_answer answer;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* --------------------------------------------------------------------- start */

static _Noreturn void be_reader(int fd, pid_t parent, int (*first)(void *arg), void *arg)
{
	int err;

	/* who ends us at the terminal may still want an answer; it ends when we do */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	err = first(arg);
	if (write(fd, &err, sizeof(err)) != sizeof(err) || err)
		_exit(1);
	/* it has nothing to say to anybody but us; and should we be gone, not even that */
	if (dup2(fd, STDIN_FILENO) < 0 || close_range(STDOUT_FILENO, ~0u, 0) ||
	    sandbox_enter_reader() || getppid() != parent)
		_exit(1);
	reader_serve(STDIN_FILENO);
	_exit(0);
}

int reader_start(int (*first)(void *arg), void *arg, struct reader **ret)
{
	struct reader *r;
	pid_t parent = getpid(), pid;
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	pid = fork();
	if (!pid)
		be_reader(fds[1], parent, first, arg);
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err && read(fds[0], &err, sizeof(err)) != sizeof(err))
		err = -EPIPE;
	if (err) {
		close(fds[0]);
		return err;
	}
	r = xcalloc(1, sizeof(*r));
	r->fd = fds[0];
	*ret = r;
	return 0;
}

void reader_freep(struct reader **r)
{
	if (!*r)
		return;
	/* it ends at the end of file; if it hangs, when we do */
	if ((*r)->fd >= 0)
		close((*r)->fd);
	free(*r);
	*r = NULL;
}

void reader_limit(struct reader *r, uint64_t ns)
{
	r->until_ns = now_ns() + ns;
}

/* ----------------------------------------------------------------------- ask */

/* a reader that is gone must not take us with it */
static bool send_quietly(int fd, const void *data, size_t size)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	bool sent;

	sigaction(SIGPIPE, &ignore, &before);
	sent = write(fd, data, size) == (ssize_t)size;
	sigaction(SIGPIPE, &before, NULL);
	return sent;
}

static ssize_t receive(struct reader *r)
{
	struct pollfd ready = { .fd = r->fd, .events = POLLIN };
	uint64_t now = now_ns();

	if (now >= r->until_ns || poll(&ready, 1, (int)((r->until_ns - now) / 1000000)) != 1)
		return -ETIMEDOUT;
	return read(r->fd, &r->answer, sizeof(r->answer));
}

/* an answer that comes late would be taken for the next one: there is no next one then */
static int give_up(struct reader *r)
{
	close(r->fd);
	r->fd = -1;
	return -ETIMEDOUT;
}

/* result of the answer; ret_len: of the bytes with it */
static int64_t ask(struct reader *r, size_t size, size_t *ret_len)
{
	const size_t head = offsetof(struct reader_answer, bytes);
	ssize_t n;

	if (r->fd < 0 || now_ns() >= r->until_ns)
		return -ETIMEDOUT;
	n = send_quietly(r->fd, &r->ask, size) ? receive(r) : -EPIPE;
	if (n < (ssize_t)head)
		return give_up(r);
	*ret_len = (size_t)n - head;
	return r->answer.result;
}

static int64_t ask_bytes(struct reader *r, uint64_t offset, size_t *ret_len)
{
	r->ask.what = READER_BYTES;
	r->ask.start = offset;
	return ask(r, offsetof(struct reader_ask, path), ret_len);
}

int reader_proc_file(struct reader *r, enum reader_what what, uint32_t tgid, size_t most,
		     struct buf *ret)
{
	int64_t result;
	size_t len;

	r->ask = (struct reader_ask){ .what = what, .tgid = tgid };
	result = ask(r, offsetof(struct reader_ask, path), &len);
	while (result >= 0 && ret->len < most) {
		result = ask_bytes(r, ret->len, &len);
		if (result <= 0)
			break;
		buf_add(ret, r->answer.bytes, len);
	}
	return result < 0 ? (int)result : 0;
}

int reader_open(struct reader *r, const struct reader_mapping *m, uint64_t *ret_size)
{
	int64_t result;
	size_t len;

	r->ask = (struct reader_ask){
		.what = READER_FILE, .tgid = m->tgid, .start = m->start, .end = m->end,
		.dev = m->dev, .ino = m->ino,
	};
	snprintf(r->ask.path, sizeof(r->ask.path), "%s", m->path);
	result = ask(r, sizeof(r->ask), &len);
	if (result < 0)
		return (int)result;
	*ret_size = (uint64_t)result;
	return 0;
}

int reader_pread(struct reader *r, uint64_t offset, void *to, size_t size)
{
	for (size_t have = 0, len; have < size; have += len) {
		int64_t result = ask_bytes(r, offset + have, &len);

		if (result <= 0)
			return result ? (int)result : -EIO;
		if (len > size - have)
			len = size - have;
		memcpy((char *)to + have, r->answer.bytes, len);
	}
	return 0;
}
