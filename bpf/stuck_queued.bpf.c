// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a sleeping thread is listed by. Its call says where its arguments are, but another thread,
 * which may be gone, or another process can have changed that memory since the call began. The
 * kernel goes by a copy, which what it lists the thread by leads to; that is on the kernel stack
 * and names the thread.
 */
#include "lock.bpf.h"
#include "stuck.bpf.h"

struct queued_walk {
	__u64 sp, task;
	__u32 kind, count;
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

static __always_inline __u64 takes_by(__u64 at)
{
	struct sem_queue *q = (void *)(at - bpf_core_field_offset(struct sem_queue, sleeper));

	return is_listed((__u64)q + bpf_core_field_offset(struct sem_queue, list)) ? (__u64)q : 0;
}

/*
 * Who waits for a lock, or a lease to be given up, has a request of his own, and is the only one
 * who waits for that one. An entry that an earlier wait has left is in a list with itself.
 */
static __always_inline __u64 locks_by(__u64 at, __u32 kinds)
{
	struct wait_queue_entry *e =
		(void *)(at - bpf_core_field_offset(struct wait_queue_entry, private));
	__u64 node = (__u64)e + bpf_core_field_offset(struct wait_queue_entry, entry);
	void *head = (void *)core_load(e, entry.next);
	void *request = head - lock_waiters_offset();

	if (!is_listed(node) || (__u64)core_load((struct list_head *)head, next) != node ||
	    !(lock_flags(request) & kinds) || !lock_blocker(request))
		return 0;
	/* who breaks a lease has none */
	if (!(kinds & KDEF_FL_LEASE) && !lock_file(request))
		return 0;
	return (__u64)request;
}

static __always_inline bool is_in_tree(struct hrtimer___queued *timer)
{
	void *node = (void *)timer + bpf_core_field_offset(struct hrtimer___queued, node.node);
	__u64 colored = core_load((struct rb_node *)node, __rb_parent_color);
	struct rb_node *parent = (void *)(colored & ~3ull);

	if (!parent)
		return core_load_of(timer, base, active.rb_root.rb_root.rb_node) == node;
	return core_load(parent, rb_left) == node || core_load(parent, rb_right) == node;
}

#define ENQUEUED 1 /* HRTIMER_STATE_ENQUEUED, include/linux/hrtimer.h */
#define NEVER (~0ull >> 1) /* KTIME_MAX; who sleeps in a ring without a limit may have that */

/* in the tree of its clock; who is in a list is so to his next one, but no time is ahead there */
static __always_inline bool is_set(struct hrtimer___queued *timer)
{
	__u64 expires = core_load(timer, node.expires);

	return core_load(timer, state) == ENQUEUED && expires > bpf_ktime_get_ns() &&
	       expires < NEVER && is_in_tree(timer);
}

static __always_inline __u64 waits_by(__u64 at)
{
	struct wait_opts *w = (void *)(at - bpf_core_field_offset(struct wait_opts,
								  child_wait.private));

	return is_listed((__u64)w + bpf_core_field_offset(struct wait_opts, child_wait.entry)) ?
		       (__u64)w : 0;
}

#define TICKS_MAX (1ull << 40) /* years */

/* what else is in a list looks like it, but has no time ahead in that place */
static __always_inline bool is_pending(struct timer_list *timer)
{
	void *listed;

	core_load_at(&listed, core_load(timer, entry.pprev));
	return listed == (void *)timer + bpf_core_field_offset(struct timer_list, entry) &&
	       core_load(timer, expires) - bpf_jiffies64() < TICKS_MAX;
}

static __always_inline bool is_timed_by_ring(__u64 at)
{
	struct io_wait_queue *q =
		(void *)(at - bpf_core_field_offset(struct io_wait_queue, wq.private));

	return bpf_core_field_exists(q->t) &&
	       is_set((void *)q + bpf_core_field_offset(struct io_wait_queue, t));
}

static __always_inline bool is_timed_by(__u64 at)
{
	void *fine = (void *)(at - bpf_core_field_offset(struct hrtimer_sleeper, task) +
			      bpf_core_field_offset(struct hrtimer_sleeper, timer));
	void *coarse = (void *)(at - bpf_core_field_offset(struct process_timer, task) +
				bpf_core_field_offset(struct process_timer, timer));

	return is_set(fine) || is_pending(coarse) || is_timed_by_ring(at);
}

static __always_inline bool sleeps_at(struct futex_vector *v, __u64 task)
{
	return (__u64)core_load(v, q.task) == task && core_load(v, q.lock_ptr) &&
	       is_listed((__u64)v + bpf_core_field_offset(struct futex_vector, q.list.node_list));
}

/* of an array, that is not on the stack, the first and the last */
static __always_inline __u64 sleeps_by(__u64 word, __u64 task, __u32 count)
{
	struct futex_vector *last =
		(void *)word + (count - 1) * bpf_core_type_size(struct futex_vector);

	if (word < KERNEL_SPACE || word % sizeof(word) || !sleeps_at((void *)word, task) ||
	    !sleeps_at(last, task))
		return 0;
	return word;
}

static __always_inline __u64 queued_by(__u64 at, __u32 kind)
{
	switch (kind) {
	case QUEUED_POLL:
		return polls_by(at);
	case QUEUED_SEM:
		return takes_by(at);
	case QUEUED_LOCK:
		return locks_by(at, KDEF_FL_POSIX | KDEF_FL_FLOCK);
	case QUEUED_LEASE:
		return locks_by(at, KDEF_FL_LEASE);
	case QUEUED_CHILD:
		return waits_by(at);
	case QUEUED_TIMER:
		return is_timed_by(at);
	}
	return 0;
}

static long queued_word(__u32 i, struct queued_walk *w)
{
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	__u64 word;

	if (!s || i >= STUCK_STACK_WORDS)
		return 1;
	word = ((__u64 *)s->data)[i];
	if (w->kind == QUEUED_WORDS)
		w->found = sleeps_by(word, w->task, w->count);
	else if (word == w->task)
		w->found = queued_by(w->sp + i * sizeof(word), w->kind);
	return w->found != 0;
}

_Static_assert(STUCK_STACK_WORDS * sizeof(__u64) <= LENS_PATH_MAX, "of the scratch buffer");

/* all of the stack by one read: most of its words are of no interest */
__u64 stuck_queued(__u64 task, __u64 end, __u32 kind, __u32 count)
{
	struct task_struct *t = (struct task_struct *)task;
	struct queued_walk w = { .sp = core_load(t, thread.sp), .task = task, .kind = kind,
				 .count = count };
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
