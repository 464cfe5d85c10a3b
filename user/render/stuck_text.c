// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `ipclens stuck` for people: what to look at first, who waits for it as a
 * tree, cycles as rings, and a line on all that merely waits.
 */
#include "render/label.h"
#include "render/stuck_label.h"
#include "render/table.h"

#define TREE_DEPTH 64 /* deeper chains are cut, saying so */

static void paint_verdict(FILE *out, enum stuck_verdict v, bool colour)
{
	enum table_paint paint = stuck_verdict_is_bad(v) ? PAINT_RED : PAINT_YELLOW;

	fprintf(out, "%s%s%s", table_paint_on(paint, colour), stuck_verdict_name(v),
		table_paint_off(paint, colour));
}

/* "name(pid)  write on pipe:[1] (16/16 slots), at least 20 ms" */
static void print_wait(FILE *out, const struct stuck_thread *t)
{
	_cleanup_(buf_fini) struct buf line = {};
	char number[TEXT_NUM];

	label_stuck_proc(&line, t->proc);
	if (t->rec.tid != t->proc->key.tgid)
		buf_printf(&line, " thread %u", t->rec.tid);
	buf_puts(&line, "  ");
	label_wait(&line, t, t->main);
	fprintf(out, "%s, for %s%s", line.data, t->blocked_exact ? "" : "at least ",
		text_duration(number, t->blocked_ns));
}

/* where it is in its program and in the kernel, below a line about it */
static void print_stacks(FILE *out, const struct stuck_thread *t, unsigned indent)
{
	static const char *const names[] = { "kernel", "user" };

	for (size_t space = 0; space < LENS_SPACE_MAX; space++) {
		const struct stuck_stack *stack = t->stacks[space];
		const char *name = names[space], *missing;

		for (size_t i = 0; stack && i < stack->count; i++) {
			_cleanup_(buf_fini) struct buf line = {};

			label_frame(&line, &stack->frames[i]);
			fprintf(out, "%*s%-7s %s\n", indent, "", name, line.data);
			name = "";
		}
		missing = stack ? event_frames_end_text(stack->end) : "";
		if (*missing)
			fprintf(out, "%*s%-7s (%s)\n", indent, "", name, missing);
	}
}

static void print_ring(FILE *out, const struct stuck *s, const struct stuck_ring *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct stuck_thread *t = stuck_worst_wait(r->procs[i]);

		fprintf(out, "   %s ", !i ? "+->" : i + 1 == r->count ? "+--" : "|  ");
		if (t)
			print_wait(out, t);
		putc('\n', out);
		if (t)
			print_stacks(out, t, 7);
	}
}

struct tree {
	FILE *out;
	const struct stuck *s;
	const struct stuck_proc *path[TREE_DEPTH];
	size_t *shown; /* processes printed so far, by index */
};

static void print_waiters(struct tree *tree, const struct stuck_proc *p, unsigned depth)
{
	if (depth >= TREE_DEPTH) {
		fprintf(tree->out, "   %*s... and what waits for that\n", depth * 2, "");
		return;
	}
	tree->path[depth] = p;
	for (size_t i = 0; i < tree->s->proc_count; i++) {
		const struct stuck_proc *w = tree->s->procs[i];
		const struct stuck_thread *t = stuck_worst_wait(w);
		bool on_path = false;

		if (!t || t->main_provider != p)
			continue;
		for (unsigned d = 0; d <= depth; d++)
			on_path |= tree->path[d] == w;
		if (on_path || (w->ring && w->ring == p->ring))
			continue;
		fprintf(tree->out, "   %*s<- ", depth * 2, "");
		print_wait(tree->out, t);
		putc('\n', tree->out);
		print_stacks(tree->out, t, 6 + depth * 2);
		print_waiters(tree, w, depth + 1);
	}
}

static void print_root(FILE *out, const struct stuck *s, const struct stuck_root *r, size_t number,
		       const struct render_options *opt)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct tree tree = { .out = out, .s = s };
	const struct stuck_ring *ring =
		r->verdict == STUCK_DEADLOCK && r->proc->ring ? &s->rings[r->proc->ring - 1] : NULL;

	fprintf(out, "%zu. ", number);
	paint_verdict(out, r->verdict, opt->colour);
	label_stuck_proc(&text, r->proc);
	fprintf(out, "  %s%s", table_paint_on(PAINT_BOLD, opt->colour), text.data);
	fprintf(out, "%s", table_paint_off(PAINT_BOLD, opt->colour));
	if (r->blocks)
		fprintf(out, "  %sblocks %zu process%s", number == 1 ? "fix this first: it " : "",
			r->blocks, r->blocks == 1 ? "" : "es");
	putc('\n', out);
	buf_fini(&text);
	text = (struct buf){};
	label_explanation(&text, s, r->thread);
	table_paragraph(out, "   ", text.data, opt->width);
	if (!r->thread->certain)
		fputs("   (inferred; the evidence is above)\n", out);
	if (ring)
		print_ring(out, s, ring);
	else if (r->proc->thread_count == 1 || r->thread->proc == r->proc)
		print_stacks(out, r->thread->proc == r->proc ? r->thread : r->proc->threads[0], 3);
	for (size_t i = 0; ring && i < ring->count; i++)
		print_waiters(&tree, ring->procs[i], 0);
	if (!ring)
		print_waiters(&tree, r->proc, 0);
	putc('\n', out);
}

static void print_all(FILE *out, const struct stuck *s, const struct render_options *opt)
{
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];
		_cleanup_(buf_fini) struct buf text = {};

		if (t->verdict == STUCK_NOT || t->verdict >= STUCK_PEER_SLOW ||
		    !filter_matches_wait(t, &opt->filter))
			continue;
		label_explanation(&text, s, t);
		table_paragraph(out, t->verdict == STUCK_WAITING ? "waiting   " : "external  ",
				text.data, opt->width);
		print_stacks(out, t, 10);
	}
}

void render_stuck_text(FILE *out, const struct stuck *s, const struct render_options *opt, bool all)
{
	size_t count[STUCK_VERDICT_MAX] = {}, shown = 0;

	for (size_t i = 0; i < s->thread_count; i++)
		if (filter_matches_wait(s->threads[i], &opt->filter))
			count[s->threads[i]->verdict]++;
	for (size_t i = 0; i < s->root_count; i++)
		if (render_stuck_shows_root(&s->roots[i], opt))
			print_root(out, s, &s->roots[i], ++shown, opt);
	if (all)
		print_all(out, s, opt);
	if (!shown)
		fputs("nothing is stuck\n", out);
	fprintf(out, "%zu threads wait for a live partner, %zu for something outside%s\n",
		count[STUCK_WAITING], count[STUCK_EXTERNAL],
		all || !(count[STUCK_WAITING] + count[STUCK_EXTERNAL]) ? ""
								       : " (--all shows them)");
	if (s->incomplete)
		fputs("some records were lost: sets of descriptors or locks may be incomplete\n",
		      out);
}
