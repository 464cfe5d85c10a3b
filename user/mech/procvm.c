// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory of a process that others read and write by process_vm_readv(2) and
 * process_vm_writev(2): bytes that cross without the process doing anything.
 */
#include "mech/mech.h"

#define ENDED "a call whose target has ended when it returns counts for a process without a name"

static const struct mech_variant variants[] = {
	{ "fexit", ENDED },
	{ "fexit64", ENDED "; calls of 32-bit programs are not seen" },
	{ "sys", ENDED },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "process_vm_writev" : "process_vm_readv";
}

static void procvm_name(const struct chan *c, struct buf *out)
{
	if (c->key.dev)
		buf_printf(out, "memory of %u", c->key.dev);
	else
		buf_puts(out, "memory of a process that has ended");
}

const struct mech mech_PROCESS_VM = {
	.kind = LENS_KIND_PROCESS_VM, .type = "process-vm", .group = "procvm",
	.title = "memory of another process",
	.variants = variants, .name = procvm_name, .op_name = op_name,
};
