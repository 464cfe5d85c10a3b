// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Proof that the holders found are all there are. An open file description
 * counts its references; each descriptor is one, each passage through a socket
 * is one, and a call in progress may be one or two. What is left over belongs to
 * somebody who cannot be seen: another pid namespace, io_uring, the kernel.
 */
#include "model/stuck_look.h"

struct counting {
	struct stuck *s;
	struct stuck_thread *thread;
};

static struct stuck_uses *uses_of(struct stuck *s, uint64_t file)
{
	struct hash *uses = stuck_look(s)->uses;
	struct stuck_uses *u = hash_get(uses, &file);

	if (!u) {
		u = xcalloc(1, sizeof(*u));
		hash_add(uses, &file, u);
	}
	return u;
}

void stuck_add_uses(struct stuck *s, uint64_t file, uint64_t references)
{
	uses_of(s, file)->references += references;
}

static void add(struct stuck *s, const struct stuck_thread *t, uint64_t file)
{
	struct stuck_uses *u = uses_of(s, file);

	u->references++;
	u->passing += t->moved;
}

static void count(struct stuck *s, const struct stuck_thread *t, uint32_t fd)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, fd);

	if (d)
		add(s, t, d->rec.file);
}

/* a poll holds one for each wait queue: a terminal has two, a pipe one for each way */
static void count_polled(void *ctx, const struct lens_polled *p)
{
	struct counting *c = ctx;

	add(c->s, c->thread, p->file);
}

static bool is_poll(unsigned call)
{
	return call >= LENS_CALL_POLL && call <= LENS_CALL_PSELECT;
}

/* somebody else could take the descriptor away while the call goes on */
static bool shares_table(const struct stuck_proc *p)
{
	return p->live_count > 1 || p->shares_table;
}

static void count_call(struct stuck *s, struct stuck_thread *t)
{
	const struct stuck_lock *lock = hash_get(stuck_look(s)->locks, &t->rec.tid);
	struct counting c = { .s = s, .thread = t };

	if (is_poll(t->rec.call)) {
		stuck_each_polled(s, t, count_polled, &c);
		return;
	}
	/*
	 * A call needs none to what a descriptor of the thread's own table stands for. One that
	 * began while there were other threads has one nevertheless, which is left over then: that
	 * its stack has a pointer with the mark of a reference does not prove it, as an earlier
	 * call may have left that there.
	 */
	if (!shares_table(t->proc))
		return;
	if (lock && lock->rec.wanted) {
		add(s, t, lock->rec.wanted);
		return;
	}
	/* nor has it one to what has come in the place of the other */
	if (t->rec.flags & LENS_THREAD_ELSEWHERE)
		return;
	/* the first argument of most is a descriptor; where it is none, this only */
	/* makes the proof weaker for a file that happens to have that number */
	count(s, t, t->rec.arg[0]);
	if (t->rec.call == LENS_CALL_SPLICE)
		count(s, t, t->rec.arg[2]);
	else if (t->rec.call == LENS_CALL_SENDFILE || t->rec.call == LENS_CALL_TEE)
		count(s, t, t->rec.arg[1]);
}

static bool is_about_descriptor(unsigned call)
{
	return (call >= LENS_CALL_READ && call <= LENS_CALL_CONNECT) ||
	       (call >= LENS_CALL_POLL && call <= LENS_CALL_EPOLL_PWAIT2) ||
	       call == LENS_CALL_MQ_SEND || call == LENS_CALL_MQ_RECEIVE ||
	       call == LENS_CALL_FLOCK || call == LENS_CALL_FCNTL;
}

/*
 * Its registers show a call that it has left to stop, and goes back to, or has not begun. Who is
 * frozen by a cgroup v1 may have stayed in it.
 */
static bool is_outside(const struct lens_rec_thread *r)
{
	return r->flags & LENS_THREAD_FROZEN ||
	       r->state & (STUCK_STATE_STOPPED | STUCK_STATE_TRACED | STUCK_STATE_FROZEN);
}

void stuck_count_uses(struct stuck *s)
{
	for (size_t i = 0; i < s->thread_count; i++) {
		struct stuck_thread *t = s->threads[i];

		if (!t->is_dead && !is_outside(&t->rec) && is_about_descriptor(t->rec.call))
			count_call(s, t);
	}
}

/*
 * A table that several processes share holds one reference for all of them; and one whose leader
 * has ended is told of by each thread.
 */
static bool is_reference(const struct stuck *s, const struct stuck_desc *d)
{
	return stuck_owns_table(s, d->proc) && (d->proc->has_several_tables ||
						stuck_find_fd(s, d->proc, d->rec.fd) == d);
}

/* the queue of a socket is walked for each descriptor of it, and what is in it told each time */
static unsigned times_told(const struct stuck *s, uint64_t carrier)
{
	unsigned times = 0;

	for (const struct stuck_desc *d = stuck_find_self(s, carrier); d; d = d->next_self)
		times += d->proc && d->rec.queued_msgs;
	return times ? times : 1;
}

uint64_t stuck_count_references(const struct stuck *s, uint64_t file)
{
	const struct stuck_uses *u = hash_get(stuck_look(s)->uses, &file);
	uint64_t seen = u ? u->references : 0, carrier = 0;
	double passages = 0;
	unsigned times = 1;

	for (const struct stuck_desc *d = stuck_find_file(s, file); d; d = d->next_file) {
		if (d->proc) {
			seen += is_reference(s, d);
			continue;
		}
		if (d->rec.carrier != carrier) {
			carrier = d->rec.carrier;
			times = times_told(s, carrier);
		}
		passages += 1.0 / times;
	}
	return seen + (uint64_t)(passages + 0.5);
}

static uint64_t references(const struct stuck_desc *d)
{
	uint64_t refs = UINT64_MAX;

	for (; d; d = d->next_file) {
		/* the walk that found it in a queue held none itself */
		if (d->rec.refs < refs)
			refs = d->rec.refs;
	}
	return refs;
}

static bool has_more_references(const struct stuck *s, const struct stuck_desc *d)
{
	uint64_t refs = references(d);

	return refs != UINT64_MAX && refs > stuck_count_references(s, d->rec.file);
}

/* of a thread that ran meanwhile the call may have begun after the references were counted */
static uint64_t passing(const struct stuck *s, uint64_t file)
{
	const struct stuck_uses *u = hash_get(stuck_look(s)->uses, &file);

	return u ? u->passing : 0;
}

/*
 * While other threads could close the descriptor, the call holds a reference of its own: if it
 * holds none to what the descriptor stands for now, another thread has put that in its place.
 */
bool stuck_is_elsewhere(const struct stuck *s, const struct stuck_thread *t,
			const struct stuck_desc *d)
{
	return shares_table(t->proc) &&
	       references(stuck_find_file(s, d->rec.file)) <
		       stuck_count_references(s, d->rec.file) - passing(s, d->rec.file);
}

bool stuck_is_hidden(const struct stuck *s, const struct stuck_desc *any_of_file)
{
	struct stuck_desc *first = stuck_find_file(s, any_of_file->rec.file);

	if (!first)
		return false;
	if (first->hidden == HIDDEN_UNKNOWN)
		first->hidden = has_more_references(s, first) ? HIDDEN_SOME : HIDDEN_NOT;
	return first->hidden == HIDDEN_SOME;
}
