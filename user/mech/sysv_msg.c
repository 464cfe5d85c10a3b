// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * SysV message queues: typed messages, known by their id in an ipc namespace.
 */
#include "mech/mech.h"

static const struct mech_variant variants[] = {
	{ "fexit", "bytes cut off by MSG_NOERROR are computed", NULL },
	{ "sys", "message types are read from user memory when the call returns; bytes cut off by "
		 "MSG_NOERROR are computed", NULL },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "msgsnd" : "msgrcv";
}

static void queue_name(const struct chan *c, struct buf *out)
{
	/* removed before anybody looked; 0 would be a key, that of a private queue */
	if (!chan_depth(c)->valid)
		buf_printf(out, "key=? id=%d", (int32_t)c->key.ino);
	else
		buf_printf(out, "key=0x%08x id=%d", (uint32_t)chan_depth(c)->key,
			   (int32_t)c->key.ino);
}

const struct mech mech_SYSV_MSG = {
	.kind = LENS_KIND_SYSV_MSG, .type = "sysv-msg", .group = "sysvmsg",
	.title = "SysV message queue",
	.variants = variants, .name = queue_name, .op_name = op_name,
};
