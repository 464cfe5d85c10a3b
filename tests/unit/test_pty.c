/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is special about pseudo-terminals: each end names the other, and between
 * them the kernel adds bytes and takes some away.
 */
#include "feed.h"
#include "mech/mech.h"
#include "printed.h"

#define EMULATOR 1
#define SHELL 2

/* the half of an end of pts/4, the first one with that index that was seen made */
static struct lens_chan half(uint32_t end)
{
	return (struct lens_chan){ .ino = 4, .dev = 24, .gen = 2 | end, .kind = LENS_KIND_PTY };
}

static struct lens_depth depth(uint64_t bytes, uint32_t flags)
{
	return (struct lens_depth){ .queued_bytes = bytes, .valid = LENS_DEPTH_VALID | flags };
}

static void look(struct feed *f, uint64_t at_master, uint64_t at_slave, uint32_t flags)
{
	feed_look_begin(f);
	feed_hold(f, half(0), EMULATOR, 3, 3, depth(at_master, flags));
	feed_hold(f, half(LENS_PTY_SLAVE), SHELL, 0, 3, depth(at_slave, flags));
	feed_look_end(f);
	feed_look_settled(f);
}

/* 100 bytes typed, of which 90 were read; 50 printed, as which `shown` were read */
static struct feed talked(uint64_t shown, uint64_t packets, uint32_t flags)
{
	struct lens_total read = { .id = 3, .ops = 5, .msgs = 5, .bytes = shown,
				   .shorts = packets };
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 0, 0, flags);
	feed_total(&f, half(0), EMULATOR, LENS_WRITE, feed_counts(1, 10, 100));
	feed_total(&f, half(LENS_PTY_SLAVE), SHELL, LENS_READ, feed_counts(2, 9, 90));
	feed_total(&f, half(LENS_PTY_SLAVE), SHELL, LENS_WRITE, feed_counts(4, 5, 50));
	feed_total(&f, half(0), EMULATOR, LENS_READ, read);
	look(&f, 0, 10, flags);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	world_settle(f.w);
	return f;
}

static void check(struct feed *f, uint32_t end, int64_t by_kernel, int64_t unaccounted)
{
	const struct ledger *l = feed_ledger(f, half(end));

	CHECK(l->known);
	CHECK_EQ_I64(l->by_kernel, by_kernel);
	CHECK_EQ_I64(l->unaccounted, unaccounted);
	feed_check_identity(l);
}

TEST(each_end_names_the_other)
{
	_feed_ struct feed f = feed_new();
	struct chan *c;

	feed_total(&f, half(0), EMULATOR, LENS_WRITE, feed_counts(1, 1, 1));
	c = feed_chan_of(&f, half(0));
	CHECK(c->peer == feed_chan_of(&f, half(LENS_PTY_SLAVE)));
	CHECK(c->peer->peer == c);
	CHECK(c->is_second != c->peer->is_second);
	CHECK_EQ_U64(hash_count(f.w->chans), 2);
}

TEST(another_with_that_index_is_another)
{
	_feed_ struct feed f = talked(50, 0, 0);
	struct lens_chan next = half(0);

	next.gen += 2;
	feed_total(&f, next, EMULATOR, LENS_WRITE, feed_counts(9, 1, 1));
	CHECK(feed_chan_of(&f, next)->peer != feed_chan_of(&f, half(LENS_PTY_SLAVE)));
	CHECK_EQ_U64(hash_count(f.w->chans), 4);
}

TEST(balances_where_nothing_is_changed)
{
	_feed_ struct feed f = talked(50, 0, 0);

	check(&f, 0, 0, 0);
	check(&f, LENS_PTY_SLAVE, 0, 0);
	CHECK_EQ_U64(feed_flow_bytes(&f, EMULATOR, SHELL), 90);
	CHECK_EQ_U64(feed_flow_bytes(&f, SHELL, EMULATOR), 50);
	CHECK(feed_flow(&f, SHELL, EMULATOR)->exact);
}

/* echo and newlines are the kernel's, but only where it is known to make any */
TEST(what_a_line_discipline_adds)
{
	_feed_ struct feed cooked = talked(57, 0, LENS_DEPTH_COOKED);
	_feed_ struct feed raw = talked(57, 0, 0);

	check(&cooked, 0, 7, 0);
	check(&cooked, LENS_PTY_SLAVE, 0, 0);
	/* seven of these bytes are not the shell's */
	CHECK(!feed_flow(&cooked, SHELL, EMULATOR)->exact);
	CHECK(feed_flow(&cooked, EMULATOR, SHELL)->exact);
	check(&raw, 0, 0, -7);
}

TEST(what_a_line_discipline_takes_away)
{
	_feed_ struct feed cooked = talked(45, 0, LENS_DEPTH_COOKED);

	check(&cooked, 0, -5, 0);
}

TEST(bytes_of_packet_mode)
{
	_feed_ struct feed f = talked(55, 5, 0);
	_feed_ struct feed short_of = talked(55, 4, 0);

	check(&f, 0, 5, 0);
	check(&short_of, 0, 4, -1);
}

TEST(json_tells_the_ends)
{
	_feed_ struct feed f = talked(57, 0, LENS_DEPTH_COOKED);
	struct chan *whole = chan_whole_new(feed_chan_of(&f, half(0)));
	struct json_object *o = printed(js_chan(f.w, whole, true)), *rows, *row;

	CHECK_STR(json_object_get_string(json_object_object_get(o, "name")), "pts/4");
	CHECK_STR(json_object_get_string(json_object_object_get(o, "devpts")), "0:24");
	CHECK(!json_object_object_get(o, "capacity_bytes"));
	rows = json_object_object_get(o, "directions");
	CHECK_EQ_U64(json_object_array_length(rows), 2);
	row = json_object_array_get_idx(rows, 1);
	CHECK_STR(json_object_get_string(json_object_object_get(row, "end")), "slave");
	CHECK(json_object_get_boolean(json_object_object_get(row, "line_discipline_changes")));
	CHECK_EQ_I64(json_object_get_int64(json_object_object_get(
			     json_object_object_get(o, "ledger"), "by_kernel")), 7);
	json_object_put(o);
	chan_whole_free(whole);
}
