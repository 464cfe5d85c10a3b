// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * SysV message queues: counting for every variant, and the hooks at function
 * level. do_msgsnd() gets the type as an
 * argument, so that no other thread can have changed it; do_msgrcv() has
 * written it to the caller's buffer.
 */
#include "ipc.bpf.h"
#include "message.bpf.h"
#include "sysvmsg.bpf.h"

/* does the namespace of t have a queue of this id? */
static __noinline bool queue_exists(struct task_struct *t, __s32 id)
{
	struct msg_queue *q = ipc_at(BPF_CORE_READ(t, nsproxy, ipc_ns), IPC_MESSAGES,
				     id & IPC_INDEX_MASK);

	return q && BPF_CORE_READ(q, q_perm.id) == id;
}

/* the call failed on no queue at all: there is nothing to count it for */
static __always_inline bool sysvmsg_is_stray(__s32 id, __s64 ret)
{
	return (ret == -KDEF_EINVAL || ret == -KDEF_EFAULT) &&
	       !queue_exists((void *)bpf_get_current_task_btf(), id);
}

int sysvmsg_sent(const struct lens_total_key *key, __s64 type, __u64 size, __s64 ret)
{
	struct call call = { .ret = ret < 0 ? ret : (__s64)size, .aux = type, .moved = ret >= 0 };
	__u32 message = message_number(MESSAGE_SENT);

	/* of one that was not sent nobody asks */
	if (ret >= 0)
		call.message = message;
	if (!key || is_restart(ret) || sysvmsg_is_stray(key->ino, ret))
		return 0;
	return totals_count(key, NULL, FILE_NONE, &call);
}

int sysvmsg_received(const struct lens_total_key *key, __s64 type, __u64 size, __u32 flags,
		     __s64 ret)
{
	struct call call = { .ret = ret, .aux = type, .moved = ret >= 0,
			     .message = message_number(MESSAGE_TAKEN) };

	if (!key || is_restart(ret) || sysvmsg_is_stray(key->ino, ret))
		return 0;
	if (flags & KDEF_MSG_COPY && ret >= 0)
		call_is_look(&call);
	/* what MSG_NOERROR cut off is gone; a message of just that size looks the same */
	if (flags & KDEF_MSG_NOERROR && call.moved && (__u64)ret == size)
		call.is_short = true;
	/* taken from the queue, but the caller's buffer was not there: the message is lost */
	if (ret == -KDEF_EFAULT && !(flags & KDEF_MSG_COPY))
		call.is_short = true;
	return totals_count(key, NULL, FILE_NONE, &call);
}

int sysvmsg_removed(__s32 id)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct lens_rec_gone r = {};

	r.chan.ino = (__u32)id;
	r.chan.dev = BPF_CORE_READ(t, nsproxy, ipc_ns, ns.inum);
	r.chan.kind = LENS_KIND_SYSV_MSG;
	ident_proc(t, &r.proc);
	rec_init(&r.h, LENS_REC_GONE, sizeof(r));
	return core_emit(&r, sizeof(r), LENS_KIND_SYSV_MSG);
}

SEC("?fexit/do_msgsnd")
int BPF_PROG(sysvmsg__fexit__send, int id, long type, void *text, unsigned long size, int flags,
	     long ret)
{
	struct lens_total_key key;
	__u64 left;

	sysvmsg_key(bpf_get_current_task_btf(), id, LENS_WRITE, &key);
	left = ret ? 0 : sysvmsg_count(&key, size);
	if (left == TOTALS_DONE)
		return 0;
	sysvmsg_send_rest(left, &key, type, size, ret);
	return 0;
}

SEC("?fexit/do_msgrcv")
int BPF_PROG(sysvmsg__fexit__receive, int id, void *buffer, unsigned long size, long wanted,
	     int flags, void *fill, long ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct lens_total_key key;
	__u64 left;
	__s64 type;

	sysvmsg_key(t, id, LENS_READ, &key);
	left = sysvmsg_is_plain(flags, ret) ? sysvmsg_count(&key, ret) : 0;
	if (left == TOTALS_DONE)
		return 0;
	type = sysvmsg_type((__u64)buffer, t->thread_info.status & KDEF_TS_COMPAT);
	sysvmsg_receive_rest(left, &key, type, size, flags, ret);
	return 0;
}

SEC("?fexit/__x64_sys_msgctl")
int BPF_PROG(sysvmsg__fexit__control, struct pt_regs *regs, long ret)
{
	if ((int)regs->si == KDEF_IPC_RMID && ret == 0)
		sysvmsg_removed(regs->di);
	return 0;
}
