/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What lines of a trace begin with, whatever they are about.
 */
#ifndef LENS_RENDER_TRACE_H
#define LENS_RENDER_TRACE_H

#include "render/render.h"

/* local time of day, as strace -tt prints it */
void trace_clock(struct buf *out, const struct world *w, uint64_t ts_ns);
/* "make(1234/1235) " */
void trace_thread(struct buf *out, const struct proc *p, uint32_t tid);

#endif
