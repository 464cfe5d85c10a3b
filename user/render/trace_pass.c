/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Lines of a trace about descriptors that were sent or received. Their text is
 * like that of an operation, with what was passed in place of a result.
 */
#include "render/label.h"
#include "render/pass.h"
#include "render/trace.h"
#include "render/view.h"

/* a record with what the world knows about it */
struct traced_pass {
	const struct event *ev;
	const struct lens_rec_pass *rec;
	const struct chan *via;
	const struct proc *proc;
	struct passed row;
	struct buf name;
};

static void pass_fini(struct traced_pass *t)
{
	buf_fini(&t->name);
}

static bool resolve(const struct world *w, const struct event *ev, struct traced_pass *ret)
{
	const struct lens_rec_pass *r = ev->lens_rec_pass;

	*ret = (struct traced_pass){
		.ev = ev, .rec = r,
		.via = hash_get(w->chans, &r->via), .proc = hash_get(w->procs, &r->proc),
		.row = { .what = { .key = r->what, .inode_type = r->inode_type, .mode = r->mode },
			 .who = r->proc, .dir = r->dir },
	};
	if (!ret->via || !ret->proc)
		return false;
	pass_name(&ret->name, ev);
	ret->row.name = ret->name.data;
	ret->row.name_len = ret->name.len;
	return true;
}

static const char *verb(const struct traced_pass *t)
{
	if (t->via->key.kind == LENS_KIND_PROCESS_VM)
		return "pidfd_getfd";
	return t->rec->dir == LENS_WRITE ? "pass" : "receive";
}

/* a sender that is the only one, known by its own record; NULL: none is */
static const struct proc *sender(const struct world *w, const struct traced_pass *t)
{
	struct lens_proc key;

	if (t->rec->dir == LENS_WRITE || !pass_sender(t->via, &t->row, &key))
		return NULL;
	return hash_get(w->procs, &key);
}

static bool has_peers(const struct traced_pass *t)
{
	return !(t->rec->flags & LENS_PASS_OWN);
}

static void print_text(FILE *out, const struct world *w, const struct traced_pass *t)
{
	_cleanup_(buf_fini) struct buf line = {};
	const struct proc *from = sender(w, t);

	trace_clock(&line, w, t->ev->ts_ns);
	trace_thread(&line, t->proc, t->rec->tid);
	buf_printf(&line, "%s fd %d", verb(t), t->rec->fd);
	if (t->rec->count > 1)
		buf_printf(&line, " (%u of %u)", t->rec->index + 1, t->rec->count);
	buf_puts(&line, " ");
	passed_label(&line, w, &t->row);
	buf_puts(&line, " over ");
	label_chan(&line, t->via);
	if (from) {
		buf_puts(&line, " <- ");
		label_proc(&line, from);
	} else if (has_peers(t)) {
		trace_peers_text(&line, t->via, t->rec->dir);
	} else {
		buf_puts(&line, " -> ?");
	}
	fprintf(out, "%s\n", line.data);
}

static struct js_value *descriptor_object(const struct world *w, const struct traced_pass *t)
{
	struct js_value *o = js_object();

	js_put(o, "fd", js_i64(t->rec->fd));
	js_put(o, "index", js_u64(t->rec->index));
	js_put(o, "count", js_u64(t->rec->count));
	passed_put_what(o, w, &t->row);
	return o;
}

static void print_json(FILE *out, const struct world *w, const struct traced_pass *t)
{
	_cleanup_(js_freep) struct js_value *o = js_object();
	const struct proc *p = t->proc;

	js_put(o, "ts_ns", js_id64(t->ev->ts_ns));
	js_put(o, "op", js_str(verb(t)));
	js_put(o, "type", js_str(event_kind_name(t->via->key.kind)));
	js_put(o, "channel", js_chan_id(t->via));
	js_put(o, "name", js_chan_name(t->via));
	js_put(o, "process", js_proc_id(p));
	js_put(o, "comm", js_text(p->comm, strnlen(p->comm, sizeof(p->comm))));
	js_put(o, "tid", js_u64(t->rec->tid));
	if (has_peers(t))
		trace_peers_json(o, t->via, t->rec->dir);
	else
		js_put(o, "peers", js_array());
	if (t->rec->dir == LENS_READ)
		js_put(o, "from", js_proc_id(sender(w, t)));
	/* the message itself is an operation of its own */
	js_put(o, "bytes", js_u64(0));
	js_put(o, "messages", js_u64(0));
	js_put(o, "result", js_i64(0));
	js_put(o, "descriptor", descriptor_object(w, t));
	js_print_line(out, o);
}

static bool wanted(const struct world *w, const struct traced_pass *t,
		   const struct render_filter *f)
{
	struct render_filter all = *f;

	if (t->proc->is_self && !f->with_self)
		return false;
	all.idle = true;
	return render_wants_chan(w, t->via, &all);
}

void render_trace_pass(FILE *out, const struct world *w, const struct render_options *opt,
		       const struct event *ev, bool json)
{
	_cleanup_(pass_fini) struct traced_pass t = {};

	/* what looks find is no event; what was applied is known */
	if (ev->snapshot || !resolve(w, ev, &t) || !wanted(w, &t, &opt->filter))
		return;
	if (json)
		print_json(out, w, &t);
	else
		print_text(out, w, &t);
}
