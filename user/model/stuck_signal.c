// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Signals that come of what others do: of a message in a queue (mq_notify) or of what is
 * ready at a descriptor (O_ASYNC). A handler may end the wait that it interrupts, or do what
 * somebody waits for; without one most signals end the process. Whether the others will act
 * is not asked: it is for nobody who has such a signal set to be called dead.
 */
#include <signal.h>

#include "model/stuck_look.h"

#define BIT(number) (1ull << ((number) - 1))
/* nothing happens unless somebody handles them */
#define IGNORED_BY_DEFAULT (BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH))
#define SIGNAL_MAX 64

/*
 * Of faults, which Rust has in every program, and of what the process does itself; and those by
 * which threads of glibc reach each other, which it has in every program with threads.
 */
#define OF_ITS_OWN                                                                            \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS) | \
	 BIT(SIGPIPE) | BIT(32) | BIT(33))

uint64_t stuck_handlers_for_others(uint64_t handlers)
{
	return handlers & ~OF_ITS_OWN;
}

void stuck_find_notices(struct stuck *s)
{
	struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < l->desc_count; i++) {
		const struct lens_rec_desc *r = &l->descs[i]->rec;
		struct stuck_notice *n;

		if (!r->signalled || !r->signal || r->signal > SIGNAL_MAX)
			continue;
		n = hash_get(l->notices, &r->signalled);
		if (!n) {
			n = xcalloc(1, sizeof(*n));
			n->object = r->object;
			hash_add(l->notices, &r->signalled, n);
		}
		n->signals |= BIT(r->signal);
	}
}

static bool reaches(const struct stuck_notice *n, const struct stuck_thread *t)
{
	uint64_t idle = IGNORED_BY_DEFAULT & ~t->proc->handlers;

	return n->signals & ~(t->rec.blocked | t->proc->ignored | idle);
}

const char *stuck_find_notice(const struct stuck *s, const struct stuck_thread *t)
{
	const uint64_t receivers[] = { t->rec.pid, t->proc->pid, t->proc->group };

	for (size_t i = 0; i < ARRAY_SIZE(receivers); i++) {
		const struct stuck_notice *n = hash_get(stuck_look(s)->notices, &receivers[i]);

		if (receivers[i] && n && reaches(n, t))
			return n->object == LENS_OBJECT_POSIX_MQ ?
				       "waiting, with a signal set for a message (mq_notify)" :
				       "waiting, with a signal set for a descriptor (O_ASYNC)";
	}
	return NULL;
}
