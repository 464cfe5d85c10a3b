// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pipes and fifos: hooks at function level, which are free for every other system call and see what
 * io_uring and kernel threads do. The functions behind read and write were
 * split by kind of pipe in v6.14.
 */
#include "fd.bpf.h"
#include "pipe.bpf.h"
#include "tables.bpf.h"

int pipe_opened(__s64 fd)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct lens_total_key key = {};
	struct lens_rec_open r = {};
	struct pipe_inode_info *pipe;
	struct lens_proc unused;
	struct file *file;

	if (fd < 0)
		return 0;
	file = ident_fd_probe(t, fd);
	if (!file || !ident_pipe_probe(file, &key) || key.kind != LENS_KIND_FIFO)
		return 0;
	ident_split(&key, &r.chan, &unused);
	/* the one it had may have been forgotten while nobody had it open */
	chan_keep_inode(&key, (__u64)file);
	ident_proc(t, &r.proc);
	r.fd = fd;
	r.mode = BPF_CORE_READ(file, f_mode) & (KDEF_FMODE_READ | KDEF_FMODE_WRITE);
	pipe = BPF_CORE_READ(file, f_inode, i_pipe);
	/* alloc_pipe_info() starts both at 1 */
	r.reader_opens = BPF_CORE_READ(pipe, r_counter) - 1;
	r.writer_opens = BPF_CORE_READ(pipe, w_counter) - 1;
	rec_init(&r.h, LENS_REC_OPEN, sizeof(r));
	core_emit(&r, sizeof(r), LENS_KIND_FIFO);
	return 0;
}

/* ------------------------------------------------------------ function hooks */

int pipe_returned(__u64 file, __u32 dir, __s64 ret, __u32 is_short)
{
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	struct lens_total_key key;

	if (is_restart(ret))
		return 0;
	if (!ident_pipe_at((struct file *)file, &key))
		return 0;
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, (struct file *)file, FILE_PIPE, &call);
}

static __noinline int pipe_missed(__u64 *ctx, __u32 dir)
{
	struct kiocb *iocb = (void *)ctx[0];
	struct iov_iter *iter = (void *)ctx[1];
	__s64 ret = ctx[2];

	return pipe_returned(ident_address(iocb->ki_filp), dir, ret, ret > 0 && iter->count > 0);
}

static __noinline int pipe_followed(__u64 *ctx, __u32 dir, __u64 left)
{
	struct kiocb *iocb = (void *)ctx[0];
	struct iov_iter *iter = (void *)ctx[1];

	return pipe_follow(left, ident_address(iocb->ki_filp), dir, ctx[2], iter->count > 0);
}

/*
 * ctx: (iocb, iterator, returned), read when it is needed: over a call of a helper it would
 * have to be kept. Trusted pointers, which the verifier is slower with: loads through them are
 * cheaper.
 */
static __always_inline int pipe_io(__u64 *ctx, __u32 dir)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct kiocb *iocb = (void *)ctx[0];
	struct iov_iter *iter;
	struct hit h;
	__u64 left;

	if ((__s64)ctx[2] <= 0 || !pipe_hit(&h, iocb->ki_filp, t, dir, true)) {
		pipe_missed(ctx, dir);
		return 0;
	}
	iter = (void *)ctx[1];
	h.slot->bytes += ctx[2];
	if (iter->count)
		h.slot->shorts++;
	left = hit_end(&h);
	if (left != TOTALS_DONE)
		pipe_followed(ctx, dir, left);
	return 0;
}

static __always_inline void pipe_moved(struct file *file, __u32 dir, __s64 ret)
{
	pipe_returned(ident_address(file), dir, ret, false);
}

SEC("?fexit/pipe_write")
int pipe__fexit__write(__u64 *ctx)
{
	return pipe_io(ctx, LENS_WRITE);
}

SEC("?fexit/pipe_read")
int pipe__fexit__read(__u64 *ctx)
{
	return pipe_io(ctx, LENS_READ);
}

/* ---------------------------------------------------------- v6.14 and later */

SEC("?fexit/anon_pipe_write")
int pipe__fexit614__anon_write(__u64 *ctx)
{
	return pipe_io(ctx, LENS_WRITE);
}

SEC("?fexit/anon_pipe_read")
int pipe__fexit614__anon_read(__u64 *ctx)
{
	return pipe_io(ctx, LENS_READ);
}

/* the fifo functions call the anonymous ones and add time stamps: one hook counts both */

/* ---------------------------------------------------- part of either variant */

SEC("?fexit/do_splice")
int BPF_PROG(pipe__fexit_any__splice, struct file *in, void *in_offset, struct file *out,
	     void *out_offset, unsigned long size, unsigned int flags, long ret)
{
	if (is_restart(ret))
		return 0;
	pipe_moved(in, LENS_READ, ret);
	pipe_moved(out, LENS_WRITE, ret);
	return 0;
}

SEC("?fexit/do_tee")
int BPF_PROG(pipe__fexit_any__tee, struct file *in, struct file *out, unsigned long size,
	     unsigned int flags, long ret)
{
	if (is_restart(ret))
		return 0;
	pipe_moved(out, LENS_WRITE, ret);
	return 0;
}

SEC("?fexit/__x64_sys_vmsplice")
int BPF_PROG(pipe__fexit_any__vmsplice, struct pt_regs *regs, long ret)
{
	fd_count_pipe(regs->di, fd_dir(regs->di), ret);
	return 0;
}

SEC("?fexit/__x64_sys_sendfile64")
int BPF_PROG(pipe__fexit_any__sendfile, struct pt_regs *regs, long ret)
{
	fd_count_pipe(regs->di, LENS_WRITE, ret);
	return 0;
}

/* whoever opens it, io_uring and open_by_handle_at(2), too */
SEC("?fexit/fifo_open")
int BPF_PROG(pipe__fexit_any__fifo, struct inode *inode, struct file *file, int ret)
{
	struct lens_total_key key = {};
	__u64 address = ident_address(file);

	if (!ret && ident_pipe_at((struct file *)address, &key) && key.kind == LENS_KIND_FIFO)
		chan_keep_inode(&key, address);
	return 0;
}

SEC("?fexit/do_sys_openat2")
int BPF_PROG(pipe__fexit_any__open, int dir, const char *path, void *how, long ret)
{
	pipe_opened((int)ret);
	return 0;
}
