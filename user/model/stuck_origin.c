// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How a process came by a descriptor, told without anybody having watched. A file
 * keeps the credentials it was opened with, and each process has its own, so that
 * the look tells who made it, as long as that one lives and is still the same
 * program. A maker that is younger than the holder has no way but a socket or
 * pidfd_getfd(2); an older one may have left it to its descendants.
 */
#include "model/stuck_look.h"

#define ANCESTORS_MAX 256 /* a recording may have somebody descend from himself */

struct stuck_proc *stuck_maker_of(const struct stuck *s, const struct stuck_desc *d)
{
	return d->rec.cred ? hash_get(stuck_look(s)->creds, &d->rec.cred) : NULL;
}

static const struct stuck_proc *parent_of(const struct stuck *s, const struct stuck_proc *p)
{
	const struct stuck_proc *parent = stuck_find_proc(s, p->parent);

	return parent == p ? NULL : parent;
}

static bool descends_from(const struct stuck *s, const struct stuck_proc *p,
			  const struct stuck_proc *from)
{
	for (unsigned i = 0; p && i < ANCESTORS_MAX; i++) {
		p = parent_of(s, p);
		if (p && p == from)
			return true;
	}
	return false;
}

/*
 * The process, or one it descends from, may have another parent now than the one it was born
 * to, and so descend from the maker after all, who must be older for that.
 */
static bool may_descend_from(const struct stuck *s, const struct stuck_proc *p,
			     const struct stuck_proc *from)
{
	for (unsigned i = 0; p && i < ANCESTORS_MAX; i++) {
		if (p->flags & LENS_THREAD_ADOPTED && p->key.start_ns > from->key.start_ns)
			return true;
		p = parent_of(s, p);
	}
	return false;
}

/* ... has certainly: a child of init by birth has who led its group and session */
static bool is_orphan(const struct stuck_proc *p)
{
	return p->flags & LENS_THREAD_ADOPTED && p->flags & LENS_THREAD_LEADERLESS;
}

/* the other end of a pipe was opened by the same call */
static bool same_birth(const struct stuck_desc *a, const struct stuck_desc *b)
{
	return a->rec.file == b->rec.file ||
	       (a->rec.object == LENS_OBJECT_PIPE && a->rec.cred == b->rec.cred);
}

/* an ancestor that has it, else the parent of one more child that has */
static bool has_family(const struct stuck *s, const struct stuck_desc *d,
		       struct stuck_origin *ret)
{
	const struct stuck_proc *parent = parent_of(s, d->proc), *sibling = NULL;

	for (const struct stuck_desc *o = stuck_find_self(s, d->rec.self);
	     o && stuck_may_visit(s, NULL); o = o->next_self) {
		if (!o->proc || o->proc == d->proc || !same_birth(o, d))
			continue;
		if (descends_from(s, d->proc, o->proc)) {
			ret->from = o->proc;
			ret->why = STUCK_BY_ANCESTOR;
			return true;
		}
		if (o->rec.file == d->rec.file && parent && parent_of(s, o->proc) == parent)
			sibling = o->proc;
	}
	/* whose children they were before, if they were adopted, is not known */
	if (!sibling || d->proc->flags & LENS_THREAD_ADOPTED)
		return false;
	ret->from = parent;
	ret->why = STUCK_BY_SIBLING;
	return true;
}

/* nobody needs a path to have it */
static bool is_nameless(const struct stuck_desc *d)
{
	return d->rec.object == LENS_OBJECT_PIPE || d->rec.object == LENS_OBJECT_EVENTFD ||
	       (d->rec.object >= LENS_OBJECT_UNIX_STREAM && d->rec.object <= LENS_OBJECT_UDP);
}

static void inherited(struct stuck_origin *ret, const struct stuck_proc *from,
		      enum stuck_evidence why)
{
	*ret = (struct stuck_origin){
		.how = ORIGIN_INHERITED, .from = from, .why = why, .inferred = true,
	};
}

static void received(struct stuck_origin *ret, const struct stuck_proc *from,
		     enum stuck_evidence why)
{
	*ret = (struct stuck_origin){
		.how = ORIGIN_RECEIVED, .from = from, .why = why, .inferred = true,
	};
}

static void from_maker(const struct stuck *s, const struct stuck_desc *d,
		       const struct stuck_proc *maker, struct stuck_origin *ret)
{
	const struct stuck_proc *holder = d->proc;
	struct stuck_origin family = {};

	if (descends_from(s, holder, maker))
		inherited(ret, maker, STUCK_BY_MAKER);
	else if (holder->key.start_ns < maker->key.start_ns)
		received(ret, maker, STUCK_BY_AGE);
	else if (has_family(s, d, &family))
		inherited(ret, family.from, family.why);
	else if (may_descend_from(s, holder, maker))
		inherited(ret, NULL, STUCK_BY_ADOPTION);
	else
		received(ret, maker, STUCK_BY_STRANGER);
}

/* a report has seen that very descriptor come from another process */
static bool was_seen(const struct stuck *s, const struct stuck_desc *d, struct stuck_origin *ret)
{
	const struct lens_chan key = {
		.kind = d->rec.object, .dev = d->rec.dev, .ino = d->rec.ino,
		.gen = d->rec.object == LENS_OBJECT_PIPE ? 0 : d->rec.gen,
	};
	const struct world *w = s->trace;
	const struct chan *c = w ? hash_get(w->chans, &key) : NULL;
	struct proc *holder = w ? hash_get(w->procs, &d->rec.proc) : NULL;
	const struct endpoint *e = c && holder ? chan_find_endpoint(c, holder) : NULL;
	struct origin o;

	if (!e || !e->received || end_more(e)->received_writer <= 0 ||
	    (uint32_t)end_more(e)->received_writer != d->rec.fd)
		return false;
	origin_of(w, e, &o);
	if ((o.how != ORIGIN_RECEIVED && o.how != ORIGIN_FETCHED) || o.inferred)
		return false;
	*ret = (struct stuck_origin){
		.how = o.how, .over = o.over, .why = STUCK_BY_TRACE,
		.from = o.from ? hash_get(stuck_look(s)->procs, &o.from->key) : NULL,
	};
	return true;
}

void stuck_origin_of(const struct stuck *s, const struct stuck_provider *v,
		     struct stuck_origin *ret)
{
	const struct stuck_desc *d = stuck_find_fd(s, v->proc, v->fd);
	const struct stuck_proc *maker = d ? stuck_maker_of(s, d) : NULL;
	struct stuck_origin family = {};

	*ret = (struct stuck_origin){ .why = STUCK_BY_NOTHING };
	if (!d || v->why != WHY_HOLDS_END || v->proc->has_several_tables)
		return;
	if (was_seen(s, d, ret))
		return;
	if (maker && (maker == v->proc || (maker->files && maker->files == v->proc->files)))
		*ret = (struct stuck_origin){
			.how = is_nameless(d) ? ORIGIN_CREATED : ORIGIN_OPENED,
			.why = STUCK_BY_CREDENTIALS,
		};
	else if (maker)
		from_maker(s, d, maker, ret);
	else if (has_family(s, d, &family))
		inherited(ret, family.from, family.why);
	else if (d->rec.cred && is_orphan(v->proc))
		inherited(ret, NULL, STUCK_BY_ADOPTION);
}
