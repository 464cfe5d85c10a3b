/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is recorded is read back, and a recording survives what happens to
 * recorders: kill -9, a full disk, a hostile place for its file.
 */
#define _GNU_SOURCE 1

#include "recorded.h"

#include <sched.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ------------------------------------------------------------ round trip */

TEST(round_trip_of_many_blocks)
{
	struct stat st;

	enter_place();
	umask(0);
	make_recording("r", 40, 300);
	CHECK_EQ_U64(check_reads("r", true), 40 * 300);
	CHECK(stat("r", &st) == 0);
	CHECK_EQ_U64(st.st_mode & 07777, 0600);
	CHECK(!exists("r-wal") && !exists("r-shm") && !exists("r-journal"));
	leave_place();
}

/* a block is written when it is full, without a flush */
TEST(full_blocks_are_written_at_once)
{
	struct recording_writer *w = NULL;
	pid_t pid;
	int status;

	enter_place();
	pid = fork();
	if (pid == 0) {
		CHECK_EQ_I64(recording_create("r", false, &w), 0);
		write_records(w, 0, 2000);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	/* about 1.1 KB each: three times 256 KiB at least */
	CHECK(check_reads("r", false) > 600);
	leave_place();
}

TEST(empty_recording)
{
	enter_place();
	make_recording("r", 0, 0);
	CHECK_EQ_U64(check_reads("r", true), 0);
	leave_place();
}

TEST(sink_ends_the_reading)
{
	struct got got = { .stop_at = 5 };
	bool complete;

	enter_place();
	make_recording("r", 3, 4);
	CHECK_EQ_I64(read_recording("r", &got, &complete), -ECANCELED);
	CHECK_EQ_U64(got.records, 5);
	leave_place();
}

TEST(unreadable_records_are_refused)
{
	struct recording_writer *w = NULL;
	struct lens_rec rec = { .len = sizeof(rec), .type = LENS_REC_MARK };

	enter_place();
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	CHECK_EQ_I64(recording_write(w, &rec), 0);
	rec.len = 8;
	CHECK_EQ_I64(recording_write(w, &rec), -EINVAL);
	rec.len = sizeof(rec) + 1;
	CHECK_EQ_I64(recording_write(w, &rec), -EINVAL);
	rec.len = LENS_REC_MAX + 8;
	CHECK_EQ_I64(recording_write(w, &rec), -EINVAL);
	CHECK_EQ_I64(recording_close(&w), 0);
	leave_place();
}

/* so well compressible that it would look like a bomb */
TEST(compressible_records)
{
	struct recording_writer *w = NULL;
	_Alignas(8) unsigned char bytes[LENS_REC_MAX] = { 0 };
	struct lens_rec *rec = (void *)bytes;
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	struct got got = { 0 };

	enter_place();
	rec->len = sizeof(bytes);
	rec->type = 999;
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ_I64(recording_write(w, rec), 0);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK_EQ_I64(recording_open("r", &r), 0);
	CHECK_EQ_I64(recording_read(r, take, &got), 0);
	CHECK_EQ_U64(got.records, 100);
	leave_place();
}

/* ------------------------------------------------------------------ rows */

static uint64_t query(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	uint64_t value;

	CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
	CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
	CHECK(sqlite3_step(stmt) == SQLITE_ROW);
	value = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

static void write_process(struct recording_writer *w, uint32_t why, const char *comm,
			  const char *exe, uint16_t exe_len)
{
	struct {
		struct lens_rec_proc proc;
		char more[64];
	} rec = { .proc = { .proc = { .tgid = 42, .start_ns = 5 }, .why = why } };

	strcpy(rec.proc.comm, comm);
	memcpy(rec.more, exe, exe_len);
	rec.proc.exe_len = exe_len;
	rec.proc.h.type = LENS_REC_PROC;
	rec.proc.h.len = (uint32_t)((sizeof(rec.proc) + exe_len + 7) / 8 * 8);
	CHECK_EQ_I64(recording_write(w, &rec.proc.h), 0);
}

TEST(rows_for_people)
{
	struct recording_writer *w = NULL;
	struct lens_rec_loss loss = {
		.h = { .len = sizeof(loss), .type = LENS_REC_LOSS }, .kind = LENS_KIND_PIPE,
		.count = { [LENS_LOSS_RING_FULL] = 3 },
	};

	enter_place();
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	write_process(w, LENS_PROC_EXEC, "first", "sh\0bin\0", 7);
	write_process(w, LENS_PROC_RENAME, "a\033[1m", "", 0);
	write_records(w, 0, 300);
	/* again what has not moved: no rows */
	write_records(w, 297, 300);
	CHECK_EQ_I64(recording_write(w, &loss.h), 0);
	CHECK_EQ_I64(recording_write(w, &loss.h), 0);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK_EQ_U64(query("r", "SELECT count(*) FROM process WHERE pid = 42 AND start_ns = 5 AND"
			   " exe = '/bin/sh' AND comm = 'a\\x1b[1m'"), 1);
	CHECK_EQ_U64(query("r", "SELECT count(*) FROM total"), 100);
	CHECK_EQ_U64(query("r", "SELECT max(bytes) FROM total WHERE type = 'pipe'"), 297 * 4096);
	CHECK_EQ_U64(query("r", "SELECT sum(count) FROM loss WHERE cause = 'ring_full'"), 3);
	CHECK_EQ_U64(query("r", "SELECT sum(records) FROM block"), 307);
	CHECK_EQ_U64(query("r", "PRAGMA user_version"), RECORDING_FORMAT);
	leave_place();
}

/* -------------------------------------------------- the end of the recorder */

TEST(killed_recorder_loses_what_was_not_flushed)
{
	for (uint64_t flushed = 0; flushed < 3000; flushed += 271) {
		struct recording_writer *w = NULL;
		uint64_t got;
		int status;
		pid_t pid;

		enter_place();
		pid = fork();
		if (pid == 0) {
			CHECK_EQ_I64(recording_create("r", false, &w), 0);
			for (uint64_t n = 0; n < flushed; n += 100) {
				write_records(w, n, n + 100 < flushed ? n + 100 : flushed);
				CHECK_EQ_I64(recording_flush(w), 0);
			}
			write_records(w, flushed, flushed + 50);
			kill(getpid(), SIGKILL);
		}
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		CHECK(exists("r-wal"));
		got = check_reads("r", false);
		CHECK_EQ_U64(got, flushed);
		/* read again: reading has changed nothing */
		CHECK_EQ_U64(check_reads("r", false), flushed);
		leave_place();
	}
}

TEST(killed_at_any_instant)
{
	uint64_t *flushed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);

	CHECK(flushed != MAP_FAILED);
	enter_place();
	for (unsigned i = 0; i < 40; i++) {
		struct recording_writer *w = NULL;
		uint64_t got;
		pid_t pid;

		*flushed = 0;
		pid = fork();
		if (pid == 0) {
			CHECK_EQ_I64(recording_create("r", true, &w), 0);
			for (uint64_t n = 0;; n += 37) {
				write_records(w, n, n + 37);
				CHECK_EQ_I64(recording_flush(w), 0);
				__atomic_store_n(flushed, n + 37, __ATOMIC_RELEASE);
			}
		}
		while (!__atomic_load_n(flushed, __ATOMIC_ACQUIRE))
			usleep(100);
		usleep(i * 997);
		CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
		got = check_reads("r", false);
		/* the flush that was under way may have succeeded */
		if (got != *flushed)
			CHECK_EQ_U64(got, *flushed + 37);
	}
	leave_place();
}

/* writes until that fails; returns how many records a flush has confirmed */
static uint64_t fill_disk(struct recording_writer *w, int want)
{
	for (uint64_t n = 0; n < 1000000; n += 10) {
		int r = 0;

		for (uint64_t i = n; i < n + 10 && !r; i++)
			r = recording_write(w, nth(i));
		if (!r)
			r = recording_flush(w);
		if (r < 0) {
			CHECK_EQ_I64(r, want);
			CHECK_EQ_I64(recording_write(w, nth(0)), want);
			CHECK_EQ_I64(recording_flush(w), want);
			return n;
		}
	}
	TEST_FAIL("the disk is never full");
}

TEST(size_limit_leaves_a_readable_file)
{
	enter_place();
	for (rlim_t limit = 300000; limit < 1500000; limit += 400000) {
		struct rlimit rl = { limit, RLIM_INFINITY };
		struct recording_writer *w = NULL;
		uint64_t written;

		CHECK_EQ_I64(recording_create("r", true, &w), 0);
		CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
		written = fill_disk(w, -ENOSPC);
		CHECK_EQ_I64(recording_close(&w), -ENOSPC);
		rl.rlim_cur = RLIM_INFINITY;
		CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
		CHECK(written > 100);
		CHECK_EQ_U64(check_reads("r", false), written);
	}
	leave_place();
}

TEST(full_disk_leaves_a_readable_file)
{
	struct recording_writer *w = NULL;
	uint64_t written;

	if (geteuid() != 0 || unshare(CLONE_NEWNS))
		TEST_SKIP("a small file system needs root");
	enter_place();
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", place, "tmpfs", 0, "size=1m") == 0);
	CHECK(chdir(place) == 0);
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	written = fill_disk(w, -ENOSPC);
	CHECK_EQ_I64(recording_close(&w), -ENOSPC);
	CHECK(written > 100);
	CHECK_EQ_U64(check_reads("r", false), written);
	CHECK(chdir("/") == 0);
	CHECK(umount(place) == 0);
	CHECK(rmdir(place) == 0);
}

/* ------------------------------------------------------ places for the file */

TEST(existing_files)
{
	struct recording_writer *w = NULL;

	enter_place();
	make_recording("r", 1, 1);
	CHECK_EQ_I64(recording_create("r", false, &w), -EEXIST);
	CHECK_EQ_U64(check_reads("r", true), 1);
	CHECK_EQ_I64(recording_create("r", true, &w), 0);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK_EQ_U64(check_reads("r", true), 0);
	/* somebody's log must not be taken for ours */
	CHECK(rename("r", "r-wal") == 0);
	CHECK_EQ_I64(recording_create("r", false, &w), -EEXIST);
	CHECK(!exists("r"));
	CHECK(exists("r-wal"));
	CHECK_EQ_I64(recording_create("r", true, &w), 0);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK(!exists("r-wal"));
	leave_place();
}

TEST(only_own_regular_files_are_replaced)
{
	static const char *const names[] = { "r", "r-wal", "r-shm", "r-journal" };
	struct recording_writer *w = NULL;

	enter_place();
	make_recording("other", 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK(symlink("other", names[i]) == 0);
		CHECK_EQ_I64(recording_create("r", true, &w), -ELOOP);
		CHECK(unlink(names[i]) == 0);
		CHECK(symlink("dangling", names[i]) == 0);
		CHECK_EQ_I64(recording_create("r", false, &w), -ELOOP);
		CHECK(unlink(names[i]) == 0);
		CHECK(mkfifo(names[i], 0600) == 0);
		CHECK_EQ_I64(recording_create("r", true, &w), -EEXIST);
		CHECK(unlink(names[i]) == 0);
		CHECK(mkdir(names[i], 0700) == 0);
		CHECK_EQ_I64(recording_create("r", true, &w), -EEXIST);
		CHECK(rmdir(names[i]) == 0);
	}
	CHECK_EQ_U64(check_reads("other", true), 1);
	if (geteuid() == 0) {
		CHECK(chown("other", 12345, 12345) == 0);
		CHECK_EQ_I64(recording_create("other", true, &w), -EPERM);
	}
	CHECK_EQ_I64(recording_create("missing/r", false, &w), -ENOENT);
	CHECK(!w);
	leave_place();
}

TEST(no_file_is_left_when_the_start_fails)
{
	struct rlimit rl = { 5000, RLIM_INFINITY };
	struct recording_writer *w = NULL;

	enter_place();
	CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	CHECK_EQ_I64(recording_create("r", false, &w), -ENOSPC);
	CHECK(!exists("r") && !exists("r-wal"));
	rl.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	leave_place();
}

/* sudo in a user's home: root without capabilities could not remove the log there */
TEST(log_is_removed_from_another_users_directory)
{
	if (geteuid() != 0)
		TEST_SKIP("changing owners needs root");
	enter_place();
	CHECK(chown(".", 12345, 12345) == 0 && chmod(".", 0755) == 0);
	make_recording("r", 2, 2);
	CHECK(!exists("r-wal"));
	CHECK_EQ_U64(check_reads("r", true), 4);
	leave_place();
}

TEST(nothing_is_read_while_it_is_written)
{
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	struct recording_writer *w = NULL;
	sqlite3 *db;

	enter_place();
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	write_records(w, 0, 10);
	CHECK_EQ_I64(recording_flush(w), 0);
	CHECK_EQ_I64(recording_open("r", &r), -EBUSY);
	/* sqlite3(1) would write the log back and remove it */
	CHECK(sqlite3_open_v2("r", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
	CHECK(sqlite3_exec(db, "SELECT * FROM block", NULL, NULL, NULL) == SQLITE_BUSY);
	sqlite3_close(db);
	write_records(w, 10, 20);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK_EQ_U64(check_reads("r", true), 20);
	leave_place();
}
