// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind crowds.h.
 */
#include "source/crowds.h"

/* more types are not told apart, of one queue and in all: its users are then, whatever the type */
#define TYPES_PER_QUEUE 1024
#define TYPES_MAX 65536

struct use {
	struct lens_proc first[LENS_DIR_MAX];
	bool any[LENS_DIR_MAX], several[LENS_DIR_MAX];
};

struct queue {
	struct lens_chan chan;
	size_t users[LENS_DIR_MAX], unshown;
	struct hash *types;		/* type -> struct use */
	struct use all;			/* of whatever type */
	bool unknown;			/* types are not known, or not kept apart */
	bool shared;
};

/* a user of a queue in one direction */
struct user {
	struct queue *queue;		/* NULL: has left */
	struct lens_proc proc;
	enum lens_dir dir;
	bool shown;
};

struct crowds {
	struct hash *queues;		/* struct lens_chan -> struct queue */
	struct hash *users;		/* id of its endpoint -> struct user */
	size_t left;			/* users that have */
	size_t types;
};

struct crowds *crowds_new(void)
{
	struct crowds *c = xcalloc(1, sizeof(*c));

	c->queues = hash_new(sizeof(struct lens_chan));
	c->users = hash_new(sizeof(uint32_t));
	return c;
}

static void forget_types(struct crowds *c, struct queue *q)
{
	size_t count = hash_count(q->types);

	for (size_t i = 0; i < count; i++)
		free(hash_at(q->types, i));
	hash_free(q->types);
	q->types = hash_new(sizeof(int64_t));
	c->types -= count;
}

static void queue_free(struct crowds *c, struct queue *q)
{
	forget_types(c, q);
	hash_free(q->types);
	free(q);
}

void crowds_free(struct crowds *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < hash_count(c->users); i++)
		free(hash_at(c->users, i));
	for (size_t i = 0; i < hash_count(c->queues); i++)
		queue_free(c, hash_at(c->queues, i));
	hash_free(c->users);
	hash_free(c->queues);
	free(c);
}

/* ------------------------------------------------------------ who is there */

static struct queue *queue_of(struct crowds *c, const struct lens_chan *chan)
{
	struct queue *q = hash_get(c->queues, chan);

	if (q)
		return q;
	q = xcalloc(1, sizeof(*q));
	q->chan = *chan;
	q->types = hash_new(sizeof(int64_t));
	hash_add(c->queues, chan, q);
	return q;
}

void crowds_come(struct crowds *c, const struct lens_rec_end *end)
{
	struct user *u;

	if ((end->chan.kind != LENS_KIND_SYSV_MSG && end->chan.kind != LENS_KIND_POSIX_MQ) ||
	    end->flags & LENS_END_SELF || end->dir >= LENS_DIR_MAX ||
	    hash_get(c->users, &end->id))
		return;
	u = xcalloc(1, sizeof(*u));
	*u = (struct user){
		.queue = queue_of(c, &end->chan), .proc = end->proc, .dir = end->dir,
	};
	hash_add(c->users, &end->id, u);
	u->queue->users[u->dir]++;
	u->queue->unshown++;
}

static bool is_here(void *unused, void *value)
{
	struct user *u = value;
	bool here = u->queue;

	if (!here)
		free(u);
	return here;
}

static bool is_used(void *crowds, void *value)
{
	struct queue *q = value;
	bool used = q->users[LENS_READ] || q->users[LENS_WRITE];

	if (!used)
		queue_free(crowds, q);
	return used;
}

void crowds_leave(struct crowds *c, uint32_t id)
{
	struct user *u = hash_get(c->users, &id);

	if (!u || !u->queue)
		return;
	u->queue->users[u->dir]--;
	u->queue->unshown -= !u->shown;
	u->queue = NULL;
	/* many at a time, because it takes a walk over all */
	if (2 * ++c->left < hash_count(c->users))
		return;
	hash_filter(c->users, is_here, NULL);
	hash_filter(c->queues, is_used, c);
	c->left = 0;
}

/* ------------------------------------------------------------ what they do */

static void use(struct use *u, const struct user *user)
{
	struct lens_proc *first = &u->first[user->dir];

	if (!u->any[user->dir])
		*first = user->proc;
	u->any[user->dir] = true;
	if (first->tgid != user->proc.tgid || first->start_ns != user->proc.start_ns)
		u->several[user->dir] = true;
}

static bool is_shared(const struct use *u)
{
	return u->several[LENS_READ] && u->several[LENS_WRITE];
}

/* NULL: there are too many */
static struct use *use_of(struct crowds *c, struct queue *q, int64_t type)
{
	struct use *u = hash_get(q->types, &type);

	if (u || hash_count(q->types) >= TYPES_PER_QUEUE || c->types >= TYPES_MAX)
		return u;
	u = xcalloc(1, sizeof(*u));
	hash_add(q->types, &type, u);
	c->types++;
	return u;
}

static void take(struct crowds *c, const struct lens_op *op)
{
	struct user *user = hash_get(c->users, &op->id);
	struct queue *q = user ? user->queue : NULL;
	struct use *u = NULL;

	if (!q || op->ret < 0)
		return;
	q->unshown -= !user->shown;
	user->shown = true;
	use(&q->all, user);
	if (!q->unknown && op->aux != LENS_PRIORITY_UNKNOWN)
		u = use_of(c, q, op->aux);
	if (u) {
		use(u, user);
		q->shared |= is_shared(u);
		return;
	}
	q->unknown = true;
	forget_types(c, q);
	q->shared |= is_shared(&q->all);
}

void crowds_take(struct crowds *c, const struct lens_rec_ops *ops)
{
	const struct lens_op *op = (const void *)(ops + 1);
	size_t room = (ops->h.len - sizeof(*ops)) / sizeof(*op);

	if (!hash_count(c->users))
		return;
	for (size_t i = 0; i < ops->count && i < room; i++)
		if (op[i].id != LENS_OP_MESSAGE)
			take(c, &op[i]);
}

/* ---------------------------------------------------------------- verdicts */

static bool is_crowded(const struct queue *q)
{
	return q->users[LENS_READ] >= 2 && q->users[LENS_WRITE] >= 2;
}

bool crowds_share(const struct crowds *c)
{
	for (size_t i = 0; i < hash_count(c->queues); i++) {
		const struct queue *q = hash_at(c->queues, i);

		if (q->shared && is_crowded(q))
			return true;
	}
	return false;
}

bool crowds_wonder(const struct crowds *c)
{
	for (size_t i = 0; i < hash_count(c->queues); i++) {
		const struct queue *q = hash_at(c->queues, i);

		if (q->unshown && is_crowded(q))
			return true;
	}
	return false;
}

void crowds_excuse(struct crowds *c)
{
	for (size_t i = 0; i < hash_count(c->users); i++)
		((struct user *)hash_at(c->users, i))->shown = true;
	for (size_t i = 0; i < hash_count(c->queues); i++)
		((struct queue *)hash_at(c->queues, i))->unshown = 0;
}
