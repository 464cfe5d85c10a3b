// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring_enter(2): a wait for any of the requests under way. What each waits
 * for is what the call of its kind would. A request that is neither told of by
 * its file nor being worked on is known by number only; then something that was
 * not seen may end the wait.
 */
#include <linux/io_uring.h>
#include <poll.h>

#include "model/stuck_look.h"

/* newer than some headers; include/uapi/linux/io_uring.h of v6.18 */
enum {
	RING_OP_SEND_ZC = 47, RING_OP_SENDMSG_ZC = 48, RING_OP_READ_MULTISHOT = 49,
	RING_OP_READV_FIXED = 60, RING_OP_WRITEV_FIXED = 61,
};
enum { RING_ENTER_EXT_ARG_REG = 1 << 6, MIN_WAIT_AT = 12, POLL_RDHUP = 0x2000 };

/* -------------------------------------------------------------------- records */

void stuck_take_request(struct stuck *s, const struct lens_rec_request *r)
{
	struct stuck_look *l = stuck_look(s);
	struct stuck_request *q, *head;
	uint32_t *seen = hash_get(l->requests_by_tid, &r->tid);

	/* a ring is told of for each of its descriptors, and a worker twice */
	if (hash_get(l->requests, &r->request))
		return;
	q = xcalloc(1, sizeof(*q));
	q->rec = *r;
	hash_add(l->requests, &r->request, q);
	if (!seen) {
		seen = xcalloc(1, sizeof(*seen));
		hash_add(l->requests_by_tid, &r->tid, seen);
	}
	++*seen;
	head = hash_get(l->requests_by_ring, &r->ring);
	if (head) {
		q->next = head->next;
		head->next = q;
	} else {
		hash_add(l->requests_by_ring, &r->ring, q);
	}
}

void stuck_take_submitter(struct stuck *s, const struct lens_rec_submitter *r)
{
	struct stuck_look *l = stuck_look(s);
	struct stuck_user key = { .ring = r->ring, .tid = r->tid };
	struct stuck_submitter *u = hash_get(l->users, &key), *head;

	/* a ring is told of for each of its descriptors, and by who has registered it */
	if (u) {
		u->rec.flags |= r->flags;
		return;
	}
	u = xcalloc(1, sizeof(*u));
	u->rec = *r;
	hash_add(l->users, &key, u);
	head = hash_get(l->submitters, &r->ring);
	if (head) {
		u->next = head->next;
		head->next = u;
	} else {
		hash_add(l->submitters, &r->ring, u);
	}
}

void stuck_take_uring(struct stuck *s, const struct lens_rec_uring *r)
{
	struct hash *urings = stuck_look(s)->urings;
	struct lens_rec_uring *kept;

	if (hash_get(urings, &r->tid))
		return;
	kept = xcalloc(1, sizeof(*kept));
	*kept = *r;
	hash_add(urings, &r->tid, kept);
	for (size_t i = 0; i < ARRAY_SIZE(r->registered); i++) {
		struct lens_rec_submitter holder = { .ring = r->registered[i], .tid = r->tid };

		if (holder.ring)
			stuck_take_submitter(s, &holder);
	}
}

/* --------------------------------------------------------------- is that all? */

static uint32_t requests_seen(const struct stuck_look *l, uint32_t tid)
{
	const uint32_t *seen = hash_get(l->requests_by_tid, &tid);

	return seen ? *seen : 0;
}

/* nobody but the waiter's own threads can do so unseen, and all that each has made was seen */
static bool is_complete_for(struct stuck *s, const struct stuck_thread *t,
			    const struct stuck_submitter *u)
{
	const struct stuck_look *l = stuck_look(s);
	const struct lens_rec_uring *state = hash_get(l->urings, &u->rec.tid);
	const struct stuck_thread *user = hash_get(l->threads, &u->rec.tid);

	if (u->rec.flags & (LENS_RING_POLLED | LENS_RING_OTHERS) || !state || !user)
		return false;
	return user->proc == t->proc && requests_seen(l, u->rec.tid) == state->requests;
}

/* what is left for a request to end the wait by, beyond those seen */
static void need_unseen(struct stuck *s, struct stuck_thread *t, uint64_t ring)
{
	const struct stuck_submitter *u = hash_get(stuck_look(s)->submitters, &ring);
	bool complete = u != NULL;

	for (; u && stuck_may_visit(s, NULL); u = u->next) {
		if (u->rec.flags & LENS_RING_TIMED) {
			stuck_need_outside(t, WANT_TIME, HOPE_RUNS, "a time limit");
			return;
		}
		complete &= is_complete_for(s, t, u);
	}
	if (!complete || u)
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "an asynchronous request");
}

/* ---------------------------------------------------------------- one request */

static enum stuck_want want_of(uint32_t operation)
{
	switch (operation) {
	case IORING_OP_READ:
	case IORING_OP_READV:
	case IORING_OP_READ_FIXED:
	case RING_OP_READV_FIXED:
	case RING_OP_READ_MULTISHOT:
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
	case IORING_OP_ACCEPT:
		return WANT_DATA;
	case IORING_OP_WRITE:
	case IORING_OP_WRITEV:
	case IORING_OP_WRITE_FIXED:
	case RING_OP_WRITEV_FIXED:
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case RING_OP_SEND_ZC:
	case RING_OP_SENDMSG_ZC:
		return WANT_ROOM;
	}
	return WANT_UNKNOWN;
}

/* a descriptor of the process by the same open file description; UINT32_MAX: none is found */
static uint32_t descriptor_of(const struct stuck *s, const struct stuck_desc *d,
			      const struct stuck_proc *p)
{
	for (; d && stuck_may_visit(s, NULL); d = d->next_file)
		if (d->proc == p)
			return d->rec.fd;
	return UINT32_MAX;
}

/* who made it has ended: then others of his may be under way that nobody counts */
static bool is_orphan(const struct stuck_look *l, const struct stuck_request *q)
{
	struct stuck_user key = { .ring = q->rec.ring, .tid = q->rec.tid };

	return !hash_get(l->users, &key);
}

/*
 * Whatever is armed waits for hang-ups of its peer, too (io_uring/poll.c: IO_POLL_UNMASK), which
 * says nothing of what the request is for; and who receives without waiting for input waits for
 * errors.
 */
static bool is_resolved(const struct stuck_request *q)
{
	return want_of(q->rec.operation) != WANT_UNKNOWN &&
	       (!q->rec.events || q->rec.events & (POLLIN | POLLOUT));
}

static void need_request(struct stuck *s, struct stuck_thread *t, const struct stuck_request *q,
			 unsigned depth)
{
	const struct stuck_desc *d = stuck_find_file(s, q->rec.file);
	uint32_t fd = descriptor_of(s, d, t->proc);

	if (is_orphan(stuck_look(s), q))
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "requests of who has ended");
	if (!d)
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "a descriptor that is not seen");
	else if (q->rec.operation == IORING_OP_POLL_ADD && q->rec.events)
		stuck_need_events(s, t, d, fd, q->rec.events & ~POLL_RDHUP, depth);
	else if (is_resolved(q))
		stuck_need_desc(s, t, d, fd, want_of(q->rec.operation), false);
	else
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
				   "a request that is not resolved");
}

/* ----------------------------------------------------------------------- ring */

/* whoever has the ring can put into it what ends the wait, the other threads among them */
static void need_holders(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *ring)
{
	struct stuck_need *n = NULL;

	if (stuck_has_other_threads(t)) {
		n = stuck_add_need(t, WANT_UNKNOWN);
		n->inferred = true;
		stuck_add_provider(n, t->proc, WHY_OWN_THREADS, 0);
	}
	for (const struct stuck_desc *d = ring; d; d = d->next_self) {
		if (!stuck_may_visit(s, NULL)) {
			stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "more holders");
			return;
		}
		if (!d->proc || d->proc == t->proc)
			continue;
		if (!n) {
			n = stuck_add_need(t, WANT_UNKNOWN);
			n->inferred = true;
		}
		n->thing = stuck_thing_of(s, ring);
		stuck_add_provider(n, d->proc, WHY_HOLDS_END, d->rec.fd);
	}
}

void stuck_need_ring(struct stuck *s, struct stuck_thread *t, uint64_t ring, unsigned depth)
{
	const struct stuck_request *q = hash_get(stuck_look(s)->requests_by_ring, &ring);

	if (s->incomplete || depth > STUCK_SET_DEPTH) {
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "requests that were not read");
		return;
	}
	for (; q && stuck_may_visit(s, NULL); q = q->next)
		need_request(s, t, q, depth);
	if (q)
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "more requests");
	need_unseen(s, t, ring);
	need_holders(s, t, stuck_find_self(s, ring));
}

/* HOPE_NONE: there is none; HOPE_OUTSIDE: there may be one */
static enum stuck_hope time_limit(const struct stuck *s, const struct stuck_thread *t,
				  uint64_t flags)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	struct io_uring_getevents_arg arg;
	uint32_t min_wait_us; /* v6.12; a name it has in newer headers only */

	if (flags & RING_ENTER_EXT_ARG_REG)
		return HOPE_OUTSIDE;
	if (!(flags & IORING_ENTER_EXT_ARG))
		return HOPE_NONE;
	if (!m || m->size < sizeof(arg))
		return HOPE_OUTSIDE;
	memcpy(&arg, m->bytes, sizeof(arg));
	memcpy(&min_wait_us, m->bytes + MIN_WAIT_AT, sizeof(min_wait_us));
	return arg.ts || min_wait_us ? HOPE_RUNS : HOPE_NONE;
}

/* those of another ring the kernel carries out whatever becomes of this one */
static bool has_requests_elsewhere(const struct stuck *s, const struct lens_rec_uring *state)
{
	const struct stuck_request *q = hash_get(stuck_look(s)->requests_by_ring, &state->ring);
	uint32_t here = 0;

	for (; q && stuck_may_visit(s, NULL); q = q->next)
		here += q->rec.tid == state->tid;
	return here < state->requests;
}

void stuck_need_completion(struct stuck *s, struct stuck_thread *t, uint64_t flags)
{
	const struct lens_rec_uring *state = hash_get(stuck_look(s)->urings, &t->rec.tid);
	enum stuck_hope limit = time_limit(s, t, flags);

	if (limit == HOPE_RUNS)
		stuck_own_hope(t, limit, "waiting with a time limit");
	else
		stuck_own_hope(t, limit, "waiting, maybe with a time limit");
	/* not there yet: it hands requests over */
	if (!(flags & IORING_ENTER_GETEVENTS))
		stuck_own_hope(t, HOPE_OUTSIDE, "handing over asynchronous requests");
	if (state && state->ring)
		stuck_need_ring(s, t, state->ring, 0);
	else
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE, "an asynchronous request");
	if (state && has_requests_elsewhere(s, state))
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting, with requests to another ring");
	/* nothing is under way: a way to wait for a signal */
	if (!t->need_count)
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting for a signal");
}

void stuck_count_requests(struct stuck *s)
{
	const struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < hash_count(l->requests); i++) {
		const struct stuck_request *q = hash_at(l->requests, i);

		if (!(q->rec.flags & LENS_REQUEST_FIXED))
			stuck_add_uses(s, q->rec.file, 1);
	}
}

bool stuck_has_requests(const struct stuck *s, const struct stuck_thread *t)
{
	const struct lens_rec_uring *state = hash_get(stuck_look(s)->urings, &t->rec.tid);

	return state ? state->requests : t->rec.flags & LENS_THREAD_URING;
}

bool stuck_is_helper(const struct stuck *s, const struct stuck_thread *t)
{
	const struct lens_rec_uring *state = hash_get(stuck_look(s)->urings, &t->rec.tid);

	return t->rec.flags & LENS_THREAD_WORKER && state &&
	       (!state->request || hash_get(stuck_look(s)->requests, &state->request));
}
