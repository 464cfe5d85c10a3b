/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who could wake a thread that sleeps at words of memory: whoever has it mapped.
 */
#include "looked.h"

#define INITIAL_PIDNS 0xeffffffc

static unsigned words_read;

/* of 7, as its thread tid tells it */
static struct lens_rec_mapping words_mapping(uint32_t tid)
{
	return (struct lens_rec_mapping){ .proc = { .start_ns = 1, .tgid = 7 }, .tid = tid,
					  .start = 0x1000, .end = 0x2000, .object = 1, .ino = 1,
					  .sequence = 5, .file = 1 };
}

static void make_words(struct stuck *s)
{
	struct {
		struct lens_rec_memory r;
		struct lens_word word[2];
	} set = { .r = { .proc = { .start_ns = 1, .tgid = 7 }, .tid = 7,
			 .call = LENS_CALL_FUTEX_WAITV,
			 .size = words_read * sizeof(struct lens_word) },
		  .word = { { .sequence = 5, .offset = 8 }, { .offset = 0x2000 } } };
	struct lens_rec_mapping map = words_mapping(7);
	struct lens_rec_thread other = look_sleeper(8, LENS_CALL_PAUSE, 0);

	look_apply(s, &set, LENS_REC_MEMORY, sizeof(set.r) + set.r.size);
	look_apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	map.proc.tgid = map.tid = 8;
	look_apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &other, LENS_REC_THREAD, sizeof(other));
}

TEST(words_of_a_set)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_FUTEX_WAITV, 0x500000);
	const struct stuck_thread *waiter;

	t.arg[1] = words_read = 2;
	look_at(s, &t, make_words);
	waiter = look_thread(s, 7);
	/* one in shared memory, one that only its own threads can reach */
	CHECK_EQ_U64(waiter->need_count, 2);
	CHECK_STR(waiter->needs[0].thing->id, "futex:0:1+0x8");
	CHECK_EQ_U64(waiter->needs[0].provider_count, 2);
	CHECK(waiter->needs[1].providers[0].why == WHY_OWN_THREADS);
	CHECK_STR(stuck_verdict_name(waiter->verdict), "waiting");
}

/* what 7 needs at the word, when all processes are seen */
static const struct stuck_need *words_need(struct stuck *s, void (*make)(struct stuck *s))
{
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_FUTEX_WAITV, 0x500000);

	t.arg[1] = words_read = 2;
	t.pidns = INITIAL_PIDNS;
	look_at(s, &t, make);
	return &look_thread(s, 7)->needs[0];
}

/* by another thread of 7 as well */
static void tell_again(struct stuck *s, uint64_t end, uint64_t refs)
{
	struct lens_rec_mapping map = words_mapping(9);

	map.end = end;
	map.refs = refs;
	look_apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	make_words(s);
}

static void tell_same(struct stuck *s) { tell_again(s, 0x2000, 2); }
static void tell_hidden(struct stuck *s) { tell_again(s, 0x2000, 3); }
static void tell_larger(struct stuck *s) { tell_again(s, 0x3000, 2); }

static void tell_sharer(struct stuck *s)
{
	struct lens_rec_thread sharer = look_sleeper(8, LENS_CALL_PAUSE, 0);

	/* before the leader does, which knows nothing of it */
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	sharer.tid = 18;
	sharer.flags = LENS_THREAD_SHARES_MEMORY;
	look_apply(s, &sharer, LENS_REC_THREAD, sizeof(sharer));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	make_words(s);
}

/* a mapping counts once, and hides no third process; one that changed meanwhile may */
TEST(mappings_that_several_tell)
{
	static const struct { void (*make)(struct stuck *s); bool hides; } cases[] = {
		{ make_words, false }, { tell_same, false }, { tell_hidden, true },
		{ tell_larger, true }, { tell_sharer, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(stuck_freep) struct stuck *s = stuck_new();
		const struct stuck_need *n = words_need(s, cases[i].make);

		CHECK(n->outside == (cases[i].hides ? HOPE_OUTSIDE : HOPE_NONE));
		if (cases[i].hides)
			CHECK_STR(n->outside_why, "a holder that is not seen");
	}
}

/* who has ended before it could be listed, or begun after, may have woken it */
static void tell_of_unlisted(struct stuck *s)
{
	struct lens_rec_mapping map = words_mapping(6);

	map.proc.tgid = 6;
	look_apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	make_words(s);
}

TEST(mapping_of_a_process_that_is_not_listed)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();

	CHECK_EQ_U64(words_need(s, tell_of_unlisted)->provider_count, 3);
}

TEST(words_that_were_not_read)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_FUTEX_WAITV, 0x500000);

	words_read = 1;
	t.arg[1] = 2;
	look_at(s, &t, make_words);
	CHECK_EQ_U64(look_thread(s, 7)->need_count, 2);
	CHECK(look_thread(s, 7)->needs[0].outside == HOPE_OUTSIDE);
}
