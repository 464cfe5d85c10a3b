/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Names of the kernel's functions by address. Read once, while that is still
 * permitted. Internal to source/.
 */
#ifndef LENS_SOURCE_KALLSYMS_H
#define LENS_SOURCE_KALLSYMS_H

#include <stdbool.h>
#include <stdint.h>

struct kallsyms;

struct kallsyms_symbol {
	const char *function;
	const char *module;	/* NULL: the kernel itself */
	uint64_t offset;
};

/* -EPERM: addresses are hidden from us */
int kallsyms_read(const char *path, struct kallsyms **ret);
void kallsyms_freep(struct kallsyms **k);
bool kallsyms_find(const struct kallsyms *k, uint64_t address, struct kallsyms_symbol *ret);

#endif
