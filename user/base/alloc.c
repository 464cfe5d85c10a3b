/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory that is always there: what cannot be had ends the program, because no
 * caller could go on without it. Every size computation is checked here, so
 * that a count read from a record cannot wrap around.
 */
#include <malloc.h>
#include <sys/mman.h>

#include "base/base.h"

/* what a look sorts is a few megabytes, and is free again between looks */
#define BIG_BLOCK_BYTES (128 * 1024)
/* the largest that mallopt(3) takes */
#define HEAP_BLOCK_BYTES (32 * 1024 * 1024)
#define LARGE_PAGE (2 * 1024 * 1024)

static void __attribute__((noreturn)) out_of_memory(void)
{
	static const char text[] = "ipclens: out of memory\n";
	/* not log_msg(): it allocates */
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

static size_t checked_size(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
		out_of_memory();
	/* malloc(0) and realloc(p, 0) may return NULL, which we promise not to */
	return bytes ? bytes : 1;
}

void alloc_return_big_blocks(void)
{
	mallopt(M_MMAP_THRESHOLD, BIG_BLOCK_BYTES);
}

void alloc_expect(size_t bytes)
{
	uintptr_t begin;
	void *room;

	/* from the heap, and to stay there when it is free */
	mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_BLOCK_BYTES);
	room = malloc(bytes);
	if (!room)
		return;
	begin = ((uintptr_t)room + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
	/* if not, it is slower */
	madvise((void *)begin, bytes - (begin - (uintptr_t)room), MADV_HUGEPAGE);
	free(room);
}

void alloc_trim(void)
{
	malloc_trim(0);
}

void *xmalloc(size_t size)
{
	void *p = malloc(checked_size(1, size));

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(1, checked_size(count, size));

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t count, size_t size)
{
	void *moved = realloc(p, checked_size(count, size));

	if (!moved)
		out_of_memory();
	return moved;
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = xrealloc(NULL, len + 1, 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* fails beyond INT_MAX, or for what the locale cannot encode: both are bugs */
	if (len < 0)
		out_of_memory();
	text = xrealloc(NULL, (size_t)len + 1, 1);
	vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return text;
}
