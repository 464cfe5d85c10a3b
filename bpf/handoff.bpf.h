/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hand-offs by futex(2) between the users of a word of shared memory, counted
 * per word and process: whom a wake-up reached follows from both sides.
 */
#ifndef LENS_HANDOFF_BPF_H
#define LENS_HANDOFF_BPF_H

#include "arch.bpf.h"
#include "ident.bpf.h"

struct handoff_key {
	struct lens_chan chan;
	struct lens_proc proc;
	__u64 offset;		/* of the word in the object */
	__u32 dir;		/* LENS_WRITE: woke others; LENS_READ: was woken */
	__u32 pad;
};

struct handoff_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, struct handoff_key);
	__type(value, __u64);
};
extern struct handoff_map lens_handoffs SEC(".maps");

/* count hand-offs at a word of the current process's memory; global, walked once */
int handoff_add(__u64 word, __u32 dir, __u64 count);

/* futex_waitv(2) returns the index of the word that woke it */
static __always_inline int handoff_waitv(__u64 waiters, __s64 index)
{
	struct { __u64 value, word; __u32 flags, reserved; } waiter = {};

	if (index < 0 || bpf_probe_read_user(&waiter, sizeof(waiter),
					     (void *)waiters + index * sizeof(waiter)))
		return 0;
	return waiter.flags & KDEF_FUTEX_PRIVATE_FLAG ? 0 :
	       handoff_add(waiter.word, LENS_READ, 1);
}

static __always_inline int handoff_called(__u32 class, struct call_args *a, __s64 ret)
{
	__u32 command = a->arg[1] & KDEF_FUTEX_CMD_MASK;
	bool wakes = command == KDEF_FUTEX_WAKE || command == KDEF_FUTEX_WAKE_BITSET;
	bool waits = command == KDEF_FUTEX_WAIT || command == KDEF_FUTEX_WAIT_BITSET;

	if (class == CALL_FUTEX_WAITV)
		return handoff_waitv(a->arg[0], ret);
	if (class != CALL_FUTEX) {
		if (a->arg[3] & KDEF_FUTEX_PRIVATE_FLAG)
			return 0;
		wakes = class == CALL_FUTEX_WAKE;
		waits = !wakes;
	}
	if (wakes && ret > 0)
		return handoff_add(a->arg[0], LENS_WRITE, ret);
	if (waits && !ret)
		return handoff_add(a->arg[0], LENS_READ, 1);
	return 0;
}

#endif
