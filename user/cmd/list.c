// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens list: every channel that exists now, with both ends and its depth.
 */
#include "cmd/cmd.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		state->child_inputs[1] = o;
		state->child_inputs[2] = o;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "list takes no arguments");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "One JSON document, schema ipclens.list/1", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_filter, 0, "Which channels to show:", 1 },
	{ &options_live, 0, "How to observe:", 2 },
	{ &options_stuck, 0, NULL, 0 },
	{}
};

static const struct argp parser = {
	options, parse, NULL,
	"List the IPC channels that exist now, with both ends, depth and capacity.", children
};

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};
	_cleanup_(world_freep) struct world *w = world_new();
	_cleanup_(stuck_freep) struct stuck *stuck = stuck_new();
	struct session s = { .opt = &o, .snapshot = true, .world = w, .stuck = stuck };
	struct render_options r;
	int status, shown;

	options_parse(&parser, argc, argv, &o);
	o.idle = true;
	if (log_level() < LOG_DEBUG)
		log_set_level(LOG_WARNING);
	status = session_run(&s);
	if (status != EXIT_OK && status != EXIT_LOSS)
		return status;
	world_settle(w);
	if (stuck->taken_ns) {
		stuck_settle(stuck);
		w->stuck = stuck;
	}
	options_warn(&o, w);
	r = options_render(&o);
	shown = output_document(o.json ? render_list_json : render_list_text, w, &r);
	return shown != EXIT_OK ? shown : status;
}

const struct cmd cmd_list = {
	"list", "snapshot of all channels with both ends, depth and capacity", run
};
