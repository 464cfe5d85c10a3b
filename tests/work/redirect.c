/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#define _GNU_SOURCE 1
#include "redirect.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

#define INSN(op, dst, src, number) \
	{ .code = (op), .dst_reg = (dst), .src_reg = (src), .imm = (number) }

static int kernel(enum bpf_cmd command, union bpf_attr *attr)
{
	int ret = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (ret < 0 && command != BPF_MAP_UPDATE_ELEM)
		work_skip("no sockmap here");
	return ret;
}

int redirect_map(void)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4,
			     .max_entries = 2 };

	return kernel(BPF_MAP_CREATE, &a);
}

void redirect_all(int map, uint32_t type, uint32_t attach, int helper, int flags)
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

void redirect_received(int map)
{
	redirect_all(map, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, BPF_FUNC_sk_redirect_map,
		     BPF_F_INGRESS);
}

void redirect_put(int map, uint32_t key, int fd)
{
	union bpf_attr a = { .map_fd = (uint32_t)map, .key = (uint64_t)&key,
			     .value = (uint64_t)&fd };

	if (kernel(BPF_MAP_UPDATE_ELEM, &a))
		work_die("put a socket into a map");
}

void redirect_pair(int ret_fd[2])
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
