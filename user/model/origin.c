// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Provenance of endpoints. A passed descriptor and an opened FIFO are events of
 * their own, and of a file the kernel knows whether the process that holds it
 * opened it. What has no name to open it by must come by fork or by the call
 * that made it, if it was not received: for an endpoint whose parent has one
 * too it was the fork, and for a process that is older than the channel it was
 * the call. What was passed before the start, ways.c infers.
 */
#include "model/state.h"
#include "model/ways.h"

/* a descriptor of it comes from no path and no address */
static bool is_nameless(const struct chan *c)
{
	return c->key.kind == LENS_KIND_PIPE || c->key.kind == LENS_KIND_EVENTFD ||
	       c->key.kind == LENS_KIND_MEMFD || c->key.kind == LENS_KIND_SHARED_ANON ||
	       event_kind_is_socket(c->key.kind);
}

/* who sends datagrams to a socket holds another one */
static bool holds(const struct endpoint *e)
{
	bool datagrams = e->chan->key.kind == LENS_KIND_UNIX_DGRAM ||
			 e->chan->key.kind == LENS_KIND_UDP;

	return datagrams ? e->reader && !inet_is_outgoing(e->chan) :
			   e->reader || e->writer || end_mapper(e)->is_mapper;
}

const struct lens_proc *proc_forked_by(const struct proc *p)
{
	if (p->forked_by.tgid)
		return &p->forked_by;
	return p->parent.tgid > 1 ? &p->parent : NULL;
}

static bool same_proc(const struct lens_proc *a, const struct lens_proc *b)
{
	return a && b && a->tgid == b->tgid && a->start_ns == b->start_ns;
}

/* an endpoint whose process did not get it over a socket */
static bool is_own(const struct endpoint *e)
{
	return e && holds(e) && !e->received;
}

static bool descends(const struct world *w, const struct proc *p, const struct proc *from)
{
	for (unsigned i = 0; i < ANCESTORS_MAX && p && p != from; i++) {
		const struct lens_proc *key = proc_forked_by(p);

		p = key ? hash_get(w->procs, key) : NULL;
	}
	return p == from;
}

/* who made it is known, and p comes from no such process: it cannot have it by fork alone */
static bool is_of_strangers(const struct world *w, const struct chan *c, const struct proc *p)
{
	bool found = false;

	for (size_t i = 0; i < c->end_count; i++) {
		if (!chan_ends(c)[i]->made)
			continue;
		if (descends(w, p, chan_ends(c)[i]->proc))
			return false;
		found = true;
	}
	return found;
}

/* neither made it: both have it from who forked them */
static bool has_sibling(const struct endpoint *e, const struct chan *c,
			const struct lens_proc *parent)
{
	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *other = chan_ends(c)[i];

		/* at the other half it may be the same process */
		if (other->proc != e->proc && is_own(other) && !other->made &&
		    same_proc(proc_forked_by(other->proc), parent))
			return true;
	}
	return false;
}

/* the other half, if one call made both: neither is bound to a name */
static const struct chan *twin(const struct chan *c)
{
	if (event_kind_is_inet(c->key.kind) || !c->peer || chan_more(c)->name ||
	    chan_more(c->peer)->name)
		return NULL;
	return c->peer;
}

static bool infer_inherited(const struct world *w, const struct endpoint *e, struct origin *ret)
{
	const struct chan *ways[] = { e->chan, twin(e->chan) };
	const struct lens_proc *key = proc_forked_by(e->proc);
	struct proc *parent = key ? hash_get(w->procs, key) : NULL;
	bool found = false;

	/* it may as well have been passed, before anybody looked */
	if (parent && e->chan->existed_before && ways_join(w, parent, e->proc, e->chan))
		return false;
	for (size_t i = 0; key && i < ARRAY_SIZE(ways) && ways[i]; i++) {
		found |= parent && is_own(chan_find_endpoint(ways[i], parent));
		found |= has_sibling(e, ways[i], key) && !is_of_strangers(w, e->chan, e->proc);
	}
	if (found)
		*ret = (struct origin){ .how = ORIGIN_INHERITED, .inferred = true,
					.from = parent };
	return found;
}

/* the channel came up after the first look had seen the process */
static bool is_older(const struct world *w, const struct endpoint *e)
{
	const struct world_state *s = world_state(w);

	/* who maps memory that it made is known to have made it */
	return s->looks && !e->chan->existed_before && !chan_is_memory(e->chan) &&
	       e->proc->key.start_ns && e->proc->key.start_ns < w->start_ns;
}

/* are descriptors that unix sockets pass? The hooks are the same for all kinds of these */
static bool sees_passing(const struct world *w)
{
	return w->cover[LENS_KIND_UNIX_STREAM].observed ||
	       w->cover[LENS_KIND_UNIX_DGRAM].observed ||
	       w->cover[LENS_KIND_UNIX_SEQPACKET].observed;
}

/* every attachment of a segment is a file of its own, which tells nothing of the segment */
static bool is_made(const struct endpoint *e)
{
	return (e->made && e->chan->key.kind != LENS_KIND_SYSV_SHM) || e->opened;
}

static struct origin guessed(const struct guess *guess)
{
	return (struct origin){
		.how = ORIGIN_RECEIVED, .inferred = true, .from = guess->from,
		.over = guess->over,
	};
}

static struct origin by_fork(const struct world *w, const struct endpoint *e)
{
	return (struct origin){
		.how = ORIGIN_INHERITED, .from = hash_get(w->procs, &end_mapper(e)->from),
	};
}

static struct origin received(const struct world *w, const struct endpoint *e)
{
	struct origin o = { .how = ORIGIN_RECEIVED };
	const struct chan *over = hash_get(w->chans, &end_more(e)->received_over);
	struct lens_proc sender;

	if (event_kind_has_target(end_more(e)->received_over.kind))
		o.how = ORIGIN_FETCHED;
	else
		o.over = over;
	if (over && pass_sender_of(over, &e->chan->key, &sender))
		o.from = hash_get(w->procs, &sender);
	return o;
}

void origin_of(const struct world *w, const struct endpoint *e, struct origin *ret)
{
	const struct guess *guess = ways_guess(w, e);

	*ret = (struct origin){};
	if (is_made(e))
		ret->how = is_nameless(e->chan) ? ORIGIN_CREATED : ORIGIN_OPENED;
	else if (e->received)
		*ret = received(w, e);
	else if (end_mapper(e)->is_mapper && end_mapper(e)->how == MAPPER_INHERITED)
		*ret = by_fork(w, e);
	else if (guess)
		*ret = guessed(guess);
	else if (!is_nameless(e->chan) || !holds(e))
		return;
	else if (!is_older(w, e))
		infer_inherited(w, e, ret);
	else if (sees_passing(w))
		*ret = (struct origin){ .how = ORIGIN_CREATED, .inferred = true };
}
