/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Puts a FRAMES record together. Internal to source/.
 */
#ifndef LENS_SOURCE_FRAMES_H
#define LENS_SOURCE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* longer names are cut; 48 frames of both fit into LENS_REC_MAX */
#define FRAMES_FUNCTION_MAX 200
#define FRAMES_MODULE_MAX 64
#define FRAMES_TEXT_MAX (LENS_FRAMES_MAX * (FRAMES_FUNCTION_MAX + FRAMES_MODULE_MAX))

struct frames {
	struct lens_rec_frames rec;
	struct lens_frame frame[LENS_FRAMES_MAX];
	char text[FRAMES_TEXT_MAX];
	_Alignas(8) char out[LENS_REC_MAX]; /* the record, when it is finished */
};

void frames_begin(struct frames *f, const struct lens_rec_stack *stack, enum lens_space space);
/* names may be NULL; false: no room for more */
bool frames_add(struct frames *f, const char *function, const char *module, uint64_t offset);
const struct lens_rec *frames_finish(struct frames *f, enum lens_frames_end end);

#endif
