/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Finding a SysV message queue or segment the way the kernel does: by index
 * in the xarray of its ipc namespace.
 */
#ifndef LENS_IPC_BPF_H
#define LENS_IPC_BPF_H

#include "backlog.bpf.h"
#include "xarray.bpf.h"

/* index in ipc_namespace.ids */
enum ipc_class { IPC_SEMAPHORES, IPC_MESSAGES, IPC_SEGMENTS };

/* IPCMNI: the low bits of an id are its index, unless booted with ipcmni_extend */
#define IPC_INDEX_MASK 0x7fff

static __always_inline void *ipc_ids(struct ipc_namespace *ns, enum ipc_class class)
{
	return (void *)ns + bpf_core_field_offset(struct ipc_namespace, ids) +
	       class * bpf_core_type_size(struct ipc_ids);
}

/* the object at an index, or NULL */
static __always_inline void *ipc_at(struct ipc_namespace *ns, enum ipc_class class, __u64 index)
{
	return xarray_get(ipc_ids(ns, class) + bpf_core_field_offset(struct ipc_ids, ipcs_idr) +
			  bpf_core_field_offset(struct idr, idr_rt), index);
}

/* highest index in use, negative: none */
static __always_inline int ipc_max(struct ipc_namespace *ns, enum ipc_class class)
{
	int max = -1;

	bpf_probe_read_kernel(&max, sizeof(max), ipc_ids(ns, class) +
			      bpf_core_field_offset(struct ipc_ids, max_idx));
	return max;
}

/* the objects of one class in a namespace, one after the other */
struct ipc_walk {
	struct ipc_namespace *ns;
	__u32 inum;
};

/*
 * The highest index in use in the namespace of a process, negative if there is nothing (more) to
 * look at: a look comes by each namespace once, with the first of its processes.
 */
static __always_inline int ipc_walk_begin(struct task_struct *t, enum ipc_class class, __u32 kind,
					  struct ipc_walk *walk)
{
	struct lens_chan walked = { .kind = kind };
	struct ipc_namespace *ns;

	if (!t || t->pid != t->tgid)
		return -1;
	ns = BPF_CORE_READ(t, nsproxy, ipc_ns);
	if (!ns)
		return -1;
	walk->ns = ns;
	walk->inum = BPF_CORE_READ(ns, ns.inum);
	walked.dev = walk->inum;
	if (bpf_map_lookup_elem(&lens_walked, &walked))
		return -1;
	if (bpf_map_update_elem(&lens_walked, &walked, &walk->inum, BPF_ANY))
		loss_add(kind, LENS_LOSS_MAP_FULL, 1, 0);
	return ipc_max(ns, class);
}

#endif
