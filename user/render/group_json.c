/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Groups as parts of a JSON report. Channels are named by their ids, and are
 * objects of the same document where its filters let them.
 */
#include "render/group.h"

static struct js_value *end_object(const struct world *w, const struct endpoint *e)
{
	struct js_value *o = js_object();
	struct origin origin;

	origin_of(w, e, &origin);
	js_put(o, "process", js_proc_id(e->proc));
	js_put(o, "maps", js_bool(end_mapper(e)->mapped_bytes));
	js_put(o, "how", origin.how ? js_str(origin_word(origin.how)) : NULL);
	js_put(o, "from", js_proc_id(origin.from));
	js_put(o, "over", origin.over ? js_chan_id(origin.over) : NULL);
	js_put(o, "inferred", js_bool(origin.inferred));
	return o;
}

static void add_ends(struct js_value *ends, const struct world *w, const struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++)
		js_add(ends, end_object(w, chan_ends(c)[i]));
}

static struct js_value *member_object(const struct world *w, const struct companion *m)
{
	struct js_value *o = js_object(), *ends = js_array();

	js_put(o, "channel", js_chan_id(m->chan));
	js_put(o, "type", js_str(event_kind_name(m->chan->key.kind)));
	js_put(o, "name", js_chan_name(m->chan));
	js_put(o, "sent", js_u64(m->sent));
	js_put(o, "received", js_u64(m->received));
	js_put(o, "in_flight", js_u64(m->in_flight));
	js_put(o, "inferred", js_bool(m->inferred));
	add_ends(ends, w, m->chan);
	if (m->chan->peer)
		add_ends(ends, w, m->chan->peer);
	js_put(o, "endpoints", ends);
	return o;
}

static struct js_value *group_object(const struct world *w, const struct group *g)
{
	struct js_value *o = js_object(), *members = js_array();

	js_put(o, "socket", js_chan_id(g->socket));
	js_put(o, "type", js_str(event_kind_name(g->socket->key.kind)));
	js_put(o, "name", js_chan_name(g->socket));
	for (size_t i = 0; i < g->count; i++)
		js_add(members, member_object(w, &g->members[i]));
	js_put(o, "members", members);
	return o;
}

void js_doc_groups(struct js_doc *d, const struct world *w, const struct render_filter *f)
{
	struct group g;
	size_t at = 0;

	js_doc_array(d, "groups");
	while (group_next(w, f, &at, &g)) {
		js_doc_add(d, group_object(w, &g));
		group_fini(&g);
	}
	js_doc_array_end(d);
}
