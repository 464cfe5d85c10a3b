// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Waits for any of a set: poll, select, epoll. Each member is a need of its own.
 */
#include <poll.h>

#include "model/stuck_look.h"

#define EVENTS_IN (POLLIN | POLLRDNORM)
/* come from those who can write as well, but not of what there is to read */
#define EVENTS_APART (POLLPRI | POLLRDBAND | 0x2000 /* POLLRDHUP */)
#define EVENTS_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define EPOLL_EDGE (1u << 31)
#define EPOLL_PRIVATE (15u << 28) /* flags that say how, not for what */

static bool is_for_hangup(uint32_t events)
{
	return !(events & EVENTS_IN) && (events & EVENTS_APART || !(events & EVENTS_OUT));
}

void stuck_each_polled(const struct stuck *s, const struct stuck_thread *t,
		       void (*fn)(void *ctx, const struct lens_polled *p), void *ctx)
{
	const struct stuck_memory *m = stuck_find_polled(s, t->rec.tid);
	struct lens_polled p;

	for (size_t at = 0; m && at + sizeof(p) <= m->size; at += sizeof(p)) {
		memcpy(&p, m->bytes + at, sizeof(p));
		fn(ctx, &p);
	}
}

void stuck_need_events(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		       uint32_t fd, uint32_t events, unsigned depth)
{
	bool edge = events & EPOLL_EDGE;

	if (d->rec.object == LENS_OBJECT_EPOLL) {
		stuck_need_epoll(s, t, d, depth + 1, edge);
		return;
	}
	if (d->rec.object == LENS_OBJECT_IO_URING) {
		stuck_need_ring(s, t, d->rec.self, depth + 1);
		return;
	}
	if (events & EVENTS_IN)
		stuck_need_desc(s, t, d, fd, WANT_DATA, edge);
	if (events & EVENTS_OUT)
		stuck_need_desc(s, t, d, fd, WANT_ROOM, edge);
	if (is_for_hangup(events))
		stuck_need_desc(s, t, d, fd, WANT_HANGUP, true);
}

/* EPOLLONESHOT, and it was: nothing will be told of it any more, not even a hangup */
static bool is_disarmed(const struct stuck_item *i)
{
	return !(i->rec.events & ~EPOLL_PRIVATE);
}

/* edge: of the set itself only changes are told */
static void need_item(struct stuck *s, struct stuck_thread *t, const struct stuck_item *i,
		      unsigned depth, bool edge)
{
	const struct stuck_desc *d = stuck_find_file(s, i->rec.file);
	uint32_t events = i->rec.events | (edge ? EPOLL_EDGE : 0);

	if (d)
		stuck_need_events(s, t, d, i->rec.fd, events, depth);
	else
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "a descriptor that is not seen");
}

/* whoever else has the set can put into it what ends the wait, its own other threads among them */
static void need_sharers(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *set)
{
	struct stuck_need *n = NULL;

	if (stuck_has_other_threads(t)) {
		struct stuck_need *own = stuck_add_need(t, WANT_UNKNOWN);

		own->thing = stuck_thing_of(s, set);
		stuck_add_provider(own, t->proc, WHY_OWN_THREADS, 0);
	}
	for (const struct stuck_desc *d = set; d; d = d->next_self) {
		if (d->proc == t->proc)
			continue;
		if (!d->proc || !stuck_may_visit(s, NULL)) {
			stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "whoever gets its set");
			return;
		}
		if (!n) {
			n = stuck_add_need(t, WANT_UNKNOWN);
			n->thing = stuck_thing_of(s, set);
			n->inferred = true;
		}
		stuck_add_provider(n, d->proc, WHY_HOLDS_END, d->rec.fd);
	}
	if (set && stuck_is_hidden(s, set))
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "a holder that is not seen");
}

/*
 * Of a set whose members are all disarmed: whoever has it may arm one again. Nobody is known to
 * be about to, so that this makes no cycle of waits, see stuck_cycle.c.
 */
static void need_arming(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *set)
{
	struct stuck_need *n = stuck_add_need(t, WANT_ARM);

	n->thing = stuck_thing_of(s, set);
	if (stuck_has_other_threads(t))
		stuck_add_provider(n, t->proc, WHY_OWN_THREADS, 0);
	for (const struct stuck_desc *d = set; d && stuck_may_visit(s, n); d = d->next_self) {
		if (!d->proc)
			stuck_hope_outside(n, HOPE_OUTSIDE, "whoever gets its set");
		else if (d->proc != t->proc)
			stuck_add_provider(n, d->proc, WHY_HOLDS_END, d->rec.fd);
		if (stuck_is_hidden(s, d))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	}
	if (t->proc->handlers)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
}

void stuck_need_epoll(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *set,
		      unsigned depth, bool edge)
{
	const struct stuck_item *i = hash_get(stuck_look(s)->items, &set->rec.self);
	const struct stuck_desc *first = stuck_find_self(s, set->rec.self);
	uint32_t disarmed = 0, members = 0;

	if (depth > STUCK_SET_DEPTH || s->incomplete) {
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
				   "members of its set that were not read");
		return;
	}
	for (; i && stuck_may_visit(s, NULL); i = i->next, members++) {
		if (is_disarmed(i))
			disarmed++;
		else
			need_item(s, t, i, depth, edge);
	}
	if (i)
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "more members of its set");
	t->disarmed += disarmed;
	if (!i && disarmed && disarmed == members)
		need_arming(s, t, first);
	else
		need_sharers(s, t, first);
}

struct resolving {
	struct stuck *s;
	struct stuck_thread *t;
	struct lens_polled last;
	bool more; /* than may be visited */
};

#define CHAIN_MAX 64 /* of those who have a file: who inherits it has it by the same number */

/* a descriptor of the file, of the process itself if that has one; NULL: nobody has */
static const struct stuck_desc *find_polled(const struct stuck *s, const struct stuck_proc *p,
					    uint64_t file)
{
	const struct stuck_desc *first = stuck_find_file(s, file);
	const struct stuck_desc *own = first ? stuck_find_fd(s, p, first->rec.fd) : NULL;
	unsigned left = CHAIN_MAX;

	if (own && own->rec.file == file)
		return own;
	for (own = first; own && left; own = own->next_file, left--)
		if (own->proc == p)
			return own;
	return first;
}

/* select(2) has data out of band end any wait for a file, which is asked for or not */
static uint32_t events_of(const struct stuck_thread *t, const struct lens_polled *p)
{
	bool select = t->rec.call == LENS_CALL_SELECT || t->rec.call == LENS_CALL_PSELECT;

	return select && p->events & (EVENTS_IN | EVENTS_OUT) ? p->events & ~EVENTS_APART :
								p->events;
}

static void need_polled(void *ctx, const struct lens_polled *p)
{
	struct resolving *r = ctx;
	const struct stuck_desc *d;

	/* it waits at two queues of the file */
	if (r->last.file == p->file && r->last.events == p->events)
		return;
	r->last = *p;
	r->more |= !stuck_may_visit(r->s, NULL);
	if (r->more)
		return;
	d = find_polled(r->s, r->t->proc, p->file);
	if (d)
		stuck_need_events(r->s, r->t, d, d->proc == r->t->proc ? d->rec.fd : UINT32_MAX,
				  events_of(r->t, p), 0);
	else
		stuck_need_outside(r->t, WANT_UNKNOWN, HOPE_OUTSIDE,
				   "a file that nobody has by a descriptor");
}

/* was the whole set read? */
static bool is_complete(const struct stuck_memory *m)
{
	return m && m->size && !m->truncated;
}

static bool is_empty(unsigned call, const uint64_t *arg)
{
	if (call == LENS_CALL_SELECT || call == LENS_CALL_PSELECT)
		return !arg[0] || (!arg[1] && !arg[2] && !arg[3]);
	return !arg[1];
}

void stuck_need_set(struct stuck *s, struct stuck_thread *t, unsigned call, const uint64_t *arg)
{
	struct resolving r = { .s = s, .t = t };
	const struct stuck_desc *set;

	if (call == LENS_CALL_EPOLL_WAIT || call == LENS_CALL_EPOLL_PWAIT ||
	    call == LENS_CALL_EPOLL_PWAIT2) {
		set = stuck_find_fd(s, t->proc, arg[0]);
		if (set && set->rec.object == LENS_OBJECT_EPOLL)
			stuck_need_epoll(s, t, set, 0, false);
		else
			stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "a set that is not seen");
	} else {
		if (!is_complete(stuck_find_polled(s, t->rec.tid)) && !is_empty(call, arg))
			stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
					   "members of its set that could not be read");
		stuck_each_polled(s, t, need_polled, &r);
		if (r.more)
			stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
					   "more members of its set");
	}
	/* an empty set is a way to wait for a signal */
	if (!t->need_count)
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting for a signal");
}
