// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Eventfds: a counter, to which writes add and from which reads take. What is
 * counted in place of bytes is how much.
 */
#include "mech/mech.h"

static const struct mech_variant variants[] = {
	{ "fexit", "values are read from user memory when the call returns; what the kernel itself "
		   "adds (io_uring, AIO, KVM) shows as read but not written" },
	{ "sys", "values are read from user memory when the call returns; what the kernel itself "
		 "adds (io_uring, AIO, KVM) shows as read but not written; a writev counts as one "
		 "call",
	  "io_uring operations are not seen" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "write" : "read";
}

static void eventfd_name(const struct chan *c, struct buf *out)
{
	buf_printf(out, "eventfd:[%llu]", (unsigned long long)c->key.ino);
}

const struct mech mech_EVENTFD = {
	.kind = LENS_KIND_EVENTFD, .type = "eventfd", .group = "eventfd", .title = "eventfd",
	.variants = variants, .name = eventfd_name, .op_name = op_name,
};
