// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind space.bpf.h, and what else changes an address space:
 * fork, which copies it, exec and exit.
 */
#include "space.bpf.h"
#include "describe.bpf.h"
#include "object.bpf.h"
#include "task.bpf.h"
#include "vma.bpf.h"

struct space_map lens_spaces SEC(".maps");

/* of two threads that widen the same bound at once one tries again */
#define WIDEN_TRIES 16

static __always_inline void widen(struct space_bounds *b, __u64 low, __u64 high)
{
	__u64 seen;

	for (__u32 i = 0; i < WIDEN_TRIES; i++) {
		seen = *(volatile __u64 *)&b->low;
		if (seen <= low || __sync_val_compare_and_swap(&b->low, seen, low) == seen)
			break;
	}
	for (__u32 i = 0; i < WIDEN_TRIES; i++) {
		seen = *(volatile __u64 *)&b->high;
		if (seen >= high || __sync_val_compare_and_swap(&b->high, seen, high) == seen)
			break;
	}
}

int space_grow(__u32 tgid, __u64 start, __u64 len)
{
	struct space_bounds fresh = { .low = start, .high = start + len }, *b;

	b = bpf_map_lookup_elem(&lens_spaces, &tgid);
	if (!b) {
		bpf_map_update_elem(&lens_spaces, &tgid, &fresh, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&lens_spaces, &tgid);
	}
	if (b)
		widen(b, start, start + len);
	else
		loss_add(LENS_KIND_SHARED_ANON, LENS_LOSS_MAP_FULL, 1, 0);
	return 0;
}

/* --------------------------------------- life of a process, whatever the variant */

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(mapping___any__fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct space_bounds *b, copy;

	if (from == to)
		return 0;	/* a thread */
	b = bpf_map_lookup_elem(&lens_spaces, &from);
	if (!b)
		return 0;
	copy = *b;
	if (bpf_map_update_elem(&lens_spaces, &to, &copy, BPF_ANY))
		loss_add(LENS_KIND_SHARED_ANON, LENS_LOSS_MAP_FULL, 1, 0);
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(mapping___any__exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	__u32 tgid = t->tgid;

	bpf_map_delete_elem(&lens_spaces, &tgid);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(mapping___any__exit, struct task_struct *t)
{
	__u32 tgid = t->tgid;

	if (!BPF_CORE_READ(t, signal, live.counter))
		bpf_map_delete_elem(&lens_spaces, &tgid);
	return 0;
}

/* -------------------------------------------------------- what there is now */

SEC("?iter/task_vma")
int mapping__iter__vmas(struct bpf_iter__task_vma *ctx)
{
	__u32 which = SCRATCH_LOOK, name_len, len;
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *t = ctx->task;
	struct lens_total_key key = {};
	struct vma_view v = {};
	struct lens_rec_map *r;
	struct scratch *s;

	if (!t || !vma)
		return 0;
	vma_read(vma, &v);
	if (!vma_is_shared(&v) || !ident_mapped(v.file, &key))
		return 0;
	s = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s)
		return 0;
	r = (void *)s;
	__builtin_memset(r, 0, sizeof(*r));
	ident_split(&key, &r->chan, &r->proc);
	ident_proc(t, &r->proc);
	if (task_is_self(&r->proc))
		return 0;
	r->start = v.start;
	r->len = v.end - v.start;
	r->offset = v.offset;
	r->op = LENS_MAP_FOUND;
	r->prot = space_prot(v.flags);
	space_grow(r->proc.tgid, r->start, r->len);
	object_depth(key.kind, (struct file *)v.file, &r->depth);
	name_len = object_name(key.kind, which, sizeof(*r), (struct file *)v.file);
	len = align8(sizeof(*r) + (name_len & DESCRIBE_LEN));
	rec_init(&r->h, LENS_REC_MAP, len);
	r->h.flags = LENS_F_SNAPSHOT | (name_len & DESCRIBE_TRUNCATED ? LENS_F_TRUNCATED : 0);
	if (ident_made((void *)ident_address(t), (struct file *)v.file))
		r->h.flags |= LENS_F_MADE;
	r->name_len = name_len & DESCRIBE_LEN;
	if (len > SCRATCH_SIZE)
		return 0;
	bpf_seq_write(ctx->meta->seq, r, len);
	return 0;
}
