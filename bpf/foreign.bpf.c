// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Whose memory may be read. A page of a file in a file system of user space (FUSE), or of
 * another host, comes when a process or that host sends it: a copy of it by
 * bpf_copy_from_user_task() would not end before, by no signal, and with it no program of ours.
 * So would a wait for the lock of an address space that somebody holds while he waits like that.
 */
#include "foreign.bpf.h"
#include "vma.bpf.h"

#define MAPPINGS_MAX 8 /* one behind the other, of one piece of memory */
#define TRIES 32       /* the lock is mostly held for microseconds */

/* of those that the kernel keeps in memory, or on a device of its own */
static __always_inline bool is_here(__u64 file)
{
	struct super_block *super = BPF_CORE_READ((struct file *)file, f_inode, i_sb);

	switch (core_load(super, s_magic)) {
	case KDEF_TMPFS_MAGIC:
	case KDEF_RAMFS_MAGIC:
	case KDEF_HUGETLBFS_MAGIC:
		return true;
	case KDEF_FUSE_SUPER_MAGIC:
		return false;
	}
	return BPF_CORE_READ((struct super_block___type *)super, s_type, fs_flags) &
	       KDEF_FS_REQUIRES_DEV;
}

/* somebody changes what is mapped, or waits to */
static __always_inline bool is_locked(struct mm_struct___lock *mm)
{
	__s64 count = KDEF_RWSEM_WRITERS;

	if (!bpf_core_field_exists(mm->mmap_lock.count))
		return false;
	for (int i = 0; i < TRIES && count & KDEF_RWSEM_WRITERS; i++)
		count = BPF_CORE_READ(mm, mmap_lock.count.counter);
	return count & KDEF_RWSEM_WRITERS;
}

int foreign_probe(__u64 mm, __u64 from, __u64 size)
{
	struct vma_view v = {};
	__u64 at = from;

	if (!mm)
		return FOREIGN_NONE;
	if (is_locked((struct mm_struct___lock *)mm))
		return FOREIGN_SERVED;
	for (int i = 0; i < MAPPINGS_MAX && (!i || at - from < size); i++) {
		if (!vma_in(mm, at, &v))
			return i ? FOREIGN_HERE : FOREIGN_NONE;
		if (v.file && !is_here(v.file))
			return FOREIGN_SERVED;
		at = v.end;
	}
	return FOREIGN_HERE;
}
