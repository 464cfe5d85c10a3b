/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections in a sockmap, whose BPF programs move what is sent: past the streams, so that no
 * number of them tells of it, or on to another connection, whose process does nothing.
 */
#define _GNU_SOURCE 1
#include <linux/bpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redirect.h"
#include "work.h"

static char bytes[1000];

static int reader;

static void receive(void *unused)
{
	for (int i = 0; i < 8; i++)
		work_expect(recv(reader, bytes, 100, MSG_WAITALL), 100, "recv");
	work_tick(0);
}

/* a reader of its own takes 800 of the 1000 bytes that go in at the other descriptor */
static void move(int from, int to)
{
	pid_t kid;

	reader = to;
	work_ready();
	kid = work_spawn(receive, NULL);
	work_fact("reader", kid);
	for (int i = 0; i < 10; i++)
		work_expect(send(from, bytes, 100, 0), 100, "send");
	work_wait(kid);
}

/* what is sent goes straight to the queue of the other end */
static void run_bypass(void)
{
	int fd[2], map = redirect_map();

	redirect_pair(fd);
	redirect_all(map, BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, BPF_FUNC_msg_redirect_map,
		     BPF_F_INGRESS);
	redirect_put(map, 0, fd[1]);
	redirect_put(map, 1, fd[0]);
	move(fd[0], fd[1]);
}

/* what comes in by the first connection goes out by the second, which the kernel writes to */
static void run_relay(void)
{
	int in[2], out[2], map = redirect_map();

	redirect_pair(in);
	redirect_pair(out);
	redirect_all(map, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, BPF_FUNC_sk_redirect_map, 0);
	redirect_put(map, 0, out[0]);
	redirect_put(map, 1, in[1]);
	move(in[0], out[1]);
}

/* the same over unix sockets */
static void run_unix(void)
{
	int in[2], out[2], map = redirect_map();

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, in) || socketpair(AF_UNIX, SOCK_STREAM, 0, out))
		work_die("socketpair");
	redirect_all(map, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, BPF_FUNC_sk_redirect_map, 0);
	redirect_put(map, 0, out[0]);
	redirect_put(map, 1, in[1]);
	move(in[0], out[1]);
}

static const struct work_mode modes[] = {
	{ "bypass", run_bypass },
	{ "relay", run_relay },
	{ "unix", run_unix },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
