// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Shared memory at function level: the entry points of the system calls it is
 * about, so that no other call pays. Those of 64-bit programs only.
 */
#include "mapping.bpf.h"

static __always_inline void mapping_returned(__u32 class, struct pt_regs *regs, __s64 ret)
{
	struct call_args a;

	arch_args(regs, false, &a);
	if (mapping_wants(class, &a) && !mapping_is_test())
		mapping_ended(class, &a, ret);
}

#define MAPPING_HOOK(call, class)						\
	SEC("?fexit/__x64_sys_" #call)						\
	int BPF_PROG(mapping__fexit__##call, struct pt_regs *regs, long ret)	\
	{									\
		mapping_returned(class, regs, ret);				\
		return 0;							\
	}

MAPPING_HOOK(mmap, CALL_MMAP)
MAPPING_HOOK(munmap, CALL_MUNMAP)
MAPPING_HOOK(mprotect, CALL_MPROTECT)
MAPPING_HOOK(pkey_mprotect, CALL_MPROTECT)
MAPPING_HOOK(mremap, CALL_MREMAP)
MAPPING_HOOK(shmget, CALL_SHMGET)
MAPPING_HOOK(shmat, CALL_SHMAT)
MAPPING_HOOK(shmdt, CALL_SHMDT)
MAPPING_HOOK(shmctl, CALL_SHMCTL)
MAPPING_HOOK(fcntl, CALL_SEAL)
MAPPING_HOOK(futex, CALL_FUTEX)
MAPPING_HOOK(futex_waitv, CALL_FUTEX_WAITV)
