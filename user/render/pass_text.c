/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Passed descriptors for people: who sent and received what over which socket,
 * and what is on its way in no process at all.
 */
#include "render/label.h"
#include "render/pass.h"
#include "render/section.h"
#include "render/table.h"

static const struct table_column columns[] = {
	{ .title = "PROCESS", .min = 9, .keep_tail = true },
	{ .title = "DID" },
	{ .title = "WHAT", .min = 12, .keep_tail = true },
	{ .title = "TYPE" },
	{ .title = "OVER", .min = 8, .keep_tail = true },
	{ .title = "DESCRIPTORS", .right = true },
};

void passed_label(struct buf *out, const struct world *w, const struct passed *row)
{
	const struct chan *c = row->what.key.kind ? hash_get(w->chans, &row->what.key) : NULL;

	if (c)
		label_chan(out, c);
	else if (row->name)
		text_escape(out, row->name, row->name_len);
	else
		buf_printf(out, "%s:[%llu]", passed_type(&row->what),
			   (unsigned long long)row->what.key.ino);
}

static void passed_row(struct table *t, const struct world *w, const struct chan *c,
		       const struct passed *row)
{
	_cleanup_(buf_fini) struct buf text = {};

	label_proc(&text, hash_get(w->procs, &row->who));
	table_take(t, &text);
	table_cell(t, PAINT_NONE, row->dir == LENS_WRITE ? "sent" : "received");
	passed_label(&text, w, row);
	table_take(t, &text);
	table_cell(t, PAINT_NONE, passed_type(&row->what));
	label_chan(&text, c);
	table_take(t, &text);
	label_count(&text, row->count);
	table_take(t, &text);
}

static const struct chan *half_of(const struct chan *c, int second)
{
	if (second)
		return c->peer;
	return c->peer ? c->peer->peer : c;
}

void section_passed(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	size_t count = 0, shown;
	uint64_t left_out = 0;

	for (size_t i = 0; i < v->chan_count; i++)
		for (int second = 0; second < 2; second++) {
			const struct chan *half = half_of(v->chans[i].chan, second);

			count += half ? chan_more(half)->passed.count : 0;
			left_out += half ? chan_more(half)->passed.left_out : 0;
		}
	if (!count)
		return;
	shown = section_rows(opt, count);
	for (size_t i = 0; i < v->chan_count; i++)
		for (int second = 0; second < 2; second++) {
			const struct chan *half = half_of(v->chans[i].chan, second);

			for (size_t j = 0; half && j < chan_more(half)->passed.count; j++)
				if (table_rows(t) < shown)
					passed_row(t, w, half, &chan_more(half)->passed.row[j]);
		}
	putc('\n', out);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, count, "rows of passed descriptors");
	if (left_out)
		fprintf(out, "%llu passed descriptors are counted, but not told apart\n",
			(unsigned long long)left_out);
}

void section_in_flight(FILE *out, const struct world *w, const struct view *v)
{
	for (size_t i = 0; i < v->chan_count; i++)
		for (int second = 0; second < 2; second++) {
			const struct chan *half = half_of(v->chans[i].chan, second);

			for (size_t j = 0; half && j < chan_more(half)->in_flight.count; j++) {
				const struct passed *row = &chan_more(half)->in_flight.row[j];
				_cleanup_(buf_fini) struct buf what = {}, via = {};

				passed_label(&what, w, row);
				label_chan(&via, half);
				fprintf(out, "%llu descriptor%s of %s %s in flight over %s\n",
					(unsigned long long)row->count,
					row->count == 1 ? "" : "s", what.data,
					row->count == 1 ? "is" : "are", via.data);
			}
		}
}
