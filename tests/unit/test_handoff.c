/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who woke whom at a word of shared memory. */
#include "mapped.h"

TEST(handoffs_by_word)
{
	_feed_ struct feed f = feed_new();

	feed_mappers(&f, 3);
	/* a ring: one word each way; counts are since the start, the last one holds */
	feed_edge(&f, 1, LENS_WRITE, 0, 5);
	feed_edge(&f, 1, LENS_WRITE, 0, 10);
	feed_edge(&f, 2, LENS_READ, 0, 10);
	feed_edge(&f, 2, LENS_WRITE, 64, 7);
	feed_edge(&f, 1, LENS_READ, 64, 7);
	/* one that wakes several */
	feed_edge(&f, 1, LENS_WRITE, 128, 9);
	feed_edge(&f, 2, LENS_READ, 128, 4);
	feed_edge(&f, 3, LENS_READ, 128, 5);
	/* several that wake one; it has heard from all */
	feed_edge(&f, 2, LENS_WRITE, 192, 3);
	feed_edge(&f, 3, LENS_WRITE, 192, 4);
	feed_edge(&f, 1, LENS_READ, 192, 7);
	world_settle(f.w);
	check_handoff(&f, 1, 2, 0, 10, true);
	check_handoff(&f, 2, 1, 64, 7, true);
	check_handoff(&f, 1, 2, 128, 4, true);
	check_handoff(&f, 1, 3, 128, 5, true);
	check_handoff(&f, 2, 1, 192, 3, true);
	check_handoff(&f, 3, 1, 192, 4, true);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->handoff_count, 6);
}

/* who wakes others and is woken by others at one word does not do so by itself */
TEST(handoffs_of_nobody_to_itself)
{
	_feed_ struct feed f = feed_new();
	const struct memory *m;
	uint64_t sum = 0;

	feed_mappers(&f, 3);
	feed_edge(&f, 1, LENS_WRITE, 0, 1);
	feed_edge(&f, 2, LENS_WRITE, 0, 1);
	feed_edge(&f, 2, LENS_READ, 0, 1);
	feed_edge(&f, 3, LENS_READ, 0, 1);
	for (uint32_t pid = 1; pid <= 3; pid++) {
		feed_edge(&f, pid, LENS_WRITE, 64, 7 * pid);
		feed_edge(&f, pid, LENS_READ, 64, 14);
	}
	world_settle(f.w);
	check_handoff(&f, 1, 2, 0, 1, false);
	check_handoff(&f, 2, 3, 0, 1, false);
	m = chan_memory(feed_chan_of(&f, mem));
	for (size_t i = 0; i < m->handoff_count; i++) {
		CHECK(m->handoffs[i].from != m->handoffs[i].to);
		sum += m->handoffs[i].offset ? m->handoffs[i].count : 0;
	}
	CHECK_EQ_U64(sum, 42);
}

TEST(handoffs_that_are_open)
{
	_feed_ struct feed f = feed_new();

	feed_mappers(&f, 3);
	/* a lock that two take in turns */
	feed_edge(&f, 1, LENS_WRITE, 0, 5);
	feed_edge(&f, 2, LENS_WRITE, 0, 6);
	feed_edge(&f, 1, LENS_READ, 0, 6);
	feed_edge(&f, 2, LENS_READ, 0, 5);
	/* woken more often than anybody woke: by the kernel */
	feed_edge(&f, 1, LENS_WRITE, 64, 2);
	feed_edge(&f, 2, LENS_READ, 64, 3);
	/* threads of one process among themselves: no IPC */
	feed_edge(&f, 3, LENS_WRITE, 128, 100);
	feed_edge(&f, 3, LENS_READ, 128, 100);
	/* three that take turns */
	feed_edge(&f, 1, LENS_WRITE, 192, 10);
	feed_edge(&f, 2, LENS_WRITE, 192, 10);
	feed_edge(&f, 3, LENS_WRITE, 192, 10);
	feed_edge(&f, 1, LENS_READ, 192, 10);
	feed_edge(&f, 2, LENS_READ, 192, 20);
	world_settle(f.w);
	check_handoff(&f, 1, 2, 0, 5, false);
	check_handoff(&f, 2, 1, 0, 6, false);
	check_handoff(&f, 1, 2, 64, 2, true);
	check_handoff(&f, 0, 2, 64, 1, true);
	CHECK(!handoff(&f, 3, 3, 128));
	CHECK(handoff(&f, 3, 2, 192) && !handoff(&f, 3, 2, 192)->exact);
	/* settling again changes nothing */
	world_settle(f.w);
	check_handoff(&f, 1, 2, 0, 5, false);
}

/* of two that return one was woken by another process, and one by none that is known */
TEST(handoffs_of_one_and_the_kernel)
{
	_feed_ struct feed f = feed_new();
	const struct handoff *h;

	feed_mappers(&f, 3);
	feed_edge(&f, 1, LENS_WRITE, 0, 1);
	feed_edge(&f, 2, LENS_READ, 0, 1);
	feed_edge(&f, 3, LENS_READ, 0, 1);
	/* by nobody at all */
	feed_edge(&f, 2, LENS_READ, 64, 1);
	feed_edge(&f, 3, LENS_READ, 64, 2);
	world_settle(f.w);
	h = handoff(&f, 1, 2, 0) ? handoff(&f, 1, 2, 0) : handoff(&f, 1, 3, 0);
	CHECK(h && !h->exact);
	CHECK_STR(h->why, "others were woken here by the kernel, or after a requeue");
	check_handoff(&f, 0, 2, 64, 1, true);
	check_handoff(&f, 0, 3, 64, 2, true);
}
