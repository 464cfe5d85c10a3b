// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Operations that come by several processors, late and out of order. */
#include <errno.h>

#include "feed.h"
#include "model/state.h"

/* where a call left a pipe that was made under observation */
#define PLACE(bytes) (LENS_PLACE_VALID | (int64_t)LENS_PLACE_BIRTH << LENS_PLACE_BITS | (bytes))

/* than its processes began */
#define LATER 1000000

enum { ONE_WRITES = 1, ONE_READS, TWO_WRITES, TWO_READS };

static void reading(struct feed *f, uint64_t one, uint64_t two)
{
	struct lens_chan pipe = feed_pipe(5);

	feed_total(f, pipe, 1, LENS_WRITE, feed_counts(ONE_WRITES, one, 100 * one));
	feed_total(f, pipe, 1, LENS_READ, feed_counts(ONE_READS, two, 40 * two));
	feed_total(f, pipe, 2, LENS_WRITE, feed_counts(TWO_WRITES, two, 40 * two));
	feed_total(f, pipe, 2, LENS_READ, feed_counts(TWO_READS, one, 100 * one));
	/* what comes next belongs to another one */
	feed_mark(f, LENS_MARK_SAMPLE, 1);
}

/*
 * Two ask each other, none of their calls at once. What the second did comes behind two readings
 * with nothing in between, as when a table has filled up just before a look.
 */
static void ask_and_answer(struct feed *f, bool is_told)
{
	static const struct lens_op first[] = {
		{ .ts_ns = 10, .ret = 100, .id = ONE_WRITES, .aux = PLACE(100), .tid = 1 },
		{ .ts_ns = 40, .ret = 40, .id = ONE_READS, .aux = PLACE(140), .tid = 1 },
		{ .ts_ns = 50, .ret = 100, .id = ONE_WRITES, .aux = PLACE(240), .tid = 1 },
	}, second[] = {
		{ .ts_ns = 20, .ret = 100, .id = TWO_READS, .aux = PLACE(100), .tid = 2 },
		{ .ts_ns = 30, .ret = 40, .id = TWO_WRITES, .aux = PLACE(140), .tid = 2 },
		{ .ts_ns = 60, .ret = 100, .id = TWO_READS, .aux = PLACE(240), .tid = 2 },
	};

	feed_start_empty(f);
	if (is_told)
		feed_mark(f, LENS_MARK_ORDERED, 1);
	feed_end(f, feed_pipe(5), 1, LENS_WRITE, ONE_WRITES, LENS_END_OPS);
	feed_end(f, feed_pipe(5), 1, LENS_READ, ONE_READS, LENS_END_OPS);
	feed_end(f, feed_pipe(5), 2, LENS_WRITE, TWO_WRITES, LENS_END_OPS);
	feed_end(f, feed_pipe(5), 2, LENS_READ, TWO_READS, LENS_END_OPS);
	feed_ops(f, first, ARRAY_SIZE(first));
	reading(f, 2, 1);
	reading(f, 2, 1);
	feed_ops(f, second, ARRAY_SIZE(second));
	if (is_told)
		feed_mark(f, LENS_MARK_ORDERED, 70);
	reading(f, 2, 1);
	feed_finish_gone(f);
}

TEST(what_is_told_to_be_complete_is_in_order)
{
	_feed_ struct feed f = feed_new();

	ask_and_answer(&f, true);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 2), 200);
	CHECK_EQ_U64(feed_flow_bytes(&f, 2, 1), 40);
	CHECK(feed_flow(&f, 1, 2)->exact && feed_flow(&f, 2, 1)->exact);
}

/* older recordings only tell of readings: what comes behind two of them has no proven order */
TEST(what_comes_late_is_in_doubt)
{
	_feed_ struct feed f = feed_new();

	ask_and_answer(&f, false);
	CHECK(f.w->flow_count >= 2);
	for (size_t i = 0; i < f.w->flow_count; i++)
		CHECK(!f.w->flows[i].exact);
}

/* two pairs of writers and readers; what the first one wrote comes behind what others did since */
static void two_pairs(struct feed *f, bool late)
{
	static const struct lens_op before = { .ts_ns = LATER + 1, .ret = -EAGAIN,
					       .id = ONE_WRITES, .tid = 1 };
	static const struct lens_op first = { .ts_ns = LATER + 5, .ret = 100,
					      .id = ONE_WRITES, .tid = 1 };
	static const struct lens_op rest[] = {
		{ .ts_ns = LATER + 8, .ret = -EAGAIN, .id = TWO_WRITES, .tid = 2 },
		{ .ts_ns = LATER + 10, .ret = 50, .id = TWO_WRITES, .tid = 2 },
		{ .ts_ns = LATER + 20, .ret = -EAGAIN, .id = ONE_WRITES, .tid = 1 },
	};
	static const struct lens_op taken[] = {
		{ .ts_ns = LATER + 28, .ret = -EAGAIN, .id = ONE_READS, .tid = 3 },
		{ .ts_ns = LATER + 30, .ret = 100, .id = ONE_READS, .tid = 3 },
		{ .ts_ns = LATER + 35, .ret = -EAGAIN, .id = TWO_READS, .tid = 4 },
		{ .ts_ns = LATER + 40, .ret = 50, .id = TWO_READS, .tid = 4 },
	};
	struct lens_chan pipe = feed_pipe(5);

	feed_start_empty(f);
	feed_mark(f, LENS_MARK_ORDERED, 1);
	feed_end(f, pipe, 1, LENS_WRITE, ONE_WRITES, LENS_END_OPS);
	feed_end(f, pipe, 2, LENS_WRITE, TWO_WRITES, LENS_END_OPS);
	feed_end(f, pipe, 3, LENS_READ, ONE_READS, LENS_END_OPS);
	feed_end(f, pipe, 4, LENS_READ, TWO_READS, LENS_END_OPS);
	feed_ops(f, &before, 1);
	if (!late)
		feed_ops(f, &first, 1);
	feed_ops(f, rest, ARRAY_SIZE(rest));
	feed_mark(f, LENS_MARK_ORDERED, LATER + 25);
	if (late)
		feed_ops(f, &first, 1);
	feed_ops(f, taken, ARRAY_SIZE(taken));
	feed_total(f, pipe, 1, LENS_WRITE, feed_counts(ONE_WRITES, 3, 100));
	feed_total(f, pipe, 2, LENS_WRITE, feed_counts(TWO_WRITES, 2, 50));
	feed_total(f, pipe, 3, LENS_READ, feed_counts(ONE_READS, 2, 100));
	feed_total(f, pipe, 4, LENS_READ, feed_counts(TWO_READS, 2, 50));
	feed_mark(f, LENS_MARK_SAMPLE, 1);
	feed_finish_gone(f);
}

TEST(what_comes_late_proves_nothing_by_what_its_thread_did_since)
{
	_feed_ struct feed f = feed_new(), late = feed_new();

	two_pairs(&f, false);
	CHECK(f.w->flow_count == 2);
	for (size_t i = 0; i < f.w->flow_count; i++)
		CHECK(f.w->flows[i].exact);
	two_pairs(&late, true);
	CHECK(late.w->flow_count >= 2);
	for (size_t i = 0; i < late.w->flow_count; i++)
		CHECK(!late.w->flows[i].exact);
}

/* an operation waits until it is told, and no longer */
TEST(nothing_is_handed_on_before)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_mark(&f, LENS_MARK_ORDERED, 1);
	feed_end(&f, feed_pipe(5), 1, LENS_WRITE, ONE_WRITES, LENS_END_OPS);
	feed_op(&f, ONE_WRITES, 10, 100, 0);
	feed_op(&f, ONE_WRITES, 20, 100, 0);
	feed_mark(&f, LENS_MARK_ORDERED, 9);
	reading(&f, 2, 0);
	reading(&f, 2, 0);
	reading(&f, 2, 0);
	CHECK(!chan_state(feed_chan_of(&f, feed_pipe(5)))->ops);
	feed_mark(&f, LENS_MARK_ORDERED, 15);
	CHECK(chan_state(feed_chan_of(&f, feed_pipe(5)))->ops);
}

/* they hand on nothing, or one at a time, while many wait: what all of them take is bounded */
TEST(marks_of_a_hostile_recording)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_mark(&f, LENS_MARK_ORDERED, 1);
	feed_end(&f, feed_pipe(5), 1, LENS_WRITE, ONE_WRITES, LENS_END_OPS);
	for (unsigned i = 0; i < 60000; i++)
		feed_op(&f, ONE_WRITES, 1000 * LATER + i, 1, 0);
	for (unsigned i = 0; i < 400000; i++) {
		if (i % 2)
			feed_op(&f, ONE_WRITES, LATER + i, 1, 0);
		feed_mark(&f, LENS_MARK_ORDERED, LATER + i);
	}
}
