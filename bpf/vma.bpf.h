/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The mapping at an address of the current process, found as the kernel does
 * it: by a walk down the maple tree of its address space, without any lock.
 * bpf_find_vma() would give up whenever another thread maps or unmaps.
 */
#ifndef LENS_VMA_BPF_H
#define LENS_VMA_BPF_H

#include "core.bpf.h"
#include "ktypes_memory.bpf.h"

struct vma_view {
	__u64 start, end;
	__u64 offset;		/* of start in the file, bytes */
	__u64 file;		/* address of the struct file, 0: none */
	__u64 flags;		/* VM_* */
};

/* 1 and *ret filled in, or 0: nothing is mapped there; global, walked once by the verifier */
int vma_at(__u64 address, struct vma_view *ret);
/* ... in another address space, struct mm_struct */
int vma_in(__u64 mm, __u64 address, struct vma_view *ret);

static __always_inline void vma_read(struct vm_area_struct *vma, struct vma_view *ret)
{
	ret->start = core_load(vma, vm_start);
	ret->end = core_load(vma, vm_end);
	ret->offset = core_load(vma, vm_pgoff) * KDEF_PAGE_SIZE;
	ret->file = (__u64)core_load(vma, vm_file);
	ret->flags = core_load(vma, vm_flags);
}

static __always_inline bool vma_is_shared(const struct vma_view *v)
{
	/*
	 * VM_MAYSHARE and not VM_SHARED, which the kernel takes away from
	 * whoever opened the file for reading only.
	 */
	return v->file && v->flags & KDEF_VM_MAYSHARE;
}

#endif
