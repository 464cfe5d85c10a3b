// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What was summed up and forgotten, for people: a row per kind of channel and
 * names of its ends.
 */
#include "render/label.h"
#include "render/section.h"
#include "render/table.h"

static const struct table_column columns[] = {
	{ .title = "FROM", .min = 9 },
	{ .title = "TO", .min = 9 },
	{ .title = "TYPE" },
	{ .title = "CHANNELS", .right = true },
	{ .title = "MESSAGES", .right = true },
	{ .title = "WRITTEN", .right = true },
	{ .title = "READ", .right = true },
	{ .title = "DISCARDED", .right = true },
	{ .title = "UNACCOUNTED", .right = true },
};

static void names_cell(struct table *t, const struct fold *f, enum lens_dir dir)
{
	const struct fold_names *n = &f->names[dir];
	_cleanup_(buf_fini) struct buf text = {};

	if (n->count == FOLD_NOBODY)
		buf_puts(&text, "-");
	else if (f->proc)
		label_proc(&text, f->proc);
	else if (n->count == FOLD_SEVERAL)
		buf_puts(&text, "(several)");
	else if (!n->comm[0])
		buf_puts(&text, "?");
	else
		text_escape(&text, n->comm, strlen(n->comm));
	table_take(t, &text);
}

static void count_cell(struct table *t, uint64_t n)
{
	_cleanup_(buf_fini) struct buf text = {};

	label_count(&text, n);
	table_take(t, &text);
}

static void signed_cell(struct table *t, const struct fold *f, int64_t n)
{
	_cleanup_(buf_fini) struct buf text = {};

	if (f->ledger.known)
		label_signed(&text, n);
	else
		buf_puts(&text, "-");
	table_take(t, &text);
}

static void unaccounted_cell(struct table *t, const struct fold *f)
{
	bool bad = f->unaccounted_bytes || f->unaccounted_msgs;
	_cleanup_(buf_fini) struct buf text = {};

	buf_puts(&text, bad ? "!" : "");
	label_count(&text, f->unaccounted_bytes);
	if (f->unaccounted_msgs) {
		buf_puts(&text, " (");
		label_count(&text, f->unaccounted_msgs);
		buf_puts(&text, " msg)");
	}
	table_cell(t, bad ? PAINT_RED : PAINT_NONE, text.data);
}

static void fold_row(struct table *t, const struct fold *f)
{
	names_cell(t, f, LENS_WRITE);
	names_cell(t, f, LENS_READ);
	table_cell(t, PAINT_NONE, event_kind_name(f->kind));
	if (f->unplaced)
		table_cell(t, PAINT_RED, "(no room)");
	else
		count_cell(t, f->channels);
	count_cell(t, f->total[LENS_WRITE].msgs);
	count_cell(t, f->total[LENS_WRITE].bytes);
	count_cell(t, f->total[LENS_READ].bytes);
	signed_cell(t, f, f->ledger.discarded);
	unaccounted_cell(t, f);
}

static void say_unfiltered(struct buf *text, const struct view *v)
{
	if (v->unfiltered_chans) {
		buf_puts(text, "; of ");
		label_count(text, v->unfiltered_chans);
		buf_puts(text, " more only names are known, which does not tell whether the "
			 "filter wants them");
	}
	if (v->unfiltered_ops) {
		buf_puts(text, "; of ");
		label_count(text, v->unfiltered_ops);
		buf_puts(text, " operations on channels that had no room nothing tells whether "
			 "the filter wants them");
	}
}

void section_folded(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	size_t shown = section_rows(opt, v->fold_count);
	_cleanup_(buf_fini) struct buf text = {};
	uint64_t chans = 0;

	for (size_t i = 0; i < v->fold_count; i++)
		chans += v->folds[i]->channels;
	if (!v->fold_count && !v->unfiltered_chans && !v->unfiltered_ops)
		return;
	buf_puts(&text, "besides these, ");
	label_count(&text, chans);
	buf_puts(&text, " channels that are gone are summed up by the names of their ends");
	say_unfiltered(&text, v);
	putc('\n', out);
	table_paragraph(out, "folded", text.data, opt->width);
	if (!v->fold_count)
		return;
	for (size_t i = 0; i < shown; i++)
		fold_row(t, v->folds[i]);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, v->fold_count, "rows");
}
