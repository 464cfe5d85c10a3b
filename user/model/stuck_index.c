// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Waits by the channel they are about, for reports that ask of each channel who
 * is stuck there.
 */
#include "model/stuck_look.h"

static struct stuck_chan index_key(const struct lens_chan *c)
{
	return (struct stuck_chan){ .ino = c->ino, .kind = c->kind, .dev = c->dev };
}

void stuck_index_clear(struct stuck *s)
{
	struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < hash_count(l->by_chan); i++) {
		struct stuck_waits *w = hash_at(l->by_chan, i);

		free(w->threads);
		free(w);
	}
	hash_free(l->by_chan);
	l->by_chan = hash_new(sizeof(struct stuck_chan));
}

static void add_wait(struct stuck_look *l, const struct stuck_thread *t)
{
	struct stuck_chan key = index_key(&t->main->thing->key);
	struct stuck_waits *w = hash_get(l->by_chan, &key);

	if (!w) {
		w = xcalloc(1, sizeof(*w));
		hash_add(l->by_chan, &key, w);
	}
	if (!(w->count & (w->count - 1)))
		w->threads = xrealloc(w->threads, w->count ? w->count * 2 : 1,
				      sizeof(*w->threads));
	w->threads[w->count++] = t;
}

void stuck_index_settle(struct stuck *s)
{
	stuck_index_clear(s);
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *t = s->threads[i];
		const struct stuck_thing *thing = t->main ? t->main->thing : NULL;

		if (t->verdict >= STUCK_PEER_SLOW && thing && thing->is_channel)
			add_wait(stuck_look(s), t);
	}
}

static const struct stuck_waits *find_waits(const struct stuck *s, const struct chan *c)
{
	static const struct stuck_waits none;
	struct stuck_chan key;
	const struct stuck_waits *w;

	if (!c)
		return &none;
	key = index_key(&c->key);
	w = hash_get(stuck_look(s)->by_chan, &key);
	return w ? w : &none;
}

/* an unknown generation may be any */
static bool same_generation(const struct stuck_thread *t, const struct chan *c)
{
	uint32_t gen = t->main->thing->key.gen;

	return gen == c->key.gen || !gen || !c->key.gen;
}

/* a connection is known by one of its ends here, and perhaps by the other there */
const struct stuck_thread *stuck_next_wait(const struct stuck *s, const struct chan *c, size_t *at)
{
	const struct stuck_waits *own = find_waits(s, c), *peer = find_waits(s, c->peer);

	while (*at < own->count + peer->count) {
		size_t i = (*at)++;
		bool is_own = i < own->count;
		const struct stuck_thread *t =
			is_own ? own->threads[i] : peer->threads[i - own->count];

		if (same_generation(t, is_own ? c : c->peer))
			return t;
	}
	return NULL;
}

uint64_t stuck_unread_age_ns(const struct stuck *s, const struct chan *c)
{
	uint64_t oldest_ns = c && !c->peer ? chan_more(c)->oldest_unread_ns : 0;

	return oldest_ns && oldest_ns <= s->taken_ns ? s->taken_ns - oldest_ns : 0;
}
