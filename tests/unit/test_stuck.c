/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Verdicts over wait-for graphs made by hand: shapes with a known answer, and
 * random ones against an oracle that searches all proofs instead of iterating.
 */
#include "model/stuck_look.h"
#include "test.h"

static struct stuck_thread *thread_of(struct stuck *s, uint32_t pid)
{
	struct lens_proc key = { .tgid = pid, .start_ns = 1 };
	struct stuck_thread *t = stuck_add_thread(s, stuck_add_proc(s, &key), pid);

	t->rec.state = 1;
	return t;
}

static struct stuck_need *waits_for(struct stuck_thread *t, struct stuck_proc *p)
{
	struct stuck_need *n = stuck_add_need(t, WANT_DATA);

	stuck_add_provider(n, p, WHY_HOLDS_END, 3);
	return n;
}

static bool is_bad(const struct stuck *s)
{
	bool bad = false;

	for (size_t i = 0; i < s->thread_count; i++)
		bad |= stuck_verdict_is_bad(s->threads[i]->verdict);
	return bad;
}

TEST(cycles)
{
	for (unsigned length = 2; length <= 8; length++) {
		_cleanup_(stuck_freep) struct stuck *s = stuck_new();
		struct stuck_thread *t[8];

		for (unsigned i = 0; i < length; i++)
			t[i] = thread_of(s, 10 + i);
		for (unsigned i = 0; i < length; i++)
			waits_for(t[i], t[(i + 1) % length]->proc);
		stuck_judge(s);
		for (unsigned i = 0; i < length; i++)
			CHECK_STR(stuck_verdict_name(t[i]->verdict), "deadlock");
		CHECK_EQ_U64(s->ring_count, 1);
		CHECK_EQ_U64(s->rings[0].count, length);
		for (unsigned i = 0; i < length; i++)
			CHECK(t[s->rings[0].procs[i]->key.tgid - 10]->needs[0].providers[0].proc ==
			      s->rings[0].procs[(i + 1) % length]);
		CHECK_EQ_U64(s->root_count, 1);
		CHECK_EQ_U64(s->roots[0].blocks, length - 1);
		CHECK(is_bad(s));
	}
}

TEST(alternative_breaks_cycle)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *c = thread_of(s, 3);

	waits_for(a, b->proc);
	waits_for(b, a->proc);
	stuck_add_provider(&b->needs[0], c->proc, WHY_HOLDS_END, 4);
	c->own = HOPE_RUNS;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "waiting");
	CHECK_STR(stuck_verdict_name(b->verdict), "waiting");
	CHECK(!is_bad(s));
}

/* who may go on is on the circle: what each of them blocks is not about who else there is */
TEST(circle_of_the_living)
{
	for (unsigned others = 0; others < 4; others++) {
		_cleanup_(stuck_freep) struct stuck *s = stuck_new();
		struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);
		struct stuck_thread *outside = thread_of(s, 3);

		for (unsigned i = 0; i < others; i++)
			thread_of(s, 10 + i)->own = HOPE_RUNS;
		waits_for(a, b->proc)->want = WANT_ROOM;
		waits_for(b, a->proc)->want = WANT_ROOM;
		waits_for(outside, a->proc)->want = WANT_ROOM;
		a->own = HOPE_OUTSIDE;
		stuck_judge(s);
		CHECK(!is_bad(s));
		CHECK_EQ_U64(s->root_count, 2);
		/* worst first, then what blocks most */
		CHECK(s->roots[0].proc == a->proc);
		CHECK_EQ_U64(s->roots[0].blocks, 2);
		CHECK(s->roots[1].proc == b->proc);
		CHECK_EQ_U64(s->roots[1].blocks, 1);
	}
}

/* who could receive an end that is inside his socket has it as good as in hand */
TEST(cycle_over_a_receiver)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);
	struct stuck_need *n = stuck_add_need(a, WANT_DATA);

	n->thing = stuck_thing_add(s, LENS_OBJECT_PIPE, "pipe");
	stuck_add_provider(n, b->proc, WHY_CAN_RECEIVE_END, 3);
	waits_for(b, a->proc);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "deadlock");
	CHECK_STR(stuck_verdict_name(b->verdict), "deadlock");
}

/* a pipe to itself, as event loops have one, says nothing of the others on the cycle */
TEST(cycle_is_told_by_another)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);

	waits_for(a, a->proc);
	waits_for(a, b->proc);
	waits_for(b, a->proc);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "deadlock");
	CHECK(a->main == &a->needs[1]);
	CHECK(a->main_provider == b->proc);
}

TEST(dead_alternative_does_not)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *c = thread_of(s, 3);

	waits_for(a, b->proc);
	waits_for(b, a->proc);
	waits_for(b, c->proc);
	waits_for(c, a->proc);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "deadlock");
	CHECK_STR(stuck_verdict_name(c->verdict), "deadlock");
	CHECK_EQ_U64(s->ring_count, 1);
}

TEST(chain_to_stopped)
{
	enum { LENGTH = 50 };
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *t[LENGTH];

	for (unsigned i = 0; i < LENGTH; i++)
		t[i] = thread_of(s, 100 + i);
	for (unsigned i = 0; i + 1 < LENGTH; i++)
		waits_for(t[i], t[i + 1]->proc);
	t[LENGTH - 1]->own = HOPE_STOPPED;
	stuck_judge(s);
	for (unsigned i = 0; i + 1 < LENGTH; i++)
		CHECK_STR(stuck_verdict_name(t[i]->verdict), "peer-stopped");
	CHECK_EQ_U64(s->root_count, 1);
	CHECK(s->roots[0].proc == t[LENGTH - 1]->proc);
	CHECK_EQ_U64(s->roots[0].blocks, LENGTH - 1);
}

TEST(stopped_alone_is_nobodys_problem)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1);

	a->own = HOPE_STOPPED;
	stuck_judge(s);
	CHECK(!is_bad(s));
	CHECK_EQ_U64(s->root_count, 0);
}

TEST(nobody_left)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);

	stuck_add_need(a, WANT_DATA);
	waits_for(b, a->proc);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "dead-end");
	CHECK_STR(stuck_verdict_name(b->verdict), "dead-end");
	CHECK_EQ_U64(s->root_count, 1);
	CHECK(s->roots[0].proc == a->proc);
	CHECK_EQ_U64(s->roots[0].blocks, 1);
}

TEST(owner_dead)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1);

	stuck_add_need(a, WANT_LOCK)->owner_dead = true;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "owner-dead");
	CHECK(is_bad(s));
}

TEST(other_thread_lives)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *other;

	waits_for(a, b->proc);
	waits_for(b, a->proc);
	other = stuck_add_thread(s, a->proc, 11);
	other->own = HOPE_RUNS;
	stuck_judge(s);
	CHECK(!is_bad(s));
}

TEST(idle_workers_do_not_hide_a_deadlock)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *worker;

	waits_for(a, b->proc);
	waits_for(b, a->proc);
	worker = stuck_add_thread(s, a->proc, 11);
	stuck_add_provider(stuck_add_need(worker, WANT_WAKE), a->proc, WHY_OWN_THREADS, 0);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "deadlock");
	CHECK_STR(stuck_verdict_name(worker->verdict), "not-waiting");
	CHECK_EQ_U64(s->rings[0].count, 2);
}

TEST(own_end_withholds_end_of_file)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);

	waits_for(a, a->proc)->thing = stuck_thing_add(s, LENS_OBJECT_PIPE, "pipe:1");
	waits_for(b, a->proc);
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "eof-leak");
	CHECK_STR(stuck_verdict_name(b->verdict), "dead-end");
}

/* who could help itself, were it not stuck, is not all of the ring if there are others */
TEST(ring_goes_by_others)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *c = thread_of(s, 3);

	stuck_add_provider(waits_for(a, a->proc), b->proc, WHY_MAPS, 0);
	waits_for(b, a->proc);
	waits_for(c, c->proc);
	stuck_judge(s);
	CHECK_EQ_U64(s->ring_count, 2);
	CHECK_EQ_U64(s->rings[a->proc->ring - 1].count, 2);
	CHECK(s->rings[a->proc->ring - 1].procs[0] != s->rings[a->proc->ring - 1].procs[1]);
	CHECK_EQ_U64(s->rings[c->proc->ring - 1].count, 1);
}

/* nor are two that pass on what others say, and listen to each other, what a cycle is about */
TEST(ring_goes_by_relays)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *client = thread_of(s, 1), *server = thread_of(s, 2);
	struct stuck_thread *user = thread_of(s, 3), *command = thread_of(s, 4);

	waits_for(client, server->proc);
	waits_for(client, user->proc);
	waits_for(server, client->proc);
	waits_for(server, command->proc);
	stuck_add_provider(stuck_add_need(user, WANT_EXIT), client->proc, WHY_IS_CHILD, 0);
	stuck_add_provider(stuck_add_need(command, WANT_LOCK), user->proc, WHY_OWNS_LOCK, 0);
	stuck_judge(s);
	CHECK_EQ_U64(s->ring_count, 1);
	CHECK(client->proc->on_ring && user->proc->on_ring);
	/* whoever waits for a lock, not those who just listen, is where it begins */
	CHECK_EQ_U64(s->rings[0].count, 2);
	client->needs[1].provider_count = 0;
	stuck_judge(s);
	CHECK_EQ_U64(s->rings[0].count, 4);
}

TEST(orphan_withholds_end_of_file)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2);

	waits_for(a, b->proc)->thing = stuck_thing_add(s, LENS_OBJECT_PIPE, "pipe:1");
	b->own = HOPE_RUNS;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "waiting");
	b->proc->flags = LENS_THREAD_ADOPTED | LENS_THREAD_LEADERLESS;
	b->proc->written = 1;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "waiting");
	b->proc->written = 0;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "eof-leak");
	CHECK(!a->certain);
	CHECK(s->roots[0].proc == b->proc);
	/* a process that waits for its own child knows what it does */
	b->proc->parent = 1;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "waiting");
}

TEST(every_lock_has_to_go)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct stuck_thread *a = thread_of(s, 1), *b = thread_of(s, 2), *c = thread_of(s, 3);
	struct stuck_need *n = stuck_add_need(a, WANT_LOCK);

	n->all_groups = true;
	stuck_add_provider(n, b->proc, WHY_OWNS_LOCK, 0)->group = 1;
	stuck_add_provider(n, c->proc, WHY_OWNS_LOCK, 0)->group = 2;
	waits_for(b, a->proc);
	c->own = HOPE_RUNS;
	stuck_judge(s);
	CHECK_STR(stuck_verdict_name(a->verdict), "deadlock");
	CHECK_STR(stuck_verdict_name(b->verdict), "deadlock");
}

/* -------------------------------------------------------------------- oracle */

enum { PROCS_MAX = 6 };

static uint64_t seed;

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static void random_need(struct stuck *s, struct stuck_thread *t)
{
	struct stuck_need *n = stuck_add_need(t, pick(2) ? WANT_DATA : WANT_ROOM);
	unsigned providers = pick(3);

	if (!pick(12))
		n->outside = pick(2) ? HOPE_OUTSIDE : HOPE_RUNS;
	n->all_groups = !pick(4);
	for (unsigned i = 0; i < providers; i++) {
		struct stuck_proc *p = s->procs[pick(s->proc_count)];
		struct stuck_provider *v = stuck_add_provider(n, p, WHY_HOLDS_END, i);

		if (v)
			v->group = n->all_groups ? i : 0;
	}
}

static struct stuck *random_graph(void)
{
	struct stuck *s = stuck_new();
	unsigned procs = 2 + pick(PROCS_MAX - 1);

	for (unsigned i = 0; i < procs; i++)
		thread_of(s, 10 + i);
	for (unsigned i = pick(3); i; i--)
		stuck_add_thread(s, s->procs[pick(procs)], 100 + i)->rec.state = 1;
	for (size_t i = 0; i < s->thread_count; i++) {
		if (!pick(8))
			s->threads[i]->own = 1 + pick(3);
		for (unsigned k = 1 + pick(2); k; k--)
			random_need(s, s->threads[i]);
	}
	return s;
}

/* the best that any proof without a process twice on its way gives */
static int prove_proc(const struct stuck_proc *p, unsigned path);

static int prove_need(const struct stuck_need *n, unsigned path)
{
	int best = 0, worst = HOPE_RUNS;

	for (size_t i = 0; i < n->provider_count; i++) {
		int hope = prove_proc(n->providers[i].proc, path);

		best = hope > best ? hope : best;
		worst = hope < worst ? hope : worst;
	}
	if (n->all_groups)
		best = n->provider_count ? worst : 0;
	return best > (int)n->outside ? best : (int)n->outside;
}

static int prove_thread(const struct stuck_thread *t, unsigned path)
{
	int best = t->own;

	for (size_t i = 0; t->own != HOPE_STOPPED && i < t->need_count; i++) {
		int hope = prove_need(&t->needs[i], path);

		best = hope > best ? hope : best;
	}
	return best;
}

static int prove_proc(const struct stuck_proc *p, unsigned path)
{
	unsigned bit = 1u << (p->key.tgid - 10);
	int best = 0;

	if (path & bit)
		return 0;
	for (size_t i = 0; i < p->thread_count; i++) {
		int hope = prove_thread(p->threads[i], path | bit);

		best = hope > best ? hope : best;
	}
	return best;
}

/* who waits, without hope, for whom: closed over any number of steps */
static void close_over(const struct stuck *s, bool reach[PROCS_MAX + 1][PROCS_MAX + 1])
{
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];

		for (size_t j = 0; !prove_proc(t->proc, 0) && j < t->need_count; j++)
			for (size_t k = 0; k < t->needs[j].provider_count; k++) {
				const struct stuck_proc *p = t->needs[j].providers[k].proc;

				if (!prove_proc(p, 0))
					reach[t->proc->key.tgid - 10][p->key.tgid - 10] = true;
			}
	}
	for (size_t k = 0; k < s->proc_count; k++)
		for (size_t i = 0; i < s->proc_count; i++)
			for (size_t j = 0; j < s->proc_count; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
}

static const char *expected(const struct stuck *s, const struct stuck_thread *t,
			    bool reach[PROCS_MAX + 1][PROCS_MAX + 1])
{
	bool loops = false;

	for (size_t j = 0; j < t->need_count; j++)
		for (size_t k = 0; k < t->needs[j].provider_count; k++) {
			size_t p = t->needs[j].providers[k].proc->key.tgid - 10;

			loops |= reach[p][p] && !prove_proc(s->procs[p], 0);
			for (size_t q = 0; q < s->proc_count; q++)
				loops |= reach[p][q] && reach[q][q];
		}
	return loops ? "deadlock" : "dead-end";
}

static void check_graph(struct stuck *s)
{
	bool reach[PROCS_MAX + 1][PROCS_MAX + 1] = {};

	stuck_judge(s);
	close_over(s, reach);
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];
		int hope = prove_thread(t, 0);

		CHECK_EQ_I64(t->hope, hope);
		if (!hope)
			CHECK_STR(stuck_verdict_name(t->verdict), expected(s, t, reach));
		else
			CHECK(t->verdict < STUCK_EOF_LEAK);
		if (hope > HOPE_STOPPED)
			CHECK(!stuck_verdict_is_bad(t->verdict));
	}
	for (size_t i = 0; i < s->ring_count; i++) {
		const struct stuck_ring *r = &s->rings[i];

		for (size_t j = 0; j < r->count; j++)
			CHECK(reach[r->procs[j]->key.tgid - 10]
				   [r->procs[(j + 1) % r->count]->key.tgid - 10]);
	}
}

TEST(random_graphs)
{
	for (unsigned i = 0; i < 20000; i++) {
		_cleanup_(stuck_freep) struct stuck *s = NULL;

		seed = i + 1;
		s = random_graph();
		check_graph(s);
	}
}
