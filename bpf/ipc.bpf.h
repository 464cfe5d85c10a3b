/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Finding a SysV message queue or segment the way the kernel does: by index
 * in the xarray of its ipc namespace. Lockless; every step is bounded.
 */
#ifndef LENS_IPC_BPF_H
#define LENS_IPC_BPF_H

#include "core.bpf.h"

#define XA_SLOTS 64
#define XA_LEVELS 5

/* the entry of an xarray: internal nodes are marked by 2 in the low bits */
static __always_inline void *xarray_get(struct xarray *xa, __u64 index)
{
	void *entry = BPF_CORE_READ(xa, xa_head);
	struct xa_node *node;
	__u32 level;
	__u8 shift;

	for (level = 0; level < XA_LEVELS; level++) {
		if (((__u64)entry & 3) != 2 || (__u64)entry <= 4096)
			return level == 0 && index ? NULL : entry;
		node = (void *)((__u64)entry - 2);
		shift = BPF_CORE_READ(node, shift);
		if (shift > 30 || (level == 0 && index >> shift >= XA_SLOTS))
			return NULL;
		if (bpf_probe_read_kernel(&entry, sizeof(entry), (void *)node +
					  bpf_core_field_offset(struct xa_node, slots) +
					  (index >> shift & (XA_SLOTS - 1)) * sizeof(void *)))
			return NULL;
		if (!shift)
			return entry;
	}
	return NULL;
}

/* index in ipc_namespace.ids */
enum ipc_class { IPC_SEMAPHORES, IPC_MESSAGES, IPC_SEGMENTS };

/* IPCMNI: the low bits of an id are its index, unless booted with ipcmni_extend */
#define IPC_INDEX_MASK 0x7fff

static __always_inline void *ipc_ids(struct ipc_namespace *ns, enum ipc_class class)
{
	return (void *)ns + bpf_core_field_offset(struct ipc_namespace, ids) +
	       class * bpf_core_type_size(struct ipc_ids);
}

/* the object at an index, or NULL */
static __always_inline void *ipc_at(struct ipc_namespace *ns, enum ipc_class class, __u64 index)
{
	return xarray_get(ipc_ids(ns, class) + bpf_core_field_offset(struct ipc_ids, ipcs_idr) +
			  bpf_core_field_offset(struct idr, idr_rt), index);
}

/* highest index in use, negative: none */
static __always_inline int ipc_max(struct ipc_namespace *ns, enum ipc_class class)
{
	int max = -1;

	bpf_probe_read_kernel(&max, sizeof(max), ipc_ids(ns, class) +
			      bpf_core_field_offset(struct ipc_ids, max_idx));
	return max;
}

#endif
