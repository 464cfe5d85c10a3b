// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Until when all operations were handed over, by what was put into a ring and taken out of it.
 */
#include "test.h"

#include "source/order.h"

struct ring {
	unsigned long consumer, producer;
};

static struct order order_of(const struct ring *r)
{
	return (struct order){ .consumer = &r->consumer, .producer = &r->producer };
}

TEST(nothing_is_told_before_caches_were_emptied)
{
	struct ring r = { .consumer = 8, .producer = 8 };
	struct order o = order_of(&r);

	order_taken(&o);
	CHECK_EQ_U64(order_news(&o), 0);
}

TEST(taking_that_stops_before_the_end_is_not_told)
{
	struct ring r = { .consumer = 100, .producer = 200 };
	struct order o = order_of(&r);

	order_flushed(&o, 7);
	CHECK_EQ_U64(order_news(&o), 0);
	/* at a record that is not finished */
	r.consumer = 160;
	order_taken(&o);
	CHECK_EQ_U64(order_news(&o), 0);
	r.consumer = 200;
	order_taken(&o);
	CHECK_EQ_U64(order_news(&o), 7);
	CHECK_EQ_U64(order_news(&o), 0);
}

TEST(what_came_later_need_not_be_taken)
{
	struct ring r = { .producer = 200 };
	struct order o = order_of(&r);

	order_flushed(&o, 7);
	r.producer = 900;
	r.consumer = 240;
	order_taken(&o);
	CHECK_EQ_U64(order_news(&o), 7);
}

/* what is held was taken before: it says nothing of what came with the next one */
TEST(caches_emptied_after_taking_wait_for_the_next)
{
	struct ring r = { .producer = 200, .consumer = 200 };
	struct order o = order_of(&r);

	order_flushed(&o, 7);
	order_taken(&o);
	order_flushed(&o, 9);
	CHECK_EQ_U64(order_news(&o), 7);
	order_taken(&o);
	CHECK_EQ_U64(order_news(&o), 9);
}
