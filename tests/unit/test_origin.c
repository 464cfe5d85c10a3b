/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How endpoints came about: what was seen, what follows, and what is not claimed.
 */
#include "feed.h"
#include "scene.h"

#define PARENT 10
#define CHILD 11
#define OTHER 12
#define THIRD 13

static void fork_of(struct feed *f, uint32_t pid, uint32_t parent)
{
	struct lens_rec_proc r = {
		.proc = feed_key(pid), .parent = feed_key(parent), .why = LENS_PROC_FORK,
	};

	feed_raw(f, &r, LENS_REC_PROC, sizeof(r));
}

static void uses(struct feed *f, struct lens_chan chan, uint32_t pid, enum lens_dir dir,
		 uint32_t flags)
{
	static uint32_t id;

	feed_end(f, chan, pid, dir, ++id, flags);
}

static struct origin origin_in(struct feed *f, struct lens_chan chan, uint32_t pid)
{
	struct origin o;

	origin_of(f->w, feed_end_of(f, chan, pid), &o);
	return o;
}

static void check_from(struct origin o, enum origin_how how, bool inferred, uint32_t from)
{
	CHECK_EQ_U64(o.how, how);
	CHECK(o.inferred == inferred);
	CHECK_EQ_U64(o.from ? o.from->key.tgid : 0, from);
}

/* everybody below was born after the start */
static struct feed started(void)
{
	struct feed f = feed_new();

	f.ts_ns = 500;
	feed_start_empty(&f);
	f.ts_ns = 1000000;
	return f;
}

TEST(who_made_it_is_known)
{
	_feed_ struct feed f = started();
	struct lens_chan fifo = { .ino = 3, .dev = 1, .kind = LENS_KIND_FIFO };
	struct lens_rec_hold held = { .chan = feed_pipe(2), .proc = feed_key(PARENT), .mode = 1,
				      .flags = LENS_END_MADE };

	uses(&f, feed_pipe(1), PARENT, LENS_WRITE, LENS_END_MADE);
	check_from(origin_in(&f, feed_pipe(1), PARENT), ORIGIN_CREATED, false, 0);
	feed_raw(&f, &held, LENS_REC_HOLD, sizeof(held));
	check_from(origin_in(&f, feed_pipe(2), PARENT), ORIGIN_CREATED, false, 0);
	/* what has a path was opened by it */
	uses(&f, fifo, PARENT, LENS_WRITE, LENS_END_MADE);
	check_from(origin_in(&f, fifo, PARENT), ORIGIN_OPENED, false, 0);
}

TEST(a_child_has_it_from_its_parent)
{
	_feed_ struct feed f = started();

	uses(&f, feed_pipe(1), PARENT, LENS_WRITE, LENS_END_MADE);
	fork_of(&f, CHILD, PARENT);
	uses(&f, feed_pipe(1), CHILD, LENS_READ, 0);
	check_from(origin_in(&f, feed_pipe(1), CHILD), ORIGIN_INHERITED, true, PARENT);
	/* adopted later, it has the same origin */
	fork_of(&f, OTHER, CHILD);
	uses(&f, feed_pipe(1), OTHER, LENS_READ, 0);
	check_from(origin_in(&f, feed_pipe(1), OTHER), ORIGIN_INHERITED, true, CHILD);
}

TEST(siblings_have_it_from_a_parent_that_uses_it_not)
{
	_feed_ struct feed f = started();

	fork_of(&f, CHILD, PARENT);
	fork_of(&f, OTHER, PARENT);
	uses(&f, feed_pipe(1), CHILD, LENS_WRITE, 0);
	check_from(origin_in(&f, feed_pipe(1), CHILD), ORIGIN_UNKNOWN, false, 0);
	uses(&f, feed_pipe(1), OTHER, LENS_READ, 0);
	CHECK_EQ_U64(origin_in(&f, feed_pipe(1), CHILD).how, ORIGIN_INHERITED);
	CHECK_EQ_U64(origin_in(&f, feed_pipe(1), OTHER).how, ORIGIN_INHERITED);
}

TEST(what_a_third_child_made_its_siblings_did_not_inherit)
{
	for (int maker = 0; maker < 2; maker++) {
		_feed_ struct feed f = started();
		enum origin_how how = maker ? ORIGIN_UNKNOWN : ORIGIN_INHERITED;

		fork_of(&f, CHILD, PARENT);
		fork_of(&f, OTHER, PARENT);
		fork_of(&f, THIRD, PARENT);
		uses(&f, feed_pipe(1), maker ? THIRD : PARENT, LENS_WRITE, LENS_END_MADE);
		uses(&f, feed_pipe(1), CHILD, LENS_WRITE, 0);
		uses(&f, feed_pipe(1), OTHER, LENS_READ, 0);
		CHECK_EQ_U64(origin_in(&f, feed_pipe(1), CHILD).how, how);
		CHECK_EQ_U64(origin_in(&f, feed_pipe(1), OTHER).how, how);
	}
}

TEST(both_ends_of_a_pair_come_from_one_call)
{
	_feed_ struct feed f = started();

	feed_peer(&f, feed_half(10), feed_half(20));
	uses(&f, feed_half(10), PARENT, LENS_WRITE, LENS_END_MADE);
	fork_of(&f, CHILD, PARENT);
	uses(&f, feed_half(20), CHILD, LENS_READ, 0);
	check_from(origin_in(&f, feed_half(20), CHILD), ORIGIN_INHERITED, true, PARENT);
	/* a connection to an address is two calls */
	scene_name(feed_chan_of(&f, feed_half(20)), "/run/server");
	check_from(origin_in(&f, feed_half(20), CHILD), ORIGIN_UNKNOWN, false, 0);
}

TEST(whoever_has_both_ends_of_a_pair_is_no_sibling_of_its_own)
{
	_feed_ struct feed f = started();

	fork_of(&f, CHILD, PARENT);
	feed_peer(&f, feed_half(10), feed_half(20));
	uses(&f, feed_half(10), CHILD, LENS_READ, 0);
	uses(&f, feed_half(20), CHILD, LENS_READ, 0);
	check_from(origin_in(&f, feed_half(10), CHILD), ORIGIN_UNKNOWN, false, 0);
	check_from(origin_in(&f, feed_half(20), CHILD), ORIGIN_UNKNOWN, false, 0);
	/* another one is */
	fork_of(&f, OTHER, PARENT);
	uses(&f, feed_half(20), OTHER, LENS_READ, 0);
	CHECK_EQ_U64(origin_in(&f, feed_half(10), CHILD).how, ORIGIN_INHERITED);
}

TEST(what_was_received_names_its_way)
{
	_feed_ struct feed f = started();
	struct lens_rec_pass r = { .via = feed_half(10), .what = feed_pipe(1),
				   .proc = feed_key(PARENT), .dir = LENS_WRITE, .mode = 1,
				   .count = 1 };
	struct origin o;

	feed_peer(&f, feed_half(10), feed_half(20));
	fork_of(&f, CHILD, PARENT);
	fork_of(&f, OTHER, CHILD);
	feed_raw(&f, &r, LENS_REC_PASS, sizeof(r));
	r.via = feed_half(20);
	r.proc = feed_key(CHILD);
	r.dir = LENS_READ;
	feed_raw(&f, &r, LENS_REC_PASS, sizeof(r));
	o = origin_in(&f, feed_pipe(1), CHILD);
	check_from(o, ORIGIN_RECEIVED, false, PARENT);
	CHECK(o.over == feed_chan_of(&f, feed_half(20)));
	/* its own child may have it from before or after that */
	uses(&f, feed_pipe(1), OTHER, LENS_READ, 0);
	check_from(origin_in(&f, feed_pipe(1), OTHER), ORIGIN_UNKNOWN, false, 0);
	/* a process that made it itself may be given it all the same */
	uses(&f, feed_pipe(1), CHILD, LENS_READ, LENS_END_MADE);
	check_from(origin_in(&f, feed_pipe(1), CHILD), ORIGIN_CREATED, false, 0);
}

TEST(an_older_process_made_what_came_after_it)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_cover sockets = { .kind = LENS_KIND_UNIX_DGRAM, .observed = 1 };

	/* attached when all of them had been there for long */
	feed_start_empty(&f);
	uses(&f, feed_pipe(1), PARENT, LENS_WRITE, 0);
	/* somebody may have passed it, which nobody would have seen */
	check_from(origin_in(&f, feed_pipe(1), PARENT), ORIGIN_UNKNOWN, false, 0);
	feed_raw(&f, &sockets, LENS_REC_COVER, sizeof(sockets));
	check_from(origin_in(&f, feed_pipe(1), PARENT), ORIGIN_CREATED, true, 0);
}

TEST(what_has_a_name_may_have_been_opened_by_anybody)
{
	_feed_ struct feed f = started();
	struct lens_chan fifo = { .ino = 3, .dev = 1, .kind = LENS_KIND_FIFO };
	struct lens_rec_open opened = { .chan = fifo, .proc = feed_key(OTHER), .mode = 1 };

	uses(&f, fifo, PARENT, LENS_WRITE, LENS_END_MADE);
	fork_of(&f, CHILD, PARENT);
	uses(&f, fifo, CHILD, LENS_READ, 0);
	check_from(origin_in(&f, fifo, CHILD), ORIGIN_UNKNOWN, false, 0);
	feed_raw(&f, &opened, LENS_REC_OPEN, sizeof(opened));
	check_from(origin_in(&f, fifo, OTHER), ORIGIN_OPENED, false, 0);
	/* queues have no descriptors */
	uses(&f, feed_queue(1), PARENT, LENS_WRITE, 0);
	check_from(origin_in(&f, feed_queue(1), PARENT), ORIGIN_UNKNOWN, false, 0);
}

TEST(who_sends_datagrams_does_not_hold_the_receiver)
{
	_feed_ struct feed f = started();
	struct lens_chan queue = { .ino = 9, .dev = 9, .kind = LENS_KIND_UNIX_DGRAM };

	uses(&f, queue, PARENT, LENS_WRITE, 0);
	fork_of(&f, CHILD, PARENT);
	uses(&f, queue, CHILD, LENS_WRITE, 0);
	check_from(origin_in(&f, queue, CHILD), ORIGIN_UNKNOWN, false, 0);
}
