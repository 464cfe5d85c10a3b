// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Signals: messages without content that one process sends to another. Each
 * number sent to a process is a channel of its own.
 */
#define _GNU_SOURCE 1
#include <string.h>

#include "mech/mech.h"

static const struct mech_variant variants[] = {
	{ "tp", "calls that fail reach nobody and are not counted; signals of the kernel itself, "
		"within one process, and with a code that sigqueue(3) does not set are left out" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "signal" : "receive";
}

static void signal_name(const struct chan *c, struct buf *out)
{
	/* what the kernel calls the first one; libraries keep some of them for themselves */
	const unsigned first_realtime = 32;
	const char *name = c->key.gen < first_realtime ? sigabbrev_np((int)c->key.gen) : NULL;

	if (name)
		buf_printf(out, "SIG%s", name);
	else
		buf_printf(out, "signal %u", c->key.gen);
}

const struct mech mech_SIGNAL = {
	.kind = LENS_KIND_SIGNAL, .type = "signal", .group = "signal", .title = "signal",
	.variants = variants, .name = signal_name, .op_name = op_name,
};
