// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory that several processes map: SysV segments, POSIX shared memory,
 * memfds, files, anonymous. What flows through it passes no system call.
 */
#include "mech/mech.h"

static const struct mech_variant variants[] = {
	{ "fexit", "bytes moved through memory are not observable from system calls; hand-offs are "
		   "those of futex(2) without requeue, PI and FUTEX_WAKE_OP; calls of 32-bit "
		   "programs and MADV_DONTFORK are known from the next look on" },
	{ "sys", "bytes moved through memory are not observable from system calls; hand-offs are "
		 "those of futex(2) without requeue, PI and FUTEX_WAKE_OP; 32-bit old mmap(2) and "
		 "MADV_DONTFORK are known from the next look on" },
	{}
};

static const char *op_name(enum lens_dir dir)
{
	return dir == LENS_WRITE ? "wake" : "wait";
}

static void segment_name(const struct chan *c, struct buf *out)
{
	buf_printf(out, "key=0x%08x id=%d", (uint32_t)chan_depth(c)->key, (int32_t)c->key.ino);
}

static void file_name(const struct chan *c, struct buf *out)
{
	if (chan_more(c)->name)
		buf_puts(out, chan_more(c)->name);
	else
		buf_printf(out, "%s:[%x:%llu]", event_kind_name(c->key.kind), c->key.dev,
			   (unsigned long long)c->key.ino);
}

/* lies on a mount of the kernel's own: the leading slash is no directory */
static void memfd_name(const struct chan *c, struct buf *out)
{
	if (chan_more(c)->name)
		buf_puts(out, chan_more(c)->name + (chan_more(c)->name[0] == '/'));
	else
		buf_puts(out, "memfd");
	buf_printf(out, "[%llu]", (unsigned long long)c->key.ino);
}

static void anon_name(const struct chan *c, struct buf *out)
{
	buf_printf(out, "shared-anon[%llu]", (unsigned long long)c->key.ino);
}

const struct mech mech_SYSV_SHM = {
	.kind = LENS_KIND_SYSV_SHM, .type = "sysv-shm", .group = "mapping",
	.title = "SysV shared memory segment",
	.variants = variants, .name = segment_name, .op_name = op_name,
};

const struct mech mech_POSIX_SHM = {
	.kind = LENS_KIND_POSIX_SHM, .type = "posix-shm", .group = "mapping",
	.title = "POSIX shared memory",
	.variants = variants, .name = file_name, .op_name = op_name,
};

const struct mech mech_MEMFD = {
	.kind = LENS_KIND_MEMFD, .type = "memfd", .group = "mapping", .title = "memfd",
	.variants = variants, .name = memfd_name, .op_name = op_name,
};

const struct mech mech_MMAP_FILE = {
	.kind = LENS_KIND_MMAP_FILE, .type = "mmap-file", .group = "mapping",
	.title = "file mapped shared",
	.variants = variants, .name = file_name, .op_name = op_name,
};

const struct mech mech_SHARED_ANON = {
	.kind = LENS_KIND_SHARED_ANON, .type = "shared-anon", .group = "mapping",
	.title = "shared anonymous mapping",
	.variants = variants, .name = anon_name, .op_name = op_name,
};
