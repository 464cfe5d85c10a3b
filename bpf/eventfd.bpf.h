/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Eventfds, shared by every variant of their hooks. A call moves eight bytes
 * and says nothing; what counts is the value in them, which is added to the
 * counter or taken from it.
 */
#ifndef LENS_EVENTFD_BPF_H
#define LENS_EVENTFD_BPF_H

#include "totals.bpf.h"

/* where the value is that a call moved */
enum eventfd_place {
	EVENTFD_BUFFER,		/* at an address */
	EVENTFD_VECTOR,		/* in the buffers of an iovec at an address */
	EVENTFD_VECTOR32,	/* the same of a 32-bit program */
	EVENTFD_UNKNOWN,
};

/*
 * What a call that returned ret on the file at an address moved: for an eventfd
 * what it added or took, for any other file ret. A value that cannot be told
 * counts as unseen. A global function, walked once.
 */
__s64 eventfd_amount(__u64 file, __u32 dir, __s64 ret, __u64 at, __u32 place);
/* eventfd(2) or eventfd2(2) returned fd; what is in it then counts as added by its maker */
int eventfd_made(__s64 fd, __u32 value);

#endif
