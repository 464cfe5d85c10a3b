/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stacks: their records are accepted with their parts in the right places or
 * refused, and a stack goes to its thread only if that did not run meanwhile.
 */
#include "model/model.h"
#include "test.h"

static _Alignas(8) struct {
	union {
		struct lens_rec h;
		struct lens_rec_stack stack;
		struct lens_rec_frames frames;
		struct lens_rec_thread thread;
		struct lens_rec_mark mark;
		char bytes[1024];
	};
} rec;

static void begin(enum lens_rec_type type, size_t size)
{
	memset(&rec, 0, sizeof(rec));
	rec.h.type = type;
	rec.h.len = size;
	rec.h.ts_ns = 1000;
}

static void append(const void *data, size_t len)
{
	memcpy(rec.bytes + rec.h.len, data, len);
	rec.h.len += len;
}

/* a copy that ends where the allocation does, so that reads behind it are seen */
static ssize_t decode(struct event *ret)
{
	_cleanup_free_ char *copy = xcalloc(1, rec.h.len);
	size_t skip;
	ssize_t got;

	memcpy(copy, &rec, rec.h.len);
	got = event_decode(copy, rec.h.len, ret, &skip);
	return got > 0 ? event_decode(&rec, rec.h.len, ret, &skip) : got;
}

#define REFUSE() CHECK_EQ_I64(decode(&ev), -EBADMSG)

TEST(memory)
{
	struct event ev;

	begin(LENS_REC_STACK, sizeof(rec.stack));
	append("stack of", 8);
	rec.stack.memory_len = 8;
	CHECK_EQ_I64(decode(&ev), rec.h.len);
	CHECK_MEM(ev.memory.data, ev.memory.len, "stack of", 8);
	rec.stack.memory_len = 0;
	REFUSE();
	rec.stack.memory_len = 16;
	REFUSE();
	rec.stack.memory_len = UINT32_MAX;
	REFUSE();
	begin(LENS_REC_STACK, sizeof(rec.stack));
	rec.stack.count = LENS_KERNEL_FRAMES + 1;
	REFUSE();
	rec.stack.count = -EFAULT;
	CHECK_EQ_I64(decode(&ev), rec.h.len);
}

/* two frames: "abc" of module "d", and one that is only known to be in module "ef" */
static void begin_frames(uint32_t tid)
{
	const struct lens_frame frames[] = { { .offset = 7, .function_len = 3, .module_len = 1 },
					     { .offset = 9, .module_len = 2 } };

	begin(LENS_REC_FRAMES, sizeof(rec.frames));
	append(frames, sizeof(frames));
	append("abcdef\0\0", 8);
	rec.frames.proc = (struct lens_proc){ .tgid = tid, .start_ns = 1 };
	rec.frames.tid = tid;
	rec.frames.switches = 10;
	rec.frames.count = 2;
	rec.frames.text_len = 6;
}

TEST(frames)
{
	struct event ev;

	begin_frames(1);
	CHECK_EQ_I64(decode(&ev), rec.h.len);
	CHECK_EQ_U64(ev.frames[1].offset, 9);
	CHECK_MEM(ev.text.data, ev.text.len, "abcdef", 6);
	/* names that are not as long, all together, as the text */
	rec.frames.text_len = 5;
	REFUSE();
	rec.frames.text_len = UINT32_MAX;
	REFUSE();
	rec.frames.text_len = 6;
	rec.frames.count = LENS_FRAMES_MAX + 1;
	REFUSE();
	rec.frames.count = UINT32_MAX;
	REFUSE();
	rec.frames.count = 2;
	rec.frames.space = LENS_SPACE_MAX;
	REFUSE();
	rec.frames.space = LENS_SPACE_USER;
	rec.frames.end = LENS_FRAMES_END_MAX;
	REFUSE();
}

static void apply(struct stuck *s)
{
	struct event ev;

	CHECK_EQ_I64(decode(&ev), rec.h.len);
	if (ev.type == LENS_REC_FRAMES)
		stuck_add_frames(s, &ev);
	else
		stuck_apply(s, &ev);
}

static void mark(struct stuck *s, enum lens_mark which)
{
	begin(LENS_REC_MARK, sizeof(rec.mark));
	rec.mark.mark = which;
	rec.mark.value = which == LENS_MARK_STUCK_BEGIN ? LENS_STUCK_VERSION : 0;
	apply(s);
}

static void thread(struct stuck *s, uint32_t tid, uint64_t switches)
{
	begin(LENS_REC_THREAD, sizeof(rec.thread));
	rec.thread.proc = (struct lens_proc){ .tgid = tid, .start_ns = 1 };
	rec.thread.tid = tid;
	rec.thread.state = 1;
	rec.thread.switches = switches;
	apply(s);
}

/* 1 is blocked, 2 runs between the two lists, 3 is new */
static struct stuck *three_threads(void)
{
	struct stuck *s = stuck_new();

	mark(s, LENS_MARK_STUCK_BEGIN);
	thread(s, 1, 10);
	thread(s, 2, 9);
	mark(s, LENS_MARK_STUCK_HOLDERS);
	mark(s, LENS_MARK_STUCK_AGAIN);
	thread(s, 1, 10);
	thread(s, 2, 10);
	thread(s, 3, 10);
	mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	CHECK_EQ_U64(s->thread_count, 3);
	return s;
}

TEST(goes_to_its_thread)
{
	_cleanup_(stuck_freep) struct stuck *s = three_threads();
	const struct stuck_stack *stack;

	begin_frames(1);
	apply(s);
	rec.frames.space = LENS_SPACE_USER;
	rec.frames.end = LENS_FRAMES_NO_RULE;
	apply(s);
	/* the first one counts */
	rec.frames.end = LENS_FRAMES_DEEP;
	apply(s);
	stack = s->threads[0]->stacks[LENS_SPACE_KERNEL];
	CHECK(stack);
	CHECK_EQ_U64(stack->count, 2);
	CHECK_MEM(stack->frames[0].function.data, stack->frames[0].function.len, "abc", 3);
	CHECK_MEM(stack->frames[0].module.data, stack->frames[0].module.len, "d", 1);
	CHECK_EQ_U64(stack->frames[1].function.len, 0);
	CHECK_MEM(stack->frames[1].module.data, stack->frames[1].module.len, "ef", 2);
	CHECK(s->threads[0]->stacks[LENS_SPACE_USER]->end == LENS_FRAMES_NO_RULE);
}

TEST(only_of_who_did_not_run)
{
	_cleanup_(stuck_freep) struct stuck *s = three_threads();

	for (uint32_t tid = 2; tid < 5; tid++) {
		begin_frames(tid);
		apply(s);
	}
	/* it has run since it was listed, or is another one by now */
	begin_frames(1);
	rec.frames.switches = 11;
	apply(s);
	begin_frames(1);
	rec.frames.proc.start_ns = 2;
	apply(s);
	for (size_t i = 0; i < s->thread_count; i++)
		CHECK(!s->threads[i]->stacks[LENS_SPACE_KERNEL]);
}
