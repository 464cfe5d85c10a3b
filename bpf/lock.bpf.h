/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Locks on files and leases, held or waited for, as every kernel has them.
 */
#ifndef LENS_LOCK_BPF_H
#define LENS_LOCK_BPF_H

#include "core.bpf.h"

/* at: itself, not what lists it */
static __always_inline __u32 lock_flags(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? BPF_CORE_READ((struct file_lock_core *)at, flc_flags)
		       : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_flags);
}

static __always_inline bool lock_is_exclusive(void *at)
{
	__u8 type = bpf_core_type_exists(struct file_lock_core)
			    ? BPF_CORE_READ((struct file_lock_core *)at, flc_type)
			    : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_type);

	return type == KDEF_F_WRLCK;
}

static __always_inline struct file *lock_file(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? BPF_CORE_READ((struct file_lock_core *)at, flc_file)
		       : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_file);
}

static __always_inline __u64 lock_owner(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? (__u64)BPF_CORE_READ((struct file_lock_core *)at, flc_owner)
		       : (__u64)BPF_CORE_READ((struct file_lock___pre69 *)at, fl_owner);
}

static __always_inline void *lock_blocker(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? (void *)BPF_CORE_READ((struct file_lock_core *)at, flc_blocker)
		       : (void *)BPF_CORE_READ((struct file_lock___pre69 *)at, fl_blocker);
}

/* from the beginning of one to the list of who waits until it is gone; to its place in a list */
static __always_inline __u64 lock_waiters_offset(void)
{
	return bpf_core_field_offset(struct wait_queue_head, head) +
	       (bpf_core_type_exists(struct file_lock_core)
			? bpf_core_field_offset(struct file_lock_core, flc_wait)
			: bpf_core_field_offset(struct file_lock___pre69, fl_wait));
}

static __always_inline __u64 lock_list_offset(void)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? bpf_core_field_offset(struct file_lock_core, flc_list)
		       : bpf_core_field_offset(struct file_lock___pre69, fl_list);
}

#endif
