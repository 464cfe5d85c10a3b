/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What belongs together: sockets with the channels they passed, and how each
 * process came by what it has of those. Internal to render/.
 */
#ifndef LENS_RENDER_GROUP_H
#define LENS_RENDER_GROUP_H

#include "render/json.h"
#include "render/render.h"
#include "render/view.h"

/* "created", "received"; NULL: not known */
const char *origin_word(enum origin_how how);

struct group {
	const struct chan *socket;	/* of a connection its first half */
	struct companion *members;
	size_t count;
};

/* the next that is shown, as first heard of; *at begins as 0. False: there is none */
bool group_next(const struct world *w, const struct render_filter *f, size_t *at,
		struct group *ret);
void group_fini(struct group *g);

/* a table with a block for each socket; nothing if nothing went over any */
void section_groups(FILE *out, const struct world *w, const struct render_options *opt);
/* "groups": an object for each socket */
void js_doc_groups(struct js_doc *d, const struct world *w, const struct render_filter *f);

#endif
