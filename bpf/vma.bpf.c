// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind vma.bpf.h. Nodes may be freed and used again under our
 * eyes: every read is a probing one, and what is found counts only if it
 * covers the address.
 */
#include "vma.bpf.h"

/* lib/maple_tree.c: a pointer to a node has the type of the node in its low bits */
#define MAPLE_NODE_MASK 0xffull
#define MAPLE_TYPE_SHIFT 3
#define MAPLE_TYPE_MASK 0xf
enum { MAPLE_LEAF_64 = 1, MAPLE_RANGE_64 = 2, MAPLE_ARANGE_64 = 3 };
#define MAPLE_LEVELS 8
#define MAPLE_TRIES 2

/* where pivots and slots of a node are, and how many pivots are in use */
struct maple_shape {
	__u64 pivots, slots;
	__u32 last;		/* slot that takes what no pivot takes */
};

static __always_inline void maple_shape(__u64 node, __u32 type, struct maple_shape *ret)
{
	struct maple_arange_64 *a = (void *)node;
	struct maple_range_64 *r = (void *)node;

	if (type == MAPLE_ARANGE_64) {
		ret->pivots = node + bpf_core_field_offset(struct maple_arange_64, pivot);
		ret->slots = node + bpf_core_field_offset(struct maple_arange_64, slot);
		ret->last = BPF_CORE_READ(a, meta.end);
		return;
	}
	ret->pivots = node + bpf_core_field_offset(struct maple_range_64, pivot);
	ret->slots = node + bpf_core_field_offset(struct maple_range_64, slot);
	/* a full node has no room for the count of its slots */
	ret->last = BPF_CORE_READ(r, pivot[14]) ? 15 : BPF_CORE_READ(r, meta.end);
}

/* small: from the end of a system call to here little is left of the stack */
struct maple_walk {
	__u64 address;		/* looked for; 0: entry is what was found there */
	__u64 entry;
};

static long maple_descend(__u32 level, struct maple_walk *w)
{
	__u64 node = w->entry & ~MAPLE_NODE_MASK, pivot = 0;
	__u32 type = w->entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK, slot;
	struct maple_shape shape;

	if (!node || type < MAPLE_LEAF_64 || type > MAPLE_ARANGE_64)
		return 1;
	maple_shape(node, type, &shape);
	for (slot = 0; slot < 15 && slot < shape.last; slot++) {
		if (bpf_probe_read_kernel(&pivot, sizeof(pivot), (void *)shape.pivots + slot * 8))
			return 1;
		if (pivot >= w->address)
			break;
	}
	if (bpf_probe_read_kernel(&w->entry, sizeof(w->entry), (void *)shape.slots + slot * 8))
		return 1;
	if (type != MAPLE_LEAF_64)
		return 0;
	w->address = 0;
	return 1;
}

static __always_inline bool vma_find(struct mm_struct *mm, __u64 address, struct vma_view *ret)
{
	struct maple_walk w = { .address = address };

	w.entry = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);
	bpf_loop(MAPLE_LEVELS, maple_descend, &w, 0);
	if (w.address || !w.entry)
		return false;
	vma_read((void *)w.entry, ret);
	return ret->start <= address && address < ret->end;
}

int vma_at(__u64 address, struct vma_view *ret)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct mm_struct *mm = BPF_CORE_READ(t, mm);

	if (!mm || !ret)
		return 0;
	/* a walk through a node that is being replaced ends nowhere: once more */
	for (__u32 i = 0; i < MAPLE_TRIES; i++)
		if (vma_find(mm, address, ret))
			return 1;
	return 0;
}
