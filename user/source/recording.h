/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The recording file, as its writer and its reader share it. Internal to
 * source/.
 *
 * One SQLite database in WAL mode. Table `block` holds every record, verbatim
 * and in order: it alone is read back. The other tables say the same once more
 * as rows, for people's SQL.
 */
#ifndef LENS_SOURCE_RECORDING_H
#define LENS_SOURCE_RECORDING_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/base.h"
#include "source/source.h"

#define RECORDING_APPLICATION_ID 0x4c656e73	/* "Lens", at offset 68 of the file */
#define RECORDING_FORMAT 1			/* user_version, at offset 60 */

/* text of the tables that are read back: a file with other ones is not trusted */
#define RECORDING_META_SQL "CREATE TABLE meta(name TEXT, value INT)"
#define RECORDING_BLOCK_SQL							\
	"CREATE TABLE block(seq INT, first_ns INT, last_ns INT, records INT, "	\
	"raw_bytes INT, crc INT, data BLOB)"

/* --------------------------------------------------------------- block */

#define RECORDING_RAW_FULL (256U << 10)	/* raw bytes at which a block is written */
#define RECORDING_RAW_MAX (1U << 20)	/* a reader accepts no more */
#define RECORDING_RATIO_MAX 128		/* a better compressed block is padded; see encode */
#define RECORDING_DATA_MAX (RECORDING_RAW_MAX + (RECORDING_RAW_MAX >> 7))

struct recording_block {
	uint64_t seq;		/* from 0, without a hole */
	uint64_t first_ns, last_ns;	/* earliest and latest record */
	uint32_t records;
	uint32_t raw_bytes;
	uint32_t crc;		/* CRC-32C of all of this, and of data */
	const void *data;	/* zstd */
	size_t data_bytes;
};

uint32_t recording_block_crc(const struct recording_block *b);

struct recording_packer;	/* zstd context and room for one compressed block */

struct recording_packer *recording_packer_new(void);
void recording_packer_freep(struct recording_packer **p);
/* fills data, data_bytes and crc from raw and the other members; data lives until the next call */
int recording_block_encode(struct recording_packer *p, const void *raw, struct recording_block *b);
/*
 * Checks everything about a hostile block but the content of its records, and
 * unpacks b->raw_bytes bytes into raw (RECORDING_RAW_MAX bytes, 8-byte
 * aligned). -EBADMSG if anything is wrong.
 */
int recording_block_decode(const struct recording_block *b, void *raw);

/* --------------------------------------------------------------- files */

/*
 * A file system for SQLite that consists of two files, both open already: the
 * database and its write-ahead log. No path is ever looked at, so it works
 * where nothing can be opened, and nobody can slip another file in.
 */
struct recording_files;

/* takes the descriptors over; wal_fd may be -1 for a reader: no log */
int recording_files_open(int db_fd, int wal_fd, bool read_only, struct recording_files **ret_files,
			 sqlite3 **ret_db);
/* closes the database, then the files; *ret_swept = the log is empty and its name may go */
int recording_files_close(struct recording_files **files, sqlite3 **db, bool *ret_swept);
/* negative errno for an SQLite result code */
int recording_files_error(const struct recording_files *files, int rc);

/*
 * SQLite's locks on the database, for as long as the descriptor is open, so
 * that neither sqlite3(1) nor we read what is being written; -EBUSY
 */
int recording_lock(int db_fd, bool exclusive);

/* ---------------------------------------------------------------- rows */

struct recording_rows;

/* creates the tables and what fills them; SQLite result codes */
int recording_rows_new(sqlite3 *db, struct recording_rows **ret_rows);
void recording_rows_freep(struct recording_rows **rows);
/* adds what a record says as rows; records it cannot decode have none */
int recording_rows_add(struct recording_rows *rows, const struct lens_rec *rec);

/* --------------------------------------------------------------- broom */

/*
 * A process that can do one thing: remove one name. In the sandbox we cannot,
 * and a cleanly closed recording is one file.
 */
struct recording_broom {
	pid_t pid;
	int gate[2];
};

int recording_broom_start(int dir_fd, const char *name, struct recording_broom *ret_broom);
/* ends it; with sweep it removes the name first */
int recording_broom_stop(struct recording_broom *broom, bool sweep);

#endif
