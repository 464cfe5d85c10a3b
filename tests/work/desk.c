/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A server and its clients over one SysV queue, as is usual: requests are of type 1,
 * an answer is of the type of its client. So every process sends and receives, but of
 * no type there are several senders and several receivers.
 */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include "work.h"

#define CLIENTS 4
#define REQUEST 1		/* type */
#define ANSWER 2		/* ... of the first client, and so on */
#define REQUEST_BYTES 40
#define ANSWER_BYTES 100

struct message {
	long type;
	union {
		unsigned client;
		char room[ANSWER_BYTES];
	} text;
};

/* ticks */
enum { DONE };

static int queue, chan;
static pid_t server, clients[CLIENTS];
static long rounds;

static void clean_up(void)
{
	if (getpid() != server)
		return;
	msgctl(queue, IPC_RMID, NULL);
}

static void put(const struct message *m, size_t bytes)
{
	work_expect(msgsnd(queue, m, bytes, 0), 0, "msgsnd");
	work_did_message(chan, WORK_WRITE, (ssize_t)bytes);
}

static void get(struct message *m, long type)
{
	ssize_t ret = msgrcv(queue, m, sizeof(m->text), type, 0);

	if (ret < 0)
		work_die("msgrcv");
	work_did_message(chan, WORK_READ, ret);
}

static void ask(void *arg)
{
	struct message m = { .type = REQUEST, .text = { .client = (unsigned)(uintptr_t)arg } };

	for (long i = 0; i < rounds; i++) {
		m.type = REQUEST;
		put(&m, REQUEST_BYTES);
		get(&m, ANSWER + (long)(uintptr_t)arg);
	}
	work_flow(chan, server, (uint64_t)rounds, (uint64_t)rounds * ANSWER_BYTES);
	work_tick(DONE);
}

static void run(void)
{
	struct message m;

	rounds = work_arg(0, 500);
	server = getpid();
	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0)
		work_die("msgget");
	atexit(clean_up);
	chan = work_queue(queue);
	work_flows_by_hand(chan);
	work_ready();
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = work_spawn(ask, (void *)(uintptr_t)i);
	for (long i = 0; i < CLIENTS * rounds; i++) {
		get(&m, REQUEST);
		m.type = ANSWER + m.text.client;
		put(&m, ANSWER_BYTES);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		work_wait(clients[i]);
		work_flow(chan, clients[i], (uint64_t)rounds, (uint64_t)rounds * REQUEST_BYTES);
	}
	work_wait_ticks(DONE, CLIENTS);
}

static const struct work_mode modes[] = { { "sysv", run } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
