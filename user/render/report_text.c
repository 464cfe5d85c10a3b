/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens report` for people: coverage and loss, who sent what to whom, the
 * channels with their ledgers, back-pressure. Marks in a table are explained
 * below it, so that no number looks more certain than it is.
 */
#include "render/group.h"
#include "render/label.h"
#include "render/memory.h"
#include "render/pass.h"
#include "render/section.h"
#include "render/table.h"

#define WHYS_SHOWN 8

/* --------------------------------------------------------------- flows */

static const struct table_column flow_columns[] = {
	{ .title = "FROM", .min = 9, .keep_tail = true },
	{ .title = "TO", .min = 9, .keep_tail = true },
	{ .title = "VIA", .min = 8, .keep_tail = true },
	{ .title = "MESSAGES", .right = true },
	{ .title = "BYTES", .right = true },
	{ .title = "RATE", .right = true },
	{ .title = "RESIDENCY", .right = true },
};

/* exact digits, because these are what a user compares with a program's own count */
static void count_cell(struct table *t, const char *mark, uint64_t n)
{
	_cleanup_(buf_fini) struct buf text = {};

	buf_puts(&text, mark);
	label_count(&text, n);
	table_cell(t, *mark ? PAINT_YELLOW : PAINT_NONE, text.data);
}

static void rate_cell(struct table *t, const struct world *w, const struct flow *flow)
{
	_cleanup_(buf_fini) struct buf text = {};
	char bytes[TEXT_NUM];
	uint64_t rate;

	if (event_kind_has_bytes(flow->chan->key.kind) && flow_rate(w, flow, &rate))
		buf_printf(&text, "%s%s/s", flow->exact ? "" : "~", text_bytes(bytes, rate));
	else
		buf_puts(&text, "-");
	table_take(t, &text);
}

static void flow_row(struct table *t, const struct world *w, const struct flow *flow)
{
	const char *mark = flow->exact ? "" : "~";
	_cleanup_(buf_fini) struct buf text = {};
	char duration[TEXT_NUM];

	label_proc(&text, flow->from);
	table_take(t, &text);
	label_proc(&text, flow->to);
	table_take(t, &text);
	label_chan(&text, flow->chan);
	table_take(t, &text);
	count_cell(t, mark, flow->messages);
	count_cell(t, mark, flow->bytes);
	rate_cell(t, w, flow);
	table_cell(t, PAINT_NONE,
		   flow->has_residency ? text_duration(duration, flow->p50_ns) : "-");
}

/* every reason once, with the number of flows it holds for */
static void inexact_notes(FILE *out, const struct view *v, size_t shown,
			  const struct render_options *opt)
{
	const char *whys[WHYS_SHOWN];
	size_t counts[WHYS_SHOWN] = {}, count = 0;

	for (size_t i = 0; i < shown; i++) {
		const char *why = v->flows[i]->why ? v->flows[i]->why : "reason unknown";
		size_t at = 0;

		if (v->flows[i]->exact)
			continue;
		while (at < count && strcmp(whys[at], why))
			at++;
		if (at == WHYS_SHOWN)
			continue;
		if (at == count)
			whys[count++] = why;
		counts[at]++;
	}
	for (size_t i = 0; i < count; i++) {
		_cleanup_(buf_fini) struct buf text = {};

		buf_printf(&text, "apportioned in %zu flow%s: ", counts[i],
			   counts[i] == 1 ? "" : "s");
		text_escape(&text, whys[i], strlen(whys[i]));
		table_paragraph(out, "~", text.data, opt->width);
	}
}

static void residency_note(FILE *out, const struct view *v, size_t shown,
			   const struct render_options *opt)
{
	for (size_t i = 0; i < shown; i++)
		if (v->flows[i]->has_residency) {
			table_paragraph(out, "residency", "median time from write to read",
					opt->width);
			return;
		}
}

static bool filter_is_empty(const struct render_filter *f)
{
	return !f->pid_count && !f->comm_count && !f->cgroup_count && !f->channel_count &&
	       !f->kinds;
}

static void print_flows(FILE *out, const struct world *w, const struct view *v,
			const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(flow_columns, ARRAY_SIZE(flow_columns));
	size_t shown = section_rows(opt, v->flow_count);

	putc('\n', out);
	if (!v->flow_count) {
		fputs(filter_is_empty(&opt->filter) ? "no flow was seen\n" :
		      "no flow that the options ask for was seen\n", out);
		return;
	}
	for (size_t i = 0; i < shown; i++)
		flow_row(t, w, v->flows[i]);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, v->flow_count, "flows");
	inexact_notes(out, v, shown, opt);
	residency_note(out, v, shown, opt);
}

/* ------------------------------------------------------------ channels */

/* what a ledger needs to be read as a sum; columns of zeroes are left out */
struct ledger_parts {
	bool before, by_kernel, in_flight, holders, guessed, amounts, unaccounted;
};

static void find_parts(const struct view *v, size_t shown, struct ledger_parts *parts)
{
	for (size_t i = 0; i < shown; i++) {
		const struct chan *c = v->chans[i].chan;
		const struct ledger *l = chan_ledger(c);

		for (size_t j = 0; j < c->end_count; j++)
			for (int dir = 0; dir < LENS_DIR_MAX; dir++) {
				const struct endpoint *e = chan_ends(c)[j];

				parts->holders |= end_has_role(e, dir) && !end_is_user(e, dir);
			}
		parts->amounts |= !event_kind_has_bytes(c->key.kind);
		if (!l->known)
			continue;
		parts->by_kernel |= l->by_kernel != 0;
		parts->before |= l->before_start != 0;
		parts->in_flight |= l->in_flight != 0;
		parts->guessed |= l->discarded && !l->discarded_observed;
		parts->unaccounted |= l->unaccounted || l->msgs_unaccounted;
	}
}

/* the ledger may go on below the rest: read as a sum, it must stay in one piece */
static size_t chan_columns(struct table_column columns[], const struct ledger_parts *parts)
{
	size_t n = 0;

	columns[n++] = (struct table_column){ .title = "CHANNEL", .min = 12, .keep_tail = true };
	columns[n++] = (struct table_column){ .title = "TYPE" };
	columns[n++] = (struct table_column){ .title = "WRITERS", .min = 12 };
	columns[n++] = (struct table_column){ .title = "READERS", .min = 12 };
	columns[n++] = (struct table_column){ .title = "DEPTH/CAPACITY", .right = true };
	columns[n++] = (struct table_column){ .title = "WRITTEN", .right = true, .breaks = true };
	if (parts->before)
		columns[n++] = (struct table_column){ .title = "BEFORE START", .right = true };
	if (parts->by_kernel)
		columns[n++] = (struct table_column){ .title = "BY KERNEL", .right = true };
	columns[n++] = (struct table_column){ .title = "READ", .right = true };
	columns[n++] = (struct table_column){ .title = "QUEUED", .right = true };
	columns[n++] = (struct table_column){ .title = "DISCARDED", .right = true };
	if (parts->in_flight)
		columns[n++] = (struct table_column){ .title = "IN FLIGHT", .right = true };
	columns[n++] = (struct table_column){ .title = "UNACCOUNTED", .right = true };
	return n;
}

static void signed_cell(struct table *t, const char *mark, int64_t n)
{
	_cleanup_(buf_fini) struct buf text = {};

	buf_puts(&text, mark);
	label_signed(&text, n);
	table_take(t, &text);
}

/* marked even without colour: this number says that we do not understand something */
static void unaccounted_cell(struct table *t, const struct ledger *l)
{
	bool bad = l->unaccounted || l->msgs_unaccounted;
	_cleanup_(buf_fini) struct buf text = {};

	buf_puts(&text, bad ? "!" : "");
	label_signed(&text, l->unaccounted);
	if (l->msgs_unaccounted) {
		buf_puts(&text, " (");
		label_signed(&text, l->msgs_unaccounted);
		buf_puts(&text, " msg)");
	}
	table_cell(t, bad ? PAINT_RED : PAINT_NONE, text.data);
}

static void ledger_cells(struct table *t, const struct chan *c, const struct ledger_parts *parts)
{
	const struct ledger *l = chan_ledger(c);

	/* what calls moved is known without a look, what became of it is not */
	if (!l->known) {
		count_cell(t, "", chan_bytes(c, LENS_WRITE));
		for (int i = 0; i < parts->before + parts->by_kernel; i++)
			table_cell(t, PAINT_NONE, "-");
		count_cell(t, "", chan_bytes(c, LENS_READ));
		for (int i = 0; i < 3 + parts->in_flight; i++)
			table_cell(t, PAINT_NONE, "-");
		return;
	}
	signed_cell(t, "", l->written);
	if (parts->before)
		signed_cell(t, "", l->before_start);
	if (parts->by_kernel)
		signed_cell(t, "", l->by_kernel);
	signed_cell(t, "", l->read);
	signed_cell(t, "", l->queued);
	signed_cell(t, l->discarded && !l->discarded_observed ? "~" : "", l->discarded);
	if (parts->in_flight)
		signed_cell(t, "", l->in_flight);
	unaccounted_cell(t, l);
}

static void chan_row(struct table *t, const struct chan *c, const struct ledger_parts *parts)
{
	_cleanup_(buf_fini) struct buf text = {};

	label_chan(&text, c);
	table_take(t, &text);
	table_cell(t, PAINT_NONE, label_type(c));
	label_ends(&text, c, LENS_WRITE, ENDS_USERS_APART);
	table_take(t, &text);
	label_ends(&text, c, LENS_READ, ENDS_USERS_APART);
	table_take(t, &text);
	label_depth(&text, c);
	table_take(t, &text);
	ledger_cells(t, c, parts);
}

static void chan_notes(FILE *out, const struct ledger_parts *parts,
		       const struct render_options *opt)
{
	if (parts->holders)
		table_paragraph(out, "[...]", "holds the channel open, has moved nothing",
				opt->width);
	if (parts->guessed)
		table_paragraph(out, "~", "discarded: what was left when the channel went",
				opt->width);
	if (parts->amounts)
		table_paragraph(out, "eventfd", "what was added to its counter and taken from it, "
				"no bytes", opt->width);
	if (parts->by_kernel)
		table_paragraph(out, "by kernel", "added by no call: signals to an eventfd, at "
				"least so much; by a terminal's line discipline, which also takes "
				"away", opt->width);
	if (parts->in_flight)
		table_paragraph(out, "in flight", "moved by calls that were under way at an edge "
				"of the interval, and not counted by them (yet)", opt->width);
	if (parts->unaccounted)
		table_paragraph(out, "!", "does not add up: written + before start is not read + "
				"queued + discarded + in flight", opt->width);
}

static void print_chans(FILE *out, const struct view *v, const struct render_options *opt)
{
	size_t count = v->memory_first, shown = section_rows(opt, count);
	_cleanup_(table_freep) struct table *t = NULL;
	struct table_column columns[16];
	struct ledger_parts parts = {};

	putc('\n', out);
	if (!count) {
		fputs(filter_is_empty(&opt->filter) ? "no channel was used\n" :
		      "no channel that the options ask for was used\n", out);
		return;
	}
	find_parts(v, shown, &parts);
	t = table_new(columns, chan_columns(columns, &parts));
	for (size_t i = 0; i < shown; i++)
		chan_row(t, v->chans[i].chan, &parts);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, count, "channels");
	chan_notes(out, &parts, opt);
}

void render_report_text(FILE *out, const struct world *w, const struct render_options *opt)
{
	_cleanup_(view_fini) struct view v = {};

	view_report(&v, w, &opt->filter);
	view_sort(&v);
	view_split(&v);
	section_heading(out, w, opt);
	print_flows(out, w, &v, opt);
	print_chans(out, &v, opt);
	section_passed(out, w, &v, opt);
	section_groups(out, w, opt);
	section_folded(out, w, &v, opt);
	section_memory(out, &v, true, opt);
	section_pressure(out, w, &v, opt);
	section_stuck(out, w, &v, opt);
	section_limits(out, w, &v, opt);
	section_left_out(out, &v, opt);
}
