/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover.h"
#include "line.h"

static void begin(struct handover *h, size_t bytes)
{
	memset(h, 0, sizeof(*h));
	h->v = (struct iovec){ line_bytes, bytes };
	h->m.msg_iov = &h->v;
	h->m.msg_iovlen = 1;
}

void handover_make(struct handover *h, size_t bytes, const int *fds, unsigned count)
{
	struct cmsghdr *c = &h->control.align;

	begin(h, bytes);
	if (!count)
		return;
	h->m.msg_control = h->control.bytes;
	h->m.msg_controllen = CMSG_SPACE(count * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
}

void handover_expect(struct handover *h, size_t bytes)
{
	begin(h, bytes);
	h->m.msg_control = h->control.bytes;
	h->m.msg_controllen = sizeof(h->control.bytes);
}

unsigned handover_take(const struct handover *h, int ret_fds[HANDOVER_MAX])
{
	struct msghdr m = h->m;
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(ret_fds, CMSG_DATA(c), count * sizeof(int));
	}
	return count;
}

void handover_note(bool sent, const int *fds, unsigned count)
{
	static unsigned facts;

	for (unsigned i = 0; i < count; i++) {
		struct stat st;
		char name[64];

		if (fstat(fds[i], &st))
			work_die("fstat");
		snprintf(name, sizeof(name), "%s %d %d %u %u %u", sent ? "sent" : "received",
			 getpid(), fds[i], i, count, facts++);
		work_fact(name, (long)st.st_ino);
	}
}
