/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens trace`: one line per operation, with both ends. Lines stand alone
 * (no table), because a stream has no widths to wait for.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <time.h>

#include "mech/mech.h"
#include "render/json.h"
#include "render/label.h"
#include "render/trace.h"
#include "render/view.h"

#define NS_PER_S 1000000000ULL
#define PEERS_IN_TEXT 3
#define PEERS_IN_JSON 64

/* an operation with what the world knows about it; end NULL: never announced */
struct traced {
	const struct lens_op *op;
	const struct endpoint *end;
	enum lens_dir dir;
	const struct mech *mech;
};

static void resolve(const struct world *w, const struct lens_op *op, struct traced *ret)
{
	enum lens_dir dir = LENS_READ;
	const struct endpoint *end = world_op_end(w, op->id, &dir);

	*ret = (struct traced){
		.op = op,
		.end = end,
		.dir = dir,
		.mech = end ? mech_get(end->chan->key.kind) : NULL,
	};
}

static bool wanted(const struct world *w, const struct traced *t, const struct render_filter *f)
{
	struct render_filter all = *f;

	/* what nobody announced cannot match a filter, but is not hidden without one either */
	if (!t->end)
		return !filter_is_set(f);
	if (!f->with_self && (t->end->proc->is_self ||
			      (t->dir == LENS_READ && chan_gives_own(t->end->chan))))
		return false;
	all.idle = true;
	return render_wants_chan(w, t->end->chan, &all);
}

/* inherited descriptors would otherwise make a shell the peer of every pipe it set up */
size_t trace_peers(const struct chan *chan, enum lens_dir dir, const struct endpoint *ret_peers[],
		   size_t max)
{
	enum lens_dir other = dir == LENS_READ ? LENS_WRITE : LENS_READ;
	/* what is written at half a connection is read at the other, and the reverse */
	const struct chan *c = chan->peer ? : chan;
	bool users = false;
	size_t count = 0;

	if (chan_target(c)) {
		ret_peers[0] = chan_target(c);
		return 1;
	}
	for (size_t i = 0; i < c->end_count; i++)
		users |= end_is_user(chan_ends(c)[i], other);
	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];

		if (!end_has_role(e, other) || (users && !end_is_user(e, other)))
			continue;
		if (count < max)
			ret_peers[count] = e;
		count++;
	}
	return count;
}

/* a call on an eventfd that succeeds returns the size of what it was given, not the value */
static int64_t result_of(const struct traced *t)
{
	bool value = t->end && !event_kind_has_bytes(t->end->chan->key.kind);

	return value && t->op->ret >= 0 ? (int64_t)sizeof(uint64_t) : t->op->ret;
}

static bool has_msgtype(const struct traced *t)
{
	return t->mech && t->mech->kind == LENS_KIND_SYSV_MSG &&
	       (t->op->ret >= 0 || t->dir == LENS_WRITE);
}

static bool has_priority(const struct traced *t)
{
	return t->mech && t->mech->kind == LENS_KIND_POSIX_MQ &&
	       t->op->aux != LENS_PRIORITY_UNKNOWN;
}

/* restart codes never reach user space, so libc has no names for them */
static const char *error_name(int64_t result)
{
	switch (result) {
	case -512: return "ERESTARTSYS";
	case -513: return "ERESTARTNOINTR";
	case -514: return "ERESTARTNOHAND";
	case -516: return "ERESTART_RESTARTBLOCK";
	default: return result < 0 && result > -4096 ? strerrorname_np(-(int)result) : NULL;
	}
}

/* ---------------------------------------------------------------- text */

void trace_clock(struct buf *out, const struct world *w, uint64_t ts_ns)
{
	uint64_t wall_ns = ts_ns + w->host.wall_offset_ns;
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm = {};

	localtime_r(&seconds, &tm);
	buf_printf(out, "%02d:%02d:%02d.%06u ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		   (unsigned)(wall_ns % NS_PER_S / 1000));
}

void trace_thread(struct buf *out, const struct proc *p, uint32_t tid)
{
	if (p->comm[0])
		text_escape(out, p->comm, strnlen(p->comm, sizeof(p->comm)));
	else
		buf_puts(out, "?");
	buf_printf(out, "(%u/%u) ", p->key.tgid, tid);
}

static void add_result(struct buf *out, int64_t ret)
{
	const char *name = error_name(ret);

	if (name)
		buf_printf(out, " %s", name);
	else
		buf_printf(out, " %lld", (long long)ret);
}

void trace_peers_text(struct buf *out, const struct chan *c, enum lens_dir dir)
{
	const struct endpoint *peers[PEERS_IN_TEXT];
	size_t count = trace_peers(c, dir, peers, PEERS_IN_TEXT);

	buf_puts(out, dir == LENS_WRITE ? " -> " : " <- ");
	for (size_t i = 0; i < count && i < PEERS_IN_TEXT; i++) {
		buf_puts(out, i ? " " : "");
		label_proc(out, peers[i]->proc);
	}
	if (count > PEERS_IN_TEXT)
		buf_printf(out, " +%zu", count - PEERS_IN_TEXT);
	if (!count)
		buf_puts(out, "-");
}

/* one call that was cut into several datagrams */
static bool is_segmented(const struct traced *t)
{
	return t->end && t->end->chan->key.kind == LENS_KIND_UDP && t->op->ret > 0 &&
	       t->op->aux > 1;
}

static bool is_ambiguous(const struct traced *t)
{
	return t->end && !chan_has_messages(t->end->chan) && t->op->aux == LENS_OP_AMBIGUOUS;
}

static void print_text(FILE *out, const struct world *w, const struct traced *t)
{
	_cleanup_(buf_fini) struct buf line = {};

	trace_clock(&line, w, t->op->ts_ns);
	if (t->end) {
		trace_thread(&line, t->end->proc, t->op->tid);
		buf_puts(&line, t->mech ? t->mech->op_name(t->dir) : "?");
		add_result(&line, result_of(t));
		if (!event_kind_has_bytes(t->end->chan->key.kind) && t->op->ret >= 0)
			buf_printf(&line, " value=%lld", (long long)t->op->ret);
		if (has_msgtype(t))
			buf_printf(&line, " type=%lld", (long long)t->op->aux);
		if (has_priority(t))
			buf_printf(&line, " priority=%lld", (long long)t->op->aux);
		if (is_segmented(t))
			buf_printf(&line, " messages=%lld", (long long)t->op->aux);
		buf_puts(&line, " ");
		label_chan(&line, t->end->chan);
		trace_peers_text(&line, t->end->chan, t->dir);
		if (is_ambiguous(t))
			buf_puts(&line, " (ambiguous)");
	} else {
		buf_printf(&line, "?(?/%u) ?", t->op->tid);
		add_result(&line, t->op->ret);
		buf_puts(&line, " on a channel whose announcement was lost");
	}
	fprintf(out, "%s\n", line.data);
}

/* ---------------------------------------------------------------- JSON */

void trace_peers_json(struct js_value *line, const struct chan *c, enum lens_dir dir)
{
	const struct endpoint *peers[PEERS_IN_JSON];
	size_t count = trace_peers(c, dir, peers, PEERS_IN_JSON);
	struct js_value *array = js_array();

	for (size_t i = 0; i < count && i < PEERS_IN_JSON; i++) {
		const struct proc *p = peers[i]->proc;
		struct js_value *o = js_object();

		js_put(o, "process", js_proc_id(p));
		js_put(o, "comm", js_text(p->comm, strnlen(p->comm, sizeof(p->comm))));
		js_add(array, o);
	}
	js_put(line, "peers", array);
	if (count > PEERS_IN_JSON)
		js_put(line, "peers_left_out", js_u64(count - PEERS_IN_JSON));
}

/* who and where; null throughout for an operation nobody announced */
static void put_identity(struct js_value *o, const struct traced *t)
{
	const struct proc *p = t->end ? t->end->proc : NULL;
	const struct chan *c = t->end ? t->end->chan : NULL;

	js_put(o, "op", t->mech ? js_str(t->mech->op_name(t->dir)) : NULL);
	js_put(o, "type", c ? js_str(event_kind_name(c->key.kind)) : NULL);
	js_put(o, "channel", c ? js_chan_id(c) : NULL);
	js_put(o, "name", c ? js_chan_name(c) : NULL);
	js_put(o, "process", js_proc_id(p));
	js_put(o, "comm", p ? js_text(p->comm, strnlen(p->comm, sizeof(p->comm))) : NULL);
	js_put(o, "tid", js_u64(t->op->tid));
}

/* of a pipe every call that moved bytes is a message; queues have empty ones too */
static uint64_t messages_moved(const struct traced *t)
{
	bool empty_counts = t->end && chan_has_messages(t->end->chan);

	if (is_segmented(t))
		return (uint64_t)t->op->aux;
	return t->op->ret > 0 || (t->op->ret == 0 && empty_counts);
}

static void print_json(FILE *out, const struct traced *t)
{
	_cleanup_(js_freep) struct js_value *o = js_object();
	const struct lens_op *op = t->op;

	js_put(o, "ts_ns", js_id64(op->ts_ns));
	put_identity(o, t);
	if (t->end)
		trace_peers_json(o, t->end->chan, t->dir);
	else
		js_put(o, "peers", js_array());
	js_put_moved(o, t->end ? t->end->chan->key.kind : LENS_KIND_NONE,
		     op->ret > 0 ? (uint64_t)op->ret : 0);
	js_put(o, "messages", js_u64(messages_moved(t)));
	js_put(o, "result", js_i64(result_of(t)));
	if (op->ret < 0)
		js_put(o, "error", js_str(error_name(op->ret)));
	if (has_msgtype(t))
		js_put(o, "msgtype", js_i64(op->aux));
	if (has_priority(t))
		js_put(o, "priority", js_i64(op->aux));
	if (is_ambiguous(t))
		js_put(o, "ambiguous", js_bool(true));
	js_print_line(out, o);
}

void render_trace_header(FILE *out, const struct world *w, bool json)
{
	_cleanup_(js_freep) struct js_value *o = NULL;

	if (!json)
		return;
	o = js_object();
	js_put(o, "schema", js_str("ipclens.trace/1"));
	js_put(o, "host", js_host(w));
	js_put(o, "start_ns", js_id64(w->start_ns));
	js_put(o, "wall_offset_ns", js_id64(w->host.wall_offset_ns));
	js_put(o, "coverage", js_coverage(w));
	js_print_line(out, o);
}

void render_trace_op(FILE *out, const struct world *w, const struct render_options *opt,
		     const struct lens_op *op, bool json)
{
	struct traced t;

	resolve(w, op, &t);
	if (!wanted(w, &t, &opt->filter))
		return;
	if (json)
		print_json(out, &t);
	else
		print_text(out, w, &t);
}

void render_trace_loss(FILE *out, const struct world *w, bool json)
{
	_cleanup_(js_freep) struct js_value *o = NULL;
	_cleanup_(buf_fini) struct buf text = {};

	if (json) {
		o = js_object();
		js_put(o, "loss", js_loss(w));
		js_print_line(out, o);
		return;
	}
	label_loss(&text, w);
	fprintf(out, "loss: %s\n", text.data);
}
