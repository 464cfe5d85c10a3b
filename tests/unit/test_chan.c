/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Channels and their endpoints: totals, looks, names, what is there and what
 * is gone.
 */
#include "feed.h"

static const struct lens_total *total_of(struct feed *f, struct lens_chan c, uint32_t pid,
					 enum lens_dir dir)
{
	return &end_side(feed_end_of(f, c, pid), dir)->total;
}

TEST(totals_are_absolute)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	feed_total(&f, c, 10, LENS_WRITE, feed_counts(1, 2, 200));
	feed_total(&f, c, 10, LENS_WRITE, feed_counts(1, 2, 200));
	feed_total(&f, c, 10, LENS_WRITE, feed_counts(1, 3, 300));
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_WRITE)->bytes, 300);
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_WRITE)->ops, 3);
	CHECK(feed_end_of(&f, c, 10)->writer);
	CHECK(!feed_end_of(&f, c, 10)->reader);
}

TEST(entry_made_anew_counts_on)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	feed_total(&f, c, 10, LENS_READ, feed_counts(1, 5, 500));
	/* another id, more than before */
	feed_total(&f, c, 10, LENS_READ, feed_counts(2, 6, 700));
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_READ)->bytes, 1200);
	/* the same id, but less */
	feed_total(&f, c, 10, LENS_READ, feed_counts(2, 1, 10));
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_READ)->bytes, 1210);
	feed_total(&f, c, 10, LENS_READ, feed_counts(2, 2, 30));
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_READ)->bytes, 1230);
	CHECK_EQ_U64(total_of(&f, c, 10, LENS_READ)->ops, 13);
}

TEST(ids_lead_to_ends)
{
	_feed_ struct feed f = feed_new();
	enum lens_dir dir = LENS_DIR_MAX;

	feed_end(&f, feed_pipe(1), 10, LENS_WRITE, 7, LENS_END_SELF);
	feed_end(&f, feed_pipe(1), 11, LENS_READ, 8, LENS_END_TREE);
	CHECK(world_op_end(f.w, 7, &dir) == feed_end_of(&f, feed_pipe(1), 10));
	CHECK_EQ_U64(dir, LENS_WRITE);
	CHECK(world_op_end(f.w, 8, &dir) == feed_end_of(&f, feed_pipe(1), 11));
	CHECK_EQ_U64(dir, LENS_READ);
	CHECK(world_op_end(f.w, 9, &dir) == NULL);
	CHECK(feed_chan_of(&f, feed_pipe(1))->is_self);
	CHECK(feed_proc_of(&f, 11)->in_tree);
	CHECK(!feed_proc_of(&f, 10)->in_tree);
}

/* more ends than are walked through */
TEST(many_ends_are_found)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan c = feed_pipe(1);

	for (uint32_t pid = 1; pid <= 500; pid++)
		feed_total(&f, c, pid, LENS_WRITE, feed_counts(pid, 1, pid));
	CHECK_EQ_U64(feed_chan_of(&f, c)->end_count, 500);
	for (uint32_t pid = 1; pid <= 500; pid++) {
		CHECK_EQ_U64(chan_ends(feed_chan_of(&f, c))[pid - 1]->proc->key.tgid, pid);
		CHECK_EQ_U64(total_of(&f, c, pid, LENS_WRITE)->bytes, pid);
	}
	feed_end(&f, feed_pipe(2), 900, LENS_READ, 900, 0);
	CHECK(feed_end_of(&f, c, 900) == NULL);
}

TEST(looks_find_and_miss)
{
	_feed_ struct feed f = feed_new();
	struct chan *c, *d;
	struct endpoint *e;

	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 10, 3, 1, feed_depth(5, 1));
	feed_hold(&f, feed_pipe(1), 10, 4, 2, feed_depth(5, 1));
	feed_hold(&f, feed_pipe(2), 10, 5, 2, feed_depth(0, 0));
	feed_look_end(&f);
	feed_look_settled(&f);
	c = feed_chan_of(&f, feed_pipe(1));
	d = feed_chan_of(&f, feed_pipe(2));
	e = feed_end_of(&f, feed_pipe(1), 10);
	CHECK(c->live && c->existed_before && !c->gone && d->live);
	CHECK(e->reader && e->writer && e->held_now && e->held_before);
	CHECK_EQ_U64(e->fd_count, 2);
	CHECK_EQ_U64(end_fds(e)[0], 3);
	CHECK_EQ_U64(end_fds(e)[1], 4);
	CHECK(c->was_open_to_read && c->was_open_to_write);

	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 11, 9, 1, feed_depth(6, 1));
	feed_hold(&f, feed_pipe(3), 11, 8, 1, feed_depth(0, 0));
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK(c->live && !c->gone);
	CHECK(!d->live && d->gone);
	CHECK(!e->held_now && e->held_before);
	CHECK(feed_end_of(&f, feed_pipe(1), 11)->held_now);
	CHECK(!feed_end_of(&f, feed_pipe(1), 11)->held_before);
	CHECK_EQ_U64(chan_depth(c)->queued_bytes, 6);
	CHECK(c->was_open_to_read && !feed_chan_of(&f, feed_pipe(3))->was_open_to_read);
	CHECK(!feed_chan_of(&f, feed_pipe(3))->existed_before);
}

TEST(backlog_by_type)
{
	_feed_ struct feed f = feed_new();
	struct {
		struct lens_rec_msgs h;
		struct lens_msg m[4];
	} r = { .h = { .chan = feed_queue(3), .count = 4 },
		.m = { { 7, 10 }, { 2, 1 }, { 7, 5 }, { INT64_MAX, 0 } } };
	struct chan *c;

	feed_look_begin(&f);
	feed_found(&f, feed_queue(3), feed_depth(16, 4));
	feed_raw(&f, &r, LENS_REC_MSGS, sizeof(r));
	feed_look_end(&f);
	feed_look_settled(&f);
	c = feed_chan_of(&f, feed_queue(3));
	CHECK_EQ_U64(chan_more(c)->type_count, 3);
	CHECK_EQ_I64(chan_more(c)->types[0].type, 2);
	CHECK_EQ_I64(chan_more(c)->types[1].type, 7);
	CHECK_EQ_U64(chan_more(c)->types[1].messages, 2);
	CHECK_EQ_U64(chan_more(c)->types[1].bytes, 15);
	CHECK_EQ_I64(chan_more(c)->types[2].type, INT64_MAX);
	/* the next look counts afresh */
	feed_look_begin(&f);
	CHECK_EQ_U64(chan_more(c)->type_count, 0);
}

TEST(removed_queue_is_gone)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_gone r = { .chan = feed_queue(3), .proc = feed_key(1) };

	feed_look_begin(&f);
	feed_found(&f, feed_queue(3), feed_depth(16, 4));
	/* removed while the look went on */
	feed_raw(&f, &r, LENS_REC_GONE, sizeof(r));
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK(feed_chan_of(&f, feed_queue(3))->gone);
	CHECK(!feed_chan_of(&f, feed_queue(3))->live);
}

/* its inode left the cache while nobody had it open, which is told late */
TEST(reopened_fifo_is_not_gone)
{
	struct lens_chan fifo = { .ino = 3, .dev = 1, .kind = LENS_KIND_FIFO };
	struct lens_rec_gone r = { .chan = fifo };
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_look_begin(&f);
	feed_hold(&f, fifo, 1, 3, 3, feed_depth(5, 0));
	feed_look_end(&f);
	feed_raw(&f, &r, LENS_REC_GONE, sizeof(r));
	feed_look_settled(&f);
	CHECK(feed_chan_of(&f, fifo)->live);
	CHECK(!feed_chan_of(&f, fifo)->gone);
	/* no look has found it after that */
	feed_raw(&f, &r, LENS_REC_GONE, sizeof(r));
	CHECK(feed_chan_of(&f, fifo)->gone);
}

/* an END that waited in the ring while a look went by */
TEST(newer_depth_stays)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_end r = {
		.chan = feed_pipe(1), .proc = feed_key(1), .id = 1, .depth = feed_depth(1, 1),
	};

	f.ts_ns = 5000;
	feed_look_begin(&f);
	feed_hold(&f, feed_pipe(1), 1, 0, 1, feed_depth(99, 1));
	f.ts_ns = 3000;
	feed_raw(&f, &r, LENS_REC_END, sizeof(r));
	CHECK_EQ_U64(chan_depth(feed_chan_of(&f, feed_pipe(1)))->queued_bytes, 99);
	f.ts_ns = 7000;
	feed_raw(&f, &r, LENS_REC_END, sizeof(r));
	CHECK_EQ_U64(chan_depth(feed_chan_of(&f, feed_pipe(1)))->queued_bytes, 1);
}

TEST(first_name_stays)
{
	_feed_ struct feed f = feed_new();
	struct {
		struct lens_rec_end h;
		char name[8];
	} r = { .h = { .chan = { .ino = 1, .kind = LENS_KIND_FIFO }, .proc = feed_key(1), .id = 1,
		       .name_len = 6 },
		.name = "f\0tmp" };
	struct lens_chan key = r.h.chan;

	feed_raw(&f, &r, LENS_REC_END, sizeof(r));
	CHECK_STR(chan_more(feed_chan_of(&f, key))->name, "/tmp/f");
	memcpy(r.name, "g\0tmp", 6);
	feed_raw(&f, &r, LENS_REC_END, sizeof(r));
	CHECK_STR(chan_more(feed_chan_of(&f, key))->name, "/tmp/f");
	CHECK(!chan_more(feed_chan_of(&f, key))->name_truncated);
}
