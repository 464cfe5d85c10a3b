/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract between bpf/ and user/, and the content of a recording: every
 * fact ipclens learns travels as one of these records, wherever it came from
 * (ring buffer, iterator, map read-out, user-space source).
 *
 * Fixed-width types, explicit padding, little endian. Values are append-only:
 * a retired one leaves a hole. Variable data only at the end of a record.
 */
#ifndef LENS_WIRE_H
#define LENS_WIRE_H

#ifdef __BPF__
#include "ktypes.h"
#else
#include <linux/types.h>
#endif

#define LENS_WIRE_VERSION 1
#define LENS_COMM_LEN 16	/* TASK_COMM_LEN, linux/sched.h */
#define LENS_PATH_MAX 4096	/* PATH_MAX, linux/limits.h */
#define LENS_ARGV_MAX 512	/* bytes of argv kept per process */
#define LENS_REC_MAX 16384	/* no record is longer */

/* not a record: stands for the number of bpf_rdonly_cast in instructions */
#define LENS_CAST_CALL 0x1e9500
/* likewise numbers that user space fills in before loading: an operand costs no load */
#define LENS_FILL_FIRST 0x1e9501
#define LENS_FILL_CACHE_CPUS (LENS_FILL_FIRST + 0)	/* CPUs with a cache, a power of two, - 1 */
#define LENS_FILL_CACHE_SHIFT (LENS_FILL_FIRST + 1)	/* a CPU's share of the cache: 1 << this */
#define LENS_FILL_CACHE_SETS (LENS_FILL_FIRST + 2)	/* sets of a CPU, a power of two, - 1 */
/* what the end of system calls counts straight, with nothing to be looked up before */
#define LENS_FILL_STRAIGHT (LENS_FILL_FIRST + 3)	/* reads and writes of pipes */
#define LENS_FILL_STRAIGHT_QUEUES (LENS_FILL_FIRST + 8)	/* SysV messages */
/* numbers of the kernel's types */
#define LENS_FILL_TYPE_FILE (LENS_FILL_FIRST + 4)
#define LENS_FILL_TYPE_KIOCB (LENS_FILL_FIRST + 5)
#define LENS_FILL_TYPE_TASK (LENS_FILL_FIRST + 6)
#define LENS_FILL_TYPE_SOCK (LENS_FILL_FIRST + 7)
#define LENS_FILL_TYPE_WORD (LENS_FILL_FIRST + 9)	/* one that begins with a number */
#define LENS_FILL_LAST LENS_FILL_TYPE_WORD
/* and the number of bytes of a load, of which it makes another where it can: core_load_word() */
#define LENS_LOAD 0x1e9600
#define LENS_FIELD 0x1e9700	/* likewise: core_field() */

/*
 * Kinds of channel: X(ID, value, hook group, JSON type).
 * The only list of mechanisms in the tree: names, registry, doctor and the
 * coverage check are generated from it. A hook group is the first word of the
 * names of the BPF programs that observe the kind.
 */
#define LENS_KINDS(X)				\
	X(PIPE, 1, pipe, "pipe")		\
	X(FIFO, 2, pipe, "fifo")		\
	X(SYSV_MSG, 3, sysvmsg, "sysv-msg")	\
	X(POSIX_MQ, 4, mqueue, "posix-mq")	\
	X(UNIX_STREAM, 5, unix, "unix-stream")	\
	X(UNIX_DGRAM, 6, unix, "unix-dgram")	\
	X(UNIX_SEQPACKET, 7, unix, "unix-seqpacket")	\
	X(TCP, 8, inet, "tcp")			\
	X(UDP, 9, inet, "udp")			\
	X(SYSV_SHM, 10, mapping, "sysv-shm")	\
	X(POSIX_SHM, 11, mapping, "posix-shm")	\
	X(MEMFD, 12, mapping, "memfd")		\
	X(MMAP_FILE, 13, mapping, "mmap-file")	\
	X(SHARED_ANON, 14, mapping, "shared-anon")	\
	X(PTY, 15, pty, "pty")			\
	X(EVENTFD, 16, eventfd, "eventfd")	\
	X(SIGNAL, 17, signal, "signal")	\
	X(PROCESS_VM, 18, procvm, "process-vm")

enum lens_kind {
	LENS_KIND_NONE,
#define X(id, value, group, type) LENS_KIND_##id = value,
	LENS_KINDS(X)
#undef X
	LENS_KIND_MAX
};

/*
 * Causes of loss, as named in every report: X(ID, JSON name, meaning).
 */
#define LENS_LOSSES(X)								\
	X(RING_FULL, "ring_full", "records that found the ring buffer full")	\
	X(MAP_FULL, "map_full", "operations of an endpoint the full totals map refused") \
	X(RECURSION, "recursion", "runs of a program the kernel skipped")	\
	X(STORAGE, "storage", "task storage that could not be allocated")	\
	X(AMBIGUOUS_FD, "ambiguous_fd", "calls whose descriptor did not resolve after a success") \
	X(UNSEEN, "unseen", "calls seen, but not decoded (32-bit programs)")

enum lens_loss {
#define X(id, name, meaning) LENS_LOSS_##id,
	LENS_LOSSES(X)
#undef X
	LENS_LOSS_MAX
};

enum lens_dir { LENS_READ, LENS_WRITE, LENS_DIR_MAX };

/* ------------------------------------------------------------ identity */

/*
 * One kernel IPC object. Never a kernel pointer, never an inode alone.
 * pipe: inode number on pipefs. fifo: inode, device and generation of the
 * file. sysv-msg, sysv-shm: ino is the id (its sequence number included), dev
 * the inode number of the ipc namespace. posix-mq: inode of the queue; each ipc
 * namespace has its own device for them. Sockets: inode number on sockfs; one
 * that has a connection is half of it, one for datagrams is the queue it
 * receives from. eventfd: ino is its id, which the kernel gives to the next one
 * as soon as it is free, gen the number of those seen made with that id. pty: a
 * half for each end, where ino is the index, dev that of its devpts, and gen the
 * number of those seen made with that index, twice, plus the end. Other memory:
 * as for a fifo. signal, process-vm: the process that is addressed, its start time
 * in ino and its thread group in dev; gen is the number of the signal.
 */
#define LENS_PTY_SLAVE 1	/* lowest bit of gen; else the master */
struct lens_chan {
	__u64 ino;
	__u32 dev;		/* super_block.s_dev (major << 20 | minor) */
	__u32 gen;		/* inode.i_generation, 0 on pipefs */
	__u32 kind;		/* enum lens_kind */
	__u32 pad;
};

/* A process: the group leader's start time makes a reused pid another one. */
struct lens_proc {
	__u64 start_ns;		/* CLOCK_BOOTTIME, 0 = unknown */
	__u32 tgid;		/* in the initial pid namespace */
	__u32 pad;
};

/* --------------------------------------------------------- totals plane */

/*
 * In place of a device: of all channels of that kind that had no room in the totals map what
 * the process did to them in that direction. The rest of the channel is 0.
 */
#define LENS_DEV_UNPLACED 0xffffffffu

/* key of the totals map; packed into four words that a hot path can compare */
struct lens_total_key {
	__u64 ino;
	__u32 dev;
	__u32 gen;
	__u64 start_ns;
	__u32 tgid;
	__u16 kind;
	__u16 dir;		/* enum lens_dir */
};

/* what one process did to one channel in one direction, since the attach */
struct lens_total {
	__u64 ops;		/* calls that ended, failed ones included */
	__u64 msgs;		/* calls that moved a message (pipes: that moved bytes) */
	__u64 bytes;		/* moved, as the kernel returned it; eventfd: added or taken */
	__u64 errors;		/* calls that failed; restarts (-512..-516) are none */
	/*
	 * moved less than asked; sysv-msg: may have been truncated; posix-mq: lost to a
	 * fault; pty: reads that begin with a byte of packet mode
	 */
	__u64 shorts;
	__u32 id;		/* short name of this endpoint in struct lens_op */
	__u32 flags;		/* LENS_END_* */
};

/* value of the channels map */
struct lens_users {
	__u32 count[LENS_DIR_MAX];	/* processes that ever used it, by direction */
	__u32 look;			/* number of the look that found it last, or saw it made */
	__u32 gone_in;			/* ... of the reading that found it gone, 0: none */
};

/* an entry that may leave the totals map, as collector and kernel side hand it to each other */
struct lens_retire_row {
	struct lens_total_key key;
	struct lens_total total;	/* its last counts, if it left */
	__u32 wanted;			/* it is to leave whether its channel is gone or not */
	__u32 left;			/* LENS_LEFT*, 0: it stays */
	__u32 leaves;			/* if it stays: will the next reading find it to leave? */
	__u32 pad;
};
#define LENS_RETIRE_ROWS 1024
#define LENS_LEFT 1
#define LENS_LEFT_GONE 2	/* its channel is gone */
#define LENS_LEFT_ALONE 3	/* ... and was retired before it */

#define LENS_END_OPS 1		/* its operations are streamed too */
#define LENS_END_SELF 2		/* ipclens itself, or who reads what it says at once */
#define LENS_END_TREE 4		/* descendant of the command under `-- CMD` */
#define LENS_END_LAST 8		/* TOTAL only: the map entry is gone, its counts are final */
#define LENS_END_MADE 16	/* END, HOLD: the process itself opened the file, since its exec */
#define LENS_END_LATE 32	/* totals map only: counts of an entry that was retired before */

/* ---------------------------------------------------------- event plane */

/*
 * Header of every record. ts_ns is CLOCK_BOOTTIME when the fact was taken.
 * len counts the whole record, header and variable data included.
 */
struct lens_rec {
	__u32 len;
	__u16 type;		/* enum lens_rec_type */
	__u16 flags;		/* LENS_F_* */
	__u64 ts_ns;
};

#define LENS_F_TRUNCATED 1	/* the variable data is longer than kept */
#define LENS_F_SNAPSHOT 2	/* found by looking, not by an event */
#define LENS_F_RAW_NAME 4	/* the name is one string of any bytes and no path */
#define LENS_F_MADE 8		/* MAP: the process itself opened what is mapped, since its exec */

/*
 * Paths and cgroup names arrive as their components, leaf first, each ended
 * by a NUL: "c\0b\0a\0" is /a/b/c. They come from kernel objects, never from
 * user memory, and are hostile bytes.
 */

enum lens_proc_why { LENS_PROC_SEEN, LENS_PROC_FORK, LENS_PROC_EXEC, LENS_PROC_RENAME };

struct lens_rec_proc {
	struct lens_rec h;
	struct lens_proc proc;
	struct lens_proc parent;
	__u64 cgroup_id;
	__u32 uid;
	__u32 nspid;		/* tgid in its own pid namespace */
	__u32 pidns, ipcns, netns, mntns;	/* namespace inode numbers */
	__u32 why;		/* enum lens_proc_why */
	__u32 end_flags;	/* LENS_END_TREE, LENS_END_SELF */
	char comm[LENS_COMM_LEN];
	__u16 exe_len;		/* components of the executable's path, 0 = not taken */
	__u16 argv_len;		/* NUL separated, as exec left it, 0 = not taken */
	__u16 cgroup_len;	/* components of the cgroup v2 path, 0 = not taken */
	__u16 pad;
	/* exe, argv, cgroup */
};

struct lens_rec_exit {
	struct lens_rec h;
	struct lens_proc proc;
	__s32 code;		/* as wait4(2) encodes it */
	__u32 pad;
};

/* depth and capacity of a channel at one moment */
struct lens_depth {
	__u64 queued_bytes;	/* eventfd: the counter */
	/*
	 * pipe: slots * 4096; sysv-msg: msg_qbytes; posix-mq: mq_maxmsg * mq_msgsize;
	 * half of a connection: sk_sndbuf of its peer; 0: not told by the kernel
	 */
	__u64 capacity_bytes;
	__u32 queued_msgs;	/* pipe: occupied slots; listener: connections to accept */
	__u32 capacity_msgs;	/* pipe: slots; posix-mq: mq_maxmsg; 0 = no limit of its own */
	__u32 readers, writers;	/* pipe: open file descriptions */
	__u32 wait_readers, wait_writers;	/* sleeping in a call on it; message queues */
	__s32 key;		/* sysv-msg: IPC key; posix-mq, socket: its namespace, 0 = gone */
	__u32 valid;		/* LENS_DEPTH_* */
};

#define LENS_DEPTH_VALID 1	/* else it could not be read */
#define LENS_DEPTH_PACKETS 2	/* pipe written to in packet mode (O_DIRECT) */
#define LENS_DEPTH_LISTENING 4	/* socket that takes connections and carries nothing */
#define LENS_DEPTH_PENDING 8	/* connected, but not accepted: its peer has no inode yet */
#define LENS_DEPTH_SEMAPHORE 16	/* eventfd of which a read takes one (EFD_SEMAPHORE) */
#define LENS_DEPTH_COOKED 32	/* pty: the line discipline changes what is read here */
#define LENS_DEPTH_REDIRECTED 64	/* unix socket in a sockmap: see LENS_SOCK_REDIRECTED */
/*
 * Shared memory: capacity_bytes is the size of the object, queued_bytes what
 * of it is in the page cache, whoever brought it there; readers is the number
 * of attachments the kernel counts (sysv-shm).
 */
#define LENS_DEPTH_UNLINKED 0x100	/* has no name any more */
#define LENS_DEPTH_REMOVED 0x200	/* sysv-shm: IPC_RMID, waits for its last detach */
#define LENS_DEPTH_RESIDENT 0x400	/* queued_bytes is known */
#define LENS_DEPTH_SEALABLE 0x800	/* memfd: the seals (F_SEAL_*) are known */
#define LENS_DEPTH_SEALS_SHIFT 16

/* a process used a channel in one direction for the first time */
struct lens_rec_end {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
	struct lens_depth depth;
	__u32 dir;		/* enum lens_dir */
	__u32 id;		/* struct lens_op.id from now on */
	__u32 flags;		/* LENS_END_* */
	__u32 name_len;		/* components of the path, name (posix-mq), raw name, or 0 */
};

/* a process holds a channel open (snapshot) */
struct lens_rec_hold {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
	struct lens_depth depth;
	__u32 fd;
	__u32 mode;		/* 1 = readable, 2 = writable, 3 = both */
	__u32 flags;		/* LENS_END_MADE */
	__u32 name_len;		/* components of the path (fifo), or 0 */
};

/* a channel that no descriptor names (snapshot; SysV queues and segments) */
struct lens_rec_chan {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_depth depth;
	/* last sender and receiver; sysv-shm: creator, last to attach; initial pid namespace */
	__u32 lspid, lrpid;
	__u32 uid;		/* owner */
	__u32 mode;		/* permission bits */
};

/* what only a POSIX message queue has (snapshot): it also exists without anybody holding it */
struct lens_rec_mq {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_depth depth;
	__u32 uid;		/* owner */
	__u32 mode;		/* permission bits */
	__u32 notify_pid;	/* registered by mq_notify(3), initial pid namespace; 0: nobody */
	__u32 notify_how;	/* SIGEV_SIGNAL, SIGEV_NONE or SIGEV_THREAD */
	__u32 name_len;		/* the name, as one component */
	__u32 pad;
	/* name */
};

/*
 * Messages waiting in a queue, in the order in which they would be received;
 * several records may follow each other.
 */
struct lens_msg { __s64 type; __u64 bytes; };	/* posix-mq: type is the priority */
struct lens_rec_msgs {
	struct lens_rec h;
	struct lens_chan chan;
	__u32 first;		/* position of the first one in the queue */
	__u32 count;
	/* struct lens_msg[count] */
};

/* a thread was found inside a call on a channel (snapshot) */
struct lens_rec_wait {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
	__u64 asked;		/* bytes asked for */
	__s64 msgtype;		/* sysv-msg receivers: the type they select */
	__u32 tid;
	__u32 nr;		/* system call number */
	__u32 dir;		/* enum lens_dir */
	__u32 asleep;		/* 0: running or runnable, 1: sleeping */
	__u64 switches;		/* nvcsw + nivcsw: equal in two looks = never left the call */
};

/* a SysV queue was removed, or what is known by an inode is gone with it; proc may be nobody */
struct lens_rec_gone {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
};

/*
 * A descriptor of a fifo was opened. The counts start anew when everybody has
 * closed the fifo, which is when the kernel drops what was still queued: a
 * second first opening for reading or writing tells of another life.
 */
struct lens_rec_open {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
	__u32 fd;
	__u32 mode;		/* as in lens_rec_hold */
	__u32 reader_opens;	/* openings for reading in this life, this one included */
	__u32 writer_opens;
};

/*
 * What became of shared memory in an address space. Of ranges that go or
 * change only the address is known: what was there, the reader of these
 * records remembers.
 */
enum lens_map_op {
	LENS_MAP_FOUND,		/* is there (snapshot) */
	LENS_MAP_MAP,		/* mmap(2) */
	LENS_MAP_ATTACH,	/* shmat(2) */
	LENS_MAP_UNMAP,		/* nothing shared is there any more; no channel */
	LENS_MAP_DETACH,	/* shmdt(2): all that was attached at start; no channel */
	LENS_MAP_MOVE,		/* mremap(2): [from, from_len) became this; channel NONE: gone */
	LENS_MAP_PROTECT,	/* mprotect(2); no channel */
	LENS_MAP_REMOVE,	/* IPC_RMID of the channel; no address */
	LENS_MAP_SEAL,		/* F_ADD_SEALS on the channel; no address */
	LENS_MAP_OP_MAX
};

#define LENS_PROT_READ 1
#define LENS_PROT_WRITE 2
#define LENS_PROT_EXEC 4
#define LENS_PROT_MAY_WRITE 8	/* mprotect(2) could make it writable */
#define LENS_PROT_MASK 15

struct lens_rec_map {
	struct lens_rec h;
	struct lens_chan chan;	/* kind LENS_KIND_NONE: none */
	struct lens_proc proc;
	struct lens_depth depth;
	__u64 start, len;	/* addresses */
	__u64 offset;		/* of start in the object */
	__u64 from, from_len;
	__u32 op;		/* enum lens_map_op */
	__u32 prot;		/* LENS_PROT_* */
	__u32 tid;
	__u32 name_len;		/* components of the path, or 0 */
};

/*
 * Hand-offs at one word of shared memory: how many waiters a process has woken
 * there, or how often one of its threads was woken (futex(2)), since the attach.
 */
struct lens_rec_edge {
	struct lens_rec h;
	struct lens_chan chan;
	struct lens_proc proc;
	__u64 offset;		/* of the word in the object */
	__u64 count;
	__u32 dir;		/* LENS_WRITE: woke others; LENS_READ: was woken */
	__u32 pad;
};

struct lens_rec_total {
	struct lens_rec h;
	struct lens_total_key key;
	struct lens_total total;	/* since the attach, not since the last record */
};

#define LENS_PRIORITY_UNKNOWN -1	/* posix-mq: the receiver did not ask for it */

struct lens_op {
	__u64 ts_ns;		/* CLOCK_BOOTTIME at the end of the call */
	__s64 ret;		/* bytes moved, or -errno; eventfd: added or taken */
	/*
	 * sysv-msg: message type; posix-mq: priority; pipe, fifo: LENS_PLACE_*, LENS_OP_*; udp:
	 * how many messages it was, if more than one
	 */
	__s64 aux;
	__u32 id;		/* lens_rec_end.id */
	__u32 tid;
};

/*
 * Where in the byte stream of a pipe its writers (for a write) or its readers
 * (for a read) were at a moment after ts_ns when nobody was inside: aux is
 * LENS_PLACE_VALID | epoch << LENS_PLACE_BITS | bytes modulo 2^LENS_PLACE_BITS,
 * or 0 when no such moment could be had. Places of one epoch have one origin:
 * in epoch 1 the birth of the pipe, in others any.
 */
#define LENS_PLACE_VALID (1ll << 62)
#define LENS_PLACE_BITS 40
#define LENS_PLACE_EPOCHS 256
#define LENS_PLACE_BIRTH 1
/* aux of a call behind a descriptor: another file may have been meant (--strict) */
#define LENS_OP_AMBIGUOUS 1

/*
 * An id that is no endpoint's: this is no operation, but tells of the next one in
 * the batch which message it put into a message queue or took out of one (ret >= 0)
 * or lost on the way out (ret < 0). Its own ret is the message's number, above 0
 * and below 2^32, beyond which they begin anew. Operations on queues without it are
 * on messages that nobody has numbered.
 */
#define LENS_OP_MESSAGE 0

#define LENS_OPS_PER_BATCH 96

struct lens_rec_ops {
	struct lens_rec h;
	__u32 cpu;
	__u32 count;
	/* struct lens_op[count] */
};

/* loss so far, by kind and cause */
struct lens_rec_loss {
	struct lens_rec h;
	__u32 kind;		/* enum lens_kind, 0 = of no one kind */
	__u32 pad;
	__u64 count[LENS_LOSS_MAX];
	__u64 bytes;		/* moved by the operations under MAP_FULL */
};

enum lens_mark {
	LENS_MARK_ATTACHED,	/* counting began */
	LENS_MARK_LOOK_BEGIN,	/* totals just read; a snapshot begins */
	LENS_MARK_LOOK_END,	/* snapshot complete; totals are read once more */
	LENS_MARK_LOOK_SETTLED,	/* ... they have been */
	LENS_MARK_SAMPLE,	/* a round of lens_rec_wait follows; value = period in ns */
	LENS_MARK_DETACHED,	/* the end; nothing follows but loss */
	LENS_MARK_COMMAND_EXIT,	/* value = wait status of `-- CMD` */
	LENS_MARK_COMMAND,	/* a command is followed: what its tree does is of interest */
	LENS_MARK_PROCS,	/* this look has come by every process there is */
	LENS_MARK_STUCK_BEGIN,	/* all processes, a round of threads; value = LENS_STUCK_VERSION */
	LENS_MARK_STUCK_HOLDERS,	/* who holds what follows */
	LENS_MARK_STUCK_AGAIN,	/* a second round of threads follows */
	LENS_MARK_STUCK_END,	/* value = 1: some records were lost */
	LENS_MARK_FOLD,		/* many channels were told to be gone */
	LENS_MARK_ORDERED,	/* no operation that ended until value (ns) follows */
	LENS_MARK_MAX
};

struct lens_rec_mark {
	struct lens_rec h;
	__u32 mark;
	__u32 pad;
	__u64 value;
};

struct lens_rec_host {
	struct lens_rec h;
	__u64 wall_offset_ns;	/* CLOCK_REALTIME - CLOCK_BOOTTIME */
	__u32 wire_version;
	__u32 pad;
	char hostname[64], kernel[64], arch[16], boot_id[40];	/* NUL-terminated */
};

#include "wire_sock.h"
#include "wire_stuck.h"

/* ------------------------------------------------------------ the host */

/* how a kind is observed on this kernel */
struct lens_rec_cover {
	struct lens_rec h;
	__u32 kind;
	__u32 observed;
	char variant[16];	/* NUL-terminated, empty when not observed */
	char detail[360];	/* NUL-terminated: why, and what is not visible */
};

#define LENS_RECS(X)			\
	X(PROC, 1, lens_rec_proc)	\
	X(EXIT, 2, lens_rec_exit)	\
	X(END, 3, lens_rec_end)		\
	X(HOLD, 4, lens_rec_hold)	\
	X(CHAN, 5, lens_rec_chan)	\
	X(MSGS, 6, lens_rec_msgs)	\
	X(WAIT, 7, lens_rec_wait)	\
	X(GONE, 8, lens_rec_gone)	\
	X(TOTAL, 9, lens_rec_total)	\
	X(OPS, 10, lens_rec_ops)	\
	X(LOSS, 11, lens_rec_loss)	\
	X(MARK, 12, lens_rec_mark)	\
	X(HOST, 13, lens_rec_host)	\
	X(COVER, 14, lens_rec_cover)	\
	X(OPEN, 15, lens_rec_open)	\
	X(PEER, 16, lens_rec_peer)	\
	X(PASS, 17, lens_rec_pass)	\
	X(MAP, 18, lens_rec_map)	\
	X(EDGE, 19, lens_rec_edge)	\
	X(THREAD, 21, lens_rec_thread)	\
	X(DESC, 22, lens_rec_desc)	\
	X(ITEM, 23, lens_rec_item)	\
	X(MEMORY, 24, lens_rec_memory)	\
	X(MAPPING, 25, lens_rec_mapping)	\
	X(SEM, 26, lens_rec_sem)	\
	X(LOCK, 27, lens_rec_lock)	\
	X(URING, 28, lens_rec_uring)	\
	X(REQUEST, 29, lens_rec_request)	\
	X(SUBMITTER, 30, lens_rec_submitter)	\
	X(SOCK, 31, lens_rec_sock)	\
	X(MQ, 40, lens_rec_mq)		\
	X(STACK, 41, lens_rec_stack)	\
	X(FRAMES, 42, lens_rec_frames)	\
	X(WAITER, 43, lens_rec_waiter)	\
	X(FUTEX, 44, lens_rec_futex)

enum lens_rec_type {
	LENS_REC_NONE,
#define X(id, value, type) LENS_REC_##id = value,
	LENS_RECS(X)
#undef X
	LENS_REC_TYPE_MAX
};

_Static_assert(sizeof(struct lens_chan) == 24, "wire layout changed");
_Static_assert(sizeof(struct lens_proc) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_total_key) == 32, "wire layout changed");
_Static_assert(sizeof(struct lens_total) == 48, "wire layout changed");
_Static_assert(sizeof(struct lens_users) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_rec) == 16, "wire layout changed");
_Static_assert(sizeof(struct lens_depth) == 48, "wire layout changed");
_Static_assert(sizeof(struct lens_op) == 32, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_proc) == 112, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_end) == 120, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_hold) == 120, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_open) == 72, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_wait) == 96, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_mq) == 112, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_map) == 160, "wire layout changed");
_Static_assert(sizeof(struct lens_rec_edge) == 80, "wire layout changed");

#endif
