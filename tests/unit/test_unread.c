/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * When the oldest of what is unread was written: known where the order of the
 * operations is proven, and not guessed where it is not.
 */
#include "feed.h"

struct move {
	uint32_t pid; /* writers are below 10 */
	uint64_t at_ns, bytes;
};

static enum lens_dir dir_of(uint32_t pid)
{
	return pid < 10 ? LENS_WRITE : LENS_READ;
}

/* one pipe from its birth on, every call followed; what is left in it at the end */
static uint64_t oldest(const struct move *moves, size_t count, uint64_t left)
{
	static const uint32_t pids[] = { 1, 2, 11 };
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	for (size_t p = 0; p < ARRAY_SIZE(pids); p++)
		feed_end(&f, c, pids[p], dir_of(pids[p]), pids[p], LENS_END_OPS);
	for (size_t i = 0; i < count; i++)
		feed_op(&f, moves[i].pid, moves[i].at_ns, moves[i].bytes, 0);
	for (size_t p = 0; p < ARRAY_SIZE(pids); p++) {
		uint64_t ops = 0, bytes = 0;

		for (size_t i = 0; i < count; i++)
			if (moves[i].pid == pids[p]) {
				ops++;
				bytes += moves[i].bytes;
			}
		if (ops)
			feed_total(&f, c, pids[p], dir_of(pids[p]),
				   feed_counts(pids[p], ops, bytes));
	}
	feed_finish_live(&f, c, 1, left);
	return chan_more(feed_chan_of(&f, c))->oldest_unread_ns;
}

TEST(rest_of_the_second_write)
{
	const struct move moves[] = { { 1, 100000, 100 }, { 1, 200000, 50 }, { 11, 300000, 120 } };

	CHECK_EQ_U64(oldest(moves, ARRAY_SIZE(moves), 30), 200000);
}

TEST(nothing_was_read)
{
	const struct move moves[] = { { 1, 100000, 100 }, { 1, 200000, 50 } };

	CHECK_EQ_U64(oldest(moves, ARRAY_SIZE(moves), 150), 100000);
}

TEST(all_was_read)
{
	const struct move moves[] = { { 1, 100000, 100 }, { 11, 200000, 100 } };

	CHECK_EQ_U64(oldest(moves, ARRAY_SIZE(moves), 0), 0);
}

/* of two writers whose calls may have overlapped it is not known which was first */
TEST(order_is_not_proven)
{
	const struct move moves[] = { { 1, 100000, 100 }, { 2, 200000, 50 }, { 11, 300000, 120 } };

	CHECK_EQ_U64(oldest(moves, ARRAY_SIZE(moves), 30), 0);
}
