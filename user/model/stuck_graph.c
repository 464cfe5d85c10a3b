// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The wait-for graph: processes, threads, needs, providers. Memory only.
 */
#include "model/stuck_look.h"

struct stuck *stuck_new(void)
{
	struct stuck *s = xcalloc(1, sizeof(*s));

	s->world = world_new();
	s->look = stuck_look_new();
	return s;
}

static void free_thread(struct stuck_thread *t)
{
	for (size_t i = 0; i < t->need_count; i++)
		if (!t->needs[i].is_shared)
			free(t->needs[i].providers);
	free(t->needs);
	for (size_t i = 0; i < LENS_SPACE_MAX; i++)
		free(t->stacks[i]);
	free(t);
}

static void free_thing(struct stuck_thing *t)
{
	free(t->id);
	free(t->name);
	free(t->waiters);
	free(t);
}

void stuck_freep(struct stuck **stuck)
{
	struct stuck *s = *stuck;

	if (!s)
		return;
	for (size_t i = 0; i < s->thread_count; i++)
		free_thread(s->threads[i]);
	for (size_t i = 0; i < s->proc_count; i++) {
		free(s->procs[i]->threads);
		free(s->procs[i]);
	}
	for (size_t i = 0; i < s->thing_count; i++)
		free_thing(s->things[i]);
	for (size_t i = 0; i < s->ring_count; i++)
		free(s->rings[i].procs);
	free(s->threads);
	free(s->procs);
	free(s->things);
	free(s->rings);
	free(s->roots);
	stuck_index_clear(s);
	stuck_look_free(s->look);
	world_freep(&s->world);
	free(s);
	*stuck = NULL;
}

/* room for one more; grows by doubling, as the count passes a power of two */
static void *grown(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return xrealloc(items, count ? count * 2 : 1, size);
}

struct stuck_proc *stuck_add_proc(struct stuck *s, const struct lens_proc *key)
{
	struct stuck_proc *p = xcalloc(1, sizeof(*p));

	p->key = *key;
	s->procs = grown(s->procs, s->proc_count, sizeof(*s->procs));
	s->procs[s->proc_count++] = p;
	return p;
}

struct stuck_thread *stuck_add_thread(struct stuck *s, struct stuck_proc *p, uint32_t tid)
{
	struct stuck_thread *t = xcalloc(1, sizeof(*t));

	t->proc = p;
	t->rec.tid = tid;
	s->threads = grown(s->threads, s->thread_count, sizeof(*s->threads));
	s->threads[s->thread_count++] = t;
	p->threads = grown(p->threads, p->thread_count, sizeof(*p->threads));
	p->threads[p->thread_count++] = t;
	p->live_count++;
	if (tid == p->key.tgid)
		p->leader = t;
	return t;
}

struct stuck_need *stuck_add_need(struct stuck_thread *t, enum stuck_want want)
{
	struct stuck_need *n;

	t->needs = grown(t->needs, t->need_count, sizeof(*t->needs));
	n = &t->needs[t->need_count++];
	*n = (struct stuck_need){
		.want = want,
		.fd = UINT32_MAX,
		.serial = (uint64_t)t->rec.tid << 32 | t->need_count,
	};
	return n;
}

/* an array of its own, with as much room as grown() expects */
static void unshare(struct stuck_need *n)
{
	const struct stuck_provider *shared = n->providers;
	size_t room = 1;

	while (room < n->provider_count)
		room *= 2;
	n->providers = xcalloc(room, sizeof(*n->providers));
	memcpy(n->providers, shared, n->provider_count * sizeof(*shared));
	n->is_shared = false;
}

struct stuck_provider *stuck_add_grouped(struct stuck_need *n, struct stuck_proc *p,
					 enum stuck_why why, uint32_t fd, uint32_t group)
{
	struct stuck_provider *new;

	for (size_t i = 0; p->provides == n->serial && i < n->provider_count; i++)
		if (n->providers[i].proc == p && n->providers[i].why == why &&
		    n->providers[i].group == group)
			return NULL;
	p->provides = n->serial;
	if (n->is_shared)
		unshare(n);
	n->providers = grown(n->providers, n->provider_count, sizeof(*n->providers));
	new = &n->providers[n->provider_count++];
	*new = (struct stuck_provider){ .proc = p, .why = why, .fd = fd, .group = group };
	return new;
}

struct stuck_provider *stuck_add_provider(struct stuck_need *n, struct stuck_proc *p,
					  enum stuck_why why, uint32_t fd)
{
	return stuck_add_grouped(n, p, why, fd, 0);
}

const char *stuck_verdict_name(enum stuck_verdict v)
{
	static const char *const names[] = {
		[STUCK_NOT] = "not-waiting",   [STUCK_WAITING] = "waiting",
		[STUCK_EXTERNAL] = "external", [STUCK_PEER_SLOW] = "peer-slow",
		[STUCK_NO_MATCH] = "no-match", [STUCK_PEER_STOPPED] = "peer-stopped",
		[STUCK_EOF_LEAK] = "eof-leak", [STUCK_OWNER_DEAD] = "owner-dead",
		[STUCK_DEAD_END] = "dead-end", [STUCK_DEADLOCK] = "deadlock",
	};

	return names[v];
}

bool stuck_verdict_is_bad(enum stuck_verdict v)
{
	return v >= STUCK_PEER_STOPPED;
}
