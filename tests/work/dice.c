/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind dice.h: splitmix64.
 */
#include "dice.h"
#include "work.h"

static uint64_t state;

void dice_seed(uint64_t seed)
{
	state = seed;
}

unsigned draw(unsigned below)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) >> 33) % below;
}

size_t draw_len(size_t most)
{
	static const size_t bounds[] = { 8, 100, 100, 1000, 5000, 5000, 20000, 1 << 20 };
	size_t bound = bounds[draw(ARRAY_SIZE(bounds))];

	return draw((unsigned)(bound < most ? bound : most) + 1);
}
