// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens report: who talks to whom, through what, how much; from the live
 * kernel or from a recording.
 */
#include "cmd/cmd.h"

enum { OPT_SAVE = 2000, OPT_OVERWRITE, OPT_OPS, OPT_ROWS, OPT_MAX_ROWS };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	uint64_t n;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		state->child_inputs[1] = o;
		state->child_inputs[2] = o;
		o->max_ended = WORLD_MAX_ENDED;
		return 0;
	case 'd':
		o->duration_ns = options_duration(state, arg);
		return 0;
	case 'i':
		o->input = options_file(state, "-i", arg);
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case OPT_SAVE:
		o->save = options_file(state, "--save", arg);
		return 0;
	case OPT_OVERWRITE:
		o->overwrite = true;
		return 0;
	case OPT_OPS:
		o->stream_ops = true;
		return 0;
	case OPT_ROWS:
		if (text_parse_u64(arg, 1000000, &n))
			argp_error(state, "'%s' is not a number of rows", arg);
		o->rows = n;
		return 0;
	case OPT_MAX_ROWS:
		if (text_parse_u64(arg, 10000000, &n))
			argp_error(state, "'%s' is not a number of rows", arg);
		o->max_ended = n;
		return 0;
	case ARGP_KEY_END:
		if (o->input && (o->command || o->save || o->duration_ns || o->stuck))
			argp_error(state, "a recording is reported as it is: -i goes without "
				   "a command, --save, --duration and --stuck");
		return 0;
	}
	return options_take_command(key, arg, state);
}

static const struct argp_option options[] = {
	{ "duration", 'd', "TIME", 0, "Observe for this long (default: until Ctrl-C)", 0 },
	{ "input", 'i', "FILE", 0, "Report on a recording", 0 },
	{ "json", 'J', NULL, 0, "One JSON document, schema ipclens.report/1", 0 },
	{ "save", OPT_SAVE, "FILE", 0, "Keep a recording of this run as well", 0 },
	{ "overwrite", OPT_OVERWRITE, NULL, 0, "Replace an existing recording", 0 },
	{ "ops", OPT_OPS, NULL, 0, "Follow every operation: residency times of all flows", 0 },
	{ "rows", OPT_ROWS, "N", 0, "Cut tables after N rows (default: all)", 0 },
	{ "max-rows", OPT_MAX_ROWS, "N", 0,
	  "Sum up channels that are gone beyond N of them (default 2048; 3 KB each)", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_filter, 0, "Which channels to show:", 1 },
	{ &options_live, 0, "How to observe:", 2 },
	{ &options_stuck, 0, NULL, 0 },
	{}
};

static const struct argp parser = {
	options, parse, "[-- COMMAND [ARG...]]",
	"Report the IPC traffic of this host, of a command and its descendants, or of a "
	"recording.\vWith a command: it is observed from its first instruction, and the report "
	"comes when it ends. Where --duration or a signal ends the report earlier, the command "
	"runs on. The exit status is 0 whatever the command's was; the report "
	"tells.\n\nExit status: 0 ok, 1 failure, 2 usage, 3 loss under --strict, 4 not permitted "
	"or impossible on this kernel, 130 interrupted twice.",
	children
};

static int show(const struct options *o, struct world *w)
{
	struct render_options r = options_render(o);

	/* live or replayed, a report on a command is about its tree */
	r.filter.tree_only = w->follows_command;
	world_settle(w);
	options_warn(o, w);
	return output_document(o->json ? render_report_json : render_report_text, w, &r);
}

static bool anything_lost(const struct world *w)
{
	uint64_t lost = w->loss.bad_records;

	for (unsigned i = 0; i < LENS_LOSS_MAX; i++)
		lost += w->loss.count[i];
	return lost;
}

struct summary {
	const struct options *opt;
	struct world *world;
	struct stuck *stuck;
	int status;
};

/* the look at who is stuck is complete */
static void judge(struct world *w, struct stuck *stuck)
{
	stuck->trace = w;
	stuck_settle(stuck);
	w->stuck = stuck;
}

/* shown at once; who waits for the output need not wait for the kernel to detach */
static void on_complete(void *arg)
{
	struct summary *s = arg;

	if (s->stuck && s->stuck->taken_ns)
		judge(s->world, s->stuck);
	s->status = show(s->opt, s->world);
	close(STDOUT_FILENO);
}

static int run_live(const struct options *o)
{
	_cleanup_(world_freep) struct world *w = world_new();
	_cleanup_(stuck_freep) struct stuck *stuck = o->stuck ? stuck_new() : NULL;
	struct summary summary = { .opt = o, .world = w, .stuck = stuck };
	struct session s = {
		.opt = o, .want_samples = true, .totals_ms = 1000, .world = w, .stuck = stuck,
		.record_path = o->save, .on_complete = on_complete, .arg = &summary,
	};
	int status;

	w->max_ended = o->max_ended;
	status = session_run(&s);
	return summary.status != EXIT_OK ? summary.status : status;
}

struct replayed {
	struct world *world;
	struct stuck *stuck;
};

static int take(void *arg, const struct lens_rec *rec)
{
	struct replayed *to = arg;
	struct event ev;
	size_t skip;

	if (stuck_skips(to->stuck, rec))
		return 0;
	if (event_decode(rec, rec->len, &ev, &skip) < 0) {
		to->world->loss.bad_records++;
		return 0;
	}
	world_apply(to->world, &ev);
	stuck_apply(to->stuck, &ev);
	return 0;
}

static int run_replay(const struct options *o)
{
	_cleanup_(world_freep) struct world *w = world_new();
	_cleanup_(stuck_freep) struct stuck *stuck = stuck_new();
	struct replayed to = { .world = w, .stuck = stuck };
	bool damaged = false;
	int status;

	w->max_ended = o->max_ended;
	status = replay(o->input, take, &to, &damaged);
	if (status != EXIT_OK)
		return status;
	if (stuck->taken_ns)
		judge(w, stuck);
	if (stuck->is_foreign)
		log_msg(LOG_WARNING, "what %s tells of who is stuck is of another version of"
			" ipclens, and left out", o->input);
	status = show(o, w);
	if (damaged)
		return EXIT_FAILED;
	return status == EXIT_OK && o->strict && anything_lost(w) ? EXIT_LOSS : status;
}

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};

	options_parse(&parser, argc, argv, &o);
	return o.input ? run_replay(&o) : run_live(&o);
}

const struct cmd cmd_report = {
	"report", "traffic report: flows, channels, back-pressure, coverage and loss", run
};
