/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The part of wire.h that one look at who waits for what consists of.
 */
#ifndef LENS_WIRE_STUCK_H
#define LENS_WIRE_STUCK_H

#include "wire.h"

/*
 * Records of one look at who waits for what. A token stands for a kernel
 * object: equal tokens are the same object within one look, and mean nothing
 * outside it. 0 is no object.
 */

/*
 * Value of the mark that a look begins with; 0 before there was one. To be counted up when a
 * record that only looks have changes its layout or the meaning of what is in it.
 */
#define LENS_STUCK_VERSION 8

/* system calls a thread can be blocked in: X(ID, name) */
#define LENS_CALLS(X)							\
	X(READ, "read") X(READV, "readv") X(PREAD, "pread64") X(PREADV, "preadv")	\
	X(WRITE, "write") X(WRITEV, "writev") X(PWRITE, "pwrite64") X(PWRITEV, "pwritev")	\
	X(RECVFROM, "recvfrom") X(RECVMSG, "recvmsg") X(RECVMMSG, "recvmmsg") X(RECV, "recv")	\
	X(SENDTO, "sendto") X(SENDMSG, "sendmsg") X(SENDMMSG, "sendmmsg") X(SEND, "send")	\
	X(SENDFILE, "sendfile") X(SPLICE, "splice") X(TEE, "tee") X(VMSPLICE, "vmsplice")	\
	X(ACCEPT, "accept") X(ACCEPT4, "accept4") X(CONNECT, "connect")	\
	X(OPEN, "open") X(OPENAT, "openat") X(OPENAT2, "openat2") X(CREAT, "creat")	\
	X(OPEN_BY_HANDLE, "open_by_handle_at")				\
	X(TRUNCATE, "truncate") X(EXECVE, "execve") X(EXECVEAT, "execveat")	\
	X(POLL, "poll") X(PPOLL, "ppoll") X(SELECT, "select") X(PSELECT, "pselect6")	\
	X(EPOLL_WAIT, "epoll_wait") X(EPOLL_PWAIT, "epoll_pwait")	\
	X(EPOLL_PWAIT2, "epoll_pwait2")					\
	X(IO_URING_ENTER, "io_uring_enter") X(IO_GETEVENTS, "io_getevents")	\
	X(MQ_SEND, "mq_timedsend") X(MQ_RECEIVE, "mq_timedreceive")	\
	X(MSGSND, "msgsnd") X(MSGRCV, "msgrcv") X(SEMOP, "semop") X(SEMTIMEDOP, "semtimedop")	\
	X(FUTEX, "futex") X(FUTEX_WAITV, "futex_waitv")			\
	X(FLOCK, "flock") X(FCNTL, "fcntl")				\
	X(WAIT4, "wait4") X(WAITPID, "waitpid") X(WAITID, "waitid")	\
	X(VFORK, "vfork") X(CLONE, "clone")				\
	X(NANOSLEEP, "nanosleep") X(CLOCK_NANOSLEEP, "clock_nanosleep")	\
	X(PAUSE, "pause") X(SIGSUSPEND, "rt_sigsuspend") X(SIGWAIT, "rt_sigtimedwait")	\
	X(RESTART, "restart_syscall") X(SOCKETCALL, "socketcall") X(IPC, "ipc")

enum lens_call {
	LENS_CALL_OTHER,	/* a call that is not in the list */
#define X(id, name) LENS_CALL_##id,
	LENS_CALLS(X)
#undef X
	LENS_CALL_NONE,		/* in no system call */
	LENS_CALL_MAX
};

#define LENS_THREAD_COMPAT 1		/* in a 32-bit system call */
#define LENS_THREAD_FROZEN 2		/* by its cgroup */
#define LENS_THREAD_WORKER 4		/* of io_uring: runs no program */
#define LENS_THREAD_TIMER 8		/* a timer of its process will have a signal reach it */
#define LENS_THREAD_ADOPTED 16		/* child of an init or subreaper */
#define LENS_THREAD_LEADERLESS 32	/* who led its process group or session is gone */
#define LENS_THREAD_LEADER 128		/* leads its session */
#define LENS_THREAD_ENDLESS 64		/* restarted poll(2) without a time limit */
#define LENS_THREAD_RESTARTED 256	/* the call goes on after a stop or a signal */
#define LENS_THREAD_URING 512		/* has made or used a ring of io_uring */
#define LENS_THREAD_SUPERVISED 1024	/* a seccomp filter may hold its calls for a supervisor */
#define LENS_THREAD_SHARES_MEMORY 2048	/* with a process that is not its own */
#define LENS_THREAD_VFORKED 4096	/* its parent waits in vfork(2) for it */
#define LENS_THREAD_ENDING 8192		/* leaves its last call never again, or dumps core */
#define LENS_THREAD_LISTENS 16384	/* lets in, for this call, a signal that it handles */
#define LENS_THREAD_CONTINUABLE 32768	/* by SIGCONT, traced or not */
#define LENS_THREAD_BACKGROUND 65536	/* its terminal has another job in the foreground */
#define LENS_THREAD_CLONED 131072	/* ends with another signal than SIGCHLD, or none */
#define LENS_THREAD_ELSEWHERE 262144	/* its call is about what its descriptor, or group, was */
#define LENS_THREAD_TIMED 524288	/* a timer of the kernel's will end the call */
#define LENS_THREAD_FOREGROUND 1048576	/* its terminal has its group in the foreground */
#define LENS_THREAD_TELLS 2097152	/* its parent of its end, by another signal than SIGCHLD */

/*
 * A look tells of each thread twice. What it compares is filled in the first time: proc,
 * switches, arg, tid, nr, call, and what of flags is about the call.
 */
struct lens_rec_thread {
	struct lens_rec h;
	struct lens_proc proc;
	__u64 switches;		/* nvcsw + nivcsw: equal in two looks = never ran between them */
	__u64 entered_ns;	/* when it entered that call, 0: not known */
	__u64 arg[6];		/* of the system call, as 64-bit callers pass them */
	__u64 files;		/* token of the table of descriptors */
	__u64 undo;		/* token of its list of semaphore undos */
	__u64 cred;		/* token of its credentials, which no other process has */
	__u64 task;		/* token of the thread itself */
	__u64 handlers;		/* signals with a handler, bit 0 = signal 1; group leaders only */
	__u64 ignored;		/* likewise; signals that are ignored */
	__u64 blocked;		/* signals the thread does not take now */
	__u64 pid, group;	/* tokens of what signals are sent to: thread, process group */
	__u64 written;		/* bytes it has written by system calls, to anything */
	__u64 terminal;		/* lens_rec_desc.self of what controls it; group leaders only */
	__u64 heir;		/* token of the thread that has the lock with inheritance that it */
				/* waits for, 0: for none, or nobody has it */
	__u32 tid;
	__u32 nr;		/* system call number, as the caller's ABI has it */
	__u32 call;		/* enum lens_call */
	__u32 state;		/* task_struct.__state */
	__u32 flags;		/* LENS_THREAD_* */
	__u32 parent, tracer;	/* tgids; tracer 0 = not traced */
	__u32 nstid;		/* tid in its own pid namespace */
	__u32 nstgid_in_parent;	/* tgid as its parent sees it */
	__u32 pidns, ipcns, netns;
	__u32 nsgroup_in_parent;	/* its process group as its parent sees it */
	__u32 stop_signal;	/* that has stopped it, 0: not known, or it is not stopped */
	char comm[LENS_COMM_LEN];
};

/*
 * What a descriptor can stand for: X(ID, value, type). Values below 32 are
 * those of LENS_KINDS.
 */
#define LENS_OBJECTS(X)							\
	X(PIPE, 1, "pipe") X(FIFO, 2, "fifo") X(SYSV_MSG, 3, "sysv-msg")	\
	X(POSIX_MQ, 4, "posix-mq")					\
	X(UNIX_STREAM, 5, "unix-stream") X(UNIX_DGRAM, 6, "unix-dgram")	\
	X(UNIX_SEQPACKET, 7, "unix-seqpacket") X(TCP, 8, "tcp") X(UDP, 9, "udp")	\
	X(PTY, 15, "pty") X(EVENTFD, 16, "eventfd")			\
	X(EPOLL, 32, "epoll") X(TIMERFD, 33, "timerfd") X(SIGNALFD, 34, "signalfd")	\
	X(PIDFD, 35, "pidfd") X(INOTIFY, 36, "inotify") X(IO_URING, 37, "io-uring")	\
	X(SOCKET, 38, "socket") X(DEVICE, 39, "device") X(FILE, 40, "file")	\
	X(SEM, 41, "sysv-sem") X(FUTEX, 42, "futex") X(LOCK, 43, "file-lock")	\
	X(CHILD, 44, "child") X(SIGNAL, 45, "signal") X(TIMER, 46, "timer")	\
	X(MEMORY, 47, "memory") X(LEASE, 48, "lease")

enum lens_object {
	LENS_OBJECT_NONE,
#define X(id, value, type) LENS_OBJECT_##id = value,
	LENS_OBJECTS(X)
#undef X
	LENS_OBJECT_MAX
};

#define LENS_DESC_CLOEXEC 1
#define LENS_DESC_NAMED 2	/* can still be opened or addressed by name */
#define LENS_DESC_LISTEN 4	/* socket that takes connections */
#define LENS_DESC_CONNECTED 8	/* socket with a peer */
#define LENS_DESC_UNACCEPTED 16	/* peer_sock is the listener that has not accepted yet */
#define LENS_DESC_MASTER 32	/* pty */
#define LENS_DESC_KERNEL_USER 64	/* something in the kernel can signal it, too */
#define LENS_DESC_RECV_TIMEOUT 128	/* SO_RCVTIMEO, SO_SNDTIMEO */
#define LENS_DESC_SEND_TIMEOUT 256
#define LENS_DESC_RECV_SHUT 512		/* this end has given up reading, writing */
#define LENS_DESC_SEND_SHUT 1024
#define LENS_DESC_PACKETS 2048
#define LENS_DESC_PATH 4096		/* name is the components of a path, leaf first */
#define LENS_DESC_USER_TIMEOUT 16384	/* TCP_USER_TIMEOUT: gives up what is not acknowledged */
#define LENS_DESC_OPENING 8192		/* not there yet: fd is the thread that waits in open(2) */
#define LENS_DESC_IDLE 32768	/* timerfd: not set */
#define LENS_DESC_TOO_LITTLE 65536	/* tcp: has less to be read than poll(2) tells of */
#define LENS_DESC_NONBLOCK 131072
#define LENS_DESC_SENDING 262144	/* tcp: what it sent is on its way, or may go */
#define LENS_DESC_USED 524288	/* pipe: something has been written to it */
#define LENS_DESC_READ_TIMED 1048576	/* pty: a read may have a time limit (VTIME) */
#define LENS_DESC_OUTPUT_STOPPED 2097152	/* pty: takes nothing until somebody says so */
#define LENS_DESC_REDIRECTED 4194304	/* socket in a sockmap: BPF programs move what is sent */
#define LENS_DESC_HELD_BACK 8388608	/* tcp: takes no more while so much is unsent */
#define LENS_DESC_PEEK_OFF 16777216	/* socket: a peek begins behind what was peeked at */
#define LENS_DESC_CONNECTING 33554432	/* tcp: nobody has answered yet */
#define LENS_DESC_WINDOW 67108864	/* tcp: has told its peer that there is room for more */

/* a descriptor of a process, one it is about to get, or one inside a unix socket (tgid 0) */
struct lens_rec_desc {
	struct lens_rec h;
	struct lens_proc proc;
	__u64 file;		/* token of the open file description */
	__u64 refs;		/* references to it, ours not counted */
	__u64 self;		/* token of the end behind it */
	__u64 peer;		/* ... of the other end; pipe: of the thread that has its lock */
	__u64 carrier;		/* token of the socket whose queue holds it */
	__u64 cred;		/* token of the credentials that it was opened with */
	__u64 signalled;	/* token: who is sent a signal of what happens there, 0: nobody */
	__u64 ino;
	__u64 queued_bytes, capacity_bytes;	/* to be read here; pipe: in it */
	__u64 sent_bytes, send_capacity_bytes;	/* sockets: not yet taken by the peer */
	__u32 dev, gen;
	__u32 object;		/* enum lens_object */
	__u32 fd;
	__u32 mode;		/* 1 = readable, 2 = writable, 3 = both */
	__u32 flags;		/* LENS_DESC_* */
	__u32 queued_msgs, capacity_msgs;	/* pipe: slots; listener: backlog */
	__u32 readers, writers;	/* pipe: open file descriptions; queue: all of them, as readers */
	__u32 netns;
	__u16 local_port, remote_port;
	__u8 local_addr[16], remote_addr[16];	/* IPv4 as ::ffff:a.b.c.d */
	__u32 pid;		/* pidfd: the process; userfaultfd: whose memory it is about */
	__u32 signal;		/* which one, if signalled */
	__u32 name_len;
	__u32 pad;
};

/*
 * A thread that waits until a unix socket, not its own, has room for what it sends, or accepts; or
 * for the lock of a pipe.
 */
struct lens_rec_waiter {
	struct lens_rec h;
	__u64 self;		/* lens_rec_desc.self of that socket, or pipe */
	__u64 task;		/* lens_rec_thread.task */
};

/* a member of an epoll set */
struct lens_rec_item {
	struct lens_rec h;
	__u64 epoll;		/* lens_rec_desc.self of the set */
	__u64 file;		/* token of the open file description */
	__u32 fd;
	__u32 events;
};

#define LENS_RINGS_REGISTERED 16	/* IO_RINGFD_REG_MAX of the kernel */

/* a thread that has made or used rings of io_uring, or works for one */
struct lens_rec_uring {
	struct lens_rec h;
	__u64 ring;		/* lens_rec_desc.self of the one it waits for, 0: none */
	__u64 request;		/* token of what it works on, 0: nothing */
	__u32 tid;
	__u32 requests;		/* made by it and not over, on all rings */
	__u64 registered[LENS_RINGS_REGISTERED]; /* rings it has without a descriptor */
};

/* a request to a ring that waits for a file to be ready, or that somebody works on */
struct lens_rec_request {
	struct lens_rec h;
	__u64 ring;		/* lens_rec_desc.self */
	__u64 request;		/* token */
	__u64 file;		/* token of the open file description */
	__u32 tid;		/* of the thread that made it */
	__u32 operation;	/* IORING_OP_* */
	__u32 events;		/* POLL* that it is told of, 0: it is being worked on */
	__u32 flags;		/* LENS_REQUEST_* */
};

#define LENS_REQUEST_FIXED 1	/* the file is the ring's; the request holds no reference itself */

/* a thread that has made or used a ring; tid 0: what flags tell is all */
struct lens_rec_submitter {
	struct lens_rec h;
	__u64 ring;		/* lens_rec_desc.self */
	__u32 tid;
	__u32 flags;		/* LENS_RING_* */
};

#define LENS_RING_TIMED 1	/* some requests have a time limit */
#define LENS_RING_POLLED 2	/* a thread of the kernel's takes in requests */
#define LENS_RING_OTHERS 4	/* there are, or may be, requests and users that are not told of */

/*
 * What a call of a thread was given in memory: a futex word, an address; operations on semaphores;
 * of futex_waitv(2) struct lens_word. Of poll and select what they wait for, struct lens_polled, in
 * several records, all but the last LENS_F_TRUNCATED.
 */
#define LENS_MEMORY_SERVED 1 /* some of it another process or host may have to bring in */
#define LENS_MEMORY_ELSEWHERE 2 /* socketcall(2): as LENS_THREAD_ELSEWHERE */

struct lens_rec_memory {
	struct lens_rec h;
	struct lens_proc proc;
	__u32 tid;
	__u32 call;		/* enum lens_call */
	__u32 size;
	__u16 flags;		/* LENS_MEMORY_* */
	__u16 before;		/* of the bytes, so many stand in front of the address */
	/* bytes */
};

/* a wait queue of a file that a poll waits at */
struct lens_polled {
	__u64 file;		/* token of the open file description */
	__u32 events;		/* POLL*; of select(2) POLLPRI always */
	__u32 pad;
};

#define LENS_WORD_STRANGE ~0ull

/* a word that futex_waitv(2) sleeps at */
struct lens_word {
	__u64 sequence, offset;	/* as in lens_rec_futex; sequence 0: it is the process's own, */
				/* LENS_WORD_STRANGE: another's own, where it was moved */
};

/* a shared mapping */
struct lens_rec_mapping {
	struct lens_rec h;
	struct lens_proc proc;
	__u64 start, end;	/* addresses */
	__u64 offset;		/* in the object, bytes */
	__u64 object;		/* token of its inode */
	__u64 file;		/* token of the open file description */
	__u64 refs;		/* references to it */
	__u64 ino;
	__u64 sequence;		/* lens_rec_futex.sequence of words in it, 0: there were none */
	__u32 dev;
	__u32 flags;		/* LENS_DESC_NAMED: whoever may can map it, too */
	/* of several threads, where the leader has ended or has not the table of all of them */
	__u32 tid, pad;
};

#define LENS_FUTEX_OWN 1	/* a word of the address space of the thread, and no shared one */

/* where a thread sleeps that was moved from the futex of its call: FUTEX_CMP_REQUEUE and others */
struct lens_rec_futex {
	struct lens_rec h;
	__u64 sequence;		/* number of the inode behind shared memory, 0: it is not */
	__u64 offset;		/* in the object, bytes; else the address */
	__u64 address;		/* of the same in the memory of the thread, 0: not known */
	__u32 tid;
	__u32 flags;		/* LENS_FUTEX_* */
};

/* a semaphore of a SysV set, and who owes it what */
struct lens_rec_sem {
	struct lens_rec h;
	__u32 ipcns, id;
	__s32 key;
	__u32 num, count;	/* this one, and how many the set has */
	__s32 value;
	__u32 pid;		/* who operated on it last, initial pid namespace */
	__s32 adjust;		/* > 0: what SEM_UNDO will give back when `undo` ends */
	__u64 undo;		/* token, 0: this record tells the value only */
};

#define LENS_LOCK_FLOCK 1	/* flock(2), else a record lock */
#define LENS_LOCK_OFD 2		/* record lock of an open file description */
#define LENS_LOCK_LEASE 4	/* of an open file description; the file is opened, or cut */

/* a file lock that is held on the file that a thread wants to lock */
struct lens_rec_lock {
	struct lens_rec h;
	__u32 tid;		/* of the thread that waits */
	__u32 flags;
	__u64 file;		/* token: by which open file description */
	__u64 owner;		/* token: of the table of descriptors (record locks), or as file */
	__u64 wanted;		/* token: open file description that the thread locks */
	__u64 wanted_owner;	/* as owner, who it would have the lock for */
	__u64 start, end;
	__u64 wanted_start, wanted_end;
	__u64 ino;
	__u32 dev;
	__u32 exclusive, wanted_exclusive;
	__s32 pid;		/* as the lock has it, initial pid namespace */
};

/* registers a call leaves as they are, and where it returns to */
enum lens_reg {
	LENS_REG_BX,
	LENS_REG_BP,
	LENS_REG_SP,
	LENS_REG_R12,
	LENS_REG_R13,
	LENS_REG_R14,
	LENS_REG_R15,
	LENS_REG_IP,
	LENS_REG_MAX
};

#define LENS_KERNEL_FRAMES 32
#define LENS_STACK_BYTES 15360

/* where a thread that does not run is: in the kernel, and when it entered it */
struct lens_rec_stack {
	struct lens_rec h;
	struct lens_proc proc;
	__u64 reg[LENS_REG_MAX];
	__u64 address[LENS_KERNEL_FRAMES];	/* innermost first */
	__u64 switches;		/* as in lens_rec_thread */
	__u64 memory_from;	/* address of the user memory behind this */
	__u32 tid;
	__u32 flags;		/* LENS_THREAD_COMPAT */
	__s32 count;		/* of addresses, or -errno: the stack could not be read */
	__u32 memory_len;	/* 0: could not be read */
	/* memory: the user stack, from its pointer or from where was asked for */
};

#define LENS_FRAMES_MAX 48

struct lens_frame {
	__u64 offset;		/* into the function, or the module if that is not known */
	__u16 function_len, module_len;	/* in the text behind the frames; 0: not known */
	__u32 pad;
};

enum lens_space { LENS_SPACE_KERNEL, LENS_SPACE_USER, LENS_SPACE_MAX };

/*
 * Why there are no frames, or no more of them. X(ID, what is said about it):
 * no text where nothing is missing.
 */
#define LENS_FRAMES_ENDS(X)							\
	X(COMPLETE, "")								\
	X(DEEP, "deeper frames are not shown")					\
	X(HIDDEN, "this kernel hides its addresses")				\
	X(UNREADABLE, "the rest of the stack could not be read")		\
	X(COMPAT, "32-bit programs are not unwound")				\
	X(DENIED, "what it has mapped may not be read: CAP_SYS_PTRACE")		\
	X(GONE, "its process is not in this /proc")				\
	X(NO_FILE, "the last one is code of no file")				\
	X(FILE_UNREADABLE, "the file of the last one could not be read")	\
	X(NO_RULE, "the file of the last one does not say how to unwind it")	\
	X(UNSUPPORTED, "unwind information of a kind that is not supported")	\
	X(OUT_OF_TIME, "not looked at: out of time")

enum lens_frames_end {
#define X(id, text) LENS_FRAMES_##id,
	LENS_FRAMES_ENDS(X)
#undef X
	LENS_FRAMES_END_MAX
};

/* the calls a thread is in, by name, innermost first */
struct lens_rec_frames {
	struct lens_rec h;
	struct lens_proc proc;
	__u64 switches;		/* of the stack it comes from */
	__u32 tid;
	__u16 space;		/* enum lens_space */
	__u16 end;		/* enum lens_frames_end */
	__u32 count;
	__u32 text_len;
	/* struct lens_frame[count], then function and module of each, one behind the other */
};

/* these are recorded: see LENS_STUCK_VERSION */
_Static_assert(sizeof(struct lens_rec_thread) == 264, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_desc) == 224, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_waiter) == 32, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_item) == 40, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_uring) == 168, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_request) == 56, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_submitter) == 32, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_memory) == 48, "wire layout changed");
_Static_assert(sizeof(struct lens_polled) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_word) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_mapping) == 112, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_futex) == 48, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_sem) == 56, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_lock) == 112, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_stack) == 384, "wire layout changed");
_Static_assert(sizeof(struct lens_frame) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_frames) == 56, "wire layout changed");

#endif
