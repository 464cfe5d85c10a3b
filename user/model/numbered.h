/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages that the kernel side has numbered: who sent one and who received it
 * is known, in whatever order their calls were. Internal to model/.
 */
#ifndef LENS_MODEL_NUMBERED_H
#define LENS_MODEL_NUMBERED_H

#include "model/flow.h"
#include "model/ops.h"

/* a call whose counterpart was not seen (yet) */
struct waiting {
	struct waiting *next;		/* in the same bucket */
	uint32_t number;
	enum lens_dir dir;
	struct proc *who;
	uint64_t bytes, ts_ns;
	uint64_t since_ns;		/* it did not begin before */
};

#define NUMBERED_BUCKETS 1024
struct numbered {
	struct waiting *waiting[NUMBERED_BUCKETS];
	size_t count;			/* of them */
	struct flow_matrix flows;
};

/* the next operation, of that process and direction; in any order */
void numbered_take(struct numbered *n, struct proc *who, enum lens_dir dir,
		   const struct numbered_op *op, uint64_t since_ns);
void numbered_free(struct numbered *n);

/* messages whose number is not known on one side or the other, of one process; NULL: unknown */
struct crowd_member {
	struct proc *who;
	uint64_t bytes, messages;
};

struct crowd {
	struct crowd_member *members;
	size_t count;
	uint64_t bytes, messages;
};

void crowd_add(struct crowd *c, struct proc *who, uint64_t bytes, uint64_t messages);
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
