/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the lines of a trace share, whatever they are about.
 */
#ifndef LENS_RENDER_TRACE_H
#define LENS_RENDER_TRACE_H

#include "render/render.h"

struct js_value;

/* local time of day, as strace -tt prints it */
void trace_clock(struct buf *out, const struct world *w, uint64_t ts_ns);
/* "make(1234/1235) " */
void trace_thread(struct buf *out, const struct proc *p, uint32_t tid);
/*
 * The other side of what is done in direction dir at c, at most max of them: those who have
 * moved data there, or, while nobody has, those who could. Returns how many there are.
 */
size_t trace_peers(const struct chan *c, enum lens_dir dir, const struct endpoint *ret_peers[],
		   size_t max);
/* " -> cat(12) wc(13)", "-" for nobody */
void trace_peers_text(struct buf *out, const struct chan *c, enum lens_dir dir);
/* member "peers", and how many do not stand in it */
void trace_peers_json(struct js_value *line, const struct chan *c, enum lens_dir dir);

#endif
