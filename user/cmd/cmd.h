/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The subcommands: the only place that connects a source, a world and a
 * renderer. One file per subcommand; what they share is a session.
 */
#ifndef LENS_CMD_H
#define LENS_CMD_H

#include <argp.h>

#include "base/base.h"
#include "event/event.h"
#include "model/model.h"
#include "render/render.h"
#include "source/source.h"

/* exit status of the program */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_LOSS = 3,		/* --strict, and something was lost */
	EXIT_IMPOSSIBLE = 4,	/* not permitted, or not possible on this kernel */
	EXIT_STUCK = 5,		/* `stuck` found a deadlock or the like */
	EXIT_INTERRUPTED = 130,	/* second Ctrl-C */
};

/* timeout(1) and shells signal a process and its group: so close together that is one request */
#define ONE_REQUEST_NS 500000000ull

struct cmd {
	const char *name;
	const char *summary;	/* one line for `ipclens --help` */
	int (*run)(int argc, char **argv);
};

extern const struct cmd cmd_report, cmd_trace, cmd_list, cmd_record, cmd_doctor, cmd_demo,
			cmd_stuck;

/* -------------------------------------------------------------- options */

struct strings {
	const char **items;
	size_t count;
};

/* what the command line said; zeroed: nothing */
struct options {
	bool json, strict, tree_only, idle, with_self, stream_ops, feeds_output, overwrite, stuck;
	uint64_t duration_ns;		/* 0: no limit */
	uint64_t sample_ns;
	uint64_t max_events;
	uint32_t max_endpoints, ring_bytes, simulate_drops, rows;
	uint32_t max_ended;		/* channels that are gone, kept one by one */
	const char *input, *output, *save;
	struct strings comms, cgroups, channels, variants;
	uint32_t *pids;
	size_t pid_count;
	uint64_t kinds;
	char **command;			/* after `--`, NULL-terminated, or NULL */
};

void options_fini(struct options *o);

/* groups of options a subcommand can take */
extern const struct argp options_filter;	/* -p --comm -t --cgroup --channel --self --idle */
extern const struct argp options_live;		/* --variant, sizes, --verbose, test aids */
extern const struct argp options_stuck;		/* --stuck */

/*
 * Parses argv for a subcommand; own is its parser (input: struct options *).
 * A usage error exits with 2, --help with 0.
 */
void options_parse(const struct argp *own, int argc, char **argv, struct options *o);
/* arguments left over are the command to run; for a subcommand's parser */
error_t options_take_command(int key, char *arg, struct argp_state *state);
/* the argument of an option that names a file: an empty one is a usage error */
const char *options_file(const struct argp_state *state, const char *option, const char *name);
/* ns that an option says something may take, more than 0 */
uint64_t options_duration(const struct argp_state *state, const char *text);
struct render_options options_render(const struct options *o);
/* warns of what was asked for and does not exist in a settled world */
void options_warn(const struct options *o, const struct world *w);
/* EXIT_* for a negative errno of a source */
int options_exit_status(int err);

/* --------------------------------------------------------------- output */

/*
 * stdout that can be waited for: lines are queued and written as the reader
 * takes them, so that a stuck reader never stops the collector. What exceeds
 * the queue is dropped and counted.
 */
struct output {
	int fd;				/* ours alone and non-blocking where that can be had */
	struct buf pending;
	size_t done;
	uint64_t dropped_lines;
	bool closed;			/* the reader is gone, or writing failed */
	int err;			/* why, 0 for a reader that left */
};

/* before the sandbox: /proc is needed */
void output_init(struct output *o);
/* takes a whole number of lines */
void output_add(struct output *o, const char *text, size_t len);
/* writes what can be written within the time; > 0: some is left */
int output_flush(struct output *o, int timeout_ms);
void output_fini(struct output *o);
/* width of the terminal, or a default for a file or a pipe */
unsigned output_columns(bool tty);
/* what is printed to stdout from now on is written in large pieces, or by fflush(3) */
void output_in_pieces(void);
/* a document rendered by fn to stdout; EXIT_OK, or EXIT_FAILED said on stderr */
int output_document(void (*fn)(FILE *, const struct world *, const struct render_options *),
		    const struct world *w, const struct render_options *opt);

/* operations on stdout as they happen, as text or NDJSON; EXIT_* */
int trace_stream(struct options *o);

/* -------------------------------------------------------------- session */

/* a run over a live kernel, from attach to summary */
struct session {
	const struct options *opt;
	bool want_samples;		/* back-pressure is of interest */
	bool snapshot;			/* the first look is all there is to do */
	unsigned totals_ms;		/* how often totals are read; flushes operations too */
	/* gets every record that decodes, after the world has; may be NULL; > 0 ends the session */
	int (*on_event)(void *arg, const struct event *ev);
	/* runs with every turn of the loop, at least every 100 ms; may be NULL; > 0 as above */
	int (*on_turn)(void *arg);
	/* all records are in, but the hooks not yet gone, which takes the kernel a while */
	void (*on_complete)(void *arg);
	void *arg;
	uint64_t lost[LENS_KIND_MAX];	/* by the kernel side so far, all causes */
	bool unplaced;			/* some operation had no room, none of ours */
	uint64_t finishing_ns;		/* CLOCK_BOOTTIME when the end began, 0 until then */
	struct world *world;		/* given by the caller; NULL: records are only written */
	struct stuck *stuck;		/* gets the look at the end, if the options ask for one */
	struct recording_writer *writer;
	const char *record_path;	/* where records go as well, or NULL */
};

/* EXIT_*; on EXIT_OK and EXIT_LOSS the world is complete, but not settled */
int session_run(struct session *s);
/* what the kernel side or the decoder lost so far, and what had no room; without a world: any? */
uint64_t session_lost(const struct session *s);
/* between the two lists of threads of a look: who did not run in that time is blocked */
#define STUCK_BETWEEN_NS 20000000ull
/*
 * Every intact record of a recording, in a sandbox. EXIT_OK, or EXIT_FAILED said
 * on stderr; *ret_damaged: it is about the intact part only.
 */
int replay(const char *path, source_sink sink, void *arg, bool *ret_damaged);
/* live options from the command line and the mechanisms' variants; choices must outlive it */
struct live_options session_live_options(const struct options *o, struct live_choice **ret_choices);

#endif
