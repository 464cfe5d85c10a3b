// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pseudo-terminals: hooks at function level. Both ends, and /dev/tty, are read
 * and written through the same two functions, splice(2) and io_uring included.
 */
#include "birth.bpf.h"
#include "fd.bpf.h"
#include "pty.bpf.h"

static __always_inline int pty_made(struct file *file)
{
	struct lens_total_key key = {};
	struct lens_chan number;
	struct lens_proc unused;

	if (!ident_pty(file, &key) || key.gen & LENS_PTY_SLAVE)
		return 0;
	ident_split(&key, &number, &unused);
	birth_add(&number);
	return 0;
}

int pty_opened(__s64 fd)
{
	struct file *file = NULL;

	if (fd >= 0)
		file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);
	return file ? pty_made(file) : 0;
}

/* ------------------------------------------------------------ function hooks */

static __always_inline int pty_io(__u64 file, __u32 dir, __s64 ret)
{
	struct call call = { .ret = ret, .moved = ret > 0 };
	struct lens_total_key key = {};

	if (is_restart(ret) || ident_file(file, &key) != LENS_KIND_PTY)
		return 0;
	call.is_short = pty_is_packet((struct file *)file, dir, ret);
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, (struct file *)file, 0, &call);
}

SEC("?fexit/tty_write")
int BPF_PROG(pty__fexit__write, struct kiocb *iocb, struct iov_iter *from, long ret)
{
	return pty_io(ident_address(iocb->ki_filp), LENS_WRITE, ret);
}

SEC("?fexit/tty_read")
int BPF_PROG(pty__fexit__read, struct kiocb *iocb, struct iov_iter *to, long ret)
{
	return pty_io(ident_address(iocb->ki_filp), LENS_READ, ret);
}

SEC("?fexit/ptmx_open")
int BPF_PROG(pty__fexit__made, struct inode *inode, struct file *file, int ret)
{
	return ret ? 0 : pty_made((void *)ident_address(file));
}
