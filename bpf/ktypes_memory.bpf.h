/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Kernel types of shared memory and of the tree that an address space keeps
 * its mappings in; as ktypes.h, for the programs that need them.
 */
#ifndef LENS_KTYPES_MEMORY_BPF_H
#define LENS_KTYPES_MEMORY_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct shmid_kernel {
	struct kern_ipc_perm shm_perm;
	struct file *shm_file;
	unsigned long shm_nattch;
	unsigned long shm_segsz;
	struct pid *shm_cprid;
	struct pid *shm_lprid;
};

/* what private_data of a file behind an attached segment points to */
struct shm_file_data {
	int id;
	struct ipc_namespace *ns;
};

struct shmem_inode_info {
	unsigned int seals;
	struct inode vfs_inode;
};

struct hugetlbfs_inode_info {
	struct inode vfs_inode;
	unsigned int seals;
};

struct maple_metadata {
	unsigned char end;
};

struct maple_range_64 {
	unsigned long pivot[15];
	union {
		void *slot[16];
		struct {
			void *pad[15];
			struct maple_metadata meta;
		};
	};
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
	struct maple_metadata meta;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

/* that of an address space, without PREEMPT_RT */
struct mm_struct___lock {
	struct {
		struct {
			long counter;
		} count;
	} mmap_lock;
};

struct inode___sequence {
	struct {
		__s64 counter;
	} i_sequence;
};

struct file_system_type {
	int fs_flags;
};

struct super_block___type {
	struct file_system_type *s_type;
};

struct userfaultfd_ctx {
	struct mm_struct *mm;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

#endif
