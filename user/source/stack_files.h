/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The files that processes have mapped code of, read once each. Internal to
 * source/.
 */
#ifndef LENS_SOURCE_STACK_FILES_H
#define LENS_SOURCE_STACK_FILES_H

#include "source/reader.h"
#include "unwind/unwind.h"

struct stack_files;

struct stack_files *stack_files_new(void);
void stack_files_freep(struct stack_files **files);
/* forgets all of them */
void stack_files_forget(struct stack_files *files);
/* the same if they have become many or large */
void stack_files_trim(struct stack_files *files);
/* NULL: cannot be read, or is none. Valid until the next call of one of the above */
const struct unwind_elf *stack_files_get(struct stack_files *files, struct reader *reader,
					 uint32_t tgid, const struct unwind_mapping *m);

#endif
