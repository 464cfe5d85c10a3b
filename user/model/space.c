// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Range algebra; see space.h. An edit collects what becomes of the ranges it
 * touches and then replaces them at once: what lies elsewhere is not walked.
 */
#include "model/space.h"

struct space *space_new(void)
{
	return xcalloc(1, sizeof(struct space));
}

void space_free(struct space *s)
{
	if (!s)
		return;
	free(s->memory);
	free(s);
}

size_t space_first_behind(const struct space *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->ranges[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* the part of r that lies in [start, end) */
static struct map_range part(const struct map_range *r, uint64_t start, uint64_t end)
{
	struct map_range p = *r;

	p.start = r->start > start ? r->start : start;
	p.end = r->end < end ? r->end : end;
	p.offset = r->offset + (p.start - r->start);
	return p;
}

/* pieces that take the place of ranges[from, to) */
struct edit {
	struct map_range *pieces;
	size_t count, room;
};

static void add_piece(struct edit *e, struct map_range piece)
{
	if (piece.start >= piece.end)
		return;
	if (e->count == e->room) {
		e->room = e->room ? e->room * 2 : 8;
		e->pieces = xrealloc(e->pieces, e->room, sizeof(*e->pieces));
	}
	e->pieces[e->count++] = piece;
}

/* of an address space that is gone nothing stays */
static void release(struct space *s)
{
	free(s->memory);
	*s = (struct space){};
}

/* room on both sides, so that what grows in either direction is seldom moved */
static void make_room(struct space *s, size_t count)
{
	size_t room = count * 2 + 8;
	struct map_range *memory = xcalloc(room, sizeof(*memory));
	struct map_range *ranges = memory + (room - s->count) / 2;

	if (s->count)
		memcpy(ranges, s->ranges, s->count * sizeof(*ranges));
	free(s->memory);
	s->memory = memory;
	s->ranges = ranges;
	s->room = room;
}

/* a kernel maps downwards, a look finds upwards: the shorter side makes way */
static void splice(struct space *s, size_t from, size_t to, struct edit *e)
{
	size_t tail = s->count - to, count = from + e->count + tail, before, behind;
	bool front = from < tail;

	before = s->ranges - s->memory;
	behind = s->room - before - s->count;
	if (count > s->count && count - s->count > (front ? before : behind))
		make_room(s, count);
	if (front) {
		struct map_range *ranges = s->ranges + s->count - count;

		if (from && ranges != s->ranges)
			memmove(ranges, s->ranges, from * sizeof(*ranges));
		s->ranges = ranges;
	} else if (tail && count != s->count) {
		memmove(s->ranges + from + e->count, s->ranges + to, tail * sizeof(*s->ranges));
	}
	if (e->count)
		memcpy(s->ranges + from, e->pieces, e->count * sizeof(*s->ranges));
	s->count = count;
	free(e->pieces);
	if (!count)
		release(s);
}

void space_put(struct space *s, const struct map_range *r, space_sink sink, void *arg)
{
	size_t from = space_first_behind(s, r->start), at = from;
	uint64_t next = r->start;	/* up to here the new range has been placed */
	struct edit e = {};

	for (; at < s->count && s->ranges[at].start < r->end; at++) {
		const struct map_range *old = &s->ranges[at];
		struct map_range in = part(old, r->start, r->end);

		add_piece(&e, part(old, 0, r->start));
		if (old->ns > r->ns) {
			struct map_range gap = part(r, next, in.start);

			if (gap.start < gap.end)
				sink(arg, &gap, true);
			add_piece(&e, gap);
			add_piece(&e, in);
			next = in.end;
		} else {
			sink(arg, &in, false);
		}
		if (old->end > r->end) {
			struct map_range rest = part(r, next, r->end);

			if (rest.start < rest.end)
				sink(arg, &rest, true);
			add_piece(&e, rest);
			add_piece(&e, part(old, r->end, UINT64_MAX));
			next = r->end;
		}
	}
	if (next < r->end) {
		struct map_range rest = part(r, next, r->end);

		sink(arg, &rest, true);
		add_piece(&e, rest);
	}
	splice(s, from, at, &e);
}

void space_cut(struct space *s, uint64_t start, uint64_t end, uint64_t ns, space_sink sink,
	       void *arg)
{
	size_t from = space_first_behind(s, start), at = from;
	struct edit e = {};

	for (; at < s->count && s->ranges[at].start < end; at++) {
		const struct map_range *old = &s->ranges[at];
		struct map_range in = part(old, start, end);

		add_piece(&e, part(old, 0, start));
		if (old->ns > ns)
			add_piece(&e, in);
		else
			sink(arg, &in, false);
		add_piece(&e, part(old, end, UINT64_MAX));
	}
	splice(s, from, at, &e);
}

void space_protect(struct space *s, uint64_t start, uint64_t end, uint32_t prot, uint64_t ns)
{
	size_t from = space_first_behind(s, start), at = from;
	struct edit e = {};

	for (; at < s->count && s->ranges[at].start < end; at++) {
		const struct map_range *old = &s->ranges[at];
		struct map_range in = part(old, start, end);

		add_piece(&e, part(old, 0, start));
		if (old->ns <= ns) {
			in.prot = prot | (old->prot & LENS_PROT_MAY_WRITE);
			end_mapper_get(in.end_point)->prot_ever |= in.prot;
			in.ns = ns;
		}
		add_piece(&e, in);
		add_piece(&e, part(old, end, UINT64_MAX));
	}
	splice(s, from, at, &e);
}

void space_expire(struct space *s, uint64_t ns, space_sink sink, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (s->ranges[i].ns < ns)
			sink(arg, &s->ranges[i], false);
		else
			s->ranges[kept++] = s->ranges[i];
	}
	s->count = kept;
	if (!kept)
		release(s);
}
