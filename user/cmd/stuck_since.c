// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A thread that is in the same call as in the look before, and was not switched
 * to in between, has been in one and the same wait since then.
 */
#include "cmd/stuck_since.h"

/* without holes: it is hashed by its bytes */
struct thread_key {
	uint64_t start_ns;
	uint32_t tgid, tid;
};

struct wait_since {
	uint64_t since_ns, switches;
	uint64_t arg[ARRAY_SIZE(((struct lens_rec_thread *)0)->arg)];
	uint32_t nr;
};

struct stuck_since {
	struct hash *waits; /* struct thread_key -> wait_since, of the look before */
};

static struct hash *waits_new(void)
{
	return hash_new(sizeof(struct thread_key));
}

static void waits_free(struct hash *waits)
{
	for (size_t i = 0; i < hash_count(waits); i++)
		free(hash_at(waits, i));
	hash_free(waits);
}

struct stuck_since *stuck_since_new(void)
{
	struct stuck_since *since = xcalloc(1, sizeof(*since));

	since->waits = waits_new();
	return since;
}

void stuck_since_freep(struct stuck_since **since)
{
	if (!*since)
		return;
	waits_free((*since)->waits);
	free(*since);
	*since = NULL;
}

static bool same_wait(const struct wait_since *w, const struct lens_rec_thread *r)
{
	return w->switches == r->switches && w->nr == r->nr &&
	       !memcmp(w->arg, r->arg, sizeof(w->arg));
}

static struct wait_since *wait_of(const struct stuck_thread *t)
{
	struct wait_since *w = xcalloc(1, sizeof(*w));

	w->since_ns = t->rec.h.ts_ns - t->blocked_ns;
	w->switches = t->rec.switches;
	w->nr = t->rec.nr;
	memcpy(w->arg, t->rec.arg, sizeof(w->arg));
	return w;
}

void stuck_since_carry(struct stuck_since *since, struct stuck *s)
{
	/* whoever was not seen this time is forgotten */
	struct hash *waits = waits_new();

	for (size_t i = 0; i < s->thread_count; i++) {
		struct stuck_thread *t = s->threads[i];
		struct thread_key key = { .start_ns = t->proc->key.start_ns,
					  .tgid = t->proc->key.tgid,
					  .tid = t->rec.tid };
		const struct wait_since *before = hash_get(since->waits, &key);

		if (t->moved || t->is_dead || hash_get(waits, &key))
			continue;
		if (before && same_wait(before, &t->rec) && !t->blocked_exact)
			t->blocked_ns = t->rec.h.ts_ns - before->since_ns;
		hash_add(waits, &key, wait_of(t));
	}
	waits_free(since->waits);
	since->waits = waits;
}
