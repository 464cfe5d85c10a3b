// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the calls are called whose number is all that a record has: any call may
 * wait for the lock of a pipe, or be what a partner does instead.
 */
#include <seccomp.h>

#include "event/event.h"

char *event_call_of_number(uint32_t nr, bool compat)
{
	return seccomp_syscall_resolve_num_arch(compat ? SCMP_ARCH_X86 : SCMP_ARCH_X86_64,
						(int)nr);
}
