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

static const struct lens_rec_sem *find_value(const struct stuck *s, uint32_t ipcns, uint32_t id,
					     uint32_t num)
{
	const struct stuck_look *l = stuck_look(s);

	for (size_t i = 0; i < l->sem_count; i++)
		if (!l->sems[i].undo && l->sems[i].ipcns == ipcns && l->sems[i].id == id &&
		    l->sems[i].num == num)
			return &l->sems[i];
	return NULL;
}

/* those who share the list r of SEM_UNDO; false: not all */
static bool add_debtor(struct stuck *s, struct stuck_need *n, const struct lens_rec_sem *r,
		       uint32_t group)
{
	for (size_t k = 0; k < s->thread_count; k++) {
		if (s->threads[k]->rec.undo != r->undo || s->threads[k]->is_dead)
			continue;
		if (!stuck_may_visit(s, n))
			return false;
		stuck_add_grouped(n, s->threads[k]->proc, WHY_OWES_UNDO, 0, group);
	}
	return true;
}

/*
 * Processes whose SEM_UNDO list says that they took this one and owe it back; where that is just
 * what is missing, all of them are needed. False: not all of them, or they owe less than that.
 */
static bool add_debtors(struct stuck *s, struct stuck_need *n, const struct lens_rec_sem *value,
			int64_t missing)
{
	const struct stuck_look *l = stuck_look(s);
	int64_t owed = 0, sign = missing < 0 ? -1 : 1;
	uint32_t group = 0;

	for (size_t i = 0; i < l->sem_count; i++) {
		const struct lens_rec_sem *r = &l->sems[i];

		if (!r->undo || r->ipcns != value->ipcns || r->id != value->id ||
		    r->num != value->num || r->adjust * sign <= 0)
			continue;
		if (!add_debtor(s, n, r, ++group))
			return false;
		owed += r->adjust;
	}
	n->all_groups = owed == missing;
	return owed * sign >= missing * sign;
}

/* what the operations before this one of the same call make of the value */
static int64_t value_then(const struct stuck_memory *m, size_t end,
			  const struct lens_rec_sem *value)
{
	int64_t then = value->value;
	struct sem_op op;

	for (size_t at = 0; at < end; at += sizeof(op)) {
		memcpy(&op, m->bytes + at, sizeof(op));
		if (op.num == value->num)
			then += op.op;
	}
	return then;
}

/*
 * The operation of the call that cannot be done now; false: none of those read. missing: what
 * its semaphore must have more, or less, for that.
 */
static bool find_blocked(const struct stuck *s, const struct stuck_thread *t, uint32_t id,
			 struct sem_op *ret, int64_t *ret_missing)
{
	const struct stuck_memory *m = stuck_find_memory(s, t->rec.tid);
	const struct lens_rec_sem *value;
	struct sem_op op;
	int64_t then;

	for (size_t at = 0; m && at + sizeof(op) <= m->size; at += sizeof(op)) {
		memcpy(&op, m->bytes + at, sizeof(op));
		value = find_value(s, t->rec.ipcns, id, op.num);
		if (!value)
			continue;
		then = value_then(m, at, value);
		if (op.op ? then + op.op >= 0 : !then)
			continue;
		*ret = op;
		*ret_missing = -(then + op.op);
		return true;
	}
	return false;
}

void stuck_need_semaphore(struct stuck *s, struct stuck_thread *t, uint32_t id)
{
	struct stuck_need *n = stuck_add_need(t, WANT_LOCK);
	const struct lens_rec_sem *value;
	struct stuck_proc *last;
	struct sem_op op;
	int64_t missing;

	n->inferred = true;
	n->outside = HOPE_OUTSIDE;
	n->outside_why = "any process that may use the semaphore";
	if (!find_blocked(s, t, id, &op, &missing))
		return;
	value = find_value(s, t->rec.ipcns, id, op.num);
	n->thing = sysv_thing(s, LENS_OBJECT_SEM, t->rec.ipcns, id, value->key);
	n->detail = op.num;
	if (add_debtors(s, n, value, missing) && n->provider_count && !stuck_is_inside(s)) {
		/* taken as a lock is: who took it is the one to give it back */
		n->outside = HOPE_NONE;
		return;
	}
	last = stuck_find_proc(s, value->pid);
	if (last && last != t->proc)
		stuck_add_provider(n, last, WHY_LAST_USER, 0);
}
