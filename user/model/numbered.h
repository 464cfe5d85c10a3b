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
	int64_t type;
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

#endif
