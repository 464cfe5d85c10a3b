/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows that follow from totals, and those that can only be apportioned.
 */
#include "feed.h"

static void wrote(struct feed *f, uint32_t pid, uint64_t ops, uint64_t bytes)
{
	feed_total(f, feed_pipe(1), pid, LENS_WRITE, feed_counts(pid * 2, ops, bytes));
}

static void got(struct feed *f, uint32_t pid, uint64_t ops, uint64_t bytes)
{
	feed_total(f, feed_pipe(1), pid, LENS_READ, feed_counts(pid * 2 + 1, ops, bytes));
}

static void check_flow(const struct feed *f, uint32_t from, uint32_t to, uint64_t bytes, bool exact)
{
	const struct flow *flow = feed_flow(f, from, to);

	if (!flow)
		TEST_FAIL("no flow from %u to %u", from, to);
	CHECK_EQ_U64(flow->bytes, bytes);
	CHECK_EQ_U64(flow->exact, exact);
	CHECK(flow->exact == !flow->why);
}

/* rows and columns of what was apportioned are the totals */
static uint64_t margin(const struct feed *f, uint32_t pid, bool from, bool messages)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->w->flow_count; i++) {
		const struct flow *flow = &f->w->flows[i];
		const struct proc *p = from ? flow->from : flow->to;

		if ((p ? p->key.tgid : 0) == pid)
			sum += messages ? flow->messages : flow->bytes;
	}
	return sum;
}

/* a pipe found by the first look with so much inside */
static struct feed start(uint64_t before)
{
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 100, 3, 3, feed_depth(before, 1));
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

TEST(one_writer_many_readers)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 10, 1000);
	got(&f, 2, 3, 300);
	got(&f, 3, 5, 500);
	feed_finish_live(&f, feed_pipe(1), 1, 200);
	CHECK_EQ_U64(f.w->flow_count, 2);
	check_flow(&f, 1, 2, 300, true);
	check_flow(&f, 1, 3, 500, true);
	CHECK_EQ_U64(feed_flow(&f, 1, 3)->messages, 5);
	CHECK(!feed_flow(&f, 1, 2)->has_residency);
}

/* of a stream that was read to its end the writes count, not how it was cut in reads */
TEST(messages_of_a_stream_are_writes)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 10, 1000);
	got(&f, 2, 3, 1000);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	CHECK_EQ_U64(feed_flow(&f, 1, 2)->messages, 10);
}

TEST(many_writers_one_reader)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 10, 1000);
	wrote(&f, 2, 20, 500);
	got(&f, 3, 7, 1500);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	check_flow(&f, 1, 3, 1000, true);
	check_flow(&f, 2, 3, 500, true);
	CHECK_EQ_U64(feed_flow(&f, 2, 3)->messages, 20);
}

/* whose bytes the rest is, totals do not say */
TEST(many_writers_and_a_rest)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 10, 1000);
	wrote(&f, 2, 20, 500);
	got(&f, 3, 7, 1200);
	feed_finish_live(&f, feed_pipe(1), 1, 300);
	check_flow(&f, 1, 3, 800, false);
	check_flow(&f, 2, 3, 400, false);
	CHECK(strstr(feed_flow(&f, 1, 3)->why, "apportioned"));
}

TEST(process_to_itself)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 1, 10);
	got(&f, 1, 1, 10);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	CHECK_EQ_U64(f.w->flow_count, 1);
	check_flow(&f, 1, 1, 10, true);
}

TEST(what_was_there_comes_first)
{
	_feed_ struct feed f = start(400);

	wrote(&f, 1, 2, 1000);
	got(&f, 2, 3, 900);
	feed_finish_live(&f, feed_pipe(1), 1, 500);
	check_flow(&f, 0, 2, 400, true);
	check_flow(&f, 1, 2, 500, true);
}

TEST(nothing_but_what_was_there)
{
	_feed_ struct feed f = start(400);

	wrote(&f, 1, 2, 1000);
	wrote(&f, 5, 2, 1000);
	got(&f, 2, 3, 100);
	got(&f, 3, 3, 200);
	feed_finish_live(&f, feed_pipe(1), 1, 2100);
	CHECK_EQ_U64(f.w->flow_count, 2);
	check_flow(&f, 0, 2, 100, true);
	check_flow(&f, 0, 3, 200, true);
}

/* several readers share what was there with what came: nobody knows how */
TEST(what_was_there_for_many_readers)
{
	_feed_ struct feed f = start(400);

	wrote(&f, 1, 2, 600);
	got(&f, 2, 3, 500);
	got(&f, 3, 3, 500);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	check_flow(&f, 0, 2, 200, false);
	check_flow(&f, 1, 2, 300, false);
	CHECK_EQ_U64(margin(&f, 0, true, false), 400);
	CHECK_EQ_U64(margin(&f, 1, true, false), 600);
}

TEST(unknown_writer)
{
	_feed_ struct feed f = start(0);

	got(&f, 2, 3, 500);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	check_flow(&f, 0, 2, 500, false);
	CHECK_EQ_I64(chan_ledger(feed_chan_of(&f, feed_pipe(1)))->unaccounted, -500);
}

/* its only call has not returned, so no total names it */
TEST(writer_that_never_returned)
{
	_feed_ struct feed f = start(0);

	got(&f, 2, 3, 500);
	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(65536, 16));
	feed_wait(&f, feed_pipe(1), 1, LENS_WRITE, 1 << 20, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	CHECK_EQ_U64(f.w->flow_count, 1);
	check_flow(&f, 1, 2, 500, true);
}

TEST(more_read_than_written_is_in_doubt)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 1, 100);
	got(&f, 2, 3, 500);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	check_flow(&f, 1, 2, 500, false);
}

TEST(uncertain_start_is_in_doubt)
{
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 3, 3, feed_depth(1000, 1));
	feed_look_end(&f);
	wrote(&f, 1, 1, 300);
	got(&f, 2, 1, 100);
	feed_look_settled(&f);
	/* gone with something inside: how much, only the start would tell */
	feed_finish_gone(&f);
	CHECK(!chan_ledger(feed_chan_of(&f, feed_pipe(1)))->unaccounted);
	CHECK(feed_flow(&f, 0, 2) != NULL);
	CHECK(!feed_flow(&f, 0, 2)->exact);
}

TEST(no_reader_no_flow)
{
	_feed_ struct feed f = start(10);

	wrote(&f, 1, 1, 100);
	feed_finish_live(&f, feed_pipe(1), 1, 110);
	CHECK_EQ_U64(f.w->flow_count, 0);
}

/* zero-length messages are messages */
TEST(queue_of_empty_messages)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 7, 0));
	feed_total(&f, feed_queue(1), 2, LENS_READ, feed_counts(2, 7, 0));
	feed_finish_gone(&f);
	check_flow(&f, 1, 2, 0, true);
	CHECK_EQ_U64(feed_flow(&f, 1, 2)->messages, 7);
}

/* a queue gives by type, so old messages may stay while new ones leave */
TEST(queue_with_old_messages)
{
	for (int drained = 0; drained < 2; drained++) {
		_feed_ struct feed f = feed_new();

		feed_look_begin(&f);
		feed_found(&f, feed_queue(1), feed_depth(100, 2));
		feed_look_end(&f);
		feed_look_settled(&f);
		feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 2, 200));
		feed_total(&f, feed_queue(1), 2, LENS_READ,
			   feed_counts(2, drained ? 4 : 2, drained ? 300 : 150));
		feed_look_begin(&f);
		feed_found(&f, feed_queue(1), feed_depth(drained ? 0 : 150, drained ? 0 : 2));
		feed_look_end(&f);
		feed_look_settled(&f);
		world_settle(f.w);
		check_flow(&f, 1, 2, drained ? 200 : 100, drained);
		check_flow(&f, 0, 2, drained ? 100 : 50, drained);
		CHECK_EQ_U64(feed_flow(&f, 0, 2)->messages, drained ? 2 : 1);
	}
}

/* ------------------------------------------------------------- apportioning */

TEST(shares_keep_rows_and_columns)
{
	uint64_t random = 1;

	for (unsigned round = 0; round < 500; round++) {
		_feed_ struct feed f = start(0);
		uint64_t out[5], in[5], all = 0, left;

		for (unsigned i = 0; i < 5; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			out[i] = 1 + (random >> 33) % (1u << (random >> 60));
			all += out[i];
		}
		left = all;
		for (unsigned i = 0; i < 5; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			in[i] = i == 4 ? left : (random >> 33) % (left + 1);
			left -= in[i];
		}
		for (unsigned i = 0; i < 5; i++) {
			wrote(&f, 1 + i, 1 + i, out[i]);
			if (in[i])
				got(&f, 10 + i, 3, in[i]);
		}
		feed_finish_live(&f, feed_pipe(1), 1, 0);
		for (unsigned i = 0; i < 5; i++) {
			CHECK_EQ_U64(margin(&f, 1 + i, true, false), out[i]);
			CHECK_EQ_U64(margin(&f, 10 + i, false, false), in[i]);
		}
		CHECK_EQ_U64(margin(&f, 0, true, false), 0);
	}
}

/* no sender is given more than it sent; what nobody sent is nobody's */
TEST(shares_of_too_little)
{
	_feed_ struct feed f = start(0);

	wrote(&f, 1, 1, 10);
	wrote(&f, 2, 1, 20);
	got(&f, 3, 4, 100);
	got(&f, 4, 4, 50);
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	CHECK_EQ_U64(margin(&f, 1, true, false), 10);
	CHECK_EQ_U64(margin(&f, 2, true, false), 20);
	CHECK_EQ_U64(margin(&f, 0, true, false), 120);
	CHECK_EQ_U64(margin(&f, 3, false, false), 100);
	CHECK_EQ_U64(margin(&f, 3, false, true), 4);
	CHECK(!feed_flow(&f, 0, 3)->exact);
}

TEST(a_crowd_is_not_guessed)
{
	_feed_ struct feed f = start(0);

	for (uint32_t i = 0; i < 100; i++) {
		wrote(&f, 1000 + i, 1, 10);
		got(&f, 2000 + i, 1, 10);
	}
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	CHECK_EQ_U64(f.w->flow_count, 100);
	check_flow(&f, 0, 2050, 10, false);
	CHECK_STR(feed_flow(&f, 0, 2050)->why, "too many writers and readers to tell apart");
}
