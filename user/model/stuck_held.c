// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The lock of a pipe. Nobody has it for long but splice(2), which keeps it while it waits for the
 * socket that it moves data from, or to: who reads or writes the pipe then waits until that lets
 * it go, and not for data or room.
 */
#include "model/stuck_look.h"

/* these take the lock before anything else that could make them wait so */
static bool takes_lock(unsigned call)
{
	return call == LENS_CALL_READ || call == LENS_CALL_READV || call == LENS_CALL_WRITE ||
	       call == LENS_CALL_WRITEV;
}

static const struct stuck_desc *locked_pipe(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d;

	if (!(t->rec.state & STUCK_STATE_UNINTERRUPTIBLE) || !takes_lock(t->rec.call))
		return NULL;
	d = stuck_find_fd(s, t->proc, t->rec.arg[0]);
	if (!d || (d->rec.object != LENS_OBJECT_PIPE && d->rec.object != LENS_OBJECT_FIFO))
		return NULL;
	return d->rec.peer ? d : NULL;
}

struct stuck_thread *stuck_find_locker(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d = locked_pipe(s, t);
	struct stuck_thread *locker = d ? hash_get(stuck_look(s)->tasks, &d->rec.peer) : NULL;

	return locker != t ? locker : NULL;
}

void stuck_need_locker(struct stuck *s, struct stuck_thread *t, struct stuck_thread *locker)
{
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);

	n->fd = t->rec.arg[0];
	n->thing = stuck_thing_of(s, locked_pipe(s, t));
	stuck_add_provider(n, locker->proc, WHY_OWNS_LOCK, 0);
}
