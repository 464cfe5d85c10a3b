/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `ipclens report --json`: one document of schema ipclens.report/1. Channels
 * and flows stand in the order in which they were first heard of, so that a
 * replay prints the same bytes as the live run.
 */
#include <sys/wait.h>

#include "render/group.h"
#include "render/json.h"

static struct js_value *command_object(const struct world *w)
{
	struct js_value *o = js_object();

	if (WIFSIGNALED(w->command_status))
		js_put(o, "signal", js_i64(WTERMSIG(w->command_status)));
	else
		js_put(o, "exit_status", js_i64(WEXITSTATUS(w->command_status)));
	return o;
}

static struct js_value *residency_object(const struct flow *flow)
{
	struct js_value *o;

	if (!flow->has_residency)
		return NULL;
	o = js_object();
	js_put(o, "p50", js_u64(flow->p50_ns));
	js_put(o, "p99", js_u64(flow->p99_ns));
	js_put(o, "max", js_u64(flow->max_ns));
	return o;
}

static struct js_value *flow_object(const struct world *w, const struct flow *flow)
{
	struct js_value *o = js_object();
	uint64_t rate;

	js_put(o, "from", js_proc_id(flow->from));
	js_put(o, "to", js_proc_id(flow->to));
	js_put(o, "channel", js_chan_id(flow->chan));
	js_put(o, "type", js_str(event_kind_name(flow->chan->key.kind)));
	/* of a connection: the half where it was read */
	if (flow->chan->peer)
		js_put(o, "half", js_u64(flow->chan->is_second));
	js_put(o, "messages", js_u64(flow->messages));
	js_put_moved(o, flow->chan->key.kind, flow->bytes);
	js_put(o, "rate_bytes_per_s", event_kind_has_bytes(flow->chan->key.kind) &&
	       flow_rate(w, flow, &rate) ? js_u64(rate) : NULL);
	js_put(o, "exact", js_bool(flow->exact));
	if (!flow->exact)
		js_put(o, "why", js_str(flow->why ? flow->why : "unknown"));
	js_put(o, "residency_ns", residency_object(flow));
	return o;
}

/* sums over what the document shows, so that a reader can check them */
static struct js_value *totals_object(const struct view *v)
{
	uint64_t bytes[LENS_DIR_MAX] = {}, msgs[LENS_DIR_MAX] = {};
	uint64_t ops = 0, errors = 0, unaccounted = 0;
	struct js_value *o = js_object();

	for (size_t i = 0; i < v->chan_count; i++) {
		const struct chan *c = v->chans[i].chan;

		for (size_t j = 0; j < c->end_count; j++)
			for (int dir = 0; dir < LENS_DIR_MAX; dir++) {
				const struct endpoint *e = chan_ends(c)[j];
				const struct lens_total *total = &end_side(e, dir)->total;

				if (event_kind_has_bytes(c->key.kind))
					bytes[dir] += total->bytes;
				msgs[dir] += total->msgs;
				ops += total->ops;
				errors += total->errors;
			}
		/* what is missing here is not made good by a surplus there */
		if (!chan_ledger(c)->known || !event_kind_has_bytes(c->key.kind))
			continue;
		if (chan_ledger(c)->unaccounted < 0)
			unaccounted -= (uint64_t)chan_ledger(c)->unaccounted;
		else
			unaccounted += (uint64_t)chan_ledger(c)->unaccounted;
	}
	js_put(o, "channels", js_u64(v->chan_count));
	js_put(o, "flows", js_u64(v->flow_count));
	js_put(o, "operations", js_u64(ops));
	js_put(o, "errors", js_u64(errors));
	js_put(o, "messages_written", js_u64(msgs[LENS_WRITE]));
	js_put(o, "messages_read", js_u64(msgs[LENS_READ]));
	js_put(o, "bytes_written", js_u64(bytes[LENS_WRITE]));
	js_put(o, "bytes_read", js_u64(bytes[LENS_READ]));
	js_put(o, "bytes_unaccounted", js_u64(unaccounted));
	return o;
}

/* our own traffic is not shown, but that there was some is no secret */
static struct js_value *left_out_object(const struct view *v)
{
	struct js_value *o = js_object();

	js_put(o, "channels", js_u64(v->own_chans));
	js_put(o, "flows", js_u64(v->own_flows));
	js_put(o, "bytes", js_u64(v->own_bytes));
	return o;
}

void render_report_json(FILE *out, const struct world *w, const struct render_options *opt)
{
	_cleanup_(view_fini) struct view v = {};
	struct js_doc d;

	view_report(&v, w, &opt->filter);
	js_doc_begin(&d, out, "ipclens.report/1");
	js_doc_put(&d, "host", js_host(w));
	js_doc_put(&d, "interval", js_interval(w));
	js_doc_put(&d, "complete", js_bool(w->complete));
	if (w->has_command)
		js_doc_put(&d, "command", command_object(w));
	js_doc_put(&d, "coverage", js_coverage(w));
	js_doc_put(&d, "loss", js_loss(w));
	js_doc_entities(&d, w, &v, &opt->filter, true);
	js_doc_array(&d, "flows");
	for (size_t i = 0; i < v.flow_count; i++)
		js_doc_add(&d, flow_object(w, v.flows[i]));
	js_doc_array_end(&d);
	js_doc_groups(&d, w, &opt->filter);
	js_doc_folded(&d, w, &v);
	js_doc_put(&d, "totals", totals_object(&v));
	js_doc_put(&d, "left_out_own_traffic", left_out_object(&v));
	js_doc_end(&d);
}
