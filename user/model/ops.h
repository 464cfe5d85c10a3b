/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Operations of a channel that are followed one by one. Internal to model/.
 */
#ifndef LENS_MODEL_OPS_H
#define LENS_MODEL_OPS_H

#include "model/flow.h"

/* operations kept for one channel and in the whole world, before flows fall back to totals */
#define OPS_PER_CHAN_MAX (64u << 10)
#define OPS_KEPT_MAX (192u << 10)

/* an operation, and the number of the message it was about; 0: none, or not known */
struct numbered_op {
	struct lens_op op;
	uint32_t message;
};

/* the next operation; out of order only if its batch came too late, which is no proof then */
void ops_take(struct world *w, const struct numbered_op *numbered);
void ops_free(struct ops *o);
/* how many operations are kept, which the world counts */
size_t ops_kept(const struct ops *o);

/* MSG_NOERROR cuts messages, which then match others of their new size */
bool chan_has_cut_messages(const struct chan *c);

struct ops_order {
	bool is_proven;			/* not just likely, but for what cells say is doubtful */
	bool by_numbers;		/* by those of messages */
	uint64_t oldest_ns;		/* fifo_oldest_ns() */
	bool by_places[LENS_DIR_MAX];	/* what proves it in that direction */
};

/*
 * The flows of a channel by the order of its operations, added to m. NULL, or
 * why there are none (static text).
 */
const char *ops_match(const struct world *w, const struct chan *c, struct flow_matrix *m,
		      struct ops_order *ret);

#endif
