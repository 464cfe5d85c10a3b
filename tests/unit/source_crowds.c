/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which queues need numbers for their messages, by what their users do.
 */
#include "test.h"

#include "source/crowds.h"

static const struct lens_chan sysv = { .ino = 7, .dev = 1, .kind = LENS_KIND_SYSV_MSG };

/* the last two digits of an endpoint are its process */
static void come_to(struct crowds *c, struct lens_chan chan, uint32_t id, enum lens_dir dir,
		    uint32_t flags)
{
	struct lens_rec_end end = {
		.chan = chan, .proc = { .tgid = id % 100, .start_ns = 5 }, .dir = dir, .id = id,
		.flags = flags,
	};

	crowds_come(c, &end);
}

static void come(struct crowds *c, uint32_t id, enum lens_dir dir)
{
	come_to(c, sysv, id, dir, 0);
}

static void move(struct crowds *c, uint32_t id, int64_t type)
{
	struct { struct lens_rec_ops rec; struct lens_op op[2]; } batch = {
		.rec = { .h = { .type = LENS_REC_OPS, .len = sizeof(batch) }, .count = 2 },
		.op = { { .id = LENS_OP_MESSAGE, .ret = id }, { .id = id, .ret = 3, .aux = type } },
	};

	crowds_take(c, &batch.rec);
}

/* process n sends as 100 + n and receives as 200 + n */
static struct crowds *crowd(unsigned count)
{
	struct crowds *c = crowds_new();

	for (unsigned n = 1; n <= count; n++) {
		come(c, 100 + n, LENS_WRITE);
		come(c, 200 + n, LENS_READ);
	}
	return c;
}

TEST(server_and_clients_share_nothing)
{
	struct crowds *c = crowd(4);

	/* 1 serves: requests are of type 1, answers of the type of their client */
	for (unsigned n = 2; n <= 4; n++) {
		move(c, 100 + n, 1);
		move(c, 201, 1);
		move(c, 101, n);
		move(c, 200 + n, n);
	}
	CHECK(!crowds_share(c) && !crowds_wonder(c));
	move(c, 202, 1);	/* takes one that might have been for the server */
	CHECK(crowds_share(c));
	crowds_free(c);
}

TEST(who_has_shown_nothing_is_wondered_at)
{
	struct crowds *c = crowd(1);

	CHECK(!crowds_wonder(c));	/* alone */
	come(c, 102, LENS_WRITE);
	CHECK(!crowds_wonder(c));	/* one receiver */
	come(c, 202, LENS_READ);
	CHECK(crowds_wonder(c));
	for (unsigned n = 1; n <= 2; n++) {
		move(c, 100 + n, n);
		move(c, 200 + n, n);
	}
	CHECK(!crowds_wonder(c));
	come(c, 203, LENS_READ);
	CHECK(crowds_wonder(c));
	crowds_excuse(c);
	CHECK(!crowds_wonder(c) && !crowds_share(c));
	crowds_free(c);
}

TEST(receivers_that_do_not_learn_the_priority)
{
	struct crowds *c = crowd(2);

	move(c, 101, 1);
	move(c, 201, LENS_PRIORITY_UNKNOWN);
	move(c, 102, 2);
	CHECK(!crowds_share(c));
	move(c, 202, LENS_PRIORITY_UNKNOWN);
	move(c, 101, 1);
	move(c, 102, 2);
	CHECK(crowds_share(c));
	crowds_free(c);
}

/* a type of its own for each message: they are told apart up to some number */
TEST(endless_types)
{
	struct crowds *c = crowd(2);

	for (int64_t type = 1; type <= 100000; type++) {
		move(c, 101 + type % 2, type);
		move(c, 201 + type % 2, type);
		if (type == 500)
			CHECK(!crowds_share(c));
	}
	CHECK(crowds_share(c));
	crowds_free(c);
}

TEST(who_left_counts_no_more)
{
	struct crowds *c = crowd(3);

	for (unsigned n = 1; n <= 3; n++) {
		move(c, 100 + n, 1);
		move(c, 200 + n, 1);
	}
	CHECK(crowds_share(c));
	crowds_leave(c, 201);
	CHECK(crowds_share(c));
	crowds_leave(c, 202);
	CHECK(!crowds_share(c));
	crowds_leave(c, 202);
	for (unsigned n = 1; n <= 3; n++) {
		crowds_leave(c, 100 + n);
		crowds_leave(c, 200 + n);
	}
	/* the queue is gone, and another has its place */
	come(c, 301, LENS_WRITE);
	come(c, 302, LENS_WRITE);
	come(c, 401, LENS_READ);
	come(c, 402, LENS_READ);
	move(c, 301, 1);
	CHECK(!crowds_share(c) && crowds_wonder(c));
	crowds_free(c);
}

TEST(strangers_are_nothing_to_us)
{
	struct lens_chan pipe = { .ino = 7, .dev = 1, .kind = LENS_KIND_PIPE };
	struct crowds *c = crowds_new();

	for (unsigned n = 1; n <= 3; n++) {
		come_to(c, pipe, 100 + n, LENS_WRITE, 0);
		come_to(c, pipe, 200 + n, LENS_READ, 0);
		come_to(c, sysv, 300 + n, LENS_WRITE, LENS_END_SELF);
		come_to(c, sysv, 400 + n, LENS_READ, LENS_END_SELF);
	}
	move(c, 101, 1);
	CHECK(!crowds_share(c) && !crowds_wonder(c));
	crowds_free(c);
}
