/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The ledger, case by case, with the numbers spelled out.
 */
#include "feed.h"

static struct feed start(struct lens_chan key, struct lens_depth depth)
{
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(&f);
	if (key.kind == LENS_KIND_SYSV_MSG)
		feed_found(&f, key, depth);
	else
		feed_hold(&f, key, 1, 3, 3, depth);
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

static void finish_queue(struct feed *f, struct lens_chan key, struct lens_depth depth)
{
	feed_look_begin(f);
	feed_found(f, key, depth);
	feed_look_end(f);
	feed_look_settled(f);
	world_settle(f->w);
}

TEST(nothing_seen_is_not_known)
{
	_feed_ struct feed f = feed_new();

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 10));
	world_settle(f.w);
	CHECK(!feed_ledger(&f, feed_pipe(1))->known);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->written, 10);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, 0);
}

TEST(before_written_read_queued)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(5000, 2));
	const struct ledger *l;

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	feed_total(&f, feed_pipe(1), 2, LENS_READ, feed_counts(2, 1, 2000));
	feed_finish_live(&f, feed_pipe(1), 1, 3100);
	l = feed_ledger(&f, feed_pipe(1));
	CHECK(l->known);
	CHECK_EQ_I64(l->before_start, 5000);
	CHECK_EQ_I64(l->queued, 3100);
	CHECK_EQ_I64(l->unaccounted, 0);
	CHECK_EQ_I64(l->in_flight, 0);
	CHECK_EQ_I64(l->slack, 0);
	feed_check_identity(l);
}

TEST(what_does_not_add_up_is_unaccounted)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(0, 0));

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	feed_finish_live(&f, feed_pipe(1), 1, 93);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, 7);
	feed_check_identity(feed_ledger(&f, feed_pipe(1)));
	feed_finish_live(&f, feed_pipe(1), 1, 109);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, -9);
}

/* settling twice, or again after more records, starts from scratch */
TEST(settling_is_idempotent)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(10, 1));
	struct ledger once;

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	feed_finish_live(&f, feed_pipe(1), 1, 95);
	once = *feed_ledger(&f, feed_pipe(1));
	world_settle(f.w);
	CHECK(!memcmp(&once, feed_ledger(&f, feed_pipe(1)), sizeof(once)));
}

TEST(gone_channel_discards_the_rest)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(10, 1));
	const struct ledger *l;

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	feed_total(&f, feed_pipe(1), 2, LENS_READ, feed_counts(2, 1, 60));
	feed_finish_gone(&f);
	l = feed_ledger(&f, feed_pipe(1));
	CHECK_EQ_I64(l->discarded, 50);
	CHECK(!l->discarded_observed);
	CHECK_EQ_I64(l->queued, 0);
	CHECK_EQ_I64(l->unaccounted, 0);
	feed_check_identity(l);
}

TEST(gone_channel_cannot_give_more_than_it_got)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(10, 1));

	feed_total(&f, feed_pipe(1), 2, LENS_READ, feed_counts(2, 1, 60));
	feed_finish_gone(&f);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, -50);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->discarded, 0);
}

/* 1 MiB in one call: 264 KiB went in, none of it returned */
TEST(writer_blocked_at_the_end)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_start_empty(&f);
	feed_total(&f, feed_pipe(1), 2, LENS_READ, feed_counts(2, 20, 200000));
	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(65536, 16));
	feed_wait(&f, feed_pipe(1), 1, LENS_WRITE, 1 << 20, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	l = feed_ledger(&f, feed_pipe(1));
	CHECK_EQ_I64(l->in_flight, -265536);
	CHECK_EQ_I64(l->unaccounted, 0);
	CHECK_EQ_I64(l->slack, 1 << 20);
	CHECK_EQ_U64(f.w->wait_count, 1);
	feed_check_identity(l);
}

/* a sleeping reader has nothing, so it explains nothing; a running one may */
TEST(reader_under_way_at_the_end)
{
	for (int asleep = 0; asleep < 2; asleep++) {
		_feed_ struct feed f = feed_new();

		feed_start_empty(&f);
		feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 500));
		feed_look_begin(&f);
		feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(100, 1));
		feed_wait(&f, feed_pipe(1), 2, LENS_READ, 4096, asleep);
		feed_look_end(&f);
		feed_look_settled(&f);
		world_settle(f.w);
		CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, asleep ? 400 : 0);
		CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->in_flight, asleep ? 0 : 400);
	}
}

/* counted whole when it returned, although 64 KiB had moved before */
TEST(writer_blocked_at_the_start)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(65536, 16));
	feed_wait(&f, feed_pipe(1), 1, LENS_WRITE, 1 << 20, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 1 << 20));
	feed_total(&f, feed_pipe(1), 2, LENS_READ, feed_counts(2, 21, 1 << 20));
	feed_finish_live(&f, feed_pipe(1), 1, 0);
	l = feed_ledger(&f, feed_pipe(1));
	CHECK_EQ_I64(l->before_start, 65536);
	CHECK_EQ_I64(l->in_flight, 65536);
	CHECK_EQ_I64(l->unaccounted, 0);
	/* all of it came from the writer: nothing had been there before its call */
	CHECK_EQ_U64(feed_flow_bytes(&f, 1, 2), 1 << 20);
	CHECK(feed_flow(&f, 0, 2) == NULL);
	CHECK(feed_flow(&f, 1, 2)->exact);
}

/* ... and a call that was found then but never returned explains nothing of the start */
TEST(writer_killed_in_its_call)
{
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(65536, 16));
	feed_wait(&f, feed_pipe(1), 1, LENS_WRITE, 1 << 20, true);
	feed_look_end(&f);
	feed_look_settled(&f);
	feed_finish_gone(&f);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->discarded, 65536);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->in_flight, 0);
}

/* totals moved between the readings around the look: the start is known only so far */
TEST(traffic_during_the_first_look)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	feed_look_begin(&f);
	/* 1000 were there, 100 counted; 200 came after the depth was read */
	feed_hold(&f, feed_pipe(1), 1, 3, 2, feed_depth(1100, 1));
	feed_look_end(&f);
	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 2, 300));
	feed_look_settled(&f);
	feed_finish_live(&f, feed_pipe(1), 1, 1300);
	l = feed_ledger(&f, feed_pipe(1));
	CHECK_EQ_I64(l->before_start, 800);
	CHECK_EQ_I64(l->in_flight, -200);
	CHECK_EQ_I64(l->unaccounted, 0);
	CHECK_EQ_I64(l->slack, 200);
	feed_check_identity(l);
}

/* a recording that broke off after more was counted than the last look saw */
TEST(old_look_does_not_tell_the_end)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(0, 0));

	world_settle(f.w);
	CHECK(feed_ledger(&f, feed_pipe(1))->known);
	feed_total(&f, feed_pipe(1), 1, LENS_WRITE, feed_counts(1, 1, 100));
	world_settle(f.w);
	CHECK(!feed_ledger(&f, feed_pipe(1))->known);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, 0);
}

/* a look that never settled does not spoil what the one before found */
TEST(unfinished_look_is_ignored)
{
	_feed_ struct feed f = start(feed_pipe(1), feed_depth(70, 1));

	feed_look_begin(&f);
	world_settle(f.w);
	CHECK(feed_ledger(&f, feed_pipe(1))->known);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->queued, 70);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, 0);
}

/* ------------------------------------------------------------------- queues */

TEST(queue_balances_messages)
{
	_feed_ struct feed f = start(feed_queue(1), feed_depth(50, 2));
	const struct ledger *l;

	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_total(&f, feed_queue(1), 2, LENS_READ, feed_counts(2, 4, 250));
	finish_queue(&f, feed_queue(1), feed_depth(100, 1));
	l = feed_ledger(&f, feed_queue(1));
	CHECK_EQ_I64(l->msgs_before, 2);
	CHECK_EQ_I64(l->msgs_queued, 1);
	CHECK_EQ_I64(l->msgs_unaccounted, 0);
	CHECK_EQ_I64(l->unaccounted, 0);
	feed_check_identity(l);
}

/* a message is missing: of its bytes nobody may say that they were cut off */
TEST(queue_lost_message)
{
	_feed_ struct feed f = start(feed_queue(1), feed_depth(0, 0));
	struct lens_total cut = feed_counts(2, 1, 100);

	cut.shorts = 1;
	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_total(&f, feed_queue(1), 2, LENS_READ, cut);
	finish_queue(&f, feed_queue(1), feed_depth(100, 1));
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->msgs_unaccounted, 1);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->unaccounted, 100);
}

/* the receiver's buffer was not there */
TEST(queue_message_lost_to_a_fault)
{
	_feed_ struct feed f = start(feed_queue(1), feed_depth(0, 0));
	struct lens_total failed = feed_counts(3, 1, 100);

	failed.shorts = failed.errors = 1;
	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_total(&f, feed_queue(1), 2, LENS_READ, failed);
	finish_queue(&f, feed_queue(1), feed_depth(100, 1));
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->msgs_unaccounted, 0);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->discarded, 100);
	feed_check_identity(feed_ledger(&f, feed_queue(1)));
}

TEST(noerror_cuts_messages)
{
	_feed_ struct feed f = start(feed_queue(1), feed_depth(0, 0));
	struct lens_total cut = feed_counts(2, 2, 110);

	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_total(&f, feed_queue(1), 2, LENS_READ, cut);
	finish_queue(&f, feed_queue(1), feed_depth(100, 1));
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->unaccounted, 90);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->discarded, 0);
	cut.shorts = 1;
	feed_total(&f, feed_queue(1), 2, LENS_READ, cut);
	finish_queue(&f, feed_queue(1), feed_depth(100, 1));
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->unaccounted, 0);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->discarded, 90);
	feed_check_identity(feed_ledger(&f, feed_queue(1)));
}

TEST(removed_queue_discards_messages)
{
	_feed_ struct feed f = start(feed_queue(1), feed_depth(50, 2));
	struct lens_rec_gone gone = { .chan = feed_queue(1), .proc = feed_key(1) };

	feed_total(&f, feed_queue(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_raw(&f, &gone, LENS_REC_GONE, sizeof(gone));
	feed_finish_gone(&f);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->discarded, 350);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->msgs_discarded, 5);
	CHECK_EQ_I64(feed_ledger(&f, feed_queue(1))->msgs_unaccounted, 0);
}

/* --------------------------------------------------- fifos closed by everybody */

static void feed_open(struct feed *f, struct lens_chan key, uint32_t pid, uint32_t mode)
{
	struct lens_rec_open r = {
		.chan = key, .proc = feed_key(pid), .fd = 3, .mode = mode,
		.reader_opens = 1, .writer_opens = 1,
	};

	feed_raw(f, &r, LENS_REC_OPEN, sizeof(r));
}

TEST(reopened_fifo_dropped_what_was_inside)
{
	for (int reopened = 0; reopened < 2; reopened++) {
		_feed_ struct feed f = feed_new();
		struct lens_chan key = feed_pipe(1);

		key.kind = LENS_KIND_FIFO;
		feed_start_empty(&f);
		feed_open(&f, key, 1, 3);
		if (reopened)
			feed_open(&f, key, 1, 3);
		feed_total(&f, key, 1, LENS_WRITE, feed_counts(1, 2, 500));
		feed_finish_live(&f, key, 1, 200);
		CHECK_EQ_I64(feed_ledger(&f, key)->discarded, reopened ? 300 : 0);
		CHECK_EQ_I64(feed_ledger(&f, key)->unaccounted, reopened ? 0 : 300);
	}
}

/* ------------------------------------------------------------------ hostile */

TEST(absurd_numbers_do_not_overflow)
{
	_feed_ struct feed f = feed_new();
	struct lens_total huge = {
		.ops = UINT64_MAX, .msgs = UINT64_MAX, .bytes = UINT64_MAX, .shorts = UINT64_MAX,
	};
	struct lens_depth deep = feed_depth(UINT64_MAX, UINT32_MAX);
	struct lens_chan keys[] = { feed_pipe(1), feed_queue(1) };

	for (unsigned look = 0; look < 3; look++) {
		for (uint32_t pid = 1; pid < 20; pid++) {
			huge.id = pid + look;
			for (unsigned i = 0; i < 2; i++)
				feed_total(&f, keys[i], pid, pid % 2, huge);
		}
		feed_look_begin(&f);
		deep.capacity_bytes = UINT64_MAX;
		feed_hold(&f, keys[0], 1, 1, 3, deep);
		feed_found(&f, keys[1], deep);
		for (uint32_t pid = 1; pid < 20; pid++)
			for (unsigned i = 0; i < 2; i++)
				feed_wait(&f, keys[i], pid, pid % 2, UINT64_MAX, false);
		feed_look_end(&f);
		feed_look_settled(&f);
		world_settle(f.w);
		for (unsigned i = 0; i < 2; i++)
			feed_check_identity(feed_ledger(&f, keys[i]));
	}
}
