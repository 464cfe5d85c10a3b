/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Back-pressure: how much of the time a channel made a writer wait because it
 * was full, or a reader because it was empty, and which stage of a pipeline
 * that points at. A stage is only blamed when it is not waiting itself.
 */
#include "render/label.h"
#include "render/section.h"
#include "render/table.h"

#define BAR_CELLS 10
#define MOSTLY 0.5		/* from here on, waiting is what someone mainly does */
#define CLEARLY 2.0		/* so many times the opposite share */
#define ROWS_MIN 0.005		/* shares below round to 0 % */
#define SENTENCES_MAX 10

static const struct table_column columns[] = {
	{ .title = "CHANNEL", .min = 12, .keep_tail = true },
	{ .title = "WRITER BLOCKED ON FULL" },
	{ .title = "READER BLOCKED ON EMPTY" },
};

static unsigned percent(double share)
{
	return share > 0 ? (unsigned)((share < 1 ? share : 1) * 100 + 0.5) : 0;
}

static void share_cell(struct table *t, double share)
{
	unsigned filled = (percent(share) * BAR_CELLS + 50) / 100;
	_cleanup_(buf_fini) struct buf text = {};

	buf_printf(&text, "%3u %% ", percent(share));
	for (unsigned i = 0; i < BAR_CELLS; i++)
		buf_puts(&text, i < filled ? "\xe2\x96\x88" : "\xe2\x96\x91");
	table_cell(t, share >= MOSTLY ? PAINT_YELLOW : PAINT_NONE, text.data);
}

static bool has_pressure(const struct chan *c)
{
	return chan_more(c)->full_share >= ROWS_MIN || chan_more(c)->empty_share >= ROWS_MIN;
}

/* per process, the largest share of the sampled time it slept at one end of a channel */
struct waiting {
	struct hash *by_proc;	/* struct lens_proc -> double in shares */
	double *shares;
};

static void waiting_fini(struct waiting *wait)
{
	hash_free(wait->by_proc);
	free(wait->shares);
}

static void find_waiting(struct waiting *wait, const struct world *w, const struct view *v)
{
	double all = (double)w->sample_rounds * (double)w->sample_period_ns;

	wait->by_proc = hash_new(sizeof(struct lens_proc));
	wait->shares = xcalloc(hash_count(w->procs) + 1, sizeof(*wait->shares));
	for (size_t i = 0; i < v->chan_count; i++)
		for (size_t j = 0; j < v->chans[i].chan->end_count; j++) {
			const struct endpoint *e = chan_ends(v->chans[i].chan)[j];
			double *most = hash_get(wait->by_proc, &e->proc->key);

			if (!most) {
				most = &wait->shares[hash_count(wait->by_proc)];
				hash_add(wait->by_proc, &e->proc->key, most);
			}
			for (int dir = 0; all > 0 && dir < LENS_DIR_MAX; dir++)
				if ((double)end_waits(e, dir)->blocked_ns / all > *most)
					*most = (double)end_waits(e, dir)->blocked_ns / all;
		}
}

/* true if someone at that side is at work most of the time, so that waiting for it explains */
static bool is_at_work(const struct waiting *wait, const struct chan *c, enum lens_dir dir)
{
	for (size_t i = 0; i < c->end_count; i++) {
		const double *most = hash_get(wait->by_proc, &chan_ends(c)[i]->proc->key);

		if (end_is_user(chan_ends(c)[i], dir) && *most < MOSTLY)
			return true;
	}
	return false;
}

/* false if the shares do not make clear who holds up whom */
static bool explain(FILE *out, const struct waiting *wait, const struct chan *c, unsigned width)
{
	double full_share = chan_more(c)->full_share, empty_share = chan_more(c)->empty_share;
	bool full = full_share >= MOSTLY && full_share > CLEARLY * empty_share;
	bool empty = empty_share >= MOSTLY && empty_share > CLEARLY * full_share;
	enum lens_dir slow = full ? LENS_READ : LENS_WRITE;
	_cleanup_(buf_fini) struct buf text = {};

	if ((!full && !empty) || !is_at_work(wait, c, slow))
		return false;
	label_ends(&text, c, slow, ENDS_ACTIVE_ONLY);
	buf_puts(&text, full ? " is the slow stage: " : " sets the pace: ");
	label_ends(&text, c, full ? LENS_WRITE : LENS_READ, ENDS_ACTIVE_ONLY);
	buf_printf(&text, " waited %u %% of the time for %s ",
		   percent(full ? full_share : empty_share), full ? "room in" : "data from");
	label_chan(&text, c);
	table_paragraph(out, "->", text.data, width);
	return true;
}

static void print_explanations(FILE *out, const struct world *w, const struct view *v,
			       const struct render_options *opt)
{
	_cleanup_(waiting_fini) struct waiting wait = {};
	unsigned said = 0;

	find_waiting(&wait, w, v);
	for (size_t i = 0; i < v->chan_count && said < SENTENCES_MAX; i++)
		said += explain(out, &wait, v->chans[i].chan, opt->width);
}

void section_pressure(FILE *out, const struct world *w, const struct view *v,
		      const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	size_t count = 0, shown;
	char period[TEXT_NUM];

	putc('\n', out);
	if (!w->sample_rounds) {
		fputs("back-pressure was not sampled\n", out);
		return;
	}
	for (size_t i = 0; i < v->chan_count; i++)
		count += has_pressure(v->chans[i].chan);
	shown = section_rows(opt, count);
	if (!count)
		fputs("back-pressure: nobody was found waiting", out);
	else
		fputs("back-pressure", out);
	fprintf(out, " (%llu samples, one per %s)\n", (unsigned long long)w->sample_rounds,
		text_duration(period, w->sample_period_ns));
	if (!count)
		return;
	for (size_t i = 0, row = 0; i < v->chan_count && row < shown; i++) {
		const struct chan *c = v->chans[i].chan;
		_cleanup_(buf_fini) struct buf name = {};

		if (!has_pressure(c))
			continue;
		label_chan(&name, c);
		table_cell(t, PAINT_NONE, name.data);
		share_cell(t, chan_more(c)->full_share);
		share_cell(t, chan_more(c)->empty_share);
		row++;
	}
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, count, "channels");
	print_explanations(out, w, v, opt);
}
