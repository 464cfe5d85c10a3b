// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * SysV message queues and semaphores. Nobody holds them open: whoever may use
 * them can come at any time, so that only the outside is certain. What the
 * kernel remembers of their users tells who is likely.
 */
#include "model/stuck_look.h"

#define MSG_EXCEPT_ 020000

static const struct chan *find_queue(const struct stuck *s, const struct stuck_thread *t,
				     uint32_t id)
{
	for (size_t i = 0; i < hash_count(s->world->chans); i++) {
		const struct chan *c = hash_at(s->world->chans, i);

		if (c->key.kind == LENS_KIND_SYSV_MSG && c->key.ino == id &&
		    c->key.dev == t->rec.ipcns)
			return c;
	}
	return NULL;
}

static struct stuck_thing *sysv_thing(struct stuck *s, unsigned object, uint32_t ipcns, uint32_t id,
				      int32_t key)
{
	_cleanup_(buf_fini) struct buf text = {}, name = {};
	struct stuck_thing *t;

	/* as mech_chan_id() has it for a queue */
	buf_printf(&text, "%s:%x:0:%u", event_object_name(object), ipcns, id);
	t = stuck_thing_add(s, object, text.data);
	if (t->name)
		return t;
	t->key = (struct lens_chan){ .kind = object, .dev = ipcns, .ino = id };
	buf_printf(&name, "key=0x%08x id=%u", (uint32_t)key, id);
	t->name = TAKE_PTR(name.data);
	return t;
}

/* would a receiver of this type take a message of that one? msgrcv(2) */
static bool takes(int64_t type, bool except, int64_t message)
{
	if (!type)
		return true;
	if (type < 0)
		return type == INT64_MIN || message <= -type;
	return except ? message != type : message == type;
}

static bool any_match(const struct chan *c, int64_t type, bool except)
{
	for (size_t i = 0; i < chan_more(c)->type_count; i++)
		if (takes(type, except, chan_more(c)->types[i].type))
			return true;
	return false;
}

/* somebody receives from the queue right now, but nothing of what is in it */
static bool receivers_want_else(const struct stuck *s, const struct stuck_thread *t, uint32_t id,
				const struct chan *c)
{
	bool any = false;

	for (size_t i = 0; i < s->thread_count; i++) {
		const struct stuck_thread *o = s->threads[i];

		if (o->rec.call != LENS_CALL_MSGRCV || o->is_dead || o->moved || !o->rec.state ||
		    o->rec.ipcns != t->rec.ipcns || (uint32_t)o->rec.arg[0] != id)
			continue;
		if (any_match(c, o->rec.arg[3], o->rec.arg[4] & MSG_EXCEPT_))
			return false;
		any = true;
	}
	return any;
}

void stuck_need_queue(struct stuck *s, struct stuck_thread *t, uint32_t id, bool send, int64_t type)
{
	const struct chan *c = find_queue(s, t, id);
	struct stuck_need *n = stuck_add_need(t, send ? WANT_ROOM : WANT_MESSAGE);
	struct stuck_proc *last;

	n->outside = HOPE_OUTSIDE;
	n->outside_why = "any process that may use the queue";
	n->inferred = true;
	n->detail = type;
	if (!c)
		return;
	n->thing = sysv_thing(s, LENS_OBJECT_SYSV_MSG, t->rec.ipcns, id, chan_depth(c)->key);
	n->thing->queued_bytes = chan_depth(c)->queued_bytes;
	n->thing->queued_msgs = chan_depth(c)->queued_msgs;
	n->thing->capacity_bytes = chan_depth(c)->capacity_bytes;
	last = stuck_find_proc(s, send ? chan_more(c)->lrpid : chan_more(c)->lspid);
	if (last && last != t->proc)
		stuck_add_provider(n, last, WHY_LAST_USER, 0);
	if (chan_more(c)->types_truncated || !chan_more(c)->type_count)
		return;
	n->no_match = send ? receivers_want_else(s, t, id, c)
			   : !any_match(c, type, t->rec.arg[4] & MSG_EXCEPT_);
}

/* ---------------------------------------------------------------- semaphores */

struct sem_op {
	uint16_t num;
	int16_t op;
	int16_t flags;
};

static const struct stuck_value *find_value(const struct stuck *s, uint32_t ipcns, uint32_t id,
					    uint32_t num)
{
	const struct stuck_sem key = { .ipcns = ipcns, .id = id, .num = num };

	return hash_get(stuck_look(s)->sems, &key);
}

/* those who share a list of SEM_UNDO; false: not all */
static bool add_debtor(struct stuck *s, struct stuck_need *n, uint64_t undo, uint32_t group)
{
	const struct stuck_debtors *d = hash_get(stuck_look(s)->debtors, &undo);

	for (size_t i = 0; d && i < d->count; i++) {
		if (!stuck_may_visit(s, n))
			return false;
		stuck_add_grouped(n, d->threads[i]->proc, WHY_OWES_UNDO, 0, group);
	}
	return true;
}

/*
 * Processes whose SEM_UNDO list says that they took this one and owe it back; where that is just
 * what is missing, all of them are needed. False: not all of them, or they owe less than that.
 */
static bool add_debtors(struct stuck *s, struct stuck_need *n, const struct stuck_value *value,
			int64_t missing)
{
	int64_t owed = 0, sign = missing < 0 ? -1 : 1;
	uint32_t group = 0;

	for (const struct stuck_value *v = value->next; v; v = v->next) {
		if (!stuck_may_visit(s, n))
			return false;
		if (v->rec.adjust * sign <= 0)
			continue;
		if (!add_debtor(s, n, v->rec.undo, ++group))
			return false;
		owed += v->rec.adjust;
	}
	n->all_groups = owed == missing;
	return owed * sign >= missing * sign;
}

/* what the operations of a call have made of each semaphore so far */
struct sem_values {
	struct hash *by_num; /* uint32_t -> int64_t */
	int64_t *values;
	size_t count;
};

static int64_t *value_so_far(struct sem_values *w, uint32_t num, const struct stuck_value *now)
{
	int64_t *value = hash_get(w->by_num, &num);

	if (value)
		return value;
	value = &w->values[w->count++];
	*value = now->rec.value;
	hash_add(w->by_num, &num, value);
	return value;
}

/*
 * The operation of the call that cannot be done now; NULL: none of those read. missing: what
 * its semaphore must have more, or less, for that.
 */
static const struct stuck_value *find_blocked(const struct stuck *s, const struct stuck_thread *t,
					      uint32_t id, int64_t *ret_missing)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	size_t count = m ? m->size / sizeof(struct sem_op) : 0;
	_cleanup_(hash_freep) struct hash *by_num = hash_new(sizeof(uint32_t));
	_cleanup_free_ int64_t *values = xcalloc(count + 1, sizeof(*values));
	struct sem_values w = { .by_num = by_num, .values = values };

	for (size_t i = 0; i < count; i++) {
		const struct stuck_value *now;
		int64_t *then;
		struct sem_op op;

		memcpy(&op, m->bytes + i * sizeof(op), sizeof(op));
		now = find_value(s, t->rec.ipcns, id, op.num);
		if (!now)
			continue;
		then = value_so_far(&w, op.num, now);
		if (op.op ? *then + op.op < 0 : *then) {
			*ret_missing = -(*then + op.op);
			return now;
		}
		*then += op.op;
	}
	return NULL;
}

/*
 * Who used it last without owing anything may have taken some of it as well, or be the one that
 * posts it; of a lock that is whoever has it.
 */
static bool is_beside(const struct stuck_need *n, const struct stuck_thread *t,
		      const struct stuck_proc *last)
{
	if (!last)
		return false;
	for (size_t i = 0; i < n->provider_count; i++)
		if (n->providers[i].proc == last)
			return false;
	return last != t->proc || last->live_count > 1;
}

void stuck_need_semaphore(struct stuck *s, struct stuck_thread *t, uint32_t id)
{
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);
	const struct stuck_value *value;
	struct stuck_proc *last;
	int64_t missing;

	n->inferred = true;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "any process that may use the semaphore";
	value = find_blocked(s, t, id, &missing);
	if (!value)
		return;
	n->thing = sysv_thing(s, LENS_OBJECT_SEM, t->rec.ipcns, id, value->rec.key);
	n->detail = value->rec.num;
	last = stuck_find_proc(s, value->rec.pid);
	if (add_debtors(s, n, value, missing) && n->provider_count && !is_beside(n, t, last) &&
	    !stuck_is_inside(s)) {
		/* taken as a lock is: who took it is the one to give it back */
		n->outside = HOPE_NONE;
		return;
	}
	n->all_groups = false;
	if (last && last != t->proc)
		stuck_add_provider(n, last, WHY_LAST_USER, 0);
}
