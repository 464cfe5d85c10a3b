/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which kernel object a piece of shared memory is. Everything by probing
 * reads: files are addresses here.
 */
#ifndef LENS_MEMORY_BPF_H
#define LENS_MEMORY_BPF_H

#include "ident.bpf.h"
#include "ktypes_memory.bpf.h"

#define MEMORY_NAME_LEN 16

/* name of the file; enough of it to tell the kernel's own objects apart */
static __always_inline void memory_name(struct dentry *d, char name[MEMORY_NAME_LEN])
{
	__builtin_memset(name, 0, MEMORY_NAME_LEN);
	bpf_probe_read_kernel_str(name, MEMORY_NAME_LEN, BPF_CORE_READ(d, d_name.name));
}

/* on the kernel's own mount of tmpfs or hugetlbfs, where nobody else can name files */
static __always_inline __u32 memory_kind_internal(struct file *f)
{
	char name[MEMORY_NAME_LEN] NAME_ALIGNED;

	memory_name(BPF_CORE_READ(f, f_path.dentry), name);
	if (name_begins(name, "memfd:", 6))
		return LENS_KIND_MEMFD;
	if (name_begins(name, "SYSV", 4))
		return LENS_KIND_SYSV_SHM;
	if (name_begins(name, "dev/zero", 9) || name_begins(name, "anon_hugepage", 14))
		return LENS_KIND_SHARED_ANON;
	return LENS_KIND_NONE;
}

#define MEMORY_MOUNTS 8		/* so many may lie on top of each other */

/*
 * shm_open(3) makes files on the tmpfs that is mounted at /dev/shm, or on
 * another that was mounted over it.
 */
static __always_inline bool memory_is_posix(struct file *f)
{
	struct vfsmount *mnt = BPF_CORE_READ(f, f_path.mnt);
	char name[MEMORY_NAME_LEN] NAME_ALIGNED;
	struct dentry *at;
	struct mount *m;

	if (!mnt)
		return false;
	m = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	at = BPF_CORE_READ(m, mnt_mountpoint);
	for (__u32 i = 0; i < MEMORY_MOUNTS; i++) {
		m = BPF_CORE_READ(m, mnt_parent);
		if (at != BPF_CORE_READ(m, mnt.mnt_root))
			break;
		at = BPF_CORE_READ(m, mnt_mountpoint);
	}
	memory_name(at, name);
	return name_begins(name, "shm", 4);
}

/* the kind of memory behind a file, LENS_KIND_NONE if it is no regular one */
static __always_inline __u32 memory_kind(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);
	struct super_block *sb = BPF_CORE_READ(i, i_sb);
	__u64 magic = BPF_CORE_READ(sb, s_magic);

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) != KDEF_S_IFREG)
		return LENS_KIND_NONE;
	if (magic == KDEF_ANON_INODE_FS_MAGIC || magic == KDEF_DMA_BUF_MAGIC)
		return LENS_KIND_NONE;	/* io_uring, perf, BPF maps; devices */
	if (magic != KDEF_TMPFS_MAGIC && magic != KDEF_HUGETLBFS_MAGIC)
		return LENS_KIND_MMAP_FILE;
	if (BPF_CORE_READ(sb, s_flags) & KDEF_SB_KERNMOUNT)
		return memory_kind_internal(f);
	return magic == KDEF_TMPFS_MAGIC && memory_is_posix(f) ? LENS_KIND_POSIX_SHM :
								 LENS_KIND_MMAP_FILE;
}

static __always_inline void memory_key(struct file *f, __u32 kind, struct lens_total_key *ret)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);

	ret->ino = BPF_CORE_READ(i, i_ino);
	ret->dev = BPF_CORE_READ(i, i_sb, s_dev);
	ret->gen = BPF_CORE_READ(i, i_generation);
	ret->kind = kind;
}

/* a SysV segment is known by its id in its ipc namespace, not by its inode */
static __always_inline bool memory_key_sysv(struct file *f, struct lens_total_key *ret)
{
	struct shm_file_data *data = BPF_CORE_READ(f, private_data);

	if (!data)
		return false;
	ret->ino = (__u32)BPF_CORE_READ(data, id);
	ret->dev = BPF_CORE_READ(data, ns, ns.inum);
	ret->gen = 0;
	ret->kind = LENS_KIND_SYSV_SHM;
	return true;
}

#endif
