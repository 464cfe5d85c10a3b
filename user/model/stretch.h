/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stretches of a byte stream whose calls may have any order among themselves.
 * That matters only if several processes made them and several are at the
 * other end. Internal to model/.
 */
#ifndef LENS_MODEL_STRETCH_H
#define LENS_MODEL_STRETCH_H

#include "model/flow.h"

/* what one process has of a stretch */
struct share {
	struct proc *who;
	uint64_t bytes;
};

struct shares {
	struct share *list;
	size_t count;
};

struct stretch {
	bool used;
	bool is_open;			/* more calls may turn out to be in it */
	bool is_early;			/* of what was not followed; kept until the end */
	enum lens_dir dir;		/* of the calls */
	struct shares own, others;
	uint64_t left;			/* bytes that did not reach the other end yet */
	bool is_crossed;		/* the other end is in doubt as well */
	unsigned crosses;		/* or may turn out to be: an early one, of an early one */
};

/* numbered from 1, so that 0 can mean none; numbers are used again */
struct stretches {
	struct stretch *list;
	size_t count;
	size_t free_from;		/* no lower one is free */
};

unsigned stretch_new(struct stretches *s, enum lens_dir dir);
/* keeps it until it is closed, also while nothing of it is left */
void stretch_open(struct stretches *s, unsigned number, bool is_early);
void stretch_close(struct stretches *s, unsigned number, struct flow_matrix *m);
/* bytes of a call in it */
void stretch_own(struct stretches *s, unsigned number, struct proc *who, uint64_t bytes);
/* bytes of it reached who at the other end, which is in stretch other, or 0 */
void stretch_pass(struct stretches *s, unsigned number, struct proc *who, uint64_t bytes,
		  unsigned other, struct flow_matrix *m);
/* notes in m what is in doubt as things stand, of all that are not over */
void stretches_settle(struct stretches *s, struct flow_matrix *m);
void stretches_fini(struct stretches *s);
struct stretches stretches_copy(const struct stretches *s);

#endif
