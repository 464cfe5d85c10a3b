// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What poll(2) and select(2) wait for: the files that they were given, whatever their descriptors
 * stand for by now, at whose wait queues they are.
 */
#include "stuck.bpf.h"

#define POLLED_MAX 511 /* of one record; a mask, which verifiers believe longer than a bound */
#define PARTS_MAX 3
#define SEQ_BYTES 32768 /* bpf_seq_read(), kernel/bpf/bpf_iter.c: of all that is told of a task */

_Static_assert(sizeof(struct lens_rec_memory) + (POLLED_MAX + 1) * sizeof(struct lens_polled) <=
	       SCRATCH_SIZE + SCRATCH_SLACK, "room for a record");

_Static_assert(PARTS_MAX * (sizeof(struct lens_rec_memory) +
			    POLLED_MAX * sizeof(struct lens_polled)) < SEQ_BYTES,
	       "room for a task");

struct poll_walk {
	__u64 at, end;	/* the next one, and behind the last that follows it */
	__u64 page;	/* where more are */
	__u32 count;	/* in this record */
};

static long polled_next(__u32 i, struct poll_walk *w)
{
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct poll_table_page *page = (void *)w->page;
	struct poll_table_entry *e;
	struct lens_polled *p;

	if (!s || i >= POLLED_MAX)
		return 1;
	if (w->at >= w->end) {
		if (!page)
			return 1;
		w->at = w->page + bpf_core_field_offset(struct poll_table_page, entries);
		w->end = (__u64)core_load(page, entry);
		w->page = (__u64)core_load(page, next);
	}
	e = (void *)w->at;
	barrier_var(i);
	p = (void *)s->data + sizeof(struct lens_rec_memory) + (i & POLLED_MAX) * sizeof(*p);
	p->file = (__u64)core_load(e, filp);
	p->events = core_load(e, key);
	p->pad = 0;
	w->at += bpf_core_type_size(struct poll_table_entry);
	w->count = i + 1;
	return 0;
}

static __noinline int tell(struct task_struct *t, struct seq_file *seq, __u32 call, __u32 count,
			   bool more)
{
	__u32 which = SCRATCH_LOOK, len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_memory *r = (void *)s;

	if (!s || count > POLLED_MAX)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	len = sizeof(*r) + count * sizeof(struct lens_polled);
	rec_init(&r->h, LENS_REC_MEMORY, len);
	r->h.flags = LENS_F_SNAPSHOT | (more ? LENS_F_TRUNCATED : 0);
	ident_proc(t, &r->proc);
	r->tid = t->pid;
	r->call = call;
	r->size = count * sizeof(struct lens_polled);
	bpf_seq_write(seq, s, len);
	return 0;
}

int stuck_polled(struct task_struct *t, struct seq_file *seq, __u32 call)
{
	struct poll_wqueues *q = (void *)stuck_queued(
		ident_address(t), ident_address((void *)bpf_task_pt_regs(t)), QUEUED_POLL, 1);
	struct poll_walk w = {};

	if (!q)
		return 0;
	w.at = (__u64)q + bpf_core_field_offset(struct poll_wqueues, inline_entries);
	w.end = w.at + core_load(q, inline_index) * bpf_core_type_size(struct poll_table_entry);
	w.page = (__u64)core_load(q, table);
	for (int part = 0; part < PARTS_MAX && (w.at < w.end || w.page); part++) {
		w.count = 0;
		bpf_loop(POLLED_MAX, polled_next, &w, 0);
		tell(t, seq, call, w.count, w.at < w.end || w.page);
	}
	return 0;
}
