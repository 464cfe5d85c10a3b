// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `ipclens stuck` for people: what to look at first, who waits for it as a
 * tree, cycles as rings, and a line on all that merely waits.
 */
#include "render/label.h"
#include "render/stuck_label.h"
#include "render/stuck_text.h"
#include "render/table.h"

#define TREE_DEPTH 64 /* deeper chains are cut, saying so */

void stuck_text_verdict(FILE *out, enum stuck_verdict v, bool colour)
{
	enum table_paint paint = stuck_verdict_is_bad(v) ? PAINT_RED : PAINT_YELLOW;

	fprintf(out, "%s%s%s", table_paint_on(paint, colour), stuck_verdict_name(v),
		table_paint_off(paint, colour));
}

struct tree {
	FILE *out;
	const struct stuck *s;
	bool brief; /* nothing that changes while the waits stay the same */
	const struct stuck_proc *path[TREE_DEPTH];
};

void stuck_text_wait_briefly(FILE *out, const struct stuck_thread *t)
{
	_cleanup_(buf_fini) struct buf call = {};

	label_call(&call, t);
	fprintf(out, "%u/%u %.*s %s", t->proc->key.tgid, t->rec.tid, (int)call.len, call.data,
		t->main && t->main->thing ? t->main->thing->id : "");
}

/* "name(pid)  write on pipe:[1] (16/16 slots), at least 20 ms" */
static void print_wait(const struct tree *tree, const struct stuck_thread *t)
{
	_cleanup_(buf_fini) struct buf line = {};
	char number[TEXT_NUM];

	if (tree->brief) {
		stuck_text_wait_briefly(tree->out, t);
		return;
	}
	label_stuck_proc(&line, t->proc);
	if (t->rec.tid != t->proc->key.tgid)
		buf_printf(&line, " thread %u", t->rec.tid);
	buf_puts(&line, "  ");
	label_wait(&line, t, t->main);
	fprintf(tree->out, "%s, for %s%s", line.data, t->blocked_exact ? "" : "at least ",
		text_duration(number, t->blocked_ns));
}

/* where it is in its program and in the kernel, below a line about it */
static void print_stacks(const struct tree *tree, const struct stuck_thread *t, unsigned indent)
{
	static const char *const names[] = { "kernel", "user" };

	for (size_t space = 0; !tree->brief && space < LENS_SPACE_MAX; space++) {
		const struct stuck_stack *stack = t->stacks[space];
		const char *name = names[space], *missing;

		for (size_t i = 0; stack && i < stack->count; i++) {
			_cleanup_(buf_fini) struct buf line = {};

			label_frame(&line, &stack->frames[i]);
			fprintf(tree->out, "%*s%-7s %s\n", indent, "", name, line.data);
			name = "";
		}
		missing = stack ? event_frames_end_text(stack->end) : "";
		if (*missing)
			fprintf(tree->out, "%*s%-7s (%s)\n", indent, "", name, missing);
	}
}

static void print_ring(const struct tree *tree, const struct stuck_ring *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct stuck_thread *t = stuck_worst_wait(r->procs[i]);

		fprintf(tree->out, "   %s ", !i ? "+->" : i + 1 == r->count ? "+--" : "|  ");
		if (t)
			print_wait(tree, t);
		putc('\n', tree->out);
		if (t)
			print_stacks(tree, t, 7);
	}
}

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
		if (on_path || w->on_ring)
			continue;
		fprintf(tree->out, "   %*s<- ", depth * 2, "");
		print_wait(tree, t);
		putc('\n', tree->out);
		print_stacks(tree, t, 6 + depth * 2);
		print_waiters(tree, w, depth + 1);
	}
}

static void print_tree(struct tree *tree, const struct stuck_root *r)
{
	const struct stuck_ring *ring = r->verdict == STUCK_DEADLOCK && r->proc->ring
						? &tree->s->rings[r->proc->ring - 1]
						: NULL;

	if (ring)
		print_ring(tree, ring);
	else if (r->proc->thread_count == 1 || r->thread->proc == r->proc)
		print_stacks(tree, r->thread->proc == r->proc ? r->thread : r->proc->threads[0],
			     3);
	for (size_t i = 0; ring && i < ring->count; i++)
		print_waiters(tree, ring->procs[i], 0);
	if (!ring)
		print_waiters(tree, r->proc, 0);
}

void stuck_text_root(FILE *out, const struct stuck *s, const struct stuck_root *r, size_t number,
		     const struct render_options *opt)
{
	_cleanup_(buf_fini) struct buf text = {};
	struct tree tree = { .out = out, .s = s };

	fprintf(out, "%zu. ", number);
	stuck_text_verdict(out, r->verdict, opt->colour);
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
	print_tree(&tree, r);
	putc('\n', out);
}

void stuck_text_root_briefly(FILE *out, const struct stuck *s, const struct stuck_root *r)
{
	struct tree tree = { .out = out, .s = s, .brief = true };

	stuck_text_wait_briefly(out, r->thread);
	putc('\n', out);
	print_tree(&tree, r);
}

bool stuck_text_is_mere_wait(const struct stuck_thread *t, const struct render_options *opt)
{
	return t->verdict != STUCK_NOT && t->verdict < STUCK_PEER_SLOW &&
	       filter_matches_wait(t, &opt->filter);
}

void stuck_text_mere_wait(FILE *out, const struct stuck *s, const struct stuck_thread *t,
			  const struct render_options *opt)
{
	const struct tree tree = { .out = out, .s = s };
	_cleanup_(buf_fini) struct buf text = {};

	label_explanation(&text, s, t);
	table_paragraph(out, t->verdict == STUCK_WAITING ? "waiting   " : "external  ", text.data,
			opt->width);
	print_stacks(&tree, t, 10);
}

void render_stuck_text(FILE *out, const struct stuck *s, const struct render_options *opt, bool all)
{
	size_t count[STUCK_VERDICT_MAX] = {}, shown = 0, strangers = 0;

	for (size_t i = 0; i < s->thread_count; i++) {
		if (!filter_matches_wait(s->threads[i], &opt->filter))
			continue;
		count[s->threads[i]->verdict]++;
		strangers += stuck_wants_stranger(s->threads[i]);
	}
	for (size_t i = 0; i < s->root_count; i++)
		if (render_stuck_shows_root(s, &s->roots[i], opt))
			stuck_text_root(out, s, &s->roots[i], ++shown, opt);
	for (size_t i = 0; all && i < s->thread_count; i++)
		if (stuck_text_is_mere_wait(s->threads[i], opt))
			stuck_text_mere_wait(out, s, s->threads[i], opt);
	if (!shown)
		fputs("nothing is stuck\n", out);
	fprintf(out, "%zu threads wait for a live partner, %zu for something outside%s\n",
		count[STUCK_WAITING], count[STUCK_EXTERNAL],
		all || !(count[STUCK_WAITING] + count[STUCK_EXTERNAL]) ? ""
								       : " (--all shows them)");
	if (strangers)
		fprintf(out, "%zu of these wait for processes that wait, too, and nobody else has "
			"what they wait for: unless somebody opens it by its name, they are "
			"stuck\n", strangers);
	if (s->incomplete)
		fputs("some records were lost: sets of descriptors or locks may be incomplete\n",
		      out);
}
