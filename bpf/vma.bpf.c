// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind vma.bpf.h. Nodes may be freed and used again under our
 * eyes: no read can fault, and what is found counts only if it covers the
 * address.
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

/* loads with less room on the stack than core_load_at(): calls that come here have none to spare
 * on 6.1. The verifier chooses one of two ways. */
#define node_load_at(to, address)						\
	(lens_has_cast								\
		 ? (void)(*(to) = *(__typeof__(to))core_cast(address, LENS_FILL_TYPE_WORD))	\
		 : (void)bpf_probe_read_kernel(to, sizeof(*(to)), (void *)(address)))
#define node_load(pointer, field) ({						\
	__typeof__((pointer)->field) loaded_ = 0;				\
	node_load_at(&loaded_, __builtin_preserve_access_index(&(pointer)->field));	\
	loaded_;								\
})

static __always_inline void maple_shape(__u64 node, __u32 type, struct maple_shape *ret)
{
	struct maple_arange_64 *a = (void *)node;
	struct maple_range_64 *r = (void *)node;

	if (type == MAPLE_ARANGE_64) {
		ret->pivots = node + bpf_core_field_offset(struct maple_arange_64, pivot);
		ret->slots = node + bpf_core_field_offset(struct maple_arange_64, slot);
		ret->last = node_load(a, meta.end);
		return;
	}
	ret->pivots = node + bpf_core_field_offset(struct maple_range_64, pivot);
	ret->slots = node + bpf_core_field_offset(struct maple_range_64, slot);
	/* a full node has no room for the count of its slots */
	ret->last = node_load(r, pivot[14]) ? 15 : node_load(r, meta.end);
}

/*
 * What the node of an entry has at an address, 0: nothing. Global: the verifier would walk
 * the pivots anew for every level else.
 */
__noinline __u64 maple_slot(__u64 entry, __u64 address)
{
	__u64 node = entry & ~MAPLE_NODE_MASK, pivot = 0;
	struct maple_shape shape;
	__u32 slot;

	maple_shape(node, entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK, &shape);
	for (slot = 0; slot < 15 && slot < shape.last; slot++) {
		node_load_at(&pivot, shape.pivots + slot * 8);
		if (pivot >= address)
			break;
	}
	/* no longer of use: what was read last */
	node_load_at(&pivot, shape.slots + slot * 8);
	return pivot;
}

/* the entry at an address, 0: none. No bpf_loop(): what it calls would need room on the stack */
static __always_inline __u64 maple_find(__u64 entry, __u64 address)
{
	__u32 level, type;

#pragma clang loop unroll(disable)
	for (level = 0; level < MAPLE_LEVELS; level++) {
		type = entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK;
		if (entry <= MAPLE_NODE_MASK || type < MAPLE_LEAF_64 || type > MAPLE_ARANGE_64)
			return 0;
		entry = maple_slot(entry, address);
		if (type == MAPLE_LEAF_64)
			return entry;
	}
	return 0;
}

static __always_inline bool vma_find(struct mm_struct *mm, __u64 address, struct vma_view *ret)
{
	__u64 vma = maple_find((__u64)core_load(mm, mm_mt.ma_root), address);

	if (!vma)
		return false;
	vma_read((void *)vma, ret);
	return ret->start <= address && address < ret->end;
}

int vma_in(__u64 mm, __u64 address, struct vma_view *ret)
{
	if (!mm || !ret)
		return 0;
	/* a walk through a node that is being replaced ends nowhere: once more */
	for (__u32 i = 0; i < MAPLE_TRIES; i++)
		if (vma_find((void *)mm, address, ret))
			return 1;
	return 0;
}

int vma_at(__u64 address, struct vma_view *ret)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();

	return ret ? vma_in((__u64)BPF_CORE_READ(t, mm), address, ret) : 0;
}
