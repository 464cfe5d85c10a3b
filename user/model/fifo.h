/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is inside one channel, piece by piece, while its operations are
 * replayed in the order of their return. Internal to model/.
 */
#ifndef LENS_MODEL_FIFO_H
#define LENS_MODEL_FIFO_H

#include "model/crowd.h"
#include "model/place.h"
#include "model/stretch.h"
#include "model/types.h"

/* what was written and not read yet, or read before the call that wrote it returned */
struct piece {
	struct proc *who;
	uint64_t bytes;
	int64_t type;			/* messages only */
	uint64_t ts_ns;			/* return of the call; 0: unknown */
	unsigned stretch;		/* of bytes whose order is in doubt; 0: none */
	bool may_cut;			/* a reader that takes parts of messages */
	bool taken;
};

struct line {
	struct piece *pieces;
	size_t head, count, room;	/* count includes what lies before head */
};

/* proof that no two processes' calls in one direction overlapped */
struct turns {
	const struct proc *last;
	uint64_t last_ns, others_ns;	/* latest return by last, and by anybody else */
	bool unproven;
};

struct fifo {
	bool messages;
	bool overflow;			/* more is inside than is kept */
	struct line written, owed;
	struct turns turns[LENS_DIR_MAX];
	/* of streams: the order by places, where turns do not prove one */
	struct places places[LENS_DIR_MAX];
	bool placed[LENS_DIR_MAX];	/* places were known when it began */
	unsigned group[LENS_DIR_MAX], stretch[LENS_DIR_MAX];	/* handed on last */
	unsigned early[LENS_DIR_MAX];	/* stretch of who is in fifo_earlier(), 0: nobody */
	struct stretches stretches;
	struct types types;		/* of messages */
	struct crowd sums[LENS_DIR_MAX];	/* likewise, of each process */
	uint64_t received_ns;		/* ... when the last call returned that got one */
	struct flow_matrix flows;
};

void fifo_fini(struct fifo *f);
/* a second one to go on with; to give an order to what still waits for it, fifo_end() */
struct fifo fifo_copy(const struct fifo *f);
/* no more calls will come; complete: none of that direction is under way */
void fifo_end(struct fifo *f, enum lens_dir dir, bool complete);
/* bytes of who (NULL: nobody known) that were in the channel before the first operation */
void fifo_seed(struct fifo *f, struct proc *who, uint64_t bytes);
/* who also moved bytes before, until the given moment at the latest */
void fifo_earlier(struct fifo *f, enum lens_dir dir, struct proc *who, uint64_t bytes,
		  uint64_t until_ns);
/* of those, bytes that went from one to the other */
void fifo_passed(struct fifo *f, struct proc *from, struct proc *to, uint64_t bytes);
/* the next operation that moved something; it did not begin before since_ns */
void fifo_op(struct fifo *f, const struct endpoint *e, enum lens_dir dir,
	     const struct lens_op *op, uint64_t since_ns);
/*
 * No two processes overlapped, so that the order of return is the order of the
 * bytes, or places prove one but for what is doubtful in flows.
 */
bool fifo_is_ordered(const struct fifo *f);
/* when the call returned that wrote the oldest of what is inside, 0: nothing, or not known */
uint64_t fifo_oldest_ns(const struct fifo *f);
bool fifo_is_in_turn(const struct fifo *f, enum lens_dir dir);

#endif
