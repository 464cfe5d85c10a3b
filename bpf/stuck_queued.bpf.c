// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a sleeping thread is listed by. Its call says where its arguments are, but another thread,
 * which may be gone, or another process can have changed that memory since the call began. The
 * kernel goes by a copy, which what it lists the thread by leads to; that is on the kernel stack
 * and names the thread.
 */
#include "stuck.bpf.h"

struct queued_walk {
	__u64 sp, task;
	__u32 kind;
	__u64 found;
};

/* that the next one in the list is behind it proves that it is in there: not left from before */
static __always_inline bool is_listed(__u64 node)
{
	__u64 next = (__u64)core_load((struct list_head___both *)node, next);

	return next != node && (__u64)core_load((struct list_head___both *)next, prev) == node;
}

/* a place of the pointer to the task in such a structure, the structure, if it is one; else 0 */
static __always_inline __u64 polls_by(__u64 at)
{
	struct poll_wqueues *q =
		(void *)(at - bpf_core_field_offset(struct poll_wqueues, polling_task));
	struct poll_table_entry *first =
		(void *)q + bpf_core_field_offset(struct poll_wqueues, inline_entries);

	if (core_load(q, inline_index) <= 0 || core_load(first, wait.private) != q ||
	    !is_listed((__u64)first + bpf_core_field_offset(struct poll_table_entry, wait.entry)))
		return 0;
	return (__u64)q;
}

static long queued_word(__u32 i, struct queued_walk *w)
{
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	__u64 at = w->sp + i * sizeof(at);

	if (!s || i >= STUCK_STACK_WORDS)
		return 1;
	if (((__u64 *)s->data)[i] != w->task)
		return 0;
	w->found = polls_by(at);
	return w->found != 0;
}

_Static_assert(STUCK_STACK_WORDS * sizeof(__u64) <= LENS_PATH_MAX, "of the scratch buffer");

/* all of the stack by one read: most of its words are of no interest */
__u64 stuck_queued(__u64 task, __u64 end, __u32 kind)
{
	struct task_struct *t = (struct task_struct *)task;
	struct queued_walk w = { .sp = core_load(t, thread.sp), .task = task, .kind = kind };
	__u64 bytes = end - w.sp;
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);

	if (!s)
		return 0;
	if (bytes > STUCK_STACK_WORDS * sizeof(__u64))
		bytes = STUCK_STACK_WORDS * sizeof(__u64);
	if (bpf_probe_read_kernel(s->data, bytes, (void *)w.sp))
		return 0;
	bpf_loop(bytes / sizeof(__u64), queued_word, &w, 0);
	return w.found;
}
