/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The part of a world that one document shows: which channels and flows pass
 * the filters, and how much of our own traffic was left out.
 */
#ifndef LENS_RENDER_VIEW_H
#define LENS_RENDER_VIEW_H

#include "render/render.h"

struct view_chan {
	const struct chan *chan;	/* of a connection both halves as one */
	struct chan *whole;		/* ... which is ours to free */
};

struct view {
	struct view_chan *chans;	/* first heard first */
	size_t chan_count;
	size_t memory_first, memory_end;	/* after view_split(): where shared memory is */
	const struct flow **flows;	/* first heard first */
	size_t flow_count;
	const struct fold **folds;	/* summed up: gone, and no longer told apart */
	size_t fold_count;
	uint64_t unfiltered_chans;	/* summed up, and the filter asks for more than names */
	uint64_t unfiltered_ops;	/* likewise, of channels that had no room */
	/* left out: files that everybody maps shared, and nobody to write */
	uint64_t read_only_files, read_only_mappers;
	/* left out: what ipclens itself does, or carries its output */
	uint64_t own_chans, own_flows, own_bytes;
};

/* report: what moved; list: what exists at the last look */
void view_report(struct view *v, const struct world *w, const struct render_filter *f);
void view_list(struct view *v, const struct world *w, const struct render_filter *f);
void view_fini(struct view *v);
/* most bytes first, ties as first heard of */
void view_sort(struct view *v);

/* shared memory goes behind all other channels, which keep their order, as it does */
void view_split(struct view *v);

/* the processes that stand in the view, and the command's tree if the filter asks for it */
const struct proc **view_procs(const struct view *v, const struct world *w,
			       const struct render_filter *f, size_t *ret_count);

/* the filters alone, whoever's traffic it is */
bool filter_matches_chan(const struct chan *c, const struct render_filter *f);
/* the ends of a flow; its channel is a question of its own */
bool filter_matches_flow(const struct flow *flow, const struct render_filter *f);
/* of what was summed up; *ret_known false: what is known of its ends does not tell */
bool filter_matches_fold(const struct fold *fold, const struct render_filter *f, bool *ret_known);
/* of a channel by its id, or its name of so many bytes */
bool filter_matches_name(const char *id, const char *name, size_t len,
			 const struct render_filter *f);
bool filter_matches_proc(const struct proc *p, const struct render_filter *f);
/* false: everything passes */
bool filter_is_set(const struct render_filter *f);

uint64_t world_duration_ns(const struct world *w);
/* false: the interval has no length */
bool flow_rate(const struct world *w, const struct flow *flow, uint64_t *ret_bytes_per_s);

/* a file nobody may change through its mappings: locale archives, caches */
bool chan_is_read_only_file(const struct chan *c);
bool chan_has_traffic(const struct chan *c);
uint64_t chan_bytes(const struct chan *c, enum lens_dir dir);

#endif
