// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How who holds an end came by it, in words and as JSON: what the kernel knows is
 * stated, what follows from who descends from whom is told as inferred.
 */
#include "render/group.h"
#include "render/json.h"
#include "render/stuck_label.h"

static void add_evidence(struct buf *out, const struct stuck_origin *o)
{
	switch (o->why) {
	case STUCK_BY_NOTHING:
		buf_puts(out, "who made it has ended, or executed another program, since");
		break;
	case STUCK_BY_CREDENTIALS:
		buf_puts(out, "the kernel keeps whose credentials it was opened with");
		break;
	case STUCK_BY_MAKER:
		label_stuck_proc(out, o->from);
		buf_puts(out, ", which made it, is an ancestor");
		break;
	case STUCK_BY_ANCESTOR:
		label_stuck_proc(out, o->from);
		buf_puts(out, ", an ancestor, has it, too");
		break;
	case STUCK_BY_SIBLING:
		buf_puts(out, "another child of ");
		label_stuck_proc(out, o->from);
		buf_puts(out, " has it, too");
		break;
	case STUCK_BY_ADOPTION:
		buf_puts(out, "a process that it descends from has ended");
		break;
	case STUCK_BY_AGE:
		label_stuck_proc(out, o->from);
		buf_puts(out, ", which made it, is younger, so that it was not inherited");
		break;
	case STUCK_BY_STRANGER:
		label_stuck_proc(out, o->from);
		buf_puts(out, ", which made it, is no ancestor");
		break;
	case STUCK_BY_TRACE:
		buf_puts(out, "it was seen to come");
		break;
	}
}

static void add_passing(struct buf *out, const struct stuck_origin *o)
{
	if (o->why != STUCK_BY_TRACE) {
		buf_puts(out, "received over a socket or by pidfd_getfd");
		return;
	}
	buf_puts(out, o->how == ORIGIN_FETCHED ? "taken by pidfd_getfd" :
						 "received over a socket");
	if (!o->from)
		return;
	buf_puts(out, " from ");
	label_stuck_proc(out, o->from);
}

static void add_way(struct buf *out, const struct stuck_origin *o)
{
	switch (o->how) {
	case ORIGIN_CREATED:
		buf_puts(out, "made by itself");
		break;
	case ORIGIN_OPENED:
		buf_puts(out, "opened by itself");
		break;
	case ORIGIN_INHERITED:
		buf_puts(out, "inherited by fork");
		if (!o->from)
			break;
		buf_puts(out, " from ");
		label_stuck_proc(out, o->from);
		break;
	case ORIGIN_RECEIVED:
	case ORIGIN_FETCHED:
		add_passing(out, o);
		break;
	case ORIGIN_UNKNOWN:
		buf_puts(out, "from where is not known");
		break;
	}
}

void label_origin(struct buf *out, const struct stuck *s, const struct stuck_provider *p)
{
	struct stuck_origin o;

	stuck_origin_of(s, p, &o);
	add_way(out, &o);
	if (o.why == STUCK_BY_CREDENTIALS)
		return;
	/* of those that are received the way is open, but that it was none of birth is certain */
	buf_puts(out, o.inferred && o.why != STUCK_BY_AGE ? " (inferred: " : " (");
	add_evidence(out, &o);
	buf_puts(out, ")");
}

struct js_value *js_stuck_origin(const struct stuck *s, const struct stuck_provider *p)
{
	struct js_value *object;
	struct buf text = {};
	struct stuck_origin o;

	stuck_origin_of(s, p, &o);
	if (!o.how)
		return NULL;
	object = js_object();
	js_put(object, "how", js_str(origin_word(o.how)));
	js_put(object, "from", o.from ? js_proc_id(o.from->about) : NULL);
	if (o.how == ORIGIN_RECEIVED)
		js_put(object, "over", o.over ? js_chan_id(o.over) : NULL);
	js_put(object, "inferred", js_bool(o.inferred));
	add_evidence(&text, &o);
	js_put(object, "evidence", js_label(&text));
	return object;
}
