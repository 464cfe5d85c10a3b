/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The order of the calls of one direction of a byte stream, proven by the
 * places at which they left it (LENS_PLACE_*). Internal to model/.
 */
#ifndef LENS_MODEL_PLACE_H
#define LENS_MODEL_PLACE_H

#include "model/state.h"

/* a call: its bytes lie between low and high, in one piece if whole */
struct placed {
	struct proc *who;
	uint64_t bytes, ts_ns;
	int64_t low, high;		/* bytes since the first call */
	bool whole;
};

/* takes the calls in their order; those of one group != 0 may have any order among themselves */
typedef void (*placed_sink)(void *arg, const struct placed *p, unsigned group);

struct places {
	bool known;			/* there is an origin, and nothing contradicts it */
	uint32_t epoch;
	int64_t origin;			/* place of the first byte of the first call */
	int64_t last;			/* to undo the modulus */
	int64_t done;			/* handed on, bytes */
	uint64_t last_ns;
	struct placed *calls;		/* that are not yet handed on */
	size_t count, room;
	uint64_t bytes;			/* of them */
	unsigned groups;
	struct hash *threads;		/* thread -> where it was last */
	struct thread *recent;		/* of those, who called last; or NULL */
	uint32_t recent_tid;
};

/*
 * Finds the origin of the places of all calls of one direction, in the order
 * of their return. whole: they are all there ever were of a pipe born under
 * observation. over: no thread is inside any more. p->known tells.
 */
void places_begin(struct places *p, const struct lens_op *ops, size_t count, bool whole,
		  bool over);
/* the next call; what is certain by now goes to sink. After a contradiction nothing is known */
void places_add(struct places *p, struct proc *who, const struct lens_op *op, bool whole,
		placed_sink sink, void *arg);
/* hands on the rest; complete: there were no other calls. False: it may have any order */
bool places_end(struct places *p, bool complete, placed_sink sink, void *arg);
void places_fini(struct places *p);
struct places places_copy(const struct places *p);

#endif
