/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The process that reads files: it gives what was asked for, byte for byte, of
 * ELF files that are mapped, and of nothing else; it can do nothing but that;
 * and whoever asks survives its end.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "source/reader.h"
#include "test.h"
#include "unwind/unwind.h"

#define SECOND 1000000000ull

static int nothing_first(void *arg)
{
	return 0;
}

static struct reader *start(void)
{
	struct reader *r;

	CHECK_EQ_I64(reader_start(nothing_first, NULL, &r), 0);
	reader_limit(r, 20 * SECOND);
	return r;
}

static struct unwind_maps *own_maps(struct reader *r)
{
	_cleanup_(buf_fini) struct buf text = {};

	CHECK_EQ_I64(reader_proc_file(r, READER_MAPS, getpid(), 1 << 20, &text), 0);
	return unwind_maps_parse(text.data, text.len);
}

static int open_mapping(struct reader *r, const struct unwind_mapping *m, uint64_t *ret_size)
{
	const struct reader_mapping from = { getpid(), m->start, m->end,
					     makedev(m->major, m->minor), m->ino, m->path };

	return reader_open(r, &from, ret_size);
}

TEST(gives_what_is_mapped)
{
	struct reader *r = start();
	struct unwind_maps *maps = own_maps(r);
	const struct unwind_mapping *m = unwind_maps_find(maps, (uintptr_t)start);
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY);
	_cleanup_free_ char *expected = NULL, *got = NULL;
	struct stat st;
	uint64_t size;

	CHECK(m && !fstat(fd, &st));
	CHECK_EQ_I64(open_mapping(r, m, &size), 0);
	CHECK_EQ_U64(size, st.st_size);
	/* more than one answer holds, from an odd place on */
	CHECK(size > 3 * READER_CHUNK);
	expected = xcalloc(1, size);
	got = xcalloc(1, size);
	CHECK(pread(fd, expected, size - 7, 7) == (ssize_t)size - 7);
	CHECK_EQ_I64(reader_pread(r, 7, got, size - 7), 0);
	CHECK(!memcmp(expected, got, size - 7));
	/* there is nothing behind the end */
	CHECK_EQ_I64(reader_pread(r, size - 1, got, 2), -EIO);
	unwind_maps_freep(&maps);
	reader_freep(&r);
}

TEST(only_files_of_that_kind)
{
	char path[] = "/tmp/lens-reader-XXXXXX";
	struct reader *r = start();
	struct unwind_maps *maps;
	const struct unwind_mapping *m;
	struct unwind_mapping other;
	void *text, *zero;
	uint64_t size;
	int fd = mkstemp(path), device = open("/dev/zero", O_RDONLY);

	CHECK(fd >= 0 && write(fd, "secret, and no program", 22) == 22);
	text = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	zero = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, device, 0);
	CHECK(text != MAP_FAILED && zero != MAP_FAILED);
	maps = own_maps(r);
	m = unwind_maps_find(maps, (uintptr_t)text);
	CHECK_EQ_I64(open_mapping(r, m, &size), -ENOEXEC);
	m = unwind_maps_find(maps, (uintptr_t)zero);
	CHECK_EQ_I64(open_mapping(r, m, &size), -ENOEXEC);
	/* what was refused is not there to be read */
	CHECK(reader_pread(r, 0, path, 4) < 0);
	/* a path alone is not enough: something else is mapped from there */
	other = *unwind_maps_find(maps, (uintptr_t)start);
	other.end++;
	other.ino++;
	CHECK(open_mapping(r, &other, &size) < 0);
	unlink(path);
	unwind_maps_freep(&maps);
	reader_freep(&r);
}

TEST(of_nobody)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct reader *r = start();

	CHECK_EQ_I64(reader_proc_file(r, READER_STAT, 0x7ffffffe, 4096, &text), -ENOENT);
	CHECK_EQ_U64(text.len, 0);
	reader_freep(&r);
}

static int fail_first(void *arg)
{
	return -EIO;
}

TEST(fails_to_start)
{
	struct reader *r;

	CHECK_EQ_I64(reader_start(fail_first, NULL, &r), -EIO);
	CHECK(waitpid(-1, NULL, 0) > 0);
}

static int say_pid(void *arg)
{
	int *out = arg;
	pid_t pid = getpid();

	return write(*out, &pid, sizeof(pid)) == sizeof(pid) ? 0 : -EPIPE;
}

/* no signal ends who asks a reader that is gone, and nobody waits for it */
TEST(survives_its_end)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct reader *r;
	int fds[2];
	pid_t pid;

	CHECK_EQ_I64(pipe(fds), 0);
	CHECK_EQ_I64(reader_start(say_pid, &fds[1], &r), 0);
	CHECK_EQ_I64(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	CHECK_EQ_I64(kill(pid, SIGKILL), 0);
	CHECK_EQ_I64(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
	close(fds[1]);
	reader_limit(r, 20 * SECOND);
	CHECK(reader_proc_file(r, READER_STAT, getpid(), 4096, &text) < 0);
	CHECK(reader_proc_file(r, READER_STAT, getpid(), 4096, &text) < 0);
	reader_freep(&r);
}

TEST(out_of_time)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct reader *r = start();

	reader_limit(r, 0);
	CHECK_EQ_I64(reader_proc_file(r, READER_STAT, getpid(), 4096, &text), -ETIMEDOUT);
	/* that was no answer come late: with time there is one */
	reader_limit(r, 20 * SECOND);
	CHECK_EQ_I64(reader_proc_file(r, READER_STAT, getpid(), 4096, &text), 0);
	CHECK(text.len > 0);
	reader_freep(&r);
}

#define MUST_BE_DENIED(call)							\
	do {									\
		errno = 0;							\
		if ((call) >= 0 || errno != EPERM)				\
			_exit(__LINE__ % 200 + 1);				\
	} while (0)

static _Noreturn void be_confined(void)
{
	char *const argv[] = { "true", NULL };

	if (sandbox_enter_reader())
		_exit(1);
	MUST_BE_DENIED(open("/tmp/lens-reader-x", O_WRONLY | O_CREAT, 0600));
	MUST_BE_DENIED(open("/proc/self/comm", O_WRONLY));
	MUST_BE_DENIED(open("/proc/self/comm", O_RDWR));
	MUST_BE_DENIED(open("/proc/self/exe", O_RDONLY | O_TRUNC));
	MUST_BE_DENIED(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST_BE_DENIED(kill(getppid(), 0));
	MUST_BE_DENIED(execv("/bin/true", argv));
	MUST_BE_DENIED(fork());
	MUST_BE_DENIED(unlink("/tmp/lens-reader-x"));
	if (open("/proc/self/stat", O_RDONLY) < 0)
		_exit(250);
	_exit(0);
}

TEST(confined)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid)
		be_confined();
	CHECK(waitpid(pid, &status, 0) == pid);
	/* the number of a line, if it is not 0 */
	CHECK_EQ_I64(status >> 8, 0);
	CHECK_EQ_I64(status, 0);
}
