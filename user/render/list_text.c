/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens list` for people: every channel that exists, with its depth, its
 * capacity and both ends; below it shared memory and who maps it, the messages
 * that wait in queues, by type or priority, and who asked to be told of one.
 */
#include "render/label.h"
#include "render/memory.h"
#include "render/pass.h"
#include "render/section.h"
#include "render/table.h"

static const struct table_column columns[] = {
	{ .title = "CHANNEL", .min = 12, .keep_tail = true },
	{ .title = "TYPE" },
	{ .title = "DEPTH", .right = true },
	{ .title = "CAPACITY", .right = true },
	{ .title = "WRITERS", .min = 16 },
	{ .title = "READERS", .min = 16 },
};

static const struct table_column type_columns[] = {
	{ .title = "CHANNEL", .min = 12, .keep_tail = true },
	{ .title = "TYPE/PRIORITY", .right = true },
	{ .title = "MESSAGES", .right = true },
	{ .title = "BYTES", .right = true },
};

static void chan_row(struct table *t, const void *view, size_t row)
{
	const struct chan *c = ((const struct view *)view)->chans[row].chan;
	_cleanup_(buf_fini) struct buf text = {};

	label_chan(&text, c);
	table_take(t, &text);
	table_cell(t, PAINT_NONE, label_type(c));
	label_queued(&text, c);
	table_take(t, &text);
	label_capacity(&text, c);
	table_take(t, &text);
	label_ends(&text, c, LENS_WRITE, ENDS_WITH_FDS);
	table_take(t, &text);
	label_ends(&text, c, LENS_READ, ENDS_WITH_FDS);
	table_take(t, &text);
}

static void type_rows(struct table *t, const struct chan *c)
{
	for (size_t i = 0; i < chan_more(c)->type_count; i++) {
		_cleanup_(buf_fini) struct buf text = {};

		label_chan(&text, c);
		table_take(t, &text);
		buf_printf(&text, "%lld", (long long)chan_more(c)->types[i].type);
		table_take(t, &text);
		label_count(&text, chan_more(c)->types[i].messages);
		table_take(t, &text);
		label_count(&text, chan_more(c)->types[i].bytes);
		table_take(t, &text);
	}
}

static void print_notified(FILE *out, const struct view *v, size_t shown)
{
	for (size_t i = 0; i < shown; i++) {
		_cleanup_(buf_fini) struct buf text = {};
		const struct chan *c = v->chans[i].chan;

		if (!chan_more(c)->notify_pid)
			continue;
		label_chan(&text, c);
		fprintf(out, "process %u is to be told of the next message in %s\n",
			chan_more(c)->notify_pid, text.data);
	}
}

static void print_backlog(FILE *out, const struct view *v, size_t shown,
			  const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(type_columns, ARRAY_SIZE(type_columns));
	size_t incomplete = 0;

	for (size_t i = 0; i < shown; i++) {
		type_rows(t, v->chans[i].chan);
		incomplete += chan_more(v->chans[i].chan)->types_truncated;
	}
	if (!table_rows(t) && !incomplete)
		return;
	putc('\n', out);
	table_print(out, t, opt->width, opt->colour);
	if (incomplete)
		fprintf(out, "the backlog of %zu queue%s is longer than what was read\n",
			incomplete, incomplete == 1 ? "" : "s");
}

/* a list that is whole needs no heading; one that is not must say so */
static void print_doubts(FILE *out, const struct world *w, const struct render_options *opt)
{
	bool partial = world_lost_something(w);

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++)
		partial |= w->cover[kind].kind && !w->cover[kind].observed;
	if (!partial)
		return;
	putc('\n', out);
	section_heading(out, w, opt);
}

void render_list_text(FILE *out, const struct world *w, const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = NULL;
	_cleanup_(view_fini) struct view v = {};
	size_t shown;

	view_list(&v, w, &opt->filter);
	view_split(&v);
	shown = section_rows(opt, v.memory_first);
	t = table_new_made(columns, ARRAY_SIZE(columns), chan_row, &v, shown);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, v.memory_first, "channels");
	section_memory(out, &v, false, opt);
	print_backlog(out, &v, shown, opt);
	print_notified(out, &v, shown);
	section_stuck(out, w, &v, opt);
	section_in_flight(out, w, &v);
	print_doubts(out, w, opt);
	section_left_out(out, &v, opt);
}
