// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A FIFO being opened: open(2) of one end waits until somebody opens the other.
 * No process has a descriptor of it yet, and its path is that of user memory,
 * which may lead elsewhere by now. The file itself is in a register that the
 * functions above saved on the kernel stack of the thread; that the thread
 * waits at the pipe of that file proves that it is the one.
 */
#include "describe.bpf.h"
#include "stuck.bpf.h"

#define WAITERS_MAX 1024    /* at one FIFO; of more, some are not resolved */

struct waiters_walk {
	void *head, *at;
	__u64 task;
	bool found;
};

static long waiter_next(__u32 i, struct waiters_walk *w)
{
	struct wait_queue_entry *e = w->at - bpf_core_field_offset(struct wait_queue_entry, entry);

	if (!w->at || w->at == w->head)
		return 1;
	w->found = (__u64)BPF_CORE_READ(e, private) == w->task;
	return w->found || bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at);
}

/* does the task wait at this pipe for data, or, as wait_for_partner() has it, for a partner? */
static __noinline bool waits_at(struct pipe_inode_info *pipe, __u64 task)
{
	struct waiters_walk w = { .task = task };

	w.head = (void *)pipe + bpf_core_field_offset(struct pipe_inode_info, rd_wait) +
		 bpf_core_field_offset(struct wait_queue_head, head);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(WAITERS_MAX, waiter_next, &w, 0);
	return w.found;
}

struct stack_walk {
	__u64 sp, task;
	__u64 file; /* what was found */
};

static long stack_word(__u32 i, struct stack_walk *w)
{
	struct inode *inode;
	__u64 word = 0;

	if (bpf_probe_read_kernel(&word, sizeof(word), (void *)(w->sp + i * sizeof(word))))
		return 1;
	if (word < KERNEL_SPACE || word % sizeof(word))
		return 0;
	inode = BPF_CORE_READ((struct file *)word, f_inode);
	/* what else refers to the inode, at the same distance, has no such path */
	if ((BPF_CORE_READ(inode, i_mode) & KDEF_S_IFMT) != KDEF_S_IFIFO ||
	    BPF_CORE_READ((struct file *)word, f_path.dentry, d_inode) != inode ||
	    !waits_at(BPF_CORE_READ(inode, i_pipe), w->task))
		return 0;
	w->file = word;
	return 1;
}

int stuck_opening(struct task_struct *t, struct seq_file *seq)
{
	struct stack_walk w = { .sp = BPF_CORE_READ(t, thread.sp), .task = ident_address(t) };
	__u64 words = (ident_address((void *)bpf_task_pt_regs(t)) - w.sp) / sizeof(__u64);
	__u32 which = SCRATCH_LOOK, len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_desc *d = (void *)s;

	if (!s)
		return 0;
	bpf_loop(words < STUCK_STACK_WORDS ? words : STUCK_STACK_WORDS, stack_word, &w, 0);
	if (!w.file)
		return 0;
	__builtin_memset(d, 0, sizeof(*d));
	s->data[sizeof(*d)] = '\0';
	if (stuck_file(ident_file_at(w.file), d, s->data + sizeof(*d)) != LENS_OBJECT_FIFO)
		return 0;
	d->fd = t->pid;
	d->flags |= LENS_DESC_OPENING;
	ident_proc(t, &d->proc);
	len = stuck_desc_finish(s);
	if (len <= SCRATCH_SIZE)
		bpf_seq_write(seq, s, len);
	return 0;
}
