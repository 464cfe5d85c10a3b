// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pseudo-terminals: a master and a slave, each half of a connection, with the
 * slave's line discipline in between.
 */
#include "mech/mech.h"

#define LINE "what the line discipline adds and takes away (echo, newlines, editing, signals) is " \
	     "computed, for a terminal that was seen in a mode that does so; "

static const struct mech_variant variants[] = {
	{ "fexit", LINE "calls on one that was hung up are not seen" },
	{ "sys", LINE "one that io_uring opened is not told from the one before it",
	  "io_uring operations are not seen" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "write" : "read";
}

static void pty_name(const struct chan *c, struct buf *out)
{
	buf_printf(out, "pts/%llu", (unsigned long long)c->key.ino);
}

const struct mech mech_PTY = {
	.kind = LENS_KIND_PTY, .type = "pty", .group = "pty", .title = "pseudo-terminal",
	.variants = variants, .name = pty_name, .op_name = op_name,
};
