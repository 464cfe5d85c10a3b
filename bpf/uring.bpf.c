// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring: what it moves passes no system call of its own, with SQPOLL none
 * at all. It completes the `sys` variants, which see system calls only; hooks
 * at function level see it anyway. Counted is what the ring posts completions
 * of, for the process that submitted it; what posts none is counted as unseen
 * when it is submitted.
 */
#include "eventfd.bpf.h"
#include "fd.bpf.h"
#include "ktypes_uring.bpf.h"
#include "pipe.bpf.h"
#include "sock.bpf.h"

/* how the tracepoint io_uring_complete hands the result over; v6.16: in the CQE */
const volatile bool lens_uring_flat = false;

static __always_inline struct task_struct *uring_owner(struct io_kiocb *req)
{
	struct io_kiocb___pre613 *old = (void *)req;

	if (bpf_core_field_exists(old->task))
		return BPF_CORE_READ(old, task);
	return BPF_CORE_READ(req, tctx, task);
}

/*
 * What sockets move is counted where their calls end, which know what was a look, and where a
 * message went: here it is just known to be missing. An empty datagram is a message, too.
 */
static __noinline int uring_is_socket(struct file *file, __s64 ret)
{
	struct lens_total_key key = {};

	if (!ident_sock_probe(ident_file_sock(file), &key))
		return false;
	if (lens_sys_kinds >> (key.kind & 63) & 1 &&
	    (ret > 0 || (!ret && (key.kind == LENS_KIND_UDP || key.kind == LENS_KIND_UNIX_DGRAM))))
		loss_add(key.kind, LENS_LOSS_UNSEEN, 1, 0);
	return true;
}

/* one end of an operation; file and owner are addresses */
static __always_inline int uring_count(struct task_struct *owner, struct file *file, __u32 dir,
				       __s64 ret, __u32 asked)
{
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = ret > 0 && ret < asked };

	if (lens_sys_kinds & KINDS_SOCK && uring_is_socket(file, ret))
		return 0;
	return fd_count_file((__u64)owner, (__u64)file, dir, &call, lens_sys_kinds & ~KINDS_SOCK);
}

/* the same of a read or a write; place: of the value, if it goes to an eventfd */
static __noinline int uring_rw(struct io_kiocb *req, __u32 dir, __s64 ret, __u32 place)
{
	struct io_rw *rw = (struct io_rw *)req;
	struct file *file = BPF_CORE_READ(req, file);
	__u32 asked = place == EVENTFD_BUFFER ? BPF_CORE_READ(rw, len) : 0;

	if (lens_sys_kinds & KIND_BIT(LENS_KIND_EVENTFD))
		ret = eventfd_amount((__u64)file, dir, ret, BPF_CORE_READ(rw, addr), place);
	return uring_count(uring_owner(req), file, dir, ret, asked);
}

/* is anything but a splice out of a socket counted by completions? */
static __always_inline bool uring_counts(void)
{
	return lens_sys_kinds & ~KIND_BIT(LENS_KIND_NONE);
}

static __always_inline void uring_unseen(void)
{
	loss_add(LENS_KIND_NONE, LENS_LOSS_UNSEEN, 1, 0);
}

/* the file read from: by descriptor, which the owner may have closed meanwhile */
static __noinline int uring_splice_in(struct task_struct *owner, struct io_splice *op, __s64 ret)
{
	struct file *in = NULL;

	if (!(BPF_CORE_READ(op, flags) & KDEF_SPLICE_F_FD_IN_FIXED))
		in = ident_fd_probe(owner, BPF_CORE_READ(op, splice_fd_in));
	/* by a thread of the owner's process, see uring_completed() */
	if (lens_splice_kinds && sock_is_spliced(in))
		sock_returned((__u64)in, LENS_READ, ret, 0, lens_splice_kinds);
	if (in)
		return uring_count(owner, in, LENS_READ, ret, 0);
	if (ret > 0)
		uring_unseen();
	return 0;
}

/* operations that only sockets have */
static __always_inline bool uring_is_message(__u32 opcode)
{
	switch (opcode) {
	case KDEF_IORING_OP_SENDMSG:
	case KDEF_IORING_OP_RECVMSG:
	case KDEF_IORING_OP_SEND:
	case KDEF_IORING_OP_RECV:
	case KDEF_IORING_OP_SEND_ZC:
	case KDEF_IORING_OP_SENDMSG_ZC:
		return true;
	}
	return false;
}

/* in the owner's table of descriptors, which its workers share */
static __noinline int uring_opened(struct io_kiocb *req, __s64 ret)
{
	if (!(lens_sys_kinds & KIND_BIT(LENS_KIND_FIFO)) || !bpf_core_type_exists(struct io_open) ||
	    BPF_CORE_READ((struct io_open *)req, file_slot))
		return 0;
	return pipe_opened(ret);
}

/* a completed operation on a file; other classes of operations have their place here */
static __noinline int uring_completed(struct io_kiocb *req, __s64 ret)
{
	__u32 opcode = BPF_CORE_READ(req, opcode);
	struct task_struct *owner = uring_owner(req);
	struct file *file = BPF_CORE_READ(req, file);

	if (opcode == KDEF_IORING_OP_OPENAT || opcode == KDEF_IORING_OP_OPENAT2)
		return uring_opened(req, ret);
	if (!file || !owner || is_restart(ret))
		return 0;
	/* the owner has ended, or lets another process's thread poll its ring */
	if (BPF_CORE_READ(owner, tgid) != bpf_get_current_pid_tgid() >> 32) {
		if (ret > 0 && (uring_counts() || opcode == KDEF_IORING_OP_SPLICE))
			uring_unseen();
		return 0;
	}
	switch (opcode) {
	case KDEF_IORING_OP_READ:
	case KDEF_IORING_OP_READ_FIXED:
		return uring_rw(req, LENS_READ, ret, EVENTFD_BUFFER);
	case KDEF_IORING_OP_READV:
	case KDEF_IORING_OP_READV_FIXED:
		/* the vector need not be there any more */
		return uring_rw(req, LENS_READ, ret, EVENTFD_UNKNOWN);
	case KDEF_IORING_OP_WRITE:
	case KDEF_IORING_OP_WRITE_FIXED:
		return uring_rw(req, LENS_WRITE, ret, EVENTFD_BUFFER);
	case KDEF_IORING_OP_WRITEV:
	case KDEF_IORING_OP_WRITEV_FIXED:
		return uring_rw(req, LENS_WRITE, ret, EVENTFD_UNKNOWN);
	case KDEF_IORING_OP_SPLICE:
		uring_splice_in(owner, (struct io_splice *)req, ret);
		return uring_count(owner, file, LENS_WRITE, ret, 0);
	case KDEF_IORING_OP_TEE:	/* copies; the source keeps its bytes */
		return uring_count(owner, file, LENS_WRITE, ret, 0);
	}
	return uring_is_message(opcode) && lens_sys_kinds & KINDS_SOCK ?
		uring_is_socket(file, ret) : 0;
}

SEC("?tp_btf/io_uring_complete")
int uring__ring_any__complete(__u64 *args)
{
	struct io_kiocb *req = (void *)args[1];
	struct io_uring_cqe *cqe;
	__s32 ret;

	if (!req)
		return 0;	/* one of many of a multishot operation */
	if (lens_uring_flat) {
		ret = args[3];
	} else {
		cqe = (void *)args[2];
		ret = BPF_CORE_READ(cqe, res);
	}
	return uring_completed(req, ret);
}

/* -------------------------------------------- operations without a completion */

/* the descriptor is resolved only when the operation begins; a registered file has none */
static __always_inline bool uring_may_be_channel(struct io_kiocb *req, __u64 flags)
{
	struct lens_total_key key = {};
	struct file *file;
	__u32 kind;

	if (flags & KDEF_REQ_F_FIXED_FILE)
		return true;
	file = ident_fd_probe(uring_owner(req), BPF_CORE_READ(req, cqe.fd));
	kind = ident_file((__u64)file, &key);
	return kind && lens_sys_kinds >> (kind & 63) & 1;
}

static __always_inline bool uring_moves_bytes(__u32 opcode)
{
	switch (opcode) {
	case KDEF_IORING_OP_READ:
	case KDEF_IORING_OP_READ_FIXED:
	case KDEF_IORING_OP_READV:
	case KDEF_IORING_OP_READV_FIXED:
	case KDEF_IORING_OP_READ_MULTISHOT:
	case KDEF_IORING_OP_WRITE:
	case KDEF_IORING_OP_WRITE_FIXED:
	case KDEF_IORING_OP_WRITEV:
	case KDEF_IORING_OP_WRITEV_FIXED:
	case KDEF_IORING_OP_SPLICE:
	case KDEF_IORING_OP_TEE:
		return true;
	}
	return uring_is_message(opcode);
}

/* its completions, all but the last one, are told of without the operation */
static __always_inline bool uring_is_multishot(struct io_kiocb *req, __u32 opcode)
{
	if (opcode == KDEF_IORING_OP_RECV || opcode == KDEF_IORING_OP_RECVMSG)
		return BPF_CORE_READ((struct io_sr_msg *)req, flags) & KDEF_IORING_RECV_MULTISHOT;
	return opcode == KDEF_IORING_OP_READ_MULTISHOT;
}

/* of a splice out of one, hooks of sockets see nothing */
static __always_inline bool uring_may_drain_socket(struct io_kiocb *req, __u32 opcode)
{
	struct io_splice *op = (struct io_splice *)req;

	if (!lens_splice_kinds || opcode != KDEF_IORING_OP_SPLICE)
		return false;
	return BPF_CORE_READ(op, flags) & KDEF_SPLICE_F_FD_IN_FIXED ||
	       sock_is_spliced(ident_fd_probe(uring_owner(req), BPF_CORE_READ(op, splice_fd_in)));
}

static __always_inline int uring_submitted(struct io_kiocb *req)
{
	__u64 flags = BPF_CORE_READ(req, flags);
	__u32 opcode = BPF_CORE_READ(req, opcode);

	if (!(flags & KDEF_REQ_F_CQE_SKIP) && !uring_is_multishot(req, opcode))
		return 0;
	if (uring_may_drain_socket(req, opcode) ||
	    (uring_counts() && uring_moves_bytes(opcode) && uring_may_be_channel(req, flags)))
		uring_unseen();
	return 0;
}

SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(uring__ring__submit, struct io_kiocb *req)
{
	return uring_submitted(req);
}

/* the completion queue was full: told without the operation, which may have been anything */
SEC("?tp_btf/io_uring_cqe_overflow")
int BPF_PROG(uring__ring__overflow, void *ctx_unused, __u64 user_data, __s32 ret)
{
	if (ret > 0 && (uring_counts() || lens_splice_kinds))
		uring_unseen();
	return 0;
}

/* before v6.4; io_uring_complete fires here before the queue is found full */
SEC("?tp_btf/io_uring_submit_sqe")
int BPF_PROG(uring__ring61__submit, struct io_kiocb *req)
{
	return uring_submitted(req);
}
