/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The range algebra of address spaces against one that knows nothing but
 * single pages: random programs of edits, with times that go back and forth.
 */
#include "model/space.h"
#include "test.h"

#define PAGES 96
#define SEEDS 4000
#define STEPS 60
#define OBJECTS 3
#define PAGE 4096u

struct page {
	bool mapped;
	unsigned object;
	uint64_t offset, ns;
	uint32_t prot;
};

struct model {
	struct space *space;
	struct page page[PAGES];
	struct endpoint end[OBJECTS];
	int64_t bytes[OBJECTS];		/* as the sink tells */
	uint64_t seed;
};

static uint64_t roll(struct model *m, uint64_t below)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (m->seed >> 33) % below;
}

static void on_piece(void *arg, const struct map_range *piece, bool added)
{
	struct model *m = arg;
	int64_t len = (int64_t)(piece->end - piece->start);

	CHECK(len > 0);
	m->bytes[piece->end_point - m->end] += added ? len : -len;
}

static void put(struct model *m, unsigned first, unsigned count, uint64_t ns)
{
	struct map_range r = {
		.start = first * PAGE, .end = (first + count) * PAGE, .ns = ns,
		.offset = roll(m, 1000) * PAGE, .prot = (uint32_t)roll(m, 16),
		.end_point = &m->end[roll(m, OBJECTS)],
	};

	space_put(m->space, &r, on_piece, m);
	for (unsigned i = first; i < first + count; i++)
		if (!m->page[i].mapped || m->page[i].ns <= ns)
			m->page[i] = (struct page){
				true, (unsigned)(r.end_point - m->end),
				r.offset + (i - first) * PAGE, ns, r.prot,
			};
}

static void cut(struct model *m, unsigned first, unsigned count, uint64_t ns)
{
	space_cut(m->space, first * PAGE, (first + count) * PAGE, ns, on_piece, m);
	for (unsigned i = first; i < first + count; i++)
		if (m->page[i].ns <= ns)
			m->page[i] = (struct page){};
}

static void protect(struct model *m, unsigned first, unsigned count, uint64_t ns)
{
	uint32_t prot = (uint32_t)roll(m, 8);

	space_protect(m->space, first * PAGE, (first + count) * PAGE, prot, ns);
	for (unsigned i = first; i < first + count; i++) {
		if (!m->page[i].mapped || m->page[i].ns > ns)
			continue;
		m->page[i].prot = prot | (m->page[i].prot & LENS_PROT_MAY_WRITE);
		m->page[i].ns = ns;
	}
}

static void expire(struct model *m, uint64_t ns)
{
	space_expire(m->space, ns, on_piece, m);
	for (unsigned i = 0; i < PAGES; i++)
		if (m->page[i].ns < ns)
			m->page[i] = (struct page){};
}

static void check_same(const struct model *m)
{
	int64_t bytes[OBJECTS] = {};
	size_t at = 0;

	for (size_t i = 0; i < m->space->count; i++) {
		CHECK(m->space->ranges[i].start < m->space->ranges[i].end);
		CHECK(!i || m->space->ranges[i - 1].end <= m->space->ranges[i].start);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		const struct page *p = &m->page[i];
		const struct map_range *r;

		while (at < m->space->count && m->space->ranges[at].end <= i * PAGE)
			at++;
		r = at < m->space->count ? &m->space->ranges[at] : NULL;
		CHECK_EQ_U64(r && r->start <= i * PAGE, p->mapped);
		if (!p->mapped)
			continue;
		CHECK(r->end_point == &m->end[p->object]);
		CHECK_EQ_U64(r->offset + (i * PAGE - r->start), p->offset);
		CHECK_EQ_U64(r->prot, p->prot);
		CHECK_EQ_U64(r->ns, p->ns);
		bytes[p->object] += PAGE;
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		CHECK_EQ_I64(m->bytes[i], bytes[i]);
}

static void step(struct model *m, uint64_t ns)
{
	unsigned first = (unsigned)roll(m, PAGES), count = 1 + (unsigned)roll(m, 24);

	if (first + count > PAGES)
		count = PAGES - first;
	switch (roll(m, 8)) {
	case 0:
	case 1:
	case 2:
		return put(m, first, count, ns);
	case 3:
	case 4:
		return cut(m, first, count, ns);
	case 5:
		return protect(m, first, count, ns);
	case 6:
		return put(m, first, 1, ns);
	case 7:
		if (!roll(m, 6))
			expire(m, ns > 5 ? ns - 5 : 0);
	}
}

TEST(edits_agree_with_single_pages)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct model m = { .space = space_new(), .seed = seed };

		for (uint64_t i = 0; i < STEPS; i++) {
			/* most things are told in order, some late */
			uint64_t late = roll(&m, 4) ? 0 : roll(&m, 12);

			step(&m, 20 + i - late);
			check_same(&m);
		}
		space_free(m.space);
		for (unsigned i = 0; i < OBJECTS; i++) {
			free(end_more(&m.end[i])->mapper);
			free(m.end[i].more);
		}
	}
}

TEST(edges_of_the_address_space)
{
	struct model m = { .space = space_new() };
	struct map_range all = { .end = INT64_MAX, .ns = 1, .end_point = &m.end[0] };

	space_cut(m.space, 0, UINT64_MAX, UINT64_MAX, on_piece, &m);
	CHECK_EQ_U64(m.space->count, 0);
	space_put(m.space, &all, on_piece, &m);
	space_cut(m.space, 4096, INT64_MAX - 4096, 1, on_piece, &m);
	CHECK_EQ_U64(m.space->count, 2);
	CHECK_EQ_U64(m.space->ranges[1].offset, INT64_MAX - 4096);
	space_cut(m.space, 0, UINT64_MAX, UINT64_MAX, on_piece, &m);
	CHECK_EQ_U64(m.space->count, 0);
	CHECK_EQ_I64(m.bytes[0], 0);
	space_free(m.space);
}
