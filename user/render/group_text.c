/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Groups for people: under each socket what went over it, who has that, maps it
 * or uses it, and how it came there.
 */
#include "render/group.h"
#include "render/label.h"
#include "render/memory.h"
#include "render/section.h"
#include "render/table.h"

static const struct table_column columns[] = {
	{ .title = "TOGETHER OVER", .min = 8, .keep_tail = true },
	{ .title = "WHAT", .min = 12, .keep_tail = true },
	{ .title = "TYPE" },
	{ .title = "PROCESS", .min = 9, .keep_tail = true },
	{ .title = "DOES" },
	{ .title = "CAME BY IT", .min = 16 },
};

/* what the process does with it */
static void label_use(struct buf *out, const struct endpoint *e)
{
	bool reads = end_is_user(e, LENS_READ), writes = end_is_user(e, LENS_WRITE);
	const struct mapper *m = end_mapper(e);
	char prot[4];

	if (m->mapped_bytes)
		buf_printf(out, "maps %s", memory_prot(prot, m->prot & ~LENS_PROT_MAY_WRITE));
	else if (m->is_mapper)
		buf_printf(out, "mapped %s",
			   memory_prot(prot, m->prot_ever & ~LENS_PROT_MAY_WRITE));
	else if (reads || writes)
		buf_puts(out, reads && writes ? "reads, writes" : reads ? "reads" : "writes");
	else
		buf_puts(out, e->held_now ? "holds" : "held");
}

/* over: the socket of the group, which need not be named again */
static void label_origin(struct buf *out, const struct world *w, const struct endpoint *e,
			 const struct chan *over, bool *ret_inferred)
{
	struct origin o;

	origin_of(w, e, &o);
	buf_puts(out, o.how ? origin_word(o.how) : "-");
	if (o.from) {
		buf_puts(out, " from ");
		label_proc(out, o.from);
	}
	if (o.over && o.over != over && o.over->peer != over) {
		buf_puts(out, " over ");
		label_chan(out, o.over);
	}
	if (o.inferred) {
		buf_puts(out, " ~");
		*ret_inferred = true;
	}
}

/* rows so far, those that there is no room for as well */
struct rows {
	struct table *t;
	size_t count, most;
	bool inferred;
};

/* e NULL: nobody has it, for all of it is in the queue */
static void add_row(struct rows *rows, const struct world *w, const struct chan *socket,
		    const struct chan *c, const struct endpoint *e)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct table *t = rows->t;

	if (rows->count++ >= rows->most)
		return;
	label_chan(&text, socket);
	table_take(t, &text);
	label_chan(&text, c);
	table_take(t, &text);
	table_cell(t, PAINT_NONE, label_type(c));
	label_proc(&text, e ? e->proc : NULL);
	table_take(t, &text);
	if (e)
		label_use(&text, e);
	else
		buf_puts(&text, "in flight");
	table_take(t, &text);
	if (e)
		label_origin(&text, w, e, socket, &rows->inferred);
	else
		buf_puts(&text, "-");
	table_take(t, &text);
}

static void add_member(struct rows *rows, const struct world *w, const struct chan *socket,
		       const struct chan *c)
{
	const struct chan *halves[] = { c, c->peer };
	size_t before = rows->count;

	for (size_t i = 0; i < ARRAY_SIZE(halves) && halves[i]; i++)
		for (size_t j = 0; j < halves[i]->end_count; j++)
			add_row(rows, w, socket, c, chan_ends(halves[i])[j]);
	if (rows->count == before)
		add_row(rows, w, socket, c, NULL);
}

void section_groups(FILE *out, const struct world *w, const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	struct rows rows = { .t = t, .most = section_rows(opt, SIZE_MAX) };
	struct group g;
	size_t at = 0;

	while (group_next(w, &opt->filter, &at, &g)) {
		for (size_t i = 0; i < g.count; i++)
			add_member(&rows, w, g.socket, g.members[i].chan);
		group_fini(&g);
	}
	if (!rows.count)
		return;
	putc('\n', out);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, table_rows(t), rows.count, "rows of what sockets have passed");
	if (rows.inferred)
		table_paragraph(out, "~", "inferred from who has what, and was not seen",
				opt->width);
}
