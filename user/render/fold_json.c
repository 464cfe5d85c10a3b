// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What was summed up and forgotten, as JSON of schema version 1. Absent from a
 * document whose world has forgotten nothing.
 */
#include "render/json.h"

static struct js_value *names_object(const struct fold *f, enum lens_dir dir)
{
	const struct fold_names *n = &f->names[dir];
	static const char *const counts[] = {
		[FOLD_NOBODY] = "none", [FOLD_ONE] = "one", [FOLD_SEVERAL] = "several",
	};
	struct js_value *o = js_object();

	js_put(o, "names", js_str(counts[n->count]));
	js_put(o, "comm", n->count == FOLD_ONE ? js_str(n->comm) : NULL);
	if (f->proc && n->count == FOLD_ONE)
		js_put(o, "process", js_proc_id(f->proc));
	return o;
}

static struct js_value *total_object(const struct fold *f, enum lens_dir dir)
{
	struct js_value *o = js_object();

	js_put(o, "operations", js_u64(f->total[dir].ops));
	js_put(o, "messages", js_u64(f->total[dir].msgs));
	js_put_moved(o, f->kind, f->total[dir].bytes);
	js_put(o, "errors", js_u64(f->total[dir].errors));
	js_put(o, "short_operations", js_u64(f->total[dir].shorts));
	js_put(o, "blocked_ns", js_u64(f->blocked_ns[dir]));
	return o;
}

static struct js_value *fold_object(const struct fold *f)
{
	struct js_value *o = js_object();

	js_put(o, "type", js_str(event_kind_name(f->kind)));
	js_put(o, "from", names_object(f, LENS_WRITE));
	js_put(o, "to", names_object(f, LENS_READ));
	js_put(o, "in_tree", js_bool(f->in_tree));
	if (f->unplaced)
		js_put(o, "unplaced", js_bool(true));
	js_put(o, "channels", js_u64(f->channels));
	js_put(o, "flows", js_u64(f->flows));
	js_put(o, "inexact_flows", js_u64(f->inexact_flows));
	js_put(o, "write", total_object(f, LENS_WRITE));
	js_put(o, "read", total_object(f, LENS_READ));
	js_put(o, "ledger", js_ledger(&f->ledger, f->kind));
	js_put(o, "unaccounted_bytes", js_u64(f->unaccounted_bytes));
	js_put(o, "unaccounted_messages", js_u64(f->unaccounted_msgs));
	return o;
}

void js_doc_folded(struct js_doc *d, const struct world *w, const struct view *v)
{
	if (!hash_count(w->folds) && !w->folded_procs)
		return;
	js_doc_array(d, "folded");
	for (size_t i = 0; i < v->fold_count; i++)
		js_doc_add(d, fold_object(v->folds[i]));
	js_doc_array_end(d);
	/* of those only names are known, so nobody can say whether the filter wants them */
	js_doc_put(d, "folded_channels_not_filtered", js_u64(v->unfiltered_chans));
	if (v->unfiltered_ops)
		js_doc_put(d, "unplaced_not_filtered", js_u64(v->unfiltered_ops));
	js_doc_put(d, "folded_processes", js_u64(w->folded_procs));
}
