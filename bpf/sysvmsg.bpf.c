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

/* does the namespace of the current task have a queue of this id? Global: walked once */
__noinline int sysvmsg_exists(__s32 id)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct msg_queue *q = ipc_at(BPF_CORE_READ(t, nsproxy, ipc_ns), IPC_MESSAGES,
				     id & IPC_INDEX_MASK);

	return q && BPF_CORE_READ(q, q_perm.id) == id;
}

/* the call failed on no queue at all: there is nothing to count it for */
static __always_inline bool sysvmsg_is_stray(__s32 id, __s64 ret)
{
	return (ret == -KDEF_EINVAL || ret == -KDEF_EFAULT) &&
	       !sysvmsg_exists(id);
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

/* ctx: (id, type, text, size, flags, returned) */
static __noinline int send_missed(__u64 *ctx)
{
	struct lens_total_key key;

	sysvmsg_key(bpf_get_current_task_btf(), ctx[0], LENS_WRITE, &key);
	return sysvmsg_sent(&key, ctx[1], ctx[3], ctx[5]);
}

static __noinline int send_followed(__u64 *ctx, __u64 left)
{
	return sysvmsg_follow(left, ctx[3], ctx[1]);
}

SEC("?fexit/do_msgsnd")
int sysvmsg__fexit__send(__u64 *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct hit h;
	__u64 left;

	if (ctx[5] || !sysvmsg_hit(&h, t, ctx[0], LENS_WRITE, true)) {
		send_missed(ctx);
		return 0;
	}
	h.slot->bytes += ctx[3];
	left = hit_end(&h);
	if (left != TOTALS_DONE)
		send_followed(ctx, left);
	return 0;
}

/* ctx: (id, buffer, size, wanted, flags, fill, returned) */
static __noinline int receive_missed(__u64 *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__s64 type = sysvmsg_type(ctx[1], t->thread_info.status & KDEF_TS_COMPAT);
	struct lens_total_key key;

	sysvmsg_key(t, ctx[0], LENS_READ, &key);
	return sysvmsg_received(&key, type, ctx[2], ctx[4], ctx[6]);
}

static __noinline int receive_followed(__u64 *ctx, __u64 left)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return sysvmsg_follow(left, ctx[6], sysvmsg_type(ctx[1], t->thread_info.status &
							 KDEF_TS_COMPAT));
}

SEC("?fexit/do_msgrcv")
int sysvmsg__fexit__receive(__u64 *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct hit h;
	__u64 left;

	if (!sysvmsg_is_plain(ctx[4], ctx[6]) || !sysvmsg_hit(&h, t, ctx[0], LENS_READ, true)) {
		receive_missed(ctx);
		return 0;
	}
	h.slot->bytes += ctx[6];
	left = hit_end(&h);
	if (left != TOTALS_DONE)
		receive_followed(ctx, left);
	return 0;
}

SEC("?fexit/__x64_sys_msgctl")
int BPF_PROG(sysvmsg__fexit__control, struct pt_regs *regs, long ret)
{
	if ((int)regs->si == KDEF_IPC_RMID && ret == 0)
		sysvmsg_removed(regs->di);
	return 0;
}
