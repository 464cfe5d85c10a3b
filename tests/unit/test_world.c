/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The world as a whole: marks, host, coverage, loss; that the same records
 * give the same world, and that any records in any order are survived.
 */
#include "feed.h"

TEST(interval)
{
	_feed_ struct feed f = feed_new();

	f.ts_ns = 500;
	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	CHECK_EQ_U64(f.w->start_ns, 500);
	f.ts_ns = 900;
	feed_exit(&f, 1, 0);
	/* a recording that breaks off ends with its last record */
	CHECK_EQ_U64(f.w->end_ns, 900);
	CHECK(!f.w->complete);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	CHECK(f.w->complete);
	CHECK_EQ_U64(f.w->end_ns, 901);
	/* loss is read after the end and does not move it */
	feed_exit(&f, 2, 0);
	CHECK_EQ_U64(f.w->end_ns, 901);
}

TEST(command)
{
	_feed_ struct feed f = feed_new();

	CHECK(!f.w->has_command);
	feed_mark(&f, LENS_MARK_COMMAND_EXIT, 0x300);
	CHECK(f.w->has_command);
	CHECK_EQ_U64(f.w->command_status, 0x300);
}

TEST(host_and_coverage)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_host host = { .wall_offset_ns = 77, .kernel = "6.1.0" };
	struct lens_rec_cover cover = {
		.kind = LENS_KIND_FIFO, .observed = 1, .variant = "sys", .detail = "not all",
	};

	feed_raw(&f, &host, LENS_REC_HOST, sizeof(host));
	feed_raw(&f, &cover, LENS_REC_COVER, sizeof(cover));
	CHECK_STR(f.w->host.kernel, "6.1.0");
	CHECK_EQ_U64(f.w->host.wall_offset_ns, 77);
	CHECK_EQ_U64(f.w->cover[LENS_KIND_FIFO].kind, LENS_KIND_FIFO);
	CHECK(f.w->cover[LENS_KIND_FIFO].observed);
	CHECK_STR(f.w->cover[LENS_KIND_FIFO].variant, "sys");
	CHECK_STR(f.w->cover[LENS_KIND_FIFO].detail, "not all");
	CHECK_EQ_U64(f.w->cover[LENS_KIND_PIPE].kind, 0);
}

/* counters since the attach: the latest counts, and the world's are the sums over kinds */
TEST(loss_adds_up)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_loss pipe = { .kind = LENS_KIND_PIPE, .bytes = 100 };
	struct lens_rec_loss none = { .kind = LENS_KIND_NONE, .bytes = 5 };

	pipe.count[LENS_LOSS_MAP_FULL] = 3;
	none.count[LENS_LOSS_MAP_FULL] = 1;
	none.count[LENS_LOSS_RING_FULL] = 9;
	feed_raw(&f, &pipe, LENS_REC_LOSS, sizeof(pipe));
	feed_raw(&f, &none, LENS_REC_LOSS, sizeof(none));
	pipe.count[LENS_LOSS_MAP_FULL] = 4;
	pipe.bytes = 120;
	feed_raw(&f, &pipe, LENS_REC_LOSS, sizeof(pipe));
	CHECK_EQ_U64(f.w->loss.count[LENS_LOSS_MAP_FULL], 5);
	CHECK_EQ_U64(f.w->loss.count[LENS_LOSS_RING_FULL], 9);
	CHECK_EQ_U64(f.w->loss.by_kind[LENS_KIND_PIPE][LENS_LOSS_MAP_FULL], 4);
	CHECK_EQ_U64(f.w->loss.bytes, 125);
}

/* ------------------------------------------------------------ random records */

struct chaos {
	uint64_t random;
	bool wild;			/* numbers of any size, and not just small ones */
};

static uint64_t roll(struct chaos *c, uint64_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random % below;
}

static uint64_t number(struct chaos *c)
{
	return c->wild && !roll(c, 3) ? roll(c, UINT64_MAX) >> roll(c, 64) : roll(c, 100);
}

static struct lens_chan some_chan(struct chaos *c)
{
	return roll(c, 2) ? feed_pipe(roll(c, 3)) : feed_queue(roll(c, 3));
}

static struct lens_depth some_depth(struct chaos *c)
{
	return feed_depth(number(c), number(c));
}

static void some_ops(struct chaos *c, struct feed *f)
{
	struct lens_op ops[8];
	uint32_t n = roll(c, ARRAY_SIZE(ops) + 1);

	for (uint32_t i = 0; i < n; i++)
		ops[i] = (struct lens_op){
			.ts_ns = f->ts_ns - roll(c, 2000), .ret = (int64_t)number(c) - 5,
			.aux = roll(c, 3), .id = roll(c, 12), .tid = roll(c, 12),
		};
	feed_ops(f, ops, n);
}

static void some_record(struct chaos *c, struct feed *f)
{
	struct lens_rec_gone gone = { .chan = some_chan(c), .proc = feed_key(1) };
	struct lens_rec_open open = {
		.chan = some_chan(c), .proc = feed_key(roll(c, 6)), .mode = roll(c, 4),
		.reader_opens = roll(c, 3), .writer_opens = roll(c, 3),
	};
	struct lens_total t = {
		.id = roll(c, 12), .ops = number(c), .msgs = number(c), .bytes = number(c),
		.shorts = roll(c, 2), .flags = roll(c, 8),
	};

	f->ts_ns += roll(c, 1000);
	switch (roll(c, 12)) {
	case 0:
		return feed_total(f, some_chan(c), roll(c, 6), roll(c, 2), t);
	case 1:
		return feed_end(f, some_chan(c), roll(c, 6), roll(c, 2), roll(c, 12), roll(c, 8));
	case 2:
		return feed_hold(f, some_chan(c), roll(c, 6), roll(c, 9), roll(c, 4),
				 some_depth(c));
	case 3:
		return feed_found(f, some_chan(c), some_depth(c));
	case 4:
		return feed_wait(f, some_chan(c), roll(c, 6), roll(c, 2), number(c), roll(c, 2));
	case 5:
	case 6:
	case 7:
		return some_ops(c, f);
	case 8:
		return feed_raw(f, &gone, LENS_REC_GONE, sizeof(gone));
	case 9:
		return feed_raw(f, &open, LENS_REC_OPEN, sizeof(open));
	case 10:
		return feed_mark(f, roll(c, LENS_MARK_MAX), number(c));
	default:
		feed_exit(f, roll(c, 6), roll(c, 256));
		if (!roll(c, 10))
			world_settle(f->w);
	}
}

/* what holds of any world, whatever it was told */
static void check_sane(const struct feed *f)
{
	for (size_t i = 0; i < hash_count(f->w->chans); i++) {
		const struct chan *c = hash_at(f->w->chans, i);
		const struct ledger *l = chan_ledger(c);

		if (l->known)
			CHECK_EQ_I64(l->before_start + l->written, l->read + l->queued +
				     l->discarded + l->in_flight + l->unaccounted);
		CHECK(l->discarded >= 0 && l->slack >= 0);
		CHECK(!(c->live && c->gone));
	}
	for (size_t i = 0; i < f->w->flow_count; i++) {
		const struct flow *flow = &f->w->flows[i];

		CHECK(flow->exact == !flow->why);
		CHECK(flow->to != NULL);
		if (flow->has_residency)
			CHECK(flow->p50_ns <= flow->p99_ns && flow->p99_ns <= flow->max_ns);
	}
}

static struct feed chaos_run(uint64_t seed, bool wild)
{
	struct chaos c = { .random = seed * 0x9e3779b97f4a7c15u + 1, .wild = wild };
	struct feed f = feed_new();

	for (unsigned i = 0; i < 400; i++)
		some_record(&c, &f);
	world_settle(f.w);
	return f;
}

TEST(any_records_are_survived)
{
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		_feed_ struct feed f = chaos_run(seed, seed % 2);

		check_sane(&f);
	}
}

/* every reader's flows add up to what it read, however it was attributed */
TEST(flows_add_up_to_what_was_read)
{
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		_feed_ struct feed f = chaos_run(seed, false);

		for (size_t i = 0; i < hash_count(f.w->chans); i++) {
			const struct chan *c = hash_at(f.w->chans, i);

			for (size_t j = 0; j < c->end_count; j++) {
				const struct endpoint *e = chan_ends(c)[j];
				uint64_t sum = 0;

				for (size_t k = 0; k < f.w->flow_count; k++)
					if (f.w->flows[k].chan == c &&
					    f.w->flows[k].to == e->proc)
						sum += f.w->flows[k].bytes;
				CHECK_EQ_U64(sum, end_side(e, LENS_READ)->total.bytes);
			}
		}
	}
}

static void check_same(const struct feed *a, const struct feed *b)
{
	CHECK_EQ_U64(hash_count(a->w->chans), hash_count(b->w->chans));
	CHECK_EQ_U64(hash_count(a->w->procs), hash_count(b->w->procs));
	CHECK_EQ_U64(a->w->flow_count, b->w->flow_count);
	for (size_t i = 0; i < hash_count(a->w->chans); i++) {
		const struct chan *c = hash_at(a->w->chans, i), *d = hash_at(b->w->chans, i);

		CHECK(!memcmp(&c->key, &d->key, sizeof(c->key)));
		CHECK(!memcmp(chan_ledger(c), chan_ledger(d), sizeof((*chan_ledger(c)))));
	}
	for (size_t i = 0; i < a->w->flow_count; i++) {
		const struct flow *x = &a->w->flows[i], *y = &b->w->flows[i];

		CHECK_EQ_U64(x->bytes, y->bytes);
		CHECK_EQ_U64(x->messages, y->messages);
		CHECK_EQ_U64(x->p99_ns, y->p99_ns);
		CHECK_EQ_U64(x->from ? x->from->key.tgid : 99, y->from ? y->from->key.tgid : 99);
		CHECK_STR(x->why, y->why);
	}
}

TEST(same_records_same_world)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		_feed_ struct feed a = chaos_run(seed, false), b = chaos_run(seed, false);

		check_same(&a, &b);
		world_settle(b.w);
		check_same(&a, &b);
	}
}
