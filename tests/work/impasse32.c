/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots of 32-bit system calls, from a 64-bit program through int 0x80:
 * arguments in other registers, other numbers, and two multiplexers.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

/* arch/x86/entry/syscalls/syscall_32.tbl, linux/net.h, linux/ipc.h */
enum { NR32_READ = 3, NR32_GETPID = 20, NR32_SOCKETCALL = 102, NR32_IPC = 117, NR32_POLL = 168 };
enum { SOCKETCALL_RECV = 10, IPC_MSGRCV = 12 };

/* what the calls point to must lie below 4 GiB */
struct low {
	struct pollfd poll;
	uint32_t words[6];
	char text[64];
};

static struct low *low;
static int p[2], q[2], told[2], queue;

static long call32(long nr, uint32_t b, uint32_t c, uint32_t d, uint32_t si, uint32_t di)
{
	long ret = -ENOSYS;

#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"((uint64_t)b), "c"((uint64_t)c), "d"((uint64_t)d),
			   "S"((uint64_t)si), "D"((uint64_t)di)
			 : "memory", "r8", "r9", "r10", "r11");
#endif
	return (int32_t)ret;
}

static uint32_t at(const void *address)
{
	return (uint32_t)(uintptr_t)address;
}

/* a kernel without 32-bit calls ends the process */
static void require_32(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(call32(NR32_GETPID, 0, 0, 0, 0, 0) != getpid());
	if (waitpid(pid, &status, 0) != pid || status)
		work_skip("this kernel has no 32-bit system calls");
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		work_die("mmap");
}

static void poll_p(void *unused)
{
	close(p[1]);
	close(q[0]);
	low->poll = (struct pollfd){ p[0], POLLIN, 0 };
	call32(NR32_POLL, at(&low->poll), 1, (uint32_t)-1, 0, 0);
}

static void read_q(void *unused)
{
	close(p[0]);
	close(q[1]);
	call32(NR32_READ, q[0], at(low->text), 1, 0, 0);
}

static void poll_32(void)
{
	require_32();
	make_pipe(p);
	make_pipe(q);
	role("poll", work_spawn(poll_p, NULL));
	role("reader", work_spawn(read_q, NULL));
	close_pair(p);
	close_pair(q);
	asleep("poll", NR32_POLL);
	asleep("reader", NR32_READ);
}

static void receive(void *unused)
{
	close(p[1]);
	low->words[0] = p[0];
	low->words[1] = at(low->text);
	low->words[2] = 1;
	call32(NR32_SOCKETCALL, SOCKETCALL_RECV, at(low->words), 0, 0, 0);
}

static void read_other(void *unused)
{
	close(p[0]);
	call32(NR32_READ, p[1], at(low->text), 1, 0, 0);
}

static void socket_32(void)
{
	require_32();
	make_socket_pair(p, SOCK_STREAM);
	role("one", work_spawn(receive, NULL));
	role("two", work_spawn(read_other, NULL));
	close_pair(p);
	asleep("one", NR32_SOCKETCALL);
	asleep("two", NR32_READ);
}

/* puts the end of another pair in the place of what is read from, and ends */
static void *replace(void *unused)
{
	char byte;

	if (read(told[0], &byte, 1) != 1 || dup2(q[0], p[0]) != p[0])
		work_die("dup2");
	close(q[0]);
	work_tick(0);
	return NULL;
}

static void receive_replaced(void *unused)
{
	pthread_t thread;

	close(q[1]);
	if (pthread_create(&thread, NULL, replace, NULL))
		work_die("pthread_create");
	receive(NULL);
}

static void read_replacing(void *unused)
{
	close_pair(p);
	close(q[0]);
	call32(NR32_READ, q[1], at(low->text), 1, 0, 0);
}

/* this process has the other end of what is waited for */
static void stray_32(void)
{
	require_32();
	make_socket_pair(p, SOCK_STREAM);
	make_socket_pair(q, SOCK_STREAM);
	make_pipe(told);
	role("process", work_spawn(receive_replaced, NULL));
	role("reader", work_spawn(read_replacing, NULL));
	close_pair(q);
	close(p[0]);
	asleep("process", NR32_SOCKETCALL);
	asleep("reader", NR32_READ);
	if (write(told[1], "", 1) != 1)
		work_die("write");
	work_wait_ticks(0, 1);
}

static void remove_queue(void)
{
	if (is_main())
		msgctl(queue, IPC_RMID, NULL);
}

static void receive_42(void *unused)
{
	/* the old form of the call: address of the message, then type */
	low->words[0] = at(low->text);
	low->words[1] = 42;
	call32(NR32_IPC, IPC_MSGRCV, queue, 8, 0, at(low->words));
}

static void queue_32(void)
{
	struct {
		long type;
		char text[8];
	} letter = { .type = 1 };

	require_32();
	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0 || msgsnd(queue, &letter, 8, 0))
		work_die("queue");
	atexit(remove_queue);
	role("receiver", work_spawn(receive_42, NULL));
	asleep("receiver", NR32_IPC);
}

static const struct work_mode modes[] = {
	{ "poll32", poll_32 },
	{ "socket32", socket_32 },
	{ "queue32", queue_32 },
	{ "stray32", stray_32 },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
