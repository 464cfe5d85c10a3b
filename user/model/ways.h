/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ways that descriptors may have gone before the start: the unix sockets that
 * were there already, by the processes at their ends. Internal to model/.
 */
#ifndef LENS_MODEL_WAYS_H
#define LENS_MODEL_WAYS_H

#include "model/model.h"

/* nobody has more ancestors than that */
#define ANCESTORS_MAX 64

/* an endpoint whose process must have been given it, and the only way for that */
struct guess {
	const struct endpoint *end;
	const struct chan *over;	/* of a connection its first half */
	const struct proc *from;	/* at the other end of it */
	size_t order;			/* when the endpoint was first heard of */
};

struct ways;

struct ways *ways_new(void);
void ways_free(struct ways *ways);
void ways_settle(struct world *w);

/* a socket that existed before has one of them at either end */
bool ways_join(const struct world *w, const struct proc *a, const struct proc *b,
	       const struct chan *but);
/* NULL: it is no such endpoint */
const struct guess *ways_guess(const struct world *w, const struct endpoint *e);
/* all that went over a socket; *ret_count of them */
const struct guess *ways_guesses(const struct world *w, const struct chan *over,
				 size_t *ret_count);

#endif
