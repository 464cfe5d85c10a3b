// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind object.bpf.h.
 */
#include "object.bpf.h"
#include "describe.bpf.h"
#include "ipc.bpf.h"

#define MEMFD_NAME_MAX 256	/* NAME_MAX + 1 */

/* memfds are sealed through their inodes, which two file systems embed differently */
static __always_inline __u32 memory_seals(struct inode *i, __u64 magic)
{
	struct hugetlbfs_inode_info *h;
	struct shmem_inode_info *s;

	if (magic == KDEF_HUGETLBFS_MAGIC) {
		h = (void *)i - bpf_core_field_offset(struct hugetlbfs_inode_info, vfs_inode);
		return BPF_CORE_READ(h, seals);
	}
	s = (void *)i - bpf_core_field_offset(struct shmem_inode_info, vfs_inode);
	return BPF_CORE_READ(s, seals);
}

static __always_inline int object_file(__u32 kind, struct file *file, struct lens_depth *ret)
{
	struct inode *i = BPF_CORE_READ(file, f_inode);
	__u64 magic = BPF_CORE_READ(i, i_sb, s_magic);

	ret->capacity_bytes = BPF_CORE_READ(i, i_size);
	ret->valid = LENS_DEPTH_VALID;
	if (!BPF_CORE_READ(i, i_nlink))
		ret->valid |= LENS_DEPTH_UNLINKED;
	/* the page cache of hugetlbfs counts in units that depend on the kernel */
	if (magic != KDEF_HUGETLBFS_MAGIC) {
		ret->queued_bytes = BPF_CORE_READ(i, i_mapping, nrpages) * KDEF_PAGE_SIZE;
		ret->valid |= LENS_DEPTH_RESIDENT;
	}
	if (kind == LENS_KIND_MEMFD)
		ret->valid |= LENS_DEPTH_SEALABLE |
			      memory_seals(i, magic) << LENS_DEPTH_SEALS_SHIFT;
	return 0;
}

int object_segment(struct shmid_kernel *shp, struct lens_depth *ret)
{
	struct file *file = BPF_CORE_READ(shp, shm_file);

	if (file)
		object_file(LENS_KIND_SYSV_SHM, file, ret);
	ret->capacity_bytes = BPF_CORE_READ(shp, shm_segsz);
	ret->readers = BPF_CORE_READ(shp, shm_nattch);
	ret->key = BPF_CORE_READ(shp, shm_perm.key);
	ret->valid = LENS_DEPTH_VALID | (ret->valid & LENS_DEPTH_RESIDENT);
	if (BPF_CORE_READ(shp, shm_perm.mode) & KDEF_SHM_DEST)
		ret->valid |= LENS_DEPTH_REMOVED;
	return 0;
}

/* of an attachment; the file tells only which segment it is */
static __always_inline int object_attached(struct file *file, struct lens_depth *ret)
{
	struct shm_file_data *data = BPF_CORE_READ(file, private_data);
	__u32 id = BPF_CORE_READ(data, id);
	struct shmid_kernel *shp = ipc_at(BPF_CORE_READ(data, ns), IPC_SEGMENTS,
					  id & IPC_INDEX_MASK);

	if (shp && (__u32)BPF_CORE_READ(shp, shm_perm.id) == id)
		return object_segment(shp, ret);
	return 0;
}

int object_depth(__u32 kind, struct file *file, struct lens_depth *ret)
{
	return kind == LENS_KIND_SYSV_SHM ? object_attached(file, ret) :
					    object_file(kind, file, ret);
}

/* memfds hang in no tree: what they are called is all there is */
static __always_inline __u32 object_memfd_name(__u32 which, __u32 offset, struct file *file)
{
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	long len;

	if (!s || offset >= SCRATCH_SIZE)
		return 0;
	len = bpf_probe_read_kernel_str(s->data + offset, MEMFD_NAME_MAX,
					BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return len > 0 ? len : 0;
}

__u32 object_name(__u32 kind, __u32 which, __u32 offset, struct file *file)
{
	if (kind == LENS_KIND_MEMFD)
		return object_memfd_name(which, offset, file);
	if (kind == LENS_KIND_POSIX_SHM || kind == LENS_KIND_MMAP_FILE)
		return describe_path(which, offset, LENS_PATH_MAX, path_of((__u64)file));
	return 0;
}
