// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Signals that one process sends to another. The tracepoint stands behind
 * kill(2), tgkill(2), sigqueue(3) and pidfd_send_signal(2) alike, of 64-bit
 * and of 32-bit programs, and names each process of a group that was signalled.
 */
#include "ktypes_timer.bpf.h"
#include "totals.bpf.h"

/* enum of include/trace/events/signal.h */
enum { SIGNAL_DELIVERED, SIGNAL_IGNORED, SIGNAL_PENDING, SIGNAL_OVERFLOW, SIGNAL_LOST_INFO };

/* kernel/signal.c: no information, which stands for that of kill(2); and from the kernel */
#define SIGNAL_NO_INFO 0
#define SIGNAL_FROM_KERNEL 1

/*
 * What the kernel sends on its own (a child that ended, a timer, a fault) has
 * other codes; programs may choose some of these, too, and are not seen then.
 */
static __always_inline bool signal_is_sent(struct kernel_siginfo *info)
{
	__u64 address = (__u64)info;
	__s32 code;

	if (address == SIGNAL_NO_INFO)
		return true;
	if (address == SIGNAL_FROM_KERNEL)
		return false;
	code = BPF_CORE_READ(info, si_code);
	return code == KDEF_SI_USER || code == KDEF_SI_QUEUE || code == KDEF_SI_TKILL;
}

SEC("?tp_btf/signal_generate")
int BPF_PROG(signal__tp__generate, int number, struct kernel_siginfo *info,
	     struct task_struct *to, int group, int result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct call call = {
		.ret = result == SIGNAL_OVERFLOW ? -KDEF_EAGAIN : 0,
		.moved = result != SIGNAL_OVERFLOW,
		/* there is no more to be had of it than was there before */
		.is_short = result == SIGNAL_IGNORED || result == SIGNAL_PENDING,
	};
	struct lens_total_key key = {};
	struct lens_proc target;

	/* within a process it is no communication between two */
	if (t->tgid == to->tgid || t->flags & KDEF_PF_KTHREAD || !signal_is_sent(info))
		return 0;
	ident_proc(to, &target);
	ident_target(&target, LENS_KIND_SIGNAL, number, &key);
	ident_user(ident_current(), LENS_WRITE, &key);
	return totals_count(&key, NULL, FILE_NONE, &call);
}
