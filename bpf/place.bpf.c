// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind place.bpf.h. A slot's offset + len is what was ever put
 * into it, read or not, also when the slot is free again; so the bytes before
 * a slot never change, and the sum over the slots since the last known one
 * gives both ends of the stream. That holds while nobody is inside the pipe's
 * mutex: the owner is looked at before and after, and what could have moved
 * in between is read twice.
 */
#include "place.bpf.h"

#define AT_SLOT_BITS 16
#define AT_SLOT_MASK ((1u << AT_SLOT_BITS) - 1)
#define BYTES_MASK ((1ull << LENS_PLACE_BITS) - 1)

/* slots of the largest pipe that is looked through, 4 MiB */
#define SLOTS_MAX 1024

static __always_inline struct pipe_buffer *slot_at(const struct place_ends *e, __u32 slot)
{
	return (void *)(e->bufs + (__u64)(slot & (e->ring_size - 1)) *
			bpf_core_type_size(struct pipe_buffer));
}

static __always_inline bool is_held(struct pipe_inode_info *pipe)
{
	return core_load(pipe, mutex.owner.counter) & ~(long)KDEF_MUTEX_FLAGS;
}

static __always_inline __u32 last_fill(const struct place_ends *e)
{
	struct pipe_buffer *b = slot_at(e, e->head - 1);

	return core_load(b, offset) + core_load(b, len);
}

static __always_inline __u32 tail_offset(const struct place_ends *e)
{
	struct pipe_buffer *b = slot_at(e, e->tail);

	return core_load(b, offset);
}

static __always_inline void read_ends(struct pipe_inode_info *pipe, struct place_ends *e)
{
	e->bufs = (__u64)core_load(pipe, bufs);
	e->ring_size = core_load(pipe, ring_size);
	e->head = core_load(pipe, head);
	e->tail = core_load(pipe, tail);
	e->last_fill = last_fill(e);
	e->tail_offset = tail_offset(e);
}

/* the same again */
static __always_inline bool is_unmoved(struct pipe_inode_info *pipe, const struct place_ends *e)
{
	return core_load(pipe, head) == e->head && core_load(pipe, tail) == e->tail &&
	       (__u64)core_load(pipe, bufs) == e->bufs && last_fill(e) == e->last_fill &&
	       tail_offset(e) == e->tail_offset;
}

static long walk_slot(__u32 i, struct place_walk **walk)
{
	struct place_walk *w = *walk;
	__u32 slot = w->first + i, offset, flags;
	struct pipe_buffer *b = slot_at(&w->e, slot);

	offset = core_load(b, offset);
	flags = core_load(b, flags);
	if (slot == w->known)
		w->sum_known = w->sum;
	if (slot == w->e.tail)
		w->sum_tail = w->sum + offset;
	w->sum += offset + core_load(b, len);
	/* spliced pages may begin anywhere */
	if (flags & (KDEF_PIPE_BUF_FLAG_CAN_MERGE | KDEF_PIPE_BUF_FLAG_PACKET))
		return 0;
	w->is_foreign = true;
	return 1;
}

/* from the older of known and tail to head; false: a slot in between is foreign or gone */
static __always_inline bool walk(struct place_walk *w)
{
	__u32 count;

	w->first = w->e.head - w->e.tail > w->e.head - w->known ? w->e.tail : w->known;
	count = w->e.head - w->first;
	if (count > SLOTS_MAX || count > w->e.ring_size)
		return false;
	bpf_loop(count, walk_slot, &w, 0);
	if (w->e.tail == w->e.head)
		w->sum_tail = w->sum;
	if (w->known == w->e.head)
		w->sum_known = w->sum;
	return !w->is_foreign;
}

/* the slot that at speaks of, as the kernel numbers it now; false: it is gone */
static __always_inline bool find_known(const struct place_ends *e, __u64 at, __u32 *ret_slot)
{
	__u32 behind = (e->head - (__u32)(at & AT_SLOT_MASK)) & AT_SLOT_MASK;

	if (behind > e->ring_size || behind > e->head)
		return false;
	*ret_slot = e->head - behind;
	return true;
}

static __always_inline __u64 at_make(__u32 slot, __u64 bytes, __u32 epoch)
{
	return (slot & AT_SLOT_MASK) | (bytes & BYTES_MASK) << AT_SLOT_BITS |
	       (__u64)epoch << (AT_SLOT_BITS + LENS_PLACE_BITS);
}

/* a new origin: the birth of the pipe if its first slot is still there, else the last slot */
static __always_inline __u64 at_new(const struct place_ends *e, __u64 old)
{
	__u32 epoch = old >> (AT_SLOT_BITS + LENS_PLACE_BITS);

	if (!old && e->head <= e->ring_size)
		return at_make(0, 0, LENS_PLACE_BIRTH);
	epoch = epoch + 1 < LENS_PLACE_EPOCHS && epoch >= LENS_PLACE_BIRTH ? epoch + 1 : 2;
	return at_make(e->head ? e->head - 1 : 0, 0, epoch);
}

__u64 place_look(__u64 address, __u32 dir, struct place_track *track, struct place_walk *w)
{
	struct pipe_inode_info *pipe = (void *)address;
	__u64 old, at, base, put, taken;

	/* a mutex of another make, on real-time kernels */
	if (!track || !w || !bpf_core_field_exists(pipe->mutex.owner.counter) || is_held(pipe))
		return 0;
	at = old = *(volatile __u64 *)&track->at;
	w->sum = w->sum_known = w->sum_tail = 0;
	w->is_foreign = false;
	read_ends(pipe, &w->e);
	if (!w->e.ring_size || w->e.ring_size > AT_SLOT_MASK / 2)
		return 0;
	if (!at || track->ring != w->e.bufs || !find_known(&w->e, at, &w->known)) {
		at = at_new(&w->e, old);
		if (!find_known(&w->e, at, &w->known))
			return 0;
	}
	if (!walk(w))
		return 0;
	if (!is_unmoved(pipe, &w->e) || is_held(pipe))
		return 0;
	base = (at >> AT_SLOT_BITS & BYTES_MASK) - w->sum_known;
	put = base + w->sum;
	taken = base + w->sum_tail;
	at >>= AT_SLOT_BITS + LENS_PLACE_BITS;
	if (w->e.head) {
		__u64 new = at_make(w->e.head - 1, put - w->e.last_fill, at);

		/* an origin counts only when it is everybody's */
		if (__sync_val_compare_and_swap(&track->at, old, new) == old)
			track->ring = w->e.bufs;
		else if (at != old >> (AT_SLOT_BITS + LENS_PLACE_BITS))
			return 0;
	}
	return LENS_PLACE_VALID | at << LENS_PLACE_BITS |
	       ((dir == LENS_WRITE ? put : taken) & BYTES_MASK);
}
