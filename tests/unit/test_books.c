/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The books of simulated pipes: a pipe with known truth emits the records that
 * the kernel side would, with looks at awkward moments, and the ledger must
 * balance; a falsified total must show up as exactly the falsification.
 */
#include "model/model.h"
#include "test.h"

enum { WRITERS = 2, READERS = 2, PROCS = WRITERS + READERS };

struct sim {
	struct world *w;
	uint64_t now_ns, seed;
	uint64_t queued, moved[PROCS];	/* truth */
	uint64_t counted[PROCS];	/* what the totals show */
	uint64_t in_call;		/* bytes a blocked writer has moved, not yet returned */
	bool held;
};

static uint64_t random_below(struct sim *s, uint64_t below)
{
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (s->seed >> 33) % below;
}

static void feed(struct sim *s, struct lens_rec *rec, unsigned type, uint32_t len)
{
	struct event ev;
	size_t skip;

	rec->len = len;
	rec->type = type;
	rec->ts_ns = ++s->now_ns;
	CHECK_EQ_I64(event_decode(rec, len, &ev, &skip), len);
	world_apply(s->w, &ev);
}

static void mark(struct sim *s, enum lens_mark what)
{
	struct lens_rec_mark m = { .mark = what };

	feed(s, &m.h, LENS_REC_MARK, sizeof(m));
}

static struct lens_proc proc_key(unsigned i)
{
	return (struct lens_proc){ .start_ns = 1000 + i, .tgid = 100 + i };
}

static const struct lens_chan pipe_key = { .ino = 42, .dev = 15, .kind = LENS_KIND_PIPE };

static void totals(struct sim *s)
{
	for (unsigned i = 0; i < PROCS; i++) {
		struct lens_proc p = proc_key(i);
		struct lens_rec_total t = {
			.key = { .ino = pipe_key.ino, .dev = pipe_key.dev, .kind = pipe_key.kind,
				 .start_ns = p.start_ns, .tgid = p.tgid,
				 .dir = i < WRITERS ? LENS_WRITE : LENS_READ },
			.total = { .id = i + 1, .bytes = s->counted[i], .ops = 1, .msgs = 1 },
		};

		if (s->counted[i])
			feed(s, &t.h, LENS_REC_TOTAL, sizeof(t));
	}
}

static void hold(struct sim *s)
{
	struct lens_rec_hold h = {
		.chan = pipe_key, .proc = proc_key(0), .fd = 3, .mode = 2,
		.depth = { .queued_bytes = s->queued, .capacity_bytes = 65536, .valid = 1 },
	};

	if (s->held)
		feed(s, &h.h, LENS_REC_HOLD, sizeof(h));
}

static void wait_record(struct sim *s, uint64_t asked)
{
	struct lens_rec_wait r = {
		.chan = pipe_key, .proc = proc_key(0), .asked = asked, .tid = 100, .nr = 1,
		.dir = LENS_WRITE, .asleep = 1,
	};

	feed(s, &r.h, LENS_REC_WAIT, sizeof(r));
}

static void write_some(struct sim *s, unsigned writer)
{
	uint64_t n = 1 + random_below(s, 5000);

	if (s->queued + n > 65536)
		return;
	s->queued += n;
	s->moved[writer] += n;
	s->counted[writer] += n;
}

static void read_some(struct sim *s, unsigned reader)
{
	uint64_t n = 1 + random_below(s, 8000);

	if (n > s->queued)
		n = s->queued;
	s->queued -= n;
	s->moved[WRITERS + reader] += n;
	s->counted[WRITERS + reader] += n;
}

static void traffic(struct sim *s, unsigned steps)
{
	for (unsigned i = 0; i < steps; i++) {
		write_some(s, random_below(s, WRITERS));
		read_some(s, random_below(s, READERS));
	}
}

/* moving: traffic goes on while the look is taken */
static void look(struct sim *s, bool moving)
{
	totals(s);
	mark(s, LENS_MARK_LOOK_BEGIN);
	if (moving)
		traffic(s, 3);
	hold(s);
	if (s->in_call)
		wait_record(s, 1 << 20);
	if (moving)
		traffic(s, 3);
	mark(s, LENS_MARK_LOOK_END);
	totals(s);
	mark(s, LENS_MARK_LOOK_SETTLED);
}

static struct chan *only_chan(struct world *w)
{
	CHECK_EQ_U64(hash_count(w->chans), 1);
	return hash_at(w->chans, 0);
}

static void start(struct sim *s, uint64_t seed, bool moving)
{
	*s = (struct sim){ .w = world_new(), .seed = seed, .held = true };
	s->queued = random_below(s, 2) ? random_below(s, 60000) : 0;
	mark(s, LENS_MARK_ATTACHED);
	traffic(s, random_below(s, 3));
	look(s, moving);
}

TEST(quiet_looks_balance_to_the_byte)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct sim s;
		struct chan *c;

		start(&s, seed, false);
		traffic(&s, random_below(&s, 50));
		look(&s, false);
		world_settle(s.w);
		c = only_chan(s.w);
		CHECK(chan_ledger(c)->known);
		CHECK_EQ_I64(chan_ledger(c)->unaccounted, 0);
		CHECK_EQ_I64(chan_ledger(c)->in_flight, 0);
		CHECK_EQ_I64(chan_ledger(c)->slack, 0);
		CHECK_EQ_U64(chan_ledger(c)->queued, s.queued);
		world_free(s.w);
	}
}

TEST(busy_looks_are_explained)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct sim s;

		start(&s, seed, true);
		traffic(&s, random_below(&s, 50));
		look(&s, true);
		world_settle(s.w);
		CHECK_EQ_I64(chan_ledger(only_chan(s.w))->unaccounted, 0);
		world_free(s.w);
	}
}

TEST(a_false_total_is_unaccounted)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct sim s;
		int64_t wrong;

		start(&s, seed, false);
		traffic(&s, 10);
		wrong = 1 + random_below(&s, 1000);
		s.counted[seed % 2 ? 0 : WRITERS] += wrong;
		look(&s, false);
		world_settle(s.w);
		CHECK_EQ_I64(chan_ledger(only_chan(s.w))->unaccounted, seed % 2 ? wrong : -wrong);
		world_free(s.w);
	}
}

TEST(a_blocked_write_is_in_flight)
{
	struct sim s;
	struct chan *c;

	start(&s, 7, false);
	traffic(&s, 5);
	/* a call that has put in 1000 bytes and waits for room for the rest */
	s.queued += 1000;
	s.in_call = 1000;
	look(&s, false);
	world_settle(s.w);
	c = only_chan(s.w);
	CHECK_EQ_I64(chan_ledger(c)->in_flight, -1000);
	CHECK_EQ_I64(chan_ledger(c)->unaccounted, 0);
	world_free(s.w);
}

TEST(what_a_gone_pipe_held_is_discarded)
{
	struct sim s;
	struct chan *c;

	start(&s, 9, false);
	traffic(&s, 20);
	write_some(&s, 0);
	s.held = false;
	look(&s, false);
	world_settle(s.w);
	c = only_chan(s.w);
	CHECK(c->gone);
	CHECK_EQ_I64(chan_ledger(c)->discarded, (int64_t)s.queued);
	CHECK(!chan_ledger(c)->discarded_observed);
	CHECK_EQ_I64(chan_ledger(c)->unaccounted, 0);
	world_free(s.w);
}

/* flows say what they do not know, and what they say sums up to what was read */
TEST(flows_sum_up_to_what_was_read)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		uint64_t got[READERS] = { 0 };
		struct sim s;

		start(&s, seed, false);
		traffic(&s, 30);
		look(&s, false);
		world_settle(s.w);
		for (size_t i = 0; i < s.w->flow_count; i++) {
			const struct flow *f = &s.w->flows[i];

			CHECK(f->exact || f->why);
			got[f->to->key.tgid - 100 - WRITERS] += f->bytes;
		}
		for (unsigned r = 0; r < READERS; r++)
			CHECK_EQ_U64(got[r], s.counted[WRITERS + r]);
		world_free(s.w);
	}
}

/* an entry that was retired and made anew has a new id and counts from zero */
TEST(retired_totals_add_up)
{
	struct sim s;
	struct lens_rec_total t = {
		.key = { .ino = 42, .dev = 15, .kind = LENS_KIND_PIPE, .start_ns = 1000,
			 .tgid = 100, .dir = LENS_WRITE },
		.total = { .id = 1, .ops = 3, .msgs = 3, .bytes = 300 },
	};

	s = (struct sim){ .w = world_new() };
	feed(&s, &t.h, LENS_REC_TOTAL, sizeof(t));
	feed(&s, &t.h, LENS_REC_TOTAL, sizeof(t));
	t.total = (struct lens_total){ .id = 9, .ops = 1, .msgs = 1, .bytes = 50 };
	feed(&s, &t.h, LENS_REC_TOTAL, sizeof(t));
	CHECK_EQ_U64(end_side(chan_ends(only_chan(s.w))[0], LENS_WRITE)->total.bytes, 350);
	CHECK_EQ_U64(end_side(chan_ends(only_chan(s.w))[0], LENS_WRITE)->total.ops, 4);
	world_free(s.w);
}
