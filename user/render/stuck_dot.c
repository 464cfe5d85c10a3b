// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `ipclens stuck --dot`: the wait-for graph for graphviz. An arrow leads from
 * who waits to who could end the wait.
 */
#include "render/stuck_label.h"

/* a label between quotes; what was escaped before has its backslashes doubled */
static void put_quoted(FILE *out, const struct buf *text)
{
	putc('"', out);
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == '"' || text->data[i] == '\\')
			putc('\\', out);
		putc(text->data[i], out);
	}
	putc('"', out);
}

static void print_proc(FILE *out, const struct stuck_proc *p)
{
	_cleanup_(buf_fini) struct buf text = {};
	const struct stuck_thread *t = stuck_worst_wait(p);

	label_stuck_proc(&text, p);
	fprintf(out, "  p%u [label=", p->key.tgid);
	put_quoted(out, &text);
	if (t)
		fprintf(out, ", color=%s", stuck_verdict_is_bad(t->verdict) ? "red" : "orange");
	fputs("];\n", out);
}

static void print_arrow(FILE *out, const struct stuck_thread *t, const struct stuck_need *n,
			const struct stuck_proc *to)
{
	_cleanup_(buf_fini) struct buf text = {};

	label_wait(&text, t, n);
	fprintf(out, "  p%u -> p%u [label=", t->proc->key.tgid, to->key.tgid);
	put_quoted(out, &text);
	fprintf(out, "%s];\n", t->need_count > 1 ? ", style=dashed" : "");
}

struct drawing {
	FILE *out;
	struct hash *said; /* processes that have their box */
};

static void print_box(const struct drawing *d, const struct stuck_proc *p)
{
	if (hash_get(d->said, &p))
		return;
	hash_add(d->said, &p, (void *)p);
	print_proc(d->out, p);
}

/* those who are named in text as well, some of many; and how many more there are */
static void print_need(const struct drawing *d, const struct stuck_thread *t,
		       const struct stuck_need *n)
{
	size_t left = 0, others = render_stuck_others(t, n);

	for (size_t i = 0; i < n->provider_count; i++) {
		const struct stuck_provider *p = &n->providers[i];

		if (p->why == WHY_OWN_THREADS || (others && p->proc == t->proc))
			continue;
		if (p->proc != t->main_provider &&
		    (i >= STUCK_PROVIDERS_SHOWN || !render_stuck_names(t, n, p, others))) {
			left++;
			continue;
		}
		print_box(d, p->proc);
		print_arrow(d->out, t, n, p->proc);
	}
	if (!left)
		return;
	fprintf(d->out, "  o%llx [label=\"%zu others\", shape=plaintext];\n",
		(unsigned long long)n->serial, left);
	fprintf(d->out, "  p%u -> o%llx;\n", t->proc->key.tgid, (unsigned long long)n->serial);
}

void render_stuck_dot(FILE *out, const struct stuck *s, const struct render_options *opt)
{
	_cleanup_(hash_freep) struct hash *said = hash_new(sizeof(void *));
	const struct drawing d = { .out = out, .said = said };

	fputs("digraph stuck {\n  node [shape=box];\n", out);
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		if (t->verdict == STUCK_NOT || !filter_matches_wait(t, &opt->filter))
			continue;
		print_box(&d, t->proc);
		for (size_t j = 0; j < t->need_count; j++)
			print_need(&d, t, &t->needs[j]);
	}
	fputs("}\n", out);
}
