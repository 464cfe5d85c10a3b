/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors that went over unix sockets, as text and JSON. Internal to render/.
 */
#ifndef LENS_RENDER_PASS_H
#define LENS_RENDER_PASS_H

#include "render/json.h"
#include "render/render.h"

/* what a descriptor stands for: "pipe", "file", "device" */
const char *passed_type(const struct passed_what *what);
/* "pipe:[12]", "/dev/null"; escaped. row: its name is that of a file */
void passed_label(struct buf *out, const struct world *w, const struct passed *row);
/* members "type", "channel", "name", "inode" and "mode" of what was passed */
void passed_put_what(struct js_value *o, const struct world *w, const struct passed *row);

/* members of a channel: what went over it, what is in its queue, who carries it; or none */
void passed_put_chan(struct js_value *o, const struct world *w, const struct chan *c);

/* a table of what went over the channels that are shown; nothing if nothing did */
void section_passed(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt);
/* a line for each channel of which descriptors are in flight */
void section_in_flight(FILE *out, const struct world *w, const struct view *v);

#endif
