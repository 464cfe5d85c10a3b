/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A socket and what went over it are one group, whether that was seen or was
 * over when anybody looked.
 */
#include "feed.h"

#define GIVER 10
#define TAKER 11
#define OTHER 12

static const struct lens_chan memory = { .ino = 7, .dev = 1, .gen = 3, .kind = LENS_KIND_MEMFD };
static const struct lens_chan counter = { .ino = 5, .kind = LENS_KIND_EVENTFD };

/* a connection between two processes, as the first look finds it */
static void connect_two(struct feed *f, uint64_t ino, uint32_t a, uint32_t b)
{
	feed_hold(f, feed_half(ino), a, 3, 3, feed_depth(0, 0));
	feed_hold(f, feed_half(ino + 1), b, 3, 3, feed_depth(0, 0));
	feed_peer(f, feed_half(ino), feed_half(ino + 1));
}

static void hold(struct feed *f, struct lens_chan chan, uint32_t pid, uint32_t flags)
{
	struct lens_rec_hold r = { .chan = chan, .proc = feed_key(pid), .fd = 9, .mode = 3,
				   .flags = flags, .depth = feed_depth(0, 0) };

	feed_raw(f, &r, LENS_REC_HOLD, sizeof(r));
}

static void pass(struct feed *f, struct lens_chan what, uint32_t pid, enum lens_dir dir)
{
	struct lens_rec_pass r = {
		.via = feed_half(dir == LENS_WRITE ? 20 : 21), .what = what,
		.proc = feed_key(pid), .dir = dir, .mode = 3, .count = 1,
	};

	if (!what.kind)
		r.inode_type = 0100000;
	feed_raw(f, &r, LENS_REC_PASS, sizeof(r));
}

static void map(struct feed *f, struct lens_chan chan, uint32_t pid, enum lens_map_op op, bool made)
{
	struct lens_rec_map r = {
		.chan = chan, .proc = feed_key(pid), .op = op, .start = 4096, .len = 4096,
		.prot = LENS_PROT_READ, .depth = { .valid = LENS_DEPTH_VALID },
	};

	r.h.flags = made ? LENS_F_MADE : 0;
	feed_raw(f, &r, LENS_REC_MAP, sizeof(r));
}

/* a giver and a taker with a socket between them, and nothing else */
static struct feed started(void)
{
	struct feed f = feed_new();

	feed_look_begin(&f);
	connect_two(&f, 20, GIVER, TAKER);
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

static struct origin origin_in(struct feed *f, struct lens_chan chan, uint32_t pid)
{
	struct origin o;

	origin_of(f->w, feed_end_of(f, chan, pid), &o);
	return o;
}

static struct companion *companions(struct feed *f, uint64_t ino, size_t *ret_count)
{
	struct companion *rows = NULL;

	world_settle(f->w);
	*ret_count = companions_of(f->w, feed_chan_of(f, feed_half(ino)), &rows);
	return rows;
}

TEST(a_socket_is_joined_with_the_mapping_of_what_it_passed)
{
	_feed_ struct feed f = started();
	_cleanup_free_ struct companion *rows = NULL;
	struct origin o;
	size_t count;

	map(&f, memory, GIVER, LENS_MAP_MAP, true);
	pass(&f, memory, GIVER, LENS_WRITE);
	pass(&f, counter, GIVER, LENS_WRITE);
	pass(&f, memory, TAKER, LENS_READ);
	map(&f, memory, TAKER, LENS_MAP_MAP, false);
	rows = companions(&f, 20, &count);
	CHECK_EQ_U64(count, 2);
	CHECK(rows[0].chan == feed_chan_of(&f, memory));
	CHECK_EQ_U64(rows[0].sent, 1);
	CHECK_EQ_U64(rows[0].received, 1);
	CHECK(!rows[0].inferred);
	CHECK(rows[1].chan == feed_chan_of(&f, counter));
	CHECK_EQ_U64(rows[1].received, 0);
	o = origin_in(&f, memory, TAKER);
	CHECK_EQ_U64(o.how, ORIGIN_RECEIVED);
	CHECK(o.from == feed_proc_of(&f, GIVER) && !o.inferred);
	CHECK(o.over == feed_chan_of(&f, feed_half(21)));
	CHECK_EQ_U64(origin_in(&f, memory, GIVER).how, ORIGIN_CREATED);
}

TEST(a_file_that_was_passed_is_joined_once_it_is_mapped)
{
	_feed_ struct feed f = started();
	struct lens_chan file = { .ino = 7, .dev = 1, .gen = 3 };
	struct companion *rows;
	size_t count;

	pass(&f, file, GIVER, LENS_WRITE);
	rows = companions(&f, 20, &count);
	CHECK_EQ_U64(count, 0);
	free(rows);
	file.kind = LENS_KIND_MMAP_FILE;
	map(&f, file, TAKER, LENS_MAP_MAP, false);
	rows = companions(&f, 20, &count);
	CHECK_EQ_U64(count, 1);
	CHECK(rows[0].chan == feed_chan_of(&f, file));
	free(rows);
}

/* memory of the giver, which the taker has as well; joined by connections from inode 20 on */
static struct feed found(unsigned connections)
{
	struct feed f = feed_new();

	feed_look_begin(&f);
	for (unsigned i = 0; i < connections; i++)
		connect_two(&f, 20 + 2 * i, GIVER, TAKER);
	map(&f, memory, GIVER, LENS_MAP_FOUND, true);
	map(&f, memory, TAKER, LENS_MAP_FOUND, false);
	hold(&f, counter, GIVER, LENS_END_MADE);
	hold(&f, counter, TAKER, 0);
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

TEST(what_was_passed_before_follows_from_who_made_it)
{
	_feed_ struct feed f = found(1);
	_cleanup_free_ struct companion *rows = NULL;
	struct origin o;
	size_t count;

	rows = companions(&f, 20, &count);
	CHECK_EQ_U64(count, 2);
	CHECK(rows[0].inferred && rows[1].inferred);
	o = origin_in(&f, memory, TAKER);
	CHECK_EQ_U64(o.how, ORIGIN_RECEIVED);
	CHECK(o.inferred && o.from == feed_proc_of(&f, GIVER));
	CHECK(o.over == feed_chan_of(&f, feed_half(20)));
	CHECK_EQ_U64(origin_in(&f, counter, TAKER).how, ORIGIN_RECEIVED);
	CHECK_EQ_U64(origin_in(&f, memory, GIVER).how, ORIGIN_CREATED);
}

TEST(of_several_ways_none_is_claimed)
{
	_feed_ struct feed two = found(2), none = found(0);
	struct companion *rows;
	size_t count;

	rows = companions(&two, 20, &count);
	CHECK_EQ_U64(count, 0);
	free(rows);
	rows = companions(&two, 22, &count);
	CHECK_EQ_U64(count, 0);
	free(rows);
	CHECK_EQ_U64(origin_in(&two, memory, TAKER).how, ORIGIN_UNKNOWN);
	world_settle(none.w);
	CHECK_EQ_U64(origin_in(&none, memory, TAKER).how, ORIGIN_UNKNOWN);
}

static void child_of(struct feed *f, uint32_t pid, uint32_t parent)
{
	struct lens_rec_proc r = { .proc = feed_key(pid), .parent = feed_key(parent),
				   .why = LENS_PROC_SEEN };

	feed_raw(f, &r, LENS_REC_PROC, sizeof(r));
}

TEST(a_child_may_have_it_by_either_way)
{
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	child_of(&f, TAKER, GIVER);
	connect_two(&f, 20, GIVER, TAKER);
	hold(&f, counter, GIVER, LENS_END_MADE);
	hold(&f, counter, TAKER, 0);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	CHECK_EQ_U64(origin_in(&f, counter, TAKER).how, ORIGIN_UNKNOWN);
}

TEST(nobody_is_known_to_have_been_given_what_nobody_made)
{
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	connect_two(&f, 20, GIVER, TAKER);
	hold(&f, counter, GIVER, 0);
	hold(&f, counter, TAKER, 0);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	CHECK_EQ_U64(origin_in(&f, counter, GIVER).how, ORIGIN_UNKNOWN);
	CHECK_EQ_U64(origin_in(&f, counter, TAKER).how, ORIGIN_UNKNOWN);
}

TEST(what_a_third_process_holds_may_have_come_over_it)
{
	_feed_ struct feed f = feed_new();

	feed_look_begin(&f);
	connect_two(&f, 20, GIVER, OTHER);
	connect_two(&f, 22, OTHER, TAKER);
	hold(&f, counter, GIVER, LENS_END_MADE);
	hold(&f, counter, OTHER, 0);
	hold(&f, counter, TAKER, 0);
	feed_look_end(&f);
	feed_look_settled(&f);
	world_settle(f.w);
	/* of the one in the middle two neighbours have it */
	CHECK_EQ_U64(origin_in(&f, counter, OTHER).how, ORIGIN_UNKNOWN);
	CHECK_EQ_U64(origin_in(&f, counter, TAKER).how, ORIGIN_RECEIVED);
	CHECK(origin_in(&f, counter, TAKER).from == feed_proc_of(&f, OTHER));
}
