/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The world as the records tell it: processes, channels, endpoints, flows,
 * ledgers, back-pressure, coverage, loss. Pure and deterministic: the same
 * records in the same order give the same world. No I/O, no clock.
 *
 * Tables iterate in the order in which things were first heard of.
 */
#ifndef LENS_MODEL_H
#define LENS_MODEL_H

#include "base/base.h"
#include "event/event.h"
#include "model/companion.h"
#include "model/origin.h"
#include "model/pass.h"
#include "model/stuck.h"

/* a piece of an address space that is shared: [start, end) */
struct map_range {
	uint64_t start, end;
	uint64_t offset;		/* of start in the object */
	uint64_t ns;			/* known since */
	uint64_t attached_ns;		/* by shmat(2), each opens a file; 0: not seen */
	struct endpoint *end_point;	/* object and process */
	uint32_t prot;			/* LENS_PROT_* */
};

/* all of them in one address space, sorted, without overlap */
struct space {
	struct map_range *ranges;	/* count of them, somewhere in memory */
	size_t count, room;
	struct map_range *memory;
};

struct proc {
	struct lens_proc key;
	struct lens_proc parent;	/* tgid 0: unknown */
	struct lens_proc forked_by;	/* ... as its fork was seen: children get other parents */
	bool known;			/* a PROC record was seen; else only the key */
	bool exited;
	bool in_tree;			/* descends from the command of `-- CMD` */
	bool is_self;			/* ipclens, or who reads what it says at once */
	int exit_code;			/* wait status, if exited */
	uint64_t exit_ns;
	uint64_t described_ns;		/* when the latest PROC record was taken */
	uint32_t uid, nspid, pidns, ipcns, netns, mntns;
	uint64_t cgroup_id;
	char comm[LENS_COMM_LEN + 1];	/* hostile bytes */
	/* hostile bytes, NULL when unknown */
	char *exe;
	char *cgroup;
	char *argv;			/* argv_len bytes, NUL separated */
	size_t argv_len;
	struct space *space;		/* NULL: never had shared memory */
	uint32_t end_count;		/* endpoints that name it */
	/* looks begun when it ended, and when one last came by it; model/ only */
	uint32_t exit_look, seen_look;
};

enum mapper_how { MAPPER_BEFORE, MAPPER_MAPPED, MAPPER_ATTACHED, MAPPER_INHERITED };

/* what an endpoint of shared memory maps of it; ranges: in the space of its process */
struct mapper {
	bool is_mapper;			/* has it mapped, or had once */
	bool inherits;			/* is being given what its parent has; model/ only */
	enum mapper_how how;		/* first mapping: there before the start, by mmap, ... */
	struct lens_proc from;		/* MAPPER_INHERITED: the parent, which may be forgotten */
	uint64_t since_ns;
	uint64_t maps, unmaps;		/* calls seen that made or ended mappings of it */
	uint64_t mapped_bytes, peak_bytes;
	uint32_t prot;			/* of all that is mapped now; after world_settle() */
	uint32_t prot_ever;
	size_t first_range;		/* of what is mapped now, in the space; likewise */
	size_t change;			/* its place among the map_changes; model/ only */
};

/* calls of a side that a look or a sample came upon; [2]: bytes, then messages */
struct side_waits {
	uint64_t blocked_ns;		/* sampled: periods in which a thread slept here */
	uint64_t samples;		/* number of those periods */
	uint64_t sampled_round;		/* the last of them */
	/* what calls may have moved that the last look and the first one found under way */
	int64_t under_way[2], first_under_way[2];
	uint64_t first_bytes;		/* total when the first look began */
};

/* one direction of an endpoint; some ten thousand of them come and go between two readings */
struct side {
	bool seen : 1;			/* a total exists */
	bool final : 1;			/* ... and the map entry behind it is gone */
	bool announced : 1;		/* an END record was seen */
	bool followed : 1;		/* ... and from then on every operation is streamed */
	uint32_t id;			/* struct lens_op.id */
	uint32_t flags;			/* LENS_END_* */
	struct lens_total total;
	struct lens_total *carried;	/* part of total from retired map entries; NULL: none */
	uint32_t entry_id;		/* of the map entry that counts now */
	struct { uint64_t bytes, msgs; } at_look;	/* of total when the current look began */
	struct side_waits *waits;	/* NULL: none; see side_waits() */
	/* operations known one by one (subset of total) */
	uint64_t op_count, op_msgs, op_bytes;
	uint64_t descriptors;		/* sent or received here (SCM_RIGHTS) */
};

/* most endpoints have no more descriptors than fit where else a pointer to them would be */
#define END_FEW_FDS 2

/* what most endpoints do not have: they hold something, and do nothing with it */
struct end_more {
	struct side *side[LENS_DIR_MAX];	/* NULL: nothing to tell; see end_side() */
	struct mapper *mapper;		/* NULL: never mapped it; see end_mapper() */
	struct lens_chan received_over;	/* descriptors of it: the last time */
	int32_t received_writer;	/* the last such that can be written to; 0: none */
	/* the thread that used it last, and when that call returned; streamed operations only */
	uint32_t last_tid;
	uint64_t last_return_ns;
};

struct endpoint {
	struct proc *proc;
	struct chan *chan;
	struct end_more *more;		/* NULL: nothing; see end_more() */
	/* in the last look that saw it; see end_fds() */
	union { uint32_t few[END_FEW_FDS]; uint32_t *many; } fds;
	uint32_t fd_count;
	bool reader : 1, writer : 1;	/* holds such a descriptor, or used it so */
	bool held_now : 1;		/* a descriptor was seen in the last look */
	bool held_before : 1;		/* ... and in the first one */
	bool made : 1;			/* holds a file that this process opened itself */
	bool opened : 1;		/* by its path, since the start */
	bool received : 1;		/* such a descriptor, over a unix socket */
	bool folded : 1;		/* about to be forgotten; model/ only */
};

/* wake-ups at one word of shared memory */
struct handoff {
	struct proc *from, *to;		/* NULL: not seen, or forgotten */
	uint64_t offset;		/* of the word in the object */
	uint64_t count;
	bool exact;
	const char *why;		/* when not exact; static text */
};

/* shared memory, beyond size and residency, which are its depth */
struct memory {
	size_t mappers, peak_mappers;	/* processes that map it: now, at most at one time */
	uint64_t extent;		/* largest offset that was ever mapped */
	uint64_t overlap_bytes;		/* mapped by two processes or more; after world_settle() */
	uint64_t overlap_peak_bytes;	/* the most at one time */
	bool overlap_peak_is_low;	/* not always worked out: there were too many mappers */
	bool removed;			/* IPC_RMID was called */
	/* processes that have ended and are no endpoints any more, and what they called */
	struct { uint64_t procs, maps, unmaps; } folded;
	struct handoff *handoffs;	/* after world_settle() */
	size_t handoff_count;
	void *words;			/* model/ only */
};

/*
 * by_kernel + before_start + written = read + queued + discarded + in_flight + unaccounted.
 * in_flight: bytes of calls that straddle the start, a look or the end, which
 * the kernel has moved but no system call has returned yet, or the reverse.
 */
struct ledger {
	bool known;			/* false: depth never seen, nothing to balance */
	int64_t before_start, written, read, queued, discarded, in_flight, unaccounted;
	int64_t slack;			/* so much could be explained by calls under way */
	/*
	 * Added by no call, so by the kernel itself: signals of an eventfd; a pty's
	 * line discipline, which also takes away, and its packet mode.
	 */
	int64_t by_kernel;
	bool discarded_observed;	/* false: what was left when the channel went */
	int64_t msgs_before, msgs_written, msgs_read, msgs_queued, msgs_discarded, msgs_unaccounted;
};

/* how the halves of a connection over the internet protocols found each other */
enum inet_joined {
	INET_ALONE,
	INET_SAME_NETNS,	/* in one network namespace */
	INET_OTHER_NETNS,	/* in two of this host, whose addresses are each other's */
	INET_TRANSLATED,	/* by its streams alone: the addresses were translated between */
	INET_ITSELF,		/* a socket connected to itself: one channel, not two halves */
};

/* of a socket of the internet protocols; struct lens_rec_sock says what is what */
struct chan_inet {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t netns, state, flags, send_origin, receive_origin, send_room,
		 drops, first_drops;
	enum inet_joined joined;
	bool is_opener;		/* the half that connected; known of two that are joined */
	bool anew;		/* disconnected and connected again: counts as one connection */
	uint64_t connected_ns, renewed_ns;	/* first seen connected; last connected again */
};

struct type_count { int64_t type; uint64_t messages, bytes; };

/* what most channels do not have: they just exist */
struct chan_more {
	/* hostile bytes: path of a fifo or socket, name of a posix-mq; NULL: none known */
	char *name;
	size_t name_len;		/* an abstract name may hold NULs */
	bool name_truncated;
	struct chan_inet *inet;		/* NULL: no socket of these protocols, or not looked at */
	/* first openings of a fifo, by direction: more than one = was closed by all in between */
	uint32_t lives[LENS_DIR_MAX];
	struct type_count *types;	/* backlog by message type or priority, sorted by it */
	size_t type_count;
	bool types_truncated;
	uint32_t lspid, lrpid, uid, mode;
	uint32_t ipcns;			/* posix-mq: where its name is; 0: not known */
	uint32_t notify_pid, notify_how;	/* posix-mq: who registered, in the last look */
	/* unix sockets: descriptors that went over it, and those in its queue in the last look */
	struct passed_rows passed, in_flight;
	/* descriptors of it that the last look found in the queue of a socket, and in whose */
	uint64_t carried;
	struct lens_chan carrier;
	struct ledger ledger;		/* valid after world_settle() */
	/* when the oldest of what is unread was written, 0: not known, or nothing is; likewise */
	uint64_t oldest_unread_ns;
	struct memory *memory;		/* NULL: nothing of the kind; see chan_memory() */
	/* back-pressure: share of the sampled time in which some thread slept, 0..1 */
	double full_share, empty_share;
	uint64_t blocked_samples[LENS_DIR_MAX];	/* rounds with at least one sleeper */
	uint64_t sampled_round[LENS_DIR_MAX];	/* the last of them */
};

/* there may be a million: what stands here is what each of them has */
struct chan {
	struct lens_chan key;
	union {
		struct endpoint *one;
		struct endpoint **many;
	} ends;				/* by .has_many_ends; see chan_ends() */
	/*
	 * A connection is two channels, its halves. Each has a queue, a depth and
	 * a ledger of its own, for what was written at the peer and read here.
	 */
	struct chan *peer;		/* the other half; NULL: none, or not known */
	const struct lens_depth *depth;	/* latest; see chan_depth() */
	uint64_t depth_ns;		/* when that was taken; model/ only */
	struct chan_more *more;		/* NULL: nothing; see chan_more() */
	uint32_t end_count;
	bool existed_before : 1;	/* found by the first look, not born later */
	bool was_open_to_read : 1;	/* ... which found it open in that direction */
	bool was_open_to_write : 1;
	bool live : 1;			/* the last look found it */
	bool gone : 1;			/* removed (IPC_RMID), or the last look missed it */
	bool is_self : 1;		/* one of us has used it; see chan_is_own() */
	bool packets : 1;		/* pipe in packet mode: a short read drops the rest */
	bool encrypted : 1;		/* socket that was found with kTLS, or its peer was */
	bool held_at_start : 1;		/* ... and what it held then has no place in its stream */
	bool redirected : 1;		/* socket that was found in a sockmap, or its peer was */
	bool cooked : 1;		/* pty: was seen while its line discipline changed things */
	bool is_second : 1;		/* a document shows it as a part of its peer */
	/* of what follows only model/ knows */
	bool has_many_ends : 1;		/* or had */
	bool own_depth : 1;		/* ... which no other channel shares */
	bool balances : 1;		/* its ledger is known, and all in it is 0 */
	bool before_is_certain : 1;	/* what was there before is what the ledger says */
	bool in_look : 1;		/* found by the look under way */
	bool folded : 1;		/* about to be forgotten */
	bool told_gone : 1;		/* by a record, not by a look */
	bool may_be_back : 1;		/* first heard of when halves had been forgotten */
	bool is_new : 1;		/* first heard of since the last look began */
	bool is_later : 1;		/* first heard of when the first look was complete */
	unsigned missed : 2;		/* completed looks in a row that did not find it, at most */
	unsigned idle_glimpses : 3;	/* see glimpse.c */
};

struct flow {
	struct proc *from, *to;		/* NULL: unknown or outside */
	struct chan *chan;
	uint64_t messages, bytes;
	bool exact;
	const char *why;		/* when not exact; lives as long as the flow */
	char why_text[80];
	bool has_residency;
	uint64_t p50_ns, p99_ns, max_ns;
};

struct coverage { unsigned kind; bool observed; char variant[17]; char detail[361]; };

struct loss {
	uint64_t count[LENS_LOSS_MAX];
	uint64_t by_kind[LENS_KIND_MAX][LENS_LOSS_MAX];
	uint64_t bytes;			/* moved by operations under MAP_FULL */
	uint64_t bytes_by_kind[LENS_KIND_MAX];
	uint64_t bad_records;		/* records that did not decode */
	uint64_t not_shown;		/* operations that a trace has come to, and not printed */
};

/* what the last MAP record that was applied changed, channel by channel */
struct map_change {
	struct endpoint *end;
	uint64_t mapped_bytes, unmapped_bytes, protected_bytes;
	uint64_t start, offset;		/* where the first piece of it lies */
};

/* a call found in progress by the last look */
struct wait {
	struct proc *proc;
	struct chan *chan;
	uint32_t tid, nr, dir;
	bool asleep;
	uint64_t asked;
	int64_t msgtype;
};

/*
 * Channels that are gone and of which no more than sums are kept: those of one
 * kind between processes of the same names.
 */
struct fold {
	unsigned kind;
	bool in_tree, is_self;		/* as of a channel alone; of one process: when settled */
	bool unplaced;			/* of channels that had no room: not how many, nor which */
	bool unknown;			/* unplaced: of those of whom nothing was told by then */
	struct proc *proc;		/* unplaced: who did that, NULL: several */
	/* who moved something, by direction */
	struct fold_names {
		enum { FOLD_NOBODY, FOLD_ONE, FOLD_SEVERAL } count;
		char comm[LENS_COMM_LEN + 1];	/* FOLD_ONE; hostile bytes */
	} names[LENS_DIR_MAX];
	uint64_t channels;
	uint64_t shared;		/* of memory: mapped by two at one time */
	uint64_t flows, inexact_flows;
	struct lens_total total[LENS_DIR_MAX];	/* id and flags: 0 */
	uint64_t blocked_ns[LENS_DIR_MAX];
	struct ledger ledger;		/* sums; known is true if each was */
	/* what is missing in one channel is not made good by a surplus in another */
	uint64_t unaccounted_bytes, unaccounted_msgs;
};

/* ended channels, and ended processes without a channel, kept one by one unless told otherwise */
#define WORLD_MAX_ENDED 2048

struct world {
	struct lens_rec_host host;	/* strings terminated; zeroed when none came */
	uint64_t start_ns, end_ns;	/* CLOCK_BOOTTIME of attach and detach */
	bool complete;			/* a DETACHED mark was seen */
	bool follows_command;		/* the run was about a command and its descendants */
	bool has_command;		/* ... which has ended */
	int command_status;		/* wait status of `-- CMD` */
	struct hash *procs;		/* struct lens_proc -> struct proc */
	struct hash *chans;		/* struct lens_chan -> struct chan */
	struct hash *folds;		/* sums of forgotten channels: struct fold */
	uint64_t folded_chans, folded_procs;
	/* operations that found the table full, ours too: in folds of their own, no channel's */
	uint64_t unplaced[LENS_KIND_MAX];
	size_t max_ended;		/* so many of each are kept one by one */
	struct flow *flows;
	size_t flow_count;
	struct coverage cover[LENS_KIND_MAX];	/* by kind; kind 0 = no row */
	struct loss loss;
	struct wait *waits;
	size_t wait_count;
	struct map_change *map_changes;
	size_t map_change_count, map_change_room;
	uint64_t sample_rounds;		/* SAMPLE marks seen */
	uint64_t sample_period_ns;
	const struct stuck *stuck;	/* who waited at the end, judged; NULL: nobody looked */
	void *model_private;		/* model/ only */
};

/*
 * How a process came to hold what it holds: as it was seen, or as it follows
 * from who holds what. What could have been otherwise is not claimed.
 */
struct origin {
	enum origin_how how;
	bool inferred;			/* neither an event nor known to the kernel */
	const struct proc *from;	/* who had it before; NULL: nobody, or not known */
	const struct chan *over;	/* RECEIVED: by which socket */
};

void origin_of(const struct world *w, const struct endpoint *e, struct origin *ret);

struct world *world_new(void);
void world_free(struct world *w);
void world_freep(struct world **w);
/* of all kinds; without those of ourselves, which nobody misses */
uint64_t world_unplaced(const struct world *w);

/* setters that mech/ and world_apply() use; get = find or create */
struct proc *world_proc(struct world *w, const struct lens_proc *key);
struct chan *world_chan(struct world *w, const struct lens_chan *key);
struct endpoint *chan_endpoint(struct world *w, struct chan *c, struct proc *p);
extern const struct end_more end_more_none;
static inline const struct end_more *end_more(const struct endpoint *e)
{
	return e->more ? e->more : &end_more_none;
}
struct end_more *end_more_get(struct endpoint *e);
/* most endpoints move nothing, or in one direction only: these all show the same zeroes */
extern const struct side side_unused;
static inline const struct side *end_side(const struct endpoint *e, enum lens_dir dir)
{
	return end_more(e)->side[dir] ? end_more(e)->side[dir] : &side_unused;
}
/* ... to change it */
struct side *end_side_get(struct endpoint *e, enum lens_dir dir);
/* most sides are never found waiting */
extern const struct side_waits side_waits_none;
static inline const struct side_waits *side_waits(const struct side *s)
{
	return s->waits ? s->waits : &side_waits_none;
}
static inline const struct side_waits *end_waits(const struct endpoint *e, enum lens_dir dir)
{
	return side_waits(end_side(e, dir));
}
struct side_waits *side_waits_get(struct side *s);
/* fd_count of them */
static inline const uint32_t *end_fds(const struct endpoint *e)
{
	return e->fd_count > END_FEW_FDS ? e->fds.many : e->fds.few;
}
void end_add_fd(struct endpoint *e, uint32_t fd);
void end_forget_fds(struct endpoint *e);
/* likewise of shared memory, which most channels are not */
extern const struct mapper mapper_none;
static inline const struct mapper *end_mapper(const struct endpoint *e)
{
	return end_more(e)->mapper ? end_more(e)->mapper : &mapper_none;
}
struct mapper *end_mapper_get(struct endpoint *e);
/* .end_count of them */
static inline struct endpoint **chan_ends(const struct chan *c)
{
	return c->has_many_ends ? c->ends.many : (struct endpoint **)&c->ends.one;
}
extern const struct chan_more chan_more_none;
static inline const struct chan_more *chan_more(const struct chan *c)
{
	return c->more ? c->more : &chan_more_none;
}
struct chan_more *chan_more_get(struct chan *c);
static inline const struct chan_inet *chan_inet(const struct chan *c)
{
	return chan_more(c)->inet;
}
/* MPTCP, by one end at least: the other may speak plain TCP */
bool inet_is_multipath(const struct chan *c);
extern const struct ledger ledger_unknown, ledger_idle;
static inline const struct ledger *chan_ledger(const struct chan *c)
{
	if (c->more)
		return &c->more->ledger;
	return c->balances ? &ledger_idle : &ledger_unknown;
}
/* most have the same as others */
extern const struct lens_depth depth_unknown;
static inline const struct lens_depth *chan_depth(const struct chan *c)
{
	return c->depth ? c->depth : &depth_unknown;
}
struct lens_depth *chan_depth_get(struct chan *c);
extern const struct memory memory_none;
static inline const struct memory *chan_memory(const struct chan *c)
{
	return chan_more(c)->memory ? chan_more(c)->memory : &memory_none;
}
struct memory *chan_memory_get(struct chan *c);
static inline bool chan_has_messages(const struct chan *c)
{
	return event_kind_has_messages(c->key.kind);
}
static inline bool chan_is_memory(const struct chan *c)
{
	return event_kind_is_memory(c->key.kind);
}
/* keeps what was given to it until it is taken; else there is nothing to balance */
static inline bool chan_has_queue(const struct chan *c)
{
	return !chan_is_memory(c) && !event_kind_has_target(c->key.kind);
}
struct endpoint *chan_find_endpoint(const struct chan *c, const struct proc *p);
/* carries our own output and nothing else; both halves of a connection are asked */
bool chan_is_own(const struct chan *c);
/* is what is read there our own output and nothing else? */
bool chan_gives_own(const struct chan *c);

/* the end of the process that is the channel itself; NULL: there is none, or it is not known */
const struct endpoint *chan_target(const struct chan *c);

/* takes in one event; any order of records is survived */
void world_apply(struct world *w, const struct event *ev);
/* the last record was applied: computes ledgers, flows and shares; idempotent */
void world_settle(struct world *w);

/* where that which is read at c is written: its peer if it is a half, else itself; may be NULL */
struct chan *chan_source(const struct chan *c);
/* where the ends of one direction of c's queue are; may be NULL */
const struct chan *chan_side(const struct chan *c, enum lens_dir dir);
/* a BPF program may move what is sent over it, past its stream and elsewhere */
bool chan_is_redirected(const struct chan *c);
bool chan_is_encrypted(const struct chan *c);
/* both halves of a connection as one channel for a document; a copy that shares the ends */
struct chan *chan_whole_new(const struct chan *c);
void chan_whole_free(struct chan *whole);

/* endpoint and direction a streamed operation belongs to; NULL if never announced */
struct endpoint *world_op_end(const struct world *w, uint32_t id, enum lens_dir *ret_dir);

#endif
