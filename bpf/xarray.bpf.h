/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Looking up an index in a kernel xarray or IDR. Lockless; every step is
 * bounded, and every read a probing one.
 */
#ifndef LENS_XARRAY_BPF_H
#define LENS_XARRAY_BPF_H

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

#endif
