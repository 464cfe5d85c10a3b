/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Below the channels of a report or a list: which of them somebody is stuck at.
 */
#include "render/section.h"
#include "render/stuck_label.h"
#include "render/table.h"

static void print_wait(FILE *out, const struct stuck *s, const struct stuck_thread *t,
		       const struct chan *c, const struct render_options *opt)
{
	uint64_t age_ns = stuck_unread_age_ns(s, c);
	char age[TEXT_NUM];
	enum table_paint paint = stuck_verdict_is_bad(t->verdict) ? PAINT_RED : PAINT_YELLOW;
	_cleanup_(buf_fini) struct buf text = {};

	fprintf(out, "%s%s%s", table_paint_on(paint, opt->colour), stuck_verdict_name(t->verdict),
		table_paint_off(paint, opt->colour));
	label_explanation(&text, s, t);
	if (age_ns)
		buf_printf(&text, "; the oldest unread data has waited for %s",
			   text_duration(age, age_ns));
	table_paragraph(out, " ", text.data, opt->width);
}

void section_stuck(FILE *out, const struct world *w, const struct view *v,
		   const struct render_options *opt)
{
	size_t count = 0, most = section_rows(opt, SIZE_MAX);

	for (size_t i = 0; w->stuck && i < v->chan_count; i++) {
		const struct stuck_thread *t;
		size_t at = 0;

		while ((t = stuck_next_wait(w->stuck, v->chans[i].chan, &at))) {
			if (!count++)
				putc('\n', out);
			if (count <= most)
				print_wait(out, w->stuck, t, v->chans[i].chan, opt);
		}
	}
	if (w->stuck && !count)
		fputs("\nnobody is stuck at these channels\n", out);
	section_cut_note(out, count < most ? count : most, count, "waits");
}
