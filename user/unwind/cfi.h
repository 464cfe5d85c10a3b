/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Call frame information. Internal to unwind/.
 */
#ifndef LENS_UNWIND_CFI_H
#define LENS_UNWIND_CFI_H

#include "unwind/unwind.h"

/* the section .eh_frame */
struct cfi_section {
	const uint8_t *data;
	size_t len;
	uint64_t address;
};

/* a function that is described: where in the section */
struct cfi_entry {
	uint64_t start, end; /* addresses of the function */
	size_t at;
};

/* all functions of a section, sorted; returns how many, up to where the section is damaged */
size_t cfi_index(const struct cfi_section *section, struct cfi_entry **ret_index);
const struct cfi_entry *cfi_find(const struct cfi_entry *index, size_t count, uint64_t address);

enum cfi_result {
	CFI_CALLER, /* regs are the caller's now */
	CFI_SIGNAL, /* ... interrupted by a signal, not behind a call */
	CFI_OUTERMOST,
	CFI_NO_RULE,
	CFI_UNSUPPORTED,
	CFI_NO_MEMORY,
};

/* address: of regs' instruction, in the section's terms */
enum cfi_result cfi_step(const struct cfi_section *section, const struct cfi_entry *entry,
			 uint64_t address, struct unwind_regs *regs,
			 const struct unwind_thread *thread);

#endif
