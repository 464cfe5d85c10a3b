/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Attribution by the order of operations: simulated channels that know whose
 * each byte is, delivered in batches of several CPUs.
 */
#include "feed.h"

/* ids: a writer's is its pid, a reader's too; writers are 1..3, readers 11..13 */
static enum lens_dir dir_of(uint32_t pid)
{
	return pid < 10 ? LENS_WRITE : LENS_READ;
}

#define PROCS 3				/* 1..3 write, 11..13 read */
#define INSIDE_MAX 4096


struct sim {
	uint64_t random, now_ns;
	bool messages;
	/* what is inside: for a pipe one element per byte */
	struct { uint8_t from; int64_t type; uint32_t bytes; } inside[INSIDE_MAX];
	size_t count;
	uint64_t truth[10][20];		/* from, to: bytes */
	struct lens_total total[20];
	struct lens_op *ops;
	size_t op_count;
};

static uint64_t sim_random(struct sim *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static void sim_op(struct sim *s, uint32_t pid, int64_t bytes, int64_t type)
{
	struct lens_total *t = &s->total[pid];

	t->id = pid;
	t->ops++;
	t->msgs++;
	t->bytes += bytes;
	s->ops[s->op_count++] = (struct lens_op){
		.ts_ns = s->now_ns, .ret = bytes, .aux = type, .id = pid, .tid = pid,
	};
}

static void sim_write(struct sim *s, uint32_t pid)
{
	size_t n = 1 + sim_random(s, 60);
	int64_t type = s->messages ? 1 + sim_random(s, 4) : 0;

	if (s->count + n > INSIDE_MAX)
		return;
	for (size_t i = 0; i < (s->messages ? 1 : n); i++) {
		s->inside[s->count].from = pid;
		s->inside[s->count].type = type;
		s->inside[s->count++].bytes = s->messages ? n : 1;
	}
	sim_op(s, pid, n, type);
}

static void sim_remove(struct sim *s, size_t at, size_t n)
{
	memmove(s->inside + at, s->inside + at + n, (s->count - at - n) * sizeof(s->inside[0]));
	s->count -= n;
}

static void sim_read(struct sim *s, uint32_t pid)
{
	int64_t type = 1 + sim_random(s, 4);
	size_t n = 1 + sim_random(s, 90), at = 0;

	if (s->messages) {
		while (at < s->count && s->inside[at].type != type)
			at++;
		if (at == s->count)
			return;
		n = s->inside[at].bytes;
		s->truth[s->inside[at].from][pid] += n;
		sim_remove(s, at, 1);
		sim_op(s, pid, n, type);
		return;
	}
	n = n < s->count ? n : s->count;
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		s->truth[s->inside[i].from][pid]++;
	sim_remove(s, 0, n);
	sim_op(s, pid, n, 0);
}

/* every call is over before the next begins; delivery is by batches of CPUs that take turns */
static void sim_deliver(struct sim *s, struct feed *f)
{
	static struct lens_op batch[4][LENS_OPS_PER_BATCH];
	uint32_t fill[4] = {};

	for (size_t i = 0; i < s->op_count; i++) {
		unsigned cpu = sim_random(s, 4), most = 1 + sim_random(s, 20);

		batch[cpu][fill[cpu]++] = s->ops[i];
		if (fill[cpu] >= most) {
			feed_ops(f, batch[cpu], fill[cpu]);
			fill[cpu] = 0;
		}
	}
	for (unsigned cpu = 0; cpu < 4; cpu++)
		feed_ops(f, batch[cpu], fill[cpu]);
	s->op_count = 0;
}

static void sim_totals(struct sim *s, struct feed *f, struct lens_chan c)
{
	for (uint32_t pid = 1; pid < 20; pid++)
		if (s->total[pid].ops)
			feed_total(f, c, pid, dir_of(pid), s->total[pid]);
	feed_mark(f, LENS_MARK_SAMPLE, 1);
}

static void sim_announce(struct feed *f, struct lens_chan c, unsigned early)
{
	for (uint32_t i = 1; i <= PROCS; i++) {
		/* who did something before is not followed from its first call on */
		uint32_t flags = early && i == 1 ? 0 : LENS_END_OPS;

		feed_end(f, c, i, LENS_WRITE, i, flags);
		feed_end(f, c, 10 + i, LENS_READ, 10 + i, flags);
	}
}

static void sim_finish(struct sim *s, struct feed *f, struct lens_chan c)
{
	uint32_t depth = 0;

	for (size_t i = 0; i < s->count; i++)
		depth += s->inside[i].bytes;
	feed_look_begin(f);
	if (s->messages)
		feed_found(f, c, feed_depth(depth, s->count));
	else
		feed_hold(f, c, 1, 3, 3, feed_depth(depth, 1));
	feed_look_end(f);
	feed_look_settled(f);
	world_settle(f->w);
}

static void sim_check(const struct sim *s, const struct feed *f, uint64_t seed, bool to_the_byte)
{
	for (uint32_t to = 11; to < 11 + PROCS; to++) {
		uint64_t got = 0;

		for (uint32_t from = 1; from <= PROCS; from++) {
			uint64_t bytes = feed_flow_bytes(f, from, to);

			got += bytes;
			if (to_the_byte && bytes != s->truth[from][to])
				TEST_FAIL("seed %" PRIu64 ", %u to %u: %" PRIu64 ", not %" PRIu64,
					  seed, from, to, bytes, s->truth[from][to]);
		}
		CHECK_EQ_U64(got, s->total[to].bytes);
	}
	for (size_t i = 0; i < f->w->flow_count; i++)
		CHECK(!f->w->flows[i].why || !strstr(f->w->flows[i].why, "apportioned"));
}

/* early: so many operations of the first writer and reader nobody followed */
static void sim_run(uint64_t seed, bool messages, unsigned rounds, unsigned early)
{
	static struct sim s;
	struct lens_chan c = messages ? feed_queue(1) : feed_pipe(1);
	_feed_ struct feed f = feed_new();
	_cleanup_free_ struct lens_op *ops = xcalloc(2000, sizeof(*ops));

	s = (struct sim){ .random = seed * 0x9e3779b97f4a7c15u + 1, .now_ns = 1u << 20,
			  .messages = messages, .ops = ops };
	feed_start_empty(&f);
	for (unsigned i = 0; i < early; i++) {
		sim_write(&s, 1);
		if (sim_random(&s, 2))
			sim_read(&s, 11);
	}
	s.op_count = 0;
	sim_announce(&f, c, early);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			s.now_ns += 10;
			if (sim_random(&s, 2))
				sim_write(&s, 1 + sim_random(&s, PROCS));
			else
				sim_read(&s, 11 + sim_random(&s, PROCS));
		}
		f.ts_ns = s.now_ns;
		sim_deliver(&s, &f);
		sim_totals(&s, &f, c);
	}
	sim_finish(&s, &f, c);
	sim_check(&s, &f, seed, !(messages && early));
	CHECK_EQ_I64(chan_ledger(feed_chan_of(&f, c))->unaccounted, 0);
}

TEST(random_pipes)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		sim_run(seed, false, 3, 0);
}

TEST(random_queues)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		sim_run(seed, true, 3, 0);
}

/* what moved before following began is found from the totals */
TEST(random_pipes_followed_late)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		sim_run(seed, false, 2, 20);
}

/* of queues the types of the first messages are not known, but every reader's sum is */
TEST(random_queues_followed_late)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		sim_run(seed, true, 2, 20);
}

/* far more operations than are kept: everything was followed, so nothing has to be */
TEST(endless_pipe_is_matched_as_it_comes)
{
	sim_run(7, false, 300, 0);
}
