/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pieces of one size: zeroed, apart from each other, used again.
 */
#include "test.h"

#include "base/base.h"

struct thing {
	uint64_t words[5];
};

#define MANY 10000 /* of several blocks */

TEST(pieces_are_zeroed_and_apart)
{
	static struct thing *things[MANY];
	struct pool *p = pool_new(sizeof(struct thing));
	const struct thing zero = {};

	for (size_t i = 0; i < MANY; i++) {
		things[i] = pool_get(p);
		CHECK(!memcmp(things[i], &zero, sizeof(zero)));
		memset(things[i], (int)i, sizeof(*things[i]));
	}
	for (size_t i = 0; i < MANY; i++)
		for (size_t w = 0; w < sizeof(zero); w++)
			if (((unsigned char *)things[i])[w] != (unsigned char)i)
				CHECK_EQ_U64(((unsigned char *)things[i])[w], (unsigned char)i);
	pool_free(p);
}

TEST(what_was_given_back_is_used_again)
{
	struct pool *p = pool_new(sizeof(struct thing));
	struct thing *first = pool_get(p), *second = pool_get(p), *again;

	memset(first, 0xff, sizeof(*first));
	pool_put(p, first);
	pool_put(p, second);
	again = pool_get(p);
	CHECK(again == second);
	again = pool_get(p);
	CHECK(again == first);
	CHECK_EQ_U64(again->words[0] | again->words[4], 0);
	CHECK(pool_get(p) != second);
	pool_free(p);
}

TEST(any_size_is_aligned)
{
	struct pool *p = pool_new(13);

	for (int i = 0; i < 3; i++)
		CHECK_EQ_U64((uintptr_t)pool_get(p) % _Alignof(void *), 0);
	pool_free(p);
}
