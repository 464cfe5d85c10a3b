/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reads a recording, which is hostile: made, damaged or swapped by anybody.
 * Opening takes descriptors and looks at 100 bytes; everything else happens in
 * recording_read(), so that it can happen in a sandbox. Knows nothing of what
 * records mean.
 */
#define _GNU_SOURCE 1

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "source/recording.h"

#define HEADER_BYTES 100

/* steps of SQLite's machine that one of our statements may take; all need less than 1000 */
#define STEP_UNIT 1000
#define STEP_UNITS_MAX 200

/* so many blocks in a row may be unreadable before we give up looking for the next */
#define MISSES_MAX 4096

struct recording_reader {
	char *path;
	int db_fd, log_fd;	/* until SQLite has them */
	uint64_t file_bytes;	/* both together */
	struct recording_files *files;
	sqlite3 *db;
	sqlite3_stmt *next;
	unsigned step_units;
	bool complete;
	uint64_t blocks;	/* as the writer says; if complete */
	uint64_t expected;	/* number of the block that comes next */
	uint64_t probe;		/* where it is looked for: higher once that part is unreadable */
	unsigned misses;	/* attempts since the last block */
	uint64_t data_bytes;	/* of all blocks so far */
	uint64_t damaged;	/* blocks */
	void *raw;
};

/* --------------------------------------------------------------- opening */

static int not_a_recording(const char *path, const char *why)
{
	return log_err(-EINVAL, "%s is no recording: %s; name a file that `ipclens record -o`"
		       " wrote", path, why);
}

static int check_header(int fd, const char *path)
{
	unsigned char head[HEADER_BYTES];
	uint32_t application, format;
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return log_err(-errno, "cannot read %s: %s", path, strerror(errno));
	if (n == 0)
		return not_a_recording(path, "it is empty");
	if (n < HEADER_BYTES || memcmp(head, "SQLite format 3", 16))
		return not_a_recording(path, "it is not an SQLite database");
	memcpy(&format, head + 60, sizeof(format));
	memcpy(&application, head + 68, sizeof(application));
	if (be32toh(application) != RECORDING_APPLICATION_ID)
		return not_a_recording(path, "it is an SQLite database of another program");
	if (be32toh(format) != RECORDING_FORMAT)
		return log_err(-EINVAL, "%s has format %u, this ipclens reads %u; use the version"
			       " that wrote it", path, be32toh(format), RECORDING_FORMAT);
	return 0;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer */
static int open_regular(const char *path, int flags, int *ret_fd, uint64_t *bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*bytes += (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* the log of a recorder that was killed; a missing one is the normal case */
static int open_log(struct recording_reader *r)
{
	_cleanup_free_ char *path = xasprintf("%s-wal", r->path);
	int err = open_regular(path, O_NOFOLLOW, &r->log_fd, &r->file_bytes);

	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return log_err(err, "cannot open %s, which holds a part of the recording: %s", path,
			       strerror(-err));
	return 0;
}

int recording_open(const char *path, struct recording_reader **ret_reader)
{
	_cleanup_(recording_freep) struct recording_reader *r = xcalloc(1, sizeof(*r));
	int err;

	r->path = xstrdup(path);
	r->db_fd = r->log_fd = -1;
	err = open_regular(path, 0, &r->db_fd, &r->file_bytes);
	if (err == -EINVAL)
		return not_a_recording(path, "it is not a regular file");
	if (err < 0)
		return log_err(err, "cannot open %s: %s", path, strerror(-err));
	err = recording_lock(r->db_fd, false);
	if (err < 0)
		return log_err(err, "%s is still being written; end its recorder first", path);
	err = check_header(r->db_fd, path);
	if (err < 0)
		return err;
	err = open_log(r);
	if (err < 0)
		return err;
	r->raw = xrealloc(NULL, 1, RECORDING_RAW_MAX);
	*ret_reader = TAKE_PTR(r);
	return 0;
}

void recording_freep(struct recording_reader **reader)
{
	struct recording_reader *r = *reader;
	bool swept;

	if (!r)
		return;
	sqlite3_finalize(r->next);
	if (r->files)
		recording_files_close(&r->files, &r->db, &swept);
	base_closep(&r->db_fd);
	base_closep(&r->log_fd);
	free(r->raw);
	free(r->path);
	free(r);
	*reader = NULL;
}

bool recording_is_complete(const struct recording_reader *r)
{
	return r->complete;
}

/* ---------------------------------------------------------------- SQLite */

/* ends a statement that a crafted file keeps busy */
static int count_steps(void *arg)
{
	struct recording_reader *r = arg;

	return ++r->step_units > STEP_UNITS_MAX;
}

static int step(struct recording_reader *r, sqlite3_stmt *stmt)
{
	r->step_units = 0;
	return sqlite3_step(stmt);
}

static int prepare(struct recording_reader *r, const char *sql, sqlite3_stmt **ret_stmt)
{
	r->step_units = 0;
	return sqlite3_prepare_v2(r->db, sql, -1, ret_stmt, NULL);
}

/* what an honest recording needs, and nothing of what SQL can do beyond */
static void restrict_sqlite(struct recording_reader *r)
{
	static const int limits[][2] = {
		{ SQLITE_LIMIT_LENGTH, RECORDING_DATA_MAX + 4096 },
		{ SQLITE_LIMIT_SQL_LENGTH, 8192 },	{ SQLITE_LIMIT_COLUMN, 64 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 32 },	{ SQLITE_LIMIT_COMPOUND_SELECT, 4 },
		{ SQLITE_LIMIT_VDBE_OP, 4096 },		{ SQLITE_LIMIT_FUNCTION_ARG, 8 },
		{ SQLITE_LIMIT_ATTACHED, 0 },		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, 16 },	{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	static const int switches[][2] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },	{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },	{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		sqlite3_limit(r->db, limits[i][0], limits[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		sqlite3_db_config(r->db, switches[i][0], switches[i][1], NULL);
	sqlite3_progress_handler(r->db, STEP_UNIT, count_steps, r);
	r->step_units = 0;
	sqlite3_exec(r->db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
}

/* a view or another table under the name would run what its author wrote */
static bool has_table(struct recording_reader *r, const char *name, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;

	if (prepare(r, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1"
		    " AND tbl_name = ?1 AND sql = ?2", &stmt) == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, sql, -1, SQLITE_STATIC);
		found = step(r, stmt) == SQLITE_ROW;
	}
	sqlite3_finalize(stmt);
	return found;
}

static void read_complete(struct recording_reader *r)
{
	static const char sql[] = "SELECT value FROM meta WHERE name = 'complete' LIMIT 1";
	sqlite3_stmt *stmt = NULL;

	if (prepare(r, sql, &stmt) == SQLITE_OK && step(r, stmt) == SQLITE_ROW &&
	    sqlite3_column_type(stmt, 0) == SQLITE_INTEGER) {
		r->complete = true;
		r->blocks = (uint64_t)sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
}

static int damaged_file(const struct recording_reader *r)
{
	const char *why = "its tables are not those of a recording";

	/* may quote the file at length */
	if (sqlite3_errcode(r->db) != SQLITE_OK)
		why = sqlite3_errmsg(r->db);
	return log_err(-EINVAL, "%s is damaged: %.200s; nothing of it can be read", r->path, why);
}

static int open_database(struct recording_reader *r)
{
	static const char next[] = "SELECT rowid, seq, first_ns, last_ns, records, raw_bytes, crc,"
		" data FROM block WHERE rowid >= ?1 ORDER BY rowid LIMIT 1";
	int db_fd = TAKE_FD(r->db_fd), log_fd = TAKE_FD(r->log_fd);
	int err = recording_files_open(db_fd, log_fd, true, &r->files, &r->db);

	if (err < 0)
		return log_err(err, "cannot read %s: %s", r->path, strerror(-err));
	restrict_sqlite(r);
	if (!has_table(r, "meta", RECORDING_META_SQL) ||
	    !has_table(r, "block", RECORDING_BLOCK_SQL) ||
	    prepare(r, next, &r->next) != SQLITE_OK)
		return damaged_file(r);
	read_complete(r);
	return 0;
}

/* --------------------------------------------------------------- reading */

/* the row under r->next; data lives until the next step */
static int get_block(struct recording_reader *r, struct recording_block *ret_block)
{
	sqlite3_int64 number[7];

	/* a changed type can leave a value as it was: it is damage nevertheless */
	for (int i = 0; i < 7; i++) {
		if (sqlite3_column_type(r->next, i) != SQLITE_INTEGER)
			return -EBADMSG;
		number[i] = sqlite3_column_int64(r->next, i);
	}
	if (sqlite3_column_type(r->next, 7) != SQLITE_BLOB || number[0] != number[1])
		return -EBADMSG;
	for (int i = 4; i < 7; i++)
		if (number[i] < 0 || number[i] > UINT32_MAX)
			return -EBADMSG;
	*ret_block = (struct recording_block){
		.seq = (uint64_t)number[1],
		.first_ns = (uint64_t)number[2],
		.last_ns = (uint64_t)number[3],
		.records = (uint32_t)number[4],
		.raw_bytes = (uint32_t)number[5],
		.crc = (uint32_t)number[6],
		.data = sqlite3_column_blob(r->next, 7),
		.data_bytes = (size_t)sqlite3_column_bytes(r->next, 7),
	};
	return ret_block->data ? 0 : -EBADMSG;
}

static int deliver(struct recording_reader *r, const struct recording_block *b, source_sink sink,
		   void *arg)
{
	const unsigned char *raw = r->raw;

	for (uint32_t pos = 0; pos < b->raw_bytes;) {
		const struct lens_rec *rec = (const void *)(raw + pos);
		int err;

		pos += rec->len;
		err = sink(arg, rec);
		if (err < 0)
			return err;
	}
	return 0;
}

/* blocks that should have been there; a crafted number must not wrap the sum */
static void miss(struct recording_reader *r, uint64_t count)
{
	if (r->damaged + count < r->damaged)
		count = UINT64_MAX - r->damaged;
	r->damaged += count;
}

/* the block in the row under r->next; < 0 what the sink said */
static int read_row(struct recording_reader *r, uint64_t row, source_sink sink, void *arg)
{
	struct recording_block b;

	miss(r, row - r->expected);
	r->expected = r->probe = row + 1;
	r->misses = 0;
	if (get_block(r, &b) == 0) {
		r->data_bytes += b.data_bytes;
		if (r->data_bytes <= r->file_bytes && recording_block_decode(&b, r->raw) == 0)
			return deliver(r, &b, sink, arg);
	}
	miss(r, 1);
	return 0;
}

/* one look for a block; 1: go on, 0: there is none, < 0 what the sink said */
static int read_next(struct recording_reader *r, source_sink sink, void *arg)
{
	uint64_t row;
	int err = 0, rc;

	sqlite3_bind_int64(r->next, 1, (sqlite3_int64)r->probe);
	rc = step(r, r->next);
	row = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(r->next, 0) : 0;
	if (rc == SQLITE_ROW && row >= r->probe && row < INT64_MAX) {
		err = read_row(r, row, sink, arg);
	} else if (rc != SQLITE_DONE) {
		/* this part of the tree is unreadable: a higher number may be in another */
		r->probe++;
		r->misses++;
	}
	sqlite3_reset(r->next);
	if (err < 0)
		return err;
	/* honest blocks do not share bytes: more than the file holds is a trap */
	return rc != SQLITE_DONE && r->misses < MISSES_MAX && r->data_bytes <= r->file_bytes;
}

int recording_read(struct recording_reader *r, source_sink sink, void *arg)
{
	int err = open_database(r);

	if (err < 0)
		return err;
	do {
		err = read_next(r, sink, arg);
	} while (err > 0);
	if (err < 0)
		return err;
	if (r->complete && r->blocks != r->expected)
		miss(r, r->blocks > r->expected ? r->blocks - r->expected : 1);
	else if (r->misses)
		miss(r, 1);
	if (r->damaged)
		return log_err(-EBADMSG, "%s is damaged: %llu blocks are missing or unreadable; the"
			       " rest was read", r->path, (unsigned long long)r->damaged);
	return 0;
}
