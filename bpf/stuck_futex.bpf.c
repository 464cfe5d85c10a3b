// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The futex that a thread sleeps at. Its call tells where it went to sleep; by FUTEX_CMP_REQUEUE
 * others may have moved it to another word since. What the kernel lists it by says where it is,
 * and is on its kernel stack.
 */
#include "stuck.bpf.h"
#include "vma.bpf.h"

bool lens_words_shared = false;

struct futex_walk {
	__u64 sp, task;
	struct futex_q *q; /* what was found */
};

/* that the next one in its list is behind it proves that it is one, and listed */
static long futex_word(__u32 i, struct futex_walk *w)
{
	__u64 at = w->sp + i * sizeof(at), word = 0;
	struct futex_q *q = (void *)(at - bpf_core_field_offset(struct futex_q, task));
	struct list_head___both *next;

	if (bpf_probe_read_kernel(&word, sizeof(word), (void *)at))
		return 1;
	if (word != w->task || !BPF_CORE_READ(q, lock_ptr))
		return 0;
	next = (void *)BPF_CORE_READ(q, list.node_list.next);
	if ((void *)BPF_CORE_READ(next, prev) !=
	    (void *)q + bpf_core_field_offset(struct futex_q, list.node_list))
		return 0;
	w->q = q;
	return 1;
}

/* where a word of an object is in the mapping at an address, if that is of this object; else 0 */
static __noinline __u64 address_by(struct task_struct *t, __u64 hint, __u64 sequence, __u64 offset)
{
	struct vma_view v = {};
	struct file *file;
	__u64 address;

	if (!vma_in((__u64)BPF_CORE_READ(t, mm), hint, &v) || !v.file)
		return 0;
	file = (void *)v.file;
	if (stuck_sequence(BPF_CORE_READ(file, f_inode)) != sequence)
		return 0;
	address = offset - v.offset + v.start;
	return address >= v.start && address < v.end ? address : 0;
}

#define FLAGS (KDEF_FUT_OFF_INODE | KDEF_FUT_OFF_MMSHARED)

__u64 stuck_futex(struct task_struct *t, struct seq_file *seq, __u64 address, __u64 second)
{
	struct futex_walk w = { .sp = BPF_CORE_READ(t, thread.sp), .task = ident_address(t) };
	__u64 words = (ident_address((void *)bpf_task_pt_regs(t)) - w.sp) / sizeof(__u64);
	struct lens_rec_futex r = { .tid = t->pid };
	struct futex_q *q;
	__u32 offset;

	bpf_loop(words < STUCK_STACK_WORDS ? words : STUCK_STACK_WORDS, futex_word, &w, 0);
	q = w.q;
	if (!q) {
		lens_words_shared = true;
		return address;
	}
	offset = BPF_CORE_READ(q, key.both.offset);
	r.offset = BPF_CORE_READ(q, key.both.word);
	if (offset & KDEF_FUT_OFF_INODE) {
		r.sequence = BPF_CORE_READ(q, key.both.ptr);
		r.offset = r.offset * KDEF_PAGE_SIZE + (offset & ~FLAGS);
		r.address = address_by(t, address, r.sequence, r.offset);
		if (!r.address && second)
			r.address = address_by(t, second, r.sequence, r.offset);
	} else {
		r.offset += offset & ~FLAGS;
		/* at the address of its call it was before: nobody moves a waiter to where it is */
		if (r.offset == address ||
		    BPF_CORE_READ(q, key.both.ptr) == (__u64)BPF_CORE_READ(t, mm)) {
			r.flags = LENS_FUTEX_OWN;
			r.address = r.offset;
		}
	}
	if (!(r.flags & LENS_FUTEX_OWN))
		lens_words_shared = true;
	if (r.address == address)
		return address;
	rec_init(&r.h, LENS_REC_FUTEX, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(seq, &r, sizeof(r));
	return r.address;
}
