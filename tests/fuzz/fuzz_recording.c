/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A whole recording file. Inputs that start as SQLite files do are taken as
 * the file; all others are changes to a good recording, or to the log of a
 * killed recorder, because chance alone makes no database.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fuzz.h"
#include "source/recording.h"

struct image {
	unsigned char *bytes;
	size_t len;
};

/* in memory: a disk would set the pace */
static char place[] = "/dev/shm/lens-fuzz-XXXXXX";
static char path[64], log_path[64];
/* a complete recording; a killed one, as database and log */
static struct image whole, killed, killed_log;

static struct image read_image(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct image image;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		abort();
	image.len = (size_t)st.st_size;
	image.bytes = xcalloc(1, image.len);
	if (read(fd, image.bytes, image.len) != st.st_size)
		abort();
	close(fd);
	return image;
}

static void write_image(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void record(struct recording_writer **w)
{
	struct lens_rec_mark mark = { .h = { .len = sizeof(mark), .type = LENS_REC_MARK } };

	if (recording_create(path, true, w) < 0)
		abort();
	for (mark.value = 0; mark.value < 60; mark.value++) {
		if (recording_write(*w, &mark.h) < 0)
			abort();
		if (mark.value % 10 == 9 && recording_flush(*w) < 0)
			abort();
	}
}

static void remove_place(void)
{
	unlink(path);
	unlink(log_path);
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct recording_writer *w = NULL;
	pid_t pid;

	if (!mkdtemp(place))
		abort();
	snprintf(path, sizeof(path), "%s/r", place);
	snprintf(log_path, sizeof(log_path), "%s/r-wal", place);
	record(&w);
	if (recording_close(&w) < 0)
		abort();
	whole = read_image(path);
	pid = fork();
	if (pid == 0) {
		record(&w);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	killed = read_image(path);
	killed_log = read_image(log_path);
	atexit(remove_place);
	/* findings go to descriptor 2; only our messages go through this */
	stderr = fopen("/dev/null", "w");
	return 0;
}

struct change {
	uint8_t offset[3];
	uint8_t value;
};

static void write_changed(const char *name, struct image image, const uint8_t *data, size_t size)
{
	static unsigned char copy[1 << 20];
	struct change change;

	if (image.len > sizeof(copy))
		abort();
	memcpy(copy, image.bytes, image.len);
	for (; size >= sizeof(change); data += sizeof(change), size -= sizeof(change)) {
		size_t at;

		memcpy(&change, data, sizeof(change));
		at = (size_t)change.offset[0] << 16 | (size_t)change.offset[1] << 8;
		at |= change.offset[2];
		copy[at % image.len] = change.value;
	}
	write_image(name, copy, image.len);
}

static int touch(void *arg, const struct lens_rec *rec)
{
	uint64_t *sum = arg;

	/* every byte the reader promised */
	for (uint32_t i = 0; i < rec->len; i++)
		*sum += ((const unsigned char *)rec)[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	uint64_t sum = 0;

	if (!size)
		return 0;
	unlink(log_path);
	if (size > 16 && !memcmp(data, "SQLite format 3", 16)) {
		write_image(path, data, size);
	} else if (data[0] % 3 == 0) {
		write_changed(path, whole, data + 1, size - 1);
	} else if (data[0] % 3 == 1) {
		write_changed(path, killed, data + 1, size - 1);
		write_image(log_path, killed_log.bytes, killed_log.len);
	} else {
		write_image(path, killed.bytes, killed.len);
		write_changed(log_path, killed_log, data + 1, size - 1);
	}
	if (recording_open(path, &r) == 0)
		recording_read(r, touch, &sum);
	return sum == 1 ? -1 : 0;
}
