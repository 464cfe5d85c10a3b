/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which message queues need numbers for their messages: those where messages of one
 * type have several senders and several receivers, by the operations that were
 * followed. Of any other, types tell whose a message is. Internal to source/.
 */
#ifndef LENS_SOURCE_CROWDS_H
#define LENS_SOURCE_CROWDS_H

#include "base/base.h"
#include "wire.h"

struct crowds;

struct crowds *crowds_new(void);
void crowds_free(struct crowds *c);

/* a process came to a queue, or to another channel, which is nothing to us */
void crowds_come(struct crowds *c, const struct lens_rec_end *end);
/* its entry in the totals, of this id, was retired */
void crowds_leave(struct crowds *c, uint32_t id);
/* operations of anything */
void crowds_take(struct crowds *c, const struct lens_rec_ops *ops);

/* has some type of some queue several senders and several receivers? */
bool crowds_share(const struct crowds *c);
/* has somebody come to several senders and receivers and not shown yet of what types? */
bool crowds_wonder(const struct crowds *c);
/* whoever has not shown it until now, need not */
void crowds_excuse(struct crowds *c);

#endif
