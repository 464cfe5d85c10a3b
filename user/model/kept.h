/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The operations of one channel that wait for their end to be matched. Shared
 * by ops.c, which takes them in, and match.c; internal to those.
 */
#ifndef LENS_MODEL_KEPT_H
#define LENS_MODEL_KEPT_H

#include "model/fifo.h"
#include "model/numbered.h"

struct kept_op {
	struct lens_op op;
	uint64_t since_ns;		/* it did not begin before */
};

#define CHUNK_OPS 100
struct chunk {
	struct chunk *next;
	unsigned count;
	struct kept_op ops[CHUNK_OPS];
};

struct ops {
	struct chunk *first, *last;
	size_t count;			/* operations taken in so far */
	size_t kept;
	bool overflow;
	struct fifo *running;		/* matched as they come */
	struct numbered *numbered;	/* likewise, of messages with a number; NULL: none */
};

/* what one process moved in one direction before its operations were followed */
struct early {
	struct proc *who;
	uint64_t bytes, msgs;
	uint64_t until_ns;
};

extern const char kept_why_excess[], kept_why_crowded[];

/* hands all that is kept to f, in its order */
void ops_replay(const struct world *w, const struct ops *o, struct fifo *f);
/*
 * Lets f know the places of what is kept. whole: every call since the channel was
 * there is kept; over: none is under way.
 */
void ops_find_places(const struct world *w, const struct ops *o, struct fifo *f, bool whole,
		     const bool over[]);
/* the channel came after the start, so that everything that happened to it was counted */
bool ops_are_born(const struct world *w, const struct chan *c);
/*
 * strays.c: the flows of a queue of which some messages have a number; f has matched the
 * others. NULL, or why there are none. ret_oldest_ns: see fifo_oldest_ns().
 */
const char *strays_match(const struct chan *c, struct early early[], struct fifo *f,
			 struct flow_matrix *m, uint64_t *ret_oldest_ns);

#endif
