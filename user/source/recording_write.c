/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Writes a recording: records are gathered into blocks, each block is one
 * transaction together with the rows of its records. What is committed
 * survives kill -9 and a full disk. Knows nothing of what records mean.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/stat.h>

#include "source/recording.h"

struct recording_writer {
	char *path;
	struct recording_files *files;
	sqlite3 *db;
	struct recording_rows *rows;
	sqlite3_stmt *begin, *commit, *insert;
	struct recording_packer *packer;
	struct recording_broom broom;
	struct recording_block block;	/* the one being gathered */
	unsigned char *raw;		/* its records */
	bool in_transaction;
	int error;			/* of the write that failed; nothing is written after it */
};

static const char setup[] =
	"PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = NORMAL;";

/* ----------------------------------------------------------------- names */

/* where the file goes: names are looked up in a directory that is held open */
struct place {
	int dir;
	const char *path;	/* as it was given, for messages */
	char *name;
	char *log;
	uid_t owner;		/* of files that may be replaced */
	bool overwrite;
};

static void place_fini(struct place *place)
{
	base_closep(&place->dir);
	free(place->name);
	free(place->log);
}

static int place_init(struct place *place, const char *path, bool overwrite)
{
	_cleanup_free_ char *for_dir = xstrdup(path);
	_cleanup_free_ char *for_name = xstrdup(path);

	place->path = path;
	place->name = xstrdup(basename(for_name));
	place->log = xasprintf("%s-wal", place->name);
	place->owner = geteuid();
	place->overwrite = overwrite;
	place->dir = open(dirname(for_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return place->dir < 0 ? -errno : 0;
}

/* 0: nothing is in the way any more */
static int clear_name(const struct place *place, const char *ending)
{
	_cleanup_free_ char *name = xasprintf("%s%s", place->name, ending);
	_cleanup_free_ char *path = xasprintf("%s%s", place->path, ending);
	struct stat st;

	if (fstatat(place->dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return 0;
		return log_err(-errno, "cannot look at %s: %s", path, strerror(errno));
	}
	if (S_ISLNK(st.st_mode))
		return log_err(-ELOOP, "%s is a symbolic link, which is not followed; choose"
			       " another name", path);
	if (!S_ISREG(st.st_mode))
		return log_err(-EEXIST, "%s is no regular file; choose another name", path);
	if (!place->overwrite)
		return log_err(-EEXIST, "%s exists; --overwrite replaces it, or choose another"
			       " name", path);
	if (st.st_uid != place->owner)
		return log_err(-EPERM, "%s belongs to another user and is not replaced", path);
	if (unlinkat(place->dir, name, 0))
		return log_err(-errno, "cannot replace %s: %s", path, strerror(errno));
	return 0;
}

/* what SQLite programs would take for a part of the new file must go as well */
static int clear_names(const struct place *place)
{
	static const char *const endings[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		int r = clear_name(place, endings[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int create_file(const struct place *place, const char *ending, int *ret_fd)
{
	_cleanup_free_ char *name = xasprintf("%s%s", place->name, ending);
	int fd = openat(place->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return log_err(-errno, "cannot create %s%s: %s", place->path, ending,
			       strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int create_files(const struct place *place, int *ret_db_fd, int *ret_log_fd)
{
	_cleanup_close_ int db_fd = -1;
	int r = clear_names(place);

	if (r == 0)
		r = create_file(place, "", &db_fd);
	if (r == 0) {
		r = create_file(place, "-wal", ret_log_fd);
		if (r < 0)
			unlinkat(place->dir, place->name, 0);
	}
	if (r == 0)
		*ret_db_fd = TAKE_FD(db_fd);
	return r;
}

/* ---------------------------------------------------------------- errors */

/* the first failure is said and kept: blocks after a hole would not be in order */
static int writer_fail(struct recording_writer *w, int rc)
{
	int r = recording_files_error(w->files, rc);

	if (!r)
		return 0;
	if (w->in_transaction)
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	w->in_transaction = false;
	w->error = r;
	return log_err(r, "cannot write %s: %s; what was written before can be read", w->path,
		       strerror(-r));
}

/* of statements that return no row */
static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --------------------------------------------------------------- writing */

static int insert_block(struct recording_writer *w)
{
	const struct recording_block *b = &w->block;

	sqlite3_bind_int64(w->insert, 1, (sqlite3_int64)b->seq);
	sqlite3_bind_int64(w->insert, 2, (sqlite3_int64)b->first_ns);
	sqlite3_bind_int64(w->insert, 3, (sqlite3_int64)b->last_ns);
	sqlite3_bind_int64(w->insert, 4, b->records);
	sqlite3_bind_int64(w->insert, 5, b->raw_bytes);
	sqlite3_bind_int64(w->insert, 6, b->crc);
	sqlite3_bind_blob(w->insert, 7, b->data, (int)b->data_bytes, SQLITE_STATIC);
	return run(w->insert);
}

int recording_flush(struct recording_writer *w)
{
	int r, rc;

	if (w->error || !w->block.records)
		return w->error;
	r = recording_block_encode(w->packer, w->raw, &w->block);
	if (r < 0)
		return writer_fail(w, SQLITE_NOMEM);
	/* with the rows of its records: both or neither */
	rc = insert_block(w);
	if (rc == SQLITE_OK)
		rc = run(w->commit);
	if (rc != SQLITE_OK)
		return writer_fail(w, rc);
	w->in_transaction = false;
	w->block = (struct recording_block){ .seq = w->block.seq + 1 };
	return 0;
}

static void gather(struct recording_writer *w, const struct lens_rec *rec)
{
	struct recording_block *b = &w->block;

	memcpy(w->raw + b->raw_bytes, rec, rec->len);
	b->raw_bytes += rec->len;
	/* records of two CPUs may come out of order */
	if (!b->records || rec->ts_ns < b->first_ns)
		b->first_ns = rec->ts_ns;
	if (!b->records || rec->ts_ns > b->last_ns)
		b->last_ns = rec->ts_ns;
	b->records++;
}

int recording_write(void *writer, const struct lens_rec *rec)
{
	struct recording_writer *w = writer;
	int r = 0, rc = SQLITE_OK;

	if (w->error)
		return w->error;
	/* it could not be read back */
	if (rec->len < sizeof(*rec) || rec->len > LENS_REC_MAX || rec->len % 8)
		return -EINVAL;
	if (w->block.raw_bytes + rec->len > RECORDING_RAW_FULL)
		r = recording_flush(w);
	if (r < 0)
		return r;
	if (!w->in_transaction) {
		rc = run(w->begin);
		w->in_transaction = rc == SQLITE_OK;
	}
	if (rc == SQLITE_OK)
		rc = recording_rows_add(w->rows, rec);
	if (rc != SQLITE_OK)
		return writer_fail(w, rc);
	gather(w, rec);
	return 0;
}

/* ------------------------------------------------------- life and death */

/*
 * journal_mode OFF first: the change to WAL would otherwise go through a
 * rollback journal, a third file.
 */
static int prepare(struct recording_writer *w)
{
	static const char insert[] = "INSERT INTO block(rowid, seq, first_ns, last_ns, records,"
		" raw_bytes, crc, data) VALUES(?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
	_cleanup_free_ char *tables = xasprintf(
		"BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d; %s; %s;"
		"INSERT INTO meta VALUES('wire_version', %d);",
		RECORDING_APPLICATION_ID, RECORDING_FORMAT, RECORDING_META_SQL, RECORDING_BLOCK_SQL,
		LENS_WIRE_VERSION);
	int rc = sqlite3_exec(w->db, setup, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, tables, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = recording_rows_new(w->db, &w->rows);
	/* into the database itself: from now on it is a recording even without its log */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL,
				  NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(w->db, "BEGIN", -1, &w->begin, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(w->db, "COMMIT", -1, &w->commit, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(w->db, insert, -1, &w->insert, NULL);
	return recording_files_error(w->files, rc);
}

/* closes what is open; *ret_swept as in recording_files_close() */
static int writer_free(struct recording_writer *w, bool *ret_swept)
{
	int r = 0;

	sqlite3_finalize(w->begin);
	sqlite3_finalize(w->commit);
	sqlite3_finalize(w->insert);
	recording_rows_freep(&w->rows);
	if (w->files)
		r = recording_files_close(&w->files, &w->db, ret_swept);
	recording_packer_freep(&w->packer);
	free(w->raw);
	free(w->path);
	free(w);
	return r;
}

static void writer_abandon(struct recording_writer **w)
{
	bool swept;

	if (!*w)
		return;
	recording_broom_stop(&(*w)->broom, false);
	writer_free(*w, &swept);
}

static int writer_open(struct recording_writer *w, const struct place *place)
{
	_cleanup_close_ int db_fd = -1, log_fd = -1;
	int r;

	/* before there are files: a copy of their descriptors would keep the lock */
	r = recording_broom_start(place->dir, place->log, &w->broom);
	if (r < 0)
		return log_err(r, "cannot start a process for %s: %s", w->path, strerror(-r));
	r = create_files(place, &db_fd, &log_fd);
	if (r < 0)
		return r;
	r = recording_lock(db_fd, true);
	if (r == 0)
		r = recording_files_open(TAKE_FD(db_fd), TAKE_FD(log_fd), false, &w->files, &w->db);
	if (r == 0)
		r = prepare(w);
	if (r < 0) {
		log_err(r, "cannot start the recording %s: %s", w->path, strerror(-r));
		unlinkat(place->dir, place->name, 0);
		unlinkat(place->dir, place->log, 0);
	}
	return r;
}

int recording_create(const char *path, bool overwrite, struct recording_writer **ret_writer)
{
	_cleanup_(place_fini) struct place place = { .dir = -1 };
	_cleanup_(writer_abandon) struct recording_writer *w = xcalloc(1, sizeof(*w));
	int r;

	w->path = xstrdup(path);
	w->raw = xcalloc(1, RECORDING_RAW_FULL);
	w->packer = recording_packer_new();
	if (!w->packer)
		return log_err(-ENOMEM, "no memory for compression");
	/* a file size limit is to be an error like a full disk, not the end of us */
	signal(SIGXFSZ, SIG_IGN);
	r = place_init(&place, path, overwrite);
	if (r < 0)
		return log_err(r, "cannot open the directory of %s: %s", path, strerror(-r));
	r = writer_open(w, &place);
	if (r < 0)
		return r;
	*ret_writer = TAKE_PTR(w);
	return 0;
}

/* the last row says how many blocks there are: a lost tail is noticed, too */
static int mark_complete(struct recording_writer *w)
{
	_cleanup_free_ char *sql = xasprintf("INSERT INTO meta VALUES('complete', %llu)",
					     (unsigned long long)w->block.seq);
	int rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	return writer_fail(w, rc);
}

int recording_close(struct recording_writer **writer)
{
	struct recording_writer *w = TAKE_PTR(*writer);
	_cleanup_free_ char *path = NULL;
	struct recording_broom broom;
	bool swept = false;
	int r, close_r, sweep_r;

	if (!w)
		return 0;
	path = xstrdup(w->path);
	broom = w->broom;
	r = recording_flush(w);
	if (r == 0)
		r = mark_complete(w);
	close_r = writer_free(w, &swept);
	if (r == 0 && close_r < 0)
		r = log_err(close_r, "cannot close %s: %s", path, strerror(-close_r));
	sweep_r = recording_broom_stop(&broom, swept);
	if (!swept)
		log_msg(LOG_WARNING, "%s-wal holds a part of the recording; keep both", path);
	else if (sweep_r < 0)
		log_msg(LOG_WARNING, "%s-wal is empty but could not be removed: %s", path,
			strerror(-sweep_r));
	return r;
}
