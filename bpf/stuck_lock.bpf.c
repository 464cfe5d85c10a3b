// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Locks on files, and leases: those that stand in the way of a thread which is
 * blocked in a call that wants one, or that they are broken by. What it wants the
 * request tells that it waits by.
 */
#include "lock.bpf.h"
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
	r->owner = lock_owner(l);
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
	r->owner = lock_owner(l);
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

static __always_inline void fill_wanted(void *request, struct lens_rec_lock *r)
{
	r->wanted = (__u64)lock_file(request);
	r->wanted_owner = lock_owner(request);
	r->wanted_exclusive = lock_is_exclusive(request);
	r->wanted_start = BPF_CORE_READ((struct file_lock *)request, fl_start);
	r->wanted_end = BPF_CORE_READ((struct file_lock *)request, fl_end);
}

int stuck_locks(__u64 task, __u64 end)
{
	struct task_struct *t = (struct task_struct *)task;
	void *request = (void *)stuck_queued(task, end, QUEUED_LOCK, 1);
	struct inode *inode = BPF_CORE_READ(lock_file(request), f_inode);
	struct file_lock_context *ctx = BPF_CORE_READ(inode, i_flctx);
	struct lock_walk w = {};

	if (!request || !ctx)
		return 0;
	fill_wanted(request, &w.r);
	w.r.tid = BPF_CORE_READ(t, pid);
	w.r.ino = BPF_CORE_READ(inode, i_ino);
	w.r.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	w.head = (void *)ctx + bpf_core_field_offset(struct file_lock_context, flc_flock);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lock_next, &w, 0);
	w.head = (void *)ctx + bpf_core_field_offset(struct file_lock_context, flc_posix);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lock_next, &w, 0);
	return 0;
}

/* ----------------------------------------------------------------------- leases */

struct lease_walk {
	void *head, *at;
	bool exclusive; /* wanted so */
	struct lens_rec_lock r;
};

static long lease_next(__u32 i, struct lease_walk *w)
{
	void *lease = w->at - lock_list_offset();

	if (!w->at || w->at == w->head)
		return 1;
	w->r.exclusive = lock_is_exclusive(lease);
	if (lock_flags(lease) & KDEF_FL_LEASE && (w->exclusive || w->r.exclusive)) {
		w->r.file = (__u64)lock_file(lease);
		rec_init(&w->r.h, LENS_REC_LOCK, sizeof(w->r));
		w->r.h.flags = LENS_F_SNAPSHOT;
		core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	}
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at) != 0;
}

#define BLOCKERS_MAX 4 /* of requests that wait for each other, and for the lease */

int stuck_leases(struct task_struct *t)
{
	void *breaker = (void *)stuck_queued(
		ident_address(t), ident_address((void *)bpf_task_pt_regs(t)), QUEUED_LEASE, 1);
	struct lease_walk w = { .r = { .tid = t->pid, .flags = LENS_LOCK_LEASE } };
	struct inode *inode;
	void *lease;

	if (!breaker)
		return 0;
	w.exclusive = lock_is_exclusive(breaker);
	lease = lock_blocker(breaker);
	for (int i = 0; i < BLOCKERS_MAX && lease && !lock_file(lease); i++)
		lease = lock_blocker(lease);
	inode = BPF_CORE_READ(lock_file(lease), f_inode);
	w.r.ino = BPF_CORE_READ(inode, i_ino);
	w.r.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	w.head = (void *)BPF_CORE_READ(inode, i_flctx) +
		 bpf_core_field_offset(struct file_lock_context, flc_lease);
	if (lease && !bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(LOCKS_MAX, lease_next, &w, 0);
	return 0;
}
