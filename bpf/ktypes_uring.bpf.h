/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * io_uring: the part of ktypes.h that only few programs need.
 */
#ifndef LENS_KTYPES_URING_BPF_H
#define LENS_KTYPES_URING_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_open {
	__u32 file_slot;	/* 0: a descriptor is made */
};

struct io_cqe {
	int fd;			/* until the operation begins */
};

/* a map of BPF */
struct bpf_array {
	void *pptrs[0];
};

struct percpu_counter {
	__s64 count;
	__s32 *counters;	/* per processor, not yet in count */
};

/* of one thread */
struct io_uring_task {
	struct task_struct *task;	/* v6.13 */
	struct xarray xa;		/* rings it has made or used, and nobody has closed */
	struct file *registered_rings[16];	/* IO_RINGFD_REG_MAX */
	int cached_refs;		/* part of inflight, of no request yet */
	struct percpu_counter inflight;	/* its requests that are not over */
};

struct io_hash_bucket {
	struct hlist_head list;
};

struct io_hash_table {
	struct io_hash_bucket *hbs;
	unsigned int hash_bits;
};

/* a ring */
struct io_ring_ctx {
	unsigned int flags;		/* IORING_SETUP_* */
	/* requests to be told when a file is ready */
	struct io_hash_table cancel_table;
	struct list_head timeout_list, ltimeout_list;
	/* requests that are neither there nor at a worker; each list begins with a pointer */
	struct list_head defer_list;
	struct list_head iopoll_list;
	struct list_head waitid_list;		/* v6.7 */
	struct list_head futex_list;		/* v6.7 */
	struct list_head cancelable_uring_cmd;	/* v6.7 */
	struct list_head tctx_list;	/* io_tctx_node: who has made or used it */
};

/* v6.1 and v6.12 have two tables, v6.18 has one */
struct io_ring_ctx___two_tables {
	struct io_hash_table cancel_table_locked;
};

struct io_tctx_node {
	struct list_head ctx_node;
	struct task_struct *task;
};

struct io_wq_work;

/* a thread that carries out requests which may block; task_struct.worker_private */
struct io_worker {
	struct io_wq_work *cur_work;
};

struct io_poll {
	__u32 events;
};

struct async_poll {
	struct io_poll poll;
};

struct io_wq_work {
	int cancel_seq;
};

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u32 flags;		/* v6.9: 64 bits wide; the low ones are the same */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx;
	struct hlist_node hash_node;
	struct async_poll *apoll;
	struct io_wq_work work;
};

struct io_kiocb___pre613 {
	struct task_struct *task;
};

/* the operation's own part of a request begins where the request does */
struct io_rw {
	__u64 addr;
	__u32 len;
};

struct io_sr_msg {
	__u16 flags;		/* what an SQE has as ioprio */
};

struct io_splice {
	int splice_fd_in;
	__u32 flags;
};

struct io_uring_cqe {
	__s32 res;
};

#pragma clang attribute pop

#endif
