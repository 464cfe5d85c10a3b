/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The only trust boundary: bytes of a record (ring buffer, iterator or
 * recording; all hostile) become a validated struct event, or -EBADMSG.
 * Pure: no I/O, no state, no allocation.
 */
#ifndef LENS_EVENT_H
#define LENS_EVENT_H

#include "base/base.h"
#include "wire.h"

/* bytes inside a record; not NUL-terminated, hostile */
struct event_bytes {
	const char *data;
	size_t len;
};

struct event {
	enum lens_rec_type type;
	bool truncated;		/* LENS_F_TRUNCATED */
	bool snapshot;		/* LENS_F_SNAPSHOT */
	bool raw_name;		/* LENS_F_RAW_NAME */
	bool made;		/* LENS_F_MADE */
	uint64_t ts_ns;
	/* the record as received; aligned to 8, lifetime of the caller's bytes */
	union {
		const struct lens_rec *rec;
#define X(id, value, type) const struct type *type;
		LENS_RECS(X)
#undef X
	};
	/* variable data, validated; empty where the type has none */
	struct event_bytes exe;		/* PROC: components, leaf first */
	struct event_bytes argv;	/* PROC: NUL separated */
	struct event_bytes cgroup;	/* PROC: components, leaf first */
	/* END, HOLD, MQ, MAP, PASS: components, leaf first, or raw bytes; DESC: see its flags */
	struct event_bytes name;
	struct event_bytes memory;	/* MEMORY, STACK: user memory */
	const struct lens_op *ops;	/* OPS: count of them */
	const struct lens_msg *msgs;	/* MSGS: count of them */
	/* FRAMES: count of them, whose lengths sum up to that of the text */
	const struct lens_frame *frames;
	struct event_bytes text;
};

/*
 * Validates the first record in data (8-byte aligned, size bytes available).
 * Returns its length (> 0), -EBADMSG for bytes that are no record, -ENOMSG for a
 * well-formed record of a type this version does not know (*ret_skip = its
 * length then: count it, go on).
 * Checked: length against type and against size, counts against length, enum
 * ranges (kind, dir, mark, why), variable parts inside the record, component
 * lists end in NUL, NUL-terminated arrays are.
 */
ssize_t event_decode(const void *data, size_t size, struct event *ret, size_t *ret_skip);

/* appends "/a/b/c" for the components "c\0b\0a\0"; with truncated "…/b/c" */
void event_path(struct buf *out, struct event_bytes components, bool truncated);

/* LENS_MARK_FOLD: so many channels that have gone are worth a walk by all of them */
#define EVENT_MANY_GONE 1024

/* message boundaries survive: what is written in one piece is read in one */
bool event_kind_has_messages(unsigned kind);
/* a channel of this kind is one half of a connection and has a peer */
bool event_kind_has_halves(unsigned kind);
bool event_kind_is_socket(unsigned kind);
/* what its totals, ledgers and operations tell in place of bytes is an amount, if not */
bool event_kind_has_bytes(unsigned kind);
/* its address is an internet address */
bool event_kind_is_inet(unsigned kind);
/* is a process itself: signals to it, its memory */
bool event_kind_has_target(unsigned kind);
/* shared memory: is mapped, and carries no bytes that anybody could count */
bool event_kind_is_memory(unsigned kind);
const char *event_kind_name(unsigned kind);	/* JSON type, or "unknown" */
const char *event_loss_name(unsigned cause);
const char *event_object_name(unsigned object);	/* JSON type, or "unknown" */
const char *event_call_name(unsigned call);
/* of 64-bit programs, compat: of 32-bit ones; to be freed; NULL: it has no name here */
char *event_call_of_number(uint32_t nr, bool compat);
const char *event_frames_end_text(unsigned end);	/* a sentence, or "" */
/* kind by its JSON type, LENS_KIND_NONE if there is none */
unsigned event_kind_by_name(const char *name);

/* leaves of *t what came after *before */
void event_total_take_off(struct lens_total *t, const struct lens_total *before);
/* has it counted anything? */
bool event_total_any(const struct lens_total *t);

#endif
