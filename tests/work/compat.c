/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The 32-bit system calls, from a 64-bit program through int 0x80: another
 * table of numbers, other registers, and a multiplexer. They must be decoded,
 * or at least be counted as unseen.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duct.h"
#include "handover.h"
#include "line.h"

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum {
	NR32_READ = 3, NR32_WRITE = 4, NR32_GETPID = 20, NR32_IPC = 117,
	NR32_MQSEND = 279, NR32_MQRECEIVE = 280, NR32_MQSEND64 = 418, NR32_MQRECEIVE64 = 419,
	NR32_READV = 145, NR32_WRITEV = 146, NR32_MSGSND = 400, NR32_MSGRCV = 401,
	NR32_EVENTFD2 = 328,
	NR32_SOCKETCALL = 102, NR32_SENDTO = 369, NR32_SENDMSG = 370, NR32_RECVFROM = 371,
	NR32_RECVMSG = 372, NR32_RECVMMSG = 337, NR32_SENDMMSG = 345, NR32_RECVMMSG64 = 417,
	NR32_SENDFILE = 187, NR32_SENDFILE64 = 239, NR32_SPLICE = 313, NR32_TEE = 315,
	NR32_VMSPLICE = 316,
	NR32_KILL = 37, NR32_VM_READ = 347, NR32_VM_WRITE = 348,
	NR32_MUNMAP = 91, NR32_MPROTECT = 125, NR32_MREMAP = 163, NR32_MMAP2 = 192,
};

/* linux/ipc.h */
enum {
	IPC32_MSGSND = 11, IPC32_MSGRCV = 12, IPC32_MSGCTL = 14, IPC32_SHMAT = 21, IPC32_SHMDT,
	IPC32_SHMGET,
	IPC32_64 = 0x100,	/* of the layout of what a command fills in */
};

enum {	/* linux/net.h */
	SYS32_SEND = 9, SYS32_RECV = 10, SYS32_SENDTO = 11, SYS32_RECVFROM = 12,
	SYS32_SENDMSG = 16, SYS32_RECVMSG = 17, SYS32_RECVMMSG = 19, SYS32_SENDMMSG = 20,
};

struct iovec32 { uint32_t base, len; };
struct msghdr32 { uint32_t name, name_len, v, v_len, control, control_len, flags; };
struct rights32 { uint32_t len; int32_t level, type, fd[2]; };
struct mmsghdr32 { struct msghdr32 header; uint32_t len; };
struct message32 { int32_t type; char text[100]; };
struct kludge32 { uint32_t message; int32_t type; };

/* what the calls point to must lie below 4 GiB */
struct low {
	char text[4096];
	struct iovec32 v[2];
	struct msghdr32 header;
	struct rights32 rights;
	struct mmsghdr32 headers[2];
	struct sockaddr_in name;
	uint32_t arg[6];
	struct message32 message;
	struct kludge32 kludge;
	uint32_t priority;
	uint64_t value;
	uint32_t address;
};

static struct low *low;
static struct duct a;

#ifdef __x86_64__
/* the sixth argument, in a register that a compiler may use for its frame, is 0 */
static long call32(long nr, uint32_t b, uint32_t c, uint32_t d, uint32_t si, uint32_t di)
{
	long ret;

	__asm__ volatile("mov %%rbp, %%r12; xor %%ebp, %%ebp; int $0x80; mov %%r12, %%rbp"
			 : "=a"(ret)
			 : "a"(nr), "b"((uint64_t)b), "c"((uint64_t)c), "d"((uint64_t)d),
			   "S"((uint64_t)si), "D"((uint64_t)di)
			 : "memory", "r8", "r9", "r10", "r11", "r12");
	ret = (int32_t)ret;
	/* addresses may have the highest bit set, too */
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}
#else
static long call32(long nr, uint32_t b, uint32_t c, uint32_t d, uint32_t si, uint32_t di)
{
	_exit(1);
}
#endif

static uint32_t at(const void *p)
{
	return (uint32_t)(uintptr_t)p;
}

/* where the gate is closed the call is a fault: let a child find out */
static void enter(void)
{
	int status = 0;
	pid_t probe = fork();

	if (!probe)
		_exit(call32(NR32_GETPID, 0, 0, 0, 0, 0) != getpid());
	if (probe < 0 || waitpid(probe, &status, 0) != probe)
		work_die("fork");
	if (status)
		work_skip("no 32-bit system calls on this kernel");
#ifdef __x86_64__
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		work_die("mmap");
#endif
}

static void run_rw(void)
{
	long times = work_arg(0, 1000);
	ssize_t n;

	enter();
	a = duct_new(O_NONBLOCK);
	work_ready();
	for (long i = 0; i < times; i++) {
		n = call32(NR32_WRITE, (uint32_t)a.w, at(low->text), 10, 0, 0);
		work_expect(work_did(a.c, WORK_WRITE, n), 10, "32-bit write");
		n = call32(NR32_READ, (uint32_t)a.r, at(low->text), 7, 0, 0);
		work_expect(work_did(a.c, WORK_READ, n), 7, "32-bit read");
		work_expect(duct_get(&a, 10), 3, "read");
	}
	n = call32(NR32_READ, (uint32_t)a.r, at(low->text), 7, 0, 0);
	work_expect_error(work_did(a.c, WORK_READ, n), EAGAIN, "32-bit read of nothing");
	work_fact("calls", 2 * times + 1);
}

static void run_rwv(void)
{
	long times = work_arg(0, 100);
	ssize_t n;

	enter();
	a = duct_new(0);
	low->v[0] = (struct iovec32){ at(low->text), 30 };
	low->v[1] = (struct iovec32){ at(low->text), 70 };
	work_ready();
	for (long i = 0; i < times; i++) {
		n = call32(NR32_WRITEV, (uint32_t)a.w, at(low->v), 2, 0, 0);
		work_expect(work_did(a.c, WORK_WRITE, n), 100, "32-bit writev");
		n = call32(NR32_READV, (uint32_t)a.r, at(low->v), 1, 0, 0);
		work_expect(work_did(a.c, WORK_READ, n), 30, "32-bit readv");
		work_expect(duct_get(&a, 70), 70, "read");
	}
	work_fact("calls", 2 * times);
}

static int queue, queue_chan;

static void remove_queue(void)
{
	msgctl(queue, IPC_RMID, NULL);
}

static void sent(long ret)
{
	work_expect(ret, 0, "32-bit msgsnd");
	work_did_message(queue_chan, WORK_WRITE, 60);
}

static void received(long ret)
{
	work_expect(work_did_message(queue_chan, WORK_READ, ret), 60, "32-bit msgrcv");
}

static uint32_t make_queue(void)
{
	enter();
	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0)
		work_die("msgget");
	atexit(remove_queue);
	queue_chan = work_queue(queue);
	low->message.type = 5;
	return (uint32_t)queue;
}

static void run_sysvmsg(void)
{
	long times = work_arg(0, 100);
	uint32_t id = make_queue();

	low->kludge = (struct kludge32){ at(&low->message), 5 };
	work_ready();
	for (long i = 0; i < times; i++) {
		sent(call32(NR32_IPC, IPC32_MSGSND, id, 60, 0, at(&low->message)));
		received(call32(NR32_IPC, IPC32_MSGRCV, id, 60, 0, at(&low->kludge)));
		sent(call32(NR32_MSGSND, id, at(&low->message), 60, 0, 0));
		received(call32(NR32_MSGRCV, id, at(&low->message), 60, 5, 0));
	}
	sent(call32(NR32_MSGSND, id, at(&low->message), 60, 0, 0));
	work_backlog(queue_chan, 5, 1, 60);
	work_fact("calls", 4 * times + 1);
}

static const char mq_name[] = "/lens-mq-32";

static void remove_mq(void)
{
	mq_unlink(mq_name);
}

/* with 32-bit times and without; there is none, but the number differs */
static void run_mqueue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 100 };
	long times = work_arg(0, 100), n;
	uint32_t fd;
	int c;

	enter();
	fd = (uint32_t)mq_open(mq_name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
	if (fd == (uint32_t)-1)
		work_die("mq_open");
	atexit(remove_mq);
	c = work_mq((int)fd, mq_name);
	work_ready();
	for (long i = 0; i < times; i++) {
		n = call32(i & 1 ? NR32_MQSEND : NR32_MQSEND64, fd, at(low->text), 60, 5, 0);
		work_expect(n, 0, "32-bit mq_timedsend");
		work_did_message(c, WORK_WRITE, 60);
		n = call32(i & 1 ? NR32_MQRECEIVE : NR32_MQRECEIVE64, fd, at(low->text), 100,
			   at(&low->priority), 0);
		work_expect(work_did_message(c, WORK_READ, n), 60, "32-bit mq_timedreceive");
		work_expect(low->priority, 5, "priority");
	}
	n = call32(NR32_MQRECEIVE, fd, at(low->text), 100, 0, 0);
	work_expect_error(work_did_message(c, WORK_READ, n), EAGAIN, "nothing there");
	work_fact("calls", 2 * times + 1);
}

static void run_eventfd(void)
{
	long times = work_arg(0, 100), n;
	uint32_t fd;
	int c;

	enter();
	low->v[0] = (struct iovec32){ at(&low->value), 8 };
	work_ready();
	n = call32(NR32_EVENTFD2, 30, 0, 0, 0, 0);
	if (n < 0)
		work_die("32-bit eventfd2");
	fd = (uint32_t)n;
	c = work_eventfd((int)fd);
	work_did(c, WORK_WRITE, 30);
	for (long i = 0; i < times; i++) {
		low->value = (uint64_t)i + 1;
		n = call32(i & 1 ? NR32_WRITE : NR32_WRITEV, fd,
			   i & 1 ? at(&low->value) : at(low->v), i & 1 ? 8 : 1, 0, 0);
		work_expect(n, 8, "32-bit write");
		work_did(c, WORK_WRITE, i + 1);
		low->value = 0;
		n = call32(i & 1 ? NR32_READ : NR32_READV, fd,
			   i & 1 ? at(&low->value) : at(low->v), i & 1 ? 8 : 1, 0, 0);
		work_expect(n, 8, "32-bit read");
		work_expect((ssize_t)low->value, i ? i + 1 : 31, "value");
		work_did(c, WORK_READ, (ssize_t)low->value);
	}
	work_fact("calls", 2 * times + 1);
}

static long socketcall(uint32_t call, int fd, uint32_t data, uint32_t len)
{
	low->arg[0] = (uint32_t)fd;
	low->arg[1] = data;
	low->arg[2] = len;
	return call32(NR32_SOCKETCALL, call, at(low->arg), 0, 0, 0);
}

static void moved(const struct line *l, enum work_dir dir, long ret, ssize_t len)
{
	work_expect(line_did(l, dir, ret), len, "32-bit call on a socket");
}

/* by the multiplexer and by the calls that came later */
static void run_sockets(void)
{
	long times = work_arg(0, 50);
	uint32_t text, header;
	struct line l[2];
	int fd[2];

	enter();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		work_die("socketpair");
	line_join(fd, false, l);
	text = at(low->text);
	header = at(&low->header);
	low->v[0] = (struct iovec32){ text, 25 };
	low->v[1] = (struct iovec32){ text, 15 };
	low->header = (struct msghdr32){ .v = at(low->v), .v_len = 2 };
	work_ready();
	for (long i = 0; i < times; i++) {
		moved(&l[0], WORK_WRITE, socketcall(SYS32_SEND, fd[0], text, 10), 10);
		moved(&l[0], WORK_WRITE, socketcall(SYS32_SENDTO, fd[0], text, 20), 20);
		moved(&l[0], WORK_WRITE, socketcall(SYS32_SENDMSG, fd[0], header, 0), 40);
		moved(&l[1], WORK_READ, socketcall(SYS32_RECV, fd[1], text, 11), 11);
		moved(&l[1], WORK_READ, socketcall(SYS32_RECVFROM, fd[1], text, 9), 9);
		moved(&l[1], WORK_READ, socketcall(SYS32_RECVMSG, fd[1], header, 0), 40);
		moved(&l[1], WORK_READ, call32(NR32_RECVFROM, (uint32_t)fd[1], text, 10, 0, 0), 10);
		moved(&l[1], WORK_WRITE, call32(NR32_SENDTO, (uint32_t)fd[1], text, 7, 0, 0), 7);
		moved(&l[1], WORK_WRITE, call32(NR32_SENDMSG, (uint32_t)fd[1], header, 0, 0, 0),
		      40);
		moved(&l[0], WORK_READ, call32(NR32_RECVMSG, (uint32_t)fd[0], header, 0, 0, 0), 40);
	}
	work_fact("calls", 10 * times);
}

static int receiver, receiver_chan, sender;

static void sent_datagram(long ret, ssize_t len)
{
	work_expect(work_did_message(receiver_chan, WORK_WRITE, ret), len, "32-bit send");
}

static void received_datagram(long ret, ssize_t len)
{
	work_expect(work_did_message(receiver_chan, WORK_READ, ret), len, "32-bit receive");
}

/* two messages by one call, which returns how many there were */
static void several(long ret, enum work_dir dir)
{
	work_expect(ret, 2, "32-bit call of several messages");
	for (int i = 0; i < 2; i++)
		work_did_message(receiver_chan, dir, low->headers[i].len);
}

static void open_datagrams(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(name);

	receiver = socket(AF_INET, SOCK_DGRAM, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(receiver, (struct sockaddr *)&name, len) ||
	    getsockname(receiver, (struct sockaddr *)&low->name, &len))
		work_die("bind");
	receiver_chan = work_socket(receiver);
	low->v[0] = (struct iovec32){ at(low->text), 25 };
	low->v[1] = (struct iovec32){ at(low->text), 15 };
	low->header = (struct msghdr32){ .name = at(&low->name), .name_len = sizeof(low->name),
					 .v = at(low->v), .v_len = 2 };
	low->headers[0].header = low->headers[1].header = low->header;
	low->headers[1].header.v_len = 1;
}

static void send_datagrams(void)
{
	uint32_t to = at(&low->name), fd = (uint32_t)sender, text = at(low->text);

	low->arg[3] = 0;
	low->arg[4] = to;
	low->arg[5] = sizeof(low->name);
	sent_datagram(socketcall(SYS32_SENDTO, sender, text, 10), 10);
	sent_datagram(socketcall(SYS32_SENDMSG, sender, at(&low->header), 0), 40);
	several(socketcall(SYS32_SENDMMSG, sender, at(low->headers), 2), WORK_WRITE);
	sent_datagram(call32(NR32_SENDMSG, fd, at(&low->header), 0, 0, 0), 40);
	several(call32(NR32_SENDMMSG, fd, at(low->headers), 2, 0, 0), WORK_WRITE);
}

/* datagrams by address: by the multiplexer and by the calls that came later */
static void run_datagrams(void)
{
	uint32_t text, fd;

	enter();
	open_datagrams();
	text = at(low->text);
	fd = (uint32_t)receiver;
	low->header.name = low->headers[0].header.name = low->headers[1].header.name;
	work_ready();
	for (int i = 0; i < 20; i++) {
		low->header.name = at(&low->name);
		send_datagrams();
		low->header.name = 0;
		low->arg[3] = low->arg[4] = low->arg[5] = 0;
		received_datagram(socketcall(SYS32_RECV, receiver, text, 100), 10);
		received_datagram(socketcall(SYS32_RECVMSG, receiver, at(&low->header), 0), 40);
		low->headers[0].header.name = low->headers[1].header.name = 0;
		several(socketcall(SYS32_RECVMMSG, receiver, at(low->headers), 2), WORK_READ);
		received_datagram(call32(NR32_RECVMSG, fd, at(&low->header), 0, 0, 0), 40);
		several(call32(i & 1 ? NR32_RECVMMSG : NR32_RECVMMSG64, fd, at(low->headers), 2,
			       0, 0), WORK_READ);
		low->headers[0].header.name = low->headers[1].header.name = at(&low->name);
	}
	work_fact("calls", 20 * 14);
}

static void piece(int chan, enum work_dir dir, long ret, ssize_t len)
{
	work_expect(work_did(chan, dir, ret), len, "32-bit call without a copy");
}

/* what moves bytes without read or write */
static void run_pieces(void)
{
	int file = memfd_create("compat", MFD_CLOEXEC);
	struct duct b;

	enter();
	if (ftruncate(file, 4096))
		work_die("memfd");
	a = duct_new(0);
	b = duct_new(0);
	low->v[0] = (struct iovec32){ at(low->text), 30 };
	low->v[1] = (struct iovec32){ at(low->text), 70 };
	work_ready();
	for (unsigned i = 0; i < 20; i++) {
		uint32_t r = (uint32_t)a.r, w = (uint32_t)a.w, to = (uint32_t)b.w;

		piece(a.c, WORK_WRITE, call32(NR32_VMSPLICE, w, at(low->v), 2, 0, 0), 100);
		piece(b.c, WORK_WRITE, call32(NR32_TEE, r, to, 100, 0, 0), 100);
		work_any_operations(a.c, WORK_READ);
		work_expect(call32(NR32_SPLICE, r, 0, to, 0, 60), 60, "32-bit splice");
		work_did(a.c, WORK_READ, 60);
		work_did(b.c, WORK_WRITE, 60);
		if (lseek(file, 0, SEEK_SET))
			work_die("lseek");
		piece(b.c, WORK_WRITE, call32(i & 1 ? NR32_SENDFILE : NR32_SENDFILE64, to,
					      (uint32_t)file, 0, 500, 0), 500);
		piece(a.c, WORK_READ, call32(NR32_VMSPLICE, r, at(low->v), 1, 0, 0), 30);
		work_expect(duct_get(&a, 100), 10, "read");
		work_expect(duct_get(&b, 1000), 660, "read");
	}
	work_fact("calls", 20 * 5);
}

/* removed by the multiplexer, with a message in it */
static void run_removed(void)
{
	uint32_t id = make_queue();

	work_ready();
	for (int i = 0; i < 3; i++)
		sent(call32(NR32_IPC, IPC32_MSGSND, id, 60, 0, at(&low->message)));
	received(call32(NR32_IPC, IPC32_MSGRCV | 1 << 16, id, 60, 0, at(&low->message)));
	work_gone(queue_chan);
	work_expect(call32(NR32_IPC, IPC32_MSGCTL, id, IPC_RMID | IPC32_64, 0, 0), 0,
		    "32-bit msgctl");
	work_fact("calls", 5);
}

static int segment = -1;

static void remove_segment(void)
{
	shmctl(segment, IPC_RMID, NULL);
}

static uint32_t done(long ret, const char *what)
{
	if (ret == -1)
		work_die(what);
	return (uint32_t)ret;
}

/* ranges of a memfd and of a segment, by calls of either kind */
static void run_mapping(void)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), at_mem, gone;
	int mem = memfd_create("compat", MFD_CLOEXEC);
	struct stat st;

	enter();
	if (mem < 0 || ftruncate(mem, 16 * page) || fstat(mem, &st))
		work_die("memfd");
	work_ready();
	at_mem = done(call32(NR32_MMAP2, 0, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			     (uint32_t)mem), "32-bit mmap2");
	done(call32(NR32_MUNMAP, at_mem + 2 * page, page, 0, 0, 0), "32-bit munmap");
	done(call32(NR32_MPROTECT, at_mem + 4 * page, page, PROT_READ, 0, 0), "32-bit mprotect");
	done(call32(NR32_MREMAP, at_mem + 6 * page, 2 * page, page, 0, 0), "32-bit mremap");
	segment = (int)done(call32(NR32_IPC, IPC32_SHMGET, IPC_PRIVATE, 3 * page,
				   IPC_CREAT | 0600, 0), "32-bit shmget");
	atexit(remove_segment);
	for (unsigned i = 0; i < 2; i++) {
		gone = low->address;
		done(call32(NR32_IPC, IPC32_SHMAT, (uint32_t)segment, 0, at(&low->address), 0),
		     "32-bit shmat");
	}
	done(call32(NR32_IPC, IPC32_SHMDT, 0, 0, 0, gone), "32-bit shmdt");
	work_fact("memfd", (long)st.st_ino);
	work_fact("shmid", segment);
}

static void nothing(void *arg)
{
}

/* signals to another process, and calls on its memory */
static void run_process(void)
{
	sigset_t all;
	pid_t target;

	enter();
	/* what is pending stays so */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	target = work_spawn(nothing, NULL);
	work_wait(target);
	low->v[0] = low->v[1] = (struct iovec32){ at(low->text), 100 };
	work_ready();
	for (int i = 0; i < 3; i++) {
		work_expect(call32(NR32_KILL, (uint32_t)target, SIGUSR1, 0, 0, 0), 0, "kill");
		work_expect(call32(NR32_VM_READ, (uint32_t)target, at(&low->v[0]), 1,
				   at(&low->v[1]), 1), 100, "32-bit process_vm_readv");
	}
	work_expect(call32(NR32_VM_WRITE, (uint32_t)target, at(&low->v[0]), 1, at(&low->v[1]), 1),
		    100, "32-bit process_vm_writev");
	work_fact("target", target);
}

/* two descriptors with each message, by either call */
static void hand_over(struct line l[2], bool multiplexed)
{
	uint32_t header = at(&low->header);
	int fd[2] = { 1, l[0].fd }, from = l[0].fd, to = l[1].fd;

	low->rights = (struct rights32){ sizeof(low->rights), SOL_SOCKET, SCM_RIGHTS,
					 { fd[0], fd[1] } };
	low->header.control = at(&low->rights);
	low->header.control_len = sizeof(low->rights);
	moved(&l[0], WORK_WRITE, multiplexed ? socketcall(SYS32_SENDMSG, from, header, 0) :
	      call32(NR32_SENDMSG, (uint32_t)from, header, 0, 0, 0), 40);
	handover_note(true, fd, 2);
	memset(&low->rights, 0, sizeof(low->rights));
	moved(&l[1], WORK_READ, multiplexed ? socketcall(SYS32_RECVMSG, to, header, 0) :
	      call32(NR32_RECVMSG, (uint32_t)to, header, 0, 0, 0), 40);
	work_expect(low->rights.len, sizeof(low->rights), "32-bit control data");
	handover_note(false, low->rights.fd, 2);
}

static void run_passing(void)
{
	struct line l[2];
	int fd[2];

	enter();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		work_die("socketpair");
	line_join(fd, false, l);
	low->v[0] = (struct iovec32){ at(low->text), 40 };
	low->header = (struct msghdr32){ .v = at(low->v), .v_len = 1 };
	work_ready();
	hand_over(l, true);
	hand_over(l, false);
}

static const struct work_mode modes[] = {
	{ "rw", run_rw },
	{ "rwv", run_rwv },
	{ "sysvmsg", run_sysvmsg },
	{ "mqueue", run_mqueue },
	{ "eventfd", run_eventfd },
	{ "sockets", run_sockets },
	{ "datagrams", run_datagrams },
	{ "pieces", run_pieces },
	{ "removed", run_removed },
	{ "mapping", run_mapping },
	{ "process", run_process },
	{ "passing", run_passing },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
