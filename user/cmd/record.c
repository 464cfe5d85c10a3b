// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens record: keep what happens for a later report.
 */
#include "cmd/cmd.h"

enum { OPT_OVERWRITE = 2000, OPT_OPS };

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
	case 'o':
		o->output = options_file(state, "-o", arg);
		return 0;
	case OPT_OVERWRITE:
		o->overwrite = true;
		return 0;
	case OPT_OPS:
		o->stream_ops = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->output)
			argp_error(state, "where to? -o FILE is missing");
		if (o->stuck && !strcmp(o->output, "-"))
			argp_error(state, "a stream has no end to look at: --stuck needs a file");
		return 0;
	}
	return options_take_command(key, arg, state);
}

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0,
	  "The recording to make (mode 0600); - streams NDJSON to stdout, as trace --json", 0 },
	{ "duration", 'd', "TIME", 0, "Observe for this long (default: until Ctrl-C)", 0 },
	{ "overwrite", OPT_OVERWRITE, NULL, 0, "Replace an existing recording", 0 },
	{ "ops", OPT_OPS, NULL, 0, "Keep every operation, not only totals", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_live, 0, "How to observe:", 2 },
	{ &options_stuck, 0, NULL, 0 },
	{}
};

static const struct argp parser = {
	options, parse, "[-- COMMAND [ARG...]]",
	"Record the IPC traffic of this host for `ipclens report -i FILE`.", children
};

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};
	struct session s = { .opt = &o, .want_samples = true, .totals_ms = 1000 };

	options_parse(&parser, argc, argv, &o);
	/* a pipe gets what every program can read, a file what a report can replay */
	if (!strcmp(o.output, "-")) {
		o.json = true;
		return trace_stream(&o);
	}
	s.record_path = o.output;
	return session_run(&s);
}

const struct cmd cmd_record = { "record", "recording for a later report", run };
