/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which processes share memory, and where: so that the calls of all others,
 * who map and unmap for themselves, are told nothing of.
 */
#ifndef LENS_SPACE_BPF_H
#define LENS_SPACE_BPF_H

#include "core.bpf.h"

/* all that a process shares lies in [low, high); grows only */
struct space_bounds {
	__u64 low, high;
};

/*
 * By thread group. A stale entry costs records that change nothing; it is
 * removed before the number can be used again.
 */
struct space_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct space_bounds);
};
extern struct space_map lens_spaces SEC(".maps");

/* may [start, len) of the current process hold something shared? */
static __always_inline bool space_concerns(__u64 start, __u64 len)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct space_bounds *b;

	if (!len)
		return false;
	b = bpf_map_lookup_elem(&lens_spaces, &tgid);
	return b && start < b->high && start + len > b->low;
}

static __always_inline __u32 space_prot(__u64 vm_flags)
{
	return (vm_flags & (LENS_PROT_READ | LENS_PROT_WRITE | LENS_PROT_EXEC)) |
	       (vm_flags & KDEF_VM_MAYWRITE ? LENS_PROT_MAY_WRITE : 0);
}

/* process tgid shares [start, len) from now on */
__hidden int space_grow(__u32 tgid, __u64 start, __u64 len);

#endif
