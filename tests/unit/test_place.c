/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Order by places: a simulated pipe in which writers and readers take turns
 * at its mutex, and are delayed at random before and after it. Whatever the
 * delays: a flow that says it is exact is.
 */
#include "feed.h"

#define WRITERS 4			/* pids 1.. */
#define READERS 4			/* pids 11.. */
#define THREADS 2			/* of each process */
#define ACTORS ((WRITERS + READERS) * THREADS)
#define ROOM 65536
#define OPS_MAX 20000

struct way {
	unsigned steps;			/* of all threads together */
	unsigned most;			/* bytes per write; more than a page: in several turns */
	unsigned delay;			/* one in so many is late to tell its place; 0: none */
	unsigned blind;			/* one in so many cannot tell; 0: none */
	bool old;			/* the pipe was there at the start, with bytes in it */
	bool late;			/* the first of each kind are not followed at first */
	bool cut;			/* some calls have not returned at the end */
};

enum phase { IDLE, INSIDE, LEFT, TIMED };

struct actor {
	uint32_t pid, tid;
	bool is_writer;
	enum phase phase;
	uint32_t want, done;
	uint64_t ts_ns;
};

struct sim {
	uint64_t random, now_ns;
	const struct way *way;
	struct actor actor[ACTORS];
	uint8_t inside[ROOM];
	size_t head, tail;		/* bytes ever */
	uint64_t origin;		/* bytes before the pipe's places begin */
	uint64_t truth[20][20];
	struct lens_total total[20];
	bool announced[20];
	bool is_followed;
	struct lens_op ops[OPS_MAX];
	size_t op_count;
};

static uint64_t sim_random(struct sim *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static bool one_in(struct sim *s, unsigned n)
{
	return n && !sim_random(s, n);
}

/* one turn at the mutex; true when the call is over */
static bool sim_turn(struct sim *s, struct actor *a)
{
	size_t n = a->want - a->done, room = ROOM - (s->head - s->tail);

	if (a->is_writer) {
		/* what fits a page goes in whole or not at all */
		if (a->want <= 4096 ? n > room : !room)
			return false;
		if (a->want > 4096 && n > 4096)
			n = 4096;
		n = n < room ? n : room;
		for (size_t i = 0; i < n; i++)
			s->inside[s->head++ % ROOM] = a->pid;
		a->done += n;
		return a->done == a->want;
	}
	if (s->head == s->tail)
		return false;
	n = n < s->head - s->tail ? n : s->head - s->tail;
	for (size_t i = 0; i < n; i++)
		s->truth[s->inside[s->tail++ % ROOM]][a->pid]++;
	a->done = n;
	return true;
}

static void sim_return(struct sim *s, struct feed *f, struct lens_chan c, struct actor *a)
{
	struct lens_total *t = &s->total[a->pid];
	uint64_t at = (a->is_writer ? s->head : s->tail) - s->origin;
	unsigned epoch = s->way->old ? 2 : LENS_PLACE_BIRTH;
	int64_t place = LENS_PLACE_VALID | (int64_t)epoch << LENS_PLACE_BITS |
			(int64_t)(at & ((1ull << LENS_PLACE_BITS) - 1));

	if (!s->announced[a->pid])
		feed_end(f, c, a->pid, a->is_writer ? LENS_WRITE : LENS_READ, a->pid,
			 s->is_followed ? LENS_END_OPS : 0);
	s->announced[a->pid] = true;
	t->id = a->pid;
	t->ops++;
	t->msgs++;
	t->bytes += a->done;
	if (s->is_followed)
		s->ops[s->op_count++] = (struct lens_op){
			.ts_ns = a->ts_ns, .ret = a->done, .id = a->pid, .tid = a->tid,
			.aux = one_in(s, s->way->blind) ? 0 : place,
		};
	a->phase = IDLE;
}

static void sim_step(struct sim *s, struct feed *f, struct lens_chan c, struct actor *a)
{
	s->now_ns += 10;
	switch (a->phase) {
	case IDLE:
		a->want = 1 + sim_random(s, a->is_writer ? s->way->most : 8000);
		a->done = 0;
		a->phase = INSIDE;
		break;
	case INSIDE:
		if (sim_turn(s, a))
			a->phase = LEFT;
		if (a->phase == INSIDE || one_in(s, s->way->delay))
			break;
		/* fall through */
	case LEFT:
		a->ts_ns = s->now_ns;
		a->phase = TIMED;
		if (one_in(s, s->way->delay))
			break;
		/* fall through */
	case TIMED:
		sim_return(s, f, c, a);
		break;
	}
}

/* batches of four CPUs; sorted by the time of a CPU only */
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

static enum lens_dir dir_of(uint32_t pid)
{
	return pid < 10 ? LENS_WRITE : LENS_READ;
}

static void sim_totals(struct sim *s, struct feed *f, struct lens_chan c)
{
	f->ts_ns = s->now_ns;
	sim_deliver(s, f);
	for (uint32_t pid = 1; pid < 20; pid++)
		if (s->total[pid].ops)
			feed_total(f, c, pid, dir_of(pid), s->total[pid]);
	feed_mark(f, LENS_MARK_SAMPLE, 1);
}

/* lets everybody return who can; readers go on until the pipe is empty */
static void sim_drain(struct sim *s, struct feed *f, struct lens_chan c)
{
	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned i = 0; i < ACTORS; i++) {
			struct actor *a = &s->actor[i];

			if (a->phase != IDLE || (!a->is_writer && s->head != s->tail))
				sim_step(s, f, c, a);
		}
	}
}

static void sim_finish(struct sim *s, struct feed *f, struct lens_chan c)
{
	if (!s->way->cut)
		sim_drain(s, f, c);
	sim_totals(s, f, c);
	feed_look_begin(f);
	feed_hold(f, c, 1, 3, 3, feed_depth(s->head - s->tail, 1));
	for (unsigned i = 0; i < ACTORS; i++) {
		const struct actor *a = &s->actor[i];

		if (a->phase != IDLE && s->announced[a->pid])
			feed_wait(f, c, a->pid, a->is_writer ? LENS_WRITE : LENS_READ, a->want,
				  a->phase == INSIDE);
	}
	feed_look_end(f);
	feed_look_settled(f);
	world_settle(f->w);
}

/* what is exact is right; returns the bytes that are, of all that were read */
static uint64_t sim_check(const struct sim *s, const struct feed *f, uint64_t seed,
			  uint64_t *ret_all)
{
	uint64_t exact = 0, all = 0;

	for (size_t i = 0; i < f->w->flow_count; i++) {
		const struct flow *flow = &f->w->flows[i];
		uint32_t from = flow->from ? flow->from->key.tgid : 0;
		uint64_t truth = s->truth[from][flow->to->key.tgid];

		all += flow->bytes;
		if (!flow->exact)
			continue;
		exact += flow->bytes;
		if (flow->bytes != truth)
			TEST_FAIL("seed %" PRIu64 ", %u to %u: %" PRIu64 ", not %" PRIu64, seed,
				  from, flow->to->key.tgid, flow->bytes, truth);
	}
	*ret_all += all;
	return exact;
}

static void sim_start(struct sim *s, struct feed *f, struct lens_chan c)
{
	for (unsigned i = 0; i < ACTORS; i++) {
		unsigned n = i / THREADS;

		s->actor[i].is_writer = n < WRITERS;
		s->actor[i].pid = n < WRITERS ? n + 1 : n - WRITERS + 11;
		s->actor[i].tid = 100 + i;
	}
	if (!s->way->old) {
		feed_start_empty(f);
		return;
	}
	/* before anybody was observed */
	s->head = 1000;
	s->tail = s->origin = 500;
	feed_mark(f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(f);
	feed_hold(f, c, 1, 3, 3, feed_depth(500, 1));
	feed_look_end(f);
	feed_look_settled(f);
}

/* the share of bytes that is exact, in percent, over so many seeds */
static unsigned sim_run(unsigned seeds, const struct way *way)
{
	static struct sim s;
	uint64_t exact = 0, all = 0;

	/* LENS_LONG=1: many more */
	seeds *= getenv("LENS_LONG") ? 20 : 1;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct lens_chan c = feed_pipe(1);
		_feed_ struct feed f = feed_new();

		memset(&s, 0, sizeof(s));
		s.random = seed * 0x9e3779b97f4a7c15u + 1;
		s.now_ns = 1u << 20;
		s.way = way;
		s.is_followed = !way->late;
		sim_start(&s, &f, c);
		for (unsigned i = 0; i < way->steps; i++) {
			unsigned who = sim_random(&s, ACTORS);

			/* nobody but the first of each kind, and then everybody */
			if (way->late && i < way->steps / 8)
				who = sim_random(&s, 2) ? 0 : WRITERS * THREADS;
			else
				s.is_followed = true;
			sim_step(&s, &f, c, &s.actor[who]);
			if (i % 700 == 0)
				sim_totals(&s, &f, c);
		}
		sim_finish(&s, &f, c);
		exact += sim_check(&s, &f, seed, &all);
	}
	return all ? exact * 100 / all : 0;
}

TEST(prompt_calls_are_exact)
{
	struct way way = { .steps = 3000, .most = 4096 };

	CHECK_EQ_U64(sim_run(10, &way), 100);
}

TEST(delayed_calls_are_right_if_exact)
{
	struct way way = { .steps = 3000, .most = 4096, .delay = 50 };

	CHECK(sim_run(60, &way) < 100);
	way.delay = 3;
	sim_run(30, &way);
}

TEST(small_calls_are_right_if_exact)
{
	struct way way = { .steps = 2000, .most = 3, .delay = 10 };

	sim_run(60, &way);
}

TEST(calls_without_places_are_right_if_exact)
{
	struct way way = { .steps = 2000, .most = 4096, .delay = 100, .blind = 10 };

	sim_run(60, &way);
}

TEST(torn_calls_are_right_if_exact)
{
	struct way way = { .steps = 3000, .most = 20000, .delay = 30 };

	sim_run(40, &way);
}

TEST(calls_under_way_are_right_if_exact)
{
	struct way way = { .steps = 2000, .most = 4096, .delay = 20, .cut = true };

	sim_run(40, &way);
	way.most = 20000;
	sim_run(40, &way);
}

TEST(old_pipes_are_right_if_exact)
{
	struct way way = { .steps = 3000, .most = 4096, .delay = 40, .old = true };

	sim_run(40, &way);
	way.steps = 9000;
	sim_run(10, &way);
}

TEST(late_following_is_right_if_exact)
{
	struct way way = { .steps = 3000, .most = 4096, .delay = 20, .late = true };

	sim_run(40, &way);
	way.old = true;
	sim_run(40, &way);
	way.cut = true;
	sim_run(40, &way);
}
