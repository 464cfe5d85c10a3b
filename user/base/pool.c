// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pieces of memory of one size, a million of them without a header each. What was
 * given back is used again, and stays with the pool until that goes.
 */
#include <assert.h>
#include <sanitizer/asan_interface.h>

#include "base/base.h"

#define BLOCK_BYTES 65536

struct piece {
	struct piece *next;
};

struct block {
	struct block *next;
	char pieces[];
};

struct pool {
	size_t size;		/* of a piece */
	struct piece *unused;	/* given back */
	struct block *blocks;	/* the first one may have room */
	size_t taken;		/* bytes of that one */
};

struct pool *pool_new(size_t size)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	const size_t align = _Alignof(struct piece);

	assert(size >= sizeof(struct piece) && size <= BLOCK_BYTES);
	p->size = (size + align - 1) / align * align;
	p->taken = BLOCK_BYTES;
	return p;
}

void pool_free(struct pool *p)
{
	struct block *next;

	for (struct block *b = p->blocks; b; b = next) {
		ASAN_UNPOISON_MEMORY_REGION(b->pieces, BLOCK_BYTES);
		next = b->next;
		free(b);
	}
	free(p);
}

static void *cut_piece(struct pool *p)
{
	struct block *b = p->blocks;

	if (p->taken + p->size > BLOCK_BYTES) {
		b = xcalloc(1, sizeof(*b) + BLOCK_BYTES);
		ASAN_POISON_MEMORY_REGION(b->pieces, BLOCK_BYTES);
		b->next = p->blocks;
		p->blocks = b;
		p->taken = 0;
	}
	p->taken += p->size;
	return b->pieces + p->taken - p->size;
}

void *pool_get(struct pool *p)
{
	struct piece *piece = p->unused;

	if (!piece) {
		piece = cut_piece(p);
		ASAN_UNPOISON_MEMORY_REGION(piece, p->size);
		return piece;
	}
	ASAN_UNPOISON_MEMORY_REGION(piece, p->size);
	p->unused = piece->next;
	return memset(piece, 0, p->size);
}

void pool_put(struct pool *p, void *used)
{
	struct piece *piece = used;

	piece->next = p->unused;
	p->unused = piece;
	/* whoever still looks at it is told of by the address sanitizer */
	ASAN_POISON_MEMORY_REGION(piece, p->size);
}
