/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The unit test framework: TEST(name) { ... } registers itself, main() is
 * supplied. Each case runs in a forked child, so a crash, a hang or a leak is
 * the result of that case and not the end of the run. Knows nothing of ipclens.
 *
 * One test file makes a program; several may also be linked into one (what
 * must then exist once is weak). Arguments select cases: those that have one
 * of them as a part of "file:name". Exit status: 0 when something ran and
 * nothing failed.
 */
#ifndef LENS_TEST_H
#define LENS_TEST_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SKIP_STATUS 77
#define TEST_TIMEOUT_S 120

struct test_case {
	const char *file;
	const char *name;
	void (*run)(void);
};

/*
 * The section holds pointers, not the structs: compilers align larger objects
 * as they like, which would leave holes between the elements.
 */
#define TEST(name_)								\
	static void test_##name_(void);						\
	static const struct test_case test_case_##name_ = {			\
		__FILE__, #name_, test_##name_					\
	};									\
	static const struct test_case *const test_ptr_##name_			\
	__attribute__((used, section("lens_tests"))) = &test_case_##name_;	\
	static void test_##name_(void)

extern const struct test_case *const __start_lens_tests[];
extern const struct test_case *const __stop_lens_tests[];

/* ends the case as skipped; says why */
#define TEST_SKIP(...)								\
	do {									\
		printf("  %s:%d: skipped: ", __FILE__, __LINE__);		\
		printf(__VA_ARGS__);						\
		putchar('\n');							\
		fflush(stdout);							\
		_exit(TEST_SKIP_STATUS);					\
	} while (0)

/* ends the case as failed; _exit(), because what it leaves behind is no leak */
#define TEST_FAIL(...)								\
	do {									\
		printf("  %s:%d: ", __FILE__, __LINE__);			\
		printf(__VA_ARGS__);						\
		putchar('\n');							\
		fflush(stdout);							\
		_exit(1);							\
	} while (0)

#define CHECK(cond)								\
	do {									\
		if (!(cond))							\
			TEST_FAIL("not true: %s", #cond);			\
	} while (0)

#define CHECK_EQ_U64(got, want)							\
	do {									\
		uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);	\
		if (got_ != want_)						\
			TEST_FAIL("%s is %" PRIu64 " (%#" PRIx64 "), not %" PRIu64	\
				  " (%#" PRIx64 ")", #got, got_, got_, want_, want_); \
	} while (0)

#define CHECK_EQ_I64(got, want)							\
	do {									\
		int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);		\
		if (got_ != want_)						\
			TEST_FAIL("%s is %" PRId64 ", not %" PRId64, #got, got_, want_); \
	} while (0)

/* both may be NULL, which equals only NULL */
#define CHECK_STR(got, want)							\
	do {									\
		const char *got_ = (got), *want_ = (want);			\
		if (got_ != want_ && (!got_ || !want_ || strcmp(got_, want_)))	\
			TEST_FAIL("%s is \"%s\", not \"%s\"", #got,		\
				  got_ ? got_ : "(NULL)", want_ ? want_ : "(NULL)"); \
	} while (0)

#define CHECK_MEM(got, got_len, want, want_len)					\
	do {									\
		const void *got_ = (got), *want_ = (want);			\
		size_t got_len_ = (got_len), want_len_ = (want_len);		\
		if (got_len_ != want_len_ ||					\
		    (got_len_ && memcmp(got_, want_, got_len_))) {		\
			test_print_bytes("got ", got_, got_len_);		\
			test_print_bytes("want", want_, want_len_);		\
			TEST_FAIL("the bytes of %s differ", #got);		\
		}								\
	} while (0)

#define TEST_WEAK __attribute__((weak))

void test_print_bytes(const char *title, const void *bytes, size_t len);
int test_run(const struct test_case *t);
bool test_selected(const struct test_case *t, int argc, char **argv);

TEST_WEAK void test_print_bytes(const char *title, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	printf("  %s %zu bytes:", title, len);
	for (size_t i = 0; i < len && i < 256; i++)
		printf(" %02x", p[i]);
	printf("%s\n", len > 256 ? " ..." : "");
}

/* returns the wait status of the child that ran the case */
TEST_WEAK int test_run(const struct test_case *t)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* fatal by default: a hang becomes a failure */
		alarm(TEST_TIMEOUT_S);
		t->run();
		/* exit(), not _exit(): the leak check of the sanitizer hangs on it */
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("test");
		exit(2);
	}
	return status;
}

TEST_WEAK bool test_selected(const struct test_case *t, int argc, char **argv)
{
	char full[512];

	snprintf(full, sizeof(full), "%s:%s", t->file, t->name);
	for (int i = 1; i < argc; i++)
		if (strstr(full, argv[i]))
			return true;
	return argc < 2;
}

TEST_WEAK int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	for (const struct test_case *const *t = __start_lens_tests; t < __stop_lens_tests; t++) {
		int status;

		if (!test_selected(*t, argc, argv))
			continue;
		status = test_run(*t);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
			passed++;
			continue;
		}
		if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIP_STATUS) {
			skipped++;
			continue;
		}
		failed++;
		if (WIFSIGNALED(status))
			printf("FAIL %s:%s: signal %d (%s)\n", (*t)->file, (*t)->name,
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
		else
			printf("FAIL %s:%s: status %d\n", (*t)->file, (*t)->name,
			       WEXITSTATUS(status));
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed || !(passed + skipped);
}

#endif
