// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The lock of a pipe. Nobody has it for long but splice(2), which keeps it while it waits for the
 * socket that it moves data from, or to: who reads or writes the pipe then, asks how much is in
 * it, or closes it, waits until that lets it go, and not for data or room.
 */
#include "model/stuck_look.h"

/* the pipe, by whoever's descriptor, at whose lock the thread is listed */
static const struct stuck_desc *locked_pipe(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_room *room = hash_get(stuck_look(s)->rooms, &t->rec.task);
	const struct stuck_desc *d = room ? stuck_find_self(s, room->self) : NULL;

	if (!d || (d->rec.object != LENS_OBJECT_PIPE && d->rec.object != LENS_OBJECT_FIFO))
		return NULL;
	/* nobody waits for it otherwise, whatever was read while the list changed */
	if (!(t->rec.state & STUCK_STATE_UNINTERRUPTIBLE))
		return NULL;
	return d->rec.peer && d->rec.peer != t->rec.task ? d : NULL;
}

struct stuck_thread *stuck_find_locker(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d = locked_pipe(s, t);

	return d ? hash_get(stuck_look(s)->tasks, &d->rec.peer) : NULL;
}

void stuck_need_locker(struct stuck *s, struct stuck_thread *t, struct stuck_thread *locker)
{
	const struct stuck_desc *d = locked_pipe(s, t);
	const struct stuck_desc *own = stuck_find_fd(s, t->proc, t->rec.arg[0]);
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);

	if (own && own->rec.self == d->rec.self)
		n->fd = own->rec.fd;
	n->thing = stuck_thing_of(s, d);
	stuck_add_provider(n, locker->proc, WHY_OWNS_LOCK, 0);
}
