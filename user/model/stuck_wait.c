// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From the call a thread is blocked in to what would end it.
 */
#include "model/stuck_look.h"

/* include/uapi/linux/futex.h, fcntl.h, wait.h, net.h, ipc.h: named here, as they name calls */
enum { IPC_SEMOP_ = 1, IPC_SEMTIMEDOP_ = 4, IPC_MSGSND_ = 11, IPC_MSGRCV_ = 12 };
enum { LOCK_F_SETLKW = 7, LOCK_F_SETLKW64 = 14, LOCK_F_OFD_SETLKW = 38 };
enum { WAIT_P_ALL, WAIT_P_PID, WAIT_P_PGID, WAIT_P_PIDFD };
#define WAIT_ALL 0x40000000u   /* __WALL, __WCLONE */
#define WAIT_CLONE 0x80000000u
#define WAIT_EXITED 4u /* of waitid(2) */

void stuck_need_outside(struct stuck_thread *t, enum stuck_want want, enum stuck_hope hope,
			const char *why)
{
	struct stuck_need *n = stuck_add_need(t, want);

	n->outside = hope;
	n->outside_why = why;
}

void stuck_hope_outside(struct stuck_need *n, enum stuck_hope hope, const char *why)
{
	if (n->outside >= hope)
		return;
	n->outside = hope;
	n->outside_why = why;
}

void stuck_own_hope(struct stuck_thread *t, enum stuck_hope own, const char *why)
{
	if (t->own >= own)
		return;
	t->own = own;
	t->own_why = why;
}

/* ------------------------------------------------------------------ children */

#define ANY_CHILD (-1) /* of waitpid(2), which has less for groups, and 0 for its own */

/* a process group in the numbers of who waits; 0: its own; a tracer has other numbers */
static bool is_in_group(const struct stuck_thread *o, const struct stuck_proc *p, int64_t group)
{
	if (!group)
		return o->proc->group == p->group;
	return o->rec.parent != p->key.tgid || o->rec.nsgroup_in_parent == group;
}

/* of children that end with another signal than SIGCHLD, or none, or only of them: clone(2) */
static bool is_of_kind(const struct stuck_thread *o, uint64_t options)
{
	bool cloned = o->rec.flags & LENS_THREAD_CLONED;

	return options & WAIT_ALL || cloned == !!(options & WAIT_CLONE);
}

/* pid as waitpid(2) has it; a tracer waits for threads, each of its own */
static bool is_awaited(const struct stuck_thread *o, const struct stuck_proc *p, int64_t pid,
		       uint32_t flags, uint64_t options)
{
	bool traced = o->rec.tracer == p->key.tgid;

	if (o->rec.tid != o->proc->key.tgid)
		return traced && !flags && (pid <= 0 || o->rec.nstid == pid || o->rec.tid == pid);
	if (pid <= 0 && pid != ANY_CHILD && !is_in_group(o, p, -pid))
		return false;
	return (traced || (o->rec.parent == p->key.tgid && is_of_kind(o, options))) &&
	       (pid <= 0 || o->rec.nstgid_in_parent == pid || o->rec.tid == pid) &&
	       (o->rec.flags & flags) == flags;
}

/* an init or subreaper, as a child of its shows */
static bool adopts(const struct stuck *s, const struct stuck_proc *p)
{
	for (size_t i = 0; i < s->proc_count; i++)
		if (s->procs[i]->parent == p->key.tgid && s->procs[i]->flags & LENS_THREAD_ADOPTED)
			return true;
	return false;
}

#define GENERATIONS_MAX 64

/* how many generations p is below an ancestor, 0: not at all */
static unsigned generations(const struct stuck *s, const struct stuck_proc *p,
			    const struct stuck_proc *ancestor)
{
	for (unsigned i = 1; p && i < GENERATIONS_MAX; i++) {
		if (p->parent == ancestor->key.tgid)
			return i;
		p = stuck_find_proc(s, p->parent);
	}
	return 0;
}

/* grandchildren become children when a child ends, which is noticed by itself; others before */
static void add_adoptable(struct stuck *s, struct stuck_thread *t, struct stuck_need *n)
{
	for (size_t i = 0; i < s->proc_count && stuck_may_visit(s, n); i++)
		if (generations(s, s->procs[i], t->proc) > 2)
			stuck_add_provider(n, s->procs[i], WHY_IS_CHILD, 0);
}

/* that a child has ended who traces it hears first, and its parent once that one has seen to it */
static void add_child(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
		      struct stuck_proc *child)
{
	struct stuck_proc *tracer = stuck_find_proc(s, child->tracer);

	if (tracer && tracer != t->proc && !child->live_count)
		stuck_add_provider(n, tracer, WHY_TRACES, 0);
	else
		stuck_add_provider(n, child, WHY_IS_CHILD, 0);
}

/* flags that a child must have; options of the call */
static void need_children(struct stuck *s, struct stuck_thread *t, int64_t pid, uint32_t flags,
			  uint64_t options)
{
	struct stuck_need *n = stuck_add_need(t, WANT_EXIT);

	/* others may still join the group */
	n->inferred = pid <= 0 && pid != ANY_CHILD;
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *o = s->threads[i];

		if (o->proc == t->proc || !is_awaited(o, t->proc, pid, flags, options))
			continue;
		if (!stuck_may_visit(s, n))
			break;
		add_child(s, t, n, o->proc);
	}
	if (pid == ANY_CHILD && !flags && adopts(s, t->proc))
		add_adoptable(s, t, n);
	if (n->provider_count)
		return;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "a process that is not seen";
}

static void need_waitid(struct stuck *s, struct stuck_thread *t, const uint64_t *arg)
{
	const struct stuck_desc *d;

	if (arg[0] == WAIT_P_PID) {
		need_children(s, t, (int32_t)arg[1], 0, arg[3]);
	} else if (arg[0] == WAIT_P_PIDFD) {
		d = stuck_find_fd(s, t->proc, arg[1]);
		need_children(s, t, d && d->rec.pid ? (int64_t)d->rec.pid : ANY_CHILD, 0,
			      arg[3]);
	} else if (arg[0] == WAIT_P_PGID && (int32_t)arg[1] != -ANY_CHILD) {
		need_children(s, t, -(int64_t)(int32_t)arg[1], 0, arg[3]);
	} else {
		need_children(s, t, ANY_CHILD, 0, arg[3]);
	}
	/* the end of one makes it return, too, but is not what it is there for */
	if (!(arg[3] & WAIT_EXITED))
		stuck_hope_outside(&t->needs[t->need_count - 1], HOPE_OUTSIDE,
				   "a signal that stops or continues a child");
}

/* -------------------------------------------------------------------- splice */

static bool is_pipe(const struct stuck_desc *d)
{
	return d && (d->rec.object == LENS_OBJECT_PIPE || d->rec.object == LENS_OBJECT_FIFO);
}

/* which of its two ends the call waits at tells the pipe between them */
static void need_between(struct stuck *s, struct stuck_thread *t, uint32_t in, uint32_t out)
{
	const struct stuck_desc *from = stuck_find_fd(s, t->proc, in);
	const struct stuck_desc *to = stuck_find_fd(s, t->proc, out);

	if (is_pipe(from) ? from->rec.queued_msgs == 0
			  : is_pipe(to) && to->rec.queued_msgs < to->rec.capacity_msgs)
		stuck_need_fd(s, t, in, WANT_DATA);
	else
		stuck_need_fd(s, t, out, WANT_ROOM);
}

/* --------------------------------------------------------------- multiplexers */

/* i386: calls that share a number; rewrites call and arguments to those of the call proper */
static unsigned demultiplex(const struct stuck *s, const struct stuck_thread *t, uint64_t *arg)
{
	static const uint8_t calls[] = {
		[3] = LENS_CALL_CONNECT,   [5] = LENS_CALL_ACCEPT,    [9] = LENS_CALL_SEND,
		[10] = LENS_CALL_RECV,	   [11] = LENS_CALL_SENDTO,   [12] = LENS_CALL_RECVFROM,
		[16] = LENS_CALL_SENDMSG,  [17] = LENS_CALL_RECVMSG,  [18] = LENS_CALL_ACCEPT4,
		[19] = LENS_CALL_RECVMMSG, [20] = LENS_CALL_SENDMMSG,
	};
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	uint64_t which = arg[0];
	uint32_t words[6] = {};

	if (which >= ARRAY_SIZE(calls) || !calls[which] || !m || m->size < 12)
		return LENS_CALL_OTHER;
	memcpy(words, m->bytes, m->size < sizeof(words) ? m->size : sizeof(words));
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		arg[i] = words[i];
	return calls[which];
}

static unsigned demultiplex_ipc(const struct stuck *s, const struct stuck_thread *t, uint64_t *arg)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	uint32_t kludge[2] = {};
	unsigned which = arg[0] & 0xffff;
	bool old = !(arg[0] >> 16);
	uint64_t third = arg[3];

	arg[0] = arg[1];
	switch (which) {
	case IPC_SEMOP_:
		return LENS_CALL_SEMOP;
	case IPC_SEMTIMEDOP_:
		arg[3] = arg[5];
		return LENS_CALL_SEMTIMEDOP;
	case IPC_MSGSND_:
		return LENS_CALL_MSGSND;
	case IPC_MSGRCV_:
		/* the old form has buffer and type in memory */
		if (m && m->size >= sizeof(kludge))
			memcpy(kludge, m->bytes, sizeof(kludge));
		arg[4] = third;
		arg[3] = old ? (uint64_t)(int64_t)(int32_t)kludge[1] : (uint64_t)(int32_t)arg[5];
		return LENS_CALL_MSGRCV;
	}
	return LENS_CALL_OTHER;
}

/* ------------------------------------------------------------------- by call */

static bool resolve_descriptor(struct stuck *s, struct stuck_thread *t, unsigned call,
			       const uint64_t *arg)
{
	const struct stuck_desc *d;

	switch (call) {
	case LENS_CALL_READ:
	case LENS_CALL_READV:
	case LENS_CALL_PREAD:
	case LENS_CALL_PREADV:
	case LENS_CALL_RECVFROM:
	case LENS_CALL_RECVMSG:
	case LENS_CALL_RECVMMSG:
	case LENS_CALL_RECV:
	case LENS_CALL_MQ_RECEIVE:
		if (call == LENS_CALL_MQ_RECEIVE && arg[4])
			stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
		stuck_need_fd(s, t, arg[0], WANT_DATA);
		return true;
	case LENS_CALL_SENDTO:
		stuck_need_send_to(s, t, arg[0]);
		return true;
	case LENS_CALL_WRITE:
	case LENS_CALL_WRITEV:
	case LENS_CALL_PWRITE:
	case LENS_CALL_PWRITEV:
	case LENS_CALL_SENDMSG:
	case LENS_CALL_SENDMMSG:
	case LENS_CALL_SEND:
	case LENS_CALL_MQ_SEND:
		if (call == LENS_CALL_MQ_SEND && arg[4])
			stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
		stuck_need_fd(s, t, arg[0], WANT_ROOM);
		return true;
	case LENS_CALL_SENDFILE:
		need_between(s, t, arg[1], arg[0]);
		return true;
	case LENS_CALL_SPLICE:
		need_between(s, t, arg[0], arg[2]);
		return true;
	case LENS_CALL_TEE:
		need_between(s, t, arg[0], arg[1]);
		return true;
	case LENS_CALL_VMSPLICE:
		d = stuck_find_fd(s, t->proc, arg[0]);
		stuck_need_fd(s, t, arg[0], d && d->rec.mode & 2 ? WANT_ROOM : WANT_DATA);
		return true;
	case LENS_CALL_ACCEPT:
	case LENS_CALL_ACCEPT4:
		stuck_need_fd(s, t, arg[0], WANT_DATA);
		return true;
	case LENS_CALL_CONNECT:
		stuck_need_connect(s, t, arg[0]);
		return true;
	}
	return false;
}

static bool resolve_set(struct stuck *s, struct stuck_thread *t, unsigned call, const uint64_t *arg)
{
	bool timed;

	switch (call) {
	case LENS_CALL_POLL:
		timed = (int32_t)arg[2] >= 0;
		if (t->rec.flags & LENS_THREAD_RESTARTED)
			timed = !(t->rec.flags & LENS_THREAD_ENDLESS);
		break;
	case LENS_CALL_PPOLL:
		timed = arg[2] != 0;
		break;
	case LENS_CALL_SELECT:
	case LENS_CALL_PSELECT:
		timed = arg[4] != 0;
		break;
	case LENS_CALL_EPOLL_WAIT:
	case LENS_CALL_EPOLL_PWAIT:
		timed = (int32_t)arg[3] >= 0;
		break;
	case LENS_CALL_EPOLL_PWAIT2:
		timed = arg[3] != 0;
		break;
	default:
		return false;
	}
	if (timed)
		stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
	stuck_need_set(s, t, call, arg);
	return true;
}

static bool resolve_object(struct stuck *s, struct stuck_thread *t, unsigned call,
			   const uint64_t *arg)
{
	switch (call) {
	case LENS_CALL_MSGSND:
		stuck_need_queue(s, t, arg[0], true, 0);
		return true;
	case LENS_CALL_MSGRCV:
		stuck_need_queue(s, t, arg[0], false, arg[3]);
		return true;
	case LENS_CALL_SEMTIMEDOP:
		if (arg[3])
			stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
		/* fallthrough */
	case LENS_CALL_SEMOP:
		stuck_need_semaphore(s, t, arg[0]);
		return true;
	case LENS_CALL_FUTEX:
		if (arg[3])
			stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
		stuck_need_futex(s, t, arg);
		return true;
	case LENS_CALL_FUTEX_WAITV:
		if (arg[3])
			stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
		stuck_need_futexes(s, t, arg);
		return true;
	case LENS_CALL_FLOCK:
		stuck_need_lock(s, t, true);
		return true;
	case LENS_CALL_FCNTL:
		if (arg[1] != LOCK_F_SETLKW && arg[1] != LOCK_F_SETLKW64 &&
		    arg[1] != LOCK_F_OFD_SETLKW)
			return false;
		stuck_need_lock(s, t, false);
		return true;
	case LENS_CALL_WAIT4:
	case LENS_CALL_WAITPID:
		need_children(s, t, (int32_t)arg[0], 0, arg[2]);
		return true;
	case LENS_CALL_WAITID:
		need_waitid(s, t, arg);
		return true;
	case LENS_CALL_VFORK:
	case LENS_CALL_CLONE:
		need_children(s, t, ANY_CHILD, LENS_THREAD_VFORKED, WAIT_ALL);
		return true;
	}
	return false;
}

static void resolve_rest(struct stuck *s, struct stuck_thread *t, unsigned call,
			 const uint64_t *arg)
{
	switch (call) {
	case LENS_CALL_NANOSLEEP:
	case LENS_CALL_CLOCK_NANOSLEEP:
	case LENS_CALL_RESTART:
		stuck_own_hope(t, HOPE_RUNS, "sleeping");
		break;
	case LENS_CALL_SIGWAIT:
		if (arg[2])
			stuck_own_hope(t, HOPE_RUNS, "waiting for a signal, with a time limit");
		/* fallthrough */
	case LENS_CALL_PAUSE:
	case LENS_CALL_SIGSUSPEND:
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting for a signal");
		break;
	case LENS_CALL_OPEN:
	case LENS_CALL_OPENAT:
	case LENS_CALL_OPENAT2:
	case LENS_CALL_CREAT:
	case LENS_CALL_OPEN_BY_HANDLE:
		if (!stuck_need_lease(s, t))
			stuck_need_partner(s, t);
		break;
	case LENS_CALL_TRUNCATE:
	case LENS_CALL_EXECVE:
	case LENS_CALL_EXECVEAT:
		if (!stuck_need_lease(s, t))
			stuck_own_hope(t, HOPE_OUTSIDE, "in a call that is not resolved");
		break;
	case LENS_CALL_IO_URING_ENTER:
		stuck_need_completion(s, t, arg[3]);
		break;
	case LENS_CALL_IO_GETEVENTS:
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting for asynchronous requests");
		break;
	default:
		stuck_own_hope(t, HOPE_OUTSIDE, "in a call that is not resolved");
	}
}

static bool runs_now(const struct stuck_proc *p)
{
	for (size_t i = 0; i < p->thread_count; i++)
		if (!p->threads[i]->is_dead && (p->threads[i]->moved || !p->threads[i]->rec.state))
			return true;
	return false;
}

/*
 * Where SIGCONT does it too, or the tracer is not seen, anybody may come and let it go on; one
 * that runs is about to, as strace(1) is.
 */
void stuck_need_tracer(struct stuck *s, struct stuck_thread *t)
{
	struct stuck_proc *tracer = stuck_find_proc(s, t->rec.tracer);

	if (!tracer || tracer == t->proc || !(t->rec.state & STUCK_STATE_TRACED) ||
	    t->rec.flags & (LENS_THREAD_CONTINUABLE | LENS_THREAD_FROZEN))
		return;
	if (runs_now(tracer)) {
		t->own = HOPE_RUNS;
		t->own_why = "running under a tracer";
	} else {
		stuck_add_provider(stuck_add_need(t, WANT_CONTINUE), tracer, WHY_TRACES, 0);
	}
}

void stuck_resolve(struct stuck *s, struct stuck_thread *t)
{
	const struct stuck_memory *memory = stuck_find_memory(s, t->rec.tid);
	struct stuck_thread *locker = stuck_find_locker(s, t);
	unsigned call = t->rec.call;
	uint64_t arg[6];

	stuck_visit_next(s);
	for (unsigned i = 0; i < ARRAY_SIZE(arg); i++)
		arg[i] = t->rec.arg[i];
	if (call == LENS_CALL_SOCKETCALL)
		call = demultiplex(s, t, arg);
	else if (call == LENS_CALL_IPC)
		call = demultiplex_ipc(s, t, arg);
	if (call != t->rec.call && call != LENS_CALL_OTHER) {
		/* what it is called, and was given, from now on */
		t->rec.call = call;
		memcpy(t->rec.arg, arg, sizeof(arg));
	}
	/* whatever its arguments, or a socket, say by now */
	if (t->rec.flags & LENS_THREAD_TIMED)
		stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
	/* one that a supervisor holds has not begun */
	if ((t->rec.flags & LENS_THREAD_ELSEWHERE || (memory && memory->elsewhere)) &&
	    !(t->rec.flags & LENS_THREAD_SUPERVISED)) {
		stuck_need_outside(t, WANT_UNKNOWN, HOPE_OUTSIDE,
				   call == LENS_CALL_WAIT4 || call == LENS_CALL_WAITPID ?
					   "a child of the process group that it was in" :
					   "what its descriptor stood for before");
		return;
	}
	if (t->rec.flags & LENS_THREAD_LISTENS)
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting for a signal as well");
	if (t->rec.flags & LENS_THREAD_SUPERVISED)
		stuck_own_hope(t, HOPE_OUTSIDE, "under a seccomp filter with a supervisor");
	/* a call that seems to wait for data may wait for the page to put it in */
	if (t->proc->is_watched)
		stuck_own_hope(t, HOPE_OUTSIDE, "in memory that userfaultfd(2) watches");
	if (memory && memory->served)
		stuck_own_hope(t, HOPE_OUTSIDE, "waiting, maybe for memory that others serve");
	/* whose descriptor it is cannot be told by process and number */
	if (t->proc->has_several_tables)
		stuck_own_hope(t, HOPE_OUTSIDE, "in a process with several tables of descriptors");
	if (locker) {
		stuck_need_locker(s, t, locker);
		return;
	}
	if (!resolve_descriptor(s, t, call, arg) && !resolve_set(s, t, call, arg) &&
	    !resolve_object(s, t, call, arg))
		resolve_rest(s, t, call, arg);
}
