/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which groups a document shows: those of which the socket or a member passes its
 * filters. The socket may have done nothing since the start.
 */
#include "render/group.h"

const char *origin_word(enum origin_how how)
{
	static const char *const words[] = {
		[ORIGIN_UNKNOWN] = NULL, [ORIGIN_CREATED] = "created",
		[ORIGIN_OPENED] = "opened", [ORIGIN_INHERITED] = "inherited",
		[ORIGIN_RECEIVED] = "received", [ORIGIN_FETCHED] = "pidfd_getfd",
	};

	return words[how];
}

static bool is_wanted(const struct world *w, const struct group *g, const struct render_filter *f)
{
	bool wanted = render_wants_chan(w, g->socket, f);

	for (size_t i = 0; i < g->count && !wanted; i++)
		wanted = render_wants_chan(w, g->members[i].chan, f);
	return wanted;
}

bool group_next(const struct world *w, const struct render_filter *f, size_t *at,
		struct group *ret)
{
	while (*at < hash_count(w->chans)) {
		const struct chan *c = hash_at(w->chans, (*at)++);
		struct group g = { .socket = c };

		if (c->is_second || !event_kind_is_socket(c->key.kind) ||
		    event_kind_is_inet(c->key.kind))
			continue;
		g.count = companions_of(w, c, &g.members);
		if (g.count && is_wanted(w, &g, f)) {
			*ret = g;
			return true;
		}
		group_fini(&g);
	}
	return false;
}

void group_fini(struct group *g)
{
	free(g->members);
	*g = (struct group){};
}
