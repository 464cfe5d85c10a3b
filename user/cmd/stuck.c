// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens stuck: why does it not move, and who is to blame? One look at the
 * whole host; nothing has to have run before.
 */
#include <signal.h>
#include <time.h>

#include "cmd/cmd.h"
#include "cmd/stuck_since.h"
#include "cmd/stuck_target.h"

#define MS 1000000ull
/* of a look at some 2,000 threads with 20,000 descriptors */
#define LOOK_BYTES (16 << 20)
#define DEFAULT_WATCH_NS (2000 * MS)

enum { OPT_DOT = 2000, OPT_WATCH, OPT_FOR, OPT_STACK };

struct stuck_options {
	struct options common;
	bool dot, watch, all, stack;
	uint64_t between_ns, watch_ns;
};

static uint64_t parse_time(const char *arg, struct argp_state *state)
{
	uint64_t ns;

	if (text_parse_duration(arg, &ns) || ns < MS)
		argp_error(state, "'%s' is not a time of at least 1ms", arg);
	return ns;
}

/* an option's value that may be left out has to be in the same word */
static void refuse_argument(const struct stuck_options *o, const char *arg,
			    struct argp_state *state)
{
	uint64_t ns;

	if (o->watch && !text_parse_duration(arg, &ns))
		argp_error(state, "stuck takes no arguments; an interval is given as --watch=%s",
			   arg);
	else
		argp_error(state, "stuck takes no arguments");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stuck_options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case 'J':
		o->common.json = true;
		return 0;
	case 'i':
		o->common.input = options_file(state, "-i", arg);
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case OPT_DOT:
		o->dot = true;
		return 0;
	case OPT_WATCH:
		o->watch = true;
		o->watch_ns = arg ? parse_time(arg, state) : DEFAULT_WATCH_NS;
		return 0;
	case OPT_STACK:
		o->stack = true;
		return 0;
	case OPT_FOR:
		o->between_ns = parse_time(arg, state);
		return 0;
	case 'v':
		log_set_level(LOG_DEBUG);
		return 0;
	case ARGP_KEY_ARG:
		refuse_argument(o, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (o->dot && o->common.json)
			argp_error(state, "--dot and --json are two formats");
		if (o->common.input && (o->watch || o->between_ns || o->stack))
			argp_error(state, "a recording holds one look and no stacks: -i goes "
				   "without --watch, --for and --stack");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "One JSON document, schema ipclens.stuck/1; with --watch NDJSON: "
	  "a header, then a document in each line", 0 },
	{ "input", 'i', "FILE", 0,
	  "What was stuck at the end of a recording made with --stuck", 0 },
	{ "dot", OPT_DOT, NULL, 0, "The wait-for graph, for graphviz", 0 },
	{ "all", 'a', NULL, 0, "Also what merely waits for a live partner or the outside", 0 },
	{ "for", OPT_FOR, "TIME", 0, "Only what stays blocked for this long (default 20ms)", 0 },
	{ "watch", OPT_WATCH, "INTERVAL", OPTION_ARG_OPTIONAL,
	  "Look again and again (default 2s), and show what is new, changed or gone", 0 },
	{ "stack", OPT_STACK, NULL, 0, "Also where blocked threads are, in their programs "
	  "and in the kernel", 0 },
	{ "verbose", 'v', NULL, 0, "Say more about loading on stderr", 0 },
	{}
};

static const struct argp_child children[] = { { &options_filter, 0, "Which waits to show:", 1 },
					      {} };

static const struct argp parser = {
	options, parse, NULL,
	"Tell which processes are stuck, on what, and who could end it.\v"
	"Exit status 5: a deadlock, dead end, EOF leak, dead owner or stopped peer was found.",
	children
};

/* ---------------------------------------------------------------------- look */

static int take(void *arg, const struct lens_rec *rec)
{
	struct stuck *s = arg;
	struct event ev;
	size_t skip;

	if (stuck_skips(s, rec))
		return 0;
	if (event_decode(rec, rec->len, &ev, &skip) < 0) {
		s->incomplete = true;
		return 0;
	}
	stuck_apply(s, &ev);
	return 0;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* what took how much of a processor, the kernel's part included: others do not show in it */
static void say_cost(uint64_t *since_ns, const char *what)
{
	uint64_t now = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	char text[TEXT_NUM];

	log_msg(LOG_DEBUG, "%s took %s of processor time", what,
		text_duration(text, now - *since_ns));
	*since_ns = now;
}

struct stacks {
	struct stuck *stuck;
	const struct stuck_options *options;
};

static bool wants_stack(void *arg, const struct lens_rec_stack *r)
{
	const struct stacks *w = arg;
	const struct stuck_options *o = w->options;
	const struct render_options show = options_render(&o->common);
	const struct stuck_thread *t =
		stuck_still_blocked(w->stuck, &r->proc, r->tid, r->switches);

	return t && render_stuck_shows_stack(w->stuck, t, &show, o->all || o->common.json);
}

static int take_frames(void *arg, const struct lens_rec *rec)
{
	const struct stacks *w = arg;
	struct event ev;
	size_t skip;

	if (event_decode(rec, rec->len, &ev, &skip) < 0 || ev.type != LENS_REC_FRAMES)
		return -EBADMSG;
	stuck_add_frames(w->stuck, &ev);
	return 0;
}

static int look(struct stuck_live *live, const struct stuck_options *o, struct stuck **ret)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stacks stacks = { s, o };
	uint64_t used = now_ns(CLOCK_PROCESS_CPUTIME_ID), begin;
	int err = stuck_live_look(live, o->between_ns, take, s);
	char text[TEXT_NUM];

	if (err < 0)
		return err;
	say_cost(&used, "reading");
	stuck_settle(s);
	say_cost(&used, "judging");
	begin = now_ns(CLOCK_MONOTONIC);
	if (o->stack)
		err = stuck_live_stacks(live, wants_stack, take_frames, &stacks);
	if (err < 0)
		return err;
	if (o->stack)
		log_msg(LOG_DEBUG, "stacks took %s",
			text_duration(text, now_ns(CLOCK_MONOTONIC) - begin));
	*ret = TAKE_PTR(s);
	return 0;
}

/* true: what is shown is a reason for exit status 5 */
static bool print(FILE *f, const struct stuck *s, const struct stuck_options *o)
{
	struct render_options r = options_render(&o->common);

	if (o->common.json)
		render_stuck_json(f, s, &r);
	else if (o->dot)
		render_stuck_dot(f, s, &r);
	else
		render_stuck_text(f, s, &r, o->all);
	return render_stuck_is_bad(s, &r);
}

static int show(const struct stuck *s, const struct stuck_options *o)
{
	uint64_t used = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	bool bad = print(stdout, s, o);

	say_cost(&used, "printing");
	return bad ? EXIT_STUCK : EXIT_OK;
}

static int run_once(struct stuck_live *live, const struct stuck_options *o)
{
	_cleanup_(stuck_freep) struct stuck *s = NULL;
	int err = look(live, o, &s);

	if (err >= 0)
		err = stuck_target_check(s, &o->common);
	return err < 0 ? options_exit_status(err) : show(s, o);
}

static int run_replay(const struct stuck_options *o)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	bool damaged = false;
	int status = replay(o->common.input, take, s, &damaged);

	if (status != EXIT_OK)
		return status;
	if (s->is_foreign)
		return log_err(EXIT_FAILED, "what %s tells of who is stuck is of another version of"
			       " ipclens: use the one that made it", o->common.input);
	if (!s->taken_ns)
		return log_err(EXIT_FAILED, "%s has no look at who is stuck: record with --stuck",
			       o->common.input);
	s->incomplete |= damaged;
	stuck_settle(s);
	if (stuck_target_check(s, &o->common) < 0)
		return EXIT_FAILED;
	status = show(s, o);
	return damaged ? EXIT_FAILED : status;
}

/* --------------------------------------------------------------------- watch */

#define READER_S 5 /* longer than a look takes where all of it is emulated */

static volatile sig_atomic_t stopped;
static uint64_t stopped_ns;

static void on_alarm(int number)
{
	_exit(EXIT_INTERRUPTED);
}

static void on_signal(int number)
{
	if (stopped && now_ns(CLOCK_MONOTONIC) - stopped_ns >= ONE_REQUEST_NS)
		_exit(EXIT_INTERRUPTED);
	if (stopped)
		return;
	stopped_ns = now_ns(CLOCK_MONOTONIC);
	stopped = 1;
	/* nobody may be there to ask twice; who reads has so long for what is being printed */
	if (number != SIGINT)
		alarm(READER_S);
}

static void catch_signals(void)
{
	/* what is being printed goes on; the pause between two looks ends all the same */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction late = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &late, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
}

struct watch {
	struct stuck_live *live;
	const struct stuck_options *options;
	struct stuck_since *since;
	struct stuck_told *told;
	bool began; /* printed something */
	bool bad;   /* something was wrong at some time */
};

static void watch_fini(struct watch *w)
{
	stuck_since_freep(&w->since);
	stuck_told_freep(&w->told);
}

/* a graph and a document are about all that was found, a text about what differs */
static void print_changes(struct watch *w, const struct stuck *s)
{
	const struct stuck_options *o = w->options;
	struct render_options r = options_render(&o->common);
	bool whole = o->common.json || o->dot;
	bool changed = render_stuck_changes(whole ? NULL : stdout, s, &r, o->all, w->told);

	if (changed && o->common.json && !w->began)
		render_stuck_json_header(stdout, s, o->watch_ns);
	if (changed && o->common.json)
		render_stuck_json_line(stdout, s, &r);
	else if (changed && o->dot)
		render_stuck_dot(stdout, s, &r);
	w->began |= changed;
	w->bad |= render_stuck_is_bad(s, &r);
}

/* one look of many */
static int watch_once(struct watch *w)
{
	_cleanup_(stuck_freep) struct stuck *s = NULL;
	int err = look(w->live, w->options, &s);

	if (err < 0)
		return err;
	/* what ends later is no mistake of who asked */
	if (!w->began)
		err = stuck_target_check(s, &w->options->common);
	if (err < 0)
		return err;
	stuck_since_carry(w->since, s);
	print_changes(w, s);
	if (fflush(stdout))
		return log_err(-EIO, "cannot write the output: %s", strerror(errno));
	return 0;
}

/* until a signal comes; 5 if anything was wrong at any time */
static int run_watch(struct stuck_live *live, const struct stuck_options *o)
{
	struct timespec pause = { .tv_sec = o->watch_ns / 1000000000,
				  .tv_nsec = o->watch_ns % 1000000000 };
	_cleanup_(watch_fini) struct watch w = {
		.live = live,
		.options = o,
		.since = stuck_since_new(),
		.told = stuck_told_new(),
	};
	int err = 0;

	catch_signals();
	while (!stopped && err >= 0) {
		err = watch_once(&w);
		if (err >= 0 && !stopped)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	if (err < 0 && !stopped)
		return options_exit_status(err);
	return w.bad ? EXIT_STUCK : EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct stuck_options o = {};
	const struct sandbox_options sandbox = {};
	_cleanup_(stuck_live_freep) struct stuck_live *live = NULL;
	int err, status;

	options_parse(&parser, argc, argv, &o.common);
	output_in_pieces();
	if (o.common.input) {
		status = run_replay(&o);
		options_fini(&o.common);
		return status;
	}
	if (!o.between_ns)
		o.between_ns = STUCK_BETWEEN_NS;
	err = stuck_live_open(&(struct stuck_live_options){
				      .stacks = o.stack, .arguments = o.common.json }, &live);
	alloc_expect(LOOK_BYTES);
	if (err >= 0)
		err = sandbox_enter(&sandbox);
	if (err < 0)
		status = options_exit_status(err);
	else
		status = o.watch ? run_watch(live, &o) : run_once(live, &o);
	options_fini(&o.common);
	return status;
}

const struct cmd cmd_stuck = {
	"stuck", "who is blocked on what, and who could end it; needs no running trace", run
};
