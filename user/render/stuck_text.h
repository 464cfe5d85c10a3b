/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The pieces that the text about a look consists of, and what stays the same in
 * them while nobody comes, goes or moves on.
 */
#ifndef LENS_RENDER_STUCK_TEXT_H
#define LENS_RENDER_STUCK_TEXT_H

#include "model/model.h"
#include "render/render.h"

void stuck_text_verdict(FILE *out, enum stuck_verdict v, bool colour);
/* a root and all that waits for it; number: its place in the list */
void stuck_text_root(FILE *out, const struct stuck *s, const struct stuck_root *r, size_t number,
		     const struct render_options *opt);
/* a wait that only --all shows */
bool stuck_text_is_mere_wait(const struct stuck_thread *t, const struct render_options *opt);
void stuck_text_mere_wait(FILE *out, const struct stuck *s, const struct stuck_thread *t,
			  const struct render_options *opt);

/* who waits in which call for what: no times, no fill, nothing of what others do meanwhile */
void stuck_text_wait_briefly(FILE *out, const struct stuck_thread *t);
void stuck_text_root_briefly(FILE *out, const struct stuck *s, const struct stuck_root *r);

#endif
