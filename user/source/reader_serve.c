/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The side of the reader that has privileges. Whoever asks may be in the hands
 * of somebody hostile: nothing is opened but /proc/PID/maps, /proc/PID/stat and
 * regular files that begin as ELF files do.
 */
#define _GNU_SOURCE 1
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "source/reader.h"

/*
 * A path may lead to a device by now, whose opening alone does something: what
 * is there is looked at first, and then opened by what was looked at.
 */
static int look_at(const char *path, struct stat *ret)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret))
		return -errno;
	return S_ISREG(ret->st_mode) ? TAKE_FD(fd) : -ENOEXEC;
}

static int look_at_mapped(const struct reader_ask *a, struct stat *ret)
{
	char path[READER_PATH + 64];
	int fd, err;

	/* the very file that is mapped, deleted or not; needs CAP_CHECKPOINT_RESTORE */
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", a->tgid,
		 (unsigned long long)a->start, (unsigned long long)a->end);
	fd = look_at(path, ret);
	if (fd >= 0 || fd == -ENOEXEC)
		return fd;
	err = fd;
	snprintf(path, sizeof(path), "/proc/%u/root%s", a->tgid, a->path);
	fd = look_at(path, ret);
	if (fd < 0)
		return err;
	if (ret->st_dev == a->dev && ret->st_ino == a->ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static int open_elf(const struct reader_ask *a, uint64_t *ret_size)
{
	_cleanup_close_ int fd = -1, place = -1;
	char path[64], magic[SELFMAG];
	struct stat st;

	place = look_at_mapped(a, &st);
	if (place < 0)
		return place;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    memcmp(magic, ELFMAG, sizeof(magic)))
		return -ENOEXEC;
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

static int open_proc(uint32_t tgid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", tgid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void replace(int *file, int fd, uint64_t size, struct reader_answer *ret)
{
	if (*file >= 0)
		close(*file);
	*file = fd;
	ret->result = fd < 0 ? fd : (int64_t)size;
}

/* returns the size of the answer */
static size_t answer(const struct reader_ask *a, int *file, struct reader_answer *ret)
{
	uint64_t size = 0;
	ssize_t n;
	int fd;

	switch (a->what) {
	case READER_MAPS:
		replace(file, open_proc(a->tgid, "maps"), 0, ret);
		break;
	case READER_STAT:
		replace(file, open_proc(a->tgid, "stat"), 0, ret);
		break;
	case READER_FILE:
		fd = open_elf(a, &size);
		replace(file, fd, size, ret);
		break;
	case READER_BYTES:
		n = pread(*file, ret->bytes, sizeof(ret->bytes), (off_t)a->start);
		ret->result = n < 0 ? -errno : n;
		break;
	default:
		ret->result = -EINVAL;
	}
	return offsetof(struct reader_answer, bytes) +
	       (a->what == READER_BYTES && ret->result > 0 ? (size_t)ret->result : 0);
}

void reader_serve(int fd)
{
	static struct reader_answer out;
	static struct reader_ask in;
	int file = -1;
	ssize_t n;

	while ((n = read(fd, &in, sizeof(in))) >= (ssize_t)offsetof(struct reader_ask, path)) {
		size_t size;

		/* no more of a path than has come, and an end to it */
		memset((char *)&in + n, 0, sizeof(in) - (size_t)n);
		in.path[sizeof(in.path) - 1] = '\0';
		size = answer(&in, &file, &out);
		if (write(fd, &out, size) != (ssize_t)size)
			break;
	}
}
