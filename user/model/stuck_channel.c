// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a thread needs of the thing behind a descriptor, and who could provide
 * it: those who hold the other end.
 */
#include <signal.h>

#include "model/stuck_look.h"

#define MODE_READ 1
#define MODE_WRITE 2
#define MSG_PEEK_ 2 /* include/linux/socket.h */
#define MSG_WAITALL_ 0x100

static void add_holder(struct stuck_need *n, const struct stuck_desc *d, enum stuck_why why)
{
	struct stuck_provider *p = stuck_add_provider(n, d->proc, why, d->rec.fd);

	if (p)
		p->closes_on_exec = d->rec.flags & LENS_DESC_CLOEXEC;
}

#define CARRIER_DEPTH 4 /* a socket inside a socket inside ... */

/* a descriptor in a queue becomes a holder's when somebody receives it */
static void add_receivers(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d,
			  unsigned depth)
{
	const struct stuck_desc *carrier = stuck_find_self(s, d->rec.carrier);

	if (!carrier || depth == CARRIER_DEPTH) {
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process that is not seen");
		return;
	}
	for (; carrier && stuck_may_visit(s, n); carrier = carrier->next_self) {
		if (stuck_is_hidden(s, carrier))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a process that is not seen");
		if (carrier->proc)
			add_holder(n, carrier, WHY_CAN_RECEIVE_END);
		else
			add_receivers(s, n, carrier, depth + 1);
	}
}

static unsigned find_holders(const struct stuck *s, struct stuck_need *n,
			     const struct stuck_desc *end, uint32_t mode, enum stuck_why why)
{
	unsigned files = 0;

	for (const struct stuck_desc *d = end; d && stuck_may_visit(s, n); d = d->next_self) {
		if (mode && !(d->rec.mode & mode))
			continue;
		if (d->proc)
			add_holder(n, d, why);
		else
			add_receivers(s, n, d, 0);
		if (stuck_find_file(s, d->rec.file) == d)
			files++;
		if (stuck_is_hidden(s, d))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	}
	return files;
}

unsigned stuck_add_holders(const struct stuck *s, struct stuck_need *n,
			   const struct stuck_desc *end, uint32_t mode, enum stuck_why why)
{
	struct stuck_end key = { .self = end ? end->rec.self : 0, .mode = mode, .why = why };
	struct stuck_holders *h = hash_get(stuck_look(s)->holders, &key);
	struct stuck_need found = { .want = n->want, .serial = n->serial };
	unsigned files;

	if (!h && end) {
		files = find_holders(s, &found, end, mode, why);
		h = xcalloc(1, sizeof(*h));
		*h = (struct stuck_holders){ found.providers, found.provider_count, files,
					     found.outside, found.outside_why };
		hash_add(stuck_look(s)->holders, &key, h);
	}
	if (!h || !stuck_may_share(s, n, h->count))
		return 0;
	stuck_hope_outside(n, h->outside, h->outside_why);
	n->providers = h->providers;
	n->provider_count = h->count;
	n->is_shared = true;
	return h->files;
}

static bool is_set_call(unsigned call)
{
	return call >= LENS_CALL_POLL && call <= LENS_CALL_IO_URING_ENTER;
}

/*
 * A signal handler may write to a pipe of its own process, as many event loops do. One for
 * SIGINT every Python program has; it counts where it could write without being blocked.
 */
static bool may_handler_write(const struct stuck *s, const struct stuck_thread *t,
			      const struct stuck_provider *own)
{
	const struct stuck_desc *end = stuck_find_fd(s, t->proc, own->fd);
	const uint64_t sigint = 1u << (SIGINT - 1);
	bool blocks = end && !(end->rec.flags & LENS_DESC_NONBLOCK);

	return blocks && !is_set_call(t->rec.call) ? t->proc->handlers & ~sigint :
						     t->proc->handlers;
}

static void doubt_own_end(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n)
{
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc == t->proc && may_handler_write(s, t, &n->providers[i]))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
}

/* ------------------------------------------------------------------- by kind */

static bool wants_input(enum stuck_want want)
{
	return want == WANT_DATA || want == WANT_HANGUP;
}

/* who opens it both ways, to wait for nobody, expects its reader to come later */
static bool is_alone(const struct stuck_need *n, const struct stuck_thread *t)
{
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc != t->proc)
			return false;
	return true;
}

static void need_pipe(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
		      const struct stuck_desc *d, bool edge)
{
	uint32_t usual = n->want == WANT_ROOM ? MODE_WRITE : MODE_READ;
	/* whoever polls an end for what never comes there hears when the others are gone */
	enum stuck_want want = d->rec.mode & usual ? n->want : WANT_HANGUP;
	bool input = want == WANT_DATA || (want == WANT_HANGUP && d->rec.mode & MODE_READ);
	uint32_t expected = input ? d->rec.writers : d->rec.readers;
	unsigned files = stuck_add_holders(s, n, stuck_find_self(s, d->rec.self),
					   input ? MODE_WRITE : MODE_READ, WHY_HOLDS_END);

	n->want = want;
	if (files < expected)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	/* a reader may come by name, though who reads already is the one to be expected */
	n->inferred = d->rec.object == LENS_OBJECT_FIFO && d->rec.flags & LENS_DESC_NAMED;
	if (!edge && n->want == WANT_DATA && d->rec.queued_msgs)
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (!edge && n->want == WANT_ROOM && d->rec.queued_msgs < d->rec.capacity_msgs)
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (d->rec.object == LENS_OBJECT_FIFO && d->rec.flags & LENS_DESC_NAMED &&
	    (input || is_alone(n, t)))
		stuck_hope_outside(n, HOPE_STRANGER, "a process that opens it by name");
}

/* open file descriptions of it, in whoever's hands */
static unsigned open_files(const struct stuck *s, const struct stuck_desc *any)
{
	unsigned files = 0;

	for (const struct stuck_desc *d = stuck_find_self(s, any->rec.self);
	     d && stuck_may_visit(s, NULL); d = d->next_self)
		files += stuck_find_file(s, d->rec.file) == d;
	return files;
}

static void need_mq(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
		    const struct stuck_desc *d, bool edge)
{
	bool input = n->want == WANT_DATA;

	n->outlives = true;
	stuck_add_holders(s, n, stuck_find_self(s, d->rec.self), input ? MODE_WRITE : MODE_READ,
			  WHY_HOLDS_END);
	if (!edge && (input ? d->rec.queued_msgs > 0 : d->rec.queued_msgs < d->rec.capacity_msgs))
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (open_files(s, d) < d->rec.readers)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	if (!(d->rec.flags & LENS_DESC_NAMED))
		return;
	/*
	 * Strangers send to a queue; that one takes what was meant for others is not to be
	 * expected, but where nobody has it to receive from, whoever is meant comes later.
	 */
	if (input || is_alone(n, t))
		stuck_hope_outside(n, HOPE_STRANGER, "a process that opens it by name");
	else
		n->inferred = true;
}

/* a write waits until its own number fits, which may be any; who polls, until 1 does */
static void need_eventfd(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
			 const struct stuck_desc *d, bool edge)
{
	n->outlives = true;
	stuck_add_holders(s, n, stuck_find_self(s, d->rec.self), 0, WHY_HOLDS_END);
	if (d->rec.flags & LENS_DESC_KERNEL_USER)
		stuck_hope_outside(n, HOPE_OUTSIDE, "the kernel, which can signal it");
	if (!edge && n->want == WANT_DATA && d->rec.queued_bytes)
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (n->want == WANT_ROOM && !edge && is_set_call(t->rec.call) &&
	    d->rec.queued_bytes < UINT64_MAX - 1)
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
}

/* what somebody else writes to the master comes back from the terminal */
static void add_echoers(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
			const struct stuck_desc *d)
{
	const struct stuck_desc *one = stuck_find_self(s, d->rec.self);

	for (; one && stuck_may_visit(s, n); one = one->next_self) {
		if (one->proc && one->proc != t->proc)
			add_holder(n, one, WHY_HOLDS_END);
		else if (!one->proc)
			stuck_hope_outside(n, HOPE_OUTSIDE, "a process that receives it");
	}
	if (stuck_is_hidden(s, d))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
}

static void need_pty(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
		     const struct stuck_desc *d)
{
	const struct stuck_desc *other = stuck_find_self(s, d->rec.peer);

	/* that nobody reads what was written is not what it waits for */
	if (n->want == WANT_ROOM && d->rec.flags & LENS_DESC_OUTPUT_STOPPED) {
		stuck_hope_outside(n, HOPE_OUTSIDE, "whoever starts its output again (^Q, as "
						    "^S has stopped it, or tcflow(3))");
		return;
	}
	stuck_add_holders(s, n, other, 0, WHY_HOLDS_END);
	/* which poll(2) knows nothing of */
	if (d->rec.flags & LENS_DESC_READ_TIMED && n->want == WANT_DATA &&
	    !is_set_call(t->rec.call))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a time limit of the terminal");
	if (d->rec.flags & LENS_DESC_MASTER && wants_input(n->want))
		add_echoers(s, t, n, d);
	/* others may open a terminal by its name, though few do */
	n->inferred = true;
	if (!n->provider_count || (n->provider_count == 1 && n->providers[0].proc == t->proc))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a terminal's user");
	stuck_need_session(s, t, n, d);
}

/* ------------------------------------------------------------------- sockets */

static bool has_room(const struct stuck *s, const struct stuck_desc *d)
{
	const struct stuck_desc *peer = stuck_find_self(s, d->rec.peer);
	/* so much may be taken when the kernel calls it writable: unix_writable() */
	unsigned part = d->rec.object == LENS_OBJECT_TCP ? 2 : 4;

	if (d->rec.sent_bytes * part > d->rec.send_capacity_bytes ||
	    d->rec.flags & LENS_DESC_HELD_BACK)
		return false;
	return d->rec.object != LENS_OBJECT_UNIX_DGRAM || !peer ||
	       peer->rec.queued_msgs <= peer->rec.capacity_msgs;
}

/* a read takes what little there is and goes on waiting; a poll of TCP does not tell of it */
static bool has_data(const struct stuck_desc *d)
{
	if (d->rec.object != LENS_OBJECT_TCP)
		return d->rec.queued_msgs != 0;
	return d->rec.queued_bytes != 0 && !(d->rec.flags & LENS_DESC_TOO_LITTLE);
}

static void ready_socket(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d)
{
	const struct stuck_desc *peer = stuck_find_self(s, d->rec.peer);

	if (n->want == WANT_DATA && has_data(d))
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (n->want == WANT_DATA && peer && peer->rec.flags & LENS_DESC_SEND_SHUT &&
	    !(d->rec.flags & LENS_DESC_UNACCEPTED))
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
	if (n->want == WANT_ROOM && has_room(s, d))
		stuck_hope_outside(n, HOPE_RUNS, "what is there already");
}

void stuck_doubt_ends(struct stuck_need *n, const struct stuck_desc *one,
		      const struct stuck_desc *other)
{
	if (one->rec.flags & LENS_DESC_REDIRECTED ||
	    (other && other->rec.flags & LENS_DESC_REDIRECTED))
		stuck_hope_outside(n, HOPE_OUTSIDE, "whoever BPF programs take it from, or give it"
						    " to (sockmap)");
}

static void need_unix(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d)
{
	const struct stuck_desc *other = stuck_find_self(s, d->rec.peer);
	bool unaccepted = d->rec.flags & LENS_DESC_UNACCEPTED;

	if (n->want == WANT_DATA && d->rec.object == LENS_OBJECT_UNIX_DGRAM &&
	    (d->rec.flags & LENS_DESC_NAMED || !d->rec.peer))
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process that sends to its address");
	n->outlives = d->rec.object == LENS_OBJECT_UNIX_DGRAM && n->want != WANT_ROOM;
	stuck_add_holders(s, n, other, 0, unaccepted ? WHY_LISTENS : WHY_HOLDS_END);
	stuck_doubt_ends(n, d, other);
	if (!other)
		stuck_hope_outside(n, HOPE_OUTSIDE,
			     d->rec.flags & LENS_DESC_CONNECTED ? "a peer that is not seen"
								: "a peer it has not got yet");
}

/* its receiver may be named in memory that was not read */
static bool is_sendmsg(unsigned call)
{
	return call == LENS_CALL_SENDMSG || call == LENS_CALL_SENDMMSG;
}

static void need_socket(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d,
			bool edge, unsigned call, size_t *at)
{
	if (d->rec.flags & LENS_DESC_LISTEN) {
		n->want = WANT_CLIENT;
		stuck_hope_outside(n, HOPE_OUTSIDE, "a client");
		return;
	}
	if (stuck_is_tcp_connection(d))
		stuck_need_tcp(s, n, d, at);
	else if (d->rec.object == LENS_OBJECT_TCP || d->rec.object == LENS_OBJECT_UDP)
		stuck_hope_outside(n, HOPE_OUTSIDE, "whoever sends to its address");
	else
		need_unix(s, n, d);
	/* a full queue of another one than its peer's is what such a call waits for */
	if (!edge && !(d->rec.object == LENS_OBJECT_UNIX_DGRAM && is_sendmsg(call)))
		ready_socket(s, n, d);
	if (n->want != WANT_ROOM)
		return;
	n->used_bytes = d->rec.sent_bytes;
	n->capacity_bytes = d->rec.send_capacity_bytes;
}

/*
 * A FIFO that is being opened has nobody at its other end: whoever had would have let
 * the call return. By its name anybody can come, by somebody's descriptor too.
 */
void stuck_need_partner(struct stuck *s, struct stuck_thread *t)
{
	const struct stuck_desc *d = hash_get(stuck_look(s)->opening, &t->rec.tid);
	struct stuck_need *n;

	if (!d) {
		stuck_need_outside(t, WANT_PARTNER, HOPE_OUTSIDE,
				   "what it opens, which is not seen");
		return;
	}
	n = stuck_add_need(t, WANT_PARTNER);
	n->thing = stuck_thing_of(s, d);
	n->detail = d->rec.mode;
	n->inferred = true;
	stuck_add_holders(s, n, stuck_find_self(s, d->rec.self), 0, WHY_HAS_FILE);
	if (d->rec.flags & LENS_DESC_NAMED)
		stuck_hope_outside(n, HOPE_STRANGER, "a process that opens it by name");
	else if (n->provider_count)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a process that opens it by way of /proc");
}

/* ------------------------------------------------------------- all together */

/* one that is not set must be set by somebody who has it; by who waits, in a signal handler only */
static void need_timer(const struct stuck *s, const struct stuck_thread *t,
		       const struct stuck_desc *d, struct stuck_need *n)
{
	const struct stuck_desc *one = stuck_find_self(s, d->rec.self);

	if (!(d->rec.flags & LENS_DESC_IDLE)) {
		stuck_hope_outside(n, HOPE_RUNS, "a timer");
		return;
	}
	n->want = WANT_TIME;
	n->outlives = true;
	for (; one && stuck_may_visit(s, n); one = one->next_self) {
		if (!one->proc)
			stuck_hope_outside(n, HOPE_OUTSIDE, "a process that receives it");
		else if (one->proc == t->proc)
			stuck_add_provider(n, one->proc, WHY_OWN_THREADS, one->rec.fd);
		else
			add_holder(n, one, WHY_HOLDS_END);
		if (stuck_is_hidden(s, one))
			stuck_hope_outside(n, HOPE_OUTSIDE, "a holder that is not seen");
	}
	if (t->proc->handlers)
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal handler");
}

/* what is no channel: true if that was all */
static bool need_other(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		       struct stuck_need *n)
{
	struct stuck_proc *p;

	switch (d->rec.object) {
	case LENS_OBJECT_TIMERFD:
		need_timer(s, t, d, n);
		return true;
	case LENS_OBJECT_FILE:
		stuck_hope_outside(n, HOPE_RUNS, "a device");
		return true;
	case LENS_OBJECT_SIGNALFD:
		stuck_hope_outside(n, HOPE_OUTSIDE, "a signal");
		return true;
	case LENS_OBJECT_PIDFD:
		p = stuck_find_proc(s, d->rec.pid);
		n->want = WANT_EXIT;
		if (p)
			stuck_add_provider(n, p, WHY_IS_CHILD, 0);
		else
			stuck_hope_outside(n, HOPE_OUTSIDE, "a process that is not seen");
		return true;
	case LENS_OBJECT_INOTIFY:
		stuck_hope_outside(n, HOPE_OUTSIDE, "a change to a file");
		return true;
	case LENS_OBJECT_IO_URING:
		stuck_hope_outside(n, HOPE_OUTSIDE, "an asynchronous request");
		return true;
	case LENS_OBJECT_DEVICE:
	case LENS_OBJECT_SOCKET:
		stuck_hope_outside(n, HOPE_OUTSIDE, "a device or another host");
		return true;
	}
	return false;
}

static bool is_socket(unsigned object)
{
	return object >= LENS_OBJECT_UNIX_STREAM && object <= LENS_OBJECT_UDP;
}

void stuck_need_desc(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		     uint32_t fd, enum stuck_want want, bool edge)
{
	struct stuck_need *n = stuck_add_need(t, want);
	size_t listener = 0;

	n->fd = fd;
	n->thing = stuck_thing_of(s, d);
	n->end = d->rec.self;
	if (need_other(s, t, d, n))
		return;
	if (d->rec.object == LENS_OBJECT_PIPE || d->rec.object == LENS_OBJECT_FIFO)
		need_pipe(s, t, n, d, edge);
	else if (d->rec.object == LENS_OBJECT_POSIX_MQ)
		need_mq(s, t, n, d, edge);
	else if (d->rec.object == LENS_OBJECT_EVENTFD)
		need_eventfd(s, t, n, d, edge);
	else if (d->rec.object == LENS_OBJECT_PTY)
		need_pty(s, t, n, d);
	else if (is_socket(d->rec.object))
		need_socket(s, n, d, edge, t->rec.call, &listener);
	else
		stuck_hope_outside(n, HOPE_OUTSIDE, "what it stands for is not resolved");
	if (wants_input(want))
		doubt_own_end(s, t, n);
	if (stuck_is_pending(s, d))
		stuck_need_more_listeners(s, t, d, fd, want, listener);
}

/*
 * Who is in no list of his peer's waits for room of his own, which has what lies in the queue of
 * whoever he was connected to before as well.
 */
static void doubt_peer(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d)
{
	const struct stuck_desc *peer = stuck_find_self(s, d->rec.peer);

	n->inferred = true;
	if (!peer || !peer->rec.queued_msgs)
		stuck_hope_outside(n, HOPE_OUTSIDE, "whoever has not taken what it sent");
}

static uint64_t receive_flags(const struct stuck_thread *t)
{
	switch (t->rec.call) {
	case LENS_CALL_RECV:
	case LENS_CALL_RECVFROM:
	case LENS_CALL_RECVMMSG:
		return t->rec.arg[3];
	case LENS_CALL_RECVMSG:
		return t->rec.arg[2];
	}
	return 0;
}

/* waits for more than is there: for as much as it has asked for, or for what it has not seen yet */
static bool wants_more(const struct stuck_thread *t, const struct stuck_desc *d)
{
	uint64_t flags = receive_flags(t);

	return flags & MSG_WAITALL_ || (flags & MSG_PEEK_ && d->rec.flags & LENS_DESC_PEEK_OFF);
}

/* who sleeps in the call has the limit that it began with, which LENS_THREAD_TIMED tells */
bool stuck_is_limited(const struct stuck_thread *t, const struct stuck_desc *d, uint32_t flag)
{
	return d->rec.flags & flag && !(t->rec.state & STUCK_STATE_INTERRUPTIBLE);
}

void stuck_need_fd(struct stuck *s, struct stuck_thread *t, uint32_t fd, enum stuck_want want)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, fd);

	if (!d) {
		stuck_need_outside(t, want, HOPE_OUTSIDE,
				   "what its descriptor stands for is not seen");
		return;
	}
	if (stuck_is_limited(t, d, want == WANT_ROOM ? LENS_DESC_SEND_TIMEOUT :
						       LENS_DESC_RECV_TIMEOUT))
		stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
	if (d->rec.object == LENS_OBJECT_UNIX_DGRAM && want == WANT_ROOM) {
		if (stuck_need_room(s, t, fd, want))
			return;
		if (is_sendmsg(t->rec.call)) {
			stuck_need_outside(t, want, HOPE_OUTSIDE, "whoever it sends to");
			t->needs[t->need_count - 1].fd = fd;
			t->needs[t->need_count - 1].thing = stuck_thing_of(s, d);
		}
	}
	if (stuck_is_elsewhere(s, t, d))
		stuck_need_outside(t, want, HOPE_OUTSIDE, "what its descriptor stood for before");
	stuck_need_desc(s, t, d, fd, want, wants_more(t, d));
	if (d->rec.object == LENS_OBJECT_UNIX_DGRAM && want == WANT_ROOM)
		doubt_peer(s, &t->needs[t->need_count - 1], d);
}

void stuck_need_connect(struct stuck *s, struct stuck_thread *t, uint32_t fd)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, fd);

	if (!d || d->rec.object < LENS_OBJECT_UNIX_STREAM ||
	    d->rec.object > LENS_OBJECT_UNIX_SEQPACKET) {
		stuck_need_syn(s, t, d, fd);
		return;
	}
	if (stuck_is_limited(t, d, LENS_DESC_SEND_TIMEOUT))
		stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
	stuck_need_address(s, t, d, fd, WANT_ACCEPT);
}
