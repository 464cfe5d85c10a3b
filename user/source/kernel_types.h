/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The type information (BTF) of the running kernel, walked once and then found
 * by name. libbpf searches all of its 130,000 types anew for every name, which
 * took most of the time until the first program ran. Internal to source/.
 */
#ifndef LENS_SOURCE_KERNEL_TYPES_H
#define LENS_SOURCE_KERNEL_TYPES_H

#include "base/base.h"

struct btf;
struct btf_type;
struct kernel_types;

/* -EBADMSG: what is there is no type information; others: as open(2) */
int kernel_types_open(const char *path, struct kernel_types **ret_types);
void kernel_types_freep(struct kernel_types **types);
/* number of the type of this BTF_KIND_* and name; 0: there is none */
uint32_t kernel_types_find(const struct kernel_types *t, const char *name, unsigned kind);
/* the next one after id that has the same name and kind, 0 after the last */
uint32_t kernel_types_next(const struct kernel_types *t, uint32_t id);
/* 0 < id < kernel_types_count() */
const struct btf_type *kernel_types_at(const struct kernel_types *t, uint32_t id);
const char *kernel_types_string(const struct kernel_types *t, uint32_t offset);
uint32_t kernel_types_count(const struct kernel_types *t);

/*
 * Writes to fd, as a BTF file, those types of the kernel that bear the name of
 * a type of `local`, with all they are made of: what its fields can be relocated
 * against. Numbers of types differ from the kernel's. What a pointer points to
 * is left out, and so are fields that no type of `local` has one of that name of;
 * relocations by field do not ask for either.
 */
int relocation_types_write(const struct kernel_types *t, const struct btf *local, int fd);

#endif
