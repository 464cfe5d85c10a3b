/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What waits, needs and providers are called, and the sentence that explains a
 * verdict. Escaped, as all labels are.
 */
#ifndef LENS_RENDER_STUCK_LABEL_H
#define LENS_RENDER_STUCK_LABEL_H

#include "model/model.h"
#include "render/render.h"

/* of one wait; many who wait for many have a square of them */
#define STUCK_PROVIDERS_SHOWN 16

/* "S", "D", "T", ... as ps(1) has it */
const char *label_state(const struct stuck_thread *t);
/* "write", or "system call 999" */
void label_call(struct buf *out, const struct stuck_thread *t);
/* JSON direction: "read", "write", "lock", ... */
const char *label_want(enum stuck_want want);
void label_stuck_proc(struct buf *out, const struct stuck_proc *p);
void label_thing(struct buf *out, const struct stuck_thing *t);
/* "65,536/65,536 bytes, 16/16 slots", or nothing */
void label_fill(struct buf *out, const struct stuck_thing *t);
/* "write to pipe:[12] (...)" */
void label_wait(struct buf *out, const struct stuck_thread *t, const struct stuck_need *n);
/* "holds the other end as descriptor 5" */
void label_why(struct buf *out, const struct stuck_need *n, const struct stuck_provider *p);
/* "inherited by fork from A(1) (inferred: A(1), which made it, is an ancestor)" */
void label_origin(struct buf *out, const struct stuck *s, const struct stuck_provider *p);
/* what a process does instead */
void label_doing(struct buf *out, const struct stuck_proc *p);
/* "A waits for B waits for A" */
void label_ring(struct buf *out, const struct stuck_ring *r);
/* one sentence that a person can act on */
void label_explanation(struct buf *out, const struct stuck *s, const struct stuck_thread *t);

/* "pipe_write+0x1a3 [module]" */
void label_frame(struct buf *out, const struct stuck_frame *f);

/* those who could end it beside who waits, who is no help for itself */
size_t render_stuck_others(const struct stuck_thread *t, const struct stuck_need *n);
/* is one of them named? Of so many others, not who wants the same */
bool render_stuck_names(const struct stuck_thread *t, const struct stuck_need *n,
			const struct stuck_provider *p, size_t others);
/* of a cycle: is the root shown that stands for it? */
bool render_stuck_shows_ring(const struct stuck *s, const struct stuck_ring *ring,
			     const struct render_options *opt);

/* does this wait pass the filter, by the process itself or by one it waits for? */
bool filter_matches_wait(const struct stuck_thread *t, const struct render_filter *f);

#endif
