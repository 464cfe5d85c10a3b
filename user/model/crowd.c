// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind crowd.h.
 */
#include "model/crowd.h"

static struct crowd_member *member(struct crowd *c, struct proc *who)
{
	uintptr_t place;

	if (!c->index)
		c->index = hash_new(sizeof(who));
	place = (uintptr_t)hash_get(c->index, &who);
	if (place)
		return &c->members[place - 1];
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 4;
		c->members = xrealloc(c->members, c->room, sizeof(*c->members));
	}
	c->members[c->count++] = (struct crowd_member){ .who = who };
	hash_add(c->index, &who, (void *)(uintptr_t)c->count);
	return &c->members[c->count - 1];
}

void crowd_add(struct crowd *c, struct proc *who, uint64_t bytes, uint64_t messages)
{
	struct crowd_member *m;

	if (!messages)
		return;
	m = member(c, who);
	m->bytes += bytes;
	m->messages += messages;
	c->bytes += bytes;
	c->messages += messages;
}

void crowd_merge(struct crowd *to, const struct crowd *from)
{
	for (size_t i = 0; i < from->count; i++)
		crowd_add(to, from->members[i].who, from->members[i].bytes,
			  from->members[i].messages);
}

void crowd_fini(struct crowd *c)
{
	free(c->members);
	hash_free(c->index);
	*c = (struct crowd){};
}

/* all of it went to the one receiver, and nothing was cut on the way */
static bool is_whole(const struct crowd *senders, const struct crowd *receivers)
{
	return receivers->count == 1 && senders->messages == receivers->messages &&
	       senders->bytes == receivers->bytes;
}

bool crowd_is_certain(const struct crowd *senders, const struct crowd *receivers)
{
	return senders->count == 1 || !receivers->count || is_whole(senders, receivers);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void crowd_doubt(const struct crowd *senders, const struct crowd *receivers,
		 struct flow_matrix *m)
{
	if (crowd_is_certain(senders, receivers))
		return;
	/* of each pair no more can be wrong than either has, nor than all others have */
	for (size_t i = 0; i < senders->count; i++) {
		for (size_t j = 0; j < receivers->count; j++) {
			const struct crowd_member *s = &senders->members[i];
			const struct crowd_member *r = &receivers->members[j];

			flow_cell(m, s->who, r->who)->doubtful_messages +=
				least(least(s->messages, r->messages),
				      senders->messages - (s->messages > r->messages ?
							   s->messages : r->messages));
		}
	}
}

/* bytes of the first messages that a receiver got: all alike, since nothing else is known */
static uint64_t first_bytes(const struct crowd_member *r, uint64_t messages)
{
	return (unsigned __int128)r->bytes * messages / r->messages;
}

void crowd_pass(const struct crowd *senders, const struct crowd *receivers,
		struct flow_matrix *m)
{
	bool whole = is_whole(senders, receivers);
	uint64_t given = 0;		/* messages of sender i */
	size_t i = 0;

	for (size_t j = 0; j < receivers->count; j++) {
		const struct crowd_member *r = &receivers->members[j];
		uint64_t got = 0, n;

		for (; got < r->messages; got += n) {
			const struct crowd_member *s =
				i < senders->count ? &senders->members[i] : NULL;
			struct flow_cell *cell = flow_cell(m, s ? s->who : NULL, r->who);

			n = r->messages - got;
			if (s && s->messages - given < n)
				n = s->messages - given;
			cell->messages += n;
			cell->bytes += whole ? s->bytes :
					       first_bytes(r, got + n) - first_bytes(r, got);
			given += n;
			if (s && given == s->messages) {
				given = 0;
				i++;
			}
		}
	}
}
