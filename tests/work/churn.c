/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * More channels and processes than anybody can keep one by one. The truth is
 * in the facts: how many pipes there were, and what was moved through them.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

#define BYTES 10

static struct counts {
	long pipes, calls, bytes;
} *sum;					/* shared, each of its writers alone at any time */

static volatile sig_atomic_t enough;

static void on_enough(int unused)
{
	enough = 1;
}

static void share_counts(void)
{
	sum = mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sum == MAP_FAILED)
		work_die("mmap");
}

/* a channel between two descriptors: [0] is read from */
static void move(const int fds[2])
{
	char data[BYTES] = { 0 };

	work_expect(write(fds[1], data, BYTES), BYTES, "write");
	work_expect(read(fds[0], data, BYTES), BYTES, "read");
	sum->pipes++;
	sum->calls += 2;
	sum->bytes += BYTES;
}

/* ... from its birth to its end */
static void use(const int fds[2])
{
	move(fds);
	close(fds[0]);
	close(fds[1]);
}

static void one_pipe(void)
{
	int fds[2];

	if (pipe(fds))
		work_die("pipe");
	use(fds);
}

/* a message queue, which one process alone uses */
static void one_queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = BYTES };
	char data[BYTES] = { 0 }, name[32];
	mqd_t queue;

	snprintf(name, sizeof(name), "/lens-churn-%d", getpid());
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (queue < 0)
		work_die("mq_open");
	mq_unlink(name);
	work_expect(mq_send(queue, data, BYTES, 0), 0, "mq_send");
	work_expect(mq_receive(queue, data, BYTES, NULL), BYTES, "mq_receive");
	mq_close(queue);
	sum->pipes++;
	sum->calls += 2;
	sum->bytes += BYTES;
}

static int listener;
static struct sockaddr_in server = { .sin_family = AF_INET };

static void listen_somewhere(void)
{
	socklen_t len = sizeof(server);

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&server, len) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&server, &len))
		work_die("listen");
}

/* ended by a reset, or there would soon be no port left */
static void one_connection(void)
{
	struct linger hard = { .l_onoff = 1 };
	int fds[2];

	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[1], (struct sockaddr *)&server, sizeof(server)))
		work_die("connect");
	fds[0] = accept(listener, NULL, NULL);
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	use(fds);
}

static void tell(void)
{
	work_fact("pipes", sum->pipes);
	work_fact("calls", sum->calls);
	work_fact("bytes", sum->bytes);
}

/* rounds of channels of one process, one after the other, and a pause between them */
static void rounds_of(void (*one)(void))
{
	long rounds = work_arg(0, 1), each = work_arg(1, 3000);

	share_counts();
	work_ready();
	for (long r = 0; r < rounds; r++) {
		if (r)
			work_pause();
		for (long i = 0; i < each; i++)
			one();
	}
	tell();
}

static void run_pipes(void)
{
	rounds_of(one_pipe);
}

static void one_pair(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds))
		work_die("socketpair");
	use(fds);
}

static void run_pairs(void)
{
	rounds_of(one_pair);
}

static void run_queues(void)
{
	rounds_of(one_queue);
}

static void run_connections(void)
{
	listen_somewhere();
	rounds_of(one_connection);
}

static void flood(void *unused)
{
	signal(SIGUSR2, on_enough);
	work_tick(3);
	while (!enough)
		one_pipe();
}

/* as many as one processor can make, until "stop" comes */
static void run_flood(void)
{
	char stop[5];
	pid_t kid;

	share_counts();
	work_ready();
	kid = work_spawn(flood, NULL);
	work_wait_ticks(3, 1);
	if (read(STDIN_FILENO, stop, sizeof(stop)) < 0)
		work_die("stdin");
	kill(kid, SIGUSR2);
	work_wait(kid);
	tell();
}

/* rounds of processes with a pipe each, and a pause after each of them */
static void run_processes(void)
{
	long rounds = work_arg(0, 10), each = work_arg(1, 60);

	share_counts();
	work_ready();
	for (long r = 0; r < rounds; r++) {
		for (long i = 0; i < each; i++) {
			pid_t pid = fork();

			if (pid < 0)
				work_die("fork");
			if (!pid) {
				one_pipe();
				_exit(0);
			}
			if (waitpid(pid, NULL, 0) != pid)
				work_die("waitpid");
		}
		work_pause();
	}
	tell();
}

static void linger(void)
{
	int fds[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe(fds))
		work_die("pipe");
	move(fds);
	work_tick(3);
	for (;;)
		pause();
}

/* so many processes that have a pipe each, used once, and stay */
static void run_crowd(void)
{
	long count = work_arg(0, 100);

	share_counts();
	work_ready();
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			work_die("fork");
		if (!pid)
			linger();
		work_wait_ticks(3, i + 1);
	}
	work_pause();
	tell();
}

static const struct work_mode modes[] = {
	{ "pipes", run_pipes }, { "connections", run_connections },
	{ "pairs", run_pairs }, { "queues", run_queues },
	{ "flood", run_flood }, { "processes", run_processes }, { "crowd", run_crowd },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
