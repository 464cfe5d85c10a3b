// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind mapping.bpf.h: calls that change what is shared. What a
 * call has mapped is read from the address space when it returns, not from its
 * arguments, since another thread may have reused the descriptor.
 */
#include "mapping.bpf.h"
#include "backlog.bpf.h"
#include "describe.bpf.h"
#include "ipc.bpf.h"
#include "object.bpf.h"
#include "space.bpf.h"
#include "task.bpf.h"
#include "vma.bpf.h"

__u32 lens_tester;
__u32 lens_tested;

/* ---------------------------------------------------------------- records */

static __always_inline __u64 page_up(__u64 len)
{
	return (len + KDEF_PAGE_SIZE - 1) & ~(__u64)(KDEF_PAGE_SIZE - 1);
}

static __always_inline struct lens_rec_map *map_record(__u32 which)
{
	return (void *)bpf_map_lookup_elem(&lens_scratch, &which);
}

/* a cleared record of the current task, in a buffer that step owns; NULL: not to be told */
static __always_inline struct lens_rec_map *map_begin(struct mapping_step *step, __u32 op,
						      __u64 start, __u64 len)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct lens_rec_map *r;

	step->which = scratch_take();
	r = map_record(step->which);
	if (!r)
		return NULL;
	__builtin_memset(r, 0, sizeof(*r));
	ident_proc(t, &r->proc);
	if (task_is_self(&r->proc))
		return NULL;
	r->op = op;
	r->tid = t->pid;
	r->start = start;
	r->len = len;
	r->h.len = sizeof(*r);
	step->tell = 1;
	return r;
}

/* file is what the record is about; false: it is none of ours */
static __always_inline bool map_object(struct mapping_step *step, struct lens_rec_map *r,
				       __u64 file)
{
	struct lens_total_key key = {};
	struct lens_proc unused;

	if (!ident_mapped(file, &key))
		return false;
	ident_split(&key, &r->chan, &unused);
	step->file = file;
	return true;
}

int mapping_describe(__u32 which, __u64 file)
{
	struct lens_rec_map *r = map_record(which);
	struct lens_depth depth = {};

	if (!r)
		return 0;
	object_depth(r->chan.kind, (struct file *)file, &depth);
	r->depth = depth;
	return 0;
}

int mapping_name(__u32 which, __u64 file)
{
	struct lens_rec_map *r = map_record(which);
	__u32 name_len;

	if (!r)
		return 0;
	name_len = object_name(r->chan.kind, which, sizeof(*r), (struct file *)file);
	r->name_len = name_len & DESCRIBE_LEN;
	r->h.len = align8(sizeof(*r) + r->name_len);
	r->h.flags = name_len & DESCRIBE_TRUNCATED ? LENS_F_TRUNCATED : 0;
	if (ident_made((void *)bpf_get_current_task_btf(), (struct file *)file))
		r->h.flags |= LENS_F_MADE;
	return 0;
}

int mapping_tell(__u32 which)
{
	struct lens_rec_map *r = map_record(which);
	__u16 flags;

	if (!r)
		return 0;
	flags = r->h.flags;
	rec_init(&r->h, LENS_REC_MAP, r->h.len);
	r->h.flags = flags;
	return core_emit(r, r->h.len, r->chan.kind);
}

/* ---------------------------------------------------------- address ranges */

/* what was shared in [start, len) is not any more */
static __always_inline void range_lost(struct mapping_step *step, __u32 op, __u64 start, __u64 len)
{
	if (space_concerns(start, len))
		map_begin(step, op, start, len);
}

/*
 * A huge page is the unit of hugetlbfs, so more is mapped than was asked for;
 * a neighbour of the same file is merged with, so the mapping may be longer.
 */
static __always_inline __u64 mapped_len(const struct vma_view *v, __u64 start, __u64 asked)
{
	struct file *file = (struct file *)v->file;
	__u64 unit = KDEF_PAGE_SIZE, len;

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) == KDEF_HUGETLBFS_MAGIC)
		unit = BPF_CORE_READ(file, f_inode, i_sb, s_blocksize);
	len = (asked + unit - 1) & ~(unit - 1);
	return asked && start + len < v->end ? len : v->end - start;
}

/* what a call has mapped */
struct mapped_call {
	__u32 op;
	__u64 start;
	__u64 asked;		/* its length, 0: all there is */
	__u64 from, from_len;	/* where it was before */
};

/* what is not shared is news only where it took the place of what was */
static __noinline void range_mapped(struct mapping_step *step, const struct mapped_call *m)
{
	bool concerns = space_concerns(m->start, page_up(m->asked)) ||
			space_concerns(m->from, m->from_len);
	struct vma_view v = {};
	struct lens_rec_map *r;

	if (!vma_at(m->start, &v) || !vma_is_shared(&v))
		v.file = 0;
	if (!v.file && !concerns)
		return;
	r = map_begin(step, m->op, m->start, page_up(m->asked));
	if (!r)
		return;
	r->from = m->from;
	r->from_len = m->from_len;
	if (v.file && map_object(step, r, v.file)) {
		r->len = mapped_len(&v, m->start, m->asked);
		r->offset = v.offset + (m->start - v.start);
		r->prot = space_prot(v.flags);
		space_grow(r->proc.tgid, m->start, r->len);
		return;
	}
	if (m->op != LENS_MAP_MOVE)
		r->op = LENS_MAP_UNMAP;
	step->tell = concerns;
}

static __always_inline void range_protected(struct mapping_step *step, __u64 start, __u64 len,
					    __u32 prot)
{
	struct lens_rec_map *r = NULL;

	if (space_concerns(start, len))
		r = map_begin(step, LENS_MAP_PROTECT, start, len);
	if (r)
		r->prot = prot & (LENS_PROT_READ | LENS_PROT_WRITE | LENS_PROT_EXEC);
}

/* ------------------------------------------------------ calls that failed */

#define PROTECTED_MAX 32	/* mappings that one call has changed before it failed */

/* mremap(2) clears the place it was given before it looks at what is to be moved there */
static __noinline void move_failed(struct mapping_step *step, __u64 start, __u64 len)
{
	struct vma_view v = {};

	if (!vma_at(start, &v))
		range_lost(step, LENS_MAP_UNMAP, start, len);
}

/* mprotect(2) changes one mapping after the other, up to one that it must not change */
static __noinline void protect_failed(struct mapping_step *step, __u64 start, __u64 len,
				      __u32 prot)
{
	const __u32 bits = LENS_PROT_READ | LENS_PROT_WRITE | LENS_PROT_EXEC;
	struct vma_view v = {};
	__u64 at = start;

	if (!space_concerns(start, len))
		return;
	for (__u32 i = 0; i < PROTECTED_MAX && at < start + len; i++) {
		if (!vma_at(at, &v) || (v.flags & bits) != (prot & bits))
			break;
		at = v.end;
	}
	if (at != start)
		range_protected(step, start, at - start, prot);
}

/* -------------------------------------------------------- objects as such */

/* which: the scratch buffer to put the record together in; the stack has no room */
static __always_inline int segment_emit(__u32 which, struct shmid_kernel *shp, __u32 inum)
{
	struct lens_rec_chan *r = (void *)bpf_map_lookup_elem(&lens_scratch, &which);

	if (!r)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->chan.ino = (__u32)BPF_CORE_READ(shp, shm_perm.id);
	r->chan.dev = inum;
	r->chan.kind = LENS_KIND_SYSV_SHM;
	object_segment(shp, &r->depth);
	r->lspid = pid_in_root(BPF_CORE_READ(shp, shm_cprid));
	r->lrpid = pid_in_root(BPF_CORE_READ(shp, shm_lprid));
	r->uid = BPF_CORE_READ(shp, shm_perm.uid.val);
	r->mode = BPF_CORE_READ(shp, shm_perm.mode) & 0777;
	rec_init(&r->h, LENS_REC_CHAN, sizeof(*r));
	r->h.flags = which == SCRATCH_LOOK ? LENS_F_SNAPSHOT : 0;
	return core_emit(r, sizeof(*r), LENS_KIND_SYSV_SHM);
}

int mapping_segment(__s32 id)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct ipc_namespace *ns = BPF_CORE_READ(t, nsproxy, ipc_ns);
	struct shmid_kernel *shp = ipc_at(ns, IPC_SEGMENTS, id & IPC_INDEX_MASK);
	__u32 which;

	if (!shp || BPF_CORE_READ(shp, shm_perm.id) != id)
		return 0;
	which = scratch_take();
	if (which >= SCRATCH_NONE)
		return 0;
	segment_emit(which, shp, BPF_CORE_READ(ns, ns.inum));
	return scratch_give(which);
}

static long segment_next(__u32 index, struct ipc_walk *w)
{
	struct shmid_kernel *shp = ipc_at(w->ns, IPC_SEGMENTS, index);

	if (shp)
		segment_emit(SCRATCH_LOOK, shp, w->inum);
	return 0;
}

SEC("?iter/task")
int mapping__iter__segments(struct bpf_iter__task *ctx)
{
	struct ipc_walk w = {};
	int max = ipc_walk_begin(ctx->task, IPC_SEGMENTS, LENS_KIND_SYSV_SHM, &w);

	if (max >= 0)
		bpf_loop(max + 1, segment_next, &w, 0);
	return 0;
}

static __always_inline void segment_controlled(struct mapping_step *step, __s32 id, __u32 command)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct lens_rec_map *r = NULL;

	/* the 32-bit ABI may add IPC_64 */
	if ((command & 0xff) == KDEF_IPC_RMID)
		r = map_begin(step, LENS_MAP_REMOVE, 0, 0);
	if (!r)
		return;
	r->chan.ino = (__u32)id;
	r->chan.dev = BPF_CORE_READ(t, nsproxy, ipc_ns, ns.inum);
	r->chan.kind = LENS_KIND_SYSV_SHM;
}

static __always_inline void memfd_sealed(struct mapping_step *step, __u32 fd)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct file *file = ident_fd_probe(t, fd);
	struct lens_rec_map *r = map_begin(step, LENS_MAP_SEAL, 0, 0);

	step->tell = r && file && map_object(step, r, (__u64)file);
}

/* ------------------------------------------------------------------- calls */

int mapping_failed(__u32 class, struct call_args *a, struct mapping_step *step)
{
	if (!a || !step)
		return 0;
	if (class == CALL_MREMAP && a->arg[3] & KDEF_MREMAP_FIXED)
		move_failed(step, a->arg[4], page_up(a->arg[2]));
	if (class == CALL_MPROTECT)
		protect_failed(step, a->arg[0], page_up(a->arg[1]), a->arg[2]);
	return 0;
}

int mapping_called(__u32 class, struct call_args *a, __s64 ret, struct mapping_step *step)
{
	struct mapped_call m = { .start = ret };

	if (!a || !step)
		return 0;
	switch (class) {
	case CALL_MMAP:
		m.op = LENS_MAP_MAP;
		m.asked = a->arg[1];
		if ((a->arg[3] & KDEF_MAP_TYPE) != KDEF_MAP_PRIVATE ||
		    space_concerns(ret, page_up(m.asked)))
			range_mapped(step, &m);
		break;
	case CALL_SHMAT:
		m.op = LENS_MAP_ATTACH;
		range_mapped(step, &m);
		break;
	case CALL_MREMAP:
		m.op = LENS_MAP_MOVE;
		m.asked = a->arg[2];
		m.from = a->arg[0];
		/* an old length of 0 makes a second mapping of the same */
		if (!(a->arg[3] & KDEF_MREMAP_DONTUNMAP))
			m.from_len = page_up(a->arg[1]);
		range_mapped(step, &m);
		break;
	case CALL_MUNMAP:
		range_lost(step, LENS_MAP_UNMAP, a->arg[0], page_up(a->arg[1]));
		break;
	case CALL_MPROTECT:
		range_protected(step, a->arg[0], page_up(a->arg[1]), a->arg[2]);
		break;
	case CALL_SHMDT:
		/* what is left of a segment may lie anywhere behind its beginning */
		map_begin(step, LENS_MAP_DETACH, a->arg[0] & ~(KDEF_PAGE_SIZE - 1ull), 1);
		break;
	case CALL_SHMCTL:
		segment_controlled(step, a->arg[0], a->arg[1]);
		break;
	case CALL_SEAL:
		memfd_sealed(step, a->arg[0]);
		break;
	}
	return 0;
}
