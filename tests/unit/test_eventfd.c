/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is special about eventfds: amounts in place of bytes, which the kernel
 * adds to as well, and ids that are used again.
 */
#include "feed.h"
#include "mech/mech.h"
#include "printed.h"

static struct lens_chan counter(uint64_t id, uint32_t birth)
{
	return (struct lens_chan){ .ino = id, .gen = birth, .kind = LENS_KIND_EVENTFD };
}

static struct lens_depth depth(uint64_t value)
{
	return (struct lens_depth){ .queued_bytes = value, .valid = LENS_DEPTH_VALID };
}

static void look(struct feed *f, uint64_t value)
{
	feed_look_begin(f);
	feed_hold(f, counter(3, 0), 1, 5, 3, depth(value));
	feed_look_end(f);
	feed_look_settled(f);
}

/* added by 1, taken by 2, and so much is left */
static struct feed moved(uint64_t added, uint64_t taken, uint64_t left)
{
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 0);
	feed_total(&f, counter(3, 0), 1, LENS_WRITE, feed_counts(1, 2, added));
	feed_total(&f, counter(3, 0), 2, LENS_READ, feed_counts(2, 1, taken));
	look(&f, left);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	return f;
}

static void check_books(struct feed *f, int64_t by_kernel, int64_t unaccounted)
{
	const struct ledger *l;

	world_settle(f->w);
	l = feed_ledger(f, counter(3, 0));
	CHECK_EQ_I64(l->queued, 10);
	CHECK_EQ_I64(l->by_kernel, by_kernel);
	CHECK_EQ_I64(l->unaccounted, unaccounted);
	feed_check_identity(l);
}

TEST(balances)
{
	_feed_ struct feed f = moved(50, 40, 10);

	check_books(&f, 0, 0);
}

TEST(what_nobody_added_was_the_kernel)
{
	_feed_ struct feed f = moved(50, 55, 10);

	check_books(&f, 15, 0);
}

/* a value that was not seen can be what is missing */
TEST(unless_something_was_lost)
{
	_feed_ struct feed f = moved(50, 55, 10);
	struct lens_rec_loss loss = { .kind = LENS_KIND_EVENTFD };

	loss.count[LENS_LOSS_UNSEEN] = 1;
	feed_raw(&f, &loss, LENS_REC_LOSS, sizeof(loss));
	check_books(&f, 0, -15);
}

/* too much added is never taken for the kernel's doing */
TEST(a_surplus_is_unaccounted)
{
	_feed_ struct feed f = moved(50, 30, 10);

	check_books(&f, 0, 10);
}

/* nobody knows how much a call under way adds, but one that sleeps has added nothing */
TEST(calls_under_way)
{
	for (uint32_t asleep = 0; asleep < 2; asleep++) {
		_feed_ struct feed f = moved(50, 30, 10);
		struct lens_rec_wait wait = { .chan = counter(3, 0), .proc = feed_key(2), .tid = 2,
					      .dir = LENS_READ, .asleep = asleep, .asked = 8 };

		feed_look_begin(&f);
		feed_hold(&f, counter(3, 0), 1, 5, 3, depth(10));
		feed_raw(&f, &wait, LENS_REC_WAIT, sizeof(wait));
		feed_look_end(&f);
		feed_look_settled(&f);
		world_settle(f.w);
		CHECK_EQ_I64(feed_ledger(&f, counter(3, 0))->unaccounted, asleep ? 10 : 0);
	}
}

/* units of a counter cannot be told apart, however the calls were ordered */
TEST(several_of_both_are_never_exact)
{
	_feed_ struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 0);
	for (uint32_t pid = 1; pid <= 2; pid++) {
		feed_end(&f, counter(3, 0), pid, LENS_WRITE, pid, LENS_END_OPS);
		feed_end(&f, counter(3, 0), 10 + pid, LENS_READ, 10 + pid, LENS_END_OPS);
		feed_op(&f, pid, 1000 * pid, 5, 0);
		feed_op(&f, 10 + pid, 1000 * pid + 500, 5, 0);
		feed_total(&f, counter(3, 0), pid, LENS_WRITE, feed_counts(pid, 1, 5));
		feed_total(&f, counter(3, 0), 10 + pid, LENS_READ, feed_counts(10 + pid, 1, 5));
	}
	look(&f, 0);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	world_settle(f.w);
	CHECK(f.w->flow_count >= 2);
	for (size_t i = 0; i < f.w->flow_count; i++)
		CHECK(!f.w->flows[i].exact);
}

TEST(ids_are_used_again)
{
	_feed_ struct feed f = moved(50, 40, 10);

	feed_total(&f, counter(3, 1), 7, LENS_WRITE, feed_counts(7, 1, 9));
	CHECK(feed_chan_of(&f, counter(3, 0)) != feed_chan_of(&f, counter(3, 1)));
}

TEST(json_claims_no_bytes)
{
	_feed_ struct feed f = moved(50, 55, 10);
	struct json_object *o, *end, *side;

	world_settle(f.w);
	o = printed(js_chan(f.w, feed_chan_of(&f, counter(3, 0)), true));
	CHECK_STR(json_object_get_string(json_object_object_get(o, "name")), "eventfd:[3]");
	CHECK(!json_object_object_get(o, "queued_bytes"));
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(o, "counter")), 10);
	CHECK(!json_object_get_boolean(json_object_object_get(o, "semaphore")));
	end = json_object_array_get_idx(json_object_object_get(o, "endpoints"), 0);
	side = json_object_object_get(end, "write");
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(side, "bytes")), 0);
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(side, "amount")), 50);
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(
			     json_object_object_get(o, "ledger"), "by_kernel")), 15);
	json_object_put(o);
}
