/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The totals plane: what every process did to every channel, counted without
 * loss. A per-CPU write-combining cache takes the operations and empties into
 * one preallocated hash map, so that the usual operation is a few loads and
 * adds in memory no other CPU touches.
 */
#ifndef LENS_TOTALS_BPF_H
#define LENS_TOTALS_BPF_H

#include "core.bpf.h"
#include "ident.bpf.h"

/*
 * What one process did to one channel in one direction on one CPU and is not yet in
 * lens_totals. One line of the processor's cache, and narrow for that: whoever finds ops at
 * its end moves all of it to lens_totals first, and a call moves at most 255 messages.
 */
struct cache_slot {
	struct lens_total_key key;	/* all zero: empty */
	__u64 bytes;
	union {
		struct {
			__u32 ops, msgs;
		};
		__u64 ops_msgs;		/* both, to be raised at once */
	};
	__u32 errors, shorts;
	__u32 id;
	__u32 state;			/* epoch | LENS_END_*, or SLOT_BUSY */
};

#define SLOT_FULL 0xffffffu

/*
 * SLOT_BUSY guards against the flush program, which interrupts this CPU, and
 * against a second program while a first one is preempted (fexit programs on
 * a preemptible kernel). Whoever finds it goes to the hash map directly.
 */
#define SLOT_BUSY 0x80
/* a state is of the present epoch and not busy if it differs from totals_epoch by flags only */
#define SLOT_FLAGS 0x7f
#define EPOCH_ONE 0x100

/* both ends of a pipe that a process reads and writes find room side by side */
struct cache_set {
	struct cache_slot slot[LENS_DIR_MAX];
};

/*
 * The sets of CPU 0, then those of CPU 1, ...: one value, whose address programs know (user
 * space puts it in place of the map's), so that no lookup is needed, with its key on the
 * stack. It begins where a line does. How many sets there are is told as LENS_FILL_CACHE_*.
 */
struct cache_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct cache_set));
};
extern struct cache_map lens_cache SEC(".maps");

/* one finished call */
struct call {
	__s64 ret;		/* bytes moved or -errno */
	__s64 aux;		/* as in struct lens_op, but for places in pipes */
	/* small: a chain of calls has 512 bytes of stack */
	__u8 moved;		/* messages that went through */
	__u8 is_short;		/* less than asked */
	__u8 is_copy;		/* a look at a message that stays; not an operation to stream */
	__u8 pad;
	__u32 message;		/* its number in a message queue, 0: not known */
};

/* raised by EPOCH_ONE when a channel begins to be streamed: cached flags are stale from then on */
extern __u32 totals_epoch;
/* number of the look under way or the last one; the collector counts them */
extern __u32 lens_look;

/*
 * What counting a call leaves to be done, with the id of the endpoint above
 * TOTALS_ID_SHIFT; 0: it is not counted yet.
 */
#define TOTALS_DONE 1
#define TOTALS_NEW 2		/* a new endpoint, to be announced */
#define TOTALS_STREAM 4		/* its operations are streamed */
#define TOTALS_ID_SHIFT 8

/*
 * The slow path: finds room for key in set and counts there, or around a cache
 * that is busy. These are global functions, so that the verifier walks them
 * once and not at every call; that is why they take a struct file by its
 * address, or 0.
 */
__u64 totals_missed(struct cache_set *set, const struct lens_total_key *key,
		    const struct call *call);
/* parts of it */
__u64 totals_endpoint(const struct lens_total_key *key);
int totals_evict(struct cache_slot *slot, __u32 state);
/*
 * Tells of a new endpoint. Not by the above: the kernel limits how deeply functions
 * call each other. One for each kind of file, since what a program can call is part of
 * it, and the kernel's work for a program grows faster than its size.
 */
int totals_announce(const struct lens_total_key *key, __u64 file);
int totals_announce_pipe(const struct lens_total_key *key, __u64 file);
int totals_announce_sock(const struct lens_total_key *key, __u64 file);
int totals_announce_mqueue(const struct lens_total_key *key, __u64 file);
int totals_announce_inet(const struct lens_total_key *key, __u64 file);
int totals_announce_unnamed(const struct lens_total_key *key);
/* parts of them */
__u32 totals_end_begin(const struct lens_total_key *key);
int totals_end_finish(__u32 which, __u32 name_len);
/* one operation; of a pipe also the place in its stream where the call left it */
int totals_stream(__u32 id, const struct call *call);
int totals_stream_pipe(__u32 id, const struct lens_total_key *key, __u64 file,
		       const struct call *call);
/* a look has found this channel: it is not to be retired */
int totals_found(const struct lens_chan *chan);

static __always_inline bool key_equal(const struct lens_total_key *a,
				      const struct lens_total_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[3] == y[3] && x[2] == y[2] && x[1] == y[1];
}

/* where the part of a CPU begins, in bytes */
static __always_inline __u64 cache_part(__u32 cpu)
{
	__u64 part;

	core_fill_and32(cpu, LENS_FILL_CACHE_CPUS);
	part = cpu;
	core_fill_shift(part, LENS_FILL_CACHE_SHIFT);
	return part;
}

static __always_inline struct cache_set *cache_set(__u64 part, __u64 number)
{
	void *cache = &lens_cache;

	barrier_var(cache);
	core_fill_and(number, LENS_FILL_CACHE_SETS);
	return cache + (part + number * sizeof(struct cache_set));
}

/* numbers of channels mostly follow each other, and so do then their places here */
static __always_inline __u64 cache_number(__u64 ino, __u32 tgid)
{
	__u64 number = tgid * 0x9e3779b1u;

	barrier_var(number);	/* to be added to, instead of to a copy of ino */
	return number + ino;
}

/* what the call saw stays where it was */
static __always_inline void call_is_look(struct call *c)
{
	c->ret = 0;
	c->moved = false;
	c->is_short = false;
	c->is_copy = true;
}

static __always_inline void slot_add(struct cache_slot *slot, const struct call *c)
{
	slot->ops++;
	if (c->ret > 0)
		slot->bytes += c->ret;
	else if (c->ret < 0)
		slot->errors++;
	slot->msgs += c->moved;
	if (c->is_short)
		slot->shorts++;
}

/* what state it was in, SLOT_BUSY: it is not ours */
static __always_inline __u32 slot_take(struct cache_slot *slot, bool preempted)
{
	__u32 state;

	if (preempted)
		return __sync_lock_test_and_set(&slot->state, SLOT_BUSY);
	state = slot->state;
	slot->state = SLOT_BUSY;
	barrier();
	return state;
}

static __always_inline void slot_give(struct cache_slot *slot, __u32 state)
{
	barrier();
	slot->state = state;
}

/* counts there if key is there; what is left to do, 0: it is not */
static __always_inline __u64 slot_count(struct cache_slot *slot, const struct lens_total_key *key,
					const struct call *call)
{
	__u32 state = slot_take(slot, lens_preemptible);
	__u64 left = TOTALS_DONE;

	if ((state ^ totals_epoch) > SLOT_FLAGS || !key_equal(&slot->key, key) ||
	    slot->ops == SLOT_FULL) {
		/* who has it gives it back, maybe before we run on */
		if (!(state & SLOT_BUSY))
			slot_give(slot, state);
		return 0;
	}
	slot_add(slot, call);
	if (state & LENS_END_OPS && !call->is_copy)
		left |= (__u64)slot->id << TOTALS_ID_SHIFT | TOTALS_STREAM;
	slot_give(slot, state);
	return left;
}

static __always_inline struct cache_set *cache_at(const struct lens_total_key *key)
{
	return cache_set(cache_part(bpf_get_smp_processor_id()),
			 cache_number(key->ino, key->tgid));
}

/* in the slot where key mostly is; the other one is left to totals_missed() */
static __always_inline __u64 cache_count(struct cache_set *set, const struct lens_total_key *key,
					 const struct call *call)
{
	return slot_count(&set->slot[key->dir & 1], key, call);
}

/* ------------------------------------------------------------- the usual case */

/*
 * A process that has done so before moves something, in as few instructions as it takes: the
 * caller adds what it moved between begin and end, and reads that then, to keep nothing before.
 */
struct hit {
	struct cache_slot *slot;
	__u32 state, differs;
};

/* device and generation of a channel whose kind tells them */
#define HIT_ANYWHERE (~0ull)

static __always_inline bool key_is(const struct lens_total_key *key, struct task_struct *t,
				   __u64 ino, __u64 place, __u64 user)
{
	const __u64 *words = (const __u64 *)key;

	return words[0] == ino && words[2] == t->group_leader->start_boottime &&
	       words[3] == user && (place == HIT_ANYWHERE || words[1] == place);
}

/*
 * preempted: a function hook, which can lose the CPU to another one. False: nothing was
 * counted, and there is nothing to end.
 */
static __always_inline bool hit_begin(struct hit *h, struct task_struct *t, __u64 ino, __u64 place,
				      __u64 kind, __u64 dir, bool preempted)
{
	__u64 part = cache_part(bpf_get_smp_processor_id()), count;
	__u32 tgid = t->tgid;
	struct cache_slot *slot = &cache_set(part, cache_number(ino, tgid))->slot[dir];

	/* or it is reckoned anew for each field, if its place is no constant */
	if (!preempted)
		barrier_var(slot);
	h->slot = slot;
	h->state = slot_take(slot, preempted);
	h->differs = (h->state ^ totals_epoch) & ~(LENS_END_SELF | LENS_END_TREE);
	count = slot->ops_msgs;
	if (h->differs > LENS_END_OPS ||
	    !key_is(&slot->key, t, ino, place, tgid | kind << 32 | dir << 48) ||
	    (__u32)count == SLOT_FULL) {
		/* who has it gives it back, maybe before we run on */
		if (!(h->state & SLOT_BUSY))
			slot_give(slot, h->state);
		return false;
	}
	slot->ops_msgs = count + (1 | 1ull << 32);
	return true;
}

/* what is left to do */
static __always_inline __u64 hit_end(const struct hit *h)
{
	__u64 left = TOTALS_DONE;

	if (h->differs)
		left |= (__u64)h->slot->id << TOTALS_ID_SHIFT | TOTALS_STREAM;
	slot_give(h->slot, h->state);
	return left;
}

/* calls that the kernel restarts will end once more; only that end counts */
static __always_inline bool is_restart(__s64 ret)
{
	return ret <= -KDEF_ERESTARTSYS && ret >= -KDEF_ERESTART_RESTARTBLOCK;
}

/* what is known of the file behind a channel; constants, so that nothing else is compiled in */
enum {
	FILE_TYPED = 1,		/* the verifier knows it to be a file */
	FILE_PIPE = 2,		/* what it can only be */
	FILE_SOCKET = 4,
	FILE_MQUEUE = 8,
	FILE_NONE = 16,
	FILE_INET = 32,
	FILE_KINDS = FILE_PIPE | FILE_SOCKET | FILE_MQUEUE | FILE_NONE | FILE_INET,
	FILE_MIXED = 64,	/* the program counts other kinds, too, and describes any file */
};

static __always_inline void totals_introduce(const struct lens_total_key *key, __u64 file,
					     __u32 what)
{
	if (what & FILE_MIXED || !(what & FILE_KINDS))
		totals_announce(key, file);
	else if (what & FILE_PIPE)
		totals_announce_pipe(key, file);
	else if (what & FILE_SOCKET)
		totals_announce_sock(key, file);
	else if (what & FILE_MQUEUE)
		totals_announce_mqueue(key, file);
	else if (what & FILE_INET)
		totals_announce_inet(key, file);
	else
		totals_announce_unnamed(key);
}

static __always_inline void totals_follow(__u32 id, const struct lens_total_key *key, __u64 file,
					  __u32 what, const struct call *call)
{
	bool is_pipe = what & FILE_KINDS ? what & FILE_PIPE :
		       key->kind == LENS_KIND_PIPE || key->kind == LENS_KIND_FIFO;

	if (is_pipe)
		totals_stream_pipe(id, key, file, call);
	else
		totals_stream(id, call);
}

#define FILE_ADDRESS(file, what) ((what) & FILE_TYPED ? ident_address(file) : (__u64)(file))

/* file may be NULL. True: a new endpoint */
static __always_inline bool totals_count_new(const struct lens_total_key *key, struct file *file,
					     __u32 what, const struct call *call)
{
	struct cache_set *set = cache_at(key);
	__u64 left = cache_count(set, key, call);

	if (!left)
		left = totals_missed(set, key, call);
	if (left & TOTALS_NEW)
		totals_introduce(key, FILE_ADDRESS(file, what), what);
	if (left & TOTALS_STREAM)
		totals_follow(left >> TOTALS_ID_SHIFT, key, FILE_ADDRESS(file, what), what, call);
	return left & TOTALS_NEW;
}

static __always_inline int totals_count(const struct lens_total_key *key, struct file *file,
					__u32 what, const struct call *call)
{
	totals_count_new(key, file, what, call);
	return 0;
}

#endif
