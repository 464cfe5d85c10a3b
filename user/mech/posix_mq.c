// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * POSIX message queues: messages with a priority, known by their inode on the
 * file system that each ipc namespace has for them, mounted or not.
 */
#include "mech/mech.h"

static const struct mech_variant variants[] = {
	{ "fexit", "priorities received are known where the receiver asked for them; calls with an "
		   "invalid timeout are not counted as errors" },
	{ "sys", "priorities received are read from user memory when the call returns, and known "
		 "where the receiver asked for them" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "mq_send" : "mq_receive";
}

static void queue_name(const struct chan *c, struct buf *out)
{
	if (chan_more(c)->name)
		buf_add(out, chan_more(c)->name, chan_more(c)->name_len);
	else
		buf_printf(out, "mqueue:[%llu]", (unsigned long long)c->key.ino);
}

const struct mech mech_POSIX_MQ = {
	.kind = LENS_KIND_POSIX_MQ, .type = "posix-mq", .group = "mqueue",
	.title = "POSIX message queue",
	.variants = variants, .name = queue_name, .op_name = op_name,
};
