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
	CALL_OPEN, CALL_EVENTFD,	/* return the descriptor */
	CALL_AIO,			/* (context, count, requests), returns how many it took */
	CALL_FD_LAST = CALL_AIO,	/* so far it is about a descriptor */
	CALL_RECVFROM, CALL_SENDTO,	/* (fd, buffer, size, flags, ...) */
	CALL_RECVMSG, CALL_SENDMSG,	/* (fd, header, flags) */
	CALL_RECVMMSG, CALL_SENDMMSG,	/* (fd, headers, count, flags, ...), returns a count */
	CALL_SOCKETCALL,		/* i386 multiplexer of all these */
	CALL_SOCK_LAST = CALL_SOCKETCALL,	/* so far about one that is a socket */
	CALL_MSGSND, CALL_MSGRCV, CALL_MSGCTL,
	CALL_IPC,			/* i386 multiplexer, of messages and shared memory */
	CALL_MQSEND, CALL_MQRECEIVE,	/* (queue, buffer, size, priority, timeout) */
	CALL_VM_READ, CALL_VM_WRITE,	/* (pid, ...) */
	CALL_GETFD,			/* (pidfd, fd, flags), returns a descriptor */
	CALL_MMAP,			/* (address, length, protection, flags, fd, ...) */
	CALL_MUNMAP, CALL_MPROTECT,	/* (address, length, ...) */
	CALL_MREMAP,			/* (address, length, new length, flags, ...) */
	CALL_SHMGET, CALL_SHMAT, CALL_SHMDT, CALL_SHMCTL,
	CALL_SEAL,			/* fcntl(2), of which one command matters */
	CALL_FUTEX,			/* (word, operation, ...) */
	CALL_FUTEX_WAITV, CALL_FUTEX_WAKE, CALL_FUTEX_WAIT,
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
	N(44, CALL_SENDTO), N(45, CALL_RECVFROM),			\
	N(46, CALL_SENDMSG), N(47, CALL_RECVMSG),			\
	N(69, CALL_MSGSND), N(70, CALL_MSGRCV), N(71, CALL_MSGCTL),	\
	C(102, CALL_SOCKETCALL), C(117, CALL_IPC),			\
	C(145, CALL_READV), C(146, CALL_WRITEV),			\
	C(187, CALL_SENDFILE), C(239, CALL_SENDFILE),			\
	N(209, CALL_AIO), C(248, CALL_AIO),				\
	N(257, CALL_OPEN), C(295, CALL_OPEN), NC(437, CALL_OPEN, CALL_OPEN),	\
	N(304, CALL_OPEN), C(342, CALL_OPEN),	/* open_by_handle_at */	\
	N(275, CALL_SPLICE), N(276, CALL_TEE), N(278, CALL_VMSPLICE),	\
	N(242, CALL_MQSEND), N(243, CALL_MQRECEIVE),			\
	C(279, CALL_MQSEND), C(280, CALL_MQRECEIVE),			\
	N(299, CALL_RECVMMSG), N(307, CALL_SENDMMSG),			\
	C(337, CALL_RECVMMSG), C(345, CALL_SENDMMSG),			\
	C(369, CALL_SENDTO), C(370, CALL_SENDMSG), C(371, CALL_RECVFROM),	\
	C(372, CALL_RECVMSG), C(417, CALL_RECVMMSG),			\
	C(313, CALL_SPLICE), C(315, CALL_TEE), C(316, CALL_VMSPLICE),	\
	N(327, CALL_READV), NC(328, CALL_WRITEV, CALL_EVENTFD),	\
	C(378, CALL_READV), C(379, CALL_WRITEV),			\
	C(400, CALL_MSGSND), C(401, CALL_MSGRCV), C(402, CALL_MSGCTL),	\
	C(418, CALL_MQSEND), C(419, CALL_MQRECEIVE),			\
	N(284, CALL_EVENTFD), N(290, CALL_EVENTFD),			\
	C(323, CALL_EVENTFD),						\
	NC(438, CALL_GETFD, CALL_GETFD),				\
	N(310, CALL_VM_READ), N(311, CALL_VM_WRITE),			\
	C(347, CALL_VM_READ), C(348, CALL_VM_WRITE),			\
	N(9, CALL_MMAP), C(192, CALL_MMAP),				\
	N(10, CALL_MPROTECT), N(11, CALL_MUNMAP), N(25, CALL_MREMAP),	\
	C(125, CALL_MPROTECT), C(91, CALL_MUNMAP), C(163, CALL_MREMAP),	\
	N(329, CALL_MPROTECT), C(380, CALL_MPROTECT),	/* pkey_mprotect */	\
	N(29, CALL_SHMGET), N(30, CALL_SHMAT), N(31, CALL_SHMCTL), N(67, CALL_SHMDT),	\
	C(395, CALL_SHMGET), C(397, CALL_SHMAT), C(396, CALL_SHMCTL), C(398, CALL_SHMDT),	\
	N(72, CALL_SEAL), C(55, CALL_SEAL), C(221, CALL_SEAL),		\
	N(202, CALL_FUTEX), C(240, CALL_FUTEX), C(422, CALL_FUTEX),	\
	NC(449, CALL_FUTEX_WAITV, CALL_FUTEX_WAITV),			\
	NC(454, CALL_FUTEX_WAKE, CALL_FUTEX_WAKE), NC(455, CALL_FUTEX_WAIT, CALL_FUTEX_WAIT),	\
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

/* calls that put another file behind a descriptor, or none: which argument names it */
enum fd_change { FD_CHANGE_NONE, FD_CHANGE_FIRST, FD_CHANGE_SECOND, FD_CHANGE_RANGE };

static __always_inline enum fd_change arch_fd_change(__u64 nr, bool compat)
{
	if (nr == 436)				/* close_range */
		return FD_CHANGE_RANGE;
	if (nr == (compat ? 6 : 3))		/* close */
		return FD_CHANGE_FIRST;
	if (nr == (compat ? 63 : 33) || nr == (compat ? 330 : 292))	/* dup2, dup3 */
		return FD_CHANGE_SECOND;
	return FD_CHANGE_NONE;
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

/* ------------------------------------------------------- calls that wait */

/*
 * By number: enum lens_call for native callers in the low byte, for 32-bit
 * callers in the high one.
 */
#define WN(nr, call) [nr] = LENS_CALL_##call
#define WC(nr, call) [nr] = LENS_CALL_##call << CALL_COMPAT_SHIFT
#define WB(nr, native, compat) [nr] = LENS_CALL_##native | LENS_CALL_##compat << CALL_COMPAT_SHIFT
#define ARCH_WAITS {							\
	WB(0, READ, RESTART), WN(1, WRITE), WN(2, OPEN), WC(3, READ), WC(4, WRITE),	\
	WC(5, OPEN), WB(7, POLL, WAITPID), WC(8, CREAT), WC(11, EXECVE), WN(17, PREAD),	\
	WN(18, PWRITE), WN(19, READV), WN(20, WRITEV), WN(23, SELECT), WC(29, PAUSE),	\
	WN(34, PAUSE), WN(35, NANOSLEEP), WN(40, SENDFILE), WN(42, CONNECT),	\
	WN(43, ACCEPT), WN(44, SENDTO), WN(45, RECVFROM), WN(46, SENDMSG),	\
	WN(47, RECVMSG), WC(55, FCNTL), WN(56, CLONE), WN(58, VFORK), WN(59, EXECVE),	\
	WN(61, WAIT4), WN(65, SEMOP), WN(69, MSGSND), WN(70, MSGRCV), WN(72, FCNTL),	\
	WN(73, FLOCK), WN(76, TRUNCATE), WN(85, CREAT), WC(92, TRUNCATE),	\
	WC(193, TRUNCATE), WC(102, SOCKETCALL), WC(114, WAIT4), WC(117, IPC),	\
	WC(120, CLONE), WN(128, SIGWAIT), WN(130, SIGSUSPEND), WC(142, SELECT),	\
	WC(143, FLOCK), WC(145, READV), WC(146, WRITEV), WC(162, NANOSLEEP),	\
	WC(168, POLL), WC(177, SIGWAIT), WC(179, SIGSUSPEND), WC(180, PREAD),	\
	WC(181, PWRITE), WC(187, SENDFILE), WC(190, VFORK), WN(202, FUTEX),	\
	WN(208, IO_GETEVENTS), WN(219, RESTART), WN(220, SEMTIMEDOP), WC(221, FCNTL),	\
	WN(230, CLOCK_NANOSLEEP), WN(232, EPOLL_WAIT), WC(239, SENDFILE),	\
	WC(240, FUTEX), WN(242, MQ_SEND), WN(243, MQ_RECEIVE),	\
	WB(247, WAITID, IO_GETEVENTS), WC(256, EPOLL_WAIT), WN(257, OPENAT),	\
	WC(267, CLOCK_NANOSLEEP), WN(270, PSELECT), WN(271, PPOLL), WN(275, SPLICE),	\
	WN(276, TEE), WN(278, VMSPLICE), WC(279, MQ_SEND), WC(280, MQ_RECEIVE),	\
	WN(281, EPOLL_PWAIT), WC(284, WAITID), WN(288, ACCEPT4),	\
	WB(295, PREADV, OPENAT), WN(296, PWRITEV), WN(299, RECVMMSG),	\
	WN(304, OPEN_BY_HANDLE), WN(307, SENDMMSG), WC(308, PSELECT), WC(309, PPOLL),	\
	WC(313, SPLICE), WC(315, TEE), WC(316, VMSPLICE), WC(319, EPOLL_PWAIT),	\
	WN(322, EXECVEAT), WC(342, OPEN_BY_HANDLE), WC(358, EXECVEAT), WN(327, PREADV),	\
	WN(328, PWRITEV), WC(333, PREADV), WC(334, PWRITEV), WC(337, RECVMMSG),	\
	WC(345, SENDMMSG), WC(362, CONNECT), WC(364, ACCEPT4), WC(369, SENDTO),	\
	WC(370, SENDMSG), WC(371, RECVFROM), WC(372, RECVMSG), WC(378, PREADV),	\
	WC(379, PWRITEV), WC(400, MSGSND), WC(401, MSGRCV), WC(407, CLOCK_NANOSLEEP),	\
	WC(413, PSELECT), WC(414, PPOLL), WC(417, RECVMMSG), WC(418, MQ_SEND),	\
	WC(419, MQ_RECEIVE), WC(420, SEMTIMEDOP), WC(421, SIGWAIT), WC(422, FUTEX),	\
	WB(426, IO_URING_ENTER, IO_URING_ENTER), WB(435, CLONE, CLONE),	\
	WB(437, OPENAT2, OPENAT2), WB(441, EPOLL_PWAIT2, EPOLL_PWAIT2),	\
	WB(449, FUTEX_WAITV, FUTEX_WAITV),	\
}

/* the arguments of the call that a sleeping task is in, by probing reads */
static __always_inline void arch_args_probe(struct pt_regs *r, bool compat, struct call_args *a)
{
	if (compat) {
		a->arg[0] = (__u32)BPF_CORE_READ(r, bx);
		a->arg[1] = (__u32)BPF_CORE_READ(r, cx);
		a->arg[2] = (__u32)BPF_CORE_READ(r, dx);
		a->arg[3] = (__u32)BPF_CORE_READ(r, si);
		a->arg[4] = (__u32)BPF_CORE_READ(r, di);
		a->arg[5] = (__u32)BPF_CORE_READ(r, bp);
	} else {
		a->arg[0] = BPF_CORE_READ(r, di);
		a->arg[1] = BPF_CORE_READ(r, si);
		a->arg[2] = BPF_CORE_READ(r, dx);
		a->arg[3] = BPF_CORE_READ(r, r10);
		a->arg[4] = BPF_CORE_READ(r, r8);
		a->arg[5] = BPF_CORE_READ(r, r9);
	}
}

/* which call of the i386 ipc(2) multiplexer it is */
static __always_inline __u32 arch_ipc_call(struct pt_regs *r)
{
	return r->bx & 0xffff;
}

#endif
