/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A const world as text or JSON (schema: version 1, see README). Every string
 * of a traced process goes through text_escape(). No renderer changes the
 * world, reads a clock or knows where the world came from.
 */
#ifndef LENS_RENDER_H
#define LENS_RENDER_H

#include "base/base.h"
#include "model/model.h"

/* what a report shows; a zeroed one shows everything */
struct render_filter {
	const uint32_t *pids;		/* either end matches, host or innermost pid */
	size_t pid_count;
	const char *const *comms;	/* shell patterns, fnmatch(3) */
	size_t comm_count;
	const char *const *cgroups;	/* the path or a prefix of it */
	size_t cgroup_count;
	const char *const *channels;	/* id, name or pattern of a name */
	size_t channel_count;
	uint64_t kinds;			/* bit per enum lens_kind; 0 = all */
	bool tree_only;			/* only what the command's tree touched */
	bool with_self;			/* ipclens' own traffic too */
	bool idle;			/* channels without traffic too (list: always) */
};

bool render_wants_chan(const struct world *w, const struct chan *c, const struct render_filter *f);
/* is or was a process there in that cgroup or below? */
bool render_has_cgroup(const struct world *w, const char *cgroup);

struct render_options {
	struct render_filter filter;
	bool colour;
	unsigned width;			/* columns, 0 = unlimited */
	unsigned rows;			/* text tables are cut here, saying so; 0 = all */
};

void render_report_text(FILE *out, const struct world *w, const struct render_options *opt);
void render_report_json(FILE *out, const struct world *w, const struct render_options *opt);
void render_list_text(FILE *out, const struct world *w, const struct render_options *opt);
void render_list_json(FILE *out, const struct world *w, const struct render_options *opt);

/* who waits for what; all: also those that merely wait */
void render_stuck_text(FILE *out, const struct stuck *s, const struct render_options *opt,
		       bool all);
void render_stuck_json(FILE *out, const struct stuck *s, const struct render_options *opt);
/* the same as lines of a stream, whose first one this is */
void render_stuck_json_header(FILE *out, const struct stuck *s, uint64_t watch_ns);
void render_stuck_json_line(FILE *out, const struct stuck *s, const struct render_options *opt);
void render_stuck_dot(FILE *out, const struct stuck *s, const struct render_options *opt);
/* what was told of looks before */
struct stuck_told;
struct stuck_told *stuck_told_new(void);
void stuck_told_freep(struct stuck_told **told);
/*
 * What is new, changed or gone since the look that was told before, all of the first one.
 * Returns whether there is anything to tell; out may be NULL, to know just that.
 */
bool render_stuck_changes(FILE *out, const struct stuck *s, const struct render_options *opt,
			  bool all, struct stuck_told *told);
/* something that is shown is a reason for exit status 5 */
bool render_stuck_is_bad(const struct stuck *s, const struct render_options *opt);
/* a process that has not ended matches */
bool render_stuck_has(const struct stuck *s, const struct render_filter *f);
/* a root is shown with the waits it is about */
bool render_stuck_shows_root(const struct stuck *s, const struct stuck_root *r,
			     const struct render_options *opt);
/* it may be shown where a thread is; all: also if it merely waits */
bool render_stuck_shows_stack(const struct stuck *s, const struct stuck_thread *t,
			      const struct render_options *opt, bool all);

/* trace: header line (NDJSON only), one line per operation, loss lines */
void render_trace_header(FILE *out, const struct world *w, bool json);
void render_trace_op(FILE *out, const struct world *w, const struct render_options *opt,
		     const struct lens_op *op, bool json);
/* what the record just applied has changed of shared memory; a line for each object */
void render_trace_map(FILE *out, const struct world *w, const struct render_options *opt,
		      const struct event *ev, bool json);
/* a line about a descriptor that was sent or received; ev is a PASS record, and was applied */
void render_trace_pass(FILE *out, const struct world *w, const struct render_options *opt,
		       const struct event *ev, bool json);
void render_trace_loss(FILE *out, const struct world *w, bool json);

#endif
