/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages with a number: a simulated queue that knows who sent each of them. Calls
 * overlap, so that the order of their return says nothing.
 */
#include "feed.h"

#define PROCS 4				/* 1.. send, 11.. receive */
#define INSIDE_MAX 64

struct sim {
	uint64_t random, now_ns;
	uint32_t last_number;
	struct { uint8_t from; uint32_t number, bytes; int64_t type; } inside[INSIDE_MAX];
	size_t count;
	uint64_t truth[20][20], truth_bytes[20][20];	/* from, to: messages */
	struct lens_total total[20];
	struct feed *f;
	bool numbering;
	enum { ANY_TYPE, TYPE_OF_SENDER, TYPE_OF_RECEIVER } types;
	uint32_t lost_bytes;		/* of messages that nobody got */
};

static struct lens_chan queue(void)
{
	return feed_queue(1);
}

static uint64_t sim_random(struct sim *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static void numbered_op(struct feed *f, uint32_t pid, uint64_t ts_ns, int64_t ret, int64_t type,
			uint32_t number)
{
	struct lens_op ops[2] = {
		{ .id = LENS_OP_MESSAGE, .ret = number },
		{ .ts_ns = ts_ns, .ret = ret, .aux = type, .id = pid, .tid = pid },
	};

	feed_ops(f, number ? ops : ops + 1, number ? 2 : 1);
}

/* a call that is over some time after it did what it does; silent: nobody follows it */
static void sim_op(struct sim *s, uint32_t pid, int64_t bytes, int64_t type, uint32_t number,
		   bool silent)
{
	struct lens_total *t = &s->total[pid];

	t->id = pid;
	t->ops++;
	t->msgs++;
	t->bytes += bytes;
	if (!silent)
		numbered_op(s->f, pid, s->now_ns + sim_random(s, 5000), bytes, type, number);
}

static int64_t sim_type(struct sim *s, uint32_t sender)
{
	switch (s->types) {
	case ANY_TYPE:
		return 1 + sim_random(s, 2);
	case TYPE_OF_SENDER:
		return 100 + sender;
	case TYPE_OF_RECEIVER:
		return 11 + sim_random(s, PROCS);
	}
	return 0;
}

static void sim_send(struct sim *s, uint32_t pid, bool silent)
{
	size_t at = s->count;

	if (s->count == INSIDE_MAX)
		return;
	s->inside[at].from = pid;
	/* a few sizes, nothing among them, and types: neither tells messages apart */
	s->inside[at].bytes = sim_random(s, 4);
	s->inside[at].type = sim_type(s, pid);
	s->inside[at].number = s->numbering ? ++s->last_number ? : ++s->last_number : 0;
	s->count++;
	sim_op(s, pid, s->inside[at].bytes, s->inside[at].type, s->inside[at].number, silent);
}

static void sim_receive(struct sim *s, uint32_t pid, bool silent)
{
	size_t at;

	if (!s->count)
		return;
	at = sim_random(s, s->count);
	if (s->types == TYPE_OF_RECEIVER && s->inside[at].type != pid)
		return;
	s->truth[s->inside[at].from][pid]++;
	s->truth_bytes[s->inside[at].from][pid] += s->inside[at].bytes;
	sim_op(s, pid, s->inside[at].bytes, s->inside[at].type, s->inside[at].number, silent);
	s->inside[at] = s->inside[--s->count];
}

static void sim_announce(struct sim *s, bool early)
{
	for (uint32_t i = 1; i <= PROCS; i++) {
		uint32_t flags = early && i == 1 ? 0 : LENS_END_OPS;

		feed_end(s->f, queue(), i, LENS_WRITE, i, flags);
		feed_end(s->f, queue(), 10 + i, LENS_READ, 10 + i, flags);
	}
}

static void sim_traffic(struct sim *s, unsigned calls)
{
	for (unsigned i = 0; i < calls; i++) {
		s->now_ns += 10;
		if (sim_random(s, 2))
			sim_send(s, 1 + sim_random(s, PROCS), false);
		else
			sim_receive(s, 11 + sim_random(s, PROCS), false);
	}
}

static void sim_finish(struct sim *s)
{
	uint32_t depth = 0;

	s->f->ts_ns = s->now_ns + 10000;
	for (uint32_t pid = 1; pid < 20; pid++)
		if (s->total[pid].ops)
			feed_total(s->f, queue(), pid, pid < 10 ? LENS_WRITE : LENS_READ,
				   s->total[pid]);
	for (size_t i = 0; i < s->count; i++)
		depth += s->inside[i].bytes;
	feed_look_begin(s->f);
	feed_found(s->f, queue(), feed_depth(depth, s->count));
	feed_look_end(s->f);
	feed_look_settled(s->f);
	feed_mark(s->f, LENS_MARK_DETACHED, 0);
	world_settle(s->f->w);
	CHECK_EQ_I64(chan_ledger(feed_chan_of(s->f, queue()))->unaccounted, 0);
	CHECK_EQ_U64(chan_ledger(feed_chan_of(s->f, queue()))->discarded, s->lost_bytes);
}

static uint64_t flow_messages(const struct feed *f, uint32_t from, uint32_t to)
{
	const struct flow *flow = feed_flow(f, from, to);

	return flow ? flow->messages : 0;
}

/* true: all flows are exact; those that say so are right in any case, and so are sums */
static bool sim_check(const struct sim *s, uint64_t seed)
{
	bool all = true;

	for (uint32_t to = 11; to < 11 + PROCS; to++) {
		uint64_t got = 0;

		for (uint32_t from = 1; from <= PROCS; from++) {
			const struct flow *flow = feed_flow(s->f, from, to);
			uint64_t is = flow_messages(s->f, from, to);

			got += is;
			all &= !flow || flow->exact;
			if (flow && flow->exact && is != s->truth[from][to])
				TEST_FAIL("seed %" PRIu64 ", %u to %u: %" PRIu64 ", not %" PRIu64,
					  seed, from, to, is, s->truth[from][to]);
			if (flow && flow->exact)
				CHECK_EQ_U64(flow->bytes, s->truth_bytes[from][to]);
		}
		CHECK_EQ_U64(got + flow_messages(s->f, 0, to), s->total[to].msgs);
	}
	return all;
}

static struct sim sim_new(struct feed *f, uint64_t seed)
{
	f->ts_ns = 1u << 20;
	feed_start_empty(f);
	return (struct sim){ .random = seed * 0x9e3779b97f4a7c15u + 1, .now_ns = (1u << 20) + 100,
			     .f = f, .numbering = true };
}

TEST(random_overlapping_calls_are_exact)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		sim_announce(&s, false);
		sim_traffic(&s, 2000);
		sim_finish(&s);
		CHECK(sim_check(&s, seed));
		for (uint32_t from = 1; from <= PROCS; from++)
			CHECK_EQ_U64(flow_messages(&f, from, 11), s.truth[from][11]);
	}
}

TEST(numbers_begin_anew)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 3);

	s.last_number = UINT32_MAX - 500;
	sim_announce(&s, false);
	sim_traffic(&s, 4000);
	sim_finish(&s);
	CHECK(s.last_number < UINT32_MAX / 2);
	CHECK(sim_check(&s, 3));
}

/* more operations than are kept of one channel: those with a number need not be */
TEST(endless_queue_is_matched_as_it_comes)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 5);

	sim_announce(&s, false);
	sim_traffic(&s, 200000);
	sim_finish(&s);
	CHECK(sim_check(&s, 5));
}

/* the first pair was alone at first: what it moved before anybody followed is its own */
TEST(random_followed_late)
{
	unsigned exact = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		for (unsigned i = 0; i < 20; i++) {
			sim_send(&s, 1, true);
			if (sim_random(&s, 2))
				sim_receive(&s, 11, true);
		}
		f.ts_ns = s.now_ns + 6000;
		sim_announce(&s, true);
		s.now_ns = f.ts_ns;
		sim_traffic(&s, 2000);
		sim_finish(&s);
		exact += sim_check(&s, seed);
	}
	/* what was sent first may still be inside at the end: nobody knows what of it */
	CHECK(exact > 30);
}

/* messages of the time before numbers are in doubt, and no others are */
TEST(random_numbered_late)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		sim_announce(&s, false);
		s.numbering = false;
		sim_traffic(&s, 40);
		s.numbering = true;
		sim_traffic(&s, 3000);
		sim_finish(&s);
		sim_check(&s, seed);
		for (uint32_t from = 1; from <= PROCS; from++) {
			for (uint32_t to = 11; to < 11 + PROCS; to++) {
				uint64_t is = flow_messages(&f, from, to);
				uint64_t was = s.truth[from][to];

				CHECK((is > was ? is - was : was - is) <= 40);
			}
		}
	}
}

/* several sent before there were numbers, but only one received any of that */
TEST(strays_of_one_receiver_are_exact)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 9);

	sim_announce(&s, false);
	s.numbering = false;
	for (uint32_t from = 1; from <= PROCS; from++)
		sim_send(&s, from, false);
	while (s.count)
		sim_receive(&s, 12, false);
	s.numbering = true;
	sim_traffic(&s, 1000);
	while (s.count)
		sim_receive(&s, 13, false);
	sim_finish(&s);
	CHECK(sim_check(&s, 9));
}

TEST(strays_of_several_are_in_doubt)
{
	const struct flow *flow;
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 11);

	sim_announce(&s, false);
	s.numbering = false;
	sim_send(&s, 1, false);
	sim_send(&s, 2, false);
	sim_receive(&s, 11, false);
	sim_receive(&s, 12, false);
	s.numbering = true;
	for (unsigned i = 0; i < 8; i++) {
		s.now_ns += 10000;
		sim_send(&s, 1 + i % 2, false);
		sim_receive(&s, 11 + i % 2, false);
	}
	sim_finish(&s);
	CHECK(!sim_check(&s, 11));
	flow = feed_flow(&f, 1, 11);
	CHECK(flow && !flow->exact && strstr(flow->why, "the order of 1 of its "));
}

/* one message may have been one of 300, but no more than one was */
TEST(strays_are_in_doubt_once)
{
	const struct flow *flow;
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 11);

	sim_announce(&s, false);
	s.numbering = false;
	for (unsigned i = 0; i < 300; i++) {
		sim_send(&s, 1 + i % 2, false);
		sim_receive(&s, 11 + (i == 200), false);
	}
	s.numbering = true;
	for (unsigned i = 0; i < 8; i++) {
		s.now_ns += 10000;
		sim_send(&s, 1 + i % 2, false);
		sim_receive(&s, 11 + i % 2, false);
	}
	sim_finish(&s);
	CHECK(!sim_check(&s, 11));
	flow = feed_flow(&f, 1, 11);
	CHECK(flow && !flow->exact && strstr(flow->why, "the order of 1 of its 154 "));
}

TEST(lost_records_are_said)
{
	const struct flow *flow;
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 13);

	sim_announce(&s, false);
	sim_traffic(&s, 200);
	sim_send(&s, 2, true);
	sim_traffic(&s, 200);
	sim_finish(&s);
	for (uint32_t from = 1; from <= PROCS; from++) {
		flow = feed_flow(&f, from, 11);
		CHECK(flow && !flow->exact && strstr(flow->why, "were lost"));
	}
}

/* taken out, but not given to anybody: no flow, and no message that still waits */
TEST(message_lost_to_a_fault)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 17);

	sim_announce(&s, false);
	sim_traffic(&s, 300);
	while (s.count)
		sim_receive(&s, 11, false);
	sim_send(&s, 3, false);
	numbered_op(&f, 12, s.now_ns + 6000, -14, 0, s.inside[0].number);
	s.total[12].ops++;
	s.total[12].errors++;
	s.total[12].shorts++;
	s.lost_bytes = s.inside[0].bytes;
	s.count = 0;
	sim_finish(&s);
	CHECK(sim_check(&s, 17));
}

/* looks with MSG_COPY are operations of which no record comes, and nothing is lost by that */
TEST(looks_are_not_lost)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 19);

	sim_announce(&s, false);
	sim_traffic(&s, 300);
	s.total[12].ops += 5;
	sim_finish(&s);
	CHECK(sim_check(&s, 19));
}

/* a number at the end of a batch belongs to nothing */
TEST(number_without_operation)
{
	struct lens_op alone = { .id = LENS_OP_MESSAGE, .ret = 77 };
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 23);

	sim_announce(&s, false);
	feed_ops(&f, &alone, 1);
	sim_traffic(&s, 300);
	sim_finish(&s);
	CHECK(sim_check(&s, 23));
}

/* ------------------------------------------------------------------ types */

/* the kernel side stops to give numbers, and forgets those it gave */
static void sim_number(struct sim *s, bool on)
{
	s->numbering = on;
	for (size_t i = 0; !on && i < s->count; i++)
		s->inside[i].number = 0;
}

/* everybody takes what is for it until nothing is left */
static void sim_empty(struct sim *s)
{
	while (s->count) {
		s->now_ns += 10;
		sim_receive(s, 11 + sim_random(s, PROCS), false);
	}
}

/* numbers are not needed where a type has one sender, or one receiver that gets all */
TEST(types_tell_without_numbers)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		s.numbering = false;
		s.types = seed % 2 ? TYPE_OF_SENDER : TYPE_OF_RECEIVER;
		sim_announce(&s, false);
		sim_traffic(&s, 2000);
		/* which of the senders' messages are left, nobody knows */
		if (s.types == TYPE_OF_RECEIVER)
			sim_empty(&s);
		sim_finish(&s);
		CHECK(sim_check(&s, seed));
	}
}

TEST(one_shared_type_is_in_doubt)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 29);

	s.numbering = false;
	s.types = TYPE_OF_SENDER;
	sim_announce(&s, false);
	sim_traffic(&s, 500);
	s.types = ANY_TYPE;
	sim_traffic(&s, 500);
	sim_finish(&s);
	CHECK(!sim_check(&s, 29));
}

/* no flow is wrong by more messages than it says, and that is not more than most */
static void sim_check_within(const struct sim *s, uint64_t most)
{
	for (uint32_t from = 1; from <= PROCS; from++) {
		for (uint32_t to = 11; to < 11 + PROCS; to++) {
			const struct flow *flow = feed_flow(s->f, from, to);
			uint64_t is = flow_messages(s->f, from, to), was = s->truth[from][to];
			uint64_t said = flow && flow->why ? strtoull(flow->why + 13, NULL, 10) : 0;

			CHECK(!flow || !flow->why ||
			      !strncmp(flow->why, "the order of ", 13));
			CHECK(said <= most);
			/* all of a flow in doubt may be less than the doubt there is */
			CHECK((is > was ? is - was : was - is) <=
			      (flow && flow->exact ? 0 : said < is ? said : most));
		}
	}
}

/* which of the senders' messages are left inside */
TEST(what_is_left_is_in_doubt)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		s.types = TYPE_OF_RECEIVER;
		s.numbering = false;
		sim_announce(&s, false);
		sim_traffic(&s, 500);
		for (unsigned i = 0; seed % 2 && i < 4; i++) {
			sim_number(&s, sim_random(&s, 2));
			sim_traffic(&s, 400);
		}
		CHECK(s.count > 0);
		sim_finish(&s);
		sim_check(&s, seed);
		sim_check_within(&s, s.count);
	}
}

/* more operations than are kept of one channel: by types they need not be kept either */
TEST(endless_types_are_matched_as_they_come)
{
	_feed_ struct feed f = feed_new();
	struct sim s = sim_new(&f, 37);

	s.numbering = false;
	s.types = TYPE_OF_SENDER;
	sim_announce(&s, false);
	sim_traffic(&s, 200000);
	sim_finish(&s);
	CHECK(sim_check(&s, 37));
}

/* numbers come and go: those without are told by their types */
TEST(random_numbers_now_and_then)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);

		s.types = seed % 2 ? TYPE_OF_SENDER : TYPE_OF_RECEIVER;
		sim_announce(&s, false);
		for (unsigned i = 0; i < 5; i++) {
			sim_number(&s, sim_random(&s, 2));
			sim_traffic(&s, sim_random(&s, 2) ? 100 : 40000);
		}
		sim_empty(&s);
		sim_finish(&s);
		CHECK(sim_check(&s, seed));
	}
}

/* what was sent before anybody followed may be of any type: so many are in doubt, and no more */
TEST(random_types_followed_late)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_feed_ struct feed f = feed_new();
		struct sim s = sim_new(&f, seed);
		const struct flow *flow;

		s.numbering = false;
		s.types = seed % 2 ? TYPE_OF_SENDER : TYPE_OF_RECEIVER;
		for (unsigned i = 0; i < 3; i++) {
			sim_send(&s, 1, true);
			sim_receive(&s, 11, true);
		}
		f.ts_ns = s.now_ns + 6000;
		sim_announce(&s, true);
		s.now_ns = f.ts_ns;
		sim_traffic(&s, 2000);
		sim_empty(&s);
		sim_finish(&s);
		CHECK(!sim_check(&s, seed));
		flow = feed_flow(&f, 2, 12);
		CHECK(flow && strstr(flow->why, "the order of 3 of its "));
		sim_check_within(&s, 3);
	}
}
