// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Shared mappings as a look tells of them. Where the leader of a process has ended, or some of
 * its threads have tables of descriptors of their own, several of them tell of the same ones.
 */
#include "model/stuck_look.h"

static uint32_t *counter(struct hash *h, const void *key)
{
	uint32_t *n = hash_get(h, key);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		hash_add(h, key, n);
	}
	return n;
}

static struct stuck_place place_of(const struct lens_rec_mapping *r)
{
	return (struct stuck_place){ .proc = r->proc, .start = r->start, .end = r->end,
				     .offset = r->offset, .object = r->object };
}

void stuck_take_mapping(struct stuck_look *l, const struct lens_rec_mapping *r)
{
	struct stuck_teller teller = { .proc = r->proc, .tid = r->tid };
	struct stuck_place place = place_of(r);

	if (!hash_get(l->tellers, &teller)) {
		hash_add(l->tellers, &teller, l);
		++*counter(l->teller_counts, &r->proc);
	}
	if (++*counter(l->mapped, &place) > 1)
		return;
	l->mappings = xrealloc(l->mappings, l->mapping_count + 1, sizeof(*l->mappings));
	l->mappings[l->mapping_count++] = *r;
}

bool stuck_mapping_is_doubtful(const struct stuck_look *l, const struct lens_rec_mapping *m)
{
	struct stuck_place place = place_of(m);

	return *counter(l->mapped, &place) != *counter(l->teller_counts, &m->proc);
}
