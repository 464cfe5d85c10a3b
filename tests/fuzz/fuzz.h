/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What fuzz targets share: the names libFuzzer wants, and how a promise that
 * was broken is told.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own, for a mutator to build on */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define MUST(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "broken promise: %s\n", #cond);		\
			abort();						\
		}								\
	} while (0)

#endif
