/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections in a sockmap, whose BPF programs move what is sent: past the streams, so that no
 * number of them tells of it, or on to another connection, whose process does nothing.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

#define INSN(op, dst, src, number) \
	{ .code = (op), .dst_reg = (dst), .src_reg = (src), .imm = (number) }

static char bytes[1000];

static int kernel(enum bpf_cmd command, union bpf_attr *attr)
{
	int ret = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (ret < 0 && command != BPF_MAP_UPDATE_ELEM)
		work_skip("no sockmap here");
	return ret;
}

static int new_map(void)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4,
			     .max_entries = 2 };

	return kernel(BPF_MAP_CREATE, &a);
}

/* a program for messages of one type that sends all of them to the first socket of its map */
static void redirect(int map, enum bpf_prog_type type, enum bpf_attach_type attach, int helper,
		     int flags)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_2, BPF_PSEUDO_MAP_FD, map),
		INSN(0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, flags),
		INSN(BPF_JMP | BPF_CALL, 0, 0, helper),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0),
	};
	union bpf_attr load = { .prog_type = type, .insns = (uint64_t)insns,
				.insn_cnt = ARRAY_SIZE(insns), .license = (uint64_t)"GPL",
				.expected_attach_type = attach };
	union bpf_attr to = { .target_fd = (uint32_t)map, .attach_type = attach };

	to.attach_bpf_fd = (uint32_t)kernel(BPF_PROG_LOAD, &load);
	kernel(BPF_PROG_ATTACH, &to);
}

static void put(int map, uint32_t key, int fd)
{
	union bpf_attr a = { .map_fd = (uint32_t)map, .key = (uint64_t)&key,
			     .value = (uint64_t)&fd };

	if (kernel(BPF_MAP_UPDATE_ELEM, &a))
		work_die("put a socket into a map");
}

static void connect_pair(int ret_fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret_fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) ||
	    connect(ret_fd[0], (struct sockaddr *)&at, len))
		work_die("connect");
	ret_fd[1] = accept(listener, NULL, NULL);
	close(listener);
}

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
	int fd[2], map = new_map();

	connect_pair(fd);
	redirect(map, BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, BPF_FUNC_msg_redirect_map,
		 BPF_F_INGRESS);
	put(map, 0, fd[1]);
	put(map, 1, fd[0]);
	move(fd[0], fd[1]);
}

/* what comes in by the first connection goes out by the second, which the kernel writes to */
static void run_relay(void)
{
	int in[2], out[2], map = new_map();

	connect_pair(in);
	connect_pair(out);
	redirect(map, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, BPF_FUNC_sk_redirect_map, 0);
	put(map, 0, out[0]);
	put(map, 1, in[1]);
	move(in[0], out[1]);
}

/* the same over unix sockets */
static void run_unix(void)
{
	int in[2], out[2], map = new_map();

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, in) || socketpair(AF_UNIX, SOCK_STREAM, 0, out))
		work_die("socketpair");
	redirect(map, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, BPF_FUNC_sk_redirect_map, 0);
	put(map, 0, out[0]);
	put(map, 1, in[1]);
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
