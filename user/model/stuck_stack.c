/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stacks of threads. They are taken when it is known who is stuck; only those of
 * threads that have not run since they were listed tell where they wait.
 */
#include "model/stuck_look.h"

struct stuck_thread *stuck_still_blocked(const struct stuck *s, const struct lens_proc *proc,
					 uint32_t tid, uint64_t switches)
{
	struct stuck_thread *t = hash_get(stuck_look(s)->threads, &tid);

	return t && !t->moved && t->rec.switches == switches && t->proc->key.tgid == proc->tgid &&
			       t->proc->key.start_ns == proc->start_ns
		       ? t
		       : NULL;
}

void stuck_add_frames(struct stuck *s, const struct event *ev)
{
	const struct lens_rec_frames *r = ev->lens_rec_frames;
	struct stuck_thread *t = stuck_still_blocked(s, &r->proc, r->tid, r->switches);
	struct stuck_stack *stack;
	const char *text;
	char *kept;

	if (!t || t->stacks[r->space])
		return;
	/* the names behind the frames, in one block with them */
	stack = xcalloc(1, sizeof(*stack) + r->count * sizeof(stack->frames[0]) + ev->text.len);
	kept = (char *)&stack->frames[r->count];
	memcpy(kept, ev->text.data, ev->text.len);
	text = kept;
	stack->end = r->end;
	stack->count = r->count;
	for (uint32_t i = 0; i < r->count; i++) {
		const struct lens_frame *from = &ev->frames[i];
		struct stuck_frame *f = &stack->frames[i];

		f->offset = from->offset;
		f->function = (struct event_bytes){ text, from->function_len };
		text += from->function_len;
		f->module = (struct event_bytes){ text, from->module_len };
		text += from->module_len;
	}
	t->stacks[r->space] = stack;
}
