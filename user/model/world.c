// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tables of the world: finding and making processes, channels and
 * endpoints. What has ended may be forgotten, see fold.c.
 */
#include "model/mapping.h"
#include "model/ops.h"
#include "model/space.h"
#include "model/ways.h"

struct world *world_new(void)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct world_state *s = xcalloc(1, sizeof(*s));

	w->procs = hash_new_in_values(sizeof(struct lens_proc));
	w->chans = hash_new_in_values(sizeof(struct lens_chan));
	w->folds = fold_table();
	w->max_ended = WORLD_MAX_ENDED;
	s->ids = hash_new(sizeof(uint32_t));
	s->unplaced = hash_new(sizeof(struct lens_total_key));
	s->depths = hash_new_in_values(sizeof(struct lens_depth));
	s->chans = pool_new(sizeof(struct chan));
	s->ends = pool_new(sizeof(struct endpoint));
	s->window = window_new();
	s->seats = seats_new();
	s->lone = hash_new(sizeof(struct lens_chan));
	s->ways = ways_new();
	w->model_private = s;
	return w;
}

void proc_free(struct proc *p)
{
	free(p->exe);
	free(p->cgroup);
	free(p->argv);
	space_free(p->space);
	free(p);
}

void end_free(struct world *w, struct endpoint *e)
{
	e->proc->end_count--;
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		struct side *side = end_more(e)->side[d];

		if (!side)
			continue;
		free(side->carried);
		free(side->waits);
		free(side);
	}
	free(end_more(e)->mapper);
	free(e->more);
	end_forget_fds(e);
	pool_put(world_state(w)->ends, e);
}

void chan_free(struct world *w, struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++)
		end_free(w, chan_ends(c)[i]);
	handoff_fini(c);
	pass_free(c);
	ops_free(chan_state(c)->ops);
	if (chan_state(c)->by_proc)
		hash_free(chan_state(c)->by_proc);
	for (unsigned i = 0; i < GLIMPSE_MAX; i++)
		glimpse_forget(c, i);
	if (c->has_many_ends)
		free(c->ends.many);
	if (c->own_depth)
		free((void *)c->depth);
	free(chan_more(c)->types);
	free(chan_more(c)->name);
	free(chan_more(c)->inet);
	free(chan_more(c)->memory);
	free(c->more);
	pool_put(world_state(w)->chans, c);
}

void world_free(struct world *w)
{
	struct world_state *s;

	if (!w)
		return;
	s = world_state(w);
	for (size_t i = 0; i < hash_count(w->chans); i++)
		chan_free(w, hash_at(w->chans, i));
	for (size_t i = 0; i < hash_count(w->procs); i++)
		proc_free(hash_at(w->procs, i));
	for (size_t i = 0; i < hash_count(w->folds); i++)
		free(hash_at(w->folds, i));
	hash_free(w->procs);
	hash_free(w->chans);
	hash_free(w->folds);
	for (size_t i = 0; i < hash_count(s->depths); i++)
		free(hash_at(s->depths, i));
	hash_free(s->depths);
	for (size_t i = 0; i < hash_count(s->unplaced); i++)
		free(hash_at(s->unplaced, i));
	hash_free(s->unplaced);
	pool_free(s->chans);
	pool_free(s->ends);
	hash_free(s->ids);
	window_free(s->window);
	seats_free(s->seats);
	ways_free(s->ways);
	hash_free(s->lone);
	free(s);
	free(w->flows);
	free(w->waits);
	free(w->map_changes);
	free(w);
}

void world_freep(struct world **w)
{
	world_free(*w);
}

struct proc *world_proc(struct world *w, const struct lens_proc *key)
{
	struct lens_proc k = { .start_ns = key->start_ns, .tgid = key->tgid };
	struct proc *p = hash_get(w->procs, &k);

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->key = k;
	hash_add(w->procs, &k, p);
	return p;
}

struct chan *world_chan(struct world *w, const struct lens_chan *key)
{
	struct lens_chan k = { .ino = key->ino, .dev = key->dev, .gen = key->gen,
			       .kind = key->kind };
	struct chan *c = hash_get(w->chans, &k);

	if (c)
		return c;
	c = pool_get(world_state(w)->chans);
	c->key = k;
	c->is_new = true;
	c->is_later = world_state(w)->looks;
	hash_add(w->chans, &k, c);
	halves_pair(w, c);
	target_join(w, c);
	return c;
}

/* more ends than this are found through a hash */
#define ENDS_WALKED 16

struct endpoint *chan_find_endpoint(const struct chan *c, const struct proc *p)
{
	const struct hash *by_proc = chan_state(c)->by_proc;

	if (by_proc)
		return hash_get(by_proc, &p);
	for (size_t i = 0; i < c->end_count; i++)
		if (chan_ends(c)[i]->proc == p)
			return chan_ends(c)[i];
	return NULL;
}

static void index_end(struct chan *c, struct endpoint *e)
{
	struct hash *by_proc = chan_state(c)->by_proc;

	if (by_proc) {
		hash_add(by_proc, &e->proc, e);
		return;
	}
	if (c->end_count <= ENDS_WALKED)
		return;
	by_proc = hash_new(sizeof(struct proc *));
	for (size_t i = 0; i < c->end_count; i++)
		hash_add(by_proc, &chan_ends(c)[i]->proc, chan_ends(c)[i]);
	chan_state_get(c)->by_proc = by_proc;
}

/* for one more end; room doubles: it is full when the count is a power of two */
static void make_room(struct chan *c)
{
	struct endpoint *one = c->ends.one;

	if (!c->end_count || c->end_count & (c->end_count - 1))
		return;
	c->ends.many = xrealloc(c->has_many_ends ? c->ends.many : NULL, c->end_count * 2,
				sizeof(*c->ends.many));
	if (!c->has_many_ends)
		c->ends.many[0] = one;
	c->has_many_ends = true;
}

struct endpoint *chan_endpoint(struct world *w, struct chan *c, struct proc *p)
{
	struct endpoint *e = chan_find_endpoint(c, p);

	if (e)
		return e;
	e = pool_get(world_state(w)->ends);
	e->chan = c;
	e->proc = p;
	p->end_count++;
	make_room(c);
	chan_ends(c)[c->end_count++] = e;
	index_end(c, e);
	return e;
}

const struct end_more end_more_none;

struct end_more *end_more_get(struct endpoint *e)
{
	if (!e->more)
		e->more = xcalloc(1, sizeof(*e->more));
	return e->more;
}

const struct side side_unused;

struct side *end_side_get(struct endpoint *e, enum lens_dir dir)
{
	struct end_more *more = end_more_get(e);

	if (!more->side[dir])
		more->side[dir] = xcalloc(1, sizeof(*more->side[dir]));
	return more->side[dir];
}

const struct side_waits side_waits_none;

struct side_waits *side_waits_get(struct side *s)
{
	if (!s->waits)
		s->waits = xcalloc(1, sizeof(*s->waits));
	return s->waits;
}

void end_add_fd(struct endpoint *e, uint32_t fd)
{
	uint32_t *many = e->fds.many;

	if (e->fd_count < END_FEW_FDS) {
		e->fds.few[e->fd_count++] = fd;
		return;
	}
	if (e->fd_count == END_FEW_FDS) {
		many = xcalloc(2 * END_FEW_FDS, sizeof(*many));
		memcpy(many, e->fds.few, sizeof(e->fds.few));
	} else if (!(e->fd_count & (e->fd_count - 1))) {
		many = xrealloc(many, (size_t)e->fd_count * 2, sizeof(*many));
	}
	many[e->fd_count++] = fd;
	e->fds.many = many;
}

void end_forget_fds(struct endpoint *e)
{
	if (e->fd_count > END_FEW_FDS)
		free(e->fds.many);
	e->fd_count = 0;
}

const struct mapper mapper_none;

struct mapper *end_mapper_get(struct endpoint *e)
{
	struct end_more *more = end_more_get(e);

	if (!more->mapper)
		more->mapper = xcalloc(1, sizeof(*more->mapper));
	return more->mapper;
}

const struct memory memory_none;

struct memory *chan_memory_get(struct chan *c)
{
	struct chan_more *more = chan_more_get(c);

	if (!more->memory)
		more->memory = xcalloc(1, sizeof(*more->memory));
	return more->memory;
}

struct endpoint *world_op_end(const struct world *w, uint32_t id, enum lens_dir *ret_dir)
{
	void *value = hash_get(world_state(w)->ids, &id);

	if (!value)
		return NULL;
	*ret_dir = id_dir(value);
	return id_end(value);
}

/* records are not trusted: sums of several of these must stay inside 64 bits */
#define MOVED_MAX (INT64_C(1) << 57)

static int64_t sum(int64_t a, uint64_t b)
{
	return b > (uint64_t)(MOVED_MAX - a) ? MOVED_MAX : a + (int64_t)b;
}

void chan_moved(const struct chan *c, bool at_look, struct moved *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < c->end_count; i++) {
		for (unsigned d = 0; chan_ends(c)[i]->more && d < LENS_DIR_MAX; d++) {
			const struct side *s = end_side(chan_ends(c)[i], d);
			uint64_t bytes = at_look ? s->at_look.bytes : s->total.bytes;
			uint64_t msgs = at_look ? s->at_look.msgs : s->total.msgs;

			ret->n[UNIT_BYTES][d] = sum(ret->n[UNIT_BYTES][d], bytes);
			ret->n[UNIT_MSGS][d] = sum(ret->n[UNIT_MSGS][d], msgs);
		}
	}
}
