/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Until when all operations have been handed over. What the caches held when they were emptied
 * is in the ring then, up to where its producer is; that it was taken up to there only the
 * consumer's place says, since taking also stops at a record that is not finished yet.
 * Internal to source/.
 */
#ifndef LENS_SOURCE_ORDER_H
#define LENS_SOURCE_ORDER_H

#include "base/base.h"

struct order {
	/* bytes ever taken out of the ring and put into it, as the kernel shares them */
	const unsigned long *consumer, *producer;
	unsigned long flush_end;	/* of what was in the ring once the caches were empty */
	uint64_t flush_ns;		/* before they were emptied last */
	uint64_t taken_ns;		/* ... and all was taken; or 0 */
	uint64_t told_ns;		/* ... and handed over, which was told */
};

/* ring: the map, of which libbpf before 1.3 does not tell the places */
int order_open(struct order *o, int ring);
void order_close(struct order *o);

/* all caches were emptied, beginning then */
void order_flushed(struct order *o, uint64_t ns);
/* some was taken out of the ring, maybe all */
void order_taken(struct order *o);
/* all that was taken is handed over: no operation that ended until then follows; 0: no news */
uint64_t order_news(struct order *o);

#endif
