/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the object behind shared memory looks like at this moment. Apart from
 * describe.bpf.h, so that the path of a counted operation stays short.
 */
#ifndef LENS_OBJECT_BPF_H
#define LENS_OBJECT_BPF_H

#include "core.bpf.h"
#include "ktypes_memory.bpf.h"

/* kind: that of ident_mapped(), or of ident_file() where that is memory */
__hidden int object_depth(__u32 kind, struct file *file, struct lens_depth *ret);
/* likewise its name, as describe_name() */
__hidden __u32 object_name(__u32 kind, __u32 which, __u32 offset, struct file *file);
__hidden int object_segment(struct shmid_kernel *shp, struct lens_depth *ret);

static __always_inline bool object_is_memory(__u32 kind)
{
	return kind >= LENS_KIND_SYSV_SHM && kind <= LENS_KIND_SHARED_ANON;
}

#endif
