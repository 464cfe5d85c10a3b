/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Back-pressure: rounds of samples in which somebody slept in a call.
 */
#include "feed.h"

#define PERIOD_NS 50000000u

static void round_begin(struct feed *f)
{
	feed_mark(f, LENS_MARK_SAMPLE, PERIOD_NS);
}

TEST(shares_of_rounds)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	for (unsigned i = 0; i < 10; i++) {
		round_begin(&f);
		if (i < 7)
			feed_wait(&f, c, 1, LENS_WRITE, 4096, true);
		if (i >= 8)
			feed_wait(&f, c, 2, LENS_READ, 4096, true);
		/* not asleep is not blocked */
		feed_wait(&f, feed_pipe(2), 1, LENS_WRITE, 4096, false);
	}
	world_settle(f.w);
	CHECK_EQ_U64(f.w->sample_rounds, 10);
	CHECK_EQ_U64(f.w->sample_period_ns, PERIOD_NS);
	CHECK(chan_more(feed_chan_of(&f, c))->full_share == 0.7);
	CHECK(chan_more(feed_chan_of(&f, c))->empty_share == 0.2);
	CHECK(chan_more(feed_chan_of(&f, feed_pipe(2)))->full_share == 0);
	CHECK_EQ_U64(end_waits(feed_end_of(&f, c, 1), LENS_WRITE)->blocked_ns, 7ull * PERIOD_NS);
	CHECK_EQ_U64(end_waits(feed_end_of(&f, c, 2), LENS_READ)->blocked_ns, 2ull * PERIOD_NS);
	CHECK_EQ_U64(end_waits(feed_end_of(&f, c, 2), LENS_WRITE)->blocked_ns, 0);
	/* who sleeps on it is an end of it */
	CHECK(feed_end_of(&f, c, 1)->writer && !feed_end_of(&f, c, 1)->reader);
}

/* threads of one process, and processes of one channel: a round counts once */
TEST(sleepers_together_count_once)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	round_begin(&f);
	feed_wait(&f, c, 1, LENS_WRITE, 1, true);
	feed_wait(&f, c, 1, LENS_WRITE, 1, true);
	feed_wait(&f, c, 2, LENS_WRITE, 1, true);
	round_begin(&f);
	world_settle(f.w);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, c))->blocked_samples[LENS_WRITE], 1);
	CHECK(chan_more(feed_chan_of(&f, c))->full_share == 0.5);
	CHECK_EQ_U64(end_waits(feed_end_of(&f, c, 1), LENS_WRITE)->samples, 1);
	CHECK_EQ_U64(end_waits(feed_end_of(&f, c, 2), LENS_WRITE)->samples, 1);
}

/* what a look finds asleep is a wait of that look, and no sample */
TEST(looks_are_no_samples)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	round_begin(&f);
	feed_look_begin(&f);
	feed_wait(&f, c, 1, LENS_READ, 4096, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	/* between a look and the next sample there is nothing to count for */
	feed_wait(&f, c, 1, LENS_READ, 4096, true);
	world_settle(f.w);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, c))->blocked_samples[LENS_READ], 0);
	CHECK_EQ_U64(f.w->wait_count, 1);
	CHECK(f.w->waits[0].asleep);
	CHECK_EQ_U64(f.w->waits[0].asked, 4096);
	CHECK_EQ_U64(f.w->waits[0].dir, LENS_READ);
	/* only those of the last look are kept */
	feed_look_begin(&f);
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK_EQ_U64(f.w->wait_count, 0);
}

TEST(no_samples_no_shares)
{
	_feed_ struct feed f = feed_new();

	feed_end(&f, feed_pipe(1), 1, LENS_READ, 1, 0);
	world_settle(f.w);
	CHECK(chan_more(feed_chan_of(&f, feed_pipe(1)))->full_share == 0);
	CHECK(chan_more(feed_chan_of(&f, feed_pipe(1)))->empty_share == 0);
}
