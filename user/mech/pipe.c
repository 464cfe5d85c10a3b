// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Anonymous pipes and fifos: a byte stream, whichever way it was opened.
 */
#include "mech/mech.h"

#define FEXIT_LIMITS "32-bit vmsplice and sendfile are not seen; discarded bytes are computed"

static const struct mech_variant variants[] = {
	{ "fexit", FEXIT_LIMITS, NULL },
	{ "fexit614", FEXIT_LIMITS, NULL },
	{ "sys", "what the kernel itself writes is not seen, nor io_submit(2), nor io_uring "
		 "operations without a completion of their own; a call counts when it returns; "
		 "discarded bytes are computed",
	  "io_uring operations are not seen" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "write" : "read";
}

static void pipe_name(const struct chan *c, struct buf *out)
{
	buf_printf(out, "pipe:[%llu]", (unsigned long long)c->key.ino);
}

static void fifo_name(const struct chan *c, struct buf *out)
{
	if (chan_more(c)->name)
		buf_add(out, chan_more(c)->name, chan_more(c)->name_len);
	else
		buf_printf(out, "fifo:[%x:%llu]", c->key.dev, (unsigned long long)c->key.ino);
}

const struct mech mech_PIPE = {
	.kind = LENS_KIND_PIPE, .type = "pipe", .group = "pipe", .title = "pipe",
	.variants = variants, .name = pipe_name, .op_name = op_name,
};

const struct mech mech_FIFO = {
	.kind = LENS_KIND_FIFO, .type = "fifo", .group = "pipe", .title = "named pipe (FIFO)",
	.variants = variants, .name = fifo_name, .op_name = op_name,
};
