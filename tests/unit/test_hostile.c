/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hostile names of processes and channels in every format: nothing that a
 * terminal obeys, and documents that parse. LENS_LONG=1: a million names.
 */
#include "hostile.h"
#include "model/stuck_look.h"
#include "scene.h"

#define PROCS 50
#define CHANS 50
#define NAMES_PER_WORLD (PROCS + CHANS)

static char *random_text(size_t *ret_len)
{
	unsigned char bytes[128];
	size_t len = random_bytes(bytes, sizeof(bytes));
	char *text = xcalloc(1, len + 1);

	memcpy(text, bytes, len);
	*ret_len = len;
	return text;
}

static struct proc *nasty_proc(struct world *w, uint32_t pid)
{
	struct proc *p = scene_proc(w, pid, "");
	unsigned char comm[64] = { 0 };
	size_t len;

	random_bytes(comm, sizeof(comm));
	memcpy(p->comm, comm, LENS_COMM_LEN);
	p->exe = random_text(&len);
	p->cgroup = random_text(&len);
	p->argv = random_text(&p->argv_len);
	return p;
}

/* each channel from one process to the next, and each process waits for the next */
static struct world *nasty_world(struct stuck *s)
{
	struct world *w = scene_new();
	struct stuck_thread *threads[PROCS];
	struct proc *procs[PROCS];

	for (uint32_t i = 0; i < PROCS; i++) {
		procs[i] = nasty_proc(w, 100 + i);
		threads[i] = stuck_add_thread(s, stuck_add_proc(s, &procs[i]->key), 100 + i);
		threads[i]->proc->about = procs[i];
		threads[i]->rec.state = 1;
	}
	for (uint32_t i = 0; i < CHANS; i++) {
		struct chan *c = scene_chan(w, LENS_KIND_FIFO, 500 + i);
		struct proc *from = procs[i], *to = procs[(i + 1) % PROCS];

		chan_more_get(c)->name = random_text(&chan_more_get(c)->name_len);
		scene_move(w, c, from, LENS_WRITE, 1, 10);
		scene_move(w, c, to, LENS_READ, 1, 10);
		scene_announce(w, c, from, LENS_WRITE, i + 1);
		scene_flow(w, from, to, c, 1, 10);
		stuck_add_provider(stuck_add_need(threads[i], WANT_DATA),
				   threads[(i + 1) % PROCS]->proc, WHY_HOLDS_END, 3);
	}
	stuck_judge(s);
	return w;
}

static const struct render_options as_on_a_terminal = { .width = 100 };

static void show_trace(FILE *out, const struct world *w, bool json)
{
	for (uint32_t i = 0; i < CHANS; i++) {
		struct lens_op op = { .ts_ns = 7, .ret = 10, .id = i + 1, .tid = 100 + i };

		render_trace_op(out, w, &as_on_a_terminal, &op, json);
	}
}

enum format { REPORT_TEXT, LIST_TEXT, TRACE_TEXT, STUCK_TEXT, STUCK_DOT,
	      REPORT_JSON, LIST_JSON, TRACE_JSON, STUCK_JSON, FORMATS };

static void show(FILE *out, enum format format, const struct world *w, const struct stuck *s)
{
	const struct render_options *opt = &as_on_a_terminal;

	switch (format) {
	case REPORT_TEXT:
		return render_report_text(out, w, opt);
	case LIST_TEXT:
		return render_list_text(out, w, opt);
	case STUCK_TEXT:
		return render_stuck_text(out, s, opt, true);
	case STUCK_DOT:
		return render_stuck_dot(out, s, opt);
	case REPORT_JSON:
		return render_report_json(out, w, opt);
	case LIST_JSON:
		return render_list_json(out, w, opt);
	case STUCK_JSON:
		return render_stuck_json(out, s, opt);
	default:
		return show_trace(out, w, format == TRACE_JSON);
	}
}

static void check_documents(char *text, bool one_a_line)
{
	char *rest = NULL;

	if (!one_a_line)
		json_object_put(scene_parse(text));
	else
		for (char *line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			json_object_put(scene_parse(line));
}

TEST(hostile_names_in_every_format)
{
	size_t names = getenv("LENS_LONG") ? 1000000 : 2000, shown = 0;

	alarm(0);	/* a million of them take longer than a case may */
	for (; shown < names; shown += NAMES_PER_WORLD) {
		_cleanup_(stuck_freep) struct stuck *s = stuck_new();
		_cleanup_(world_freep) struct world *w = nasty_world(s);

		for (unsigned format = 0; format < FORMATS; format++) {
			_cleanup_free_ char *text = NULL;
			size_t len = 0;
			FILE *out = open_memstream(&text, &len);

			show(out, format, w, s);
			fclose(out);
			/* each of them is in it, by whatever name */
			CHECK(len > NAMES_PER_WORLD * 5);
			check_safe(text, len, true);
			if (format >= REPORT_JSON)
				check_documents(text, format == TRACE_JSON);
		}
	}
	printf("  %zu names in each of %d formats\n", shown, FORMATS);
}
