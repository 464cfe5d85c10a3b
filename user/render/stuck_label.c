// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Words for waits; see stuck_label.h.
 */
#include "render/label.h"
#include "render/stuck_label.h"
#include "render/view.h"

#define NAMED_PROVIDERS 3 /* more than these are a number */
#define RING_PROCS 32

const char *label_state(const struct stuck_thread *t)
{
	if (t->rec.state & 8)
		return "t";
	if (t->rec.state & 4)
		return "T";
	if (t->rec.state & 2)
		return "D";
	return t->rec.state & 1 ? "S" : "R";
}

void label_call(struct buf *out, const struct stuck_thread *t)
{
	_cleanup_free_ char *name = NULL;

	if (t->rec.call != LENS_CALL_OTHER) {
		buf_puts(out, event_call_name(t->rec.call));
		return;
	}
	name = event_call_of_number(t->rec.nr, t->rec.flags & LENS_THREAD_COMPAT);
	if (name)
		buf_puts(out, name);
	else
		buf_printf(out, "system call %u", t->rec.nr);
}

const char *label_want(enum stuck_want want)
{
	static const char *const names[] = {
		[WANT_DATA] = "read",	    [WANT_ROOM] = "write",     [WANT_HANGUP] = "hangup",
		[WANT_CLIENT] = "accept",   [WANT_ACCEPT] = "connect", [WANT_PARTNER] = "open",
		[WANT_LOCK] = "lock",	    [WANT_WAKE] = "wake",      [WANT_EXIT] = "exit",
		[WANT_MESSAGE] = "read",    [WANT_SIGNAL] = "signal",  [WANT_TIME] = "time",
		[WANT_CONTINUE] = "continue", [WANT_ARM] = "arm",
		[WANT_UNKNOWN] = "unknown",
	};

	return names[want];
}

void label_stuck_proc(struct buf *out, const struct stuck_proc *p)
{
	const struct stuck_thread *t = p->leader			 ? p->leader
				       : p->thread_count ? p->threads[0] : NULL;
	const char *comm = t ? t->rec.comm : "";

	if (*comm)
		text_escape(out, comm, strnlen(comm, LENS_COMM_LEN));
	else
		buf_puts(out, "?");
	buf_printf(out, "(%u)", p->key.tgid);
}

void label_thing(struct buf *out, const struct stuck_thing *t)
{
	size_t len = strlen(t->name);

	/* a bare path says too little of what is behind it */
	if (strchr("/@k", t->name[0]))
		buf_printf(out, "%s ", event_object_name(t->object));
	text_escape(out, t->name, len);
}

void label_fill(struct buf *out, const struct stuck_thing *t)
{
	const char *unit = t->object == LENS_OBJECT_PIPE || t->object == LENS_OBJECT_FIFO
				   ? "slots"
				   : "messages";
	bool counted = t->object == LENS_OBJECT_PIPE || t->object == LENS_OBJECT_FIFO ||
		       t->object == LENS_OBJECT_POSIX_MQ;

	if (!t->is_channel || !t->capacity_bytes)
		return;
	label_count(out, t->queued_bytes);
	buf_puts(out, "/");
	label_count(out, t->capacity_bytes);
	buf_puts(out, " bytes");
	if (counted)
		buf_printf(out, ", %u/%u %s", t->queued_msgs, t->capacity_msgs, unit);
	else if (t->object == LENS_OBJECT_SYSV_MSG)
		buf_printf(out, ", %u messages", t->queued_msgs);
}

void label_wait(struct buf *out, const struct stuck_thread *t, const struct stuck_need *n)
{
	size_t begin;

	if (n && n->want == WANT_CONTINUE) {
		buf_puts(out, "a stop by its tracer");
		return;
	}
	label_call(out, t);
	if (t->need_count > 1)
		buf_printf(out, " on %zu things", t->need_count);
	if (!n || !n->thing)
		return;
	buf_puts(out, t->need_count > 1 ? ", one of them " : " on ");
	label_thing(out, n->thing);
	begin = out->len;
	buf_puts(out, " (");
	if (n->capacity_bytes) {
		label_count(out, n->used_bytes);
		buf_puts(out, " of ");
		label_count(out, n->capacity_bytes);
		buf_puts(out, " bytes not taken by the peer");
	} else {
		label_fill(out, n->thing);
	}
	if (out->len == begin + 2) {
		out->len = begin;
		out->data[begin] = '\0';
		return;
	}
	buf_puts(out, ")");
}

void label_why(struct buf *out, const struct stuck_need *n, const struct stuck_provider *p)
{
	switch (p->why) {
	case WHY_HOLDS_END:
		if (n->want == WANT_TIME) {
			buf_printf(out, "has the timer as descriptor %u", p->fd);
			break;
		}
		if (n->thing && n->thing->object == LENS_OBJECT_EPOLL) {
			buf_printf(out, "has the set as descriptor %u", p->fd);
			break;
		}
		buf_printf(out, "holds the %s end as descriptor %u",
			   n->want == WANT_ROOM	  ? "read"
			   : n->want == WANT_DATA ? "write"
						  : "other",
			   p->fd);
		break;
	case WHY_LISTENS:
		buf_printf(out, "has not accepted the connection, listens on descriptor %u", p->fd);
		break;
	case WHY_CAN_RECEIVE_END:
		buf_puts(out, "could receive the end that is inside its socket");
		break;
	case WHY_OWNS_LOCK:
		buf_puts(out, "holds the lock");
		break;
	case WHY_OWNS_LEASE:
		buf_puts(out, "has the lease");
		break;
	case WHY_OWNS_FUTEX:
		buf_puts(out, "owns the lock");
		break;
	case WHY_MAPS:
		buf_puts(out, "maps the memory");
		break;
	case WHY_OWES_UNDO:
		buf_puts(out, "took the semaphore with SEM_UNDO");
		break;
	case WHY_LAST_USER:
		buf_puts(out, "used it last");
		break;
	case WHY_IS_CHILD:
		buf_puts(out, "has to exit");
		break;
	case WHY_TRACES:
		buf_puts(out, "traces it");
		break;
	case WHY_HAS_FILE:
		buf_printf(out, "has it open as descriptor %u, and could open it again", p->fd);
		break;
	case WHY_OWN_THREADS:
		buf_puts(out, "its own threads");
		break;
	}
}

static void label_stopped(struct buf *out, const struct stuck_thread *t)
{
	if (!t->need_count || t->needs[0].want != WANT_CONTINUE) {
		buf_printf(out, "is %s", t->own_why);
		return;
	}
	buf_puts(out, "is stopped by its tracer ");
	label_stuck_proc(out, t->needs[0].providers[0].proc);
}

void label_doing(struct buf *out, const struct stuck_proc *p)
{
	const struct stuck_thread *t = p->telling;

	if (!t)
		buf_puts(out, "has ended");
	else if (t->own == HOPE_STOPPED)
		label_stopped(out, t);
	else if (t->moved || (t->own == HOPE_RUNS && !t->rec.state))
		buf_puts(out, "is running");
	else if (t->need_count) {
		buf_puts(out, "is blocked in ");
		label_wait(out, t, t->main ? t->main : &t->needs[0]);
		if (p->acts_beside)
			buf_puts(out, ", beside threads that may act");
	} else {
		buf_printf(out, "is %s in ", t->own_why ? t->own_why : "waiting");
		label_call(out, t);
	}
}

void label_ring(struct buf *out, const struct stuck_ring *r)
{
	/* each of those on it says it again */
	for (size_t i = 0; i < r->count && i < RING_PROCS; i++) {
		label_stuck_proc(out, r->procs[i]);
		buf_puts(out, " -> ");
	}
	if (r->count > RING_PROCS)
		buf_printf(out, "%zu others -> ", r->count - RING_PROCS);
	label_stuck_proc(out, r->procs[0]);
}

/* -------------------------------------------------------------- explanations */

static const char *role_wanted(const struct stuck_need *n)
{
	switch (n->want) {
	case WANT_DATA:
	case WANT_HANGUP:
	case WANT_MESSAGE:
		return "write to it";
	case WANT_ROOM:
		return "read from it";
	case WANT_LOCK:
		return n->thing && n->thing->is_channel ? "release its lock" : "release it";
	case WANT_ACCEPT:
		return "accept the connection";
	case WANT_PARTNER:
		return n->detail & 1 ? "open its write end" : "open its read end";
	case WANT_EXIT:
		return "exit";
	case WANT_WAKE:
		return "wake it";
	case WANT_TIME:
		return "set the timer";
	case WANT_CONTINUE:
		return "let it go on";
	case WANT_ARM:
		return "arm it again (EPOLL_CTL_MOD)";
	default:
		return "end the wait";
	}
}

static void add_provider(struct buf *out, const struct stuck_provider *p)
{
	label_stuck_proc(out, p->proc);
	if (p->why == WHY_HOLDS_END || p->why == WHY_LISTENS)
		buf_printf(out, " by descriptor %u", p->fd);
	buf_puts(out, ", which ");
	label_doing(out, p->proc);
	buf_puts(out, ", ");
}

size_t render_stuck_others(const struct stuck_thread *t, const struct stuck_need *n)
{
	size_t count = 0;

	for (size_t i = 0; i < n->provider_count; i++)
		count += n->providers[i].proc != t->proc;
	return count;
}

bool render_stuck_names(const struct stuck_thread *t, const struct stuck_need *n,
			const struct stuck_provider *p, size_t others)
{
	if (others && p->proc == t->proc)
		return false;
	return others <= 1 || !stuck_competes(p->proc, n);
}

/* "only b(12) by descriptor 4, which is sleeping in nanosleep, could read from it" */
static void add_providers(struct buf *out, const struct stuck_thread *t, const struct stuck_need *n)
{
	size_t shown = 0, left = 0, others = render_stuck_others(t, n);

	buf_puts(out, n->inferred || n->outside != HOPE_NONE ? "" : "only ");
	for (size_t i = 0; i < n->provider_count; i++) {
		const struct stuck_provider *p = &n->providers[i];

		if (others && p->proc == t->proc)
			continue;
		if (shown == NAMED_PROVIDERS || !render_stuck_names(t, n, p, others)) {
			left++;
			continue;
		}
		buf_puts(out, shown ? "or " : "");
		add_provider(out, p);
		shown++;
	}
	if (left)
		buf_printf(out, "%s%zu %s process%s ", shown ? "or " : "", left,
			   shown ? "other" : "waiting", left == 1 ? "" : "es");
	buf_printf(out, "could %s", role_wanted(n));
	if (n->outside_why)
		buf_printf(out, ", or %s", n->outside_why);
}

static void label_alone(struct buf *out, const struct stuck_proc *w, const struct stuck_proc *p)
{
	buf_puts(out, "; it waits for ");
	if (w != p) {
		label_stuck_proc(out, p);
		buf_puts(out, ", which waits for ");
	}
	buf_puts(out, "itself");
}

static void explain_deadlock(struct buf *out, const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_proc *p = t->main_provider;
	uint32_t ring = t->proc->ring ? t->proc->ring : p ? p->ring : 0;

	add_providers(out, t, t->main);
	if (!ring) {
		buf_puts(out, "; that leads into a cycle of waits");
		return;
	}
	if (s->rings[ring - 1].count == 1) {
		label_alone(out, t->proc, s->rings[ring - 1].procs[0]);
		return;
	}
	buf_puts(out, t->proc->on_ring ? "; each waits for the next: "
				       : "; it waits for a cycle: ");
	label_ring(out, &s->rings[ring - 1]);
	if (stuck_ring_competes(&s->rings[ring - 1], t->main))
		buf_puts(out, "; all of them wait for the same, so that ending one of them does not"
			      " end it");
	else if (t->main->want == WANT_WAKE)
		buf_puts(out, t->main->readers
				      ? "; the lock does not say who of those that read have it"
				      : "; who should have woken them is not known");
	else if (stuck_ring_outlives(&s->rings[ring - 1]))
		buf_puts(out, "; whoever of them ends, the others wait on");
	else
		buf_puts(out, "; ending one of them ends it");
}

static void explain_leak(struct buf *out, const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_proc *p = t->main_provider;
	const struct stuck_provider *v = NULL;

	for (size_t i = 0; i < t->main->provider_count; i++)
		if (t->main->providers[i].proc == p)
			v = &t->main->providers[i];
	if (!v)
		return;
	buf_puts(out, "the end of file it waits for does not come, as ");
	label_stuck_proc(out, p);
	if (v->why == WHY_CAN_RECEIVE_END) {
		buf_puts(out,
			 " has not received the write end, which is on its way inside a socket");
		return;
	}
	buf_printf(out, " still has the write end open as descriptor %u (%s close-on-exec), ",
		   v->fd, v->closes_on_exec ? "is" : "is not");
	label_origin(out, s, v);
	if (p == t->proc)
		buf_puts(out, ": the process itself should have closed it");
	else
		buf_puts(out, ", is an orphan, and no write(2) of it has written anything since "
			      "it began");
	if (!t->certain)
		buf_puts(out, " (inferred: it could still write)");
}

static void explain_no_match(struct buf *out, const struct stuck_thread *t)
{
	if (t->main->want == WANT_MESSAGE)
		buf_printf(out, "the queue holds messages, but none that matches type %lld",
			   (long long)t->main->detail);
	else
		buf_puts(out, "the queue is full of messages that its receivers do not ask for");
}

/* the only other one who has the write end, NULL: there are more, or none */
static const struct stuck_provider *only_writer(const struct stuck_thread *t,
						const struct stuck_need *n)
{
	const struct stuck_provider *only = NULL;

	if (n->want != WANT_DATA || render_stuck_others(t, n) != 1)
		return NULL;
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc != t->proc && n->providers[i].why == WHY_HOLDS_END)
			only = &n->providers[i];
	return only;
}

static void explain_other(struct buf *out, const struct stuck *s, const struct stuck_thread *t)
{
	const struct stuck_need *n = t->main;
	const struct stuck_provider *v = only_writer(t, n);

	if (n->provider_count)
		add_providers(out, t, n);
	else
		buf_printf(out, "%s could %s", n->outside_why ? n->outside_why : "nothing seen",
			   n->want == WANT_PARTNER ? role_wanted(n) : "end it");
	if (n->readers)
		buf_printf(out, "; %u who read %s the lock, which does not say who they are",
			   n->readers, n->readers == 1 ? "has" : "have");
	/* a copy that was forgotten looks like that, and one not used yet does, too */
	if (v && stuck_wrote_nothing(n, v)) {
		buf_puts(out, "; no write(2) of it has written anything yet, and it has that end ");
		label_origin(out, s, v);
	}
	if (t->own > HOPE_NONE && t->own_why)
		buf_printf(out, "; who waits is %s", t->own_why);
}

/* a timer is not set, and a set not changed, by who waits for it */
static bool has_helper(const struct stuck_thread *t, const struct stuck_need *n)
{
	return (n->want != WANT_TIME && n->want != WANT_ARM) || render_stuck_others(t, n);
}

/* what can wake nobody, whatever happens there */
static void explain_disarmed(struct buf *out, const struct stuck_thread *t)
{
	buf_printf(out, "EPOLLONESHOT has disarmed %u member%s of its set, which wake%s nobody",
		   t->disarmed, t->disarmed == 1 ? "" : "s", t->disarmed == 1 ? "s" : "");
}

void label_explanation(struct buf *out, const struct stuck *s, const struct stuck_thread *t)
{
	label_stuck_proc(out, t->proc);
	if (!t->main && t->own == HOPE_STOPPED) {
		buf_puts(out, " ");
		label_stopped(out, t);
		return;
	}
	if (!t->main) {
		buf_printf(out, " is %s", t->own_why ? t->own_why : "not waiting for anybody");
		return;
	}
	buf_puts(out, " is blocked in ");
	label_wait(out, t, t->main);
	buf_puts(out, ": ");
	if (t->main->want == WANT_ARM) {
		explain_disarmed(out, t);
		buf_puts(out, ": ");
	}
	switch (t->verdict) {
	case STUCK_DEADLOCK:
		explain_deadlock(out, s, t);
		break;
	case STUCK_EOF_LEAK:
		explain_leak(out, s, t);
		break;
	case STUCK_OWNER_DEAD:
		buf_printf(out, "thread %lld, which locked it, no longer exists, so that nobody "
			   "will release it%s", (long long)t->main->detail,
			   t->certain ? "" : ", unless one that it forked does (inferred from "
			   "what the lock looks like)");
		break;
	case STUCK_NO_MATCH:
		explain_no_match(out, t);
		break;
	case STUCK_DEAD_END:
		if (t->main->provider_count && has_helper(t, t->main))
			add_providers(out, t, t->main);
		else
			buf_printf(out, "nobody is left who could %s", role_wanted(t->main));
		break;
	default:
		explain_other(out, s, t);
	}
	if (t->disarmed && t->main->want != WANT_ARM) {
		buf_puts(out, "; ");
		explain_disarmed(out, t);
	}
	if (t->was_moved)
		buf_puts(out, "; it was moved there from the futex of its call (FUTEX_REQUEUE)");
}

void label_frame(struct buf *out, const struct stuck_frame *f)
{
	if (f->function.len)
		text_escape(out, f->function.data, f->function.len);
	else
		buf_puts(out, "?");
	buf_printf(out, "+0x%llx", (unsigned long long)f->offset);
	if (!f->module.len)
		return;
	buf_puts(out, " [");
	text_escape(out, f->module.data, f->module.len);
	buf_puts(out, "]");
}
