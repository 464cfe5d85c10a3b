/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The hash map: finds what was added, nothing else, in the order of adding.
 */
#include "test.h"

#include "base/base.h"

struct key {
	uint64_t a;
	uint32_t b, c;
};

/* values only need to be different and not NULL */
static void *value(size_t n)
{
	return (void *)(uintptr_t)(n + 1);
}

TEST(empty)
{
	_cleanup_(hash_freep) struct hash *h = hash_new(8);
	uint64_t key = 0;

	CHECK_EQ_U64(hash_count(h), 0);
	CHECK(!hash_get(h, &key));
	hash_free(NULL);
}

TEST(finds_what_was_added)
{
	_cleanup_(hash_freep) struct hash *h = hash_new(sizeof(struct key));
	const size_t count = 100000;

	for (size_t i = 0; i < count; i++) {
		struct key key = { .a = i / 7, .b = i % 7, .c = 3 };

		CHECK(!hash_get(h, &key));
		hash_add(h, &key, value(i));
		CHECK(hash_get(h, &key) == value(i));
	}
	CHECK_EQ_U64(hash_count(h), count);
	for (size_t i = 0; i < count; i++) {
		struct key key = { .a = i / 7, .b = i % 7, .c = 3 };

		CHECK(hash_get(h, &key) == value(i));
		key.c = 4;
		CHECK(!hash_get(h, &key));
		key.c = 3;
		key.b += 7;
		CHECK(!hash_get(h, &key));
	}
}

TEST(the_first_to_claim_a_key_has_it)
{
	_cleanup_(hash_freep) struct hash *h = hash_new(sizeof(uint64_t));
	const uint64_t count = 20000;

	for (size_t round = 0; round < 2; round++)
		for (uint64_t i = 0; i < count; i++)
			CHECK(hash_claim(h, &i, value(i + round)) == value(i));
	CHECK_EQ_U64(hash_count(h), count);
	for (uint64_t i = 0; i < count; i++) {
		CHECK(hash_get(h, &i) == value(i));
		CHECK(hash_at(h, i) == value(i));
	}
}

TEST(iterates_in_order_of_insertion)
{
	_cleanup_(hash_freep) struct hash *h = hash_new(4);

	for (uint32_t i = 0; i < 5000; i++) {
		/* odd factor: all different, in no order */
		uint32_t key = i * 2654435761u;

		hash_add(h, &key, value(i));
	}
	for (size_t i = 0; i < 5000; i++)
		CHECK(hash_at(h, i) == value(i));
}

/* every byte of a key counts, whatever its size */
TEST(all_key_sizes)
{
	for (size_t size = 1; size <= 40; size++) {
		_cleanup_(hash_freep) struct hash *h = hash_new(size);
		char key[40] = { 0 };

		hash_add(h, key, value(99));
		for (size_t at = 0; at < size; at++) {
			key[at] = 1;
			CHECK(!hash_get(h, key));
			hash_add(h, key, value(at));
			key[at] = 0;
		}
		for (size_t at = 0; at < size; at++) {
			key[at] = 1;
			CHECK(hash_get(h, key) == value(at));
			key[at] = 0;
		}
		CHECK(hash_get(h, key) == value(99));
	}
}

/*
 * Keys an attacker would choose against a plain modulo or xor: quadratic
 * searches would run into the time limit of the case.
 */
TEST(regular_keys_do_not_pile_up)
{
	_cleanup_(hash_freep) struct hash *high = hash_new(8);
	_cleanup_(hash_freep) struct hash *twins = hash_new(16);
	_cleanup_(hash_freep) struct hash *firsts = hash_new(16);
	const uint64_t count = 300000;

	alarm(20);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t key = i << 40;
		uint64_t twin[2] = { i, i };
		uint64_t first[2] = { i, 0 };

		hash_add(high, &key, value(i));
		hash_add(twins, twin, value(i));
		hash_add(firsts, first, value(i));
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t key = i << 40;
		uint64_t twin[2] = { i, i };

		CHECK(hash_get(high, &key) == value(i));
		CHECK(hash_get(twins, twin) == value(i));
		twin[1] = 0;
		CHECK(hash_get(firsts, twin) == value(i));
		twin[1] = i + 1;
		CHECK(!hash_get(twins, twin));
	}
}

/* the model of a map that forgets: an array of what should be there */
static bool keep_marked(void *arg, void *v)
{
	const bool *marked = arg;

	return marked[(uintptr_t)v - 1];
}

TEST(filter_keeps_order_and_forgets_the_rest)
{
	_cleanup_(hash_freep) struct hash *h = hash_new(4);
	static bool marked[20000];
	uint32_t made = 0, random = 1;

	for (unsigned round = 0; round < 40; round++) {
		size_t expected = 0, at = 0;

		for (unsigned i = 0; i < 500; i++, made++) {
			marked[made] = true;
			hash_add(h, &made, value(made));
		}
		for (uint32_t i = 0; i < made; i++) {
			random = random * 1664525 + 1013904223;
			marked[i] = marked[i] && (random >> 24) % 8 >= round % 8;
			expected += marked[i];
		}
		hash_filter(h, keep_marked, marked);
		CHECK_EQ_U64(hash_count(h), expected);
		for (uint32_t i = 0; i < made; i++) {
			CHECK(hash_get(h, &i) == (marked[i] ? value(i) : NULL));
			if (marked[i])
				CHECK(hash_at(h, at++) == value(i));
		}
	}
}

struct thing {
	struct key key;
	bool wanted;
};

static bool keep_wanted(void *arg, void *value)
{
	struct thing *t = value;
	bool wanted = t->wanted;

	/* the map must not look at it again */
	if (!wanted)
		memset(t, 0xff, sizeof(*t));
	return wanted;
}

TEST(keys_may_lie_in_the_values)
{
	enum { COUNT = 5000 };
	_cleanup_(hash_freep) struct hash *h = hash_new_in_values(sizeof(struct key));
	struct thing *things = xcalloc(COUNT, sizeof(*things));

	for (uint32_t i = 0; i < COUNT; i++) {
		things[i] = (struct thing){ .key = { .a = i / 3, .b = i % 3 },
					    .wanted = i % 5 == 0 };
		CHECK(hash_claim(h, &things[i].key, &things[i]) == &things[i]);
		CHECK(hash_claim(h, &things[i / 2].key, &things[i]) == &things[i / 2]);
	}
	hash_filter(h, keep_wanted, NULL);
	CHECK_EQ_U64(hash_count(h), COUNT / 5);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct key key = { .a = i / 3, .b = i % 3 };

		CHECK(hash_get(h, &key) == (i % 5 ? NULL : &things[i]));
	}
	for (uint32_t i = 0; i < COUNT / 5; i++)
		CHECK(hash_key_at(h, i) == &things[i * 5].key);
	free(things);
}

TEST(what_is_expected_changes_nothing_else)
{
	struct hash *h = hash_new(sizeof(uint64_t));
	static int values[1000];

	hash_add(h, &(uint64_t){ 0 }, &values[0]);
	hash_expect(h, 500);
	hash_expect(h, 3);
	for (uint64_t key = 1; key < ARRAY_SIZE(values); key++) {
		hash_fetch(h, &key);
		CHECK(!hash_get(h, &key));
		hash_add(h, &key, &values[key]);
	}
	CHECK_EQ_U64(hash_count(h), ARRAY_SIZE(values));
	for (uint64_t key = 0; key < ARRAY_SIZE(values); key++) {
		CHECK(hash_get(h, &key) == &values[key]);
		CHECK(hash_at(h, key) == &values[key]);
	}
	hash_free(h);
}
