/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Worlds for the tests of renderers, built through the setters of the model
 * and then filled in, so that a test controls every number it asserts.
 * Includes what captures output: text, or JSON parsed strictly.
 */
#ifndef LENS_TEST_SCENE_H
#define LENS_TEST_SCENE_H

#include <json-c/json.h>

#include "mech/mech.h"
#include "render/render.h"
#include "test.h"

#define SCENE static __attribute__((unused))

SCENE struct proc *scene_proc(struct world *w, uint32_t pid, const char *comm)
{
	struct lens_proc key = { .start_ns = 1000000ULL + pid, .tgid = pid };
	struct proc *p = world_proc(w, &key);

	p->known = true;
	p->nspid = pid;
	memset(p->comm, 0, sizeof(p->comm));
	strncpy(p->comm, comm, LENS_COMM_LEN);
	return p;
}

SCENE struct chan *scene_chan(struct world *w, unsigned kind, uint64_t ino)
{
	struct lens_chan key = { .ino = ino, .dev = 12, .kind = kind };
	struct chan *c = world_chan(w, &key);

	c->live = true;
	*chan_depth_get(c) = (struct lens_depth){ .capacity_bytes = 65536, .valid = 1 };
	/* of a SysV queue only the bytes are limited */
	if (kind != LENS_KIND_SYSV_MSG)
		chan_depth_get(c)->capacity_msgs = 16;
	chan_more_get(c)->ledger.known = true;
	return c;
}

SCENE void scene_take_name(struct chan *c, char *name)
{
	chan_more_get(c)->name = name;
	chan_more_get(c)->name_len = strlen(name);
}

SCENE void scene_name(struct chan *c, const char *name)
{
	scene_take_name(c, xstrdup(name));
}

SCENE struct endpoint *scene_hold(struct world *w, struct chan *c, struct proc *p,
				  enum lens_dir dir, uint32_t fd)
{
	struct endpoint *e = chan_endpoint(w, c, p);

	if (dir == LENS_READ)
		e->reader = true;
	else
		e->writer = true;
	e->held_now = true;
	end_add_fd(e, fd);
	return e;
}

SCENE struct endpoint *scene_move(struct world *w, struct chan *c, struct proc *p,
				  enum lens_dir dir, uint64_t msgs, uint64_t bytes)
{
	struct endpoint *e = chan_endpoint(w, c, p);
	struct side *s = end_side_get(e, dir);

	if (dir == LENS_READ)
		e->reader = true;
	else
		e->writer = true;
	s->seen = true;
	s->total.ops += msgs;
	s->total.msgs += msgs;
	s->total.bytes += bytes;
	if (dir == LENS_READ) {
		chan_more_get(c)->ledger.read += (int64_t)bytes;
		chan_more_get(c)->ledger.msgs_read += (int64_t)msgs;
	} else {
		chan_more_get(c)->ledger.written += (int64_t)bytes;
		chan_more_get(c)->ledger.msgs_written += (int64_t)msgs;
	}
	return e;
}

/* who has written to c until now is ipclens */
SCENE void scene_own(struct chan *c)
{
	c->is_self = true;
	for (size_t i = 0; i < c->end_count; i++)
		if (end_side(chan_ends(c)[i], LENS_WRITE)->total.ops)
			end_side_get(chan_ends(c)[i], LENS_WRITE)->flags |= LENS_END_SELF;
}

SCENE struct flow *scene_flow(struct world *w, struct proc *from, struct proc *to, struct chan *c,
			      uint64_t msgs, uint64_t bytes)
{
	w->flows = xrealloc(w->flows, w->flow_count + 1, sizeof(*w->flows));
	w->flows[w->flow_count] = (struct flow){
		.from = from, .to = to, .chan = c, .messages = msgs, .bytes = bytes, .exact = true,
	};
	return &w->flows[w->flow_count++];
}

/* announces an endpoint the way the kernel side does, so that its id resolves */
SCENE struct endpoint *scene_announce(struct world *w, struct chan *c, struct proc *p,
				      enum lens_dir dir, uint32_t id)
{
	struct lens_rec_end rec = {
		.h = { .len = sizeof(rec), .type = LENS_REC_END, .ts_ns = 5 },
		.chan = c->key,
		.proc = p->key,
		.dir = dir,
		.id = id,
	};
	struct event ev;
	size_t skip;

	CHECK(event_decode(&rec, sizeof(rec), &ev, &skip) == (ssize_t)sizeof(rec));
	world_apply(w, &ev);
	return chan_find_endpoint(c, p);
}

SCENE void scene_cover(struct world *w, unsigned kind, const char *variant, const char *detail)
{
	struct coverage *row = &w->cover[kind];

	row->kind = kind;
	row->observed = *variant != '\0';
	snprintf(row->variant, sizeof(row->variant), "%s", variant);
	snprintf(row->detail, sizeof(row->detail), "%s", detail);
}

/* five seconds on a host that sees pipes and SysV queues */
SCENE struct world *scene_new(void)
{
	struct world *w = world_new();

	snprintf(w->host.hostname, sizeof(w->host.hostname), "box");
	snprintf(w->host.kernel, sizeof(w->host.kernel), "6.18.0");
	snprintf(w->host.arch, sizeof(w->host.arch), "x86_64");
	snprintf(w->host.boot_id, sizeof(w->host.boot_id), "b007");
	w->start_ns = 1000000000;
	w->end_ns = 6020000000;
	w->complete = true;
	for (unsigned kind = 1; kind <= LENS_KIND_SYSV_MSG; kind++)
		scene_cover(w, kind, "sys", "");
	return w;
}

/* head | tee | wc, with the shell holding an end of the first pipe */
SCENE struct world *scene_pipeline(void)
{
	struct world *w = scene_new();
	struct proc *head = scene_proc(w, 11, "head"), *tee = scene_proc(w, 12, "tee");
	struct proc *wc = scene_proc(w, 13, "wc"), *sh = scene_proc(w, 10, "sh");
	struct chan *first = scene_chan(w, LENS_KIND_PIPE, 101);
	struct chan *second = scene_chan(w, LENS_KIND_PIPE, 102);

	scene_move(w, first, head, LENS_WRITE, 12208, 100000000);
	scene_hold(w, first, sh, LENS_WRITE, 7);
	scene_move(w, first, tee, LENS_READ, 24415, 100000000);
	scene_move(w, second, tee, LENS_WRITE, 24415, 100000000);
	scene_move(w, second, wc, LENS_READ, 24415, 100000000);
	scene_flow(w, head, tee, first, 12208, 100000000);
	scene_flow(w, tee, wc, second, 24415, 100000000);
	return w;
}

typedef void (*scene_renderer)(FILE *, const struct world *, const struct render_options *);

SCENE char *scene_render(scene_renderer render, const struct world *w,
			 const struct render_options *opt)
{
	static const struct render_options everything;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	render(out, w, opt ? opt : &everything);
	fclose(out);
	CHECK_EQ_U64(strlen(text), size);
	return text;
}

/* one complete JSON value and nothing behind it, or the test fails */
SCENE struct json_object *scene_parse(const char *text)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text, (int)strlen(text) + 1);
	if (json_tokener_get_error(tok) != json_tokener_success)
		TEST_FAIL("no JSON: %s\n%s",
			  json_tokener_error_desc(json_tokener_get_error(tok)), text);
	json_tokener_free(tok);
	return o;
}

SCENE struct json_object *scene_json(scene_renderer render, const struct world *w,
				     const struct render_options *opt)
{
	_cleanup_free_ char *text = scene_render(render, w, opt);

	return scene_parse(text);
}

/* member of an object; the test fails where there is none */
SCENE struct json_object *scene_get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(o, key, &value))
		TEST_FAIL("no member %s in %s", key, json_object_to_json_string(o));
	return value;
}

SCENE const char *scene_str(struct json_object *o, const char *key)
{
	struct json_object *value = scene_get(o, key);

	if (!value)
		return NULL;
	CHECK(json_object_is_type(value, json_type_string));
	return json_object_get_string(value);
}

SCENE uint64_t scene_u64(struct json_object *o, const char *key)
{
	struct json_object *value = scene_get(o, key);

	if (!json_object_is_type(value, json_type_int))
		TEST_FAIL("%s is no integer", key);
	return json_object_get_uint64(value);
}

SCENE struct json_object *scene_at(struct json_object *o, const char *key, size_t index)
{
	struct json_object *value = scene_get(o, key);

	CHECK(json_object_is_type(value, json_type_array));
	CHECK(index < json_object_array_length(value));
	return json_object_array_get_idx(value, index);
}

SCENE size_t scene_len(struct json_object *o, const char *key)
{
	struct json_object *value = scene_get(o, key);

	CHECK(json_object_is_type(value, json_type_array));
	return json_object_array_length(value);
}

SCENE void scene_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		TEST_FAIL("no \"%s\" in:\n%s", part, text);
}

SCENE void scene_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		TEST_FAIL("\"%s\" in:\n%s", part, text);
}

/* every line ends, none is wider, none ends in a blank, no control byte */
SCENE void scene_check_layout(const char *text, unsigned width)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = xstrndup(text, len);

		for (size_t i = 0; i < len; i++)
			if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
				TEST_FAIL("control byte %#x in: %s", line[i], line);
		if (width && text_width(line) > width)
			TEST_FAIL("%zu columns: %s", text_width(line), line);
		if (len && line[len - 1] == ' ')
			TEST_FAIL("ends in a blank: \"%s\"", line);
		CHECK(text[len] == '\n');
		text += len + 1;
	}
}

#endif
