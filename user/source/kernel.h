/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the running kernel and our privileges allow. Internal to source/.
 */
#ifndef LENS_SOURCE_KERNEL_H
#define LENS_SOURCE_KERNEL_H

#include "source/kernel_types.h"

struct kernel {
	struct kernel_types *types;
	bool has_cast;		/* bpf_rdonly_cast, v6.2 */
	bool fexit_allowed;	/* function-level programs may be loaded */
	char fexit_why[96];	/* if not: the reason */
};

/* reads the kernel's BTF and probes; says what is missing on stderr */
int kernel_probe(struct kernel *k);
void kernel_fini(struct kernel *k);
/* "tp_btf/sys_exit", "fexit/do_tee": does the target exist? */
bool kernel_has_target(const struct kernel *k, const char *section);
/* names the capability that a load refused with -EPERM misses, or "" */
const char *kernel_missing_capability(void);

#endif
