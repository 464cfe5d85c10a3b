// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Locks on files, and leases: those that stand in the way of a thread which is
 * blocked in a call that wants one, or that they are broken by.
 */
#include "stuck.bpf.h"

struct lock_walk {
	void *head, *at;
	struct lens_rec_lock r;
};

static __always_inline void fill_lock(void *at, struct lens_rec_lock *r)
{
	struct file_lock *l = at - bpf_core_field_offset(struct file_lock, c.flc_list);
	__u32 flags = BPF_CORE_READ(l, c.flc_flags);

	r->flags = flags & KDEF_FL_FLOCK    ? LENS_LOCK_FLOCK
		   : flags & KDEF_FL_OFDLCK ? LENS_LOCK_OFD
					    : 0;
	r->exclusive = BPF_CORE_READ(l, c.flc_type) == KDEF_F_WRLCK;
	r->pid = BPF_CORE_READ(l, c.flc_pid);
	r->file = (__u64)BPF_CORE_READ(l, c.flc_file);
	r->owner = (__u64)BPF_CORE_READ(l, c.flc_owner);
	r->start = BPF_CORE_READ(l, fl_start);
	r->end = BPF_CORE_READ(l, fl_end);
}

static __always_inline void fill_lock_pre69(void *at, struct lens_rec_lock *r)
{
	struct file_lock___pre69 *l = at - bpf_core_field_offset(struct file_lock___pre69, fl_list);
	__u32 flags = BPF_CORE_READ(l, fl_flags);

	r->flags = flags & KDEF_FL_FLOCK    ? LENS_LOCK_FLOCK
		   : flags & KDEF_FL_OFDLCK ? LENS_LOCK_OFD
					    : 0;
	r->exclusive = BPF_CORE_READ(l, fl_type) == KDEF_F_WRLCK;
	r->pid = BPF_CORE_READ(l, fl_pid);
	r->file = (__u64)BPF_CORE_READ(l, fl_file);
	r->owner = (__u64)BPF_CORE_READ(l, fl_owner);
	r->start = BPF_CORE_READ(l, fl_start);
	r->end = BPF_CORE_READ(l, fl_end);
}

static long lock_next(__u32 i, struct lock_walk *w)
{
	if (!w->at || w->at == w->head)
		return 1;
	if (bpf_core_type_exists(struct file_lock_core))
		fill_lock(w->at, &w->r);
	else
		fill_lock_pre69(w->at, &w->r);
	rec_init(&w->r.h, LENS_REC_LOCK, sizeof(w->r));
	w->r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at) != 0;
}

#define LOCKS_MAX 4096

int stuck_locks(__u64 task, __u32 fd)
{
	struct task_struct *t = (struct task_struct *)task;
	struct file *f = ident_fd_probe(t, fd);
	struct file_lock_context *ctx = BPF_CORE_READ(f, f_inode, i_flctx);
	struct lock_walk w = {};

	if (!f || !ctx)
		return 0;
	w.r.tid = BPF_CORE_READ(t, pid);
	w.r.wanted = (__u64)f;
	w.r.ino = BPF_CORE_READ(f, f_inode, i_ino);
	w.r.dev = BPF_CORE_READ(f, f_inode, i_sb, s_dev);
	w.head = (void *)ctx + bpf_core_field_offset(struct file_lock_context, flc_flock);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lock_next, &w, 0);
	w.head = (void *)ctx + bpf_core_field_offset(struct file_lock_context, flc_posix);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lock_next, &w, 0);
	return 0;
}

/* ----------------------------------------------------------------------- leases */

/* of a lock or lease, whatever the kernel calls it; at: itself, not what lists it */
static __always_inline __u32 flags_of(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? BPF_CORE_READ((struct file_lock_core *)at, flc_flags)
		       : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_flags);
}

static __always_inline bool is_exclusive(void *at)
{
	__u8 type = bpf_core_type_exists(struct file_lock_core)
			    ? BPF_CORE_READ((struct file_lock_core *)at, flc_type)
			    : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_type);

	return type == KDEF_F_WRLCK;
}

static __always_inline struct file *file_of(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? BPF_CORE_READ((struct file_lock_core *)at, flc_file)
		       : BPF_CORE_READ((struct file_lock___pre69 *)at, fl_file);
}

static __always_inline void *blocker_of(void *at)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? (void *)BPF_CORE_READ((struct file_lock_core *)at, flc_blocker)
		       : (void *)BPF_CORE_READ((struct file_lock___pre69 *)at, fl_blocker);
}

/* from the beginning of one to the list of who waits until it is gone; to its place in a list */
static __always_inline __u64 waiters_offset(void)
{
	return bpf_core_field_offset(struct wait_queue_head, head) +
	       (bpf_core_type_exists(struct file_lock_core)
			? bpf_core_field_offset(struct file_lock_core, flc_wait)
			: bpf_core_field_offset(struct file_lock___pre69, fl_wait));
}

static __always_inline __u64 list_offset(void)
{
	return bpf_core_type_exists(struct file_lock_core)
		       ? bpf_core_field_offset(struct file_lock_core, flc_list)
		       : bpf_core_field_offset(struct file_lock___pre69, fl_list);
}

struct breaker_walk {
	__u64 sp, task;
	void *breaker; /* what was found */
};

/*
 * Who waits for a lease to be given up has a request of his own, which nothing lists but the
 * lease. His entry in the list of those who wait for the request is on his stack.
 */
static long breaker_at(__u32 i, struct breaker_walk *w)
{
	__u64 at = w->sp + i * sizeof(at), word = 0;
	struct wait_queue_entry *e;
	void *request;

	if (bpf_probe_read_kernel(&word, sizeof(word), (void *)at))
		return 1;
	if (word != w->task)
		return 0;
	e = (void *)at - bpf_core_field_offset(struct wait_queue_entry, private);
	request = (void *)BPF_CORE_READ(e, entry.next) - waiters_offset();
	if (!(flags_of(request) & KDEF_FL_LEASE) || !blocker_of(request) ||
	    BPF_CORE_READ((struct list_head *)(request + waiters_offset()), next) !=
		    (void *)e + bpf_core_field_offset(struct wait_queue_entry, entry))
		return 0;
	w->breaker = request;
	return 1;
}

struct lease_walk {
	void *head, *at;
	bool exclusive; /* wanted so */
	struct lens_rec_lock r;
};

static long lease_next(__u32 i, struct lease_walk *w)
{
	void *lease = w->at - list_offset();

	if (!w->at || w->at == w->head)
		return 1;
	w->r.exclusive = is_exclusive(lease);
	if (flags_of(lease) & KDEF_FL_LEASE && (w->exclusive || w->r.exclusive)) {
		w->r.file = (__u64)file_of(lease);
		rec_init(&w->r.h, LENS_REC_LOCK, sizeof(w->r));
		w->r.h.flags = LENS_F_SNAPSHOT;
		core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	}
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at) != 0;
}

#define BLOCKERS_MAX 4 /* of requests that wait for each other, and for the lease */

int stuck_leases(struct task_struct *t)
{
	struct breaker_walk b = { .sp = BPF_CORE_READ(t, thread.sp), .task = ident_address(t) };
	__u64 words = (ident_address((void *)bpf_task_pt_regs(t)) - b.sp) / sizeof(__u64);
	struct lease_walk w = { .r = { .tid = t->pid, .flags = LENS_LOCK_LEASE } };
	struct inode *inode;
	void *lease;

	bpf_loop(words < STUCK_STACK_WORDS ? words : STUCK_STACK_WORDS, breaker_at, &b, 0);
	if (!b.breaker)
		return 0;
	w.exclusive = is_exclusive(b.breaker);
	lease = blocker_of(b.breaker);
	for (int i = 0; i < BLOCKERS_MAX && lease && !file_of(lease); i++)
		lease = blocker_of(lease);
	inode = BPF_CORE_READ(file_of(lease), f_inode);
	w.r.ino = BPF_CORE_READ(inode, i_ino);
	w.r.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	w.head = (void *)BPF_CORE_READ(inode, i_flctx) +
		 bpf_core_field_offset(struct file_lock_context, flc_lease);
	if (lease && !bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lease_next, &w, 0);
	return 0;
}
