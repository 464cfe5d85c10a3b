/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What happened to a recording after it was made, by accident or by design, is
 * noticed, and never becomes a wrong record.
 */
#define _GNU_SOURCE 1

#include "recorded.h"

#include <sqlite3.h>
#include <zstd.h>

TEST(other_things_than_recordings)
{
	static const char text[200] = "SQLite format 4";
	struct recording_reader *r = NULL;
	sqlite3 *db;

	enter_place();
	CHECK(mkfifo("other", 0600) == 0);
	CHECK_EQ_I64(recording_open("other", &r), -EINVAL);
	CHECK_EQ_I64(recording_open(".", &r), -EINVAL);
	CHECK_EQ_I64(recording_open("/dev/zero", &r), -EINVAL);
	CHECK_EQ_I64(recording_open("missing", &r), -ENOENT);
	put_file("r", "", 0);
	CHECK_EQ_I64(recording_open("r", &r), -EINVAL);
	put_file("r", text, sizeof(text));
	CHECK_EQ_I64(recording_open("r", &r), -EINVAL);
	CHECK(unlink("r") == 0);
	CHECK(sqlite3_open("r", &db) == SQLITE_OK);
	CHECK(sqlite3_exec(db, "CREATE TABLE block(seq)", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	CHECK_EQ_I64(recording_open("r", &r), -EINVAL);
	CHECK(!r);
	leave_place();
}

/* changes a good recording of 10 blocks by SQL; returns what reading it returns */
static int read_changed(const char *sql, struct got *got)
{
	char *error = NULL;
	sqlite3 *db;
	bool complete;
	int err;

	make_recording("r", 10, 20);
	CHECK(sqlite3_open_v2("r", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		TEST_FAIL("%s: %s", sql, error);
	sqlite3_close(db);
	*got = (struct got){ .skips = true, .each = 20 };
	err = read_recording("r", got, &complete);
	CHECK(unlink("r") == 0);
	CHECK_EQ_U64(got->wrong, 0);
	return err;
}

TEST(damaged_blocks_are_skipped_and_noticed)
{
	static const char *const changes[] = {
		"UPDATE block SET seq = 77 WHERE rowid = 4",
		"UPDATE block SET first_ns = first_ns + 1 WHERE rowid = 4",
		"UPDATE block SET last_ns = last_ns - 1 WHERE rowid = 4",
		"UPDATE block SET records = records + 1 WHERE rowid = 4",
		"UPDATE block SET raw_bytes = raw_bytes + 8 WHERE rowid = 4",
		"UPDATE block SET raw_bytes = 1 << 40 WHERE rowid = 4",
		"UPDATE block SET raw_bytes = -1 WHERE rowid = 4",
		"UPDATE block SET crc = crc + 1 WHERE rowid = 4",
		"UPDATE block SET crc = NULL WHERE rowid = 4",
		"UPDATE block SET crc = 'x' WHERE rowid = 4",
		"UPDATE block SET data = x'00' WHERE rowid = 4",
		"UPDATE block SET data = NULL WHERE rowid = 4",
		"UPDATE block SET data = cast(data AS TEXT) WHERE rowid = 4",
		"UPDATE block SET data = zeroblob(3000000) WHERE rowid = 4",
		"DELETE FROM block WHERE rowid = 4",
		"DELETE FROM block WHERE rowid = 9",
		"UPDATE block SET rowid = 10 WHERE rowid = 9",
	};

	enter_place();
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct got got;

		CHECK_EQ_I64(read_changed(changes[i], &got), -EBADMSG);
		CHECK_EQ_U64(got.records, 180);
	}
	leave_place();
}

TEST(foreign_tables_are_not_run)
{
	static const char *const changes[] = {
		"ALTER TABLE block RENAME TO b; CREATE VIEW block AS SELECT * FROM b",
		"ALTER TABLE block RENAME TO b; CREATE TABLE block(seq INT, first_ns INT)",
		"DROP TABLE block",
		/* as if it were empty, with an expression where data is expected */
		"DROP TABLE block; CREATE TABLE block(seq INT, first_ns INT, last_ns INT,"
			" records INT, raw_bytes INT, crc INT, data BLOB AS (zeroblob(99)));"
			"UPDATE meta SET value = 0 WHERE name = 'complete'",
		"DROP TABLE meta",
		"DROP TABLE meta; CREATE VIEW meta AS WITH RECURSIVE c(name, value) AS"
			" (SELECT 'x', 1 UNION ALL SELECT name, value + 1 FROM c) SELECT * FROM c",
	};
	struct got got;

	enter_place();
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		CHECK_EQ_I64(read_changed(changes[i], &got), -EINVAL);
		CHECK_EQ_U64(got.records, 0);
	}
	/* what people may add for themselves is no damage */
	CHECK_EQ_I64(read_changed("CREATE VIEW v AS SELECT * FROM total;"
				  " CREATE INDEX i ON total(pid)", &got), 0);
	CHECK_EQ_U64(got.records, 200);
	leave_place();
}

TEST(version_of_the_format)
{
	struct got got;

	enter_place();
	CHECK_EQ_I64(read_changed("PRAGMA user_version = 2", &got), -EINVAL);
	CHECK_EQ_I64(read_changed("DELETE FROM meta WHERE name = 'complete'", &got), 0);
	CHECK_EQ_I64(read_changed("UPDATE meta SET value = 11 WHERE name = 'complete'", &got),
		     -EBADMSG);
	CHECK_EQ_I64(read_changed("UPDATE meta SET value = 9 WHERE name = 'complete'", &got),
		     -EBADMSG);
	leave_place();
}

/* every bit of a block row, exhaustively, on the decoder alone */
TEST(every_bit_of_a_block_counts)
{
	_cleanup_(recording_packer_freep) struct recording_packer *packer = recording_packer_new();
	_Alignas(8) static unsigned char raw[RECORDING_RAW_MAX], copy[RECORDING_RAW_MAX];
	struct recording_block b = { .seq = 5, .first_ns = 1000, .last_ns = 3000 };
	unsigned char *data;

	for (uint64_t n = 0; n < 60; n++) {
		memcpy(raw + b.raw_bytes, nth(n), nth(n)->len);
		b.raw_bytes += nth(n)->len;
		b.records++;
	}
	CHECK_EQ_I64(recording_block_encode(packer, raw, &b), 0);
	CHECK_EQ_I64(recording_block_decode(&b, copy), 0);
	CHECK_MEM(copy, b.raw_bytes, raw, b.raw_bytes);
	/* decode must not read behind data: let the sanitizer see its end */
	data = xcalloc(1, b.data_bytes);
	memcpy(data, b.data, b.data_bytes);
	b.data = data;
	for (size_t bit = 0; bit < b.data_bytes * 8; bit++) {
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		CHECK_EQ_I64(recording_block_decode(&b, copy), -EBADMSG);
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		struct recording_block bad[6] = { b, b, b, b, b, b };

		bad[0].seq ^= 1ULL << bit;
		bad[1].first_ns ^= 1ULL << bit;
		bad[2].last_ns ^= 1ULL << bit;
		bad[3].records ^= 1U << bit % 32;
		bad[4].raw_bytes ^= 1U << bit % 32;
		bad[5].crc ^= 1U << bit % 32;
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_EQ_I64(recording_block_decode(&bad[i], copy), -EBADMSG);
	}
	CHECK_EQ_I64(recording_block_decode(&b, copy), 0);
	free(data);
}

/* the checksum is no secret: a crafted block passes it, and must fail after */
TEST(crafted_blocks)
{
	_cleanup_(recording_packer_freep) struct recording_packer *packer = recording_packer_new();
	_Alignas(8) static unsigned char raw[RECORDING_RAW_MAX], copy[RECORDING_RAW_MAX];
	static const uint32_t lengths[] = {
		0, 8, 15, 17, 20, 48, 64, LENS_REC_MAX + 8, 1U << 31, ~0U,
	};
	struct recording_block odd = { .records = 3, .raw_bytes = 56 };
	struct lens_rec *second = (void *)(raw + 16);

	((struct lens_rec *)(void *)raw)->len = 16;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct recording_block b = { .records = 2, .raw_bytes = 40 };

		second->len = lengths[i];
		CHECK_EQ_I64(recording_block_encode(packer, raw, &b), 0);
		CHECK_EQ_I64(recording_block_decode(&b, copy), -EBADMSG);
	}
	/* three records that add up, but the third is not aligned */
	second->len = 20;
	memcpy(raw + 36, &second->len, sizeof(second->len));
	CHECK_EQ_I64(recording_block_encode(packer, raw, &odd), 0);
	CHECK_EQ_I64(recording_block_decode(&odd, copy), -EBADMSG);
	for (uint32_t records = 0; records < 5; records++) {
		struct recording_block b = { .records = records, .raw_bytes = 40 };

		second->len = 24;
		CHECK_EQ_I64(recording_block_encode(packer, raw, &b), 0);
		CHECK_EQ_I64(recording_block_decode(&b, copy), records == 2 ? 0 : -EBADMSG);
		/* says more, or less, than it unpacks to */
		b.raw_bytes += 16;
		b.crc = recording_block_crc(&b);
		CHECK_EQ_I64(recording_block_decode(&b, copy), -EBADMSG);
		b.raw_bytes -= 32;
		b.crc = recording_block_crc(&b);
		CHECK_EQ_I64(recording_block_decode(&b, copy), -EBADMSG);
	}
}

/* a few bytes that unpack to much: refused before they are unpacked */
TEST(decompression_bomb)
{
	_cleanup_(recording_packer_freep) struct recording_packer *packer = recording_packer_new();
	_Alignas(8) static unsigned char raw[RECORDING_RAW_MAX], copy[RECORDING_RAW_MAX];
	struct recording_block b = { .raw_bytes = sizeof(raw) };

	for (; b.records < sizeof(raw) / LENS_REC_MAX; b.records++)
		((struct lens_rec *)(void *)(raw + b.records * LENS_REC_MAX))->len = LENS_REC_MAX;
	CHECK_EQ_I64(recording_block_encode(packer, raw, &b), 0);
	/* as our writer makes it: padded */
	CHECK_EQ_I64(recording_block_decode(&b, copy), 0);
	CHECK_MEM(copy, sizeof(copy), raw, sizeof(raw));
	b.data_bytes = ZSTD_findFrameCompressedSize(b.data, b.data_bytes);
	CHECK(b.data_bytes < sizeof(raw) / RECORDING_RATIO_MAX);
	b.crc = recording_block_crc(&b);
	CHECK_EQ_I64(recording_block_decode(&b, copy), -EBADMSG);
}

/*
 * Bits of the whole file, sampled (LENS_LONG=1: every one): either the reader
 * says something, or the records are all there, unchanged. (Unused bytes of a
 * page may change.)
 */
TEST(no_flipped_bit_changes_records)
{
	_cleanup_free_ unsigned char *bytes = NULL;
	size_t step = getenv("LENS_LONG") ? 1 : 149, noticed = 0, harmless = 0, len;

	alarm(0);	/* all of them take longer than a case may */
	enter_place();
	make_recording("r", 6, 30);
	bytes = get_file("r", &len);
	for (size_t bit = 0; bit < len * 8; bit += step) {
		struct got got = { .skips = true, .each = 30 };
		bool complete = true;
		int err;

		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		put_file("copy", bytes, len);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		err = read_recording("copy", &got, &complete);
		CHECK_EQ_U64(got.wrong, 0);
		if (err == 0 && complete) {
			CHECK_EQ_U64(got.records, 180);
			harmless++;
		} else {
			noticed++;
		}
	}
	/* most of so small a file are unused bytes of its ten tables */
	CHECK(noticed > 100 && harmless > 100);
	printf("  %zu bits noticed, %zu in bytes that no record is in\n", noticed, harmless);
	leave_place();
}

/* a copy that ends early: no crash, no wrong record, never called complete and intact */
TEST(truncated_at_any_page_and_between)
{
	_cleanup_free_ unsigned char *bytes = NULL;
	size_t len;

	enter_place();
	make_recording("r", 12, 40);
	bytes = get_file("r", &len);
	for (size_t end = 0; end < len; end += 509) {
		struct got got = { .skips = true, .each = 40 };
		bool complete = false;
		int err;

		put_file("copy", bytes, end);
		err = read_recording("copy", &got, &complete);
		CHECK(err < 0);
		CHECK_EQ_U64(got.wrong, 0);
	}
	leave_place();
}

/* the log of a killed recorder, with bits flipped: a prefix of the records, or an error */
TEST(flipped_bits_in_a_leftover_log)
{
	_cleanup_free_ unsigned char *bytes = NULL, *log = NULL;
	struct recording_writer *w = NULL;
	size_t len, log_len;
	int status;
	pid_t pid;

	enter_place();
	pid = fork();
	if (pid == 0) {
		CHECK_EQ_I64(recording_create("r", false, &w), 0);
		for (unsigned i = 0; i < 5; i++) {
			write_records(w, i * 20, i * 20 + 20);
			CHECK_EQ_I64(recording_flush(w), 0);
		}
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	bytes = get_file("r", &len);
	log = get_file("r-wal", &log_len);
	put_file("copy", bytes, len);
	for (size_t bit = 0; bit < log_len * 8; bit += 1499) {
		struct got got = { .skips = true, .each = 20 };
		bool complete = true;

		log[bit / 8] ^= (unsigned char)(1 << bit % 8);
		put_file("copy-wal", log, log_len);
		log[bit / 8] ^= (unsigned char)(1 << bit % 8);
		read_recording("copy", &got, &complete);
		CHECK(!complete);
		CHECK_EQ_U64(got.wrong, 0);
	}
	leave_place();
}
