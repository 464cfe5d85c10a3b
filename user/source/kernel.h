/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the running kernel and our privileges allow. Internal to source/.
 */
#ifndef LENS_SOURCE_KERNEL_H
#define LENS_SOURCE_KERNEL_H

#include "source/kernel_types.h"

struct kernel {
	struct kernel_types *types;
	uint32_t cast_function;	/* number of bpf_rdonly_cast, v6.2; 0: there is none */
	bool fexit_allowed;	/* function-level programs may be loaded */
	char fexit_why[96];	/* if not: the reason */
	const char *preempts;	/* function hooks miss calls, since this kernel is ...; or NULL */
	bool uring_flat;	/* io_uring_complete has the result as an argument */
};

/* reads the kernel's BTF and probes; says what is missing on stderr */
int kernel_probe(struct kernel *k);
void kernel_fini(struct kernel *k);
/* the kernel's numbers of the file systems that pipes and sockets live on */
int kernel_find_devices(uint32_t *ret_pipefs, uint32_t *ret_sockfs);
/* iterators walk the pid namespace of who opens them */
bool kernel_in_initial_pidns(void);
/* names the capability that a load refused with -EPERM misses, or "" */
const char *kernel_missing_capability(void);

#endif
