/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What SQLite sees as its file system: two open descriptors, nothing else. The
 * log is used with a private index (locking_mode=EXCLUSIVE), so there is no
 * third file for shared memory. Knows nothing of what is stored.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "source/recording.h"

/* the bytes that SQLite locks: PENDING, RESERVED, then 510 bytes of SHARED */
#define LOCK_FIRST 0x40000000
#define LOCK_SHARED (LOCK_FIRST + 2)
#define LOCK_END (LOCK_FIRST + 512)

struct recording_files {
	sqlite3_vfs vfs;
	char name[32];
	int db_fd, wal_fd;
	bool read_only;
	bool log_deleted;	/* what SQLite would do to the log at a clean end */
	int error;		/* negative errno of the last failed call */
};

/* SQLite allocates it, vfs.szOsFile bytes */
struct open_file {
	sqlite3_file base;
	struct recording_files *files;
	int fd;
};

static struct open_file *opened(sqlite3_file *file)
{
	return (struct open_file *)file;
}

static int failed(struct open_file *f, int code)
{
	f->files->error = -errno;
	/* a file size limit and a quota are a full disk, too */
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
		return SQLITE_FULL;
	return code;
}

/* ----------------------------------------------------------- one file */

static int file_close(sqlite3_file *file)
{
	/* the descriptors belong to struct recording_files */
	return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int len, sqlite3_int64 pos)
{
	struct open_file *f = opened(file);
	char *p = data;

	while (len > 0 && f->fd >= 0) {
		ssize_t n = pread(f->fd, p, (size_t)len, pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(f, SQLITE_IOERR_READ);
		if (n == 0)
			break;
		p += n;
		pos += n;
		len -= (int)n;
	}
	/* SQLite relies on the zeros */
	memset(p, 0, (size_t)len);
	return len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 pos)
{
	struct open_file *f = opened(file);
	const char *p = data;

	if (f->files->read_only)
		return SQLITE_READONLY;
	while (len > 0) {
		ssize_t n = pwrite(f->fd, p, (size_t)len, pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(f, SQLITE_IOERR_WRITE);
		p += n;
		pos += n;
		len -= (int)n;
	}
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct open_file *f = opened(file);

	if (f->files->read_only)
		return SQLITE_READONLY;
	return ftruncate(f->fd, size) ? failed(f, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

/* before the log is written back, and after: not at every commit */
static int file_sync(sqlite3_file *file, int flags)
{
	struct open_file *f = opened(file);

	if (f->files->read_only)
		return SQLITE_OK;
	return fdatasync(f->fd) ? failed(f, SQLITE_IOERR_FSYNC) : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	struct open_file *f = opened(file);
	struct stat st = { 0 };

	if (f->fd >= 0 && fstat(f->fd, &st))
		return failed(f, SQLITE_IOERR_FSTAT);
	*ret_size = st.st_size;
	return SQLITE_OK;
}

/* recording_lock() has locked everything already */
static int file_lock(sqlite3_file *file, int level)
{
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *file, int *ret_locked)
{
	*ret_locked = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
	return 4096;
}

static int file_traits(sqlite3_file *file)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_traits,
};

/* ------------------------------------------------------- the file system */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		    int *ret_flags)
{
	struct recording_files *files = vfs->pAppData;
	struct open_file *f = opened(file);

	f->base.pMethods = NULL;
	/* journals and temporary files are configured away; anything else is a mistake */
	if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return SQLITE_CANTOPEN;
	f->files = files;
	f->fd = flags & SQLITE_OPEN_MAIN_DB ? files->db_fd : files->wal_fd;
	f->base.pMethods = &file_methods;
	if (ret_flags)
		*ret_flags = files->read_only ? SQLITE_OPEN_READONLY : flags;
	return SQLITE_OK;
}

static bool is_log(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, "-wal");
}

/* the name is removed by the broom, once all is closed */
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	struct recording_files *files = vfs->pAppData;

	if (files->read_only || !is_log(name))
		return SQLITE_IOERR_DELETE;
	if (ftruncate(files->wal_fd, 0))
		return SQLITE_IOERR_DELETE;
	files->log_deleted = true;
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is)
{
	struct recording_files *files = vfs->pAppData;
	struct stat st;

	/* only the log is ever asked for with success: a "-journal" is none of ours */
	*ret_is = is_log(name) && files->wal_fd >= 0 && fstat(files->wal_fd, &st) == 0 &&
		  st.st_size > 0;
	return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret_path)
{
	sqlite3_snprintf(size, ret_path, "%s", name);
	return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *ret_bytes)
{
	/* SQLite asks the default file system for it */
	return 0;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	return 0;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret_julian_day)
{
	*ret_julian_day = 2440587.5 + (double)time(NULL) / 86400.0;
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret_text)
{
	struct recording_files *files = vfs->pAppData;

	return -files->error;
}

static void files_freep(struct recording_files **files)
{
	if (!*files)
		return;
	sqlite3_vfs_unregister(&(*files)->vfs);
	base_closep(&(*files)->db_fd);
	base_closep(&(*files)->wal_fd);
	base_freep(files);
	*files = NULL;
}

static struct recording_files *files_new(int db_fd, int wal_fd, bool read_only)
{
	struct recording_files *files = xcalloc(1, sizeof(*files));

	files->db_fd = db_fd;
	files->wal_fd = wal_fd;
	files->read_only = read_only;
	/* several may be open at once; SQLite finds them by name */
	snprintf(files->name, sizeof(files->name), "recording-%p", (void *)files);
	files->vfs = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile = sizeof(struct open_file),
		.mxPathname = 64,
		.zName = files->name,
		.pAppData = files,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	return files;
}

int recording_files_error(const struct recording_files *files, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR:
		return files->error ? files->error : -EIO;
	case SQLITE_READONLY:
		return -EROFS;
	default:
		return -EBADMSG;
	}
}

int recording_files_open(int db_fd, int wal_fd, bool read_only, struct recording_files **ret_files,
			 sqlite3 **ret_db)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	_cleanup_(files_freep) struct recording_files *files = files_new(db_fd, wal_fd, read_only);
	sqlite3 *db = NULL;
	int rc = sqlite3_vfs_register(&files->vfs, 0);

	if (rc == SQLITE_OK)
		rc = sqlite3_open_v2("recording", &db, flags | SQLITE_OPEN_NOMUTEX, files->name);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY",
				  NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		sqlite3_close(db);
		return recording_files_error(files, rc);
	}
	*ret_db = db;
	*ret_files = TAKE_PTR(files);
	return 0;
}

int recording_files_close(struct recording_files **files, sqlite3 **db, bool *ret_swept)
{
	int rc = sqlite3_close(*db);

	*db = NULL;
	*ret_swept = (*files)->log_deleted;
	files_freep(files);
	return rc == SQLITE_OK ? 0 : -EIO;
}

int recording_lock(int db_fd, bool exclusive)
{
	struct flock lock = {
		.l_type = exclusive ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = exclusive ? LOCK_FIRST : LOCK_SHARED,
		.l_len = exclusive ? LOCK_END - LOCK_FIRST : LOCK_END - LOCK_SHARED,
	};

	/* of the open file, not of the process: forking and closing others keep it */
	if (fcntl(db_fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	/* a file system without locks has nobody else to protect from either */
	return errno == EAGAIN || errno == EACCES ? -EBUSY : 0;
}
