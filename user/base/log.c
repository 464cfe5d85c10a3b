/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Diagnostics: one line per message, on stderr, written at once so that lines
 * of two processes do not mix. A message may quote hostile bytes; none of them
 * reaches the terminal raw.
 */
#include "base/base.h"

/* the only state of this layer: set once, while the command line is read */
static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level max)
{
	max_level = max;
}

enum log_level log_level(void)
{
	return max_level;
}

/* as text_escape(), but backslashes stay single: arguments may be escaped already */
static void add_line(struct buf *line, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		const char *stop = memchr(text, '\\', (size_t)(end - text));

		text_escape(line, text, (size_t)((stop ? stop : end) - text));
		if (!stop)
			break;
		buf_puts(line, "\\");
		text = stop + 1;
	}
}

static void __attribute__((format(printf, 2, 0)))
log_va(enum log_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	struct buf line = { 0 };
	int saved_errno = errno;
	va_list again;
	int len;

	if (level > max_level)
		return;
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	if (len >= 0) {
		text = xcalloc((size_t)len + 1, 1);
		errno = saved_errno;	/* for %m */
		vsnprintf(text, (size_t)len + 1, fmt, again);
		/* libraries end their messages with a newline, we do not */
		if (len && text[len - 1] == '\n')
			len--;
		buf_puts(&line, "ipclens: ");
		add_line(&line, text, (size_t)len);
		buf_puts(&line, "\n");
		fwrite(line.data, 1, line.len, stderr);
		fflush(stderr);
		buf_fini(&line);
	}
	va_end(again);
	errno = saved_errno;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(level, fmt, ap);
	va_end(ap);
}

int log_err(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(LOG_ERROR, fmt, ap);
	va_end(ap);
	return err;
}
