/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Kernel constants that BTF does not carry. tests/unit/test_kdefs.c compiles
 * this file against the system's headers, so that the values cannot drift.
 */
#ifndef LENS_KDEFS_H
#define LENS_KDEFS_H

/* include/uapi/linux/stat.h */
#define KDEF_S_IFMT 0170000
#define KDEF_S_IFIFO 0010000

/* include/linux/sched.h; not exported */
#define KDEF_PF_KTHREAD 0x00200000

/* include/linux/sched.h: TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE; not exported */
#define KDEF_TASK_SLEEPS 3

/* arch/x86/include/asm/thread_info.h: a 32-bit system call is under way; not exported */
#define KDEF_TS_COMPAT 0x0002

/* include/linux/fs.h: file opened for reading, writing; not exported */
#define KDEF_FMODE_READ 1
#define KDEF_FMODE_WRITE 2

/* include/uapi/asm-generic/fcntl.h; x86 has no other */
#define KDEF_O_DIRECT 040000

/* include/uapi/linux/msg.h, ipc.h */
#define KDEF_MSG_NOERROR 010000
#define KDEF_MSG_COPY 040000
#define KDEF_IPC_RMID 0

/* include/uapi/linux/ipc.h: first argument of the i386 ipc(2) multiplexer */
#define KDEF_IPC_MSGSND 11
#define KDEF_IPC_MSGRCV 12
#define KDEF_IPC_MSGCTL 14

/* include/uapi/asm-generic/errno-base.h */
#define KDEF_EFAULT 14
#define KDEF_EINVAL 22

/* include/linux/pipe_fs_i.h: what write(2) itself put there; not exported */
#define KDEF_PIPE_BUF_FLAG_PACKET 0x08
#define KDEF_PIPE_BUF_FLAG_CAN_MERGE 0x10

/* kernel/locking/mutex.c: flags beside the owner; not exported */
#define KDEF_MUTEX_FLAGS 0x07

/* include/linux/errno.h: never reach user space, the call is restarted */
#define KDEF_ERESTARTSYS 512
#define KDEF_ERESTART_RESTARTBLOCK 516

/* arch/x86/include/asm/page_types.h */
#define KDEF_PAGE_SIZE 4096

#ifdef __BPF__
/* include/uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_RB_NO_WAKEUP = 1 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
#endif

#endif
