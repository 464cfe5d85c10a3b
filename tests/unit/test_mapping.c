/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who maps what, as records tell it, in order and out of it. */
#include "mapped.h"
#include "render/render.h"

/* nobody had it when the last look came by; who has it now is not to find it forgotten */
TEST(mapped_anew_is_not_forgotten_between_looks)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 16, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 100, 16, 0));
	f.w->max_ended = 8;
	feed_look_begin(&f);
	feed_look_end(&f);
	feed_look_settled(&f);
	f.w->max_ended = 0;
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 16, 0));
	feed_mark(&f, LENS_MARK_FOLD, 0);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 104, 2, 0));
	CHECK_EQ_U64(mapped(&f, mem, 1), 14);
}

TEST(life_of_a_mapping)
{
	_feed_ struct feed f = feed_new();
	const struct chan *c;

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 16, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 104, 2, 0));
	CHECK_EQ_U64(mapped(&f, mem, 1), 14);
	feed_proc(&f, 2, 1, LENS_PROC_FORK);
	CHECK_EQ_U64(mapped(&f, mem, 2), 14);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 1000, 0));
	CHECK_EQ_U64(mapped(&f, mem, 1), 0);
	feed_proc(&f, 3, 2, LENS_PROC_FORK);
	feed_proc(&f, 3, 2, LENS_PROC_EXEC);
	CHECK_EQ_U64(mapped(&f, mem, 3), 0);
	CHECK_EQ_U64(mapped(&f, mem, 2), 14);
	feed_exit(&f, 2, 0);
	CHECK_EQ_U64(mapped(&f, mem, 2), 0);
	c = feed_chan_of(&f, mem);
	CHECK_EQ_U64(chan_memory(c)->mappers, 0);
	CHECK_EQ_U64(chan_memory(c)->peak_mappers, 2);
	CHECK_EQ_U64(chan_memory(c)->overlap_peak_bytes, 14 * PAGE);
	CHECK_EQ_U64(chan_memory(c)->extent, 16 * PAGE);
	CHECK_EQ_U64(end_mapper(feed_end_of(&f, mem, 1))->unmaps, 2);
	CHECK(end_mapper(feed_end_of(&f, mem, 2))->how == MAPPER_INHERITED);
	CHECK_EQ_U64(end_mapper(feed_end_of(&f, mem, 2))->from.tgid, 1);
}

TEST(look_is_younger_than_what_waited_in_the_ring)
{
	_feed_ struct feed f = feed_new();
	uint64_t now;

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 8, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 2, 100, 8, 0));
	now = f.ts_ns + 1000;
	f.ts_ns = now;
	feed_look_begin(&f);
	feed_map(&f, range(LENS_MAP_FOUND, &mem, 1, 100, 8, 0));
	/* older than the look: an unmapping after which it was mapped again, and another */
	f.ts_ns = now - 100;
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 100, 8, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 8, 0));
	/* younger than the walk, and not to be forgotten for not being found by it */
	f.ts_ns = now + 100;
	feed_map(&f, range(LENS_MAP_MAP, &mem, 3, 100, 4, 0));
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK_EQ_U64(mapped(&f, mem, 1), 8);
	CHECK_EQ_U64(mapped(&f, mem, 2), 0);	/* its end was lost */
	CHECK_EQ_U64(mapped(&f, mem, 3), 4);
	CHECK(!feed_chan_of(&f, mem)->gone);
}

/* who observes from a pid namespace hears of others, and does not find them */
TEST(look_that_does_not_come_by_all)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_proc seen = { .proc = feed_key(1), .why = LENS_PROC_SEEN };

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(&f);
	seen.h.flags = LENS_F_SNAPSHOT;
	feed_raw(&f, &seen, LENS_REC_PROC, sizeof(seen));
	feed_look_end(&f);
	feed_look_settled(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 8, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 2, 100, 8, 0));
	f.ts_ns += 1000;
	feed_look_begin(&f);
	feed_look_end(&f);
	feed_look_settled(&f);
	CHECK_EQ_U64(mapped(&f, mem, 1), 0);
	CHECK_EQ_U64(mapped(&f, mem, 2), 8);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 2, 100, 8, 0));
	CHECK_EQ_U64(mapped(&f, mem, 2), 0);
}

TEST(remapping)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_map move = range(LENS_MAP_MOVE, &mem, 1, 200, 8, 0);

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 4, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 202, 4, 32));
	move.from = 100 * PAGE;
	move.from_len = 4 * PAGE;
	feed_map(&f, move);
	CHECK_EQ_U64(mapped(&f, mem, 1), 8);
	CHECK_EQ_U64(feed_proc_of(&f, 1)->space->count, 1);
	/* something private moves over it */
	move = range(LENS_MAP_MOVE, NULL, 1, 204, 100, 0);
	feed_map(&f, move);
	CHECK_EQ_U64(mapped(&f, mem, 1), 4);
}

TEST(protection)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_map r = range(LENS_MAP_PROTECT, NULL, 1, 102, 2, 0);
	const struct space *s;

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 8, 0));
	r.prot = LENS_PROT_READ;
	feed_map(&f, r);
	s = feed_proc_of(&f, 1)->space;
	CHECK_EQ_U64(s->count, 3);
	CHECK_EQ_U64(s->ranges[1].prot, LENS_PROT_READ | LENS_PROT_MAY_WRITE);
	CHECK_EQ_U64(s->ranges[2].offset, 4 * PAGE);
	CHECK_EQ_U64(mapped(&f, mem, 1), 8);
}

TEST(segment_detaches_as_a_whole)
{
	_feed_ struct feed f = feed_new();
	const struct chan *c;

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_ATTACH, &seg, 1, 100, 8, 0));
	feed_map(&f, range(LENS_MAP_ATTACH, &seg, 1, 200, 8, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 103, 1, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 103, 1, 3));
	/* the memfd lies where the segment would: it stays */
	feed_map(&f, range(LENS_MAP_DETACH, NULL, 1, 100, 1, 0));
	CHECK_EQ_U64(mapped(&f, seg, 1), 8);
	CHECK_EQ_U64(mapped(&f, mem, 1), 1);
	feed_map(&f, range(LENS_MAP_REMOVE, &seg, 1, 0, 0, 0));
	c = feed_chan_of(&f, seg);
	CHECK(chan_memory(c)->removed && !c->gone);
	feed_map(&f, range(LENS_MAP_DETACH, NULL, 1, 200, 1, 0));
	CHECK(c->gone);
	CHECK_EQ_U64(end_mapper(feed_end_of(&f, seg, 1))->unmaps, 3);
}

/* each shmat(2) opens the segment anew, and shmdt(2) takes what is of the first it meets */
TEST(segment_attached_twice_in_one_place)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_map moved = range(LENS_MAP_MOVE, &seg, 1, 206, 2, 6);

	moved.from = 106 * PAGE;
	moved.from_len = 2 * PAGE;
	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_ATTACH, &seg, 1, 100, 8, 0));
	feed_map(&f, range(LENS_MAP_ATTACH, &seg, 1, 200, 8, 0));
	/* the end of the first takes the place of the other's */
	feed_map(&f, moved);
	CHECK_EQ_U64(mapped(&f, seg, 1), 14);
	feed_map(&f, range(LENS_MAP_FOUND, &seg, 1, 206, 2, 6));
	feed_map(&f, range(LENS_MAP_DETACH, NULL, 1, 200, 1, 0));
	CHECK_EQ_U64(mapped(&f, seg, 1), 8);
	/* now it is the first that is met there */
	feed_map(&f, range(LENS_MAP_DETACH, NULL, 1, 200, 1, 0));
	CHECK_EQ_U64(mapped(&f, seg, 1), 6);
	feed_map(&f, range(LENS_MAP_DETACH, NULL, 1, 100, 1, 0));
	CHECK_EQ_U64(mapped(&f, seg, 1), 0);
}

/* ----------------------------------------------------------------- overlap */

#define OBJECT_PAGES 40

static uint64_t random_below(uint64_t *seed, uint64_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (*seed >> 33) % below;
}

TEST(overlap_agrees_with_single_pages)
{
	for (uint64_t seed = 1; seed < 1500; seed++) {
		_feed_ struct feed f = feed_new();
		uint32_t who[OBJECT_PAGES] = {};
		uint64_t state = seed, shared = 0;

		feed_start_empty(&f);
		for (unsigned i = 0; i < 12; i++) {
			uint32_t pid = 1 + (uint32_t)random_below(&state, 4);
			uint64_t offset = random_below(&state, OBJECT_PAGES);
			uint64_t len = 1 + random_below(&state, OBJECT_PAGES - offset);

			feed_map(&f, range(LENS_MAP_MAP, &mem, pid, 100 + i * 50, len, offset));
			for (uint64_t page = offset; page < offset + len; page++)
				who[page] |= 1u << pid;
		}
		for (unsigned i = 0; i < OBJECT_PAGES; i++)
			shared += __builtin_popcount(who[i]) > 1;
		world_settle(f.w);
		CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->overlap_bytes, shared * PAGE);
		CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->overlap_peak_bytes, shared * PAGE);
	}
}

/* --------------------------------------------------------------- forgetting */

static void feed_look(struct feed *f, uint32_t keeper)
{
	feed_look_begin(f);
	f->ts_ns += 10;
	feed_map(f, range(LENS_MAP_FOUND, &mem, keeper, 100, 1, 0));
	feed_look_end(f);
	f->ts_ns += 10;
	feed_look_settled(f);
}

static uint64_t woken_in_all(const struct feed *f, uint32_t from)
{
	const struct memory *m = chan_memory(feed_chan_of((struct feed *)f, mem));
	uint64_t sum = 0;

	for (size_t i = 0; i < m->handoff_count; i++)
		if (m->handoffs[i].from && m->handoffs[i].from->key.tgid == from)
			sum += m->handoffs[i].count;
	return sum;
}

/* each maps the object, is woken once by process 1, has a child, and ends */
TEST(mappers_that_end_are_summed_up)
{
	_feed_ struct feed f = feed_new();
	const struct chan *c;
	uint32_t count = 300, at = 1000;

	f.w->max_ended = 20;
	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 1, 0));
	for (uint32_t i = 1; i <= count; i++) {
		feed_proc(&f, ++at, 1, LENS_PROC_FORK);
		feed_map(&f, range(LENS_MAP_MAP, &mem, at, 300, 2, 0));
		feed_proc(&f, at + 1, at, LENS_PROC_FORK);
		feed_edge(&f, 1, LENS_WRITE, 0, i);
		feed_edge(&f, at, LENS_READ, 0, 1);
		feed_exit(&f, at++, 0);
		feed_exit(&f, at, 0);
		if (i % 50 == 0)
			feed_look(&f, 1);
	}
	feed_look(&f, 1);
	feed_look(&f, 1);
	world_settle(f.w);
	c = feed_chan_of(&f, mem);
	CHECK_EQ_U64(c->end_count, 1 + 20);
	CHECK_EQ_U64(chan_memory(c)->folded.procs + c->end_count, 1 + 2 * count);
	CHECK_EQ_U64(chan_memory(c)->folded.maps + 10, count);
	CHECK_EQ_U64(chan_memory(c)->mappers, 1);
	CHECK_EQ_U64(hash_count(f.w->procs), 1 + 20 + 20);
	CHECK_EQ_U64(woken_in_all(&f, 1), count);
	CHECK_EQ_U64(handoff(&f, 1, 0, 0)->count, count - 10);
	/* what the kernel still counts for one that is forgotten brings nothing back */
	feed_edge(&f, 1001, LENS_READ, 0, 1);
	CHECK_EQ_U64(hash_count(f.w->procs), 1 + 20 + 20);
	CHECK_EQ_U64(f.w->folded_procs + hash_count(f.w->procs), 1 + 2 * count);
}

/* a count of a channel that is gone stays in the kernel as long as its process lives */
TEST(handoffs_bring_no_object_back)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	feed_mappers(&f, 2);
	feed_edge(&f, 1, LENS_WRITE, 0, 1);
	feed_edge(&f, 2, LENS_READ, 0, 1);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 1000, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 2, 0, 1000, 0));
	for (unsigned i = 0; i < 3; i++) {
		feed_look_begin(&f);
		feed_look_end(&f);
		feed_look_settled(&f);
		feed_edge(&f, 1, LENS_WRITE, 0, 1);
	}
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
	CHECK_EQ_U64(f.w->folded_chans, 1);
	CHECK_EQ_U64(((struct fold *)hash_at(f.w->folds, 0))->shared, 1);
}

/* -------------------------------------------------------------------- crowds */

/*
 * These end in time only if no record costs as much as all that is mapped: the
 * alarm of the tests is what fails.
 */
#define CROWD 20000u

/* every other page of one object, or a page of objects of their own, downwards as a kernel maps */
static void map_crowd(struct feed *f, uint32_t pid, bool one_object)
{
	struct lens_chan chan = mem;

	for (unsigned i = 0; i < CROWD; i++) {
		chan.ino = one_object ? mem.ino : 1000 + i;
		feed_map(f, range(LENS_MAP_MAP, &chan, pid, 2 * (CROWD - i), 1,
				  one_object ? 2 * i : 0));
	}
}

TEST(many_ranges_of_one_object)
{
	_feed_ struct feed f = feed_new();
	const struct chan *c;

	feed_start_empty(&f);
	map_crowd(&f, 1, true);
	map_crowd(&f, 2, true);
	feed_proc(&f, 3, 1, LENS_PROC_FORK);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 2 * CROWD + 1, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 3, 0, CROWD + 1, 0));
	world_settle(f.w);
	c = feed_chan_of(&f, mem);
	CHECK_EQ_U64(mapped(&f, mem, 3), CROWD / 2);
	CHECK_EQ_U64(chan_memory(c)->overlap_bytes, CROWD / 2 * PAGE);
	CHECK_EQ_U64(chan_memory(c)->overlap_peak_bytes, CROWD / 2 * PAGE);
	CHECK(chan_memory(c)->overlap_peak_is_low);
}

TEST(forks_of_many_ranges)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	for (unsigned i = 0; i < 500; i++)
		feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100 + 2 * i, 1, 2 * i));
	for (uint32_t pid = 2; pid < 1000; pid++)
		feed_proc(&f, pid, 1, LENS_PROC_FORK);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->mappers, 999);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->overlap_peak_bytes, 500 * PAGE);
}

/* a look tells of what lies there now before the ring tells of what lay there earlier */
TEST(mapped_before_what_a_look_found)
{
	struct lens_chan later = { .ino = 8, .dev = 1, .gen = 99, .kind = LENS_KIND_MEMFD };
	_feed_ struct feed f = feed_new();
	const struct mapper *m;

	f.ts_ns += 100;
	feed_map(&f, range(LENS_MAP_FOUND, &later, 1, 100, 4, 0));
	f.ts_ns -= 100;
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 4, 0));
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 100, 4, 0));
	CHECK_EQ_U64(mapped(&f, later, 1), 4);
	CHECK_EQ_U64(mapped(&f, mem, 1), 0);
	m = end_mapper(feed_end_of(&f, mem, 1));
	CHECK(m->is_mapper);
	CHECK_EQ_U64(m->prot_ever, MAY_WRITE);
	CHECK_EQ_U64(m->peak_bytes, 4 * PAGE);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->peak_mappers, 1);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->extent, 4 * PAGE);
}

/* a look may find what a child has before the fork is told of, and its parent's once more */
TEST(found_before_the_fork)
{
	_feed_ struct feed f = feed_new();
	const struct mapper *m;

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 4, 0));
	f.ts_ns += 100;
	feed_map(&f, range(LENS_MAP_FOUND, &mem, 1, 100, 4, 0));
	feed_map(&f, range(LENS_MAP_FOUND, &mem, 2, 100, 4, 0));
	f.ts_ns -= 50;
	feed_proc(&f, 2, 1, LENS_PROC_FORK);
	m = end_mapper(feed_end_of(&f, mem, 2));
	CHECK_EQ_U64(m->how, MAPPER_INHERITED);
	CHECK_EQ_U64(m->from.tgid, 1);
	CHECK_EQ_U64(mapped(&f, mem, 2), 4);
}

/* the end of a process is told before its memory goes: a look may still come by it */
TEST(found_after_the_exit)
{
	_feed_ struct feed f = feed_new();

	feed_start_empty(&f);
	feed_map(&f, range(LENS_MAP_MAP, &mem, 1, 100, 4, 0));
	feed_map(&f, range(LENS_MAP_MAP, &mem, 2, 100, 4, 0));
	feed_exit(&f, 2, 0);
	f.ts_ns += 10;
	feed_map(&f, range(LENS_MAP_FOUND, &mem, 2, 100, 4, 0));
	CHECK_EQ_U64(mapped(&f, mem, 2), 0);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, mem))->mappers, 1);
}

TEST(many_objects)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan last = mem;

	feed_start_empty(&f);
	map_crowd(&f, 1, false);
	feed_proc(&f, 2, 1, LENS_PROC_FORK);
	world_settle(f.w);
	last.ino = 1000 + CROWD - 1;
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, last))->overlap_bytes, PAGE);
	feed_map(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 2 * CROWD + 1, 0));
	CHECK_EQ_U64(f.w->map_change_count, CROWD);
	CHECK_EQ_U64(end_mapper(feed_end_of(&f, last, 1))->unmaps, 1);
	world_settle(f.w);
	CHECK_EQ_U64(chan_memory(feed_chan_of(&f, last))->overlap_bytes, 0);
	CHECK_EQ_U64(mapped(&f, last, 2), 1);
}

/* children that have all their parent's mappings and end, and no look comes by */
TEST(forks_between_two_looks)
{
	_feed_ struct feed f = feed_new();
	const struct chan *c;
	size_t ends = 0;

	f.w->max_ended = 100;
	feed_start_empty(&f);
	for (unsigned i = 0; i < 1000; i++) {
		struct lens_chan chan = mem;

		chan.ino = 1000 + i;
		feed_map(&f, range(LENS_MAP_MAP, &chan, 1, 100 + 2 * i, 1, 0));
	}
	for (uint32_t pid = 2; pid < 202; pid++) {
		feed_proc(&f, pid, 1, LENS_PROC_FORK);
		feed_exit(&f, pid, 0);
	}
	for (size_t i = 0; i < hash_count(f.w->chans); i++) {
		c = hash_at(f.w->chans, i);
		ends += c->end_count;
		CHECK_EQ_U64(chan_memory(c)->folded.procs + c->end_count, 201);
	}
	CHECK(ends < 70000);
	CHECK(!((struct proc *)hash_at(f.w->procs, 1))->space->memory);
}

/* ------------------------------------------------------------------- traces */

static char *trace_map(struct feed *f, struct lens_rec_map r)
{
	static const struct render_options everything;
	struct event ev = { .type = LENS_REC_MAP, .ts_ns = f->ts_ns };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	feed_map(f, r);
	ev.lens_rec_map = &r;
	render_trace_map(out, f->w, &everything, &ev, false);
	fclose(out);
	/* without the time of day */
	memmove(text, text + strcspn(text, " "), strlen(text + strcspn(text, " ")) + 1);
	return text;
}

static void check_trace(struct feed *f, struct lens_rec_map r, const char *want)
{
	_cleanup_free_ char *got = trace_map(f, r);

	CHECK_STR(got, want);
}

TEST(lines_of_a_trace)
{
	_feed_ struct feed f = feed_new();
	struct lens_chan file = { .ino = 9, .dev = 1, .kind = LENS_KIND_MMAP_FILE };
	struct lens_rec_map r = range(LENS_MAP_MAP, &file, 1, 500, 1, 0);

	setenv("TZ", "UTC", 1);
	feed_start_empty(&f);
	check_trace(&f, range(LENS_MAP_MAP, &mem, 1, 100, 4, 0),
		    " ?(1/1) mmap +16.0 KiB rw at 0x64000 memfd[7] with -\n");
	check_trace(&f, range(LENS_MAP_ATTACH, &seg, 2, 100, 4, 0),
		    " ?(2/2) shmat +16.0 KiB rw at 0x64000 key=0x00000000 id=3 with -\n");
	/* one call that is about two objects; what it replaces goes */
	check_trace(&f, range(LENS_MAP_MAP, &mem, 2, 102, 4, 0),
		    " ?(2/2) mmap -8.0 KiB at 0x66000 key=0x00000000 id=3 with -\n"
		    "00:00:00.001000 ?(2/2) mmap +16.0 KiB rw at 0x66000 memfd[7] with ?(1)\n");
	r.prot = LENS_PROT_READ;
	/* nobody maps it to write, and nothing is said of it */
	check_trace(&f, r, "");
	r = range(LENS_MAP_PROTECT, NULL, 1, 101, 1, 0);
	check_trace(&f, r, " ?(1/1) mprotect 4.0 KiB - at 0x65000 memfd[7] with ?(2)\n");
	check_trace(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 1000, 0),
		    " ?(1/1) munmap -16.0 KiB at 0x64000 memfd[7] with ?(2)\n");
	/* nothing shared was there */
	check_trace(&f, range(LENS_MAP_UNMAP, NULL, 1, 0, 1000, 0), "");
}
