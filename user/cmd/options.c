// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The command line: options that several subcommands take, with one meaning
 * each. Long names everywhere, short ones only where other tools agree.
 */
#include "cmd/cmd.h"

enum {
	OPT_COMM = 1000, OPT_CGROUP, OPT_CHANNEL, OPT_SELF, OPT_IDLE,
	OPT_VARIANT, OPT_MAX_CHANNELS, OPT_RING_SIZE, OPT_STRICT, OPT_SAMPLE, OPT_DROPS, OPT_STUCK,
};

static void strings_add(struct strings *s, const char *item)
{
	s->items = xrealloc(s->items, s->count + 2, sizeof(*s->items));
	s->items[s->count++] = item;
	s->items[s->count] = NULL;
}

void options_fini(struct options *o)
{
	free(o->comms.items);
	free(o->cgroups.items);
	free(o->channels.items);
	free(o->variants.items);
	free(o->pids);
}

/* ------------------------------------------------------------------ filter */

static void parse_pids(struct options *o, const char *arg, struct argp_state *state)
{
	_cleanup_free_ char *copy = xstrdup(arg);
	char *rest = copy, *item;
	uint64_t pid;

	while ((item = strsep(&rest, ","))) {
		if (text_parse_u64(item, INT32_MAX, &pid) || !pid)
			argp_error(state, "'%s' is not a process id", item);
		o->pids = xrealloc(o->pids, o->pid_count + 1, sizeof(*o->pids));
		o->pids[o->pid_count++] = pid;
	}
}

static void parse_kinds(struct options *o, const char *arg, struct argp_state *state)
{
	_cleanup_free_ char *copy = xstrdup(arg);
	char *rest = copy, *item;
	unsigned kind;

	while ((item = strsep(&rest, ","))) {
		kind = event_kind_by_name(item);
		if (kind == LENS_KIND_NONE)
			argp_error(state, "'%s' is no type of channel; --help lists them", item);
		o->kinds |= 1ull << kind;
	}
}

static error_t parse_filter(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p':
		parse_pids(o, arg, state);
		return 0;
	case 't':
		parse_kinds(o, arg, state);
		return 0;
	case OPT_COMM:
		strings_add(&o->comms, arg);
		return 0;
	case OPT_CGROUP:
		strings_add(&o->cgroups, arg);
		return 0;
	case OPT_CHANNEL:
		strings_add(&o->channels, arg);
		return 0;
	case OPT_SELF:
		o->with_self = true;
		return 0;
	case OPT_IDLE:
		o->idle = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option filter_options[] = {
	{ "pid", 'p', "PID[,PID...]", 0, "Channels with this process at an end", 1 },
	{ "comm", OPT_COMM, "PATTERN", 0,
	  "Channels with a process of this name (shell pattern) at an end", 1 },
	{ "cgroup", OPT_CGROUP, "PATH", 0,
	  "Channels with a process in this cgroup or below at an end", 1 },
	{ "type", 't', "TYPE[,TYPE...]", 0, "Channels of these types: ", 1 },
	{ "channel", OPT_CHANNEL, "NAME", 0, "The channel of this id or name (shell pattern)", 1 },
	{ "idle", OPT_IDLE, NULL, 0, "Show channels without traffic too", 1 },
	{ "self", OPT_SELF, NULL, 0, "Show ipclens' own traffic too", 1 },
	{ NULL, 0, NULL, 0, "(of several values of one of these any will do; where several options "
	  "ask for a process, all of them have to hold for the same one)", 2 },
	{}
};

/* which types there are says the table of them; what is returned is argp's to free */
static char *complete_help(int key, const char *text, void *input)
{
	_cleanup_(buf_fini) struct buf help = { 0 };

	if (key != 't' || !text)
		return (char *)text;
	buf_puts(&help, text);
	for (unsigned kind = LENS_KIND_NONE + 1; kind < LENS_KIND_MAX; kind++) {
		buf_puts(&help, kind > LENS_KIND_NONE + 1 ? ", " : "");
		buf_puts(&help, event_kind_name(kind));
	}
	return xstrdup(help.data);
}

const struct argp options_filter = {
	.options = filter_options, .parser = parse_filter, .help_filter = complete_help,
};

/* -------------------------------------------------------------------- live */

static uint64_t parse_number(const char *arg, uint64_t min, uint64_t max, const char *what,
			     struct argp_state *state)
{
	uint64_t n;

	if (text_parse_u64(arg, max, &n) || n < min)
		argp_error(state, "'%s' is not a valid %s (%llu to %llu)", arg, what,
			   (unsigned long long)min, (unsigned long long)max);
	return n;
}

static error_t parse_live(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	uint64_t n;

	switch (key) {
	case OPT_VARIANT:
		strings_add(&o->variants, arg);
		return 0;
	case OPT_MAX_CHANNELS:
		o->max_endpoints = parse_number(arg, 16, 1u << 24, "number of entries", state);
		return 0;
	case OPT_RING_SIZE:
		if (text_parse_size(arg, &n) || n < 4096 || n > 1u << 30 || n & (n - 1))
			argp_error(state, "'%s' is not a power of two from 4K to 1G", arg);
		o->ring_bytes = n;
		return 0;
	case OPT_SAMPLE:
		if (text_parse_duration(arg, &n) || n < 1000000 || n > 10000000000ull)
			argp_error(state, "'%s' is not a time from 1ms to 10s", arg);
		o->sample_ns = n;
		return 0;
	case OPT_STRICT:
		o->strict = true;
		return 0;
	case OPT_DROPS:
		o->simulate_drops = parse_number(arg, 2, UINT32_MAX, "interval", state);
		return 0;
	case 'v':
		log_set_level(LOG_DEBUG);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option live_arg_options[] = {
	{ "strict", OPT_STRICT, NULL, 0, "Exit with 3 if anything was lost", 2 },
	{ "sample", OPT_SAMPLE, "TIME", 0, "Look for blocked calls this often (default 50ms)", 2 },
	{ "max-channels", OPT_MAX_CHANNELS, "N", 0,
	  "Entries of the totals table: channels x processes x directions (default 32768)", 2 },
	{ "ring-size", OPT_RING_SIZE, "BYTES", 0,
	  "Event buffers, a power of two (default 2M, and 4M for operations)", 2 },
	{ "variant", OPT_VARIANT, "GROUP=NAME", 0, "Force a hook variant (see doctor)", 2 },
	{ "simulate-drops", OPT_DROPS, "N", 0, "Lose every n-th event record, for tests", 2 },
	{ "verbose", 'v', NULL, 0, "Say more about loading on stderr", 2 },
	{}
};

const struct argp options_live = { live_arg_options, parse_live };

/* ------------------------------------------------------------------- stuck */

static error_t parse_stuck(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key != OPT_STUCK)
		return ARGP_ERR_UNKNOWN;
	o->stuck = true;
	return 0;
}

static const struct argp_option stuck_options[] = {
	{ "stuck", OPT_STUCK, NULL, 0,
	  "At the end look at who is stuck, as `ipclens stuck` does", 0 },
	{}
};

const struct argp options_stuck = { stuck_options, parse_stuck };

/* ---------------------------------------------------------------- everyone */

const char *options_file(const struct argp_state *state, const char *option, const char *name)
{
	if (!*name)
		argp_error(state, "%s was given an empty name (an unset variable?); name a file, "
			   "as in %s trace.lens", option, option);
	return name;
}

uint64_t options_duration(const struct argp_state *state, const char *text)
{
	uint64_t ns;

	if (text_parse_duration(text, &ns) || !ns)
		argp_error(state, "'%s' is not a duration such as 10s or 500ms", text);
	return ns;
}

error_t options_take_command(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	/* what was to be observed is not the whole host */
	if (key == ARGP_KEY_NO_ARGS && !strcmp(state->argv[state->argc - 1], "--"))
		argp_error(state, "no command comes after -- (an unset variable?); name one, or "
			   "leave -- out to observe the host");
	if (key != ARGP_KEY_ARGS)
		return ARGP_ERR_UNKNOWN;
	o->command = state->argv + state->next;
	state->next = state->argc;
	return 0;
}

void options_parse(const struct argp *own, int argc, char **argv, struct options *o)
{
	o->sample_ns = 50000000;
	argp_err_exit_status = EXIT_USAGE;
	/* in order: the first word that is no option begins the command to run */
	if (argp_parse(own, argc, argv, ARGP_IN_ORDER, NULL, o))
		exit(EXIT_USAGE);
}

void options_warn(const struct options *o, const struct world *w)
{
	for (size_t i = 0; i < o->cgroups.count; i++)
		if (!render_has_cgroup(w, o->cgroups.items[i]))
			log_msg(LOG_WARNING, "no process was in cgroup %s or below; "
				"/proc/PID/cgroup shows after 0:: how to name one",
				o->cgroups.items[i]);
}

struct render_options options_render(const struct options *o)
{
	struct render_options r = {
		.filter = {
			.pids = o->pids, .pid_count = o->pid_count,
			.comms = o->comms.items, .comm_count = o->comms.count,
			.cgroups = o->cgroups.items, .cgroup_count = o->cgroups.count,
			.channels = o->channels.items, .channel_count = o->channels.count,
			.kinds = o->kinds, .tree_only = o->tree_only,
			.with_self = o->with_self, .idle = o->idle,
		},
		.rows = o->rows,
	};
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	bool tty = isatty(STDOUT_FILENO);

	r.colour = tty && !(no_colour && *no_colour) && !(term && !strcmp(term, "dumb"));
	r.width = output_columns(tty);
	return r;
}

int options_exit_status(int err)
{
	if (err >= 0)
		return EXIT_OK;
	return err == -EPERM || err == -EOPNOTSUPP ? EXIT_IMPOSSIBLE : EXIT_FAILED;
}
