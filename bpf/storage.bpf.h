/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is kept at a task or socket. Of two processors that make the first
 * storage of one owner, or the same place in it, the kernel lets one fail
 * (bpf_local_storage_update: EAGAIN, EEXIST; seen on 6.1 and 6.18); the place
 * can be had then by asking again.
 */
#ifndef STORAGE_BPF_H
#define STORAGE_BPF_H

#include "core.bpf.h"

/* get: bpf_task_storage_get or bpf_sk_storage_get; NULL: no memory, to be counted as loss */
#define storage_make(get, map, owner)						\
	(storage_try(get, map, owner) ?: storage_try(get, map, owner) ?:	\
	 storage_try(get, map, owner))
#define storage_try(get, map, owner)						\
	get((map), (owner), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE)

#endif
