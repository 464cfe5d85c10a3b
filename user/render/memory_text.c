/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Shared memory for people: which object, how large, who maps it with which
 * protection, how much of it more than one process maps, and who hands over to
 * whom. How many bytes go through it no system call tells, and neither do we.
 */
#include "render/label.h"
#include "render/memory.h"
#include "render/section.h"
#include "render/table.h"

#define MANY 3			/* so many processes of one name become a group */

static const struct table_column columns[] = {
	{ .title = "SHARED MEMORY", .min = 12, .keep_tail = true },
	{ .title = "TYPE" },
	{ .title = "SIZE", .right = true },
	{ .title = "RESIDENT", .right = true },
	{ .title = "OVERLAP", .right = true },
	{ .title = "MAPPED BY", .min = 16 },
};

static const struct table_column handoff_columns[] = {
	{ .title = "FROM", .min = 9, .keep_tail = true },
	{ .title = "TO", .min = 9, .keep_tail = true },
	{ .title = "AT", .min = 8, .keep_tail = true },
	{ .title = "OFFSET", .right = true },
	{ .title = "HAND-OFFS", .right = true },
};

const char *memory_prot(char out[4], uint32_t prot)
{
	char *at = out;

	if (prot & LENS_PROT_READ)
		*at++ = 'r';
	if (prot & LENS_PROT_WRITE)
		*at++ = 'w';
	if (prot & LENS_PROT_EXEC)
		*at++ = 'x';
	if (at == out)
		*at++ = '-';
	*at = '\0';
	return out;
}

/* ----------------------------------------------------------------- mappers */

enum share { SHARE_NOW, SHARE_WAS, SHARE_HOLDS };

struct sharer {
	const struct endpoint *end;
	enum share share;
	uint32_t prot;
	uint64_t bytes;
	size_t order;
};

static int compare_sharers(const void *left, const void *right)
{
	const struct sharer *a = left, *b = right;
	int names = strcmp(a->end->proc->comm, b->end->proc->comm);

	if (a->share != b->share)
		return a->share < b->share ? -1 : 1;
	if (a->prot != b->prot)
		return a->prot > b->prot ? -1 : 1;
	if (names)
		return names;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool alike(const struct sharer *a, const struct sharer *b)
{
	return a->share == b->share && a->prot == b->prot && a->bytes == b->bytes &&
	       !strcmp(a->end->proc->comm, b->end->proc->comm);
}

static size_t find_sharers(const struct chan *c, bool history, struct sharer *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];
		const struct mapper *m = end_mapper(e);
		struct sharer s = { .end = e, .order = i };

		if (m->mapped_bytes) {
			s.prot = m->prot & ~LENS_PROT_MAY_WRITE;
			s.bytes = m->mapped_bytes;
		} else if (m->is_mapper && history) {
			s.share = SHARE_WAS;
			s.prot = m->prot_ever & ~LENS_PROT_MAY_WRITE;
			s.bytes = m->peak_bytes;
		} else if (e->held_now) {
			s.share = SHARE_HOLDS;
		} else {
			continue;
		}
		ret[count++] = s;
	}
	if (count)
		qsort(ret, count, sizeof(*ret), compare_sharers);
	return count;
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

static void add_sharer(struct buf *out, const struct chan *c, const struct sharer *s, size_t many)
{
	const char *comm = s->end->proc->comm;
	char text[TEXT_NUM], prot[4];

	if (s->share != SHARE_NOW)
		buf_puts(out, s->share == SHARE_WAS ? "[" : "fd:");
	if (s->share != SHARE_HOLDS)
		buf_printf(out, "%s:", memory_prot(prot, s->prot));
	if (many > 1) {
		text_escape(out, comm, strlen(comm));
		buf_printf(out, "%s(%zu processes)", *comm ? "" : "?", many);
	} else {
		label_proc(out, s->end->proc);
	}
	if (s->share != SHARE_HOLDS && s->bytes != page_up(chan_depth(c)->capacity_bytes))
		buf_printf(out, " %s", text_bytes(text, s->bytes));
	if (s->share == SHARE_WAS)
		buf_puts(out, "]");
}

static void label_sharers(struct buf *out, const struct chan *c, bool history)
{
	_cleanup_free_ struct sharer *sharers = xcalloc(c->end_count + 1, sizeof(*sharers));
	size_t count = find_sharers(c, history, sharers);

	for (size_t i = 0, n; i < count; i += n) {
		n = 1;
		while (i + n < count && alike(&sharers[i], &sharers[i + n]))
			n++;
		if (n < MANY)
			n = 1;
		if (i)
			buf_puts(out, ", ");
		add_sharer(out, c, &sharers[i], n);
	}
	if (history && chan_memory(c)->folded.procs)
		buf_printf(out, "%s[%llu ended processes]", count ? ", " : "",
			   (unsigned long long)chan_memory(c)->folded.procs);
	else if (!count)
		buf_puts(out, "-");
}

/* ----------------------------------------------------------------- objects */

static void bytes_cell(struct table *t, bool known, uint64_t bytes)
{
	char text[TEXT_NUM];

	table_cell(t, PAINT_NONE, known ? text_bytes(text, bytes) : "-");
}

static void memory_row(struct table *t, const struct chan *c, bool history)
{
	const struct memory *m = chan_memory(c);
	const struct lens_depth *d = chan_depth(c);
	_cleanup_(buf_fini) struct buf text = {};

	label_chan(&text, c);
	table_take(t, &text);
	table_cell(t, PAINT_NONE, label_type(c));
	bytes_cell(t, d->valid, d->capacity_bytes);
	bytes_cell(t, d->valid & LENS_DEPTH_RESIDENT && !c->gone, d->queued_bytes);
	bytes_cell(t, true, history ? m->overlap_peak_bytes : m->overlap_bytes);
	label_sharers(&text, c, history);
	table_take(t, &text);
}

static void handoff_rows(struct table *t, const struct chan *c, bool *ret_inexact)
{
	for (size_t i = 0; i < chan_memory(c)->handoff_count; i++) {
		const struct handoff *h = &chan_memory(c)->handoffs[i];
		_cleanup_(buf_fini) struct buf text = {};

		label_proc(&text, h->from);
		table_take(t, &text);
		label_proc(&text, h->to);
		table_take(t, &text);
		label_chan(&text, c);
		table_take(t, &text);
		buf_printf(&text, "0x%llx", (unsigned long long)h->offset);
		table_take(t, &text);
		buf_puts(&text, h->exact ? "" : "~");
		label_count(&text, h->count);
		table_take(t, &text);
		*ret_inexact |= !h->exact;
	}
}

static void print_handoffs(FILE *out, const struct view *v, size_t first, size_t end,
			   const struct render_options *opt)
{
	_cleanup_(table_freep) struct table *t =
		table_new(handoff_columns, ARRAY_SIZE(handoff_columns));
	bool inexact = false;

	for (size_t i = first; i < end; i++)
		handoff_rows(t, v->chans[i].chan, &inexact);
	if (!table_rows(t))
		return;
	putc('\n', out);
	table_print(out, t, opt->width, opt->colour);
	if (inexact)
		table_paragraph(out, "~", "several processes wake and wait at one word; who woke "
				"whom is inferred from their counts", opt->width);
}

void section_memory(FILE *out, const struct view *v, bool history,
		    const struct render_options *opt)
{
	size_t count = v->memory_end - v->memory_first, shown = section_rows(opt, count);
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	bool past = false, low = false;

	if (!count)
		return;
	for (size_t i = v->memory_first; i < v->memory_first + shown; i++) {
		const struct chan *c = v->chans[i].chan;

		memory_row(t, c, history);
		low |= history && chan_memory(c)->overlap_peak_is_low;
		for (size_t j = 0; j < c->end_count; j++) {
			const struct mapper *m = end_mapper(chan_ends(c)[j]);

			past |= m->is_mapper && !m->mapped_bytes;
		}
	}
	putc('\n', out);
	table_print(out, t, opt->width, opt->colour);
	section_cut_note(out, shown, count, "objects");
	table_paragraph(out, "bytes", "what flows through shared memory is not observable from "
			"system calls", opt->width);
	if (history)
		table_paragraph(out, "overlap", low ?
				"what two processes or more had mapped at one time, at least" :
				"what two processes or more had mapped at one time, at most",
				opt->width);
	if (history && past)
		table_paragraph(out, "[...]", "had it mapped, and has no more", opt->width);
	print_handoffs(out, v, v->memory_first, v->memory_first + shown, opt);
}
