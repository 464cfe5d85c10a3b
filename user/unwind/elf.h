/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What unwinding asks of a file. Internal to unwind/.
 */
#ifndef LENS_UNWIND_ELF_H
#define LENS_UNWIND_ELF_H

#include "unwind/cfi.h"

/* address in the file's own terms of what is mapped from an offset of it */
bool elf_address(const struct unwind_elf *elf, uint64_t offset, uint64_t *ret);
/* the function around an address, or NULL; valid as long as the file is */
const char *elf_function(const struct unwind_elf *elf, uint64_t address, uint64_t *ret_offset);
const struct cfi_section *elf_cfi(const struct unwind_elf *elf);
/* what the section says about an address, or NULL */
const struct cfi_entry *elf_cfi_entry(const struct unwind_elf *elf, uint64_t address);

#endif
