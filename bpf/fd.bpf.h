/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting what went through a descriptor, whatever kind of channel it is.
 * For calls that are not hot. Global functions: the verifier walks them once,
 * and they find the current task themselves.
 */
#ifndef LENS_FD_BPF_H
#define LENS_FD_BPF_H

#include "kinds.bpf.h"
#include "totals.bpf.h"

/* which kinds the end of system calls counts; set by user space before loading */
extern const volatile __u64 lens_sys_kinds;
/* ... and of which kinds it tells beside their hooks: what splice(2) takes out, and passes */
extern const volatile __u64 lens_splice_kinds;

/* ret is what the call returned; kinds: those to be counted here, no sockets */
int fd_count(__u32 fd, __u32 dir, __s64 ret, __u32 is_short, __u64 kinds);
/* the same where it can only be a pipe or a fifo that is counted */
int fd_count_pipe(__u32 fd, __u32 dir, __s64 ret);
/* the same by the file, for a task that shares the process of the current one; both addresses */
int fd_count_file(__u64 task, __u64 file, __u32 dir, const struct call *call, __u64 kinds);
/* the direction a descriptor is open for, in which vmsplice(2) moves */
__u32 fd_dir(__u32 fd);

/* moved bytes through a descriptor that another thread closed meanwhile */
static __always_inline void fd_count_lost(__s64 ret)
{
	if (ret > 0)
		loss_add(LENS_KIND_NONE, LENS_LOSS_AMBIGUOUS_FD, 1, 0);
}

/*
 * The file that an entry of a table of descriptors has. An array of pointers has no type of its
 * own: borrow one that begins with a pointer to a file.
 */
static __always_inline struct file *fd_entry(struct fdtable *fdt, __u32 fd)
{
	struct kiocb *entry;

	/* or its upper half is cut off by a constant in a register */
	asm("%0 = %0" : "+w"(fd));
	entry = core_cast((__u64)fdt->fd + (__u64)fd * 8, LENS_FILL_TYPE_KIOCB);
	return entry->ki_filp;
}

/*
 * The file behind a descriptor of the current task, with plain loads. The file
 * table is not locked; another thread may close the descriptor under our eyes,
 * which then looks like a descriptor that was never open.
 */
static __always_inline struct file *fd_file(struct task_struct *t, __u32 fd)
{
	struct fdtable *fdt = t->files->fdt;

	return fd < fdt->max_fds ? fd_entry(fdt, fd) : NULL;
}

/*
 * The file behind a descriptor as an address, 0 if there is none. done: what
 * the call did cannot have been nothing.
 */
static __always_inline __u64 fd_file_address(__u32 fd, bool done)
{
	struct file *file;

	if (lens_has_cast) {
		file = fd_file(ident_current(), fd);
		if (file)
			return ident_address(file);
	} else {
		file = ident_fd_probe((void *)ident_current(), fd);
		if (file)
			return (__u64)file;
	}
	fd_count_lost(done);
	return 0;
}

#endif
