// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Standard output without surprises: never blocks the collector, never
 * pretends that a full disk or a closed pipe was fine.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cmd/cmd.h"

/* lines waiting for a slow reader; beyond that they are dropped and counted */
#define PENDING_MAX (8u << 20)

/* a pipe that polls writable takes this much without blocking, PIPE_BUF in linux/limits.h */
#define CHUNK 4096

/* a document is written in pieces of so many bytes, which is what a pipe holds */
#define DOCUMENT_PIECE (64u << 10)

#define DEFAULT_COLUMNS 120

/*
 * A terminal or pipe that polls writable may still block a write of more than
 * it has room for. A descriptor of our own can be non-blocking; the one we
 * were given is shared with others, for whom it must stay as it is.
 */
void output_init(struct output *o)
{
	struct stat st;

	memset(o, 0, sizeof(*o));
	o->fd = -1;
	if (!fstat(STDOUT_FILENO, &st) && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		o->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (o->fd < 0)
		o->fd = STDOUT_FILENO;
}

void output_add(struct output *o, const char *text, size_t len)
{
	if (o->closed)
		return;
	if (o->pending.len - o->done + len > PENDING_MAX) {
		for (size_t i = 0; i < len; i++)
			o->dropped_lines += text[i] == '\n';
		return;
	}
	if (o->done == o->pending.len)
		o->done = o->pending.len = 0;
	buf_add(&o->pending, text, len);
}

static void output_close(struct output *o, int err)
{
	o->closed = true;
	o->err = err == -EPIPE ? 0 : err;
	o->done = o->pending.len = 0;
}

int output_flush(struct output *o, int timeout_ms)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };

	/* a reader that left is noticed although there is nothing to write */
	if (!o->closed && o->done == o->pending.len && poll(&p, 1, 0) > 0 && p.revents & POLLERR)
		output_close(o, -EPIPE);
	while (o->done < o->pending.len) {
		size_t left = o->pending.len - o->done;
		ssize_t n;
		int ready = poll(&p, 1, timeout_ms);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return 1;
		n = write(o->fd, o->pending.data + o->done, left < CHUNK ? left : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0) {
			output_close(o, -errno);
			return 0;
		}
		o->done += n;
	}
	return 0;
}

void output_fini(struct output *o)
{
	buf_fini(&o->pending);
	if (o->fd > STDERR_FILENO)
		close(o->fd);
}

unsigned output_columns(bool tty)
{
	struct winsize size;

	if (tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return DEFAULT_COLUMNS;
}

/* what a document is written through: in big pieces, and never all of it in memory */
struct document {
	int err;		/* nothing more can be written */
};

static ssize_t write_document(void *cookie, const char *data, size_t len)
{
	struct document *d = cookie;
	size_t done = 0;

	while (!d->err && done < len) {
		ssize_t n = write(STDOUT_FILENO, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* somebody made it non-blocking */
			poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
			continue;
		}
		if (n < 0)
			d->err = -errno;
		else
			done += n;
	}
	/* the rest of a document that nobody can read any more goes nowhere */
	return (ssize_t)len;
}

void output_in_pieces(void)
{
	static char buffer[DOCUMENT_PIECE];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

int output_document(void (*fn)(FILE *, const struct world *, const struct render_options *),
		    const struct world *w, const struct render_options *opt)
{
	_cleanup_free_ char *buffer = xcalloc(DOCUMENT_PIECE, 1);
	struct document d = {};
	FILE *f = fopencookie(&d, "w", (cookie_io_functions_t){ .write = write_document });

	if (!f)
		return log_err(EXIT_FAILED, "out of memory");
	setvbuf(f, buffer, _IOFBF, DOCUMENT_PIECE);
	fn(f, w, opt);
	fclose(f);
	if (d.err && d.err != -EPIPE)	/* EPIPE: the reader has seen enough */
		return log_err(EXIT_FAILED, "cannot write the output: %s", strerror(-d.err));
	return EXIT_OK;
}
