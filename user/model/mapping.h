/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who maps which part of what, as records tell it. Internal to model/.
 */
#ifndef LENS_MODEL_MAPPING_H
#define LENS_MODEL_MAPPING_H

#include "model/model.h"

void mapping_apply(struct world *w, const struct event *ev);
/* a child has what its parent had */
void mapping_fork(struct world *w, struct proc *parent, struct proc *child, uint64_t ns);
/* exec and exit: what was mapped before ns is no more */
void mapping_clear(struct proc *p, uint64_t ns);
/* a look that began at ns is over: what it did not find has gone unnoticed */
void mapping_look_settled(struct world *w, uint64_t ns);
/* mapping_fold.c: of processes that have ended and map nothing only so many are kept */
void mapping_fold(struct world *w);
/* p has ended, and maps nothing; many such are not kept until the next look */
void mapping_ended(struct world *w, const struct proc *p);
/* the overlap of what is mapped now */
void mapping_settle(struct world *w);

void handoff_apply(struct world *w, const struct event *ev);
void handoff_settle(struct world *w);
/* p will be forgotten: what it did at words of c is kept as somebody's */
void handoff_forget(struct chan *c, const struct proc *p);
void handoff_fini(struct chan *c);

#endif
