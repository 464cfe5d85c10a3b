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
#define KDEF_S_IFSOCK 0140000
#define KDEF_S_IFREG 0100000
#define KDEF_S_IFCHR 0020000
#define KDEF_S_IFDIR 0040000

/* include/linux/err.h: addresses above -this are errors; not exported */
#define KDEF_MAX_ERRNO 4095

/* include/uapi/linux/magic.h; sockfs, anon_inodefs and mqueue: ipc/mqueue.c */
#define KDEF_SOCKFS_MAGIC 0x534F434B
#define KDEF_ANON_INODE_FS_MAGIC 0x09041934
#define KDEF_MQUEUE_MAGIC 0x19800202
#define KDEF_PID_FS_MAGIC 0x50494446

/* include/uapi/linux/major.h: pty slaves; /dev/ptmx is 5:2 */
#define KDEF_UNIX98_PTY_SLAVE_MAJOR 136
#define KDEF_UNIX98_PTY_MAJORS 8
#define KDEF_TTYAUX_MAJOR 5

/* the same: of their drivers */
#define KDEF_UNIX98_PTY_MASTER_MAJOR 128

/*
 * include/uapi/asm-generic/termbits.h: settings in which what is read is not what
 * was written. c_iflag: IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IUCLC,
 * IXON. c_lflag: ISIG, ICANON, IEXTEN; ECHO, ECHONL. c_oflag: OPOST
 */
#define KDEF_TTY_INPUT_CHANGES 0x7eb
#define KDEF_TTY_LINE_CHANGES 0x8003
#define KDEF_TTY_ECHOES 0x48
#define KDEF_TTY_ICANON 2
#define KDEF_TTY_VTIME 5
#define KDEF_TTY_VMIN 6
#define KDEF_TTY_OUTPUT_CHANGES 0x1

/* include/uapi/linux/tty.h */
#define KDEF_N_TTY 0

/* include/linux/socket.h, net.h, in.h */
#define KDEF_AF_UNIX 1
#define KDEF_AF_INET 2
#define KDEF_AF_INET6 10
#define KDEF_SOCK_STREAM 1
#define KDEF_SOCK_DGRAM 2
#define KDEF_SOCK_SEQPACKET 5
#define KDEF_IPPROTO_TCP 6
#define KDEF_IPPROTO_UDP 17
#define KDEF_IPPROTO_MPTCP 262	/* IPPROTO_TCP | 1 << 8 */

/* include/net/tcp_states.h; unix sockets have them, too; not exported */
#define KDEF_TCP_ESTABLISHED 1
#define KDEF_TCP_SYN_SENT 2
#define KDEF_TCP_SYN_RECV 3
#define KDEF_TCP_FIN_WAIT1 4
#define KDEF_TCP_FIN_WAIT2 5
#define KDEF_TCP_CLOSE 7
#define KDEF_TCP_CLOSE_WAIT 8
#define KDEF_TCP_LAST_ACK 9
#define KDEF_TCP_LISTEN 10
#define KDEF_TCP_CLOSING 11

/* include/net/sock.h: bits of sk_shutdown; not exported */
#define KDEF_RCV_SHUTDOWN 1
#define KDEF_SEND_SHUTDOWN 2
/* the same: bit of skc_flags, the end of the stream came */
#define KDEF_SOCK_DONE 1
#define KDEF_SOCK_URGINLINE 2

/* include/uapi/linux/if.h */
#define KDEF_IFF_LOOPBACK 8

/* include/linux/sched.h: MAX_SCHEDULE_TIMEOUT; not exported */
#define KDEF_SCHEDULE_FOREVER 0x7fffffffffffffffL

/* include/uapi/linux/time.h */
#define KDEF_CLOCK_PROCESS_CPUTIME_ID 2
#define KDEF_CLOCK_THREAD_CPUTIME_ID 3
#define KDEF_CLOCK_REALTIME_ALARM 8
#define KDEF_CLOCK_BOOTTIME_ALARM 9

/* include/uapi/asm-generic/siginfo.h, signal.h */
#define KDEF_SIGEV_SIGNAL 0
#define KDEF_SIGEV_NONE 1
#define KDEF_SIGALRM 14
#define KDEF_SIGCHLD 17
#define KDEF_SIGIO 29

/* include/linux/mm.h: VM_SHARED; not exported */
#define KDEF_VM_SHARED 8

/* include/linux/fs.h: bits of file_lock flags; not exported */
#define KDEF_FL_POSIX 1
#define KDEF_FL_FLOCK 2
#define KDEF_FL_LEASE 32
#define KDEF_FL_OFDLCK 1024

/* include/uapi/asm-generic/fcntl.h */
#define KDEF_F_WRLCK 1

/* include/uapi/asm-generic/siginfo.h: sent by kill(2), sigqueue(3), tgkill(2) */
#define KDEF_SI_USER 0
#define KDEF_SI_QUEUE (-1)
#define KDEF_SI_TKILL (-6)

/* include/linux/sched.h; not exported */
#define KDEF_PF_KTHREAD 0x00200000
#define KDEF_PF_EXITING 0x00000004

/* include/linux/sched/signal.h: SIGNAL_GROUP_EXIT; not exported */
#define KDEF_SIGNAL_GROUP_EXIT 4
#define KDEF_SIGNAL_STOP_STOPPED 1 /* likewise */

/* the same: threads the kernel runs inside a process; PF_IO_WORKER, PF_USER_WORKER */
#define KDEF_PF_IO_WORKER 0x00000010
#define KDEF_PF_USER_WORKER 0x00004000

/* include/linux/sched/jobctl.h: stopped, so that SIGCONT counts and not the tracer alone;
 * JOBCTL_TRAP_FREEZE; not exported */
#define KDEF_JOBCTL_LISTENING (1ul << 22)
#define KDEF_JOBCTL_TRAP_FREEZE (1ul << 23)
/* the same, JOBCTL_STOP_SIGMASK: the signal that stopped it last; not exported */
#define KDEF_JOBCTL_STOP_SIGMASK 0xfffful

/* include/linux/sched.h: __TASK_STOPPED; not exported */
#define KDEF_TASK_STOPPED 4

/* include/linux/sched.h: TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE; not exported */
#define KDEF_TASK_SLEEPS 3

/* arch/x86/include/asm/thread_info.h: a 32-bit system call is under way; not exported */
#define KDEF_TS_COMPAT 0x0002

/* include/linux/fs.h: file opened for reading, writing; not exported */
#define KDEF_FMODE_READ 1
#define KDEF_FMODE_WRITE 2

/* include/uapi/linux/eventfd.h, before v6.7 include/linux/eventfd.h */
#define KDEF_EFD_SEMAPHORE 1

/* include/uapi/asm-generic/fcntl.h; x86 has no other */
#define KDEF_O_NONBLOCK 04000
#define KDEF_O_ASYNC 020000
#define KDEF_O_DIRECT 040000

/* include/uapi/linux/msg.h, ipc.h */
#define KDEF_MSG_NOERROR 010000
#define KDEF_MSG_COPY 040000
#define KDEF_IPC_RMID 0

/* include/linux/shm.h: in the mode of a removed segment; not exported */
#define KDEF_SHM_DEST 01000

/* kernel/locking/rwsem.c: held by one who writes, or others wait for that; not exported */
#define KDEF_RWSEM_WRITERS 3

/* include/uapi/linux/magic.h */
#define KDEF_TMPFS_MAGIC 0x01021994
#define KDEF_HUGETLBFS_MAGIC 0x958458f6
#define KDEF_DMA_BUF_MAGIC 0x444d4142
#define KDEF_RAMFS_MAGIC 0x858458f6
#define KDEF_FUSE_SUPER_MAGIC 0x65735546

/* include/linux/fs.h: mounted by the kernel itself, has no place in any tree; not exported */
#define KDEF_SB_KERNMOUNT (1 << 22)

/* include/linux/fs.h: what it keeps is on a device of this host; not exported */
#define KDEF_FS_REQUIRES_DEV 1

/* include/linux/mm.h; not exported */
#define KDEF_VM_WRITE 0x02
#define KDEF_VM_MAYWRITE 0x20
#define KDEF_VM_MAYSHARE 0x80

/* include/uapi/linux/mman.h, asm-generic/mman-common.h, asm-generic/mman.h */
#define KDEF_MAP_TYPE 0x0f
#define KDEF_MAP_PRIVATE 0x02
#define KDEF_MAP_FIXED 0x10
#define KDEF_MREMAP_FIXED 2
#define KDEF_MREMAP_DONTUNMAP 4

/* include/uapi/linux/fcntl.h */
#define KDEF_F_ADD_SEALS 1033

/* include/uapi/linux/futex.h */
#define KDEF_FUTEX_WAIT 0
#define KDEF_FUTEX_WAKE 1
#define KDEF_FUTEX_WAIT_BITSET 9
#define KDEF_FUTEX_WAKE_BITSET 10
#define KDEF_FUTEX_PRIVATE_FLAG 128
#define KDEF_FUTEX_CMD_MASK 0x7f
#define KDEF_FUTEX_WAIT_REQUEUE_PI 11

/* include/linux/futex.h: FUT_OFF_INODE, FUT_OFF_MMSHARED, in the offset of a key; not exported */
#define KDEF_FUT_OFF_INODE 1
#define KDEF_FUT_OFF_MMSHARED 2

/* include/uapi/linux/ipc.h: first argument of the i386 ipc(2) multiplexer */
#define KDEF_IPC_MSGSND 11
#define KDEF_IPC_MSGRCV 12
#define KDEF_IPC_MSGCTL 14
#define KDEF_IPC_SHMAT 21
#define KDEF_IPC_SHMDT 22
#define KDEF_IPC_SHMGET 23
#define KDEF_IPC_SHMCTL 24

/* include/uapi/linux/io_uring.h */
#define KDEF_IORING_SETUP_SQPOLL (1u << 1)
#define KDEF_IORING_ENTER_EXT_ARG (1u << 3)
#define KDEF_IORING_ENTER_REGISTERED_RING (1u << 4)
#define KDEF_IORING_OP_READV 1
#define KDEF_IORING_OP_WRITEV 2
#define KDEF_IORING_OP_READ_FIXED 4
#define KDEF_IORING_OP_WRITE_FIXED 5
#define KDEF_IORING_OP_POLL_ADD 6
#define KDEF_IORING_OP_SENDMSG 9
#define KDEF_IORING_OP_RECVMSG 10
#define KDEF_IORING_OP_READ 22
#define KDEF_IORING_OP_WRITE 23
#define KDEF_IORING_OP_SEND 26
#define KDEF_IORING_OP_RECV 27
#define KDEF_IORING_OP_SPLICE 30
#define KDEF_IORING_OP_OPENAT 18
#define KDEF_IORING_OP_OPENAT2 28
#define KDEF_IORING_OP_TEE 33
#define KDEF_IORING_OP_SEND_ZC 47
#define KDEF_IORING_OP_SENDMSG_ZC 48
#define KDEF_IORING_OP_READ_MULTISHOT 49
#define KDEF_IORING_OP_READV_FIXED 60
#define KDEF_IORING_OP_WRITEV_FIXED 61
#define KDEF_IORING_RECV_MULTISHOT (1u << 1)
#define KDEF_SPLICE_F_FD_IN_FIXED (1u << 31)

/* include/linux/io_uring_types.h: a request's first flags are those of its SQE */
#define KDEF_REQ_F_FIXED_FILE (1u << 0)
#define KDEF_REQ_F_CQE_SKIP (1u << 6)
/* include/linux/socket.h */
#define KDEF_MSG_PEEK 2
#define KDEF_MSG_TRUNC 0x20
#define KDEF_MSG_ERRQUEUE 0x2000
#define KDEF_SCM_RIGHTS 1
#define KDEF_SOL_SOCKET 1
/* the same: a 32-bit program's call; not exported */
#define KDEF_MSG_CMSG_COMPAT 0x80000000u

/* include/uapi/linux/net.h: first argument of the i386 socketcall(2) multiplexer */
#define KDEF_SYS_SEND 9
#define KDEF_SYS_RECV 10
#define KDEF_SYS_SENDTO 11
#define KDEF_SYS_RECVFROM 12
#define KDEF_SYS_SENDMSG 16
#define KDEF_SYS_RECVMSG 17
#define KDEF_SYS_RECVMMSG 19
#define KDEF_SYS_SENDMMSG 20

/* include/uapi/asm-generic/errno-base.h */
#define KDEF_EFAULT 14
#define KDEF_EAGAIN 11
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
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_RB_NO_WAKEUP = 1 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
#endif

#endif
