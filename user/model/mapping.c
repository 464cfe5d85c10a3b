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

/* bytes between the edges where two or more of them are open */
static uint64_t covered_twice(struct edge *edges, size_t count)
{
	uint64_t sum = 0;
	int open = 0;

	if (count)
		qsort(edges, count, sizeof(*edges), compare_edges);
	for (size_t i = 0; i < count; i++) {
		if (open >= 2)
			sum += edges[i].at - edges[i - 1].at;
		open += edges[i].step;
	}
	return sum;
}

/* bytes of an object, and who maps them */
struct extent {
	const struct endpoint *end;
	uint64_t from, to;
};

static int compare_extents(const void *left, const void *right)
{
	const struct extent *a = left, *b = right;

	if (a->end->chan != b->end->chan)
		return a->end->chan < b->end->chan ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return a->from < b->from ? -1 : a->from > b->from;
}

/* what s has of c, or, without one, of whatever has several mappers */
static size_t add_extents(const struct space *s, const struct chan *c, struct extent *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct map_range *r = &s->ranges[i];
		const struct chan *of = r->end_point->chan;

		if (c ? of == c : chan_memory(of)->mappers > 1)
			ret[count++] = (struct extent){
				r->end_point, r->offset, r->offset + (r->end - r->start),
			};
	}
	return count;
}

/* bytes that two processes or more map; of one object, sorted */
static uint64_t overlap(const struct extent *extents, size_t count)
{
	_cleanup_free_ struct edge *edges = xcalloc(2 * count + 1, sizeof(*edges));
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		const struct extent *e = &extents[i];

		/* several mappings of the same bytes by one process are one */
		if (i && e->end == extents[i - 1].end && e->from <= edges[used - 1].at) {
			if (e->to > edges[used - 1].at)
				edges[used - 1].at = e->to;
			continue;
		}
		edges[used++] = (struct edge){ e->from, 1 };
		edges[used++] = (struct edge){ e->to, -1 };
	}
	return covered_twice(edges, used);
}

static bool maps_now(const struct endpoint *e)
{
	return end_mapper(e)->mapped_bytes != 0;
}

/* somebody maps more of c: has the overlap grown? */
static void raise_peak(struct chan *c)
{
	_cleanup_free_ struct extent *extents = NULL;
	struct memory *m = chan_memory_get(c);
	size_t room = 0, count = 0;
	uint64_t now;

	/* nothing can grow any more once all that was ever mapped overlapped */
	if (m->mappers < 2 || m->overlap_peak_bytes >= m->extent)
		return;
	for (size_t i = 0; m->mappers <= PEAK_MAPPERS && i < c->end_count; i++)
		room += maps_now(chan_ends(c)[i]) ? chan_ends(c)[i]->proc->space->count : 0;
	if (m->mappers > PEAK_MAPPERS || room > PEAK_RANGES) {
		m->overlap_peak_is_low = true;
		return;
	}
	extents = xcalloc(room, sizeof(*extents));
	for (size_t i = 0; i < c->end_count; i++)
		if (maps_now(chan_ends(c)[i]))
			count += add_extents(chan_ends(c)[i]->proc->space, c, extents + count);
	qsort(extents, count, sizeof(*extents), compare_extents);
	now = overlap(extents, count);
	if (now > m->overlap_peak_bytes)
		m->overlap_peak_bytes = now;
}

/* ----------------------------------------------------- ranges come and go */

static struct map_change *change_of(struct world *w, const struct map_range *piece)
{
	struct mapper *m = end_mapper_get(piece->end_point);
	size_t count = w->map_change_count;

	/* where it was the last time; of an older record it is somebody else's by now */
	if (m->change < count && w->map_changes[m->change].end == piece->end_point)
		return &w->map_changes[m->change];
	if (count == w->map_change_room) {
		w->map_change_room = count ? count * 2 : 8;
		w->map_changes = xrealloc(w->map_changes, w->map_change_room,
					  sizeof(*w->map_changes));
	}
	m->change = count;
	w->map_changes[count] = (struct map_change){
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

/* for a moment at least: something newer may lie there already when that is heard of */
static void was_mapped(const struct map_range *piece)
{
	uint64_t len = piece->end - piece->start, reach = piece->offset + len;
	struct mapper *m = end_mapper_get(piece->end_point);
	struct memory *memory = chan_memory_get(piece->end_point->chan);

	m->is_mapper = true;
	m->prot_ever |= piece->prot;
	if (len > m->peak_bytes)
		m->peak_bytes = len;
	if (!memory->peak_mappers)
		memory->peak_mappers = 1;
	if (reach > memory->extent)
		memory->extent = reach;
}

/* arg: the world, if somebody may want to know what one record changed */
static void count_piece(void *arg, const struct map_range *piece, bool added)
{
	uint64_t len = piece->end - piece->start;
	struct mapper *m = end_mapper_get(piece->end_point);
	struct memory *memory = chan_memory_get(piece->end_point->chan);

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
	m->mapped_bytes += len;
	if (m->mapped_bytes > m->peak_bytes)
		m->peak_bytes = m->mapped_bytes;
	was_mapped(piece);
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
	struct mapper *m = end_mapper_get(e);

	if (m->since_ns && m->since_ns <= ns)
		return;
	m->how = how;
	m->from = from;
	m->since_ns = ns;
}

/* nobody has anything before the fork: not even what a look has found in a child half made */
static void inherit(struct endpoint *e, const struct proc *parent, uint64_t ns)
{
	struct mapper *m = end_mapper_get(e);

	if (m->how == MAPPER_BEFORE)
		m->since_ns = 0;
	came_by(e, MAPPER_INHERITED, parent->key, ns);
}

void mapping_fork(struct world *w, struct proc *parent, struct proc *child, uint64_t ns)
{
	const struct space *from = parent->space;

	for (size_t i = 0; from && i < from->count; i++) {
		struct map_range r = from->ranges[i];
		struct endpoint *e;

		/* what came after the fork is no inheritance; or a look has found it since */
		if (r.ns > ns) {
			e = chan_find_endpoint(r.end_point->chan, child);
			if (e && end_mapper(e)->how == MAPPER_BEFORE)
				inherit(e, parent, ns);
			continue;
		}
		e = chan_endpoint(w, r.end_point->chan, child);
		inherit(e, parent, ns);
		end_mapper_get(e)->inherits = true;
		r.end_point = e;
		r.ns = ns;
		space_put(space_of(child), &r, count_piece, NULL);
	}
	/* once for each object, of which there may be many ranges */
	for (size_t i = 0; child->space && i < child->space->count; i++) {
		struct endpoint *e = child->space->ranges[i].end_point;

		if (!end_mapper(e)->inherits)
			continue;
		raise_peak(e->chan);
		end_mapper_get(e)->inherits = false;
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
	struct chan_more *more = chan_more_get(c);
	struct buf path = {};

	if (r->depth.valid && ev->ts_ns >= c->depth_ns)
		chan_set_depth(w, c, &r->depth, ev->ts_ns);
	if (!more->name && ev->name.len) {
		event_path(&path, ev->name, ev->truncated);
		more->name = path.data;
		more->name_truncated = ev->truncated;
	}
}

/* when what lies at an address was attached */
static uint64_t attached_at(const struct proc *p, uint64_t address)
{
	const struct space *s = p->space;
	size_t i = s ? space_first_behind(s, address) : 0;

	return s && i < s->count && s->ranges[i].start <= address ? s->ranges[i].attached_ns : 0;
}

static void add_range(struct world *w, const struct event *ev, struct proc *p, uint64_t attached_ns)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	struct chan *c = world_chan(w, &r->chan);
	struct endpoint *e = chan_endpoint(w, c, p);
	const struct lens_proc nobody = {};
	struct map_range range = {
		.start = r->start, .end = r->start + r->len, .offset = r->offset,
		.ns = ev->ts_ns, .attached_ns = attached_ns, .end_point = e, .prot = r->prot,
	};

	set_object(w, c, ev);
	if (r->op == LENS_MAP_FOUND) {
		c->in_look = true;
		came_by(e, MAPPER_BEFORE, nobody, ev->ts_ns);
	} else {
		end_mapper_get(e)->maps++;
		came_by(e, r->op == LENS_MAP_ATTACH ? MAPPER_ATTACHED : MAPPER_MAPPED, nobody,
			ev->ts_ns);
	}
	c->gone = false;
	if (!r->len)
		return;
	e->made |= ev->made;
	was_mapped(&range);
	space_put(space_of(p), &range, count_piece, w);
	raise_peak(c);
}

/* the attachment that shmdt(2) of this address detaches: all of it that is still in place */
static void detach(struct world *w, struct proc *p, uint64_t start, uint64_t ns)
{
	struct space *s = space_of(p);
	struct endpoint *e = NULL;
	uint64_t attached_ns = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct map_range r = s->ranges[i];

		if (r.start - r.offset != start ||
		    r.end_point->chan->key.kind != LENS_KIND_SYSV_SHM)
			continue;
		if (e && (r.end_point != e || r.attached_ns != attached_ns))
			continue;
		e = r.end_point;
		attached_ns = r.attached_ns;
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
			end_mapper_get(w->map_changes[i].end)->unmaps++;
}

/* a removed segment lives until its last detach */
static void bury(struct chan *c)
{
	const struct memory *m = chan_memory(c);

	if (m->removed && !m->mappers && c->key.kind == LENS_KIND_SYSV_SHM) {
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
	uint64_t attached_ns = attached_at(p, r->from);

	space_cut(space_of(p), r->from, r->from + r->from_len, ev->ts_ns, count_piece, w);
	if (r->chan.kind)
		add_range(w, ev, p, attached_ns);
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
		/* the end of a process is told before its memory goes */
		if (!p->exited || ev->ts_ns < p->exit_ns)
			add_range(w, ev, p, attached_at(p, r->start));
		break;
	case LENS_MAP_MAP:
		add_range(w, ev, p, 0);
		break;
	case LENS_MAP_ATTACH:
		add_range(w, ev, p, ev->ts_ns);
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
		chan_memory_get(world_chan(w, &r->chan))->removed = true;
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

		/* records tell of all processes; in a pid namespace looks do not find the others */
		if (p->space && (world_state(w)->sees_all || p->seen_look))
			space_expire(p->space, ns, count_piece, NULL);
	}
}

static void settle_ends(struct proc *p)
{
	for (size_t i = p->space ? p->space->count : 0; i-- > 0;) {
		const struct map_range *r = &p->space->ranges[i];

		struct mapper *m = end_mapper_get(r->end_point);

		m->prot |= r->prot;
		m->first_range = i;
	}
}

/* all objects at once: looked for one by one, every space would be walked for each of them */
static void settle_overlap(struct world *w)
{
	_cleanup_free_ struct extent *extents = NULL;
	size_t room = 0, count = 0, next;

	for (size_t i = 0; i < hash_count(w->procs); i++) {
		const struct proc *p = hash_at(w->procs, i);

		room += p->space ? p->space->count : 0;
	}
	extents = xcalloc(room + 1, sizeof(*extents));
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		const struct proc *p = hash_at(w->procs, i);

		count += p->space ? add_extents(p->space, NULL, extents + count) : 0;
	}
	qsort(extents, count, sizeof(*extents), compare_extents);
	for (size_t i = 0; i < count; i = next) {
		struct memory *m = chan_memory_get(extents[i].end->chan);

		next = i + 1;
		while (next < count && extents[next].end->chan == extents[i].end->chan)
			next++;
		m->overlap_bytes = overlap(extents + i, next - i);
		if (m->overlap_bytes > m->overlap_peak_bytes)
			m->overlap_peak_bytes = m->overlap_bytes;
	}
}

void mapping_settle(struct world *w)
{
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);

		struct memory *m = chan_more(c)->memory;

		if (!m)
			continue;
		for (size_t j = 0; j < c->end_count; j++)
			if (end_more(chan_ends(c)[j])->mapper)
				end_mapper_get(chan_ends(c)[j])->prot = 0;
		m->overlap_bytes = 0;
	}
	settle_overlap(w);
	for (size_t i = 0; i < hash_count(w->procs); i++)
		settle_ends(hash_at(w->procs, i));
}
