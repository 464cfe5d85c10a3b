// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The slow half of the totals plane: the hash map behind the per-CPU cache,
 * first use of an endpoint, streamed operations, and the program that empties
 * all of it for the collector.
 */
#include "totals.bpf.h"
#include "describe.bpf.h"
#include "kinds.bpf.h"
#include "tables.bpf.h"
#include "task.bpf.h"

const volatile __u64 lens_kinds = KINDS_ALL;

__u32 totals_epoch = EPOCH_ONE;
__u32 lens_look;
__u32 lens_entries_made;
static __u32 next_id;

struct cache_map lens_cache SEC(".maps");

struct totals_map lens_totals SEC(".maps");
struct chans_map lens_chans SEC(".maps");

/* ------------------------------------------------------ streamed operations */

/* operations wait here so that the CPUs do not fight over the ring for each of them */
struct batch {
	__u32 busy;
	__u32 messages;			/* slots that only name the message of the next one */
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
	core_emit_ops(&b->rec, len, count - b->messages);
	b->rec.count = b->messages = 0;
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

/* in the slot before that of the operation, so that neither arrives without the other */
static __always_inline void stream_message(struct batch *b, __u32 number)
{
	__u32 n = b->rec.count;

	if (n >= LENS_OPS_PER_BATCH)
		return;
	b->op[n].ts_ns = 0;
	b->op[n].ret = number;
	b->op[n].aux = 0;
	b->op[n].id = LENS_OP_MESSAGE;
	b->op[n].tid = 0;
	b->rec.count = n + 1;
	b->messages++;
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
	if (!cpu_take(&b->busy, lens_preemptible)) {
		loss_add(LENS_KIND_NONE, LENS_LOSS_RECURSION, 1, 0);
		return 0;
	}
	aux = call->aux;
	ts_ns = bpf_ktime_get_boot_ns();
	if (is_pipe && file && call->ret > 0)
		aux = stream_place(key, file, &b->walk);
	if (!is_pipe && call->message)
		stream_message(b, call->message);
	n = b->rec.count;
	if (n < LENS_OPS_PER_BATCH) {
		b->op[n].ts_ns = ts_ns;
		b->op[n].ret = call->ret;
		b->op[n].aux = aux;
		b->op[n].id = id;
		b->op[n].tid = bpf_get_current_pid_tgid();
		b->rec.count = n + 1;
	}
	/* the next one may take two */
	if (n + 2 >= LENS_OPS_PER_BATCH)
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

/*
 * Counts this endpoint in; true if the channel's flows need its operations one by one. Global:
 * the verifier would walk it for every set of flags else.
 */
__noinline int totals_enter(const struct lens_chan *wanted, __u32 dir)
{
	/* on the stack, as in totals_evict() */
	struct lens_chan chan;
	struct users *u;
	__u32 before;

	if (!wanted)
		return true;
	chan = *wanted;
	u = bpf_map_lookup_elem(&lens_chans, &chan);
	if (!u) {
		bpf_map_update_elem(&lens_chans, &chan, (void *)&no_users, BPF_NOEXIST);
		u = bpf_map_lookup_elem(&lens_chans, &chan);
		if (!u)
			return true;	/* map full: streaming is the safe side */
		u->shown.look = lens_look;
	}
	before = __sync_fetch_and_add(&u->shown.count[dir == LENS_WRITE], 1);
	/* the second of a kind: what is cached about this channel is now wrong */
	if (before == 1)
		__sync_fetch_and_add(&totals_epoch, EPOCH_ONE);
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
	/* on the stack, as in totals_evict() */
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

static __always_inline __u32 endpoint_id(void)
{
	return __sync_fetch_and_add(&next_id, 1) + 1;
}

/* of an endpoint that was there before; its flags, which may have changed meanwhile */
static __always_inline void endpoint_renew(struct lens_total *t, const struct lens_chan *chan)
{
	__u32 epoch = totals_epoch;
	__u32 flags = t->flags & (LENS_END_SELF | LENS_END_TREE | LENS_END_LATE);

	if ((t->flags ^ epoch) <= SLOT_FLAGS)
		return;
	if (!(flags & LENS_END_SELF) && (lens_stream_all || channel_is_shared(chan)))
		flags |= LENS_END_OPS;
	t->flags = flags | epoch;
}

#define ENDPOINT_ID_SHIFT 32
/* in place of SLOT_BUSY, which no flags have */
#define ENDPOINT_NEW SLOT_BUSY

/*
 * Finds the map's entry for key, or makes one. Its id and its flags, which are also the
 * state of a slot for it, and ENDPOINT_NEW; 0: the map is full. Global, and so is what else
 * totals_missed() calls: the verifier would walk them once for each slot.
 */
__u64 totals_endpoint(const struct lens_total_key *wanted)
{
	struct lens_total *t, *fresh;
	__u32 epoch, flags, which, is_new = 0;
	struct lens_total_key key;
	struct lens_chan chan;
	struct lens_proc proc;
	struct scratch *s;

	if (!wanted)
		return 0;
	/* on the stack, as in totals_evict() */
	key = *wanted;
	ident_split(&key, &chan, &proc);
	t = bpf_map_lookup_elem(&lens_totals, &key);
	if (t) {
		endpoint_renew(t, &chan);
		return (__u64)t->id << ENDPOINT_ID_SHIFT | t->flags;
	}
	flags = task_end_flags(&proc, &chan, key.dir);
	/* before: who comes next and raises it may be the one that has this one streamed */
	epoch = totals_epoch;
	if (totals_enter(&chan, key.dir) || lens_stream_all)
		if (!(flags & LENS_END_SELF))
			flags |= LENS_END_OPS;
	/* not on the stack, of which there is little left when this is called */
	which = scratch_take();
	s = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s)
		return 0;
	fresh = (void *)s->data;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->id = endpoint_id();
	fresh->flags = flags | epoch;
	/* lost to another CPU or to a full map: the lookup tells which */
	if (!bpf_map_update_elem(&lens_totals, &key, fresh, BPF_NOEXIST)) {
		__sync_fetch_and_add(&lens_entries_made, 1);
		is_new = ENDPOINT_NEW;
	} else {
		channel_leave(&chan, key.dir);
	}
	scratch_give(which);
	t = bpf_map_lookup_elem(&lens_totals, &key);
	return t ? (__u64)t->id << ENDPOINT_ID_SHIFT | t->flags | is_new : 0;
}

/* state: the slot's own, which says SLOT_BUSY now */
int totals_evict(struct cache_slot *slot, __u32 state)
{
	struct lens_total none = {}, *t;
	struct lens_total_key key;

	if (!slot || !slot->ops)
		return 0;
	/* on the stack: before v6.2 a map takes a key from nowhere else in a global function */
	key = slot->key;
	t = bpf_map_lookup_elem(&lens_totals, &key);
	/* without an id it was refused before and never announced; it stays a refusal */
	if (!t && slot->id) {
		none.id = endpoint_id();
		/* it was retired while this was here */
		none.flags = state | LENS_END_LATE;
		if (!bpf_map_update_elem(&lens_totals, &key, &none, BPF_NOEXIST))
			__sync_fetch_and_add(&lens_entries_made, 1);
		t = bpf_map_lookup_elem(&lens_totals, &key);
	}
	if (t)
		total_merge(t, slot);
	else
		unplaced_merge(slot);
	slot->bytes = 0;
	slot->ops = slot->msgs = slot->errors = slot->shorts = 0;
	return 0;
}

/* what is left to be done of a call, by what totals_endpoint() said */
static __always_inline __u64 endpoint_left(__u64 endpoint, const struct call *call)
{
	__u64 left = TOTALS_DONE;

	if (endpoint & ENDPOINT_NEW)
		left |= TOTALS_NEW;
	if (endpoint & LENS_END_OPS && !call->is_copy)
		left |= TOTALS_STREAM | endpoint >> ENDPOINT_ID_SHIFT << TOTALS_ID_SHIFT;
	return left;
}

/* the way around a cache that is busy */
static __noinline int count_around(const struct lens_total_key *key, const struct call *call)
{
	struct lens_total_key copy = *key;
	struct lens_total *t = bpf_map_lookup_elem(&lens_totals, &copy);

	if (t)
		total_add(t, call);
	else
		unplaced_add(&copy, call);
	return 0;
}

/*
 * Where key is or is to go: where it is looked for first, unless that was used more since
 * the last flush than the other one.
 */
static __always_inline struct cache_slot *slot_for(struct cache_set *set,
						   const struct lens_total_key *key)
{
	struct cache_slot *own = &set->slot[key->dir & 1], *other = &set->slot[~key->dir & 1];

	if (key_equal(&own->key, key))
		return own;
	return key_equal(&other->key, key) || other->ops < own->ops ? other : own;
}

__u64 totals_missed(struct cache_set *set, const struct lens_total_key *key,
		    const struct call *call)
{
	struct cache_slot *slot;
	__u64 endpoint, left;
	__u32 state;

	if (!key || !call)
		return TOTALS_DONE;
	left = set ? slot_count(&set->slot[~key->dir & 1], key, call) : 0;
	if (left)
		return left;
	endpoint = totals_endpoint(key);
	if (!set) {
		count_around(key, call);
		return endpoint_left(endpoint, call);
	}
	slot = slot_for(set, key);
	state = slot_take(slot, lens_preemptible);
	if (state & SLOT_BUSY) {
		count_around(key, call);
		return endpoint_left(endpoint, call);
	}
	totals_evict(slot, state);
	slot->key = *key;
	slot->id = endpoint >> ENDPOINT_ID_SHIFT;
	slot_add(slot, call);
	slot_give(slot, endpoint ? endpoint & ~ENDPOINT_NEW : totals_epoch);
	return endpoint_left(endpoint, call);
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
	task_announce(t->flags & LENS_END_TREE);
	which = scratch_take();
	e = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!e)
		return SCRATCH_NONE;
	__builtin_memset(e, 0, sizeof(*e));
	ident_split(&key, &e->chan, &e->proc);
	e->dir = key.dir;
	e->id = t->id;
	e->flags = t->flags & SLOT_FLAGS;
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
	if (address)
		chan_keep_inode(key, address);
	/* what datagrams are sent to is another's file */
	if (address && !(key->kind == LENS_KIND_UNIX_DGRAM && key->dir == LENS_WRITE))
		e->flags |= ident_made((void *)bpf_get_current_task_btf(), file);
	if (what & FILE_PIPE) {
		if (key->kind == LENS_KIND_FIFO)
			name_len = describe_name(LENS_KIND_FIFO, KINDS_ALL, which, sizeof(*e),
						 file);
		describe_depth(LENS_KIND_PIPE, KINDS_ALL, file, &e->depth);
	} else if (what & FILE_SOCKET) {
		name_len = describe_sock_name(which, sizeof(*e), file);
		describe_sock(key->kind, address, &e->depth);
	} else if (what & FILE_MQUEUE) {
		name_len = describe_name(LENS_KIND_POSIX_MQ, KINDS_ALL, which, sizeof(*e),
					 file);
		describe_depth(LENS_KIND_POSIX_MQ, KINDS_ALL, file, &e->depth);
	} else if (what & FILE_INET) {
		describe_inet(address, &e->depth);
	} else if (what & FILE_NONE) {
		if (key->kind == LENS_KIND_SYSV_MSG)
			describe_queue_of(key->ino, &e->depth);
	} else {
		name_len = describe_name(key->kind, lens_kinds, which, sizeof(*e), file);
		describe_depth(key->kind, lens_kinds, file, &e->depth);
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

/* -------------------------------------------------------------------- flush */

struct flush {
	__u32 cpu;
	__u32 skipped;
};

static __always_inline void slot_flush(struct cache_slot *slot, struct flush *f)
{
	__u32 state = slot->state;

	if (state & SLOT_BUSY) {
		f->skipped++;
		return;
	}
	totals_evict(slot, state);
	__builtin_memset(&slot->key, 0, sizeof(slot->key));
}

static long flush_set(__u32 index, struct flush *f)
{
	struct cache_set *set = cache_set(cache_part(f->cpu), index);

	slot_flush(&set->slot[0], f);
	slot_flush(&set->slot[1], f);
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
