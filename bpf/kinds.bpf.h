/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sets of kinds, and which of them are counted in this run.
 */
#ifndef LENS_KINDS_BPF_H
#define LENS_KINDS_BPF_H

#include "core.bpf.h"

#define KIND_BIT(kind) (1ull << (kind))
#define KINDS_FIFO (KIND_BIT(LENS_KIND_PIPE) | KIND_BIT(LENS_KIND_FIFO))
#define KINDS_UNIX (KIND_BIT(LENS_KIND_UNIX_STREAM) | KIND_BIT(LENS_KIND_UNIX_DGRAM) | \
		    KIND_BIT(LENS_KIND_UNIX_SEQPACKET))
#define KINDS_INET (KIND_BIT(LENS_KIND_TCP) | KIND_BIT(LENS_KIND_UDP))
#define KINDS_SOCK (KINDS_UNIX | KINDS_INET)
/* neither of these, but read and written like them */
#define KINDS_DEVICE (KIND_BIT(LENS_KIND_EVENTFD) | KIND_BIT(LENS_KIND_PTY))
/* those whose bytes move through descriptors */
#define KINDS_FD (KINDS_FIFO | KINDS_SOCK | KINDS_DEVICE)
#define KINDS_MEMORY (KIND_BIT(LENS_KIND_SYSV_SHM) | KIND_BIT(LENS_KIND_POSIX_SHM) |	\
		      KIND_BIT(LENS_KIND_MEMFD) | KIND_BIT(LENS_KIND_MMAP_FILE) |	\
		      KIND_BIT(LENS_KIND_SHARED_ANON))
#define KINDS_ALL (~0ull)

/*
 * Kinds that some hook counts; set by user space before loading. What is about a kind asks for
 * this constant before the kind at hand, so that the verifier takes it out where it is not
 * counted; on the way of every call nothing asks, as reading a constant takes instructions.
 */
extern const volatile __u64 lens_kinds;
#define kinds_counted(set) (lens_kinds & (set))

#endif
