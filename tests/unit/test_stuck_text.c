/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What people read about wait-for graphs made by hand.
 */
#include "model/stuck_look.h"
#include "render/render.h"
#include "test.h"

static struct stuck_thread *thread_of(struct stuck *s, uint32_t pid)
{
	struct lens_proc key = { .tgid = pid, .start_ns = 1 };
	struct stuck_thread *t = stuck_add_thread(s, stuck_add_proc(s, &key), pid);

	t->rec.state = 1;
	t->rec.call = LENS_CALL_READ;
	snprintf(t->rec.comm, sizeof(t->rec.comm), "p");
	return t;
}

static struct stuck_need *waits_for(struct stuck_thread *t, struct stuck_proc *p)
{
	struct stuck_need *n = t->need_count ? &t->needs[0] : stuck_add_need(t, WANT_DATA);

	stuck_add_provider(n, p, WHY_HOLDS_END, 3);
	return n;
}

/* so many processes in a ring, and others behind the first of it */
static struct stuck *ring_of(unsigned length, unsigned behind)
{
	struct stuck *s = stuck_new();

	for (unsigned i = 0; i < length + behind; i++)
		thread_of(s, 10 + i);
	for (unsigned i = 0; i < length; i++)
		waits_for(s->threads[i], s->procs[(i + 1) % length]);
	for (unsigned i = length; i < length + behind; i++)
		waits_for(s->threads[i], s->procs[0]);
	stuck_judge(s);
	return s;
}

/* what is told of a look after those before; the caller's to free */
static char *changes(struct stuck_told *told, unsigned length, unsigned behind, uint64_t blocked_ns)
{
	_cleanup_(stuck_freep) struct stuck *s = ring_of(length, behind);
	const struct render_options opt = {};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool changed;

	for (size_t i = 0; i < s->thread_count; i++)
		s->threads[i]->blocked_ns = blocked_ns;
	changed = render_stuck_changes(out, s, &opt, false, told);
	fclose(out);
	CHECK(changed == (len > 0));
	return text;
}

#define CHECK_CHANGES(length, behind, ns, has, has_not)				\
	do {									\
		_cleanup_free_ char *text_ = changes(told, length, behind, ns);	\
		CHECK(strstr(text_, has));					\
		CHECK(!strstr(text_, has_not));					\
	} while (0)

TEST(changes)
{
	_cleanup_(stuck_told_freep) struct stuck_told *told = stuck_told_new();
	_cleanup_free_ char *same = NULL;

	CHECK_CHANGES(2, 0, 1000, "1. deadlock  p(10)", "new: ");
	/* time goes by, and that is all */
	same = changes(told, 2, 0, 2000);
	CHECK_STR(same, "");
	CHECK_CHANGES(2, 1, 3000, "changed: 1. deadlock  p(10)", "gone: ");
	CHECK_CHANGES(0, 0, 0, "gone: deadlock  p(10)\nnothing is stuck", "1. ");
	CHECK_CHANGES(3, 0, 1000, "new: 1. deadlock  p(10)", "gone: ");
}

static char *text_of(const struct stuck *s)
{
	const struct render_options opt = {};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	render_stuck_text(out, s, &opt, true);
	fclose(out);
	return text;
}

/* everybody reads from one pipe, and has its write end as well */
static struct stuck *circle_of(unsigned count)
{
	struct stuck *s = stuck_new();
	struct stuck_thing *pipe = stuck_thing_add(s, LENS_OBJECT_PIPE, "pipe:f:0:1");

	pipe->name = pipe->name ? pipe->name : xstrdup("pipe:[1]");
	for (unsigned i = 0; i < count; i++)
		thread_of(s, 10 + i);
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < count; j++)
			waits_for(s->threads[i], s->procs[j])->thing = pipe;
	stuck_judge(s);
	return s;
}

/* who waits is not among the others that could help, though it has that end, too */
TEST(waiter_is_no_other)
{
	static const char *const told[] = {
		"descriptor 3",
		"only p(11) by descriptor 3, which is blocked in read on pipe:[1], could write",
		"only 2 waiting processes could write to it",
	};

	for (unsigned others = 0; others < ARRAY_SIZE(told); others++) {
		_cleanup_(stuck_freep) struct stuck *s = circle_of(1 + others);
		_cleanup_free_ char *text = text_of(s);

		CHECK(strstr(text, told[others]));
	}
}

/* named beside one who is at work elsewhere, neither it nor a rival is */
TEST(others_are_not_the_waiter)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 10), *b = thread_of(s, 11);
	_cleanup_free_ char *text = NULL;

	b->own = HOPE_OUTSIDE;
	b->own_why = "sleeping";
	waits_for(a, a->proc);
	waits_for(a, b->proc);
	stuck_judge(s);
	text = text_of(s);
	CHECK(strstr(text, "only p(11) by descriptor 3, which is sleeping in read, could write"));
}

/* one that waits for itself is no cycle of several, in which one can be ended */
TEST(waits_for_itself)
{
	_cleanup_(stuck_told_freep) struct stuck_told *told = stuck_told_new();
	_cleanup_free_ char *text = changes(told, 1, 0, 1000);

	CHECK(strstr(text, "could write to it; it waits for itself\n"));
	CHECK(!strstr(text, "each waits for the next"));
}

/* a call that nothing is known of but its number is called by its name, if it has one */
TEST(calls_by_number)
{
	static const struct { uint32_t nr, flags; const char *text; } calls[] = {
		{ 16, 0, "p(10)  ioctl" },
		{ 16, LENS_THREAD_COMPAT, "p(10)  lchown" },
		{ 54, LENS_THREAD_COMPAT, "p(10)  ioctl" },
		{ 99999, 0, "p(10)  system call 99999" },
		{ UINT32_MAX, 0, "p(10)  system call 4294967295" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		_cleanup_(stuck_freep) struct stuck *s = ring_of(2, 0);
		_cleanup_free_ char *text = NULL;

		s->threads[0]->rec.call = LENS_CALL_OTHER;
		s->threads[0]->rec.nr = calls[i].nr;
		s->threads[0]->rec.flags = calls[i].flags;
		text = text_of(s);
		CHECK(strstr(text, calls[i].text));
	}
}
