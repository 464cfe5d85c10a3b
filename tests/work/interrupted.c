/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Calls on sockets that a signal interrupts: before anything was moved, when
 * they are made again or fail, and after a part was. What the kernel makes
 * again is one call; what failed with EINTR has done nothing.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "line.h"

/* ticks of the child: signals that it took, and rounds that are over */
enum { SIGNALS = 1, ROUNDS };

static struct line one[2];
static unsigned signals;

static void on_signal(int unused)
{
	work_tick(SIGNALS);
}

static void take_signals(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

static void interrupt(pid_t kid, long call, int fd)
{
	work_wait_blocked(kid, call, (unsigned long)fd);
	kill(kid, SIGUSR1);
	work_wait_ticks(SIGNALS, ++signals);
}

/* ----------------------------------------------------------------- receivers */

static void receive(void *unused)
{
	take_signals(0);
	for (int i = 0; i < 2; i++)
		work_expect_error(line_did(&one[1], WORK_READ, recv(one[1].fd, line_bytes, 30, 0)),
				  EINTR, "recv");
	take_signals(SA_RESTART);
	line_get(&one[1], 30);
}

static void interrupt_receiver(void)
{
	pid_t kid = work_spawn(receive, NULL);

	for (int i = 0; i < 4; i++)
		interrupt(kid, SYS_recvfrom, one[1].fd);
	line_put(&one[0], 30);
	work_wait(kid);
}

/* a stream that gives a part at once, of what is asked for as a whole */
static void receive_whole(void *unused)
{
	take_signals(SA_RESTART);
	work_expect(line_did(&one[1], WORK_READ, recv(one[1].fd, line_bytes, 30, MSG_WAITALL)), 10,
		    "recv");
	line_get(&one[1], 20);
}

static void interrupt_whole(void)
{
	pid_t kid;

	line_put(&one[0], 10);
	kid = work_spawn(receive_whole, NULL);
	interrupt(kid, SYS_recvfrom, one[1].fd);
	line_put(&one[0], 20);
	work_wait(kid);
}

/* ------------------------------------------------------------------- senders */

static size_t message;

/* the first one of a stream moves a part; then there is no room at all */
static void send_much(void *unused)
{
	ssize_t n;

	take_signals(0);
	if (!one[0].messages) {
		n = line_did(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, LINE_MAX, 0));
		if (n <= 0 || n >= LINE_MAX)
			work_die("not a part of it");
	}
	while (line_did(&one[0], WORK_WRITE,
			send(one[0].fd, line_bytes, message, MSG_DONTWAIT)) > 0)
		;
	work_expect(errno, EAGAIN, "send");
	work_tick(ROUNDS);
	work_expect_error(line_did(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, message, 0)),
			  EINTR, "send");
	take_signals(SA_RESTART);
	line_put(&one[0], message);
	if (!one[0].messages)
		shutdown(one[0].fd, SHUT_WR);
}

static void interrupt_sender(void)
{
	pid_t kid = work_spawn(send_much, NULL);

	if (!one[0].messages)
		interrupt(kid, SYS_sendto, one[0].fd);
	work_wait_ticks(ROUNDS, 1);
	interrupt(kid, SYS_sendto, one[0].fd);
	interrupt(kid, SYS_sendto, one[0].fd);
	/* a stream to its end: what it holds comes in parts */
	while (line_did(&one[1], WORK_READ, recv(one[1].fd, line_bytes, LINE_MAX,
						 one[1].messages ? MSG_DONTWAIT : 0)) > 0)
		;
	work_wait(kid);
}

static void run(int family, int type, size_t length)
{
	int little = 8192;

	line_open(family, type, one);
	for (int i = 0; i < 2; i++) {
		setsockopt(one[i].fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
		setsockopt(one[i].fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	}
	message = length;
	work_ready();
	/* a queue of datagrams that nothing ever came to is not told of */
	line_put(&one[1], 5);
	line_get(&one[0], 5);
	interrupt_receiver();
	if (type == SOCK_STREAM)
		interrupt_whole();
	if (length)
		interrupt_sender();
}

static void run_stream(void)
{
	run(AF_UNIX, SOCK_STREAM, 3000);
}

static void run_seqpacket(void)
{
	run(AF_UNIX, SOCK_SEQPACKET, 3000);
}

static void run_dgram(void)
{
	run(AF_UNIX, SOCK_DGRAM, 100);
}

static void run_tcp(void)
{
	run(AF_INET, SOCK_STREAM, 3000);
}

/* nobody waits to send */
static void run_udp(void)
{
	run(AF_INET, SOCK_DGRAM, 0);
}

static const struct work_mode modes[] = {
	{ "stream", run_stream }, { "seqpacket", run_seqpacket }, { "dgram", run_dgram },
	{ "tcp", run_tcp },	  { "udp", run_udp },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
