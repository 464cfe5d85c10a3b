/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Recordings with known records, in a directory of their own, for the tests of
 * how they are written and of how they are read.
 */
#ifndef LENS_TEST_RECORDED_H
#define LENS_TEST_RECORDED_H

#include <fcntl.h>
#include <sys/stat.h>

#include "source/recording.h"
#include "test.h"

/* --------------------------------------------------------------- places */

static char place[64];

/* an empty directory that becomes the working directory; most tests provoke messages */
static inline void enter_place(void)
{
	CHECK(freopen("/dev/null", "w", stderr));
	snprintf(place, sizeof(place), "/tmp/lens-recording-XXXXXX");
	CHECK(mkdtemp(place));
	CHECK(chdir(place) == 0);
}

static inline void leave_place(void)
{
	static const char *const names[] = {
		"r", "r-wal", "r-shm", "r-journal", "other", "copy", "copy-wal",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unlink(names[i]);
		rmdir(names[i]);
	}
	CHECK(chdir("/") == 0);
	CHECK(rmdir(place) == 0);
}

static inline bool exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

/* -------------------------------------------------------------- records */

/* the n-th of a stream of records of several types and lengths */
static inline const struct lens_rec *nth(uint64_t n)
{
	static _Alignas(8) unsigned char bytes[LENS_REC_MAX];
	struct lens_rec *rec = (void *)bytes;

	memset(bytes, 0, sizeof(bytes));
	rec->ts_ns = 1000 + n * 17 % 1024 + n;
	if (n % 3 == 0) {
		struct lens_rec_total *total = (void *)bytes;

		rec->type = LENS_REC_TOTAL;
		rec->len = sizeof(*total);
		total->key.ino = n % 50;
		total->key.tgid = 7;
		total->key.kind = LENS_KIND_PIPE;
		total->total.bytes = n * 4096;
	} else if (n % 3 == 1) {
		struct lens_rec_ops *ops = (void *)bytes;

		rec->type = LENS_REC_OPS;
		ops->count = 1 + n % LENS_OPS_PER_BATCH;
		rec->len = (uint32_t)(sizeof(*ops) + ops->count * sizeof(struct lens_op));
		for (uint32_t i = 0; i < ops->count; i++)
			((struct lens_op *)(ops + 1))[i].ret = (int64_t)(n * n + i);
	} else {
		/* a type of a later version: kept verbatim all the same */
		rec->type = 999;
		rec->len = (uint32_t)(16 + n % 40 * 8);
		memset(rec + 1, (int)n, rec->len - 16);
	}
	return rec;
}

static inline void write_records(struct recording_writer *w, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++)
		CHECK_EQ_I64(recording_write(w, nth(n)), 0);
}

/* `blocks` blocks of `each` records */
static inline void make_recording(const char *path, unsigned blocks, unsigned each)
{
	struct recording_writer *w = NULL;

	CHECK_EQ_I64(recording_create(path, false, &w), 0);
	for (unsigned i = 0; i < blocks; i++) {
		write_records(w, i * each, (i + 1) * each);
		CHECK_EQ_I64(recording_flush(w), 0);
	}
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK(!w);
}

struct got {
	uint64_t records;
	uint64_t wrong;		/* are not the n-th record, for the n that comes next */
	uint64_t stop_at;
	bool skips;		/* blocks of `each` records may be missing */
	unsigned each;
	uint64_t next;
};

static inline int take(void *arg, const struct lens_rec *rec)
{
	struct got *got = arg;

	CHECK((uintptr_t)rec % 8 == 0);
	got->records++;
	/* the first of a block may be the first of any later block */
	while (got->skips && got->next % got->each == 0 && got->next < 1000000 &&
	       (rec->len != nth(got->next)->len || memcmp(rec, nth(got->next), rec->len)))
		got->next += got->each;
	if (rec->len != nth(got->next)->len || memcmp(rec, nth(got->next), rec->len))
		got->wrong++;
	got->next++;
	return got->stop_at && got->records == got->stop_at ? -ECANCELED : 0;
}

/* opens and reads; what recording_open() or else recording_read() returned */
static inline int read_recording(const char *path, struct got *got, bool *ret_complete)
{
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	int err = recording_open(path, &r);

	if (err < 0)
		return err;
	err = recording_read(r, take, got);
	*ret_complete = recording_is_complete(r);
	return err;
}

static inline uint64_t check_reads(const char *path, bool complete)
{
	struct got got = { 0 };
	bool is_complete = !complete;

	CHECK_EQ_I64(read_recording(path, &got, &is_complete), 0);
	CHECK_EQ_U64(is_complete, complete);
	CHECK_EQ_U64(got.wrong, 0);
	return got.records;
}

/* ----------------------------------------------------------------- files */

static inline void put_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static inline void *get_file(const char *name, size_t *ret_len)
{
	int fd = open(name, O_RDONLY);
	struct stat st;
	void *bytes;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	bytes = xcalloc(1, (size_t)st.st_size);
	CHECK(read(fd, bytes, (size_t)st.st_size) == st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

#endif
