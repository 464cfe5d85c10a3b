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

struct cache_slot {
	struct lens_total_key key;	/* all zero: empty */
	struct lens_total sum;		/* not yet in lens_totals; id and flags are copies */
};

/*
 * busy guards against the flush program, which interrupts this CPU, and
 * against a second program while a first one is preempted (fexit programs on
 * a preemptible kernel). Whoever finds it set goes to the hash map directly.
 */
struct cache_set {
	__u32 busy;
	__u32 victim;
	struct cache_slot slot[2];
};

struct cache_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct cache_set);
};
extern struct cache_map lens_cache SEC(".maps");

/* one finished call */
struct call {
	__s64 ret;		/* bytes moved or -errno */
	__s64 aux;		/* sysv-msg: message type; posix-mq: priority */
	/* small: a chain of calls has 512 bytes of stack */
	__u8 moved;		/* a message went through */
	__u8 is_short;		/* less than asked */
	__u8 is_copy;		/* a look at a message that stays; not an operation to stream */
	__u8 pad[5];
};

/* raised when a channel begins to be streamed: cached flags are stale from then on */
extern __u32 totals_epoch;
/* number of the look under way or the last one; the collector counts them */
extern __u32 lens_look;
#define EPOCH_SHIFT 8
#define EPOCH_MASK 0xffffff

/*
 * The slow path: finds room for key in set. Returns the index of the slot, and
 * TOTALS_NEW for a new endpoint, which is then to be announced. These are
 * global functions, so that the verifier walks them once and not at every
 * call; that is why they take a struct file by its address, or 0.
 */
#define TOTALS_NEW 2
int totals_refill(struct cache_set *set, const struct lens_total_key *key);
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
/*
 * The way around a busy cache. What is left to do: TOTALS_NEW, TOTALS_STREAM,
 * and the id of the endpoint above TOTALS_ID_SHIFT.
 */
#define TOTALS_STREAM 4
#define TOTALS_ID_SHIFT 8
__u64 totals_direct(const struct lens_total_key *key, const struct call *call);
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

static __always_inline __u32 key_set(const struct lens_total_key *k)
{
	__u64 h = (k->ino ^ ((__u64)k->tgid << 20) ^ ((__u64)k->dir << 40)) * 0x9e3779b97f4a7c15ull;

	return (h >> 40) & lens_cache_mask;
}

/* what the call saw stays where it was */
static __always_inline void call_is_look(struct call *c)
{
	c->ret = 0;
	c->moved = false;
	c->is_short = false;
	c->is_copy = true;
}

static __always_inline void total_add(struct lens_total *t, const struct call *c)
{
	t->ops++;
	if (c->ret > 0)
		t->bytes += c->ret;
	else if (c->ret < 0)
		t->errors++;
	if (c->moved)
		t->msgs++;
	if (c->is_short)
		t->shorts++;
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

static __always_inline bool totals_around(const struct lens_total_key *key, struct file *file,
					  __u32 what, const struct call *call)
{
	__u64 left = totals_direct(key, call);

	if (left & TOTALS_NEW)
		totals_introduce(key, FILE_ADDRESS(file, what), what);
	if (left & TOTALS_STREAM)
		totals_follow(left >> TOTALS_ID_SHIFT, key, FILE_ADDRESS(file, what), what, call);
	return left & TOTALS_NEW;
}

/* file may be NULL. True: a new endpoint */
static __always_inline bool totals_count_new(const struct lens_total_key *key, struct file *file,
					     __u32 what, const struct call *call)
{
	__u32 index = key_set(key);
	struct cache_set *set = bpf_map_lookup_elem(&lens_cache, &index);
	struct cache_slot *slot;
	__u32 place = 0;

	if (!set)
		return false;
	if (!cpu_take(&set->busy))
		return totals_around(key, file, what, call);
	slot = &set->slot[0];
	if (!key_equal(&slot->key, key)) {
		slot = &set->slot[1];
		if (!key_equal(&slot->key, key))
			slot = NULL;
	}
	if (!slot || slot->sum.flags >> EPOCH_SHIFT != (totals_epoch & EPOCH_MASK)) {
		place = totals_refill(set, key);
		slot = &set->slot[place & 1];
		if (place & TOTALS_NEW)
			totals_introduce(key, FILE_ADDRESS(file, what), what);
	}
	total_add(&slot->sum, call);
	if (slot->sum.flags & LENS_END_OPS && !call->is_copy)
		totals_follow(slot->sum.id, key, FILE_ADDRESS(file, what), what, call);
	cpu_give(&set->busy);
	return place & TOTALS_NEW;
}

static __always_inline int totals_count(const struct lens_total_key *key, struct file *file,
					__u32 what, const struct call *call)
{
	totals_count_new(key, file, what, call);
	return 0;
}

#endif
