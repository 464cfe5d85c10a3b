// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring: what the requests under way wait for. A request is told when its
 * file is ready, and is found in a table of its ring then; or a thread of the
 * kernel's, in the process it works for, is blocked in its place. What is in
 * neither place is known by number only: each thread counts its requests.
 */
#include "stuck.bpf.h"

/* ------------------------------------------------------------------- requests */

static __always_inline struct task_struct *owner_of(struct io_kiocb *req)
{
	struct io_kiocb___pre613 *old = (void *)req;

	if (bpf_core_field_exists(old->task))
		return BPF_CORE_READ(old, task);
	return BPF_CORE_READ(req, tctx, task);
}

static __always_inline void fill_request(__u64 request, struct lens_rec_request *r)
{
	struct io_kiocb *req = (void *)request;
	struct task_struct *owner = owner_of(req);

	r->request = request;
	r->ring = (__u64)BPF_CORE_READ(req, ctx);
	r->file = (__u64)BPF_CORE_READ(req, file);
	r->tid = BPF_CORE_READ(owner, pid);
	r->operation = BPF_CORE_READ(req, opcode);
	r->flags = BPF_CORE_READ(req, flags) & KDEF_REQ_F_FIXED_FILE ? LENS_REQUEST_FIXED : 0;
	rec_init(&r->h, LENS_REC_REQUEST, sizeof(*r));
	r->h.flags = LENS_F_SNAPSHOT;
}

/* what a request in the table is told of: one to poll says so itself, at the start of it */
static __always_inline __u32 events_of(__u64 request, __u32 operation)
{
	if (operation == KDEF_IORING_OP_POLL_ADD)
		return BPF_CORE_READ((struct io_poll *)request, events);
	return BPF_CORE_READ((struct io_kiocb *)request, apoll, poll.events);
}

/* ----------------------------------------------------------------------- rings */

struct table_walk {
	__u64 ring;
	__u32 left; /* requests that may be read yet */
	struct io_hash_bucket *buckets;
	struct hlist_node *at;
};

static long table_request(__u32 i, struct table_walk *w)
{
	struct lens_rec_request r = {};
	struct hlist_node *node = w->at;
	__u64 request = (__u64)node - bpf_core_field_offset(struct io_kiocb, hash_node);

	if (!node || !w->left)
		return 1;
	w->left--;
	fill_request(request, &r);
	/* over meanwhile, and its memory is somebody else's */
	if (r.ring != w->ring)
		return 1;
	r.events = events_of(request, r.operation);
	core_emit(&r, sizeof(r), LENS_KIND_NONE);
	w->at = BPF_CORE_READ(node, next);
	return 0;
}

#define REQUESTS_MAX 16384 /* of one ring; of more it is told that there are */
#define BUCKETS_MAX_BITS 12 /* the kernel makes 8 of them at most; of more none are read */

static long table_bucket(__u32 i, struct table_walk *w)
{
	struct io_hash_bucket *b =
		(void *)w->buckets + i * bpf_core_type_size(struct io_hash_bucket);

	w->at = BPF_CORE_READ(b, list.first);
	bpf_loop(REQUESTS_MAX, table_request, w, 0);
	return 0;
}

/* zero, which the verifier does not know: it would follow a counter it knows to the end */
static volatile __u32 walk_zero;

/* requests that may be read yet, of so many */
static __noinline __u32 walk_table(struct io_ring_ctx *ring, struct io_hash_table *table,
				   __u32 left)
{
	struct table_walk w = {
		.ring = (__u64)ring, .left = left + walk_zero, .buckets = BPF_CORE_READ(table, hbs),
	};
	__u32 bits = BPF_CORE_READ(table, hash_bits);

	if (!w.buckets || bits > BUCKETS_MAX_BITS)
		return 0;
	bpf_loop(1u << bits, table_bucket, &w, 0);
	return w.left;
}

struct submitters_walk {
	void *head, *at;
	struct lens_rec_submitter r;
};

static long submitter(__u32 i, struct submitters_walk *w)
{
	struct io_tctx_node *n = w->at - bpf_core_field_offset(struct io_tctx_node, ctx_node);

	if (!w->at || w->at == w->head)
		return 1;
	w->r.tid = BPF_CORE_READ(n, task, pid);
	rec_init(&w->r.h, LENS_REC_SUBMITTER, sizeof(w->r));
	w->r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at) != 0;
}

/* also where it cannot be read */
static __always_inline bool has_some(void *list)
{
	void *first = NULL;

	return bpf_probe_read_kernel(&first, sizeof(first), list) || (first && first != list);
}

#define RING_HAS(ring, list)						\
	(bpf_core_field_exists((ring)->list) &&				\
	 has_some((void *)(ring) + bpf_core_field_offset((ring)->list)))

static __always_inline __u32 flags_of(struct io_ring_ctx *ring)
{
	__u32 flags = 0;

	if (RING_HAS(ring, timeout_list) || RING_HAS(ring, ltimeout_list))
		flags |= LENS_RING_TIMED;
	if (BPF_CORE_READ(ring, flags) & KDEF_IORING_SETUP_SQPOLL)
		flags |= LENS_RING_POLLED;
	if (RING_HAS(ring, defer_list) || RING_HAS(ring, iopoll_list) ||
	    RING_HAS(ring, waitid_list) || RING_HAS(ring, futex_list) ||
	    RING_HAS(ring, cancelable_uring_cmd))
		flags |= LENS_RING_OTHERS;
	return flags;
}

#define SUBMITTERS_MAX 4096

static __noinline int walk_submitters(struct io_ring_ctx *ring, __u32 flags)
{
	struct submitters_walk w = { .r.ring = (__u64)ring, .r.flags = flags };

	w.head = (void *)ring + bpf_core_field_offset(struct io_ring_ctx, tctx_list);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(SUBMITTERS_MAX, submitter, &w, 0);
	if (w.at == w.head)
		return 0;
	w.r.tid = 0;
	w.r.flags |= LENS_RING_OTHERS;
	rec_init(&w.r.h, LENS_REC_SUBMITTER, sizeof(w.r));
	w.r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w.r, sizeof(w.r), LENS_KIND_NONE);
	return 0;
}

int stuck_ring(__u64 address)
{
	struct io_ring_ctx *ring = (void *)address;
	struct io_ring_ctx___two_tables *old = (void *)ring;
	__u32 left = REQUESTS_MAX, flags = flags_of(ring);

	if (bpf_core_field_exists(old->cancel_table_locked))
		left = walk_table(ring,
				  (void *)ring + bpf_core_field_offset(old->cancel_table_locked),
				  left);
	left = walk_table(ring, (void *)ring + bpf_core_field_offset(ring->cancel_table), left);
	if (!left)
		flags |= LENS_RING_OTHERS;
	walk_submitters(ring, flags);
	return 0;
}

/* --------------------------------------------------------------------- threads */

/*
 * Where a processor's own part of a variable is follows from a map that each has
 * its own part of: the kernel's symbols are not there for everybody.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lens_own_parts SEC(".maps");

struct count {
	__u64 parts;	/* address of what to count, common to all processors */
	__u64 own;	/* the same of the map's value */
	__s64 sum;
};

static long count_of(__u32 processor, struct count *c)
{
	__u32 zero = 0;
	void *part = bpf_map_lookup_percpu_elem(&lens_own_parts, &zero, processor);
	__s32 count = 0;

	if (!part)
		return 1;
	bpf_probe_read_kernel(&count, sizeof(count),
			      (void *)(c->parts + (ident_address(part) - c->own)));
	c->sum += count;
	return 0;
}

#define PROCESSORS_MAX 8192

/* requests of a task that are not over */
static __always_inline __u32 requests_of(struct io_uring_task *u)
{
	void *map = (void *)ident_address(&lens_own_parts);
	struct count c = { .parts = (__u64)BPF_CORE_READ(u, inflight.counters) };

	bpf_probe_read_kernel(&c.own, sizeof(c.own),
			      map + bpf_core_field_offset(struct bpf_array, pptrs));
	c.sum = BPF_CORE_READ(u, inflight.count) - BPF_CORE_READ(u, cached_refs);
	bpf_loop(PROCESSORS_MAX, count_of, &c, 0);
	return c.sum;
}

/* who has registered a ring can use it without a descriptor */
static __always_inline void fill_registered(struct io_uring_task *u, struct lens_rec_uring *r)
{
	for (__u32 i = 0; i < LENS_RINGS_REGISTERED; i++) {
		struct file *f = BPF_CORE_READ(u, registered_rings[i]);

		r->registered[i] = f ? (__u64)BPF_CORE_READ(f, private_data) : 0;
	}
}

/* the ring that io_uring_enter(2) is about, by its descriptor or its place among those in r */
static __always_inline __u64 ring_of_call(struct task_struct *t, const struct lens_rec_uring *r,
					  __u32 fd, __u32 flags)
{
	struct file *f;

	if (flags & KDEF_IORING_ENTER_REGISTERED_RING) {
		if (fd >= LENS_RINGS_REGISTERED)
			return 0;
		barrier_var(fd);
		return r->registered[fd & (LENS_RINGS_REGISTERED - 1)];
	}
	f = ident_fd_probe(t, fd);
	return f ? (__u64)BPF_CORE_READ(f, private_data) : 0;
}

/* the request that a thread of io_uring's works on; told of where there is one */
static __always_inline __u64 work_of(struct task_struct *t, struct seq_file *seq)
{
	struct io_worker *worker = BPF_CORE_READ(t, worker_private);
	struct io_wq_work *work = BPF_CORE_READ(worker, cur_work);
	struct lens_rec_request r = {};

	if (!work)
		return 0;
	fill_request((__u64)work - bpf_core_field_offset(struct io_kiocb, work), &r);
	bpf_seq_write(seq, &r, sizeof(r));
	return r.request;
}

SEC("?iter/task")
int stuck__iter__urings(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	__u32 which = SCRATCH_LOOK, nr, flags = 0;
	struct lens_rec_uring *r = bpf_map_lookup_elem(&lens_scratch, &which);
	struct call_args a = {};
	struct io_uring_task *u;
	bool works;

	if (!r || !t || t->flags & KDEF_PF_KTHREAD)
		return 0;
	u = BPF_CORE_READ(t, io_uring);
	works = BPF_CORE_READ(t, worker_private);
	/* a thread that takes in requests of its own accord (SQPOLL) may do anything at any time */
	if (t->flags & KDEF_PF_IO_WORKER ? !works : !u)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	if (t->flags & KDEF_PF_IO_WORKER)
		r->request = work_of(t, ctx->meta->seq);
	r->tid = t->pid;
	if (u) {
		r->requests = requests_of(u);
		fill_registered(u, r);
	}
	if (u && stuck_call(t, &nr, &flags, &a) == LENS_CALL_IO_URING_ENTER) {
		r->ring = ring_of_call(t, r, a.arg[0], a.arg[3]);
		/* maybe nobody has a descriptor of it any more */
		if (r->ring && a.arg[3] & KDEF_IORING_ENTER_REGISTERED_RING)
			stuck_ring(r->ring);
	}
	rec_init(&r->h, LENS_REC_URING, sizeof(*r));
	r->h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(ctx->meta->seq, r, sizeof(*r));
	return 0;
}
