/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is special about POSIX message queues: names and registrations that no
 * descriptor tells, priorities that a receiver need not ask for, and messages
 * lost to faults.
 */
#include <signal.h>

#include "feed.h"
#include "mech/mech.h"
#include "printed.h"

#define IPCNS 0x7ffffff7

static struct lens_chan queue_key(uint64_t ino)
{
	return (struct lens_chan){ .ino = ino, .dev = 0x14, .kind = LENS_KIND_POSIX_MQ };
}

static struct lens_depth queue_depth(uint64_t bytes, uint32_t msgs, uint32_t ipcns)
{
	return (struct lens_depth){ .queued_bytes = bytes, .queued_msgs = msgs,
				    .capacity_bytes = 81920, .capacity_msgs = 10,
				    .key = (int32_t)ipcns, .valid = 1 };
}

/* a queue as the kernel side finds it; name may be longer than what is said of it */
static void feed_mq(struct feed *f, uint32_t notify_pid, struct lens_depth depth)
{
	struct {
		struct lens_rec_mq h;
		char name[8];
	} r = { .h = { .chan = queue_key(1), .depth = depth, .uid = 7, .mode = 0640,
		       .notify_pid = notify_pid, .notify_how = SIGEV_THREAD, .name_len = 6 },
		.name = "q\ng 1" };

	feed_raw(f, &r, LENS_REC_MQ, sizeof(r));
}

static void feed_priorities(struct feed *f)
{
	struct {
		struct lens_rec_msgs h;
		struct lens_msg msg[3];
	} r = { .h = { .chan = queue_key(1), .count = 3 },
		.msg = { { 9, 90 }, { 2, 20 }, { 2, 21 } } };

	feed_raw(f, &r, LENS_REC_MSGS, sizeof(r));
}

static struct feed start(void)
{
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(&f);
	feed_mq(&f, 0, queue_depth(0, 0, IPCNS));
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

static void finish(struct feed *f, uint64_t bytes, uint32_t msgs)
{
	feed_look_begin(f);
	feed_mq(f, 0, queue_depth(bytes, msgs, IPCNS));
	feed_look_end(f);
	feed_look_settled(f);
	feed_mark(f, LENS_MARK_DETACHED, 0);
	world_settle(f->w);
}

TEST(found_without_a_holder)
{
	_feed_ struct feed f = start();
	struct chan *c = feed_chan_of(&f, queue_key(1));
	struct buf name = {};

	CHECK(c->live && c->existed_before && !c->end_count);
	mech_get(LENS_KIND_POSIX_MQ)->name(c, &name);
	CHECK_STR(name.data, "/q\ng 1");
	CHECK_EQ_U64(chan_more(c)->uid, 7);
	CHECK_EQ_U64(chan_more(c)->mode, 0640);
	buf_fini(&name);
}

TEST(outlives_its_namespace)
{
	_feed_ struct feed f = start();
	struct chan *c = feed_chan_of(&f, queue_key(1));

	feed_look_begin(&f);
	feed_hold(&f, queue_key(1), 1, 3, 3, queue_depth(0, 0, 0));
	feed_look_end(&f);
	CHECK_EQ_U64(chan_more(c)->ipcns, IPCNS);
}

TEST(registration_ends)
{
	_feed_ struct feed f = start();
	struct chan *c = feed_chan_of(&f, queue_key(1));
	struct json_object *o, *notify;

	feed_look_begin(&f);
	feed_mq(&f, 42, queue_depth(0, 0, IPCNS));
	o = printed(js_chan(f.w, c, false));
	notify = json_object_object_get(o, "notify");
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(notify, "pid")), 42);
	CHECK_STR(json_object_get_string(json_object_object_get(notify, "method")), "thread");
	json_object_put(o);
	feed_look_begin(&f);
	feed_mq(&f, 0, queue_depth(0, 0, IPCNS));
	CHECK_EQ_U64(chan_more(c)->notify_pid, 0);
}

/* a queue can be found by its name and by a descriptor in one look */
TEST(backlog_told_twice_counts_once)
{
	_feed_ struct feed f = start();
	struct json_object *o;

	feed_look_begin(&f);
	feed_mq(&f, 0, queue_depth(131, 3, IPCNS));
	feed_priorities(&f);
	feed_priorities(&f);
	o = printed(js_chan(f.w, feed_chan_of(&f, queue_key(1)), false));
	CHECK_STR(json_object_to_json_string_ext(json_object_object_get(o, "queued_by_priority"),
						 JSON_C_TO_STRING_PLAIN), "{\"2\":2,\"9\":1}");
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(o, "capacity_messages")), 10);
	json_object_put(o);
}

/* one writer of each of two messages, two readers */
static void traffic(struct feed *f, int64_t asked)
{
	for (uint32_t pid = 1; pid <= 2; pid++) {
		feed_end(f, queue_key(1), pid, LENS_WRITE, pid, LENS_END_OPS);
		feed_end(f, queue_key(1), 10 + pid, LENS_READ, 10 + pid, LENS_END_OPS);
	}
	feed_op(f, 1, 100, 50, 3);
	feed_op(f, 2, 200, 50, 8);
	feed_op(f, 11, 300, 50, asked);
	feed_op(f, 12, 400, 50, 3);
	for (uint32_t pid = 1; pid <= 2; pid++) {
		feed_total(f, queue_key(1), pid, LENS_WRITE, feed_counts(pid, 1, 50));
		feed_total(f, queue_key(1), 10 + pid, LENS_READ, feed_counts(10 + pid, 1, 50));
	}
}

TEST(highest_priority_goes_first)
{
	static const int64_t asked[] = { 8, LENS_PRIORITY_UNKNOWN };

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		_feed_ struct feed f = start();

		traffic(&f, asked[i]);
		finish(&f, 0, 0);
		CHECK_EQ_U64(feed_flow_bytes(&f, 2, 11), 50);
		CHECK_EQ_U64(feed_flow_bytes(&f, 1, 12), 50);
		CHECK_EQ_U64(f.w->flow_count, 2);
	}
}

/* a receiver that failed on its own memory took a message that nobody has now */
TEST(lost_to_a_fault)
{
	_feed_ struct feed f = start();
	struct lens_total got = { .id = 2, .ops = 3, .msgs = 2, .bytes = 200, .errors = 1 };
	const struct ledger *l;

	feed_total(&f, queue_key(1), 1, LENS_WRITE, feed_counts(1, 3, 300));
	feed_total(&f, queue_key(1), 2, LENS_READ, got);
	finish(&f, 0, 0);
	l = feed_ledger(&f, queue_key(1));
	CHECK_EQ_I64(l->unaccounted, 100);
	CHECK_EQ_I64(l->msgs_unaccounted, 1);
	got.shorts = 1;
	feed_total(&f, queue_key(1), 2, LENS_READ, got);
	finish(&f, 0, 0);
	CHECK_EQ_I64(l->discarded, 100);
	CHECK_EQ_I64(l->msgs_discarded, 1);
	CHECK_EQ_I64(l->unaccounted + l->msgs_unaccounted, 0);
	feed_check_identity(l);
	/* one fault does not explain two */
	feed_total(&f, queue_key(1), 1, LENS_WRITE, feed_counts(1, 4, 400));
	finish(&f, 0, 0);
	CHECK_EQ_I64(l->msgs_unaccounted, 2);
	CHECK_EQ_I64(l->unaccounted, 200);
}

TEST(is_called_by_its_own_names)
{
	const struct mech *mech = mech_get(LENS_KIND_POSIX_MQ);

	CHECK_STR(mech->op_name(LENS_WRITE), "mq_send");
	CHECK_STR(mech->op_name(LENS_READ), "mq_receive");
	CHECK(event_kind_has_messages(LENS_KIND_POSIX_MQ));
}
