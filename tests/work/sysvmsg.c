/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * SysV message queues: every way to select a message, to fail, to lose one,
 * and queues of equal ids in different ipc namespaces.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

#define TEXT_MAX 8192

struct message {
	long type;
	char text[TEXT_MAX];
};

struct queue { int id, c; };

static struct queue q;
static pid_t owner;
static int made[8];
static unsigned made_count;

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	for (unsigned i = 0; i < made_count; i++)
		msgctl(made[i], IPC_RMID, NULL);
}

static struct queue queue_new(key_t key)
{
	struct queue n;

	n.id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
	if (n.id < 0)
		work_die("msgget");
	n.c = work_queue(n.id);
	if (!owner) {
		owner = getpid();
		atexit(remove_all);
	}
	if (owner == getpid())
		made[made_count++] = n.id;
	return n;
}

static ssize_t snd(const struct queue *to, long type, size_t len, int flags)
{
	struct message m = { .type = type };
	ssize_t ret;

	memset(m.text, (int)type, len);
	/* before the call: a receiver may be faster with taking it out again */
	work_backlog(to->c, type, 1, len);
	ret = msgsnd(to->id, &m, len, flags);
	if (ret)
		work_backlog(to->c, type, -1, len);
	return work_did_message(to->c, WORK_WRITE, ret ? ret : (ssize_t)len);
}

static ssize_t rcv(const struct queue *from, long type, size_t len, int flags, long *ret_type)
{
	struct message m = { 0 };
	ssize_t ret = msgrcv(from->id, &m, len, type, flags);

	if (ret >= 0 && !(flags & MSG_COPY))
		work_backlog(from->c, m.type, -1, (size_t)ret);
	if (ret_type)
		*ret_type = m.type;
	return work_did_message(from->c, WORK_READ, ret);
}

static void snd_ok(const struct queue *to, long type, size_t len)
{
	work_expect(snd(to, type, len, 0), (ssize_t)len, "msgsnd");
}

/* must deliver exactly this message */
static void rcv_ok(const struct queue *from, long select, int flags, long type, size_t len)
{
	long got = 0;

	work_expect(rcv(from, select, TEXT_MAX, flags, &got), (ssize_t)len, "msgrcv");
	work_expect(got, type, "type of the message");
}

/* ---------------------------------------------------------------- selection */

static void run_types(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	for (long t = 1; t <= 5; t++)
		snd_ok(&q, t, (size_t)t * 100);
	snd_ok(&q, LONG_MAX, 7);
	rcv_ok(&q, 3, 0, 3, 300);
	rcv_ok(&q, LONG_MAX, 0, LONG_MAX, 7);
	rcv_ok(&q, 0, 0, 1, 100);
	rcv_ok(&q, 2, 0, 2, 200);
}

static void run_negative(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	snd_ok(&q, 9, 90);
	snd_ok(&q, 4, 40);
	snd_ok(&q, 2, 20);
	snd_ok(&q, 2, 21);
	/* the lowest type not above 5, oldest first */
	rcv_ok(&q, -5, 0, 2, 20);
	rcv_ok(&q, -5, 0, 2, 21);
	rcv_ok(&q, -5, 0, 4, 40);
	work_expect_error(rcv(&q, -5, TEXT_MAX, IPC_NOWAIT, NULL), ENOMSG, "none up to 5");
	rcv_ok(&q, LONG_MIN, 0, 9, 90);
	snd_ok(&q, 1, 5);
}

static void run_except(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	snd_ok(&q, 1, 10);
	snd_ok(&q, 2, 20);
	snd_ok(&q, 1, 30);
	rcv_ok(&q, 1, MSG_EXCEPT, 2, 20);
	work_expect_error(rcv(&q, 1, TEXT_MAX, MSG_EXCEPT | IPC_NOWAIT, NULL), ENOMSG, "all are 1");
}

/* a copy moves nothing */
static void run_copy(void)
{
	q = queue_new(IPC_PRIVATE);
	if (msgrcv(q.id, duct_sink, 10, 0, MSG_COPY | IPC_NOWAIT) < 0 && errno == ENOSYS)
		work_skip("MSG_COPY needs CONFIG_CHECKPOINT_RESTORE");
	work_ready();
	snd_ok(&q, 1, 10);
	snd_ok(&q, 2, 20);
	for (int i = 0; i < 5; i++) {
		struct message m;

		/* an operation, neither a message nor bytes */
		work_expect(msgrcv(q.id, &m, TEXT_MAX, 1, MSG_COPY | IPC_NOWAIT), 20, "copy");
		work_did(q.c, WORK_READ, 0);
	}
	work_expect_error(rcv(&q, 2, TEXT_MAX, MSG_COPY | IPC_NOWAIT, NULL), ENOMSG, "no third");
	rcv_ok(&q, 0, 0, 1, 10);
}

static void run_noerror(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	for (int i = 0; i < 3; i++)
		snd_ok(&q, 1, 1000);
	for (int i = 0; i < 2; i++)
		work_expect(rcv(&q, 0, 100, MSG_NOERROR, NULL), 100, "cut message");
	/* what was cut off is lost; a whole one is not cut */
	work_discarded(q.c, 2 * 900, 0);
	work_expect(rcv(&q, 0, 1000, MSG_NOERROR, NULL), 1000, "whole message");
}

static void run_empty(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	for (int i = 0; i < 5; i++)
		snd_ok(&q, 1, 0);
	rcv_ok(&q, 0, 0, 1, 0);
	rcv_ok(&q, 0, 0, 1, 0);
	/* it has no length, but it is there */
}

/* ------------------------------------------------------------------- errors */

static void run_nowait(void)
{
	int full = 0;

	q = queue_new(IPC_PRIVATE);
	work_ready();
	for (int i = 0; i < 4; i++)
		work_expect_error(rcv(&q, 0, 100, IPC_NOWAIT, NULL), ENOMSG, "empty queue");
	while (snd(&q, 1, 1000, IPC_NOWAIT) == 1000)
		full++;
	work_expect_error(snd(&q, 1, 1000, IPC_NOWAIT), EAGAIN, "full queue");
	work_expect_error(rcv(&q, 2, 100, IPC_NOWAIT, NULL), ENOMSG, "no such type");
	rcv_ok(&q, 0, 0, 1, 1000);
	work_fact("filled_with", full);
}

static void run_toobig(void)
{
	q = queue_new(IPC_PRIVATE);
	work_ready();
	snd_ok(&q, 1, 500);
	for (int i = 0; i < 3; i++)
		work_expect_error(rcv(&q, 0, 100, 0, NULL), E2BIG, "buffer too small");
	/* a type below 1, and more than a message may be */
	work_expect_error(snd(&q, 0, 10, 0), EINVAL, "type 0");
	duct_data[0] = 1;
	work_expect_error(work_did_message(q.c, WORK_WRITE, msgsnd(q.id, duct_data, 1 << 19, 0)),
			  EINVAL, "too long");
	rcv_ok(&q, 0, 0, 1, 500);
	snd_ok(&q, 3, TEXT_MAX);
}

/* a message that its receiver has no room for is gone; one that was only looked at is not */
/* a message of which only the type can be read */
static void *torn_message(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long *type = (void *)(at + page - sizeof(long));

	if (at == MAP_FAILED || munmap(at + page, page))
		work_die("mmap");
	*type = 1;
	return type;
}

static void run_fault(void)
{
	void *torn = torn_message();

	q = queue_new(IPC_PRIVATE);
	work_ready();
	for (size_t i = 0; i < 4; i++)
		snd_ok(&q, 1, 100 + i);
	work_expect_error(work_did_message(q.c, WORK_WRITE, msgsnd(q.id, torn, 10, 0)),
			  EFAULT, "no message");
	for (int look = 1; look >= 0; look--)
		work_expect_error(work_did_message(q.c, WORK_READ,
				  msgrcv(q.id, (void *)16, TEXT_MAX, 0,
					 look ? MSG_COPY | IPC_NOWAIT : 0)), EFAULT, "no memory");
	work_backlog(q.c, 1, -1, 100);
	work_discarded(q.c, 100, 1);
	rcv_ok(&q, 0, 0, 1, 101);
}

static void run_rmid(void)
{
	/* one that no other workload has */
	key_t key = 0x1e000000 | getpid();

	work_ready();
	q = queue_new(key);
	work_fact("key", key);
	for (int i = 0; i < 3; i++)
		snd_ok(&q, 1, 100);
	rcv_ok(&q, 0, 0, 1, 100);
	work_gone(q.c);
	if (msgctl(q.id, IPC_RMID, NULL))
		work_die("IPC_RMID");
}

static void receive_removed(void *unused)
{
	rcv_ok(&q, 0, 0, 1, 10);
	work_tick(0);
	work_expect_error(rcv(&q, 0, 100, 0, NULL), EIDRM, "removed");
}

/* removed under the eyes of a receiver that waits for a message */
static void run_rmidwait(void)
{
	pid_t kid;

	q = queue_new(IPC_PRIVATE);
	work_ready();
	kid = work_spawn(receive_removed, NULL);
	snd_ok(&q, 1, 10);
	work_wait_ticks(0, 1);
	work_wait_blocked(kid, SYS_msgrcv, (unsigned long)q.id);
	work_gone(q.c);
	msgctl(q.id, IPC_RMID, NULL);
	work_wait(kid);
}

static void on_signal(int unused)
{
	work_tick(1);
}

static void receive_interrupted(void *unused)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	/* never restarted, whatever the handler says */
	for (int i = 0; i < 3; i++)
		work_expect_error(rcv(&q, 0, 100, 0, NULL), EINTR, "interrupted");
	rcv_ok(&q, 0, 0, 1, 30);
}

static void run_interrupted(void)
{
	pid_t kid;

	q = queue_new(IPC_PRIVATE);
	work_ready();
	kid = work_spawn(receive_interrupted, NULL);
	for (unsigned i = 0; i < 3; i++) {
		work_wait_blocked(kid, SYS_msgrcv, (unsigned long)q.id);
		kill(kid, SIGUSR1);
		work_wait_ticks(1, i + 1);
	}
	snd_ok(&q, 1, 30);
	work_wait(kid);
}

/* ------------------------------------------------------------- both directions */

static void run_backlog(void)
{
	struct queue other;

	q = queue_new(IPC_PRIVATE);
	other = queue_new(IPC_PRIVATE);
	/* these were there before */
	for (long t = 1; t <= 3; t++)
		snd_ok(&q, t, 50);
	work_ready();
	for (long t = 2; t <= 4; t++) {
		for (long i = 0; i < t; i++)
			snd_ok(&q, t, (size_t)t * 10);
	}
	snd_ok(&other, 77, 5);
	rcv_ok(&q, 2, 0, 2, 50);
	rcv_ok(&q, 4, 0, 4, 40);
}

/* more messages than one record tells of */
static void run_deep(void)
{
	q = queue_new(IPC_PRIVATE);
	for (long i = 0; i < 50; i++)
		snd_ok(&q, 1 + i % 3, 11);
	work_ready();
	for (long i = 0; i < 150; i++)
		snd_ok(&q, 5 + i % 4, 7);
	rcv_ok(&q, 5, 0, 5, 7);
}

static void receive_some(void *unused)
{
	for (int i = 0; i < 3; i++) {
		rcv_ok(&q, 42, 0, 42, 100);
		work_tick(0);
	}
}

/* a receiver that waited already when the observer came, and waits still at the end */
static void run_blocked(void)
{
	pid_t kid, stuck;

	q = queue_new(IPC_PRIVATE);
	kid = work_spawn(receive_some, NULL);
	work_wait_blocked(kid, SYS_msgrcv, (unsigned long)q.id);
	work_ready();
	snd_ok(&q, 1, 10);
	for (unsigned i = 0; i < 3; i++) {
		snd_ok(&q, 42, 100);
		work_wait_ticks(0, i + 1);
	}
	work_wait(kid);
	stuck = fork();
	if (!stuck) {
		work_adopt();
		rcv(&q, 99, 100, 0, NULL);
		_exit(0);
	}
	work_wait_blocked(stuck, SYS_msgrcv, (unsigned long)q.id);
	work_fact("stuck", stuck);
}

static struct queue back;

static void pong(void *rounds)
{
	for (long i = 0; i < *(long *)rounds; i++) {
		rcv_ok(&q, 0, 0, 1, 64);
		snd_ok(&back, 2, 64);
	}
}

static void run_pingpong(void)
{
	long rounds = work_arg(0, 500);
	pid_t kid;

	q = queue_new(IPC_PRIVATE);
	back = queue_new(IPC_PRIVATE);
	work_ready();
	kid = work_spawn(pong, &rounds);
	for (long i = 0; i < rounds; i++) {
		snd_ok(&q, 1, 64);
		rcv_ok(&back, 0, 0, 2, 64);
	}
	work_wait(kid);
}

/* every message says who sent it: the receivers know the whole matrix */
#define SENDERS 3
#define STOP 1000
static pid_t sender[SENDERS];

static void send_many(void *arg)
{
	long who = (long)(intptr_t)arg;
	unsigned seed = (unsigned)who;

	for (int i = 0; i < 300; i++)
		snd_ok(&q, who, (size_t)rand_r(&seed) % 2000);
}

static void receive_many(void *unused)
{
	uint64_t bytes[SENDERS] = { 0 }, messages[SENDERS] = { 0 };
	long type;

	for (;;) {
		ssize_t n = rcv(&q, 0, TEXT_MAX, 0, &type);

		if (n < 0)
			work_die("msgrcv");
		if (type == STOP)
			break;
		bytes[type - 1] += (uint64_t)n;
		messages[type - 1]++;
	}
	work_flow(q.c, getppid(), 1, 1);
	for (int i = 0; i < SENDERS; i++) {
		if (messages[i])
			work_flow(q.c, sender[i], messages[i], bytes[i]);
	}
}

static void run_matrix(void)
{
	pid_t kid[3];

	q = queue_new(IPC_PRIVATE);
	work_flows_by_hand(q.c);
	work_ready();
	for (int i = 0; i < SENDERS; i++)
		sender[i] = work_spawn(send_many, (void *)(intptr_t)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(receive_many, NULL);
	for (int i = 0; i < SENDERS; i++)
		work_wait(sender[i]);
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		snd_ok(&q, STOP, 1);
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

/* ---------------------------------------------------------------- namespaces */

#define SHARED_KEY 0x1e25

static void in_namespace(void *len)
{
	struct queue own;

	if (unshare(CLONE_NEWIPC))
		work_die("unshare");
	own = queue_new(SHARED_KEY);
	if (own.id)
		work_die("the first queue of a namespace should be 0");
	for (int i = 0; i < 3; i++)
		snd_ok(&own, 1, *(size_t *)len);
	rcv_ok(&own, 0, 0, 1, *(size_t *)len);
}

/* same key, same id, same inode number of nothing: only the namespace differs */
static void run_namespaces(void)
{
	static size_t len[2] = { 100, 333 };
	pid_t kid[2];

	work_ready();
	for (int i = 0; i < 2; i++)
		kid[i] = work_spawn(in_namespace, &len[i]);
	for (int i = 0; i < 2; i++)
		work_wait(kid[i]);
}

static const struct work_mode modes[] = {
	{ "types", run_types },		{ "negative", run_negative },
	{ "except", run_except },	{ "copy", run_copy },
	{ "noerror", run_noerror },	{ "empty", run_empty },
	{ "nowait", run_nowait },	{ "toobig", run_toobig },
	{ "fault", run_fault },
	{ "rmid", run_rmid },		{ "rmidwait", run_rmidwait },
	{ "interrupted", run_interrupted }, { "backlog", run_backlog },
	{ "deep", run_deep },
	{ "blocked", run_blocked },	{ "pingpong", run_pingpong },
	{ "matrix", run_matrix },	{ "namespaces", run_namespaces },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
