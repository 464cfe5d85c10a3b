// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Forgetting what has ended: sums lose nothing, what is not over stays, and
 * the number of things is bounded.
 */
#include "feed.h"

/* ------------------------------------------------------------------ a host */

/* short-lived channels between short-lived processes, and what a look sees of them */
struct host {
	struct feed f;
	uint64_t random;
	uint32_t next_pid, next_id;
	uint64_t next_ino;
};

#define NAMES 5
static const char *const names[NAMES] = { "sh", "cat", "make", "cc1", "\x1b[1m" };

static uint32_t roll(struct host *h, uint32_t below)
{
	h->random = h->random * 6364136223846793005u + 1442695040888963407u;
	return (h->random >> 33) % below;
}

static uint32_t new_proc(struct host *h)
{
	struct lens_rec_proc r = { .proc = feed_key(++h->next_pid), .why = LENS_PROC_EXEC };

	strcpy(r.comm, names[roll(h, NAMES)]);
	feed_raw(&h->f, &r, LENS_REC_PROC, sizeof(r));
	return h->next_pid;
}

struct life {
	struct lens_chan chan;
	uint32_t pid[LENS_DIR_MAX], id[LENS_DIR_MAX];
	uint64_t calls, bytes[LENS_DIR_MAX];
	uint32_t flags;
	bool stays;
};

static void begin_life(struct host *h, struct life *l)
{
	*l = (struct life){
		.chan = roll(h, 5) ? feed_pipe(++h->next_ino) : feed_queue(++h->next_ino),
		.calls = 1 + roll(h, 9), .stays = !roll(h, 6),
		.flags = roll(h, 3) ? 0 : LENS_END_OPS,
	};
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		l->pid[d] = new_proc(h);
		l->id[d] = ++h->next_id;
		feed_end(&h->f, l->chan, l->pid[d], d, l->id[d], l->flags);
	}
	l->bytes[LENS_WRITE] = l->calls * (1 + roll(h, 1000));
	/* now and then something is left inside */
	l->bytes[LENS_READ] = roll(h, 4) ? l->bytes[LENS_WRITE] : l->bytes[LENS_WRITE] / 2;
}

static void say_totals(struct host *h, const struct life *l, bool last)
{
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		struct lens_total t = feed_counts(l->id[d], l->calls, l->bytes[d]);

		t.flags = l->flags | (last && !l->stays ? LENS_END_LAST : 0);
		feed_total(&h->f, l->chan, l->pid[d], d, t);
	}
}

static void look(struct host *h, const struct life *all, unsigned count)
{
	feed_look_begin(&h->f);
	for (unsigned i = 0; i < count; i++)
		for (unsigned d = 0; all[i].stays && d < LENS_DIR_MAX; d++)
			feed_hold(&h->f, all[i].chan, all[i].pid[d], 3, d + 1,
				  feed_depth(all[i].bytes[LENS_WRITE] - all[i].bytes[LENS_READ],
					     0));
	feed_look_end(&h->f);
	feed_look_settled(&h->f);
}

#define LIVES 40

/* rounds of channels that come, move something, and mostly go before the next look */
static struct host run(uint64_t seed, unsigned rounds, size_t max_ended)
{
	struct host h = { .f = feed_new(), .random = seed };
	struct life *all = xcalloc(rounds * LIVES, sizeof(*all));
	unsigned count = 0;

	h.f.w->max_ended = max_ended;
	feed_start_empty(&h.f);
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; i < LIVES; i++)
			begin_life(&h, &all[count++]);
		for (unsigned i = count - LIVES; i < count; i++)
			say_totals(&h, &all[i], true);
		for (unsigned i = count - LIVES; i < count; i++)
			for (unsigned d = 0; !all[i].stays && d < LENS_DIR_MAX; d++)
				feed_exit(&h.f, all[i].pid[d], 0);
		look(&h, all, count);
	}
	look(&h, all, count);
	feed_mark(&h.f, LENS_MARK_DETACHED, 0);
	world_settle(h.f.w);
	free(all);
	return h;
}

/* -------------------------------------------------------------------- sums */

struct sums {
	uint64_t channels, procs, flows, ops, bytes[LENS_DIR_MAX], msgs[LENS_DIR_MAX];
	uint64_t by_kind[LENS_KIND_MAX];
	int64_t written, read, queued, discarded, unaccounted;
};

static void add_ledger(struct sums *s, const struct ledger *l)
{
	CHECK(l->known);
	feed_check_identity(l);
	s->written += l->written;
	s->read += l->read;
	s->queued += l->queued;
	s->discarded += l->discarded;
	s->unaccounted += l->unaccounted;
}

static void add_total(struct sums *s, enum lens_dir dir, const struct lens_total *t)
{
	s->ops += t->ops;
	s->bytes[dir] += t->bytes;
	s->msgs[dir] += t->msgs;
}

/* of everything the world knows or has forgotten */
static struct sums add_up(const struct world *w)
{
	struct sums s = { .procs = hash_count(w->procs) + w->folded_procs,
			  .flows = w->flow_count };

	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *c = hash_at(w->chans, i);

		s.channels++;
		s.by_kind[c->key.kind]++;
		add_ledger(&s, chan_ledger(c));
		for (size_t j = 0; j < c->end_count; j++)
			for (unsigned d = 0; d < LENS_DIR_MAX; d++)
				add_total(&s, d, &end_side(chan_ends(c)[j], d)->total);
	}
	for (size_t i = 0; i < hash_count(w->folds); i++) {
		const struct fold *f = hash_at(w->folds, i);

		s.channels += f->channels;
		s.by_kind[f->kind] += f->channels;
		s.flows += f->flows;
		add_ledger(&s, &f->ledger);
		for (unsigned d = 0; d < LENS_DIR_MAX; d++)
			add_total(&s, d, &f->total[d]);
	}
	return s;
}

TEST(sums_are_those_of_a_world_that_forgets_nothing)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct host all = run(seed, 8, SIZE_MAX), some = run(seed, 8, seed % 30);
		struct sums a = add_up(all.f.w), b = add_up(some.f.w);

		CHECK_EQ_U64(hash_count(all.f.w->folds), 0);
		CHECK(some.f.w->folded_chans > 100);
		CHECK(some.f.w->folded_procs > 100);
		CHECK(!memcmp(&a, &b, sizeof(a)));
		feed_fini(&all.f);
		feed_fini(&some.f);
	}
}

TEST(as_many_are_kept_as_it_may_keep)
{
	struct host h = run(7, 30, 50);
	size_t ended = 0;

	for (size_t i = 0; i < hash_count(h.f.w->chans); i++)
		ended += !((struct chan *)hash_at(h.f.w->chans, i))->live;
	/* one that a single look missed, with something inside, has to wait for the next */
	CHECK(ended >= 50 && ended <= 50 + LIVES);
	CHECK(hash_count(h.f.w->folds) <= 2 * (NAMES + 1) * (NAMES + 1));
	feed_fini(&h.f);
}

TEST(the_same_records_forget_the_same)
{
	struct host a = run(3, 12, 20), b = run(3, 12, 20);

	CHECK_EQ_U64(hash_count(a.f.w->chans), hash_count(b.f.w->chans));
	for (size_t i = 0; i < hash_count(a.f.w->chans); i++) {
		const struct chan *c = hash_at(a.f.w->chans, i), *d = hash_at(b.f.w->chans, i);

		CHECK(!memcmp(&c->key, &d->key, sizeof(c->key)));
	}
	CHECK_EQ_U64(hash_count(a.f.w->folds), hash_count(b.f.w->folds));
	for (size_t i = 0; i < hash_count(a.f.w->folds); i++)
		CHECK(!memcmp(hash_at(a.f.w->folds, i), hash_at(b.f.w->folds, i),
			      sizeof(struct fold)));
	feed_fini(&a.f);
	feed_fini(&b.f);
}

/* ------------------------------------------------------------- one by one */

static void one_life(struct feed *f, struct lens_chan c, uint64_t bytes, uint32_t flags)
{
	struct lens_total t = feed_counts(c.ino * 2, 1, bytes);

	t.flags = flags;
	feed_end(f, c, 1, LENS_WRITE, c.ino * 2, 0);
	feed_total(f, c, 1, LENS_WRITE, t);
	t.id++;
	feed_end(f, c, 2, LENS_READ, t.id, 0);
	feed_total(f, c, 2, LENS_READ, t);
}

static void empty_look(struct feed *f)
{
	feed_look_begin(f);
	feed_look_end(f);
	feed_look_settled(f);
}

TEST(the_biggest_stay)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 3;
	feed_start_empty(&f);
	for (unsigned i = 1; i <= 10; i++)
		one_life(&f, feed_pipe(i), i == 4 ? 9000 : 10, LENS_END_LAST);
	empty_look(&f);
	CHECK_EQ_U64(hash_count(f.w->chans), 3);
	CHECK(feed_chan_of(&f, feed_pipe(4)) && feed_chan_of(&f, feed_pipe(9)) &&
	      feed_chan_of(&f, feed_pipe(10)));
	CHECK_EQ_U64(f.w->folded_chans, 7);
}

TEST(what_still_counts_is_not_forgotten)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	one_life(&f, feed_pipe(1), 10, 0);
	for (unsigned i = 0; i < 5; i++)
		empty_look(&f);
	CHECK(feed_chan_of(&f, feed_pipe(1)) != NULL);
	one_life(&f, feed_pipe(1), 10, LENS_END_LAST);
	empty_look(&f);
	CHECK(!feed_chan_of(&f, feed_pipe(1)));
}

/* two lives of one channel are two channels, and nothing of the first is in the second */
TEST(a_channel_that_comes_back_begins_anew)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	one_life(&f, feed_pipe(1), 10, LENS_END_LAST);
	empty_look(&f);
	one_life(&f, feed_pipe(1), 70, 0);
	feed_finish_gone(&f);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->written, 70);
	CHECK_EQ_I64(feed_ledger(&f, feed_pipe(1))->unaccounted, 0);
	CHECK_EQ_U64(f.w->folded_chans, 1);
}

/* operations of a channel that is forgotten belong to nobody, and harm nobody */
TEST(late_operations_are_survived)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	one_life(&f, feed_pipe(1), 10, LENS_END_LAST);
	feed_wait(&f, feed_pipe(1), 1, LENS_WRITE, 10, true);
	empty_look(&f);
	feed_op(&f, 2, f.ts_ns, 10, 0);
	feed_op(&f, 3, f.ts_ns, 10, 0);
	feed_finish_gone(&f);
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
	CHECK_EQ_U64(f.w->flow_count, 0);
}

TEST(hostile_names_make_no_more_rows_than_there_may_be)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	for (unsigned i = 1; i <= 3000; i++) {
		struct lens_rec_proc r = { .proc = feed_key(i), .why = LENS_PROC_RENAME };
		struct lens_total t = feed_counts(i, 1, 0);

		snprintf(r.comm, sizeof(r.comm), "%u", i);
		feed_raw(&f, &r, LENS_REC_PROC, sizeof(r));
		t.flags = LENS_END_LAST;
		feed_total(&f, feed_pipe(i), i, LENS_WRITE, t);
	}
	empty_look(&f);
	empty_look(&f);
	CHECK_EQ_U64(f.w->folded_chans, 3000);
	CHECK(hash_count(f.w->folds) <= 1025);
}

/* ------------------------------------------------------------------ processes */

TEST(a_lost_exit_is_learnt_from_a_look)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_proc r = { .proc = feed_key(1), .why = LENS_PROC_SEEN };

	feed_start_empty(&f);
	feed_raw(&f, &r, LENS_REC_PROC, sizeof(r));
	r.proc = feed_key(2);
	feed_raw(&f, &r, LENS_REC_PROC, sizeof(r));
	feed_look_begin(&f);
	r.h.flags = LENS_F_SNAPSHOT;
	feed_raw(&f, &r, LENS_REC_PROC, sizeof(r));
	CHECK(!feed_proc_of(&f, 1)->exited);
	feed_mark(&f, LENS_MARK_PROCS, 0);
	CHECK(feed_proc_of(&f, 1)->exited);
	CHECK(!feed_proc_of(&f, 2)->exited);
}

/* the tree of the command is what a report on it lists */
TEST(of_processes_those_of_the_command_stay)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 5;
	feed_start_empty(&f);
	feed_mark(&f, LENS_MARK_COMMAND, 0);
	for (unsigned i = 1; i <= 20; i++) {
		struct lens_rec_proc r = { .proc = feed_key(i), .why = LENS_PROC_FORK,
					   .end_flags = i <= 5 ? LENS_END_TREE : 0 };

		feed_raw(&f, &r, LENS_REC_PROC, sizeof(r));
		feed_exit(&f, i, 0);
	}
	empty_look(&f);
	for (unsigned i = 1; i <= 20; i++)
		CHECK(!!feed_proc_of(&f, i) == (i <= 5));
	CHECK_EQ_U64(f.w->folded_procs, 15);
}

/* ------------------------------------------- told to be gone, without a look */

static void tell_gone(struct feed *f, struct lens_chan chan)
{
	struct lens_rec_gone r = { .chan = chan };

	feed_raw(f, &r, LENS_REC_GONE, sizeof(r));
}

static void use_half(struct feed *f, uint64_t ino, uint32_t pid, enum lens_dir dir, uint64_t bytes)
{
	struct lens_total t = feed_counts(10 * ino + dir, 1, bytes);

	feed_end(f, feed_half(ino), pid, dir, 10 * ino + dir, 0);
	t.flags = LENS_END_LAST;
	feed_total(f, feed_half(ino), pid, dir, t);
}

/* the books of a half need the other one: they are summed up together, as one channel */
TEST(connections_that_are_gone_are_summed_up)
{
	_feed_ struct feed f = feed_new();
	const struct fold *sum;

	f.w->max_ended = 0;
	feed_start_empty(&f);
	for (uint64_t ino = 2; ino < 22; ino += 2) {
		feed_peer(&f, feed_half(ino), feed_half(ino + 1));
		use_half(&f, ino, 1, LENS_WRITE, 70);
		use_half(&f, ino + 1, 2, LENS_READ, 70);
		use_half(&f, ino + 1, 2, LENS_WRITE, 5);
		use_half(&f, ino, 1, LENS_READ, 5);
		tell_gone(&f, feed_half(ino));
	}
	feed_mark(&f, LENS_MARK_FOLD, 0);
	CHECK_EQ_U64(f.w->folded_chans, 0);
	for (uint64_t ino = 2; ino < 22; ino += 2)
		tell_gone(&f, feed_half(ino + 1));
	feed_mark(&f, LENS_MARK_FOLD, 0);
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
	CHECK_EQ_U64(f.w->folded_chans, 10);
	CHECK_EQ_U64(hash_count(f.w->folds), 1);
	sum = hash_at(f.w->folds, 0);
	CHECK_EQ_U64(sum->channels, 10);
	CHECK_EQ_U64(sum->flows, 20);
	CHECK_EQ_U64(sum->inexact_flows, 0);
	CHECK_EQ_U64(sum->total[LENS_WRITE].bytes, 750);
	CHECK_EQ_U64(sum->total[LENS_READ].bytes, 750);
	CHECK_EQ_U64(sum->unaccounted_bytes, 0);
	CHECK(sum->ledger.known);
}

/* its client has closed: who accepts it may come yet, and is told of then */
TEST(half_a_connection_waits_for_the_other)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	use_half(&f, 2, 1, LENS_WRITE, 70);
	tell_gone(&f, feed_half(2));
	feed_mark(&f, LENS_MARK_FOLD, 0);
	CHECK(feed_chan_of(&f, feed_half(2)));
}

/* it waits no more: two looks have missed it, or a lost record may have told who that was */
static void check_summed_up_alone(bool by_looks)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_loss lost = {
		.kind = LENS_KIND_UNIX_STREAM, .count[LENS_LOSS_RING_FULL] = 1,
	};

	f.w->max_ended = 0;
	feed_start_empty(&f);
	if (!by_looks)
		feed_raw(&f, &lost, LENS_REC_LOSS, sizeof(lost));
	use_half(&f, 2, 1, LENS_WRITE, 70);
	tell_gone(&f, feed_half(2));
	feed_mark(&f, LENS_MARK_FOLD, 0);
	for (unsigned i = 0; by_looks && i < 3; i++) {
		feed_look_begin(&f);
		feed_look_end(&f);
		feed_look_settled(&f);
	}
	CHECK(!feed_chan_of(&f, feed_half(2)));
	CHECK_EQ_U64(f.w->folded_chans, 1);
	/* and now it is accepted */
	f.w->max_ended = 10;
	feed_peer(&f, feed_half(2), feed_half(3));
	feed_total(&f, feed_half(3), 2, LENS_READ, feed_counts(7, 1, 70));
	feed_total(&f, feed_half(3), 2, LENS_WRITE, feed_counts(8, 1, 5));
	feed_finish_gone(&f);
	CHECK(!feed_ledger(&f, feed_half(2))->known);
	CHECK(!feed_ledger(&f, feed_half(3))->known);
	CHECK_EQ_I64(feed_ledger(&f, feed_half(3))->unaccounted, 0);
	CHECK(feed_flow(&f, 0, 2) && !feed_flow(&f, 0, 2)->exact);
	CHECK_STR(feed_flow(&f, 0, 2)->why,
		  "what the other end did was summed up before it was known whose it was");
}

TEST(half_a_connection_that_was_summed_up_is_missing_in_books)
{
	check_summed_up_alone(false);
	check_summed_up_alone(true);
}

/* the announcement of an endpoint can be behind its last counts, in another queue */
TEST(announced_after_it_was_retired)
{
	_feed_ struct feed f = feed_new();
	struct lens_total t = feed_counts(4, 1, 9);

	f.w->max_ended = 0;
	feed_start_empty(&f);
	t.flags = LENS_END_LAST;
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		feed_total(&f, feed_pipe(5), 1, d, t);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		feed_end(&f, feed_pipe(5), 1, d, 4, 0);
	tell_gone(&f, feed_pipe(5));
	feed_mark(&f, LENS_MARK_FOLD, 0);
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
}

static void no_room(struct feed *f, uint32_t pid, enum lens_dir dir, uint64_t ops, uint32_t last)
{
	struct lens_chan none = { .dev = LENS_DEV_UNPLACED, .kind = LENS_KIND_PIPE };
	struct lens_total t = feed_counts(0, ops, 10 * ops);

	t.flags = last;
	feed_total(f, none, pid, dir, t);
}

/* readings tell what there was so far; after the last one it begins from zero */
TEST(what_had_no_room_is_summed_up)
{
	_feed_ struct feed f = feed_new();
	const struct fold *sum;

	feed_start_empty(&f);
	no_room(&f, 1, LENS_WRITE, 5, 0);
	no_room(&f, 1, LENS_WRITE, 7, 0);
	no_room(&f, 1, LENS_WRITE, 7, 0);
	no_room(&f, 1, LENS_WRITE, 8, LENS_END_LAST);
	no_room(&f, 1, LENS_WRITE, 2, LENS_END_LAST);
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
	CHECK_EQ_U64(hash_count(f.w->folds), 1);
	sum = hash_at(f.w->folds, 0);
	CHECK(sum->unplaced);
	CHECK_EQ_U64(sum->total[LENS_WRITE].ops, 10);
	CHECK_EQ_U64(sum->total[LENS_WRITE].bytes, 100);
	CHECK_EQ_U64(world_unplaced(f.w), 10);
}

/* what is short in a channel may be there; what balances does so for sure */
TEST(books_are_doubted_where_something_had_no_room)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_total(&f, feed_pipe(5), 1, LENS_WRITE, feed_counts(1, 1, 9));
	feed_total(&f, feed_pipe(6), 1, LENS_WRITE, feed_counts(2, 1, 9));
	feed_total(&f, feed_pipe(6), 1, LENS_READ, feed_counts(3, 1, 9));
	no_room(&f, 1, LENS_READ, 1, 0);
	feed_finish_gone(&f);
	CHECK(!chan_ledger(feed_chan_of(&f, feed_pipe(5)))->known);
	CHECK_EQ_U64(chan_ledger(feed_chan_of(&f, feed_pipe(5)))->discarded, 0);
	CHECK(chan_ledger(feed_chan_of(&f, feed_pipe(6)))->known);
}

/* what we took ourselves is missing just as well, and is no loss to speak of */
TEST(books_are_doubted_where_we_had_no_room)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_total(&f, feed_pipe(5), 1, LENS_WRITE, feed_counts(1, 1, 9));
	no_room(&f, 2, LENS_READ, 1, LENS_END_SELF);
	feed_finish_gone(&f);
	CHECK(!chan_ledger(feed_chan_of(&f, feed_pipe(5)))->known);
	CHECK_EQ_U64(world_unplaced(f.w), 0);
}

/* such a mark is worth a walk only where channels went */
TEST(marks_of_a_hostile_recording)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	for (uint64_t ino = 2; ino < 50000; ino++)
		use_half(&f, ino, 1, LENS_WRITE, 70);
	alarm(20);
	for (unsigned i = 0; i < 400000; i++)
		feed_mark(&f, LENS_MARK_FOLD, 0);
	alarm(0);
	CHECK_EQ_U64(f.w->folded_chans, 0);
}
