/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Loads the programs of an object on up to four of the CPUs that we may run on. Nearly all of
 * the time is the kernel's, which checks one program at a time for each thread that
 * asks for it; libbpf asks for one after the other. Internal to source/.
 */
#ifndef LENS_SOURCE_LOADS_H
#define LENS_SOURCE_LOADS_H

#include <bpf/libbpf.h>

/* prog was refused; log: what the verifier says of it */
typedef void (*loads_refusal)(void *arg, const struct bpf_program *prog, const char *log);

/*
 * Instead of bpf_object__load_skeleton(); sections_use() is in force. refused is called for each
 * program that is known to have been refused, at least one if the kernel says why it fails.
 */
int loads_load(struct bpf_object_skeleton *skeleton, loads_refusal refused, void *arg);
/*
 * libbpf is about to load prog, of these instructions: true if another thread does that, and
 * keeps them and what opts points to. libbpf is to load any other program of its kind then,
 * in whose place this one comes before loads_load() returns.
 */
bool loads_take(const struct bpf_program *prog, const struct bpf_prog_load_opts *opts,
		struct bpf_insn *insns, size_t count);

#endif
