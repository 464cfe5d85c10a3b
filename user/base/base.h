/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every layer stands on: ownership, memory, logging, byte buffers, text.
 * Knows nothing of IPC. Errors are negative errno; memory exhaustion aborts.
 */
#ifndef LENS_BASE_H
#define LENS_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---------------------------------------------------------- ownership */

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void base_freep(void *p)
{
	free(*(void **)p);
}

static inline void base_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void base_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(base_freep)
#define _cleanup_close_ _cleanup_(base_closep)
#define _cleanup_fclose_ _cleanup_(base_fclosep)

#define TAKE_PTR(p) ({ __typeof__(p) take_ = (p); (p) = NULL; take_; })
#define TAKE_FD(fd) ({ int take_ = (fd); (fd) = -1; take_; })

/* ------------------------------------------------------------- memory */

/*
 * Gives big blocks back to the system as soon as they are freed, whatever came
 * before; to be called first of all. glibc otherwise raises the size from which
 * it does so to that of the biggest block freed so far (mallopt(3)).
 */
void alloc_return_big_blocks(void);

/*
 * So many bytes of small blocks, more than one large page and at most 24 MB, will be wanted soon:
 * the heap has them in large pages if the kernel does. Touching memory for the first time takes
 * longer than filling it, in virtual machines most of all. They are not given back.
 */
void alloc_expect(size_t bytes);

/* gives back what is free between small blocks; walks the whole heap, so not often */
void alloc_trim(void);

/* like malloc and friends, but never NULL: say so and abort instead */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* ------------------------------------------------------------ logging */

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* messages above `max` are dropped; LOG_INFO at the start of the program */
void log_set_level(enum log_level max);
enum log_level log_level(void);
/* one line on stderr, "ipclens: " in front; control bytes are escaped */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* the same at LOG_ERROR, then returns err, so that `return log_err(err, ...)` reads well */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --------------------------------------------------- growing byte string */

struct buf {
	char *data;		/* NUL-terminated once anything was added; may be NULL before */
	size_t len;
	size_t size;
};

void buf_fini(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* the end of b, with room for len more bytes; what was put there ends at `end` */
char *buf_room(struct buf *b, size_t len);
void buf_end(struct buf *b, char *end);

/* ---------------------------------------------------------------- pool */

/* many pieces of one size, which need not be given back one by one */
struct pool;
struct pool *pool_new(size_t size);	/* at least that of a pointer */
void pool_free(struct pool *p);		/* and all its pieces */
void *pool_get(struct pool *p);		/* zeroed */
void pool_put(struct pool *p, void *piece);

/* ---------------------------------------------------------------- hash */

/*
 * A map from fixed-size keys to values owned by the caller. Iteration order is
 * insertion order, so that equal input gives equal output.
 */
struct hash;
struct hash *hash_new(size_t key_size);
/* each value begins with its key, which must stay what it is: there is no other copy of it */
struct hash *hash_new_in_values(size_t key_size);
void hash_free(struct hash *h);
void hash_freep(struct hash **h);
void *hash_get(const struct hash *h, const void *key);
/* value must not be NULL; key must not be present */
void hash_add(struct hash *h, const void *key, void *value);
/* adds value unless there is one for the key; the one that is there then, by one search */
void *hash_claim(struct hash *h, const void *key, void *value);
/* about so many keys will be there: it need not grow step by step */
void hash_expect(struct hash *h, size_t count);
/* will be asked for soon: has the processor fetch where the key may be */
void hash_fetch(const struct hash *h, const void *key);
size_t hash_count(const struct hash *h);
void *hash_at(const struct hash *h, size_t index);	/* index < hash_count() */
const void *hash_key_at(const struct hash *h, size_t index);
/* forgets every value that keep() is false for, once each; the others stay in their order */
void hash_filter(struct hash *h, bool (*keep)(void *arg, void *value), void *arg);

/* ---------------------------------------------------------------- text */

/*
 * The one way for bytes of a traced process to reach any output. Appends
 * `len` hostile bytes as valid UTF-8 without control, bidi-control,
 * zero-width or line-separator characters: such code points and invalid
 * bytes become \xHH per byte, a backslash becomes \\ ; nothing else changes,
 * so text_unescape() gives the bytes back.
 */
void text_escape(struct buf *out, const void *bytes, size_t len);
/* so many of the first bytes need no change by that, nor in a string with quotes around it */
size_t text_plain_len(const void *bytes, size_t len);
/* reverses text_escape(); number of bytes written to out (size >= strlen(s)) or -EINVAL */
ssize_t text_unescape(const char *s, void *out);

/* columns a terminal needs for an escaped string */
size_t text_width(const char *s);

/* "1.5 GiB", "17 B": at most 9 columns; out holds TEXT_NUM bytes */
#define TEXT_NUM 32
const char *text_bytes(char out[TEXT_NUM], uint64_t bytes);
/* "1.23 s", "340 us": at most 8 columns */
const char *text_duration(char out[TEXT_NUM], uint64_t ns);
/* "10s", "500ms", "2m", "1.5" (seconds), "250us", "1h" -> ns; -EINVAL, -ERANGE */
int text_parse_duration(const char *s, uint64_t *ret_ns);
/* "64K", "16M", "1G", plain bytes; powers of 1024 */
int text_parse_size(const char *s, uint64_t *ret_bytes);
/* decimal digits only, <= max */
int text_parse_u64(const char *s, uint64_t max, uint64_t *ret);

#endif
