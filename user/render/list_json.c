/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens list --json`: the channels that exist, as one document of schema
 * ipclens.list/1. The objects are those of a report, without traffic.
 */
#include "render/json.h"

void render_list_json(FILE *out, const struct world *w, const struct render_options *opt)
{
	_cleanup_(view_fini) struct view v = {};
	struct js_doc d;

	view_list(&v, w, &opt->filter);
	js_doc_begin(&d, out, "ipclens.list/1");
	js_doc_put(&d, "host", js_host(w));
	js_doc_put(&d, "interval", js_interval(w));
	js_doc_put(&d, "complete", js_bool(w->complete));
	js_doc_put(&d, "coverage", js_coverage(w));
	js_doc_put(&d, "loss", js_loss(w));
	js_doc_entities(&d, w, &v, &opt->filter, false);
	js_doc_end(&d);
}
