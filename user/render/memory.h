/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The parts of documents that are about shared memory.
 */
#ifndef LENS_RENDER_MEMORY_H
#define LENS_RENDER_MEMORY_H

#include "render/json.h"
#include "render/view.h"

/* "rw", "r", "-" for none */
const char *memory_prot(char out[4], uint32_t prot);
/* objects of a view after view_split(); history: also who had them mapped */
void section_memory(FILE *out, const struct view *v, bool history,
		    const struct render_options *opt);

/* members of a channel, and of an endpoint, that only shared memory has */
void js_put_memory(struct js_value *o, const struct chan *c);
void js_put_mapper(struct js_value *o, const struct endpoint *e);

#endif
