/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who waits for what, who could end the wait, and whether anybody ever will.
 * Pure: records of one look, or a graph put together by hand, give verdicts.
 *
 * A thread that waits has needs; any one of them fulfilled ends the wait. A need
 * has providers, the processes that could fulfil it, and may be fulfilled from
 * outside: by a signal, a timer, another host, somebody who cannot be seen. A
 * process can act if one of its threads can. What follows from that alone, from
 * nothing upwards, is the hope of each; who is left without is dead.
 */
#ifndef LENS_MODEL_STUCK_H
#define LENS_MODEL_STUCK_H

#include "base/base.h"
#include "event/event.h"
#include "model/origin.h"

struct world;
struct proc;
struct chan;
struct stuck_proc;

/* how a wait can end; a larger one is better */
enum stuck_hope {
	HOPE_NONE,    /* never */
	HOPE_STOPPED, /* when somebody continues what is stopped */
	HOPE_STRANGER, /* by somebody who comes and opens a channel by its name */
	HOPE_OUTSIDE, /* by what the look cannot see: signals, users, other hosts */
	HOPE_RUNS,    /* by a thread that runs, or when a timer fires */
};

enum stuck_verdict {
	STUCK_NOT,     /* does not wait for anybody */
	STUCK_WAITING, /* a live partner exists */
	STUCK_EXTERNAL,
	STUCK_PEER_SLOW,
	STUCK_NO_MATCH,
	STUCK_PEER_STOPPED,
	STUCK_EOF_LEAK,
	STUCK_OWNER_DEAD,
	STUCK_DEAD_END,
	STUCK_DEADLOCK,
	STUCK_VERDICT_MAX
};

enum stuck_want {
	WANT_DATA,
	WANT_ROOM,
	WANT_HANGUP,
	WANT_CLIENT,
	WANT_ACCEPT,
	WANT_PARTNER,
	WANT_LOCK,
	WANT_WAKE,
	WANT_EXIT,
	WANT_MESSAGE,
	WANT_SIGNAL,
	WANT_TIME,
	WANT_CONTINUE,
	WANT_ARM, /* a member of its set, none of which can wake it */
	WANT_UNKNOWN,
};

/* what makes a process a provider */
enum stuck_why {
	WHY_HOLDS_END,
	WHY_LISTENS,
	WHY_CAN_RECEIVE_END,
	WHY_OWNS_LOCK,
	WHY_OWNS_LEASE,
	WHY_OWNS_FUTEX,
	WHY_MAPS,
	WHY_OWES_UNDO,
	WHY_LAST_USER,
	WHY_IS_CHILD,
	WHY_OWN_THREADS,
	WHY_TRACES,
	WHY_HAS_FILE, /* whichever end: could open it anew */
};

/* who needs something of a thing */
struct stuck_waiter {
	const struct stuck_proc *proc;
	uint64_t end; /* as of a need */
	enum stuck_want want;
};

/* the kernel object a need is about */
struct stuck_thing {
	unsigned object; /* enum lens_object */
	char *id;	 /* stable and unique, plain ASCII */
	char *name;	 /* hostile bytes */
	uint64_t queued_bytes, capacity_bytes;
	uint32_t queued_msgs, capacity_msgs;
	bool is_channel;  /* one of LENS_KINDS */
	struct lens_chan key; /* ... this one; of a connection an end that was seen */
	const void *desc; /* model/ only: a descriptor that stands for it */
	struct stuck_waiter *waiters; /* result, sorted: see stuck_competes() */
	size_t waiter_count;
};

/* what tells how a process came by a descriptor */
enum stuck_evidence {
	STUCK_BY_NOTHING,
	STUCK_BY_CREDENTIALS, /* it was opened with those of the process itself */
	STUCK_BY_MAKER,	      /* ... with those of an ancestor */
	STUCK_BY_ANCESTOR,    /* an ancestor has it, too */
	STUCK_BY_SIBLING,     /* so has another child of its parent */
	STUCK_BY_ADOPTION,    /* the process it was born to, or one before, may be gone */
	STUCK_BY_AGE,	      /* who made it is younger than the process */
	STUCK_BY_STRANGER,    /* ... is none of its ancestors, all of whom are there */
	STUCK_BY_TRACE,	      /* it was seen to come, before the look */
};

struct stuck_origin {
	enum origin_how how;
	enum stuck_evidence why;
	bool inferred;
	const struct stuck_proc *from; /* who had, or has, it before; NULL: nobody, or not known */
	const struct chan *over;       /* STUCK_BY_TRACE: by which socket; NULL: not known */
};

struct stuck_provider {
	struct stuck_proc *proc;
	enum stuck_why why;
	uint32_t fd; /* WHY_HOLDS_END, WHY_LISTENS, WHY_HAS_FILE */
	bool closes_on_exec;
	uint32_t group; /* those of one group are alternatives ... */
};

struct stuck_need {
	enum stuck_want want;
	uint64_t serial; /* no other need has it */
	struct stuck_thing *thing;	     /* NULL: none */
	uint64_t end;			     /* of a thing with two, which; else the same for all */
	uint32_t fd;			     /* of the thread that waits; UINT32_MAX: none */
	uint64_t used_bytes, capacity_bytes; /* sockets: sent and not yet taken; 0 of 0: unknown */
	struct stuck_provider *providers;
	size_t provider_count;
	bool is_shared;	 /* the providers are those of other needs, too, who must not be freed */
	bool all_groups; /* ... and one of each group is needed; else any one will do */
	enum stuck_hope outside;
	const char *outside_why; /* static text, if there is any such hope */
	/* whose end would send a signal that ends the wait: a hope where there is no other */
	const struct stuck_proc *hangs_up;
	bool inferred;		 /* the providers are the likely ones, not the only possible */
	bool owner_dead;	 /* who had to fulfil it is gone */
	bool outlives;		 /* the end of who could fulfil it would not end the wait */
	bool no_match;		 /* SysV: messages are there, none that this wait takes */
	uint32_t readers;	 /* WANT_WAKE: so many have the lock, which names none */
	/* no_match: type wanted; owner_dead: tid that is gone; WANT_PARTNER: 1 reads, 2 writes */
	int64_t detail;
	enum stuck_hope hope;	 /* result */
};

struct stuck_frame {
	struct event_bytes function, module; /* hostile; empty: not known */
	uint64_t offset;		     /* into the function, else into the module */
};

/* innermost first */
struct stuck_stack {
	unsigned end; /* enum lens_frames_end */
	size_t count;
	struct stuck_frame frames[];
};

struct stuck_thread {
	struct stuck_proc *proc;
	struct lens_rec_thread rec; /* as last seen; zeroed in a graph made by hand */
	bool moved;		    /* ran between the two looks, or is new */
	bool is_dead;		    /* ended, not yet gone */
	enum stuck_hope own;	    /* without anybody's help */
	const char *own_why;	    /* static text: what it does, if nothing is waited for */
	struct stuck_need *needs;
	size_t need_count;
	bool was_moved;	   /* it sleeps at another futex than its call tells: FUTEX_REQUEUE */
	uint32_t disarmed; /* members of its set that can wake nobody: EPOLLONESHOT */
	uint64_t blocked_ns; /* at least ... */
	bool blocked_exact;  /* ... or since it entered the call */
	/* by enum lens_space; NULL: not asked for, or it ran meanwhile */
	struct stuck_stack *stacks[LENS_SPACE_MAX];
	/* results */
	enum stuck_hope hope;
	enum stuck_verdict verdict;
	bool certain;		       /* no guess is part of it */
	const struct stuck_need *main; /* the need the verdict is about, or NULL */
	struct stuck_proc *main_provider; /* that a chain of waits goes on with, or NULL */
};

struct stuck_proc {
	struct lens_proc key;
	const struct proc *about; /* names; NULL in a graph made by hand */
	uint32_t parent, tracer;
	uint64_t handlers, ignored, written;
	uint64_t pid, group;	   /* tokens of what signals are sent to */
	uint64_t terminal;	   /* token of the one that controls it */
	uint64_t files;		   /* token of its table of descriptors ... */
	bool has_several_tables;   /* ... of which some threads have their own */
	bool shares_table;	   /* ... with another process */
	bool takes_hangup;	   /* one of its threads lets SIGHUP in, which it does not ignore */
	bool minds_children;	   /* waits for some, with a handler by which it may end them */
	bool does_else;		   /* one of its threads does something else than wait at a word */
	bool is_watched;	   /* somebody may have to bring it its memory: userfaultfd(2) */
	uint32_t flags; /* LENS_THREAD_* of its leader, _SHARES_MEMORY of any thread */
	struct stuck_thread **threads;
	size_t thread_count;
	size_t live_count; /* ... that have not ended */
	const struct stuck_thread *leader; /* NULL: not seen */
	uint64_t provides; /* serial of the last need that it was added to */
	/* results */
	enum stuck_hope hope;
	bool is_busy;  /* one of its threads runs, or ran during the look */
	bool idles;    /* one of its threads lives and waits for nobody */
	bool acts_beside; /* ... or has a way out that its telling one has not */
	const struct stuck_thread *telling; /* says most about it; NULL: it has ended */
	uint32_t ring; /* number of the cycle it is on, 0: none */
	bool on_ring;	 /* ... and one of those that it is shown by */
	bool leads_to_ring;
	size_t mark; /* of a walk through the graph */
};

struct stuck_ring {
	struct stuck_proc **procs; /* each waits for the next, the last for the first */
	size_t count;
};

struct stuck_root {
	struct stuck_proc *proc;
	enum stuck_verdict verdict;
	size_t blocks;			   /* processes that wait for it, directly or not */
	const struct stuck_thread *thread; /* whose wait tells most about it */
	const struct stuck_need *need;
};

struct stuck {
	struct stuck_proc **procs;
	size_t proc_count;
	struct stuck_thread **threads;
	size_t thread_count;
	struct stuck_thing **things;
	size_t thing_count;
	struct stuck_ring *rings;
	size_t ring_count;
	struct stuck_root *roots; /* worst first */
	size_t root_count;
	uint64_t taken_ns;   /* 0: there was no look */
	bool incomplete;     /* some records were lost */
	bool is_foreign;     /* there was a look, which another version of ipclens took */
	struct world *world; /* processes, queues, host */
	const struct world *trace; /* what was seen before the look; NULL: nothing */
	void *look;	     /* model/ only: the records of the look */
};

/* ------------------------------------------------------------ from records */

struct stuck *stuck_new(void);
void stuck_freep(struct stuck **s);
void stuck_apply(struct stuck *s, const struct event *ev);
/* not to be decoded: of a look that another version took */
bool stuck_skips(const struct stuck *s, const struct lens_rec *rec);
/* the look is over: resolves every wait, then stuck_judge() */
void stuck_settle(struct stuck *s);
/* a thread of the look that, with so many switches, has not run since; or NULL */
struct stuck_thread *stuck_still_blocked(const struct stuck *s, const struct lens_proc *proc,
					 uint32_t tid, uint64_t switches);
/* afterwards: where such a thread is */
void stuck_add_frames(struct stuck *s, const struct event *ev);

/* ----------------------------------------------------------------- by hand */

struct stuck_proc *stuck_add_proc(struct stuck *s, const struct lens_proc *key);
/* that has not ended */
struct stuck_thread *stuck_add_thread(struct stuck *s, struct stuck_proc *p, uint32_t tid);
struct stuck_need *stuck_add_need(struct stuck_thread *t, enum stuck_want want);
/* the same process for the same reason counts once, NULL then; one need is filled after another */
struct stuck_provider *stuck_add_provider(struct stuck_need *n, struct stuck_proc *p,
					  enum stuck_why why, uint32_t fd);
/* ... once in each group */
struct stuck_provider *stuck_add_grouped(struct stuck_need *n, struct stuck_proc *p,
					 enum stuck_why why, uint32_t fd, uint32_t group);
/* hope, cycles, verdicts, roots */
void stuck_judge(struct stuck *s);

/* ----------------------------------------------------------------- results */

/* p waits for the same of the same end of a thing: it competes, and is of no help */
bool stuck_competes(const struct stuck_proc *p, const struct stuck_need *n);
/* so do all of a ring: whoever of them ends, the others are left without what they wait for */
bool stuck_ring_competes(const struct stuck_ring *r, const struct stuck_need *n);
/* whoever of a ring ends, who waits for him is not told, and waits on */
bool stuck_ring_outlives(const struct stuck_ring *r);
/*
 * Who holds an end has called write(2) in vain, or not at all. What is sent otherwise nobody
 * counts: false where that may be so, of sockets but those that began as standard streams.
 */
bool stuck_wrote_nothing(const struct stuck_need *n, const struct stuck_provider *v);
/* how who holds an end came by it, as far as the look tells */
void stuck_origin_of(const struct stuck *s, const struct stuck_provider *v,
		     struct stuck_origin *ret);
/* the worst wait of a process that is peer-slow or worse, or NULL */
const struct stuck_thread *stuck_worst_wait(const struct stuck_proc *p);
/* calls fn for every descriptor of either end of a channel */
void stuck_each_end(const struct stuck *s, const struct stuck_thing *thing,
		    void (*fn)(void *ctx, const struct stuck_proc *p, uint32_t fd, uint32_t mode),
		    void *ctx);

/*
 * Only somebody who is not there yet would help, by opening a channel by its name; who has
 * the other end now waits for such, too.
 */
bool stuck_wants_stranger(const struct stuck_thread *t);

/*
 * Waits that are peer-slow or worse and about a channel, one with every call; at
 * begins as 0. NULL: no more.
 */
const struct stuck_thread *stuck_next_wait(const struct stuck *s, const struct chan *c, size_t *at);

/*
 * How long the oldest data in a channel had waited when the look was taken, 0: not
 * known. Of a connection it is not told, since a wait may be about either half.
 */
uint64_t stuck_unread_age_ns(const struct stuck *s, const struct chan *c);

const char *stuck_verdict_name(enum stuck_verdict v);
/* deadlock, dead end, EOF leak, dead owner, stopped peer */
bool stuck_verdict_is_bad(enum stuck_verdict v);

#endif
