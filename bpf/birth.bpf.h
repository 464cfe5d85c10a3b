/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Channels that the kernel knows by a number which it gives away again as soon
 * as it is free. What is seen made is counted by its number, so that the next
 * one with it is another channel; what is older has the count 0.
 */
#ifndef LENS_BIRTH_BPF_H
#define LENS_BIRTH_BPF_H

#include "core.bpf.h"

/* key: a channel of gen 0. As many as exist at a time, and never fewer again */
struct births_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct lens_chan);
	__type(value, __u32);
};
extern struct births_map lens_births SEC(".maps");

static __always_inline __u32 birth_of(const struct lens_chan *number)
{
	__u32 *count = bpf_map_lookup_elem(&lens_births, number);

	return count ? *count : 0;
}

/* one was made that has this number: from now on it stands for that one */
static __always_inline void birth_add(const struct lens_chan *number)
{
	__u32 one = 1, *count = bpf_map_lookup_elem(&lens_births, number);

	if (count)
		__sync_fetch_and_add(count, 1);
	else if (bpf_map_update_elem(&lens_births, number, &one, BPF_NOEXIST))
		loss_add(number->kind, LENS_LOSS_MAP_FULL, 1, 0);
}

#endif
