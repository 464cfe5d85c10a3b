// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Calls on unix sockets that name another one. The kernel has whoever sends to a full queue, or
 * connects to a full backlog, wait in a list of that other socket: which one it is, is certain,
 * whatever has become of its name. Who is in no list that was seen waits for somebody by that
 * name, or, with a datagram, for room of his own, which others may have taken long before.
 */
#include "model/stuck_look.h"

static bool same_name(const struct stuck_desc *d, const char *name, size_t len)
{
	/* a path ends at its NUL, an abstract name only at its length */
	if (d->name_len && d->name[0])
		return strnlen(name, len) == strnlen(d->name, d->name_len) &&
		       !memcmp(d->name, name, strnlen(name, len));
	return d->name_len == len && !memcmp(d->name, name, len);
}

/*
 * Only an abstract name is the socket's for sure. A path leads from somewhere, and what it was
 * bound to may have been renamed since.
 */
static void doubt_path(struct stuck_need *n, const struct stuck_desc *d)
{
	if (!d->name[0])
		return;
	n->inferred = true;
	if (d->name[0] != '/')
		stuck_hope_outside(n, HOPE_OUTSIDE, "whoever has the path");
}

/*
 * The sockets of the address that the call was given, each a need of its own: several may have
 * been bound by the same name, one after the other or in several directories.
 */
static void need_named(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *from,
		       uint32_t fd, enum stuck_want want)
{
	bool listening = want == WANT_ACCEPT;
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	const struct stuck_look *l = stuck_look(s);
	const size_t family_len = sizeof(uint16_t);
	size_t before = t->need_count;

	for (size_t i = 0; m && m->size > family_len && i < l->desc_count; i++) {
		const struct stuck_desc *d = l->descs[i];
		struct stuck_need *n;

		if (d->rec.object != from->rec.object || d->rec.netns != from->rec.netns ||
		    !d->name_len || listening != !!(d->rec.flags & LENS_DESC_LISTEN) ||
		    !same_name(d, m->bytes + family_len, m->size - family_len) ||
		    stuck_find_self(s, d->rec.self) != d)
			continue;
		n = stuck_add_need(t, want);
		n->fd = fd;
		n->thing = stuck_thing_of(s, d);
		n->end = d->rec.self;
		stuck_add_holders(s, n, d, 0, listening ? WHY_LISTENS : WHY_HOLDS_END);
		doubt_path(n, d);
		if (t->rec.task)
			stuck_hope_outside(n, HOPE_OUTSIDE,
					   listening ? "a listener that is not seen"
						     : "whoever has not taken what it sent");
	}
	if (t->need_count > before)
		return;
	stuck_need_outside(t, want, HOPE_OUTSIDE, "whoever has the address");
	t->needs[before].fd = fd;
	t->needs[before].thing = stuck_thing_of(s, from);
}

bool stuck_need_room(struct stuck *s, struct stuck_thread *t, uint32_t fd, enum stuck_want want)
{
	const struct stuck_room *room = hash_get(stuck_look(s)->rooms, &t->rec.task);
	const struct stuck_desc *d = room ? stuck_find_self(s, room->self) : NULL;
	struct stuck_need *n;

	if (!d)
		return false;
	n = stuck_add_need(t, want);
	n->fd = fd;
	n->thing = stuck_thing_of(s, d);
	n->end = d->rec.self;
	stuck_add_holders(s, n, d, 0, want == WANT_ACCEPT ? WHY_LISTENS : WHY_HOLDS_END);
	return true;
}

void stuck_need_address(struct stuck *s, struct stuck_thread *t, const struct stuck_desc *from,
			uint32_t fd, enum stuck_want want)
{
	if (!stuck_need_room(s, t, fd, want))
		need_named(s, t, from, fd, want);
}

void stuck_need_send_to(struct stuck *s, struct stuck_thread *t, uint32_t fd)
{
	const struct stuck_desc *d = stuck_find_fd(s, t->proc, fd);

	if (!d || d->rec.object != LENS_OBJECT_UNIX_DGRAM || !t->rec.arg[4]) {
		stuck_need_fd(s, t, fd, WANT_ROOM);
		return;
	}
	if (stuck_is_limited(t, d, LENS_DESC_SEND_TIMEOUT))
		stuck_own_hope(t, HOPE_RUNS, "waiting with a time limit");
	stuck_need_address(s, t, d, fd, WANT_ROOM);
}
