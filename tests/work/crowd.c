/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Message queues with four senders and four receivers at a time. Every message
 * says who sent it, so that the receivers know the whole matrix. What comes
 * before all of them run at once goes to the first receiver alone.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

#define SENDERS 4
#define RECEIVERS 4
#define LENGTH_MAX 2000
#define CUT 100			/* of what the first receiver takes */
#define STOP SENDERS		/* sent by the first process */

struct message {
	long type;		/* not in POSIX queues */
	struct text {
		uint32_t who, length;
		char rest[LENGTH_MAX];
	} text;
};

/* ticks */
enum { SENT_FIRST, GOT_FIRST, START, ENTERED };

struct mechanism {
	void (*send)(long type, struct message *m);
	/* a message as the receiver of this number selects it, or an error */
	ssize_t (*receive)(unsigned number, struct message *m, bool wait);
	void (*stop)(const pid_t receivers[]);
};

static const struct mechanism *mechanism;
static int queue, chan;
static mqd_t mq;
static pid_t first, senders[SENDERS + 1];
static long rounds;
static bool all_run;
static char name[48];

static void clean_up(void)
{
	if (getpid() != first)
		return;
	if (mq)
		mq_unlink(name);
	else
		msgctl(queue, IPC_RMID, NULL);
}

/* --------------------------------------------------------------------- SysV */

static void send_sysv(long type, struct message *m)
{
	m->type = type;
	work_backlog(chan, type, 1, m->text.length);
	work_expect(msgsnd(queue, m, m->text.length, 0), 0, "msgsnd");
	work_did_message(chan, WORK_WRITE, m->text.length);
}

/* an operation, neither a message nor bytes */
static void look(void)
{
	struct message m;
	ssize_t ret = msgrcv(queue, &m, sizeof(m.text), 0, MSG_COPY | IPC_NOWAIT);

	if (ret >= 0 || (errno != EIDRM && errno != EINVAL && errno != ENOSYS))
		work_did(chan, WORK_READ, ret < 0 ? ret : 0);
}

static ssize_t receive_sysv(unsigned number, struct message *m, bool wait)
{
	/* all, cut; the lowest of 1, 2, 3; all but 2; 2 */
	static const struct { long type; int flags; size_t size; } select[RECEIVERS] = {
		{ 0, MSG_NOERROR, CUT }, { -3, 0, sizeof(m->text) },
		{ 2, MSG_EXCEPT, sizeof(m->text) }, { 2, 0, sizeof(m->text) },
	};
	int flags = select[number].flags | (wait ? 0 : IPC_NOWAIT);
	/* at first it takes whole messages, so that sums tell all there is to know */
	size_t size = all_run && !work_arg(2, 0) ? select[number].size : sizeof(m->text);
	ssize_t ret;

	if (number == 3 && wait)
		look();
	ret = msgrcv(queue, m, size, select[number].type, flags);
	/* the queue is gone already: not counted for any */
	if (ret < 0 && errno == EINVAL)
		return ret;
	if (ret >= 0)
		work_backlog(chan, m->type, -1, m->text.length);
	if (ret >= 0 && (size_t)ret < m->text.length)
		work_discarded(chan, m->text.length - (size_t)ret, 0);
	return work_did_message(chan, WORK_READ, ret);
}

/* when all wait, nothing is left: the first one takes everything */
static void stop_sysv(const pid_t receivers[])
{
	for (unsigned i = 0; i < RECEIVERS; i++)
		work_wait_blocked(receivers[i], SYS_msgrcv, (unsigned long)queue);
	work_gone(chan);
	msgctl(queue, IPC_RMID, NULL);
}

/* -------------------------------------------------------------------- POSIX */

static void send_posix(long type, struct message *m)
{
	work_backlog(chan, type, 1, m->text.length);
	work_expect(mq_send(mq, (char *)&m->text, m->text.length, (unsigned)type), 0, "mq_send");
	work_did_message(chan, WORK_WRITE, m->text.length);
}

static ssize_t receive_posix(unsigned number, struct message *m, bool wait)
{
	struct timespec end = { .tv_sec = wait ? 0x7fffffff : 0 };
	unsigned priority = 0;
	ssize_t ret;

	/* half of them do not ask for the priority, and do not learn it */
	ret = mq_timedreceive(mq, (char *)&m->text, sizeof(m->text), number % 2 ? NULL : &priority,
			      &end);
	if (ret >= 0) {
		m->type = m->text.rest[0];
		if (number % 2 == 0)
			work_expect(priority, m->type, "priority");
		work_backlog(chan, m->type, -1, (size_t)ret);
	}
	return work_did_message(chan, WORK_READ, ret);
}

/* of the lowest priority: what else is there goes first */
static void stop_posix(const pid_t unused[])
{
	struct message m = { .text = { .who = STOP, .length = 10 } };

	for (unsigned i = 0; i < RECEIVERS; i++)
		send_posix(0, &m);
}

/* --------------------------------------------------------------------- both */

static void send_one(uint32_t who, unsigned *seed)
{
	struct message m = { .text = {
		.who = who, .length = 10 + (uint32_t)rand_r(seed) % (LENGTH_MAX - 10) } };
	long type = 1 + (long)rand_r(seed) % 4;

	m.text.rest[0] = (char)type;
	mechanism->send(type, &m);
}

static void send_many(void *arg)
{
	uint32_t who = (uint32_t)(uintptr_t)arg;
	unsigned seed = who + 1;

	/* in turn, though nothing of that is known to the observer */
	work_wait_ticks(SENT_FIRST, who);
	send_one(who, &seed);
	work_tick(SENT_FIRST);
	work_wait_ticks(START, 1);
	for (long i = 0; i < rounds; i++)
		send_one(who, &seed);
}

struct got { uint64_t messages, bytes; };

static bool receive_one(unsigned number, struct got got[], bool wait)
{
	static struct message m;
	ssize_t n = mechanism->receive(number, &m, wait);

	if (n < 0) {
		/* nothing there yet, and the queue is gone */
		if (errno != ENOMSG && errno != ETIMEDOUT && errno != EIDRM && errno != EINVAL)
			work_die("receive");
		return false;
	}
	got[m.text.who].messages++;
	got[m.text.who].bytes += (uint64_t)n;
	return m.text.who != STOP;
}

static void receive_many(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	struct got got[SENDERS + 1] = { 0 };

	work_wait_ticks(SENT_FIRST, SENDERS);
	for (unsigned i = 0; number == 0 && i < SENDERS; i++)
		receive_one(number, got, true);
	if (number == 0)
		work_tick(GOT_FIRST);
	work_wait_ticks(GOT_FIRST, 1);
	/* the others are users of the queue, too, who got nothing */
	if (number && receive_one(number, got, false))
		work_die("the queue should be empty");
	work_tick(ENTERED);
	work_wait_ticks(START, 1);
	all_run = true;
	while (receive_one(number, got, true))
		continue;
	senders[STOP] = first;
	for (unsigned i = 0; i <= SENDERS; i++)
		if (got[i].messages)
			work_flow(chan, senders[i], got[i].messages, got[i].bytes);
}

static void run(const struct mechanism *how)
{
	pid_t receivers[RECEIVERS];

	mechanism = how;
	rounds = work_arg(0, 300);
	first = getpid();
	atexit(clean_up);
	work_flows_by_hand(chan);
	work_ready();
	for (unsigned i = 0; i < SENDERS; i++)
		senders[i] = work_spawn(send_many, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < RECEIVERS; i++)
		receivers[i] = work_spawn(receive_many, (void *)(uintptr_t)i);
	work_wait_ticks(ENTERED, RECEIVERS);
	if (work_arg(1, 0))
		work_pause();
	work_tick(START);
	for (unsigned i = 0; i < SENDERS; i++)
		work_wait(senders[i]);
	mechanism->stop(receivers);
	for (unsigned i = 0; i < RECEIVERS; i++)
		work_wait(receivers[i]);
}

static void run_sysv(void)
{
	static const struct mechanism sysv = { send_sysv, receive_sysv, stop_sysv };

	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0)
		work_die("msgget");
	chan = work_queue(queue);
	run(&sysv);
}

static void run_posix(void)
{
	static const struct mechanism posix = { send_posix, receive_posix, stop_posix };
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = sizeof(struct text) };

	snprintf(name, sizeof(name), "/lens-crowd-%d", getpid());
	mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (mq == (mqd_t)-1)
		work_die("mq_open");
	chan = work_mq(mq, name);
	run(&posix);
}

static const struct work_mode modes[] = { { "sysv", run_sysv }, { "posix", run_posix } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
