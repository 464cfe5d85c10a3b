/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Puts a FRAMES record together: frames and names grow apart, and are joined
 * when the number of both is known.
 */
#include "source/frames.h"

#include "base/base.h"

_Static_assert(sizeof(struct lens_rec_frames) + sizeof(((struct frames *)0)->frame) +
			       FRAMES_TEXT_MAX + 8 <=
		       LENS_REC_MAX,
	       "frames that do not fit into a record");

void frames_begin(struct frames *f, const struct lens_rec_stack *stack, enum lens_space space)
{
	f->rec = (struct lens_rec_frames){
		.h.ts_ns = stack->h.ts_ns,
		.proc = stack->proc,
		.switches = stack->switches,
		.tid = stack->tid,
		.space = space,
	};
}

static uint16_t add_text(struct frames *f, const char *text, size_t most)
{
	size_t len = text ? strnlen(text, most) : 0;

	if (len)
		memcpy(f->text + f->rec.text_len, text, len);
	f->rec.text_len += len;
	return (uint16_t)len;
}

bool frames_add(struct frames *f, const char *function, const char *module, uint64_t offset)
{
	struct lens_frame *frame;

	if (f->rec.count == LENS_FRAMES_MAX)
		return false;
	frame = &f->frame[f->rec.count++];
	*frame = (struct lens_frame){ .offset = offset };
	frame->function_len = add_text(f, function, FRAMES_FUNCTION_MAX);
	frame->module_len = add_text(f, module, FRAMES_MODULE_MAX);
	return true;
}

const struct lens_rec *frames_finish(struct frames *f, enum lens_frames_end end)
{
	size_t frames = f->rec.count * sizeof(f->frame[0]);
	size_t len = sizeof(f->rec) + frames + f->rec.text_len;

	f->rec.end = end;
	f->rec.h = (struct lens_rec){
		.len = (uint32_t)((len + 7) & ~(size_t)7),
		.type = LENS_REC_FRAMES,
		.flags = LENS_F_SNAPSHOT,
		.ts_ns = f->rec.h.ts_ns,
	};
	memcpy(f->out, &f->rec, sizeof(f->rec));
	memcpy(f->out + sizeof(f->rec), f->frame, frames);
	memcpy(f->out + sizeof(f->rec) + frames, f->text, f->rec.text_len);
	memset(f->out + len, 0, f->rec.h.len - len);
	return (const void *)f->out;
}
