/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory of other processes. To read what is not there brings it in, which waits for whoever
 * has it; nothing could end that wait but he. So this tells first.
 */
#ifndef LENS_FOREIGN_BPF_H
#define LENS_FOREIGN_BPF_H

#include "core.bpf.h"

enum foreign {
	FOREIGN_NONE,	/* nothing is mapped at its beginning */
	FOREIGN_HERE,	/* the kernel has it, or can bring it in by itself */
	FOREIGN_SERVED, /* another process or host may have to, or it is not known */
};

/* enum foreign, of what is at an address of an address space; global, walked once */
int foreign_probe(__u64 mm, __u64 from, __u64 size);

static __always_inline int foreign_memory(struct task_struct *t, __u64 from, __u64 size)
{
	return foreign_probe((__u64)BPF_CORE_READ(t, mm), from, size);
}

#endif
