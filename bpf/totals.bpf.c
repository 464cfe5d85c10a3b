// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The slow half of the totals plane: the hash map behind the per-CPU cache,
 * first use of an endpoint, streamed operations, and the program that empties
 * all of it for the collector.
 */
#include "totals.bpf.h"
#include "describe.bpf.h"
#include "place.bpf.h"
#include "task.bpf.h"

__u32 totals_epoch = 1;
__u32 lens_look;
static __u32 next_id;

struct cache_map lens_cache SEC(".maps");

/* plain and preallocated: a full map refuses, where an LRU map would forget */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct lens_total_key);
	__type(value, struct lens_total);
} lens_totals SEC(".maps");

/* who used a channel, and where in its stream they are */
struct users {
	struct lens_users shown;	/* first: the collector reads it */
	struct place_track track;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct lens_chan);
	__type(value, struct users);
} lens_chans SEC(".maps");

/* ------------------------------------------------------ streamed operations */

/* operations wait here so that the CPUs do not fight over the ring for each of them */
struct batch {
	__u32 busy;
	__u32 pad;
	struct lens_rec_ops rec;
	struct lens_op op[LENS_OPS_PER_BATCH];
	struct place_walk walk;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct batch);
} lens_batch SEC(".maps");

static __always_inline void batch_emit(struct batch *b)
{
	__u32 count = b->rec.count, len;

	if (!count || count > LENS_OPS_PER_BATCH)
		return;
	len = count * sizeof(struct lens_op);
	barrier_var(len);	/* an addition that became an OR loses the verifier its bound */
	len += sizeof(b->rec);
	rec_init(&b->rec.h, LENS_REC_OPS, len);
	b->rec.cpu = bpf_get_smp_processor_id();
	b->rec.count = count;
	core_emit_ops(&b->rec, len, count);
	b->rec.count = 0;
}

/* where a call on a pipe left it; after the time that goes with it was taken */
static __always_inline __s64 stream_place(const struct lens_total_key *key, __u64 file,
					  struct place_walk *walk)
{
	struct lens_chan chan;
	struct lens_proc unused;
	struct users *u;

	ident_split(key, &chan, &unused);
	u = bpf_map_lookup_elem(&lens_chans, &chan);
	return u ? place_of(file, key->dir, &u->track, walk) : 0;
}

/* is_pipe: a constant, so that the rest does not have the depth of calls that pipes need */
static __always_inline int stream(__u32 id, const struct lens_total_key *key, __u64 file,
				  bool is_pipe, const struct call *call)
{
	__u32 zero = 0, n;
	struct batch *b = bpf_map_lookup_elem(&lens_batch, &zero);
	__u64 ts_ns;
	__s64 aux;

	if (!b)
		return 0;
	if (!cpu_take(&b->busy)) {
		loss_add(LENS_KIND_NONE, LENS_LOSS_RECURSION, 1, 0);
		return 0;
	}
	aux = call->aux;
	ts_ns = bpf_ktime_get_boot_ns();
	if (is_pipe && file && call->ret > 0)
		aux = stream_place(key, file, &b->walk);
	n = b->rec.count;
	if (n < LENS_OPS_PER_BATCH) {
		b->op[n].ts_ns = ts_ns;
		b->op[n].ret = call->ret;
		b->op[n].aux = aux;
		b->op[n].id = id;
		b->op[n].tid = bpf_get_current_pid_tgid();
		b->rec.count = n + 1;
	}
	if (n + 1 >= LENS_OPS_PER_BATCH)
		batch_emit(b);
	cpu_give(&b->busy);
	return 0;
}

int totals_stream(__u32 id, const struct call *call)
{
	return call ? stream(id, NULL, 0, false, call) : 0;
}

int totals_stream_pipe(__u32 id, const struct lens_total_key *key, __u64 file,
		       const struct call *call)
{
	return key && call ? stream(id, key, file, true, call) : 0;
}

/* --------------------------------------------------------------- endpoints */

/* not on the stack, of which a chain of calls has 512 bytes */
static const volatile struct users no_users;

/* counts this endpoint in; true if the channel's flows need its operations one by one */
static __noinline bool channel_enter(const struct lens_chan *chan, __u32 dir)
{
	struct users *u = bpf_map_lookup_elem(&lens_chans, chan);
	__u32 before;

	if (!u) {
		bpf_map_update_elem(&lens_chans, chan, (void *)&no_users, BPF_NOEXIST);
		u = bpf_map_lookup_elem(&lens_chans, chan);
		if (!u)
			return true;	/* map full: streaming is the safe side */
		u->shown.look = lens_look;
	}
	before = __sync_fetch_and_add(&u->shown.count[dir == LENS_WRITE], 1);
	/* the second of a kind: what is cached about this channel is now wrong */
	if (before == 1)
		__sync_fetch_and_add(&totals_epoch, 1);
	return before >= 1 || u->shown.count[dir != LENS_WRITE] >= 2;
}

/*
 * The endpoint was not made after all: the totals map is full, or another CPU was
 * quicker. A channel without endpoints must not stay, since nothing would retire it.
 */
static __noinline int channel_leave(const struct lens_chan *chan, __u32 dir)
{
	struct users *u = bpf_map_lookup_elem(&lens_chans, chan);

	if (!u)
		return 0;
	__sync_fetch_and_add(&u->shown.count[dir == LENS_WRITE], -1);
	if (!u->shown.count[LENS_READ] && !u->shown.count[LENS_WRITE])
		bpf_map_delete_elem(&lens_chans, chan);
	return 0;
}

static __always_inline bool channel_is_shared(const struct lens_chan *chan)
{
	struct users *u = bpf_map_lookup_elem(&lens_chans, chan);

	return u && (u->shown.count[LENS_READ] >= 2 || u->shown.count[LENS_WRITE] >= 2);
}

int totals_found(const struct lens_chan *found)
{
	/* on the stack, as in slot_evict() */
	struct lens_chan chan;
	struct users *u;

	if (!found)
		return 0;
	chan = *found;
	u = bpf_map_lookup_elem(&lens_chans, &chan);
	if (u)
		u->shown.look = lens_look;
	return 0;
}

/* the map's entry for key, made if there is none; NULL when the map is full */
static __noinline struct lens_total *endpoint_get(const struct lens_total_key *wanted,
						  __u32 *ret_new)
{
	/* on the stack, as in slot_evict() */
	struct lens_total_key copy = *wanted, *key = &copy;
	struct lens_total *t = bpf_map_lookup_elem(&lens_totals, key), *fresh;
	__u32 epoch = totals_epoch & EPOCH_MASK, flags, which;
	struct lens_chan chan;
	struct lens_proc proc;
	struct scratch *s;

	ident_split(key, &chan, &proc);
	if (t) {
		if (t->flags >> EPOCH_SHIFT == epoch)
			return t;
		flags = t->flags & (LENS_END_SELF | LENS_END_TREE);
		if (!(flags & LENS_END_SELF) && (lens_stream_all || channel_is_shared(&chan)))
			flags |= LENS_END_OPS;
		t->flags = flags | epoch << EPOCH_SHIFT;
		return t;
	}
	flags = task_end_flags(&proc, &chan, key->dir);
	if (channel_enter(&chan, key->dir) || lens_stream_all)
		if (!(flags & LENS_END_SELF))
			flags |= LENS_END_OPS;
	/* not on the stack, of which there is little left when this is called */
	which = scratch_take();
	s = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s)
		return NULL;
	fresh = (void *)s->data;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->id = __sync_fetch_and_add(&next_id, 1) + 1;
	fresh->flags = flags | epoch << EPOCH_SHIFT;
	/* lost to another CPU or to a full map: the lookup tells which */
	if (!bpf_map_update_elem(&lens_totals, key, fresh, BPF_NOEXIST))
		*ret_new = TOTALS_NEW;
	else
		channel_leave(&chan, key->dir);
	scratch_give(which);
	return bpf_map_lookup_elem(&lens_totals, key);
}

static __always_inline void total_merge(struct lens_total *to, const struct lens_total *from)
{
	__sync_fetch_and_add(&to->ops, from->ops);
	__sync_fetch_and_add(&to->bytes, from->bytes);
	if (from->msgs)
		__sync_fetch_and_add(&to->msgs, from->msgs);
	if (from->errors)
		__sync_fetch_and_add(&to->errors, from->errors);
	if (from->shorts)
		__sync_fetch_and_add(&to->shorts, from->shorts);
}

static __noinline int slot_evict(struct cache_slot *slot)
{
	/* on the stack: before v6.2 a map takes a key from nowhere else in a global function */
	struct lens_total_key key = slot->key;
	struct lens_total none = {}, *t;

	if (!slot->sum.ops)
		return 0;
	t = bpf_map_lookup_elem(&lens_totals, &key);
	/* without an id it was refused before and never announced; it stays a refusal */
	if (!t && slot->sum.id) {
		none.id = __sync_fetch_and_add(&next_id, 1) + 1;
		none.flags = slot->sum.flags;
		bpf_map_update_elem(&lens_totals, &key, &none, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&lens_totals, &key);
	}
	if (t)
		total_merge(t, &slot->sum);
	else
		loss_add(key.kind, LENS_LOSS_MAP_FULL, slot->sum.ops, slot->sum.bytes);
	__builtin_memset(&slot->sum, 0, sizeof(slot->sum));
	return 0;
}

int totals_refill(struct cache_set *set, const struct lens_total_key *key)
{
	struct cache_slot *slot;
	struct lens_total *t;
	__u32 is_new = 0;
	bool second;

	if (!set || !key)
		return 0;
	second = key_equal(&set->slot[1].key, key);
	if (!second && !key_equal(&set->slot[0].key, key)) {
		second = set->victim & 1;
		set->victim = !second;
	}
	slot = second ? &set->slot[1] : &set->slot[0];
	slot_evict(slot);
	slot->key = *key;
	t = endpoint_get(key, &is_new);
	slot->sum.id = t ? t->id : 0;
	slot->sum.flags = t ? t->flags : totals_epoch << EPOCH_SHIFT;
	return second | is_new;
}

/* an END record without name and depth, in a scratch buffer; SCRATCH_NONE: there is none */
__u32 totals_end_begin(const struct lens_total_key *wanted)
{
	struct lens_total_key key;
	struct lens_rec_end *e;
	struct lens_total *t;
	__u32 which;

	if (!wanted)
		return SCRATCH_NONE;
	key = *wanted;
	t = bpf_map_lookup_elem(&lens_totals, &key);
	if (!t)
		return SCRATCH_NONE;
	task_announce(t->flags & ((1 << EPOCH_SHIFT) - 1));
	which = scratch_take();
	e = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!e)
		return SCRATCH_NONE;
	__builtin_memset(e, 0, sizeof(*e));
	ident_split(&key, &e->chan, &e->proc);
	e->dir = key.dir;
	e->id = t->id;
	e->flags = t->flags & ((1 << EPOCH_SHIFT) - 1);
	return which;
}

/* hands it over, with a name of name_len as describe_name() returned it */
int totals_end_finish(__u32 which, __u32 name_len)
{
	struct lens_rec_end *e = bpf_map_lookup_elem(&lens_scratch, &which);
	__u32 len;

	if (!e)
		return 0;
	e->name_len = name_len & DESCRIBE_LEN;
	len = align8(sizeof(*e) + e->name_len);
	rec_init(&e->h, LENS_REC_END, len);
	e->h.flags = describe_flags(name_len);
	if (len <= SCRATCH_SIZE)
		core_emit(e, len, e->chan.kind);
	return scratch_give(which);
}

/* what: which kinds of files can be met here; a constant */
static __always_inline int announce(const struct lens_total_key *key, __u64 address, __u32 what)
{
	__u32 which = totals_end_begin(key), name_len = 0;
	struct lens_rec_end *e = bpf_map_lookup_elem(&lens_scratch, &which);
	struct file *file = (struct file *)address;

	if (!key || !e || which == SCRATCH_NONE)
		return 0;
	if (what & FILE_PIPE) {
		if (key->kind == LENS_KIND_FIFO)
			name_len = describe_name(LENS_KIND_FIFO, which, sizeof(*e), file);
		describe_depth(LENS_KIND_PIPE, file, &e->depth);
	} else if (what & FILE_SOCKET) {
		name_len = describe_sock_name(which, sizeof(*e), file);
		describe_sock(key->kind, address, &e->depth);
	} else if (what & FILE_MQUEUE) {
		name_len = describe_name(LENS_KIND_POSIX_MQ, which, sizeof(*e), file);
		describe_depth(LENS_KIND_POSIX_MQ, file, &e->depth);
	} else if (what & FILE_INET) {
		describe_inet(address, &e->depth);
	} else if (!(what & FILE_NONE)) {
		name_len = describe_name(key->kind, which, sizeof(*e), file);
		describe_depth(key->kind, file, &e->depth);
	}
	return totals_end_finish(which, name_len);
}

int totals_announce(const struct lens_total_key *key, __u64 file)
{
	return announce(key, file, 0);
}

int totals_announce_pipe(const struct lens_total_key *key, __u64 file)
{
	return announce(key, file, FILE_PIPE);
}

int totals_announce_sock(const struct lens_total_key *key, __u64 file)
{
	return announce(key, file, FILE_SOCKET);
}

int totals_announce_mqueue(const struct lens_total_key *key, __u64 file)
{
	return announce(key, file, FILE_MQUEUE);
}

int totals_announce_inet(const struct lens_total_key *key, __u64 file)
{
	return announce(key, file, FILE_INET);
}

int totals_announce_unnamed(const struct lens_total_key *key)
{
	return announce(key, 0, FILE_NONE);
}

__u64 totals_direct(const struct lens_total_key *key, const struct call *call)
{
	struct lens_total *t, one = {};
	__u32 is_new = 0;

	if (!key || !call)
		return 0;
	t = endpoint_get(key, &is_new);
	total_add(&one, call);
	if (!t) {
		loss_add(key->kind, LENS_LOSS_MAP_FULL, 1, one.bytes);
		return 0;
	}
	total_merge(t, &one);
	if (t->flags & LENS_END_OPS && !call->is_copy)
		is_new |= TOTALS_STREAM;
	return (__u64)t->id << TOTALS_ID_SHIFT | is_new;
}

/* -------------------------------------------------------------------- flush */

struct flush {
	__u32 cpu;
	__u32 skipped;
};

static long flush_set(__u32 index, struct flush *f)
{
	struct cache_set *set = bpf_map_lookup_percpu_elem(&lens_cache, &index, f->cpu);

	if (!set)
		return 1;
	if (set->busy) {
		f->skipped++;
		return 0;
	}
	slot_evict(&set->slot[0]);
	slot_evict(&set->slot[1]);
	__builtin_memset(&set->slot[0].key, 0, sizeof(set->slot[0].key));
	__builtin_memset(&set->slot[1].key, 0, sizeof(set->slot[1].key));
	return 0;
}

/*
 * Run by the collector for every CPU, on that CPU unless it is offline.
 * Returns how many places were in use right then; the collector comes back
 * for those.
 */
SEC("?raw_tp/sys_exit")
int core__run__flush(__u64 *args)
{
	struct flush f = { .cpu = args[0] };
	__u32 zero = 0;
	struct batch *b = bpf_map_lookup_percpu_elem(&lens_batch, &zero, f.cpu);

	if (b && !b->busy)
		batch_emit(b);
	else
		f.skipped++;
	bpf_loop(lens_cache_mask + 1, flush_set, &f, 0);
	return f.skipped;
}
