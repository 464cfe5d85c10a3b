// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who maps which part of what. Address spaces are kept as ranges (space.c);
 * everything else here is counted as ranges come and go.
 */
#include "model/mapping.h"
#include "model/space.h"
#include "model/state.h"

/* more than this is not looked through at every change, for the peak of the overlap */
#define PEAK_MAPPERS 64
#define PEAK_RANGES 1024

/* ----------------------------------------------------------------- overlap */

struct edge {
	uint64_t at;
	int step;
};

static int compare_edges(const void *left, const void *right)
{
	const struct edge *a = left, *b = right;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return b->step - a->step;
}

/* bytes between the edges where at least `depth` of them are open */
static uint64_t covered(struct edge *edges, size_t count, int depth)
{
	uint64_t sum = 0;
	int open = 0;

	if (count)
		qsort(edges, count, sizeof(*edges), compare_edges);
	for (size_t i = 0; i < count; i++) {
		if (open >= depth)
			sum += edges[i].at - edges[i - 1].at;
		open += edges[i].step;
	}
	return sum;
}

/* edges of what one process maps, several mappings of the same bytes joined */
static size_t add_edges(const struct endpoint *e, struct edge *edges)
{
	const struct space *s = e->proc->space;
	size_t count = 0, kept = 0;
	int open = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct map_range *r = &s->ranges[i];

		if (r->end_point != e)
			continue;
		edges[count++] = (struct edge){ r->offset, 1 };
		edges[count++] = (struct edge){ r->offset + (r->end - r->start), -1 };
	}
	if (count)
		qsort(edges, count, sizeof(*edges), compare_edges);
	for (size_t i = 0; i < count; i++) {
		int before = open;

		open += edges[i].step;
		if (!before || !open)
			edges[kept++] = edges[i];
	}
	return kept;
}

static bool maps_now(const struct endpoint *e)
{
	return e->mapper.mapped_bytes != 0;
}

static uint64_t overlap(const struct chan *c)
{
	_cleanup_free_ struct edge *edges = NULL;
	size_t room = 0, count = 0;

	for (size_t i = 0; i < c->end_count; i++)
		if (maps_now(c->ends[i]))
			room += 2 * c->ends[i]->proc->space->count;
	edges = xcalloc(room + 1, sizeof(*edges));
	for (size_t i = 0; i < c->end_count; i++)
		if (maps_now(c->ends[i]))
			count += add_edges(c->ends[i], edges + count);
	return covered(edges, count, 2);
}

/* somebody maps more of c: has the overlap grown? */
static void raise_peak(struct chan *c, const struct proc *p)
{
	struct memory *m = &c->memory;
	uint64_t now;

	/* nothing can grow any more once all that was ever mapped overlapped */
	if (m->mappers < 2 || m->overlap_peak_bytes >= m->extent)
		return;
	if (m->mappers > PEAK_MAPPERS || p->space->count > PEAK_RANGES) {
		m->overlap_peak_is_low = true;
		return;
	}
	now = overlap(c);
	if (now > m->overlap_peak_bytes)
		m->overlap_peak_bytes = now;
}

/* ----------------------------------------------------- ranges come and go */

static struct map_change *change_of(struct world *w, const struct map_range *piece)
{
	for (size_t i = 0; i < w->map_change_count; i++)
		if (w->map_changes[i].end == piece->end_point)
			return &w->map_changes[i];
	w->map_changes = xrealloc(w->map_changes, w->map_change_count + 1,
				  sizeof(*w->map_changes));
	w->map_changes[w->map_change_count] = (struct map_change){
		.end = piece->end_point, .start = piece->start, .offset = piece->offset,
	};
	return &w->map_changes[w->map_change_count++];
}

static void note_change(struct world *w, const struct map_range *piece, bool added)
{
	struct map_change *change = change_of(w, piece);
	uint64_t len = piece->end - piece->start;

	if (added)
		change->mapped_bytes += len;
	else
		change->unmapped_bytes += len;
}

/* arg: the world, if somebody may want to know what one record changed */
static void count_piece(void *arg, const struct map_range *piece, bool added)
{
	uint64_t len = piece->end - piece->start;
	struct mapper *m = &piece->end_point->mapper;
	struct memory *memory = &piece->end_point->chan->memory;
	uint64_t reach = piece->offset + len;

	if (arg)
		note_change(arg, piece, added);
	if (!added) {
		m->mapped_bytes -= len;
		memory->mappers -= !m->mapped_bytes;
		return;
	}
	memory->mappers += !m->mapped_bytes;
	if (memory->mappers > memory->peak_mappers)
		memory->peak_mappers = memory->mappers;
	m->is_mapper = true;
	m->mapped_bytes += len;
	if (m->mapped_bytes > m->peak_bytes)
		m->peak_bytes = m->mapped_bytes;
	m->prot_ever |= piece->prot;
	if (reach > memory->extent)
		memory->extent = reach;
}

static struct space *space_of(struct proc *p)
{
	if (!p->space)
		p->space = space_new();
	return p->space;
}

/* the earliest that is heard of is how it came by it, whenever it is heard */
static void came_by(struct endpoint *e, enum mapper_how how, struct lens_proc from, uint64_t ns)
{
	struct mapper *m = &e->mapper;

	if (m->since_ns && m->since_ns <= ns)
		return;
	m->how = how;
	m->from = from;
	m->since_ns = ns;
}

void mapping_fork(struct proc *parent, struct proc *child, uint64_t ns)
{
	const struct space *from = parent->space;

	for (size_t i = 0; from && i < from->count; i++) {
		struct map_range r = from->ranges[i];
		struct chan *c = r.end_point->chan;
		struct endpoint *e;

		/* what came after the fork is no inheritance */
		if (r.ns > ns)
			continue;
		e = chan_endpoint(c, child);
		came_by(e, MAPPER_INHERITED, parent->key, ns);
		r.end_point = e;
		r.ns = ns;
		space_put(space_of(child), &r, count_piece, NULL);
		raise_peak(c, child);
	}
}

void mapping_clear(struct proc *p, uint64_t ns)
{
	if (p->space)
		space_cut(p->space, 0, UINT64_MAX, ns, count_piece, NULL);
}

/* ----------------------------------------------------------------- records */

static void set_object(struct world *w, struct chan *c, const struct event *ev)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	struct buf path = {};

	if (r->depth.valid && ev->ts_ns >= chan_state(c)->depth_ns) {
		c->depth = r->depth;
		chan_state(c)->depth_ns = ev->ts_ns;
	}
	if (!c->name && ev->name.len) {
		event_path(&path, ev->name, ev->truncated);
		c->name = path.data;
		c->name_truncated = ev->truncated;
	}
}

static void add_range(struct world *w, const struct event *ev, struct proc *p)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	struct chan *c = world_chan(w, &r->chan);
	struct endpoint *e = chan_endpoint(c, p);
	const struct lens_proc nobody = {};
	struct map_range range = {
		.start = r->start, .end = r->start + r->len, .offset = r->offset,
		.ns = ev->ts_ns, .end_point = e, .prot = r->prot,
	};

	set_object(w, c, ev);
	if (r->op == LENS_MAP_FOUND) {
		chan_state(c)->in_look = true;
		came_by(e, MAPPER_BEFORE, nobody, ev->ts_ns);
	} else {
		e->mapper.maps++;
		came_by(e, r->op == LENS_MAP_ATTACH ? MAPPER_ATTACHED : MAPPER_MAPPED, nobody,
			ev->ts_ns);
	}
	c->gone = false;
	if (!r->len)
		return;
	space_put(space_of(p), &range, count_piece, w);
	raise_peak(c, p);
}

/* the segment that shmdt(2) of this address detaches: all of it that is still in place */
static void detach(struct world *w, struct proc *p, uint64_t start, uint64_t ns)
{
	struct space *s = space_of(p);
	struct endpoint *e = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct map_range r = s->ranges[i];

		if (r.start - r.offset != start ||
		    r.end_point->chan->key.kind != LENS_KIND_SYSV_SHM || (e && r.end_point != e))
			continue;
		e = r.end_point;
		space_cut(s, r.start, r.end, ns, count_piece, w);
		if (i < s->count && s->ranges[i].start == r.start)
			continue;	/* younger than the detach: it stays */
		i--;
	}
}

static void count_unmaps(struct world *w)
{
	for (size_t i = 0; i < w->map_change_count; i++)
		if (w->map_changes[i].unmapped_bytes && !w->map_changes[i].mapped_bytes)
			w->map_changes[i].end->mapper.unmaps++;
}

/* a removed segment lives until its last detach */
static void bury(struct chan *c)
{
	if (c->memory.removed && !c->memory.mappers && c->key.kind == LENS_KIND_SYSV_SHM) {
		c->gone = true;
		c->live = false;
	}
}

static void bury_changed(struct world *w)
{
	for (size_t i = 0; i < w->map_change_count; i++)
		bury(w->map_changes[i].end->chan);
}

static void apply_move(struct world *w, const struct event *ev, struct proc *p)
{
	const struct lens_rec_map *r = ev->lens_rec_map;

	space_cut(space_of(p), r->from, r->from + r->from_len, ev->ts_ns, count_piece, w);
	if (r->chan.kind)
		add_range(w, ev, p);
	else
		space_cut(p->space, r->start, r->start + r->len, ev->ts_ns, count_piece, w);
}

static void apply_protect(struct world *w, const struct event *ev, struct proc *p)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	uint64_t end = r->start + r->len;
	struct space *s = space_of(p);

	space_protect(s, r->start, end, r->prot, ev->ts_ns);
	for (size_t i = space_first_behind(s, r->start); i < s->count && s->ranges[i].start < end;
	     i++) {
		const struct map_range *piece = &s->ranges[i];

		if (piece->ns <= ev->ts_ns)
			change_of(w, piece)->protected_bytes += piece->end - piece->start;
	}
}

void mapping_apply(struct world *w, const struct event *ev)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	struct proc *p = world_proc(w, &r->proc);
	uint64_t end = r->start + r->len;

	w->map_change_count = 0;
	switch (r->op) {
	case LENS_MAP_FOUND:
	case LENS_MAP_MAP:
	case LENS_MAP_ATTACH:
		add_range(w, ev, p);
		break;
	case LENS_MAP_UNMAP:
		space_cut(space_of(p), r->start, end, ev->ts_ns, count_piece, w);
		break;
	case LENS_MAP_DETACH:
		detach(w, p, r->start, ev->ts_ns);
		break;
	case LENS_MAP_MOVE:
		apply_move(w, ev, p);
		break;
	case LENS_MAP_PROTECT:
		apply_protect(w, ev, p);
		break;
	case LENS_MAP_REMOVE:
		world_chan(w, &r->chan)->memory.removed = true;
		bury(world_chan(w, &r->chan));
		break;
	case LENS_MAP_SEAL:
		set_object(w, world_chan(w, &r->chan), ev);
		break;
	}
	count_unmaps(w);
	bury_changed(w);
}

/* --------------------------------------------------------- looks and the end */

void mapping_look_settled(struct world *w, uint64_t ns)
{
	/* what a look shows to have ended may be forgotten, and these name it */
	w->map_change_count = 0;
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		struct proc *p = hash_at(w->procs, i);

		if (p->space)
			space_expire(p->space, ns, count_piece, NULL);
	}
}

static void settle_prot(struct proc *p)
{
	for (size_t i = 0; p->space && i < p->space->count; i++) {
		const struct map_range *r = &p->space->ranges[i];

		r->end_point->mapper.prot |= r->prot;
	}
}

void mapping_settle(struct world *w)
{
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);

		if (!chan_is_memory(c))
			continue;
		for (size_t j = 0; j < c->end_count; j++)
			c->ends[j]->mapper.prot = 0;
		c->memory.overlap_bytes = c->memory.mappers > 1 ? overlap(c) : 0;
		if (c->memory.overlap_bytes > c->memory.overlap_peak_bytes)
			c->memory.overlap_peak_bytes = c->memory.overlap_bytes;
	}
	for (size_t i = 0; i < hash_count(w->procs); i++)
		settle_prot(hash_at(w->procs, i));
}
