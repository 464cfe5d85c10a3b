/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The records of one look, indexed for the questions that resolving a wait
 * asks. Internal to model/.
 */
#ifndef LENS_MODEL_STUCK_LOOK_H
#define LENS_MODEL_STUCK_LOOK_H

#include "model/model.h"

/* in lens_rec_thread.state; include/linux/sched.h, not exported */
#define STUCK_STATE_INTERRUPTIBLE 1
#define STUCK_STATE_UNINTERRUPTIBLE 2
#define STUCK_STATE_STOPPED 4
#define STUCK_STATE_TRACED 8 /* stopped by its tracer */
#define STUCK_STATE_FROZEN 0x8000 /* by a cgroup v1 */

/* a descriptor, also one that is in flight (proc NULL) */
struct stuck_desc {
	struct lens_rec_desc rec;
	char *name; /* path, queue or socket name; hostile bytes, may hold NULs */
	size_t name_len;
	struct stuck_proc *proc;
	struct stuck_desc *next_self; /* of the same end of the same thing */
	struct stuck_desc *next_file; /* by the same open file description */
	/* of the first of a description: are there holders that are not seen? */
	enum { HIDDEN_UNKNOWN, HIDDEN_NOT, HIDDEN_SOME } hidden;
};

/* what an item is of, and which */
struct stuck_member {
	uint64_t epoll, file;
	uint32_t fd, pad;
};

struct stuck_item {
	struct lens_rec_item rec;
	struct stuck_item *next; /* of the same set */
};

/* the unix socket that a thread waits at for room, or the pipe whose lock it waits for */
struct stuck_room {
	uint64_t self; /* token */
};

struct stuck_memory {
	uint32_t size;
	bool polls;	/* struct lens_polled, of poll or select */
	bool truncated; /* there is more */
	bool served; /* some of what the call was given somebody else may have to bring in */
	bool elsewhere; /* as LENS_THREAD_ELSEWHERE */
	uint32_t before; /* so many of them stand in front of the address */
	char *bytes;
};

struct stuck_request {
	struct lens_rec_request rec;
	struct stuck_request *next; /* to the same ring */
};

struct stuck_submitter {
	struct lens_rec_submitter rec;
	struct stuck_submitter *next; /* to the same ring */
};

struct stuck_user {
	uint64_t ring; /* token */
	uint32_t tid, pad;
};

struct stuck_lock {
	struct lens_rec_lock rec;
	struct stuck_lock *next; /* found for the same thread */
};

/* what sends signals to a thread, a process or a group */
struct stuck_notice {
	uint64_t signals;
	unsigned object; /* enum lens_object, of one of those that do */
};

/* how many references to an open file description calls in progress may hold */
struct stuck_uses {
	uint64_t references;
	uint64_t passing; /* of those, by threads that ran during the look */
};

/* those who have one end of one thing: of many who wait for it, the same for each */
struct stuck_holders {
	struct stuck_provider *providers;
	size_t count;
	unsigned files; /* open file descriptions */
	enum stuck_hope outside;
	const char *outside_why;
};

struct stuck_end {
	uint64_t self; /* token */
	uint32_t mode, why;
};

/* waits that are peer-slow or worse, and about one channel */
struct stuck_waits {
	const struct stuck_thread **threads;
	size_t count;
};

struct stuck_look {
	struct hash *procs;	    /* struct lens_proc -> stuck_proc */
	struct hash *procs_by_tgid; /* uint32_t -> stuck_proc */
	struct hash *threads;	    /* tid, uint32_t -> stuck_thread */
	struct hash *tasks;	    /* token of the thread -> stuck_thread */
	struct hash *debtors;	    /* token of a list of undos -> stuck_debtors */
	struct hash *first;	    /* tid of the first round -> lens_rec_thread */
	struct hash *creds;	    /* token -> stuck_proc, whose they are */
	struct hash *sessions;	    /* token of the terminal -> stuck_proc, who leads it */
	struct hash *tables;	    /* token -> stuck_proc, the first that has it */
	struct hash *by_fd;	    /* struct stuck_fd -> stuck_desc */
	struct hash *by_self;	    /* token -> stuck_desc */
	struct hash *by_file;	    /* token -> stuck_desc */
	struct hash *by_tuple;	    /* struct stuck_tuple -> stuck_desc */
	struct hash *opening;	    /* tid -> stuck_desc that it is about to get */
	struct hash *rooms;	    /* token of a thread -> stuck_room */
	struct hash *items;	    /* token of the set -> stuck_item */
	struct hash *members;	    /* struct stuck_member -> stuck_item */
	struct hash *urings;	    /* tid -> lens_rec_uring */
	struct hash *requests;	    /* token -> stuck_request */
	struct hash *requests_by_ring; /* token of the ring -> stuck_request */
	struct hash *requests_by_tid; /* who made them, uint32_t -> uint32_t how many */
	struct hash *submitters;    /* token of the ring -> stuck_submitter */
	struct hash *users;	    /* struct stuck_user -> stuck_submitter */
	struct hash *memory;	    /* tid -> stuck_memory */
	struct hash *moved;	    /* tid -> lens_rec_futex */
	struct hash *locks;	    /* tid -> stuck_lock */
	struct hash *notices;	    /* token of who is sent signals -> stuck_notice */
	struct hash *uses;	    /* token of the file -> stuck_uses */
	struct hash *things;	    /* id, hashed -> stuck_thing */
	struct hash *holders;	    /* struct stuck_end -> stuck_holders */
	struct hash *by_chan;	    /* struct stuck_chan -> stuck_waits, once judged */
	struct stuck_desc **descs;
	size_t desc_count;
	struct lens_rec_mapping *mappings;
	size_t mapping_count;
	struct hash *mapped;	    /* struct stuck_place -> uint32_t how often it was told */
	struct hash *tellers;	    /* struct stuck_teller: of mappings */
	struct hash *teller_counts; /* struct lens_proc -> uint32_t how many of its threads */
	struct hash *sems;	    /* struct stuck_sem -> stuck_value; of undo 0: with a list */
	bool sees_all;		    /* a thread of the initial pid namespace, so all of them */
	size_t visits, visits_of_thread; /* see stuck_may_visit() */
	size_t shared;			 /* see stuck_may_share() */
	/* what comes now */
	enum { STUCK_ROUND_NONE, STUCK_ROUND_FIRST, STUCK_ROUND_HOLDERS, STUCK_ROUND_AGAIN,
	       STUCK_ROUND_END } round;
};

struct stuck_fd {
	uint32_t tgid, fd;
};

struct stuck_place {
	struct lens_proc proc;
	uint64_t start, end, offset, object;
};

struct stuck_teller {
	struct lens_proc proc;
	uint32_t tid, pad;
};

/* once, however many threads tell of it */
void stuck_take_mapping(struct stuck_look *l, const struct lens_rec_mapping *r);
/* the mappings of its process changed while they were told: there may be less of it, or more */
bool stuck_mapping_is_doubtful(const struct stuck_look *l, const struct lens_rec_mapping *m);

/* a semaphore, or what one list of SEM_UNDO has of it */
struct stuck_sem {
	uint64_t undo;
	uint32_t ipcns, id, num, pad;
};

/* what is told of a semaphore, and of who owes it what */
struct stuck_value {
	struct lens_rec_sem rec;
	struct stuck_value *next; /* of the same semaphore */
};

/* who shares a list of undos */
struct stuck_debtors {
	struct stuck_thread **threads;
	size_t count;
};

/* a channel, but for its generation, which is not always known */
struct stuck_chan {
	uint64_t ino;
	uint32_t kind, dev;
};

struct stuck_tuple {
	uint8_t local[16], remote[16];
	uint32_t netns;
	uint16_t local_port, remote_port;
	uint32_t object;
	uint32_t pad;
};

static inline struct stuck_look *stuck_look(const struct stuck *s)
{
	return s->look;
}

/* stuck_look.c */
void *stuck_look_new(void);
void stuck_look_free(void *look);
/* whose credentials it was opened with, or NULL: he has ended, or changed them */
struct stuck_proc *stuck_maker_of(const struct stuck *s, const struct stuck_desc *d);
struct stuck_proc *stuck_find_proc(const struct stuck *s, uint32_t tgid);
/* of several processes that share a table of descriptors only one does */
bool stuck_owns_table(const struct stuck *s, const struct stuck_proc *p);
/* in its process, besides those that the kernel runs in it */
bool stuck_has_other_threads(const struct stuck_thread *t);
/* the look is from inside a pid namespace: there may be processes that it does not tell of */
bool stuck_is_inside(const struct stuck *s);
struct stuck_memory *stuck_find_memory(const struct stuck *s, uint32_t tid);
/* ... or what it waits for, in poll or select: struct lens_polled */
struct stuck_memory *stuck_find_polled(const struct stuck *s, uint32_t tid);

/* stuck_desc.c; they are found once they are all indexed */
void stuck_descs_init(struct stuck_look *l);
void stuck_descs_fini(struct stuck_look *l);
void stuck_take_desc(struct stuck_look *l, const struct event *ev);
void stuck_index_descs(struct stuck_look *l);
struct stuck_desc *stuck_find_fd(const struct stuck *s, const struct stuck_proc *p, uint32_t fd);
struct stuck_desc *stuck_find_self(const struct stuck *s, uint64_t token);
struct stuck_desc *stuck_find_file(const struct stuck *s, uint64_t token);
struct stuck_tuple stuck_tuple_of(const struct lens_rec_desc *d, bool reversed);

/* stuck_visit.c: one more holder, or member of a set, may be looked at; false: n says so */
bool stuck_may_visit(const struct stuck *s, struct stuck_need *n);
/* ... or so many that were looked at already, for another need */
bool stuck_may_share(const struct stuck *s, struct stuck_need *n, size_t count);
/* for another thread */
void stuck_visit_next(const struct stuck *s);

/* stuck_thing.c: what stands behind a descriptor, once for each object */
struct stuck_thing *stuck_thing_of(struct stuck *s, const struct stuck_desc *d);
struct stuck_thing *stuck_thing_add(struct stuck *s, unsigned object, const char *id);

/* stuck_wait.c: one call of one thread to its needs */
void stuck_resolve(struct stuck *s, struct stuck_thread *t);
/* it can go on without anybody's help, if it could not better before; why: static text */
void stuck_own_hope(struct stuck_thread *t, enum stuck_hope own, const char *why);
/* so can a need be fulfilled, if nothing better was known; why: static text */
void stuck_hope_outside(struct stuck_need *n, enum stuck_hope hope, const char *why);
/* a need that only the outside can fulfil */
void stuck_need_outside(struct stuck_thread *t, enum stuck_want want, enum stuck_hope hope,
			const char *why);
/* stuck_uses.c: references that calls in progress hold */
void stuck_count_uses(struct stuck *s);
void stuck_add_uses(struct stuck *s, uint64_t file, uint64_t references);
/* those to an open file description that are known */
uint64_t stuck_count_references(const struct stuck *s, uint64_t file);
/* true if there are more references than holders: somebody cannot be seen */
bool stuck_is_hidden(const struct stuck *s, const struct stuck_desc *any_of_file);
/* ... or less: the thread is in a call about what its descriptor stood for before */
bool stuck_is_elsewhere(const struct stuck *s, const struct stuck_thread *t,
			const struct stuck_desc *d);

/* a stop from which only its tracer lets it go on, where it is one */
void stuck_need_tracer(struct stuck *s, struct stuck_thread *t);
bool stuck_awaits_tracer(const struct stuck_thread *t);

/* stuck_own.c */
void stuck_set_own(const struct stuck *s, struct stuck_thread *t);

/* stuck_held.c: the thread that has the lock of the pipe which t waits to read or write, or NULL */
struct stuck_thread *stuck_find_locker(const struct stuck *s, const struct stuck_thread *t);
void stuck_need_locker(struct stuck *s, struct stuck_thread *t, struct stuck_thread *locker);

/* stuck_channel.c */
void stuck_need_fd(struct stuck *s, struct stuck_thread *t, uint32_t fd, enum stuck_want want);
/* edge: the thread hears of changes only, not of what is ready already */
void stuck_need_desc(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		     uint32_t fd, enum stuck_want want, bool edge);
void stuck_need_connect(struct stuck *s, struct stuck_thread *t, uint32_t fd);
/* either is in a sockmap: then others may read what is sent, or send what is read */
void stuck_doubt_ends(struct stuck_need *n, const struct stuck_desc *one,
		      const struct stuck_desc *other);
/* open(2) of a FIFO */
void stuck_need_partner(struct stuck *s, struct stuck_thread *t);
/* adds all who have an end in hand, or could receive it; returns how many open descriptions */
unsigned stuck_add_holders(const struct stuck *s, struct stuck_need *n,
			   const struct stuck_desc *end, uint32_t mode, enum stuck_why why);

/* stuck_hangup.c: who waits at a terminal, d, may be freed by the end of who leads its session */
void stuck_need_session(const struct stuck *s, const struct stuck_thread *t, struct stuck_need *n,
			const struct stuck_desc *d);
/* for a thread without hope; any_leader: one without hope counts, too. True: it has some now */
bool stuck_hope_hangup(struct stuck_thread *t, bool any_leader);
/* which processes would take that signal, before anything is resolved */
void stuck_find_hangups(struct stuck *s);

/* stuck_futex.c: likewise, who may wake others */
void stuck_find_wakers(struct stuck *s);

/* stuck_channel.c: may the call be limited by what the descriptor says, LENS_DESC_*_TIMEOUT? */
bool stuck_is_limited(const struct stuck_thread *t, const struct stuck_desc *d, uint32_t flag);

/* stuck_address.c: the unix socket at whose list of waiters the thread is; false: at none */
bool stuck_need_room(struct stuck *s, struct stuck_thread *t, uint32_t fd, enum stuck_want want);
/* ... else those of the address that the call was given */
void stuck_need_address(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *from,
			uint32_t fd, enum stuck_want want);
void stuck_need_send_to(struct stuck *s, struct stuck_thread *t, uint32_t fd);

/* stuck_tcp.c; d NULL: what it stands for is not seen */
bool stuck_is_tcp_connection(const struct stuck_desc *d);
/* connected to this host, but nobody has the other end: it waits to be accepted */
bool stuck_is_pending(const struct stuck *s, const struct stuck_desc *d);
/* at: where to go on with the listeners behind the one that is taken */
void stuck_need_tcp(const struct stuck *s, struct stuck_need *n, const struct stuck_desc *d,
		    size_t *at);
void stuck_need_more_listeners(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
			       uint32_t fd, enum stuck_want want, size_t at);
void stuck_need_syn(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		    uint32_t fd);

#define STUCK_SET_DEPTH 5 /* sets in sets; of epoll sets EP_MAX_NESTS of the kernel */

/* stuck_set.c: poll, select, epoll */
void stuck_need_set(struct stuck *s, struct stuck_thread *t, unsigned call, const uint64_t *arg);
/* edge: as of stuck_need_desc() */
void stuck_need_epoll(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *set,
		      unsigned depth, bool edge);
/* calls fn for each wait queue that a thread in poll or select waits at */
void stuck_each_polled(const struct stuck *s, const struct stuck_thread *t,
		       void (*fn)(void *ctx, const struct lens_polled *p), void *ctx);

/* ... what one that waits for events of a descriptor needs */
void stuck_need_events(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *d,
		       uint32_t fd, uint32_t events, unsigned depth);

/* stuck_uring.c: requests to rings */
void stuck_take_request(struct stuck *s, const struct lens_rec_request *r);
void stuck_take_submitter(struct stuck *s, const struct lens_rec_submitter *r);
void stuck_take_uring(struct stuck *s, const struct lens_rec_uring *r);
/* any request that completes; flags: of io_uring_enter(2) */
void stuck_need_completion(struct stuck *s, struct stuck_thread *t, uint64_t flags);
void stuck_need_ring(struct stuck *s, struct stuck_thread *t, uint64_t ring, unsigned depth);
void stuck_count_requests(struct stuck *s);
/* requests of the thread are under way, as far as is known */
bool stuck_has_requests(const struct stuck *s, const struct stuck_thread *t);
/* a thread of the kernel's that does nothing but a request which was seen */
bool stuck_is_helper(const struct stuck *s, const struct stuck_thread *t);

/* stuck_rwlock.c: who has a lock for one who writes or many who read, if it is one of glibc's */
struct stuck_rwlock {
	uint32_t writer;  /* tid, 0: none */
	uint32_t readers; /* if there is no writer */
};
/* ... that the thread waits for at a word; false: it is none, or does not tell */
bool stuck_is_rwlock(const struct stuck_thread *t, const struct stuck_memory *m,
		     struct stuck_rwlock *ret);
/* stuck_futex.c, stuck_lock.c, stuck_sysv.c */
void stuck_need_futex(struct stuck *s, struct stuck_thread *t, const uint64_t *arg);
void stuck_need_futexes(struct stuck *s, struct stuck_thread *t, const uint64_t *arg);
void stuck_need_lock(struct stuck *s, struct stuck_thread *t, bool flock);
/* false: it waits for no lease */
bool stuck_need_lease(struct stuck *s, struct stuck_thread *t);
void stuck_need_semaphore(struct stuck *s, struct stuck_thread *t, uint32_t id);
void stuck_need_queue(struct stuck *s, struct stuck_thread *t, uint32_t id, bool send,
		      int64_t type);

/* stuck_signal.c: whom a message in a queue, or what is at a descriptor, sends a signal */
void stuck_find_notices(struct stuck *s);
/* of signals with a handler, those that somebody else may send */
uint64_t stuck_handlers_for_others(uint64_t handlers);
/* NULL: nothing would have a signal reach the thread */
const char *stuck_find_notice(const struct stuck *s, const struct stuck_thread *t);

/* stuck_verdict.c: nobody but the process itself, and what is in flight, keeps the end open */
bool stuck_is_own_leak(const struct stuck_thread *t, const struct stuck_need *n);

/* stuck_compete.c, stuck_live.c, stuck_cycle.c, stuck_root.c: steps of stuck_judge() */
void stuck_compete_settle(struct stuck *s);
void stuck_hope_settle(struct stuck *s);
void stuck_cycle_settle(struct stuck *s);
void stuck_root_settle(struct stuck *s);
/* stuck_index.c: by channel; and forgets that */
void stuck_index_settle(struct stuck *s);
void stuck_index_clear(struct stuck *s);

#endif
