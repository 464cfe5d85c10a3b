/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * First and last lines of text documents. They say what the tables between
 * them can be trusted for, so they are printed even when nothing was seen.
 */
#include "render/label.h"
#include "render/section.h"
#include "render/table.h"

#define NS_PER_MS 1000000

static void add_host(struct buf *out, const struct lens_rec_host *host)
{
	if (!host->kernel[0])
		return;
	buf_puts(out, " on ");
	text_escape(out, host->hostname, strnlen(host->hostname, sizeof(host->hostname)));
	buf_puts(out, ", Linux ");
	text_escape(out, host->kernel, strnlen(host->kernel, sizeof(host->kernel)));
	buf_puts(out, " ");
	text_escape(out, host->arch, strnlen(host->arch, sizeof(host->arch)));
}

static void print_loss(FILE *out, const struct world *w, const struct render_options *opt)
{
	bool bad = world_lost_something(w) || !w->complete;
	enum table_paint paint = bad ? PAINT_RED : PAINT_NONE;
	_cleanup_(buf_fini) struct buf text = {};

	label_loss(&text, w);
	if (!w->complete)
		buf_puts(&text, " so far, but the records end before the end of the run");
	fputs(table_paint_on(paint, opt->colour), out);
	table_paragraph(out, "loss", text.data, opt->width);
	fputs(table_paint_off(paint, opt->colour), out);
}

void section_heading(FILE *out, const struct world *w, const struct render_options *opt)
{
	uint64_t ms = world_duration_ns(w) / NS_PER_MS;
	_cleanup_(buf_fini) struct buf coverage = {}, interval = {};

	label_coverage(&coverage, w);
	table_paragraph(out, "coverage", coverage.data, opt->width);
	print_loss(out, w, opt);
	buf_printf(&interval, "%llu.%02llu s", (unsigned long long)(ms / 1000),
		   (unsigned long long)(ms % 1000 / 10));
	add_host(&interval, &w->host);
	if (w->has_command) {
		buf_puts(&interval, "; command: ");
		label_status(&interval, w->command_status);
	}
	table_paragraph(out, "interval", interval.data, opt->width);
}

static bool shows_kind(const struct view *v, unsigned kind)
{
	for (size_t i = 0; i < v->chan_count; i++)
		if (v->chans[i].chan->key.kind == kind)
			return true;
	for (size_t i = 0; i < v->fold_count; i++)
		if (v->folds[i]->kind == kind)
			return true;
	return false;
}

/* why something is unavailable stands in the first line already */
static bool has_limits(const struct coverage *row)
{
	return row->kind && row->observed && row->detail[0];
}

/* the shown kinds that share a limit, at the first of them; nothing at the others */
static void add_kinds(struct buf *out, const struct world *w, const struct view *v, unsigned first)
{
	const char *detail = w->cover[first].detail;

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct coverage *row = &w->cover[kind];

		if (!has_limits(row) || strcmp(row->detail, detail) || !shows_kind(v, kind))
			continue;
		if (kind < first)
			return;
		buf_printf(out, "%s%s", out->len ? ", " : "", event_kind_name(kind));
	}
	buf_puts(out, ": ");
}

void section_limits(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt)
{
	bool others = false;

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct coverage *row = &w->cover[kind];
		_cleanup_(buf_fini) struct buf text = {};

		if (!has_limits(row))
			continue;
		if (!shows_kind(v, kind)) {
			others = true;
			continue;
		}
		add_kinds(&text, w, v, kind);
		if (!text.len)
			continue;
		text_escape(&text, row->detail, strnlen(row->detail, sizeof(row->detail)));
		table_paragraph(out, "limits", text.data, opt->width);
	}
	if (others)
		table_paragraph(out, "limits", "of types that are not shown: `ipclens doctor`",
				opt->width);
}

void section_left_out(FILE *out, const struct view *v, const struct render_options *opt)
{
	_cleanup_(buf_fini) struct buf text = {}, files = {};
	char bytes[TEXT_NUM];

	if (v->read_only_files) {
		buf_printf(&files, "%llu file%s mapped shared but only to be read, %llu mapping "
			   "process%s in all (-t mmap-file shows them)",
			   (unsigned long long)v->read_only_files,
			   v->read_only_files == 1 ? "" : "s",
			   (unsigned long long)v->read_only_mappers,
			   v->read_only_mappers == 1 ? "" : "es");
		table_paragraph(out, "left out", files.data, opt->width);
	}
	if (!v->own_chans && !v->own_flows)
		return;
	buf_printf(&text, "traffic of ipclens itself: %llu channel%s, %llu flow%s, %s",
		   (unsigned long long)v->own_chans, v->own_chans == 1 ? "" : "s",
		   (unsigned long long)v->own_flows, v->own_flows == 1 ? "" : "s",
		   text_bytes(bytes, v->own_bytes));
	table_paragraph(out, "left out", text.data, opt->width);
}

size_t section_rows(const struct render_options *opt, size_t count)
{
	return opt->rows && opt->rows < count ? opt->rows : count;
}

void section_cut_note(FILE *out, size_t shown, size_t count, const char *what)
{
	if (shown < count)
		fprintf(out, "... and %zu more %s\n", count - shown, what);
}
