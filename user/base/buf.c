/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A byte string that grows. It holds any bytes; the NUL after the last one is
 * not counted. Knows nothing of what the bytes mean.
 */
#include "base/base.h"

#define BUF_FIRST_BYTES 64

/* makes room for len more bytes and the NUL */
static void buf_reserve(struct buf *b, size_t len)
{
	size_t size, need;

	if (len < b->size - b->len)
		return;
	size = b->size ? b->size : BUF_FIRST_BYTES;
	if (__builtin_add_overflow(b->len, len, &need) || need >= SIZE_MAX / 2)
		need = SIZE_MAX / 2;	/* xrealloc() refuses it */
	need++;
	while (size < need)
		size *= 2;
	b->data = xrealloc(b->data, size, 1);
	b->size = size;
}

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

char *buf_room(struct buf *b, size_t len)
{
	buf_reserve(b, len);
	return b->data + b->len;
}

void buf_end(struct buf *b, char *end)
{
	b->len = (size_t)(end - b->data);
	b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	/* most pieces fit into what is there, and are formatted only once */
	buf_reserve(b, 0);
	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(b->data + b->len, b->size - b->len, fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len >= b->size - b->len) {
		buf_reserve(b, (size_t)len);
		vsnprintf(b->data + b->len, b->size - b->len, fmt, again);
	}
	va_end(again);
	if (len > 0)
		b->len += (size_t)len;
	b->data[b->len] = '\0';
}
