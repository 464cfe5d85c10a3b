/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A process of our own that keeps the right to read /proc of others, and hands
 * out bytes: it parses none of them. What can be asked for is little: what a
 * process has mapped, and ELF files among that. Internal to source/.
 */
#ifndef LENS_SOURCE_READER_H
#define LENS_SOURCE_READER_H

#include "base/base.h"

struct reader;

/*
 * To be started while privileges are left; keeps of them what reading takes. In
 * the new process first() runs before anything is closed or given up; its error is returned.
 */
int reader_start(int (*first)(void *arg), void *arg, struct reader **ret);
void reader_freep(struct reader **r);
/* all that follows has this much time together, and fails with -ETIMEDOUT then */
void reader_limit(struct reader *r, uint64_t ns);

enum reader_what { READER_MAPS, READER_STAT, READER_FILE, READER_BYTES };

/* appends /proc/PID/maps or stat, up to about so many bytes */
int reader_proc_file(struct reader *r, enum reader_what what, uint32_t tgid, size_t most,
		     struct buf *ret);

/* what a process has mapped from start to end, of a file */
struct reader_mapping {
	uint32_t tgid;
	uint64_t start, end;
	uint64_t dev, ino;
	const char *path;
};

/* a regular ELF file, for reader_pread(); closes the one before. -ENOEXEC: another one */
int reader_open(struct reader *r, const struct reader_mapping *m, uint64_t *ret_size);
/* size bytes of it, or an error */
int reader_pread(struct reader *r, uint64_t offset, void *to, size_t size);

/* reader_serve.c: answers until nobody asks any more */
void reader_serve(int fd);
/* sandbox_reader.c: only reading files is left to this process */
int sandbox_enter_reader(void);

/* ----------------------------------------------------------- between the two */

#define READER_CHUNK 65536u	/* bytes of one answer */
#define READER_PATH 4096u

struct reader_ask {
	uint32_t what;
	uint32_t tgid;
	uint64_t start, end;	/* FILE: the mapping; BYTES: from offset start on */
	uint64_t dev, ino;	/* FILE */
	char path[READER_PATH];	/* FILE: ends in NUL */
};

struct reader_answer {
	int64_t result;		/* size of the file, bytes that follow; -errno */
	char bytes[READER_CHUNK];
};

#endif
