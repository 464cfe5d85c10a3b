/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Attribution by the order of operations, case by case.
 */
#include "feed.h"

/* ids: a writer's is its pid, a reader's too; writers are 1..9, readers 11..19 */
static enum lens_dir dir_of(uint32_t pid)
{
	return pid < 10 ? LENS_WRITE : LENS_READ;
}

static void announce(struct feed *f, struct lens_chan c, uint32_t pid, bool followed)
{
	feed_end(f, c, pid, dir_of(pid), pid, followed ? LENS_END_OPS : 0);
}

/* total so far of one that did this */
static void total(struct feed *f, struct lens_chan c, uint32_t pid, uint64_t ops, uint64_t bytes)
{
	feed_total(f, c, pid, dir_of(pid), feed_counts(pid, ops, bytes));
}

static void finish(struct feed *f, struct lens_chan c, uint64_t depth)
{
	if (c.kind != LENS_KIND_SYSV_MSG)
		return feed_finish_live(f, c, 1, depth);
	feed_look_begin(f);
	feed_found(f, c, feed_depth(depth, depth));
	feed_look_end(f);
	feed_look_settled(f);
	world_settle(f->w);
}

static void check_flow(const struct feed *f, uint32_t from, uint32_t to, uint64_t bytes,
		       uint64_t messages)
{
	const struct flow *flow = feed_flow(f, from, to);

	if (!flow)
		TEST_FAIL("no flow from %u to %u", from, to);
	CHECK_EQ_U64(flow->bytes, bytes);
	CHECK_EQ_U64(flow->messages, messages);
}

static bool all_exact(const struct feed *f)
{
	for (size_t i = 0; i < f->w->flow_count; i++)
		if (!f->w->flows[i].exact)
			return false;
	return true;
}

/* two writers, two readers, everything followed from the first call on */
static struct feed start(struct lens_chan c)
{
	struct feed f = feed_new();

	feed_start_empty(&f);
	announce(&f, c, 1, true);
	announce(&f, c, 2, true);
	announce(&f, c, 11, true);
	announce(&f, c, 12, true);
	return f;
}

TEST(bytes_in_order)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 1, 100000, 100, 0);
	feed_op(&f, 2, 200000, 50, 0);
	feed_op(&f, 11, 300000, 120, 0);
	feed_op(&f, 12, 400000, 30, 0);
	total(&f, c, 1, 1, 100);
	total(&f, c, 2, 1, 50);
	total(&f, c, 11, 1, 120);
	total(&f, c, 12, 1, 30);
	finish(&f, c, 0);
	CHECK_EQ_U64(f.w->flow_count, 3);
	check_flow(&f, 1, 11, 100, 1);
	check_flow(&f, 2, 11, 20, 0);
	check_flow(&f, 2, 12, 30, 1);
	/* the calls could have overlapped: nobody saw them begin */
	CHECK(!feed_flow(&f, 1, 11)->exact);
	CHECK_STR(feed_flow(&f, 1, 11)->why,
		  "order of concurrent calls is inferred from the times of their return");
}

TEST(residency)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);
	const struct flow *flow;

	for (unsigned i = 0; i < 100; i++) {
		feed_op(&f, 1, 1000000 * (i + 1), 10, 0);
		feed_op(&f, 11, 1000000 * (i + 1) + (i == 99 ? 500000 : 1000), 10, 0);
	}
	total(&f, c, 1, 100, 1000);
	total(&f, c, 11, 100, 1000);
	finish(&f, c, 0);
	flow = feed_flow(&f, 1, 11);
	CHECK(flow && flow->exact && flow->has_residency);
	CHECK(flow->p50_ns >= 1000 && flow->p50_ns < 1000 + 1000 / 64);
	CHECK(flow->p99_ns >= 1000 && flow->p99_ns < 1000 + 1000 / 64);
	CHECK_EQ_U64(flow->max_ns, 500000);
}

/* a read returns before the write that fed it */
TEST(read_overtakes_write)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 11, 100, 30, 0);
	feed_op(&f, 1, 200, 30, 0);
	feed_op(&f, 12, 300, 10, 0);
	feed_op(&f, 2, 400, 10, 0);
	total(&f, c, 1, 1, 30);
	total(&f, c, 2, 1, 10);
	total(&f, c, 11, 1, 30);
	total(&f, c, 12, 1, 10);
	finish(&f, c, 0);
	check_flow(&f, 1, 11, 30, 1);
	check_flow(&f, 2, 12, 10, 1);
	CHECK_EQ_U64(f.w->flow_count, 2);
	CHECK_EQ_U64(feed_flow(&f, 1, 11)->max_ns, 0);
}

/* one process after the other: what nobody can have overlapped is proven */
TEST(processes_in_turn_are_exact)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	for (uint32_t pid = 1; pid <= 4; pid++) {
		/* start times are 1000 + pid: each begins when the one before has returned */
		announce(&f, c, pid, pid > 1);
		if (pid > 1)
			feed_op(&f, pid, 1001 + pid, 100, 0);
		total(&f, c, pid, 1, 100);
		f.ts_ns = 1001 + pid;
		feed_exit(&f, pid, 0);
	}
	for (uint32_t pid = 11; pid <= 13; pid++) {
		announce(&f, c, pid, true);
		feed_op(&f, pid, 1001 + pid, 80, 0);
		total(&f, c, pid, 1, 80);
	}
	finish(&f, c, 160);
	check_flow(&f, 1, 11, 80, 0);
	check_flow(&f, 1, 12, 20, 1);
	check_flow(&f, 2, 12, 60, 0);
	check_flow(&f, 2, 13, 40, 1);
	check_flow(&f, 3, 13, 40, 0);
	CHECK(all_exact(&f));
}

/* ... but not if the first one, whose calls nobody followed, might still have been at it */
TEST(living_early_writer_is_in_doubt)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	announce(&f, c, 1, false);
	announce(&f, c, 2, true);
	announce(&f, c, 11, false);
	announce(&f, c, 12, true);
	feed_op(&f, 2, 2000, 100, 0);
	feed_op(&f, 12, 2001, 150, 0);
	total(&f, c, 1, 3, 130);
	total(&f, c, 2, 1, 100);
	total(&f, c, 11, 1, 70);
	total(&f, c, 12, 1, 150);
	finish(&f, c, 10);
	/* 130 - 70 of the first writer were inside when following began */
	check_flow(&f, 1, 11, 70, 0);
	check_flow(&f, 1, 12, 60, 1);
	check_flow(&f, 2, 12, 90, 0);
	CHECK(!all_exact(&f));
}

TEST(old_bytes_come_first)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	feed_hold(&f, c, 50, 3, 3, feed_depth(100, 1));
	feed_look_end(&f);
	feed_look_settled(&f);
	announce(&f, c, 1, true);
	announce(&f, c, 2, true);
	announce(&f, c, 11, true);
	announce(&f, c, 12, true);
	feed_op(&f, 1, 2000, 30, 0);
	feed_op(&f, 11, 2100, 60, 0);
	feed_op(&f, 2, 2200, 40, 0);
	feed_op(&f, 12, 2300, 90, 0);
	total(&f, c, 1, 1, 30);
	total(&f, c, 2, 1, 40);
	total(&f, c, 11, 1, 60);
	total(&f, c, 12, 1, 90);
	finish(&f, c, 20);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, 11), 60);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, 12), 40);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 12), 30);
	CHECK_EQ_U64(feed_flow_bytes(&f, 2, 12), 20);
}

TEST(old_bytes_come_before_the_early_writer)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	feed_hold(&f, c, 1, 3, 3, feed_depth(1000, 1));
	feed_look_end(&f);
	feed_look_settled(&f);
	announce(&f, c, 1, false);
	announce(&f, c, 2, true);
	announce(&f, c, 11, false);
	announce(&f, c, 12, true);
	feed_op(&f, 2, 2000, 100, 0);
	feed_op(&f, 12, 2001, 900, 0);
	total(&f, c, 1, 1, 50);
	total(&f, c, 2, 1, 100);
	total(&f, c, 11, 1, 200);
	total(&f, c, 12, 1, 900);
	finish(&f, c, 50);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, 11), 200);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, 12), 800);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 12), 50);
	CHECK_EQ_U64(feed_flow_bytes(&f, 2, 12), 50);
}

/* batches of several CPUs */
TEST(late_batches_are_sorted)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);
	struct lens_op one[] = {
		{ .ts_ns = 100, .ret = 10, .id = 1, .tid = 1 },
		{ .ts_ns = 300, .ret = 5, .id = 11, .tid = 11 },
	};
	struct lens_op two[] = {
		{ .ts_ns = 200, .ret = 20, .id = 2, .tid = 2 },
		{ .ts_ns = 400, .ret = 25, .id = 12, .tid = 12 },
	};

	/* a reading of the totals stands between the batches, but only one */
	feed_ops(&f, two, 2);
	total(&f, c, 2, 1, 20);
	total(&f, c, 12, 1, 25);
	feed_ops(&f, one, 2);
	total(&f, c, 1, 1, 10);
	total(&f, c, 11, 1, 5);
	finish(&f, c, 0);
	check_flow(&f, 1, 11, 5, 0);
	check_flow(&f, 1, 12, 5, 1);
	check_flow(&f, 2, 12, 20, 1);
}

/* one that comes two readings of the totals later was not in its batch: no proof of anything */
TEST(too_late_is_not_exact)
{
	for (int late = 0; late < 2; late++) {
		struct lens_chan c = feed_pipe(1);
		_feed_ struct feed f = start(c);

		f.ts_ns = 5000;
		feed_op(&f, 2, 1100, 20, 0);
		total(&f, c, 2, 1, 20);
		f.ts_ns = 10000;
		feed_mark(&f, LENS_MARK_SAMPLE, 1);
		if (late)
			total(&f, c, 2, 1, 20);
		/* returned before the other's process was there */
		feed_op(&f, 1, 1001, 10, 0);
		feed_op(&f, 11, 20000, 25, 0);
		total(&f, c, 1, 1, 10);
		total(&f, c, 11, 1, 25);
		finish(&f, c, 5);
		CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11) + feed_flow_bytes(&f, 2, 11), 25);
		CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11), late ? 5 : 10);
		CHECK(all_exact(&f) == !late);
	}
}

TEST(lost_operations_fall_back)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 1, 100, 100, 0);
	feed_op(&f, 11, 300, 100, 0);
	/* that of 2 and 12 never came */
	total(&f, c, 1, 1, 100);
	total(&f, c, 2, 1, 100);
	total(&f, c, 11, 1, 100);
	total(&f, c, 12, 1, 100);
	finish(&f, c, 0);
	CHECK_EQ_U64(f.w->flow_count, 4);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11), 50);
	CHECK(!feed_flow(&f, 1, 11)->exact);
	CHECK(strstr(feed_flow(&f, 1, 11)->why, "lost"));
}

/* ... also where not everything was followed, and totals have to fill in for the rest */
TEST(lost_operation_is_not_an_early_one)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	announce(&f, c, 1, true);
	announce(&f, c, 2, true);
	announce(&f, c, 11, false);
	announce(&f, c, 12, true);
	feed_op(&f, 1, 2000, 100, 0);
	feed_op(&f, 12, 2100, 50, 0);
	total(&f, c, 1, 1, 100);
	total(&f, c, 2, 1, 100);
	total(&f, c, 11, 1, 100);
	total(&f, c, 12, 1, 50);
	finish(&f, c, 50);
	CHECK(strstr(feed_flow(&f, 1, 11)->why, "lost"));
}

/* what was lost is not of this channel if its operations are as many as were counted */
TEST(loss_elsewhere_does_not_matter)
{
	for (int early = 0; early < 2; early++) {
		struct lens_chan c = feed_pipe(1);
		_feed_ struct feed f = feed_new();
		struct lens_rec_loss loss = { .count = { [LENS_LOSS_RING_FULL] = 5 } };

		feed_start_empty(&f);
		feed_raw(&f, &loss, LENS_REC_LOSS, sizeof(loss));
		announce(&f, c, 1, !early);
		announce(&f, c, 2, true);
		announce(&f, c, 11, true);
		announce(&f, c, 12, true);
		if (!early)
			feed_op(&f, 1, 1900, 100, 0);
		feed_op(&f, 2, 2000, 50, 0);
		feed_op(&f, 11, 2100, 120, 0);
		feed_op(&f, 12, 2200, 30, 0);
		total(&f, c, 1, 1, 100);
		total(&f, c, 2, 1, 50);
		total(&f, c, 11, 1, 120);
		total(&f, c, 12, 1, 30);
		finish(&f, c, 0);
		CHECK(!strstr(feed_flow(&f, 1, 11)->why, "lost") == !early);
		CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11), early ? 80 : 100);
	}
}

/* losing the detail does not touch what totals alone prove */
TEST(loss_leaves_totals_alone)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();
	struct lens_rec_loss loss = { .count = { [LENS_LOSS_RING_FULL] = 5 } };

	feed_start_empty(&f);
	announce(&f, c, 1, true);
	announce(&f, c, 11, true);
	feed_op(&f, 1, 100, 60, 0);
	feed_raw(&f, &loss, LENS_REC_LOSS, sizeof(loss));
	total(&f, c, 1, 2, 100);
	total(&f, c, 11, 1, 100);
	finish(&f, c, 0);
	check_flow(&f, 1, 11, 100, 2);
	CHECK(feed_flow(&f, 1, 11)->exact);
	CHECK(!feed_flow(&f, 1, 11)->has_residency);
	CHECK_EQ_U64(f.w->loss.count[LENS_LOSS_RING_FULL], 5);
}

/* dropped in the middle, the rest of the order is shifted */
TEST(holes_break_the_order)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);
	struct lens_depth packets = feed_depth(0, 0);

	packets.valid |= LENS_DEPTH_PACKETS;
	feed_op(&f, 1, 100, 100, 0);
	feed_op(&f, 2, 200, 100, 0);
	feed_op(&f, 11, 300, 30, 0);
	feed_op(&f, 12, 400, 100, 0);
	total(&f, c, 1, 1, 100);
	total(&f, c, 2, 1, 100);
	total(&f, c, 11, 1, 30);
	total(&f, c, 12, 1, 100);
	feed_look_begin(&f);
	feed_hold(&f, c, 1, 3, 3, packets);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	CHECK_EQ_I64(chan_ledger(feed_chan_of(&f, c))->discarded, 70);
	CHECK(strstr(feed_flow(&f, 1, 11)->why, "dropped"));
}

/* the rest of a read came from the one writer that is still in its call */
TEST(writer_under_way_owes)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 1, 100, 100, 0);
	feed_op(&f, 2, 200, 50, 0);
	feed_op(&f, 11, 300, 100, 0);
	feed_op(&f, 12, 400, 80, 0);
	total(&f, c, 1, 1, 100);
	total(&f, c, 2, 1, 50);
	total(&f, c, 11, 1, 100);
	total(&f, c, 12, 1, 80);
	feed_look_begin(&f);
	feed_hold(&f, c, 1, 3, 3, feed_depth(65536, 16));
	feed_wait(&f, c, 2, LENS_WRITE, 1 << 20, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11), 100);
	CHECK_EQ_U64(feed_flow_bytes(&f, 2, 12), 80);
	CHECK(!feed_flow(&f, 2, 12)->exact);
}

/* operations nobody announced, failed ones, the end of the file */
TEST(operations_that_move_nothing)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 77, 50, 1000, 0);
	feed_op(&f, 1, 100, 10, 0);
	feed_op(&f, 1, 101, -11, 0);
	feed_op(&f, 11, 200, 10, 0);
	feed_op(&f, 11, 201, 0, 0);
	total(&f, c, 1, 2, 10);
	total(&f, c, 11, 2, 10);
	finish(&f, c, 0);
	CHECK_EQ_U64(f.w->flow_count, 1);
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 11), 10);
	CHECK(feed_flow(&f, 1, 11)->has_residency);
	CHECK_EQ_U64(end_side(feed_end_of(&f, c, 1), LENS_WRITE)->op_count, 2);
}

/* ---------------------------------------------------------------- messages */

TEST(messages_by_type)
{
	struct lens_chan c = feed_queue(1);
	_feed_ struct feed f = start(c);

	feed_op(&f, 1, 100, 10, 5);
	feed_op(&f, 2, 200, 20, 6);
	feed_op(&f, 1, 300, 30, 6);
	feed_op(&f, 11, 400, 20, 6);
	feed_op(&f, 12, 500, 30, 6);
	feed_op(&f, 11, 600, 10, 5);
	total(&f, c, 1, 2, 40);
	total(&f, c, 2, 1, 20);
	total(&f, c, 11, 2, 30);
	total(&f, c, 12, 1, 30);
	finish(&f, c, 0);
	check_flow(&f, 2, 11, 20, 1);
	check_flow(&f, 1, 12, 30, 1);
	check_flow(&f, 1, 11, 10, 1);
	CHECK_EQ_U64(f.w->flow_count, 3);
}

/* what the first two exchanged alone is theirs; what was left then has types nobody saw */
TEST(messages_before_following)
{
	struct lens_chan c = feed_queue(1);
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	announce(&f, c, 1, false);
	announce(&f, c, 2, true);
	announce(&f, c, 11, false);
	announce(&f, c, 12, true);
	feed_op(&f, 2, 2000, 7, 1);
	feed_op(&f, 12, 2100, 10, 5);
	feed_op(&f, 11, 2200, 7, 1);
	total(&f, c, 1, 3, 30);
	total(&f, c, 2, 1, 7);
	total(&f, c, 11, 3, 27);
	total(&f, c, 12, 1, 10);
	finish(&f, c, 0);
	check_flow(&f, 1, 11, 20, 2);
	check_flow(&f, 1, 12, 10, 1);
	check_flow(&f, 2, 11, 7, 1);
	CHECK(!all_exact(&f));
}

/* MSG_COPY reports no bytes and takes nothing */
TEST(a_look_at_a_message_takes_none)
{
	struct lens_chan c = feed_queue(1);
	_feed_ struct feed f = start(c);
	struct lens_total peeked = feed_counts(11, 2, 7);

	peeked.msgs = 1;
	peeked.shorts = 1;
	feed_total(&f, c, 11, LENS_READ, peeked);
	feed_op(&f, 1, 100, 10, 5);
	feed_op(&f, 2, 150, 10, 5);
	feed_op(&f, 1, 160, 7, 6);
	feed_op(&f, 11, 200, 0, 5);
	feed_op(&f, 11, 210, 7, 6);
	feed_op(&f, 12, 300, 10, 5);
	feed_op(&f, 12, 301, 10, 5);
	total(&f, c, 1, 2, 17);
	total(&f, c, 2, 1, 10);
	total(&f, c, 12, 2, 20);
	finish(&f, c, 0);
	CHECK_EQ_U64(f.w->flow_count, 3);
	check_flow(&f, 1, 11, 7, 1);
	check_flow(&f, 1, 12, 10, 1);
	check_flow(&f, 2, 12, 10, 1);
}

/* MSG_NOERROR */
TEST(part_of_a_message)
{
	struct lens_chan c = feed_queue(1);
	_feed_ struct feed f = start(c);
	struct lens_total cut = feed_counts(11, 1, 4);

	cut.shorts = 1;
	feed_total(&f, c, 11, LENS_READ, cut);
	feed_op(&f, 1, 100, 10, 5);
	feed_op(&f, 2, 150, 20, 5);
	feed_op(&f, 11, 200, 4, 5);
	feed_op(&f, 12, 300, 20, 5);
	total(&f, c, 1, 1, 10);
	total(&f, c, 2, 1, 20);
	total(&f, c, 12, 1, 20);
	finish(&f, c, 0);
	check_flow(&f, 1, 11, 4, 1);
	check_flow(&f, 2, 12, 20, 1);
}

/* what was not followed from the first call on has to be kept until the end */
TEST(too_many_operations_to_keep)
{
	struct lens_chan c = feed_pipe(1);
	_feed_ struct feed f = feed_new();
	uint64_t n = 0;

	feed_start_empty(&f);
	for (uint32_t i = 1; i <= 2; i++) {
		announce(&f, c, i, i > 1);
		announce(&f, c, 10 + i, i > 1);
	}
	total(&f, c, 1, 1, 1);
	for (unsigned batch = 0; batch < 800; batch++) {
		struct lens_op ops[96];

		for (unsigned i = 0; i < 96; i++, n++)
			ops[i] = (struct lens_op){ .ts_ns = 2000 + n, .ret = 1,
						   .id = n % 2 ? 12 : 2, .tid = n % 2 };
		feed_ops(&f, ops, 96);
	}
	total(&f, c, 1, 1, 1);
	total(&f, c, 2, n / 2, n / 2);
	total(&f, c, 11, 1, 1);
	total(&f, c, 12, n / 2, n / 2);
	finish(&f, c, 0);
	CHECK(feed_flow(&f, 2, 12) != NULL);
	CHECK(!feed_flow(&f, 2, 12)->exact);
	CHECK(strstr(feed_flow(&f, 2, 12)->why, "more operations than are kept"));
}
