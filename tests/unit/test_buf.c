/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Growing byte strings and the allocation under them.
 */
#include "test.h"

#include <signal.h>

#include "base/base.h"

/* whether call(arg) ends in SIGABRT; its message on stderr is expected and dropped */
static bool aborts(void (*call)(size_t), size_t arg)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		call(arg);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void calloc_pairs(size_t count)
{
	free(xcalloc(count, 2));
}

static void realloc_pairs(size_t count)
{
	free(xrealloc(NULL, count, 2));
}

TEST(alloc_refuses_what_overflows)
{
	CHECK(!aborts(calloc_pairs, 100));
	CHECK(aborts(calloc_pairs, SIZE_MAX));
	CHECK(aborts(calloc_pairs, SIZE_MAX / 2 + 2));
	CHECK(aborts(calloc_pairs, SIZE_MAX / 4 + 1));
	CHECK(!aborts(realloc_pairs, 100));
	CHECK(aborts(realloc_pairs, SIZE_MAX));
	CHECK(aborts(realloc_pairs, SIZE_MAX / 2 + 2));
}

TEST(alloc_of_nothing_is_not_null)
{
	void *p = xcalloc(0, 8), *q = xrealloc(NULL, 0, 8);

	CHECK(p && q);
	q = xrealloc(q, 0, 0);
	CHECK(q);
	free(p);
	free(q);
}

TEST(calloc_zeroes_and_realloc_keeps)
{
	unsigned char *p = xcalloc(100, 3);

	for (int i = 0; i < 300; i++)
		CHECK_EQ_U64(p[i], 0);
	memset(p, 7, 300);
	p = xrealloc(p, 100000, 3);
	for (int i = 0; i < 300; i++)
		CHECK_EQ_U64(p[i], 7);
	free(p);
}

TEST(strings)
{
	_cleanup_free_ char *whole = xstrdup("pipe");
	_cleanup_free_ char *part = xstrndup("pipe", 2);
	_cleanup_free_ char *more = xstrndup("pipe\0x", 100);
	_cleanup_free_ char *none = xstrndup("pipe", 0);
	_cleanup_free_ char *made = xasprintf("%s:%0300d", "x", 5);
	const char unterminated[] = { 'a', 'b', 'c' };
	_cleanup_free_ char *copy = xstrndup(unterminated, sizeof(unterminated));

	CHECK_STR(whole, "pipe");
	CHECK_STR(part, "pi");
	CHECK_STR(more, "pipe");
	CHECK_STR(none, "");
	CHECK_STR(copy, "abc");
	CHECK_EQ_U64(strlen(made), 302);
	CHECK_STR(made + 300, "05");
}

TEST(take_ptr_and_fd_leave_nothing)
{
	char *p = xstrdup("x"), *q;
	int fd = 5, taken;

	q = TAKE_PTR(p);
	taken = TAKE_FD(fd);
	CHECK(!p);
	CHECK_STR(q, "x");
	CHECK_EQ_I64(fd, -1);
	CHECK_EQ_I64(taken, 5);
	free(q);
}

TEST(buf_starts_empty_and_can_be_reused)
{
	struct buf b = { 0 };

	buf_fini(&b);
	buf_add(&b, NULL, 0);
	CHECK_STR(b.data, "");
	CHECK_EQ_U64(b.len, 0);
	buf_puts(&b, "a");
	buf_fini(&b);
	CHECK(!b.data && !b.len && !b.size);
	buf_puts(&b, "b");
	CHECK_STR(b.data, "b");
	buf_fini(&b);
}

TEST(buf_is_terminated_at_every_length)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	for (size_t i = 0; i < 5000; i++) {
		char c = (char)('a' + i % 26);

		buf_add(&b, &c, 1);
		CHECK_EQ_U64(b.len, i + 1);
		CHECK(b.size > b.len);
		CHECK_EQ_U64(b.data[b.len], 0);
	}
	for (size_t i = 0; i < 5000; i++)
		CHECK_EQ_U64(b.data[i], 'a' + i % 26);
}

TEST(buf_holds_any_bytes)
{
	_cleanup_(buf_fini) struct buf b = { 0 };

	buf_add(&b, "a\0b", 3);
	buf_puts(&b, "c");
	CHECK_MEM(b.data, b.len, "a\0bc", 4);
}

TEST(buf_grows_by_much_at_once)
{
	_cleanup_(buf_fini) struct buf b = { 0 };
	_cleanup_free_ char *big = xcalloc(1, 1 << 20);

	buf_puts(&b, "x");
	buf_add(&b, big, 1 << 20);
	CHECK_EQ_U64(b.len, (1 << 20) + 1);
}

/* around every boundary at which the text just fits or just does not */
TEST(buf_printf_fits_exactly)
{
	for (int before = 0; before < 140; before++)
		for (int len = 0; len < 140; len++) {
			_cleanup_(buf_fini) struct buf b = { 0 };

			for (int i = 0; i < before; i++)
				buf_add(&b, "-", 1);
			buf_printf(&b, "%.*s", len,
				   "0123456789012345678901234567890123456789012345678901234567890"
				   "1234567890123456789012345678901234567890123456789012345678901"
				   "234567890123456789");
			CHECK_EQ_U64(b.len, before + len);
			CHECK_EQ_U64(strlen(b.data), before + len);
			if (len)
				CHECK_EQ_U64(b.data[b.len - 1], '0' + (len - 1) % 10);
		}
}

static void add_too_much(size_t len)
{
	struct buf b = { 0 };

	buf_puts(&b, "x");
	buf_add(&b, "y", len);
}

TEST(buf_refuses_what_overflows)
{
	CHECK(aborts(add_too_much, SIZE_MAX));
	CHECK(aborts(add_too_much, SIZE_MAX - 1));
	CHECK(aborts(add_too_much, SIZE_MAX / 2));
	CHECK(!aborts(add_too_much, 1));
}
