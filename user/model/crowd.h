/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages of which it is known how many each process sent or received, and
 * nothing else. Internal to model/.
 */
#ifndef LENS_MODEL_CROWD_H
#define LENS_MODEL_CROWD_H

#include "model/flow.h"

/* of one process; NULL: unknown */
struct crowd_member {
	struct proc *who;
	uint64_t bytes, messages;
};

struct crowd {
	struct crowd_member *members;
	size_t count, room;
	struct hash *index;		/* who -> one more than its place; NULL: nobody is there */
	uint64_t bytes, messages;
};

void crowd_add(struct crowd *c, struct proc *who, uint64_t bytes, uint64_t messages);
void crowd_merge(struct crowd *to, const struct crowd *from);
void crowd_fini(struct crowd *c);
/* do these sums leave only one possibility? */
bool crowd_is_certain(const struct crowd *senders, const struct crowd *receivers);
/* tells m of how many messages the senders or receivers are in doubt, if any */
void crowd_doubt(const struct crowd *senders, const struct crowd *receivers,
		 struct flow_matrix *m);
/* adds to m what receivers got, of the first senders first */
void crowd_pass(const struct crowd *senders, const struct crowd *receivers,
		struct flow_matrix *m);

#endif
