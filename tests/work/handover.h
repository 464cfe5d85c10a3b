/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages that carry descriptors, and the truth about them. Each descriptor
 * that was sent or received is a fact: its name says which process did what with
 * which number, which one of how many it was, and a count of such facts, so that no two
 * have one name; its value is the inode.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "work.h"

#define HANDOVER_MAX 8

struct handover {
	struct msghdr m;
	struct iovec v;
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(HANDOVER_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
};

/* a message of so many bytes with these descriptors; count 0: without control data */
void handover_make(struct handover *h, size_t bytes, const int *fds, unsigned count);
/* room for one that is received, with any descriptors */
void handover_expect(struct handover *h, size_t bytes);
/* the descriptors in a message that was received; their number */
unsigned handover_take(const struct handover *h, int ret_fds[HANDOVER_MAX]);
/* the truth: this process has just sent or received these, in one message */
void handover_note(bool sent, const int *fds, unsigned count);

#endif
