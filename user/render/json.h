/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * JSON of schema version 1: values that can only be valid UTF-8, a document
 * writer that holds one element at a time, and the objects that several
 * documents share.
 */
#ifndef LENS_RENDER_JSON_H
#define LENS_RENDER_JSON_H

#include "base/base.h"
#include "model/model.h"
#include "render/view.h"

/* -------------------------------------------------------------- values */

struct js_value;

/* hostile bytes, escaped; NULL becomes null */
struct js_value *js_text(const void *bytes, size_t len);
struct js_value *js_str(const char *s);
/* takes what a label has put together; it is escaped already */
struct js_value *js_label(struct buf *text);
struct js_value *js_u64(uint64_t n);
struct js_value *js_i64(int64_t n);
struct js_value *js_bool(bool b);
/* identifiers and absolute times: strings, as consumers lose digits past 2^53 */
struct js_value *js_id64(uint64_t n);
/* scaled / 10^decimals, without going through a double */
struct js_value *js_fixed(uint64_t scaled, unsigned decimals);
struct js_value *js_object(void);
struct js_value *js_array(void);
/* an array of them, without an object for each; they must stay */
struct js_value *js_numbers(const uint32_t *numbers, size_t count);
/* all take over value; key must be new, and static text with nothing to escape, or copied */
void js_put_named(struct js_value *object, const char *key, size_t len, struct js_value *value);
static inline void js_put(struct js_value *object, const char *key, struct js_value *value)
{
	js_put_named(object, key, strlen(key), value);
}
void js_put_copied(struct js_value *object, const char *key, struct js_value *value);
void js_add(struct js_value *array, struct js_value *value);
void js_free(struct js_value *value);
void js_freep(struct js_value **value);
/* pretty: with line breaks, as it stands at that level of indent */
void js_print(struct buf *out, const struct js_value *value, bool pretty, unsigned level);
/* one line of a stream */
void js_print_line(FILE *out, const struct js_value *value);

/* ------------------------------------------------------------ documents */

/*
 * Prints an object member by member, and arrays of it element by element: a
 * report of a large host is far larger than what we want in memory.
 */
struct js_doc {
	FILE *out;
	struct buf text;	/* not yet written */
	bool more;		/* a comma is due */
	bool in_array;
	bool in_line;		/* of a stream: no line break before its end */
};

void js_doc_begin(struct js_doc *d, FILE *out, const char *schema);
/* the same as one line of a stream */
void js_doc_begin_line(struct js_doc *d, FILE *out, const char *schema);
void js_doc_put(struct js_doc *d, const char *key, struct js_value *value);
void js_doc_array(struct js_doc *d, const char *key);
void js_doc_add(struct js_doc *d, struct js_value *value);
void js_doc_array_end(struct js_doc *d);
void js_doc_end(struct js_doc *d);

/* ------------------------------------------------------- shared objects */

/* what was moved through a channel of a kind: bytes, or an amount of something else */
void js_put_moved(struct js_value *o, unsigned kind, uint64_t moved);

struct js_value *js_proc_id(const struct proc *p);	/* "PID@START_NS", null for NULL */
struct js_value *js_proc_key(struct lens_proc key);	/* null for nobody */
struct js_value *js_chan_id(const struct chan *c);
struct js_value *js_chan_name(const struct chan *c);
struct js_value *js_host(const struct world *w);
struct js_value *js_interval(const struct world *w);
struct js_value *js_coverage(const struct world *w);
struct js_value *js_loss(const struct world *w);
struct js_value *js_proc(const struct proc *p);
/* null if nothing was looked at; messages: with counts of those */
struct js_value *js_ledger(const struct ledger *l, unsigned kind);
/* without traffic: what exists; with: what moved, too */
struct js_value *js_chan(const struct world *w, const struct chan *c, bool traffic);
/*
 * As in ipclens.stuck/1; c: called as the document around it calls the channel, without the
 * set that this may be one of; NULL: as stuck does.
 */
struct js_value *js_wait(const struct stuck *s, const struct stuck_thread *t,
			    const struct chan *c);
/* how who holds an end came by it; null if that is not known */
struct js_value *js_stuck_origin(const struct stuck *s, const struct stuck_provider *p);
/* members "processes" and "channels" */
void js_doc_entities(struct js_doc *d, const struct world *w, const struct view *v,
		     const struct render_filter *f, bool traffic);
/* members about what was summed up and forgotten; none if nothing was */
void js_doc_folded(struct js_doc *d, const struct world *w, const struct view *v);

#endif
