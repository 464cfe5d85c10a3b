// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The lock of a pipe. Nobody has it for long but splice(2), which keeps it while it waits for the
 * socket that it moves data from, or to: who reads or writes the pipe then waits until that lets
 * it go, and not for data or room.
 */
#include "model/stuck_look.h"

/*
 * Of calls that take the lock before anything else that could make them wait so. Which argument
 * is a descriptor, too; 0: of those that have one only.
 */
static bool takes_lock(unsigned call, unsigned *ret_second)
{
	*ret_second = 0;
	switch (call) {
	case LENS_CALL_SPLICE:
		*ret_second = 2;
		return true;
	case LENS_CALL_TEE:
		*ret_second = 1;
		return true;
	case LENS_CALL_READ:
	case LENS_CALL_READV:
	case LENS_CALL_WRITE:
	case LENS_CALL_WRITEV:
	case LENS_CALL_VMSPLICE:
	case LENS_CALL_SENDFILE:
		return true;
	}
	return false;
}

static const struct stuck_desc *locked_by_other(const struct stuck *s,
						const struct stuck_thread *t, uint32_t fd)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, fd);

	if (!d || (d->rec.object != LENS_OBJECT_PIPE && d->rec.object != LENS_OBJECT_FIFO))
		return NULL;
	return d->rec.peer && d->rec.peer != t->rec.task ? d : NULL;
}

static const struct stuck_desc *locked_pipe(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d;
	unsigned second;

	if (!(t->rec.state & STUCK_STATE_UNINTERRUPTIBLE) || !takes_lock(t->rec.call, &second))
		return NULL;
	d = locked_by_other(s, t, t->rec.arg[0]);
	return d ? d : locked_by_other(s, t, t->rec.arg[second]);
}

struct stuck_thread *stuck_find_locker(const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_desc *d = locked_pipe(s, t);

	return d ? hash_get(stuck_look(s)->tasks, &d->rec.peer) : NULL;
}

void stuck_need_locker(struct stuck *s, struct stuck_thread *t, struct stuck_thread *locker)
{
	const struct stuck_desc *d = locked_pipe(s, t);
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);

	n->fd = d->rec.fd;
	n->thing = stuck_thing_of(s, d);
	stuck_add_provider(n, locker->proc, WHY_OWNS_LOCK, 0);
}
