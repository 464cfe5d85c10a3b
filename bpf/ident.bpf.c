// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What kind of channel a file is, by what the kernel knows of its inode.
 */
#include "ident_sock.bpf.h"

int ident_file(__u64 file, struct lens_total_key *ret)
{
	struct file *f = (struct file *)file;

	if (!f || !ret)
		return LENS_KIND_NONE;
	if (lens_has_cast ? ident_pipe(ident_file_at(file), ret) : ident_pipe_probe(f, ret))
		return ret->kind;
	if (ident_mqueue_inode(BPF_CORE_READ(f, f_inode), ret))
		return ret->kind;
	if (ident_sock_probe(ident_file_sock(f), ret))
		return ret->kind;
	return LENS_KIND_NONE;
}
