// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Terminals that control a session. When its leader ends, or gives the terminal up, the job in the
 * foreground is sent a SIGHUP, whether the leader has a descriptor of the terminal or not. That
 * frees who waits there: the job itself, or who has the other end and waits for the job. Who waits
 * elsewhere is not freed by it as far as it is judged here: as by any signal that somebody may
 * send.
 */
#include <signal.h>

#include "model/stuck_look.h"

#define HANGUP (1ull << (SIGHUP - 1))

/* it is sent to the process, of which any thread may take it */
void stuck_find_hangups(struct stuck *s)
{
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		if (!t->is_dead && !(t->rec.blocked & HANGUP) && !(t->proc->ignored & HANGUP))
			t->proc->takes_hangup = true;
	}
}

static bool is_controlled(const struct stuck_proc *p, uint64_t terminal)
{
	return p && p->terminal == terminal && p->flags & LENS_THREAD_FOREGROUND &&
	       p->takes_hangup;
}

/* ... and one who has it open would be */
static bool holder_is_controlled(const struct stuck *s, const struct stuck_desc *slave)
{
	uint64_t terminal = slave ? slave->rec.self : 0;

	for (; slave && stuck_may_visit(s, NULL); slave = slave->next_self)
		if (is_controlled(slave->proc, terminal))
			return true;
	return slave;
}

void stuck_need_session(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
			const struct stuck_desc *d)
{
	bool master = d->rec.flags & LENS_DESC_MASTER;
	uint64_t terminal = master ? d->rec.peer : d->rec.self;
	struct stuck_proc *leader = hash_get(stuck_look(s)->sessions, &terminal);

	if (master ? !holder_is_controlled(s, stuck_find_self(s, terminal))
		   : !is_controlled(t->proc, terminal))
		return;
	/* without one it would control nobody */
	if (!leader)
		stuck_hope_outside(n, HOPE_OUTSIDE, "who leads the session of the terminal, and is"
						    " not seen");
	else if (leader != t->proc)
		n->hangs_up = leader;
}

bool stuck_hope_hangup(struct stuck_thread *t, bool any_leader)
{
	bool any = false;

	if (t->is_dead || t->hope != HOPE_NONE)
		return false;
	for (size_t i = 0; i < t->need_count; i++) {
		struct stuck_need *n = &t->needs[i];

		if (!n->hangs_up || n->outside != HOPE_NONE)
			continue;
		if (n->hangs_up->hope == HOPE_NONE && !any_leader)
			continue;
		stuck_hope_outside(n, HOPE_OUTSIDE,
				   "the end of who leads the session of the terminal (SIGHUP)");
		any = true;
	}
	return any;
}
