/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What belongs together: a unix socket, and the channels whose descriptors went
 * over it, with the mappings of those that are memory.
 */
#ifndef LENS_MODEL_COMPANION_H
#define LENS_MODEL_COMPANION_H

#include "base/base.h"

struct chan;
struct world;

/* a channel that came over a socket */
struct companion {
	const struct chan *chan;	/* of a connection its first half */
	uint64_t sent, received, in_flight;	/* descriptors */
	bool inferred;			/* before the start: it follows from who holds what */
};

/*
 * Companions of a socket, or of both halves of a connection, as they came; *ret is the
 * caller's. Returns how many there are.
 */
size_t companions_of(const struct world *w, const struct chan *socket, struct companion **ret);

#endif
