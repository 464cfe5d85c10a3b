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
 * The slow path: finds room for key in set, announcing a new endpoint; file is
 * the address of its struct file, or 0. Returns the index of the slot. These
 * are global functions, so that the verifier walks them once and not at every
 * call; that is why they take addresses as numbers.
 */
int totals_refill(struct cache_set *set, const struct lens_total_key *key, __u64 file);
/* the way around a busy cache; returns the id under which to stream the call, or 0 */
int totals_direct(const struct lens_total_key *key, __u64 file, const struct call *call);
int totals_stream(__u32 id, const struct lens_total_key *key, __u64 file, const struct call *call);
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

static __always_inline void total_add(struct lens_total *t, const struct call *c)
{
	t->ops++;
	if (c->ret > 0)
		t->bytes += c->ret;
	if (c->moved)
		t->msgs++;
	else if (c->ret < 0)
		t->errors++;
	if (c->is_short)
		t->shorts++;
}

/* calls that the kernel restarts will end once more; only that end counts */
static __always_inline bool is_restart(__s64 ret)
{
	return ret <= -KDEF_ERESTARTSYS && ret >= -KDEF_ERESTART_RESTARTBLOCK;
}

/* file may be NULL; typed: the verifier knows it to be a file */
static __always_inline int totals_count(const struct lens_total_key *key, struct file *file,
					bool typed, const struct call *call)
{
	__u32 index = key_set(key), id;
	struct cache_set *set = bpf_map_lookup_elem(&lens_cache, &index);
	struct cache_slot *slot;

	if (!set)
		return 0;
	if (!cpu_take(&set->busy)) {
		id = totals_direct(key, typed ? ident_address(file) : (__u64)file, call);
		if (id)
			totals_stream(id, key, typed ? ident_address(file) : (__u64)file, call);
		return 0;
	}
	slot = &set->slot[0];
	if (!key_equal(&slot->key, key)) {
		slot = &set->slot[1];
		if (!key_equal(&slot->key, key))
			slot = NULL;
	}
	if (!slot || slot->sum.flags >> EPOCH_SHIFT != (totals_epoch & EPOCH_MASK))
		slot = &set->slot[totals_refill(set, key, typed ? ident_address(file) :
						(__u64)file) & 1];
	total_add(&slot->sum, call);
	if (slot->sum.flags & LENS_END_OPS && !call->is_copy)
		totals_stream(slot->sum.id, key, typed ? ident_address(file) : (__u64)file, call);
	cpu_give(&set->busy);
	return 0;
}

#endif
