// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The least that observing system calls can cost: a program that does nothing
 * at the end of each. tools/bench measures it beside ipclens; no part of it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int bench_empty(void *ctx)
{
	return 0;
}
