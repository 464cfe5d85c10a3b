/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * POSIX message queues: priorities, direct hand-over, every way to fail, queues
 * without a name or without a holder, and equal names in different ipc
 * namespaces.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

#define TEXT_MAX 4096
#define DEPTH_MAX 10		/* fs.mqueue.msg_max */
#define QUEUES 8

struct queue { mqd_t fd; int c; };

static struct queue q;
static pid_t owner;
static char names[QUEUES][48];
static unsigned name_count;
static char text[TEXT_MAX];

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	for (unsigned i = 0; i < name_count; i++)
		mq_unlink(names[i]);
}

static const char *new_name(void)
{
	char *name = names[name_count++];

	if (!owner) {
		owner = getpid();
		atexit(remove_all);
	}
	snprintf(name, sizeof(names[0]), "/lens-mq-%d-%u", owner, name_count);
	return name;
}

static mqd_t open_or_die(const char *name, int flags)
{
	struct mq_attr attr = { .mq_maxmsg = DEPTH_MAX, .mq_msgsize = TEXT_MAX };
	mqd_t fd = mq_open(name, flags, 0600, &attr);

	if (fd == (mqd_t)-1)
		work_die(name);
	return fd;
}

static struct queue queue_named(const char *name, int flags)
{
	struct queue n = { .fd = open_or_die(name, O_RDWR | O_CREAT | O_EXCL | flags) };

	n.c = work_mq(n.fd, name);
	return n;
}

static struct queue queue_new(int flags)
{
	return queue_named(new_name(), flags);
}

static ssize_t count_sent(const struct queue *to, unsigned prio, size_t len, int ret)
{
	if (ret)
		work_backlog(to->c, prio, -1, len);
	return work_did_message(to->c, WORK_WRITE, ret ? ret : (ssize_t)len);
}

static ssize_t snd(const struct queue *to, unsigned prio, size_t len)
{
	/* before the call: a receiver may be faster with taking it out again */
	work_backlog(to->c, prio, 1, len);
	return count_sent(to, prio, len, mq_send(to->fd, text, len, prio));
}

static ssize_t count_received(const struct queue *from, unsigned prio, ssize_t ret)
{
	if (ret >= 0)
		work_backlog(from->c, prio, -1, (size_t)ret);
	return work_did_message(from->c, WORK_READ, ret);
}

static ssize_t rcv(const struct queue *from, unsigned *ret_prio)
{
	unsigned prio = 0;
	ssize_t ret = mq_receive(from->fd, text, TEXT_MAX, &prio);

	if (ret_prio)
		*ret_prio = prio;
	return count_received(from, prio, ret);
}

static void snd_ok(const struct queue *to, unsigned prio, size_t len)
{
	work_expect(snd(to, prio, len), (ssize_t)len, "mq_send");
}

/* must deliver exactly this message */
static void rcv_ok(const struct queue *from, unsigned prio, size_t len)
{
	unsigned got = 0;

	work_expect(rcv(from, &got), (ssize_t)len, "mq_receive");
	work_expect(got, prio, "priority");
}

/* --------------------------------------------------------------- priorities */

static void run_priorities(void)
{
	q = queue_new(0);
	work_ready();
	for (unsigned i = 1; i <= 5; i++)
		snd_ok(&q, i % 3, i * 100);
	snd_ok(&q, 32767, 7);
	rcv_ok(&q, 32767, 7);
	rcv_ok(&q, 2, 200);
	rcv_ok(&q, 2, 500);
	rcv_ok(&q, 1, 100);
}

/* read(2) tells how the queue is, and moves no message */
static void run_status(void)
{
	char status[128];

	q = queue_new(0);
	work_ready();
	for (unsigned i = 0; i < 3; i++) {
		snd_ok(&q, i, 10 + i);
		if (pread(q.fd, status, sizeof(status), 0) <= 0 || lseek(q.fd, 0, SEEK_SET) ||
		    read(q.fd, status, 20) != 20)
			work_die("status");
	}
	work_expect(rcv(&q, NULL), 12, "mq_receive");
	work_expect_error(write(q.fd, status, 10), EINVAL, "write");
}

/* who does not ask for the priority gets the highest all the same */
static void run_noprio(void)
{
	static const unsigned prio[] = { 5, 1, 9, 5 };

	q = queue_new(0);
	work_ready();
	for (unsigned i = 0; i < ARRAY_SIZE(prio); i++)
		snd_ok(&q, prio[i], prio[i] * 10 + i);
	work_expect(count_received(&q, 9, mq_receive(q.fd, text, TEXT_MAX, NULL)), 92, "of 9");
	work_expect(count_received(&q, 5, mq_receive(q.fd, text, TEXT_MAX, NULL)), 50, "of 5");
	rcv_ok(&q, 5, 53);
}

static void run_empty(void)
{
	q = queue_new(0);
	work_ready();
	for (unsigned i = 0; i < 5; i++)
		snd_ok(&q, i, 0);
	rcv_ok(&q, 4, 0);
	rcv_ok(&q, 3, 0);
	/* they have no length, but they are there */
}

/* ------------------------------------------------------------------- errors */

static void run_nowait(void)
{
	q = queue_new(O_NONBLOCK);
	work_ready();
	for (int i = 0; i < 4; i++)
		work_expect_error(rcv(&q, NULL), EAGAIN, "empty queue");
	for (int i = 0; i < DEPTH_MAX; i++)
		snd_ok(&q, 3, 1000);
	for (int i = 0; i < 3; i++)
		work_expect_error(snd(&q, 3, 1000), EAGAIN, "full queue");
	rcv_ok(&q, 3, 1000);
}

static void run_timeout(void)
{
	/* long over */
	struct timespec at = { .tv_sec = 1 };

	q = queue_new(0);
	work_ready();
	for (int i = 0; i < 2; i++)
		work_expect_error(work_did_message(q.c, WORK_READ,
				  mq_timedreceive(q.fd, text, TEXT_MAX, NULL, &at)), ETIMEDOUT,
				  "nothing came");
	/* who does not have to wait does not look at the time */
	for (int i = 0; i < DEPTH_MAX; i++) {
		work_backlog(q.c, 1, 1, 50);
		count_sent(&q, 1, 50, mq_timedsend(q.fd, text, 50, 1, &at));
	}
	work_backlog(q.c, 2, 1, 50);
	work_expect_error(count_sent(&q, 2, 50, mq_timedsend(q.fd, text, 50, 2, &at)), ETIMEDOUT,
			  "no room");
	work_expect(count_received(&q, 1, mq_timedreceive(q.fd, text, TEXT_MAX, NULL, &at)), 50,
		    "mq_timedreceive");
}

static void run_toobig(void)
{
	static char big[TEXT_MAX + 1];

	q = queue_new(0);
	work_ready();
	snd_ok(&q, 1, TEXT_MAX);
	for (int i = 0; i < 3; i++)
		work_expect_error(work_did_message(q.c, WORK_READ,
				  mq_receive(q.fd, text, TEXT_MAX - 1, NULL)), EMSGSIZE, "small");
	work_expect_error(work_did_message(q.c, WORK_WRITE, mq_send(q.fd, big, sizeof(big), 1)),
			  EMSGSIZE, "too long");
	work_expect_error(work_did_message(q.c, WORK_WRITE, mq_send(q.fd, text, 10, 32768)),
			  EINVAL, "no such priority");
	rcv_ok(&q, 1, TEXT_MAX);
	snd_ok(&q, 2, 5);
}

/* descriptors for one direction */
static void run_wrongway(void)
{
	mqd_t in, out;

	q = queue_new(0);
	in = open_or_die(names[0], O_RDONLY);
	out = open_or_die(names[0], O_WRONLY);
	work_ready();
	work_backlog(q.c, 4, 1, 20);
	count_sent(&q, 4, 20, mq_send(out, text, 20, 4));
	work_expect_error(work_did_message(q.c, WORK_WRITE, mq_send(in, text, 20, 1)), EBADF, "in");
	work_expect_error(work_did_message(q.c, WORK_READ, mq_receive(out, text, TEXT_MAX, NULL)),
			  EBADF, "out");
	work_expect(count_received(&q, 4, mq_receive(in, text, TEXT_MAX, NULL)), 20, "mq_receive");
	snd_ok(&q, 0, 1);
}

/* a message that its receiver has no room for is gone */
static void run_fault(void)
{
	q = queue_new(0);
	work_ready();
	for (unsigned i = 0; i < 4; i++)
		snd_ok(&q, 1, 100 + i);
	work_expect_error(work_did_message(q.c, WORK_READ,
			  mq_receive(q.fd, (char *)16, TEXT_MAX, NULL)), EFAULT, "no memory");
	work_backlog(q.c, 1, -1, 100);
	work_discarded(q.c, 100, 1);
	rcv_ok(&q, 1, 101);
}

static void on_signal(int unused)
{
	work_tick(1);
}

static void receive_interrupted(void *flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = *(int *)flags };

	sigaction(SIGUSR1, &sa, NULL);
	if (!sa.sa_flags) {
		for (int i = 0; i < 3; i++)
			work_expect_error(rcv(&q, NULL), EINTR, "interrupted");
	}
	rcv_ok(&q, 1, 30);
}

/* with and without SA_RESTART */
static void run_interrupted(void)
{
	static int flags[2] = { SA_RESTART, 0 };

	q = queue_new(0);
	work_ready();
	for (unsigned round = 0; round < 2; round++) {
		pid_t kid = work_spawn(receive_interrupted, &flags[round]);

		for (unsigned i = 0; i < 3; i++) {
			work_wait_blocked(kid, SYS_mq_timedreceive, (unsigned long)q.fd);
			kill(kid, SIGUSR1);
			work_wait_ticks(1, round * 3 + i + 1);
		}
		snd_ok(&q, 1, 30);
		work_wait(kid);
	}
}

/* ---------------------------------------------------------- names and lives */

/* its name is gone, it is not */
static void run_unlinked(void)
{
	q = queue_new(0);
	work_ready();
	snd_ok(&q, 1, 10);
	mq_unlink(names[0]);
	snd_ok(&q, 2, 20);
	rcv_ok(&q, 2, 20);
}

static void run_gone(void)
{
	q = queue_new(0);
	work_ready();
	for (unsigned i = 0; i < 3; i++)
		snd_ok(&q, i, 100);
	rcv_ok(&q, 2, 100);
	mq_unlink(names[0]);
	work_gone(q.c);
	mq_close(q.fd);
}

static void live_shortly(void *unused)
{
	for (unsigned i = 0; i < 5; i++) {
		char name[32];
		struct queue mayfly;

		snprintf(name, sizeof(name), "/lens-fly-%d-%u", getpid(), i);
		mayfly = queue_named(name, 0);
		mq_unlink(name);
		snd_ok(&mayfly, i, 40);
		snd_ok(&mayfly, i, 2);
		rcv_ok(&mayfly, i, 40);
		work_gone(mayfly.c);
		mq_close(mayfly.fd);
	}
}

static void run_shortlived(void)
{
	work_ready();
	work_wait(work_spawn(live_shortly, NULL));
}

/* nobody holds it, and there it is: before, and in the end */
static void run_unheld(void)
{
	q = queue_new(0);
	snd_ok(&q, 1, 100);
	snd_ok(&q, 5, 11);
	work_ready();
	rcv_ok(&q, 5, 11);
	snd_ok(&q, 6, 60);
	work_settled(q.c);
	mq_close(q.fd);
}

static void run_notify(void)
{
	struct sigevent told = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	q = queue_new(0);
	work_ready();
	if (mq_notify(q.fd, &told))
		work_die("mq_notify");
	work_fact("notified", getpid());
}

/* ------------------------------------------------------------ both directions */

static void receive_some(void *unused)
{
	for (unsigned i = 0; i < 5; i++) {
		rcv_ok(&q, i, 100);
		work_tick(0);
	}
}

/* the receiver is there first: a message is never in the queue */
static void run_handover(void)
{
	pid_t kid;

	q = queue_new(0);
	work_ready();
	kid = work_spawn(receive_some, NULL);
	for (unsigned i = 0; i < 5; i++) {
		work_wait_blocked(kid, SYS_mq_timedreceive, (unsigned long)q.fd);
		snd_ok(&q, i, 100);
		work_wait_ticks(0, i + 1);
	}
	work_wait(kid);
}

static void send_more(void *unused)
{
	for (unsigned i = 0; i < 3; i++)
		snd_ok(&q, 7, 70);
}

/* the queue is full and its sender waits; one reader waits from before to the end */
/* a sender that was let in may look as if it still slept, before it sends the next one */
static void wait_full(const struct queue *queue)
{
	struct mq_attr attr;

	do {
		if (mq_getattr(queue->fd, &attr))
			work_die("mq_getattr");
	} while (attr.mq_curmsgs < attr.mq_maxmsg && !sched_yield());
}

static void run_blocked(void)
{
	struct queue idle;
	pid_t kid, stuck;

	q = queue_new(0);
	idle = queue_new(0);
	stuck = work_spawn(receive_some, NULL);
	work_wait_blocked(stuck, SYS_mq_timedreceive, (unsigned long)q.fd);
	work_ready();
	for (unsigned i = 0; i < 5; i++) {
		snd_ok(&q, i, 100);
		work_wait_ticks(0, i + 1);
	}
	work_wait(stuck);
	for (int i = 0; i < DEPTH_MAX; i++)
		snd_ok(&q, 3, 30);
	kid = work_spawn(send_more, NULL);
	for (int i = 0; i < 3; i++) {
		wait_full(&q);
		work_wait_blocked(kid, SYS_mq_timedsend, (unsigned long)q.fd);
		/* the first one goes in as the third goes out */
		rcv_ok(&q, i ? 7 : 3, i ? 70 : 30);
	}
	work_wait(kid);
	snd_ok(&idle, 2, 20);
	rcv_ok(&idle, 2, 20);
	stuck = fork();
	if (!stuck) {
		work_adopt();
		rcv(&idle, NULL);
		_exit(0);
	}
	work_wait_blocked(stuck, SYS_mq_timedreceive, (unsigned long)idle.fd);
	work_fact("stuck", stuck);
}

static struct queue back;

static void pong(void *rounds)
{
	for (long i = 0; i < *(long *)rounds; i++) {
		rcv_ok(&q, 1, 64);
		snd_ok(&back, 2, 64);
	}
}

static void run_pingpong(void)
{
	long rounds = work_arg(0, 500);
	pid_t kid;

	q = queue_new(0);
	back = queue_new(0);
	work_ready();
	kid = work_spawn(pong, &rounds);
	for (long i = 0; i < rounds; i++) {
		snd_ok(&q, 1, 64);
		rcv_ok(&back, 2, 64);
	}
	work_wait(kid);
}

/* every message says who sent it: the receivers know the whole matrix */
#define SENDERS 3
static pid_t sender[SENDERS];

static void send_many(void *arg)
{
	unsigned who = (unsigned)(intptr_t)arg, seed = who;

	for (int i = 0; i < 300; i++) {
		text[0] = (char)who;
		snd_ok(&q, 1 + (unsigned)rand_r(&seed) % 4, 1 + (size_t)rand_r(&seed) % 2000);
	}
}

static void receive_many(void *unused)
{
	uint64_t bytes[SENDERS + 1] = { 0 }, messages[SENDERS + 1] = { 0 };
	unsigned prio;

	do {
		ssize_t n = rcv(&q, &prio);

		if (n < 0)
			work_die("mq_receive");
		bytes[(int)text[0]] += (uint64_t)n;
		messages[(int)text[0]]++;
	} while (prio);
	work_flow(q.c, getppid(), messages[0], bytes[0]);
	for (int i = 0; i < SENDERS; i++) {
		if (messages[i + 1])
			work_flow(q.c, sender[i], messages[i + 1], bytes[i + 1]);
	}
}

static void run_matrix(void)
{
	pid_t kid[3];

	q = queue_new(0);
	work_flows_by_hand(q.c);
	work_ready();
	for (int i = 0; i < SENDERS; i++)
		sender[i] = work_spawn(send_many, (void *)(intptr_t)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		kid[i] = work_spawn(receive_many, NULL);
	for (int i = 0; i < SENDERS; i++)
		work_wait(sender[i]);
	/* of the lowest priority: what else is there goes first */
	text[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		snd_ok(&q, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(kid); i++)
		work_wait(kid[i]);
}

/* ---------------------------------------------------------------- namespaces */

static void in_namespace(void *len)
{
	struct queue own;

	if (unshare(CLONE_NEWIPC))
		work_die("unshare");
	own = queue_named("/lens-mq-same", 0);
	for (int i = 0; i < 3; i++)
		snd_ok(&own, 1, *(size_t *)len);
	rcv_ok(&own, 1, *(size_t *)len);
}

/* the same name twice */
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
	{ "priorities", run_priorities }, { "noprio", run_noprio },
	{ "status", run_status },
	{ "empty", run_empty },		{ "nowait", run_nowait },
	{ "timeout", run_timeout },	{ "toobig", run_toobig },
	{ "wrongway", run_wrongway },	{ "fault", run_fault },
	{ "interrupted", run_interrupted }, { "unlinked", run_unlinked },
	{ "gone", run_gone },		{ "shortlived", run_shortlived },
	{ "unheld", run_unheld },	{ "notify", run_notify },
	{ "handover", run_handover },	{ "blocked", run_blocked },
	{ "pingpong", run_pingpong },	{ "matrix", run_matrix },
	{ "namespaces", run_namespaces },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
