// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which file a call is about. A descriptor says what it stands for now; another thread, which
 * may be gone, can have put that in its place since the call began. But the call has what it
 * found then on its kernel stack, since it may have to give back a reference to it in the end:
 * the file or, of calls on sockets before v6.12, the socket; and waitid(2) the number of a process.
 */
#include "stuck.bpf.h"

#define FLAGS_OF_FILE 3ull /* of struct fd since v6.12, beside the address */

struct subject_walk {
	__u64 sp;
	__u64 file, inner;
	bool found;
};

static long subject_word(__u32 i, struct subject_walk *w)
{
	__u64 word = 0;

	if (bpf_probe_read_kernel(&word, sizeof(word), (void *)(w->sp + i * sizeof(word))))
		return 1;
	w->found = (word & ~FLAGS_OF_FILE) == w->file || word == w->inner;
	return w->found;
}

/* what of a file a call may hold on to in its place, 0: nothing */
static __always_inline __u64 inside(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) == KDEF_S_IFSOCK)
		return (__u64)BPF_CORE_READ(f, private_data);
	return 0;
}

/* is it on the stack between sp and end? Of a descriptor of nothing by now that need not be told */
int stuck_subject(__u64 task, __u32 fd, __u64 end)
{
	struct subject_walk w = { .sp = BPF_CORE_READ((struct task_struct *)task, thread.sp) };
	struct file *f = ident_fd_probe((void *)task, fd);
	__u64 words = (end - w.sp) / sizeof(__u64);

	if (!f || words > STUCK_STACK_WORDS)
		return true;
	w.file = (__u64)f;
	w.inner = inside(f);
	/* a word of 0 is none of either */
	if (!w.inner)
		w.inner = w.file;
	bpf_loop(words, subject_word, &w, 0);
	return w.found;
}

static __always_inline __u64 process_of(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);

	if (BPF_CORE_READ(i, i_sb, s_magic) == KDEF_PID_FS_MAGIC)
		return (__u64)BPF_CORE_READ(i, i_private);
	return (__u64)BPF_CORE_READ(f, private_data);
}

static __always_inline struct wait_opts *wait_of(struct task_struct *t)
{
	return (void *)stuck_queued(ident_address(t),
				    ident_address((void *)bpf_task_pt_regs(t)), QUEUED_CHILD, 1);
}

bool stuck_awaits_group(struct task_struct *t, __u64 group)
{
	struct wait_opts *w = wait_of(t);

	return !w || (__u64)core_load(w, wo_pid) == group;
}

bool stuck_awaits(struct task_struct *t, __u32 pidfd)
{
	struct wait_opts *w = wait_of(t);
	struct file *f = ident_fd_probe(t, pidfd);

	return !f || (w && (__u64)core_load(w, wo_pid) == process_of(f));
}
