// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind fd.bpf.h.
 */
#include "fd.bpf.h"

static __always_inline int count_file(struct file *file, __u32 dir, __s64 ret, __u32 is_short,
				      __u64 kinds)
{
	struct lens_total_key key = {};
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	__u32 kind = ident_file((__u64)file, &key);

	if (!kind || !(kinds >> (kind & 63) & 1))
		return 0;
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, file, false, &call);
}

int fd_count(__u32 fd, __u32 dir, __s64 ret, __u32 is_short, __u64 kinds)
{
	struct file *file;

	if (is_restart(ret))
		return 0;
	file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);
	if (file)
		return count_file(file, dir, ret, is_short, kinds);
	fd_count_lost(ret);
	return 0;
}

__u32 fd_dir(__u32 fd)
{
	struct file *file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);

	return file && BPF_CORE_READ(file, f_mode) & KDEF_FMODE_WRITE ? LENS_WRITE : LENS_READ;
}
