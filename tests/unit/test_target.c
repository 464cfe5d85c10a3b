/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Channels that are a process: what others do to it is all there is, and it is
 * the other end of that without doing anything.
 */
#include "feed.h"
#include "mech/mech.h"

#define TARGET 7
#define SENDER 8

static struct lens_chan aimed_at(uint32_t pid, unsigned kind, uint32_t gen)
{
	struct lens_proc p = feed_key(pid);

	return (struct lens_chan){ .ino = p.start_ns, .dev = p.tgid, .gen = gen, .kind = kind };
}

static const struct flow *only_flow(struct feed *f, uint32_t from, uint32_t to)
{
	const struct flow *found = NULL;

	for (size_t i = 0; i < f->w->flow_count; i++) {
		const struct flow *one = &f->w->flows[i];

		if (!one->from || !one->to || one->from->key.tgid != from ||
		    one->to->key.tgid != to)
			continue;
		CHECK(!found);
		found = one;
	}
	return found;
}

TEST(signals_go_to_the_process)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan chan = aimed_at(TARGET, LENS_KIND_SIGNAL, 15);
	const struct flow *flow;

	feed_total(&f, chan, SENDER, LENS_WRITE, feed_counts(1, 3, 0));
	world_settle(f.w);
	flow = only_flow(&f, SENDER, TARGET);
	CHECK(flow);
	CHECK_EQ_U64(flow->messages, 3);
	CHECK(flow->exact);
	CHECK(!chan_ledger(flow->chan)->known);
}

TEST(memory_goes_both_ways)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan chan = aimed_at(TARGET, LENS_KIND_PROCESS_VM, 0);

	feed_total(&f, chan, SENDER, LENS_WRITE, feed_counts(1, 2, 200));
	feed_total(&f, chan, SENDER, LENS_READ, feed_counts(2, 5, 500));
	world_settle(f.w);
	CHECK_EQ_U64(only_flow(&f, SENDER, TARGET)->bytes, 200);
	CHECK_EQ_U64(only_flow(&f, TARGET, SENDER)->bytes, 500);
}

/* no look finds such a channel: it goes with its process */
TEST(lives_as_long_as_the_process)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan chan = aimed_at(TARGET, LENS_KIND_SIGNAL, 15);

	feed_total(&f, chan, SENDER, LENS_WRITE, feed_counts(1, 1, 0));
	feed_look_begin(&f);
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK(!feed_chan_of(&f, chan)->gone);
	feed_exit(&f, TARGET, 0);
	feed_look_begin(&f);
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK(feed_chan_of(&f, chan)->gone);
}

/* one process may do so to itself; that is one end */
TEST(itself)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan chan = aimed_at(TARGET, LENS_KIND_PROCESS_VM, 0);

	feed_total(&f, chan, TARGET, LENS_READ, feed_counts(1, 1, 10));
	world_settle(f.w);
	CHECK_EQ_U64(f.w->flow_count, 1);
	CHECK_EQ_U64(only_flow(&f, TARGET, TARGET)->bytes, 10);
	CHECK_EQ_U64(only_flow(&f, TARGET, TARGET)->chan->end_count, 1);
}

/* whom nobody could name is nobody */
TEST(without_a_name)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan chan = { .kind = LENS_KIND_PROCESS_VM };

	feed_total(&f, chan, SENDER, LENS_READ, feed_counts(1, 1, 10));
	world_settle(f.w);
	CHECK_EQ_U64(f.w->flow_count, 1);
	CHECK(!f.w->flows[0].from);
	CHECK(!chan_target(f.w->flows[0].chan));
}

TEST(names)
{
	struct { uint32_t number; const char *name; } table[] = {
		{ 15, "SIGTERM" }, { 31, "SIGSYS" }, { 34, "signal 34" }, { 4000000000u,
		"signal 4000000000" }, { 0, "signal 0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct chan c = { .key = { .kind = LENS_KIND_SIGNAL, .gen = table[i].number } };
		_cleanup_(buf_fini) struct buf name = {};

		mech_get(LENS_KIND_SIGNAL)->name(&c, &name);
		CHECK_STR(name.data, table[i].name);
	}
}
