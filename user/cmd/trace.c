// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens trace: one line per operation, with both ends, as it happens.
 */
#include <time.h>

#include "cmd/cmd.h"

enum { OPT_MAX_EVENTS = 2000 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		state->child_inputs[1] = o;
		return 0;
	case 'd':
		o->duration_ns = options_duration(state, arg);
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case 'n':
		if (text_parse_u64(arg, UINT64_MAX, &o->max_events) || !o->max_events)
			argp_error(state, "'%s' is not a number of events", arg);
		return 0;
	}
	return options_take_command(key, arg, state);
}

static const struct argp_option options[] = {
	{ "duration", 'd', "TIME", 0, "Observe for this long (default: until Ctrl-C)", 0 },
	{ "json", 'J', NULL, 0, "NDJSON, schema ipclens.trace/1", 0 },
	{ "max-events", 'n', "N", 0, "Stop after N operations", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_filter, 0, "Which channels to show:", 1 },
	{ &options_live, 0, "How to observe:", 2 },
	{}
};

static const struct argp parser = {
	options, parse, "[-- COMMAND [ARG...]]",
	"Show every operation on an IPC channel as it happens, with both ends.\v"
	"Operations come in batches; a line appears within 0.2 seconds.", children
};

struct trace {
	const struct options *opt;
	struct render_options render;
	struct world *world;
	struct output out;
	FILE *line;		/* renders into text */
	char *text;
	size_t text_len;
	const struct session *session;
	uint64_t shown, lost_said, finish_ns;
	bool done;
};

/* what is left to show when the end comes takes this long to print, then the end has come */
#define FINISH_NS 1000000000ull

/* of this process, since a busy host is no reason to leave anything out */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* moves what was rendered to the output queue */
static uint64_t push(struct trace *t)
{
	uint64_t len;

	fflush(t->line);
	len = t->text_len;
	output_add(&t->out, t->text, len);
	rewind(t->line);
	return len;
}

/* hands a line on, if there is one */
static void count_shown(struct trace *t)
{
	if (push(t) && t->opt->max_events && ++t->shown >= t->opt->max_events)
		t->done = true;
}

static void show(struct trace *t, const struct event *ev)
{
	uint64_t begin_ns = t->session->finishing_ns ? cpu_ns() : 0;

	if (t->finish_ns > FINISH_NS) {
		t->world->loss.not_shown += ev->lens_rec_ops->count;
		return;
	}
	for (uint32_t i = 0; i < ev->lens_rec_ops->count && !t->done; i++) {
		render_trace_op(t->line, t->world, &t->render, &ev->ops[i], t->opt->json);
		count_shown(t);
	}
	/* a look at a crowded host takes its time, too, which is nobody's fault here */
	if (begin_ns)
		t->finish_ns += cpu_ns() - begin_ns;
}

static int on_event(void *arg, const struct event *ev)
{
	struct trace *t = arg;

	if (ev->type == LENS_REC_MARK && ev->lens_rec_mark->mark == LENS_MARK_ATTACHED) {
		render_trace_header(t->line, t->world, t->opt->json);
		push(t);
	}
	/* the last of a round of loss records */
	if (ev->type == LENS_REC_LOSS && ev->lens_rec_loss->kind == LENS_KIND_MAX - 1 &&
	    session_lost(t->session) > t->lost_said) {
		t->lost_said = session_lost(t->session);
		render_trace_loss(t->line, t->world, t->opt->json);
		push(t);
	}
	/* the loop ends after this turn, in which more may come */
	if (t->done)
		return t->done;
	if (ev->type == LENS_REC_MAP) {
		render_trace_map(t->line, t->world, &t->render, ev, t->opt->json);
		count_shown(t);
	}
	if (ev->type == LENS_REC_PASS) {
		render_trace_pass(t->line, t->world, &t->render, ev, t->opt->json);
		count_shown(t);
	}
	if (ev->type == LENS_REC_OPS)
		show(t, ev);
	return t->done;
}

static int on_turn(void *arg)
{
	struct output *out = &((struct trace *)arg)->out;

	output_flush(out, 0);
	return out->closed;
}

static int finish(struct trace *t, int status)
{
	if (t->world->start_ns) {
		render_trace_loss(t->line, t->world, t->opt->json);
		push(t);
	}
	/* a reader gets a second for the rest, a stuck one no more */
	output_flush(&t->out, 1000);
	if (t->out.dropped_lines)
		log_msg(LOG_WARNING, "%llu lines were dropped: the output is read too slowly",
			(unsigned long long)t->out.dropped_lines);
	if (t->world->loss.not_shown)
		log_msg(LOG_WARNING, "%llu last operations were not shown",
			(unsigned long long)t->world->loss.not_shown);
	if (t->out.err)
		return log_err(EXIT_FAILED, "cannot write the output: %s", strerror(-t->out.err));
	/* a line that did not come out is as lost as a record */
	if (status == EXIT_OK && t->opt->strict && t->out.dropped_lines + t->world->loss.not_shown)
		return EXIT_LOSS;
	return status;
}

int trace_stream(struct options *o)
{
	_cleanup_(world_freep) struct world *w = world_new();
	struct trace t = { .opt = o, .world = w };
	struct session s = {
		.opt = o, .totals_ms = 100, .world = w, .arg = &t,
		.on_event = on_event, .on_turn = on_turn,
	};
	int status;

	o->stream_ops = o->feeds_output = true;
	o->tree_only = o->command != NULL;
	t.render = options_render(o);
	t.session = &s;
	output_init(&t.out);
	/* before the sandbox closes the file system */
	tzset();
	t.line = open_memstream(&t.text, &t.text_len);
	if (!t.line)
		return log_err(EXIT_FAILED, "out of memory");
	status = finish(&t, session_run(&s));
	fclose(t.line);
	free(t.text);
	output_fini(&t.out);
	return status;
}

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};

	options_parse(&parser, argc, argv, &o);
	return trace_stream(&o);
}

const struct cmd cmd_trace = { "trace", "live lines, one per operation, with both ends", run };
