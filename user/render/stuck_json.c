/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens stuck --json`: schema ipclens.stuck/1.
 */
#include "render/json.h"
#include "render/stuck_label.h"

#define SCHEMA "ipclens.stuck/1"

typedef void (*label_fn)(struct buf *out, const struct stuck *s, const struct stuck_thread *t);

static bool has_descriptor(const struct stuck_provider *p)
{
	return p->why == WHY_HOLDS_END || p->why == WHY_LISTENS || p->why == WHY_HAS_FILE;
}

static struct js_value *provider_object(const struct stuck *s, const struct stuck_need *n,
					   const struct stuck_provider *p)
{
	struct js_value *o = js_object();
	struct buf text = {};

	js_put(o, "process", js_proc_id(p->proc->about));
	label_why(&text, n, p);
	js_put(o, "why", js_label(&text));
	label_doing(&text, p->proc);
	js_put(o, "doing", js_label(&text));
	if (has_descriptor(p)) {
		js_put(o, "fd", js_u64(p->fd));
		js_put(o, "close_on_exec", js_bool(p->closes_on_exec));
		js_put(o, "origin", js_stuck_origin(s, p));
	}
	return o;
}

static struct js_value *channel_id(const struct stuck_need *n)
{
	return n->thing && n->thing->is_channel ? js_str(n->thing->id) : NULL;
}

static struct js_value *need_object(const struct stuck_need *n)
{
	struct js_value *o = js_object();

	js_put(o, "channel", channel_id(n));
	js_put(o, "object", n->thing ? js_str(n->thing->id) : NULL);
	js_put(o, "type", n->thing ? js_str(event_object_name(n->thing->object)) : NULL);
	js_put(o, "direction", js_str(label_want(n->want)));
	js_put(o, "fd", n->fd == UINT32_MAX ? NULL : js_u64(n->fd));
	js_put(o, "outside", js_str(n->outside_why));
	js_put(o, "holders_complete", js_bool(n->outside == HOPE_NONE && !n->inferred));
	return o;
}

/* those who want the same, or those who do not; adds no more than there is room for */
static void add_providers(struct js_value *list, const struct stuck *s,
			  const struct stuck_need *n, bool rivals, size_t *room)
{
	for (size_t i = 0; *room && i < n->provider_count; i++) {
		if (stuck_competes(n->providers[i].proc, n) != rivals)
			continue;
		js_add(list, provider_object(s, n, &n->providers[i]));
		--*room;
	}
}

/* who is of help first; all holders of a channel are among its endpoints */
static struct js_value *providers_array(const struct stuck *s, const struct stuck_thread *t)
{
	struct js_value *list = js_array();
	size_t room = STUCK_PROVIDERS_SHOWN;

	for (size_t i = 0; i < t->need_count; i++)
		add_providers(list, s, &t->needs[i], false, &room);
	for (size_t i = 0; i < t->need_count; i++)
		add_providers(list, s, &t->needs[i], true, &room);
	return list;
}

static size_t count_providers(const struct stuck_thread *t)
{
	size_t count = 0;

	for (size_t i = 0; i < t->need_count; i++)
		count += t->needs[i].provider_count;
	return count;
}

static struct js_value *needs_array(const struct stuck_thread *t)
{
	struct js_value *list = js_array();

	for (size_t i = 0; i < t->need_count; i++)
		js_add(list, need_object(&t->needs[i]));
	return list;
}

static struct js_value *frame_object(const char *space, const struct stuck_frame *f)
{
	struct js_value *o = js_object();

	js_put(o, "space", js_str(space));
	js_put(o, "function", f->function.len ? js_text(f->function.data, f->function.len) : NULL);
	js_put(o, "module", f->module.len ? js_text(f->module.data, f->module.len) : NULL);
	js_put(o, "offset", js_u64(f->offset));
	return o;
}

/* the innermost frame first, so that those of the kernel are before the program's */
static void put_stack(struct js_value *o, const struct stuck_thread *t)
{
	static const char *const spaces[] = { [LENS_SPACE_KERNEL] = "kernel",
					      [LENS_SPACE_USER] = "user" };
	struct js_value *list = NULL, *missing = NULL;

	for (size_t space = 0; space < LENS_SPACE_MAX; space++) {
		const struct stuck_stack *stack = t->stacks[space];
		const char *why;

		if (!stack)
			continue;
		list = list ? list : js_array();
		missing = missing ? missing : js_object();
		for (size_t i = 0; i < stack->count; i++)
			js_add(list, frame_object(spaces[space], &stack->frames[i]));
		why = event_frames_end_text(stack->end);
		js_put(missing, spaces[space], *why ? js_str(why) : NULL);
	}
	if (!list)
		return;
	js_put(o, "stack", list);
	js_put(o, "stack_missing", missing);
}

struct js_value *js_wait(const struct stuck *s, const struct stuck_thread *t,
			    const struct chan *c)
{
	uint64_t age_ns = stuck_unread_age_ns(s, c);
	const struct stuck_need *n = t->main ? t->main : &t->needs[0];
	struct js_value *o = js_object();
	struct buf text = {};

	js_put(o, "process", js_proc_id(t->proc->about));
	js_put(o, "tid", js_u64(t->rec.tid));
	js_put(o, "state", js_str(label_state(t)));
	label_call(&text, t);
	js_put(o, "syscall", js_label(&text));
	js_put(o, "channel", c ? js_chan_id(c) : channel_id(n));
	js_put(o, "type", n->thing ? js_str(event_object_name(n->thing->object)) : NULL);
	js_put(o, "direction", js_str(label_want(n->want)));
	js_put(o, "blocked_ns", js_u64(t->blocked_ns));
	js_put(o, "blocked_exact", js_bool(t->blocked_exact));
	js_put(o, "oldest_unread_ns", age_ns ? js_u64(age_ns) : NULL);
	js_put(o, "waits_for", providers_array(s, t));
	js_put(o, "waits_for_count", js_u64(count_providers(t)));
	/* their channels have names of ours */
	if (!c)
		js_put(o, "any_of", needs_array(t));
	js_put(o, "verdict", js_str(stuck_verdict_name(t->verdict)));
	js_put(o, "certain", js_bool(t->certain));
	label_explanation(&text, s, t);
	js_put(o, "explanation", js_label(&text));
	put_stack(o, t);
	return o;
}

static struct js_value *root_object(const struct stuck *s, const struct stuck_root *r)
{
	struct js_value *o = js_object();
	struct buf text = {};

	js_put(o, "process", js_proc_id(r->proc->about));
	js_put(o, "verdict", js_str(stuck_verdict_name(r->verdict)));
	js_put(o, "blocks", js_u64(r->blocks));
	label_explanation(&text, s, r->thread);
	js_put(o, "explanation", js_label(&text));
	return o;
}

static struct js_value *ring_object(const struct stuck_ring *r)
{
	struct js_value *o = js_array();

	for (size_t i = 0; i < r->count; i++)
		js_add(o, js_proc_id(r->procs[i]->about));
	return o;
}

/* ------------------------------------------------------------------- channels */

struct ends {
	struct js_value *list;
	struct js_value *last, *fds;
	const struct stuck_proc *proc;
	uint32_t mode;
};

static void add_end(void *ctx, const struct stuck_proc *p, uint32_t fd, uint32_t mode)
{
	static const char *const roles[] = { "reader", "reader", "writer", "both" };
	struct ends *e = ctx;

	if (e->proc != p || e->mode != mode) {
		e->last = js_object();
		e->fds = js_array();
		js_put(e->last, "process", js_proc_id(p->about));
		js_put(e->last, "role", js_str(roles[mode & 3]));
		js_put(e->last, "fds", e->fds);
		js_add(e->list, e->last);
	}
	e->proc = p;
	e->mode = mode;
	js_add(e->fds, js_u64(fd));
}

static struct js_value *channel_object(const struct stuck *s, const struct stuck_thing *t)
{
	struct ends e = { .list = js_array() };
	struct js_value *o = js_object();

	js_put(o, "id", js_str(t->id));
	js_put(o, "type", js_str(event_object_name(t->object)));
	js_put(o, "name", js_text(t->name, strlen(t->name)));
	js_put(o, "capacity_bytes", js_u64(t->capacity_bytes));
	js_put(o, "queued_bytes", js_u64(t->queued_bytes));
	js_put(o, "queued_messages", js_u64(t->queued_msgs));
	js_put(o, "capacity_messages", js_u64(t->capacity_msgs));
	stuck_each_end(s, t, add_end, &e);
	js_put(o, "endpoints", e.list);
	return o;
}

static bool is_shown(const struct stuck_thread *t, const struct render_options *opt)
{
	return t->verdict != STUCK_NOT && filter_matches_wait(t, &opt->filter);
}

static void put_channels(struct js_doc *d, const struct stuck *s, const struct render_options *opt)
{
	_cleanup_(hash_freep) struct hash *said = hash_new(sizeof(void *));

	js_doc_array(d, "channels");
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		for (size_t j = 0; is_shown(t, opt) && j < t->need_count; j++) {
			struct stuck_thing *thing = t->needs[j].thing;

			if (!thing || !thing->is_channel || hash_get(said, &thing))
				continue;
			hash_add(said, &thing, thing);
			js_doc_add(d, channel_object(s, thing));
		}
	}
	js_doc_array_end(d);
}

static void put_document(struct js_doc *doc, const struct stuck *s,
			 const struct render_options *opt)
{
	js_doc_put(doc, "host", js_host(s->world));
	js_doc_put(doc, "taken_at_ns", js_id64(s->taken_ns));
	js_doc_put(doc, "complete", js_bool(!s->incomplete));
	js_doc_array(doc, "waits");
	for (size_t i = 0; i < s->thread_count; i++)
		if (is_shown(s->threads[i], opt))
			js_doc_add(doc, js_wait(s, s->threads[i], NULL));
	js_doc_array_end(doc);
	js_doc_array(doc, "cycles");
	for (size_t i = 0; i < s->ring_count; i++)
		if (render_stuck_shows_ring(s, &s->rings[i], opt))
			js_doc_add(doc, ring_object(&s->rings[i]));
	js_doc_array_end(doc);
	js_doc_array(doc, "roots");
	for (size_t i = 0; i < s->root_count; i++)
		if (render_stuck_shows_root(s, &s->roots[i], opt))
			js_doc_add(doc, root_object(s, &s->roots[i]));
	js_doc_array_end(doc);
	put_channels(doc, s, opt);
	js_doc_array(doc, "processes");
	for (size_t i = 0; i < s->proc_count; i++)
		js_doc_add(doc, js_proc(s->procs[i]->about));
	js_doc_array_end(doc);
	js_doc_end(doc);
}

void render_stuck_json(FILE *out, const struct stuck *s, const struct render_options *opt)
{
	struct js_doc d;

	js_doc_begin(&d, out, SCHEMA);
	put_document(&d, s, opt);
}

void render_stuck_json_line(FILE *out, const struct stuck *s, const struct render_options *opt)
{
	struct js_doc d;

	js_doc_begin_line(&d, out, SCHEMA);
	put_document(&d, s, opt);
}

void render_stuck_json_header(FILE *out, const struct stuck *s, uint64_t watch_ns)
{
	_cleanup_(js_freep) struct js_value *o = js_object();

	js_put(o, "schema", js_str(SCHEMA));
	js_put(o, "host", js_host(s->world));
	js_put(o, "watch_ns", js_u64(watch_ns));
	js_print_line(out, o);
}
