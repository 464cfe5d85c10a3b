/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Diagnostics: what reaches stderr, byte for byte.
 */
#include "test.h"

#include "base/base.h"

static int capture_fds[2];

/* stderr goes into a pipe from here on; each case has a process of its own */
static void capture(void)
{
	CHECK(pipe(capture_fds) == 0);
	CHECK(dup2(capture_fds[1], STDERR_FILENO) == STDERR_FILENO);
	close(capture_fds[1]);
}

static const char *captured(void)
{
	static char text[4096];
	ssize_t len;

	fflush(stderr);
	close(STDERR_FILENO);
	len = read(capture_fds[0], text, sizeof(text) - 1);
	CHECK(len >= 0);
	text[len] = '\0';
	return text;
}

TEST(one_line_with_prefix)
{
	capture();
	log_msg(LOG_INFO, "%s has %d", "x", 7);
	CHECK_STR(captured(), "ipclens: x has 7\n");
}

TEST(trailing_newline_is_not_doubled)
{
	capture();
	log_msg(LOG_WARNING, "from a library\n");
	CHECK_STR(captured(), "ipclens: from a library\n");
}

TEST(hostile_bytes_stay_on_their_line)
{
	capture();
	log_msg(LOG_ERROR, "comm %s", "a\033[2Jb\nipclens: forged\xff\xe2\x80\xae");
	CHECK_STR(captured(),
		  "ipclens: comm a\\x1b[2Jb\\x0aipclens: forged\\xff\\xe2\\x80\\xae\n");
}

TEST(escaped_arguments_are_not_escaped_twice)
{
	capture();
	log_msg(LOG_ERROR, "%s", "a\\x1bb\\\\");
	CHECK_STR(captured(), "ipclens: a\\x1bb\\\\\n");
}

TEST(level_drops_what_is_above)
{
	capture();
	CHECK_EQ_U64(log_level(), LOG_INFO);
	log_msg(LOG_DEBUG, "never seen");
	log_set_level(LOG_ERROR);
	log_msg(LOG_WARNING, "not seen");
	log_msg(LOG_ERROR, "seen");
	log_set_level(LOG_DEBUG);
	log_msg(LOG_DEBUG, "debug");
	CHECK_STR(captured(), "ipclens: seen\nipclens: debug\n");
}

TEST(log_err_returns_its_error)
{
	capture();
	CHECK_EQ_I64(log_err(-ENOENT, "no %s", "file"), -ENOENT);
	CHECK_STR(captured(), "ipclens: no file\n");
}

TEST(errno_survives_and_can_be_printed)
{
	char want[256];

	snprintf(want, sizeof(want), "ipclens: open: %s\n", strerror(EACCES));
	capture();
	errno = EACCES;
	log_msg(LOG_ERROR, "open: %m");
	CHECK_EQ_I64(errno, EACCES);
	CHECK_STR(captured(), want);
}
