/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * All that depends on the architecture: where system call arguments are, and
 * which numbers matter. x86-64 with its 32-bit sibling i386; another
 * architecture is another table.
 */
#ifndef LENS_ARCH_BPF_H
#define LENS_ARCH_BPF_H

#include "core.bpf.h"

/* what a system call does, as far as a channel is concerned */
enum call_class {
	CALL_NONE,
	CALL_READ, CALL_WRITE,		/* (fd, buffer, size) */
	CALL_READV, CALL_WRITEV,	/* (fd, vector, ...) */
	CALL_SPLICE,			/* (in, offset, out, offset, size, flags) */
	CALL_TEE,			/* (in, out, size, flags) */
	CALL_VMSPLICE,			/* (fd, vector, count, flags), direction by the file */
	CALL_SENDFILE,			/* (out, in, offset, size) */
	CALL_OPEN,			/* returns the descriptor */
	CALL_FD_LAST = CALL_OPEN,	/* so far it is about a descriptor */
	CALL_MSGSND, CALL_MSGRCV, CALL_MSGCTL,
	CALL_IPC,			/* i386 multiplexer */
};

#define CALL_TABLE 512
#define CALL_NATIVE 0x00ff
#define CALL_COMPAT_SHIFT 8

/*
 * By number: class for native callers in the low byte, for 32-bit callers in
 * the high one.
 */
extern const volatile __u16 lens_calls[CALL_TABLE];

/* a table of x86-64 and i386 numbers: arch/x86/entry/syscalls/syscall_{64,32}.tbl */
#define N(nr, class) [nr] = class
#define C(nr, class) [nr] = (class) << CALL_COMPAT_SHIFT
#define NC(nr, native, compat) [nr] = (native) | (compat) << CALL_COMPAT_SHIFT
#define ARCH_CALLS {							\
	NC(0, CALL_READ, CALL_NONE), NC(1, CALL_WRITE, CALL_NONE),	\
	N(2, CALL_OPEN), C(3, CALL_READ), C(4, CALL_WRITE), C(5, CALL_OPEN),	\
	N(85, CALL_OPEN), C(8, CALL_OPEN),				\
	N(19, CALL_READV), N(20, CALL_WRITEV),				\
	N(40, CALL_SENDFILE),						\
	N(69, CALL_MSGSND), N(70, CALL_MSGRCV), N(71, CALL_MSGCTL),	\
	C(117, CALL_IPC),						\
	C(145, CALL_READV), C(146, CALL_WRITEV),			\
	C(187, CALL_SENDFILE), C(239, CALL_SENDFILE),			\
	N(257, CALL_OPEN), C(295, CALL_OPEN), NC(437, CALL_OPEN, CALL_OPEN),	\
	N(275, CALL_SPLICE), N(276, CALL_TEE), N(278, CALL_VMSPLICE),	\
	C(313, CALL_SPLICE), C(315, CALL_TEE), C(316, CALL_VMSPLICE),	\
	N(327, CALL_READV), N(328, CALL_WRITEV),			\
	C(378, CALL_READV), C(379, CALL_WRITEV),			\
	C(400, CALL_MSGSND), C(401, CALL_MSGRCV), C(402, CALL_MSGCTL),	\
}

/* class by number; older verifiers forget the bound of a spilled index, so it is masked */
static __always_inline __u32 arch_class(__u64 nr)
{
	if (nr >= CALL_TABLE)
		return CALL_NONE;
	barrier_var(nr);
	return lens_calls[nr & (CALL_TABLE - 1)];
}

static __always_inline bool arch_is_compat(struct task_struct *t)
{
	return t->thread_info.status & KDEF_TS_COMPAT;
}

struct call_args {
	__u64 arg[6];
};

static __always_inline void arch_args(struct pt_regs *r, bool compat, struct call_args *a)
{
	if (compat) {
		a->arg[0] = (__u32)r->bx;
		a->arg[1] = (__u32)r->cx;
		a->arg[2] = (__u32)r->dx;
		a->arg[3] = (__u32)r->si;
		a->arg[4] = (__u32)r->di;
		a->arg[5] = (__u32)r->bp;
	} else {
		a->arg[0] = r->di;
		a->arg[1] = r->si;
		a->arg[2] = r->dx;
		a->arg[3] = r->r10;
		a->arg[4] = r->r8;
		a->arg[5] = r->r9;
	}
}

#endif
