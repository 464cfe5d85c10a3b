// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How much resolving a look may visit. Who waits times who could help has no
 * bound of its own: a recording that somebody made up can have everybody wait
 * for everybody, through sets inside sets. What is left out counts as outside,
 * so that nobody is called dead for it.
 */
#include "model/stuck_look.h"

#define VISITS_MAX (1u << 22) /* each may become a provider or a need: 40 to 96 bytes */
#define VISITS_OF_THREAD_MAX (1u << 16)

#define SHARED_MAX (1u << 25) /* of a set that others have, too, nothing is kept but this */

static void leave_out(struct stuck_need *n)
{
	if (!n || n->outside >= HOPE_OUTSIDE)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "one of more processes than are looked at";
}

bool stuck_may_share(const struct stuck *s, struct stuck_need *n, size_t count)
{
	struct stuck_look *l = stuck_look(s);

	if (l->shared + count > SHARED_MAX) {
		leave_out(n);
		return false;
	}
	l->shared += count;
	return stuck_may_visit(s, n);
}

bool stuck_may_visit(const struct stuck *s, struct stuck_need *n)
{
	struct stuck_look *l = stuck_look(s);

	if (l->visits < VISITS_MAX && l->visits_of_thread < VISITS_OF_THREAD_MAX) {
		l->visits++;
		l->visits_of_thread++;
		return true;
	}
	leave_out(n);
	return false;
}

void stuck_visit_next(const struct stuck *s)
{
	stuck_look(s)->visits_of_thread = 0;
}
