/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Looks that another version of ipclens recorded: none of their records is taken for one of ours.
 */
#include "model/stuck_look.h"
#include "test.h"

static void apply_mark(struct stuck *s, enum lens_mark which, uint64_t value)
{
	struct lens_rec_mark r = {
		.h = { .type = LENS_REC_MARK, .len = sizeof(r), .ts_ns = 1000 },
		.mark = which, .value = value,
	};
	struct event ev;
	size_t skip;

	CHECK(event_decode(&r, sizeof(r), &ev, &skip) > 0);
	stuck_apply(s, &ev);
}

/* those of before LENS_STUCK_VERSION were shorter, and their mark had no number */
TEST(a_look_of_another_version)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec thread = { .type = LENS_REC_THREAD, .len = 200 };
	struct lens_rec waiter = { .type = LENS_REC_WAITER, .len = 24 };
	struct lens_rec proc = { .type = LENS_REC_PROC, .len = 8 };

	CHECK(!stuck_skips(s, &thread));
	apply_mark(s, LENS_MARK_STUCK_BEGIN, 0);
	CHECK(s->is_foreign);
	CHECK(stuck_skips(s, &thread));
	CHECK(stuck_skips(s, &waiter));
	CHECK(!stuck_skips(s, &proc));
	apply_mark(s, LENS_MARK_STUCK_END, 0);
	CHECK(!s->taken_ns);
}

TEST(a_look_of_this_version)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec thread = { .type = LENS_REC_THREAD, .len = 200 };

	apply_mark(s, LENS_MARK_STUCK_BEGIN, LENS_STUCK_VERSION);
	CHECK(!s->is_foreign && !stuck_skips(s, &thread));
	apply_mark(s, LENS_MARK_STUCK_END, 0);
	CHECK(s->taken_ns);
}
