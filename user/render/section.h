/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The parts that text documents are made of: what stands first (coverage and
 * loss), back-pressure, and what stands last (limits, what was left out).
 */
#ifndef LENS_RENDER_SECTION_H
#define LENS_RENDER_SECTION_H

#include "base/base.h"
#include "model/model.h"
#include "render/render.h"
#include "render/view.h"

void section_heading(FILE *out, const struct world *w, const struct render_options *opt);
void section_pressure(FILE *out, const struct world *w, const struct view *v,
		      const struct render_options *opt);
/* nothing if nothing was summed up */
void section_folded(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt);
/* waits that are stuck, by the channels of the view; nothing if nobody looked */
void section_stuck(FILE *out, const struct world *w, const struct view *v,
		   const struct render_options *opt);
void section_limits(FILE *out, const struct world *w, const struct view *v,
		    const struct render_options *opt);
void section_left_out(FILE *out, const struct view *v, const struct render_options *opt);

/* how many of `count` rows a table shows; says so when it is not all */
size_t section_rows(const struct render_options *opt, size_t count);
void section_cut_note(FILE *out, size_t shown, size_t count, const char *what);

#endif
