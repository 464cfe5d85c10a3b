/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counting on SysV message queues, shared by every variant of their hooks.
 */
#ifndef LENS_SYSVMSG_BPF_H
#define LENS_SYSVMSG_BPF_H

#include "message.bpf.h"
#include "totals.bpf.h"

/*
 * Global functions: the verifier walks them once. ret is what the system call
 * returned. The key is the caller's to make, since following pointers from a
 * task that the verifier trusts makes it search all types of the kernel at
 * every step; a caller with another pointer saves it that.
 */
int sysvmsg_sent(const struct lens_total_key *key, __s64 type, __u64 size, __s64 ret);
int sysvmsg_received(const struct lens_total_key *key, __s64 type, __u64 size, __u32 flags,
		     __s64 ret);
int sysvmsg_removed(__s32 id);

static __always_inline void sysvmsg_key(struct task_struct *t, __s32 id, __u16 dir,
					struct lens_total_key *ret)
{
	ident_queue(t, id, ret);
	ident_user(t, dir, ret);
}

/* first word of a message buffer, as the caller's ABI has it; user memory, after the call */
static __always_inline __s64 sysvmsg_type(__u64 buffer, bool compat)
{
	__s64 type = 0;
	__s32 type32 = 0;

	if (compat) {
		bpf_probe_read_user(&type32, sizeof(type32), (void *)buffer);
		return type32;
	}
	bpf_probe_read_user(&type, sizeof(type), (void *)buffer);
	return type;
}

/*
 * The usual case: the call went through, and this process has done so with the queue before
 * (hit_begin()). The type of a message is needed by what is left then only, and comes from
 * user memory mostly, which is slow.
 */
static __always_inline bool sysvmsg_hit(struct hit *h, struct task_struct *t, __s32 id, __u32 dir,
					bool preempted)
{
	/* what number its message has is asked in every call, streamed or not */
	return !lens_numbering && hit_begin(h, t, (__u32)id, t->nsproxy->ipc_ns->ns.inum,
					    LENS_KIND_SYSV_MSG, dir, preempted);
}

static __always_inline int sysvmsg_follow(__u64 left, __s64 moved, __s64 type)
{
	struct call call = { .ret = moved, .aux = type, .moved = true };

	return totals_stream(left >> TOTALS_ID_SHIFT, &call);
}

/* what it returned says all of what a receiver got */
static __always_inline bool sysvmsg_is_plain(__u32 flags, __s64 ret)
{
	return ret >= 0 && !(flags & (KDEF_MSG_COPY | KDEF_MSG_NOERROR));
}

#endif
