// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What kind of channel a file is, by what the kernel knows of its inode.
 */
#include "birth.bpf.h"
#include "ident_sock.bpf.h"
#include "kinds.bpf.h"
#include "memory.bpf.h"

struct births_map lens_births SEC(".maps");

/* key is complete but for the number of channels that had its number before */
static __always_inline __u32 ident_birth(struct lens_total_key *key)
{
	struct lens_chan number = { .ino = key->ino, .dev = key->dev, .kind = key->kind };

	key->gen = birth_of(&number);
	return key->kind;
}

/* among: kinds that are asked for, a constant */
static __always_inline int ident_among(__u64 file, __u64 among, struct lens_total_key *ret)
{
	struct file *f = (struct file *)file;
	__u32 end;

	if (!f || !ret)
		return LENS_KIND_NONE;
	if (ident_pipe_at(f, ret))
		return ret->kind;
	if (among & KIND_BIT(LENS_KIND_POSIX_MQ) &&
	    ident_mqueue_inode(BPF_CORE_READ(f, f_inode), ret))
		return ret->kind;
	if (among & KINDS_SOCK && ident_sock_probe(ident_file_sock(f), ret))
		return ret->kind;
	if (among & KIND_BIT(LENS_KIND_EVENTFD) && ident_eventfd(f, ret))
		return ident_birth(ret);
	if (among & KIND_BIT(LENS_KIND_PTY) && ident_pty(f, ret)) {
		end = ret->gen;
		ident_birth(ret);
		ret->gen = ret->gen << 1 | end;
		return ret->kind;
	}
	return LENS_KIND_NONE;
}

int ident_file(__u64 file, struct lens_total_key *ret)
{
	return ident_among(file, KINDS_ALL, ret);
}

int ident_counted(__u64 file, struct lens_total_key *ret)
{
	return ident_among(file, lens_kinds, ret);
}

int ident_memory(__u64 file, struct lens_total_key *ret)
{
	struct file *f = (struct file *)file;
	__u32 kind;

	if (!f || !ret)
		return LENS_KIND_NONE;
	kind = memory_kind(f);
	/* an open file is no channel until somebody maps it */
	if (kind != LENS_KIND_POSIX_SHM && kind != LENS_KIND_MEMFD)
		return LENS_KIND_NONE;
	memory_key(f, kind, ret);
	return kind;
}

int ident_held(__u64 file, struct lens_total_key *ret)
{
	__u32 kind = ident_file(file, ret);

	return kind ? kind : ident_memory(file, ret);
}

int ident_mapped(__u64 file, struct lens_total_key *ret)
{
	struct file *f = (struct file *)file;
	__u32 kind;

	if (!f || !ret)
		return LENS_KIND_NONE;
	kind = memory_kind(f);
	if (kind == LENS_KIND_SYSV_SHM)
		return memory_key_sysv(f, ret) ? kind : LENS_KIND_NONE;
	if (kind)
		memory_key(f, kind, ret);
	return kind;
}
