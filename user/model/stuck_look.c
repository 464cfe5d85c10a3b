// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Takes in the records of one look. A thread is blocked if it is in the same
 * call after the holders were read as it was before, and did not run meanwhile;
 * then neither its descriptors nor what it waits for can have changed by it.
 */
#include "model/stuck_look.h"

/* include/linux/sched.h: bits of task_struct.__state; not exported */
#define STATE_EXITED (0x10 | 0x20 | 0x80)
/* include/linux/proc_ns.h: PROC_PID_INIT_INO */
#define INITIAL_PIDNS 0xeffffffc

void *stuck_look_new(void)
{
	struct stuck_look *l = xcalloc(1, sizeof(*l));

	l->procs = hash_new(sizeof(struct lens_proc));
	l->procs_by_tgid = hash_new(sizeof(uint32_t));
	l->threads = hash_new(sizeof(uint32_t));
	l->tasks = hash_new(sizeof(uint64_t));
	l->first = hash_new(sizeof(uint32_t));
	l->creds = hash_new(sizeof(uint64_t));
	l->sessions = hash_new(sizeof(uint64_t));
	l->tables = hash_new(sizeof(uint64_t));
	stuck_descs_init(l);
	l->rooms = hash_new(sizeof(uint64_t));
	l->items = hash_new(sizeof(uint64_t));
	l->members = hash_new(sizeof(struct stuck_member));
	l->urings = hash_new(sizeof(uint32_t));
	l->requests = hash_new(sizeof(uint64_t));
	l->requests_by_ring = hash_new(sizeof(uint64_t));
	l->requests_by_tid = hash_new(sizeof(uint32_t));
	l->users = hash_new(sizeof(struct stuck_user));
	l->submitters = hash_new(sizeof(uint64_t));
	l->memory = hash_new(sizeof(uint32_t));
	l->sems = hash_new(sizeof(struct stuck_sem));
	l->debtors = hash_new(sizeof(uint64_t));
	l->moved = hash_new(sizeof(uint32_t));
	l->locks = hash_new(sizeof(uint32_t));
	l->notices = hash_new(sizeof(uint64_t));
	l->uses = hash_new(sizeof(uint64_t));
	l->holders = hash_new(sizeof(struct stuck_end));
	l->by_chan = hash_new(sizeof(struct stuck_chan));
	l->mapped = hash_new(sizeof(struct stuck_place));
	l->tellers = hash_new(sizeof(struct stuck_teller));
	l->teller_counts = hash_new(sizeof(struct lens_proc));
	l->things = hash_new(sizeof(uint64_t) * 2);
	return l;
}

static void free_values(struct hash *h)
{
	for (size_t i = 0; i < hash_count(h); i++)
		free(hash_at(h, i));
	hash_free(h);
}

static void free_chains(struct stuck_look *l)
{
	for (size_t i = 0; i < hash_count(l->items); i++) {
		struct stuck_item *next, *item = hash_at(l->items, i);

		for (; item; item = next) {
			next = item->next;
			free(item);
		}
	}
	for (size_t i = 0; i < hash_count(l->locks); i++) {
		struct stuck_lock *next, *lock = hash_at(l->locks, i);

		for (; lock; lock = next) {
			next = lock->next;
			free(lock);
		}
	}
	hash_free(l->items);
	hash_free(l->members);
	hash_free(l->locks);
	hash_free(l->submitters);
}

void stuck_look_free(void *look)
{
	struct stuck_look *l = look;

	stuck_descs_fini(l);
	for (size_t i = 0; i < hash_count(l->memory); i++)
		free(((struct stuck_memory *)hash_at(l->memory, i))->bytes);
	free_values(l->memory);
	free_values(l->moved);
	free_values(l->rooms);
	free_values(l->urings);
	free_values(l->requests);
	free_values(l->requests_by_tid);
	free_values(l->users);
	free_values(l->notices);
	hash_free(l->requests_by_ring);
	free_values(l->first);
	free_values(l->uses);
	for (size_t i = 0; i < hash_count(l->holders); i++)
		free(((struct stuck_holders *)hash_at(l->holders, i))->providers);
	free_values(l->holders);
	free_chains(l);
	hash_free(l->procs);
	hash_free(l->procs_by_tgid);
	hash_free(l->threads);
	hash_free(l->tasks);
	hash_free(l->creds);
	hash_free(l->sessions);
	hash_free(l->tables);
	hash_free(l->things);
	hash_free(l->by_chan);
	free_values(l->mapped);
	hash_free(l->tellers);
	free_values(l->teller_counts);
	free(l->mappings);
	for (size_t i = 0; i < hash_count(l->debtors); i++)
		free(((struct stuck_debtors *)hash_at(l->debtors, i))->threads);
	free_values(l->debtors);
	free_values(l->sems);
	free(l);
}

/* ----------------------------------------------------------------- questions */

struct stuck_proc *stuck_find_proc(const struct stuck *s, uint32_t tgid)
{
	return tgid ? hash_get(stuck_look(s)->procs_by_tgid, &tgid) : NULL;
}

bool stuck_owns_table(const struct stuck *s, const struct stuck_proc *p)
{
	return !p->files || hash_get(stuck_look(s)->tables, &p->files) == p;
}

bool stuck_has_other_threads(const struct stuck_thread *t)
{
	for (size_t i = 0; i < t->proc->thread_count; i++) {
		const struct stuck_thread *o = t->proc->threads[i];

		if (o != t && !o->is_dead && !(o->rec.flags & LENS_THREAD_WORKER))
			return true;
	}
	return false;
}

bool stuck_is_inside(const struct stuck *s)
{
	return !stuck_look(s)->sees_all;
}

struct stuck_memory *stuck_find_memory(const struct stuck *s, uint32_t tid)
{
	struct stuck_memory *m = hash_get(stuck_look(s)->memory, &tid);

	return m && !m->polls ? m : NULL;
}

struct stuck_memory *stuck_find_polled(const struct stuck *s, uint32_t tid)
{
	struct stuck_memory *m = hash_get(stuck_look(s)->memory, &tid);

	return m && m->polls ? m : NULL;
}

/* ------------------------------------------------------------------- threads */

static struct stuck_proc *get_proc(struct stuck *s, const struct lens_proc *key)
{
	struct stuck_look *l = stuck_look(s);
	struct stuck_proc *p = hash_get(l->procs, key);

	if (p)
		return p;
	p = stuck_add_proc(s, key);
	p->about = world_proc(s->world, key);
	hash_add(l->procs, key, p);
	hash_claim(l->procs_by_tgid, &key->tgid, p);
	return p;
}

static void take_first(struct stuck_look *l, const struct lens_rec_thread *r)
{
	struct lens_rec_thread *kept;

	if (hash_get(l->first, &r->tid))
		return;
	kept = xcalloc(1, sizeof(*kept));
	*kept = *r;
	hash_add(l->first, &r->tid, kept);
}

static bool same_call(const struct lens_rec_thread *a, const struct lens_rec_thread *b)
{
	return a->proc.start_ns == b->proc.start_ns && a->proc.tgid == b->proc.tgid &&
	       a->switches == b->switches && a->nr == b->nr &&
	       !memcmp(a->arg, b->arg, sizeof(a->arg));
}

/* who opens a file to read it wakes up every few milliseconds to see whether the lease is gone */
static bool naps_for_lease(const struct stuck_look *l, const struct stuck_thread *t)
{
	const struct stuck_lock *lock = hash_get(l->locks, &t->rec.tid);
	const struct lens_rec_thread *first = hash_get(l->first, &t->rec.tid);
	struct lens_rec_thread then;

	if (!lock || !(lock->rec.flags & LENS_LOCK_LEASE) || !first || !t->rec.state)
		return false;
	then = *first;
	then.switches = t->rec.switches;
	return same_call(&then, &t->rec);
}

static void take_table(struct stuck_look *l, struct stuck_proc *p, uint64_t token)
{
	struct stuck_proc *first = hash_claim(l->tables, &token, p);

	p->files = token;
	if (first != p)
		first->shares_table = p->shares_table = true;
}

static void add_debtor(struct stuck_look *l, struct stuck_thread *t)
{
	struct stuck_debtors *d = hash_get(l->debtors, &t->rec.undo);

	if (!d) {
		d = xcalloc(1, sizeof(*d));
		hash_add(l->debtors, &t->rec.undo, d);
	}
	if (!(d->count & (d->count - 1)))
		d->threads = xrealloc(d->threads, d->count ? d->count * 2 : 1, sizeof(*d->threads));
	d->threads[d->count++] = t;
}

static void take_again(struct stuck *s, const struct lens_rec_thread *r)
{
	struct stuck_look *l = stuck_look(s);
	const struct lens_rec_thread *first = hash_get(l->first, &r->tid);
	struct stuck_proc *p = get_proc(s, &r->proc);
	struct stuck_thread *t;

	if (hash_get(l->threads, &r->tid))
		return; /* listed twice: the list changed under the walk */
	t = stuck_add_thread(s, p, r->tid);
	hash_add(l->threads, &r->tid, t);
	t->rec = *r;
	t->is_dead = r->state & STATE_EXITED;
	p->live_count -= t->is_dead;
	t->moved = !t->is_dead && (!first || !same_call(first, r)) && !naps_for_lease(l, t);
	if (!t->moved && first && r->h.ts_ns > first->h.ts_ns)
		t->blocked_ns = r->h.ts_ns - first->h.ts_ns;
	/* the first round found it in this call already */
	if (!t->moved && first && r->entered_ns && r->entered_ns <= first->h.ts_ns) {
		t->blocked_ns = r->h.ts_ns - r->entered_ns;
		t->blocked_exact = true;
	}
	if (r->pidns == INITIAL_PIDNS)
		l->sees_all = true;
	p->written += r->written;
	if (r->files && p->files && r->files != p->files)
		p->has_several_tables = true;
	if (r->files)
		take_table(l, p, r->files);
	if (r->cred)
		hash_claim(l->creds, &r->cred, p);
	if (r->task)
		hash_claim(l->tasks, &r->task, t);
	if (r->undo && !t->is_dead)
		add_debtor(l, t);
	/* which its leader, if it has ended, does not tell of the others */
	p->flags |= r->flags & LENS_THREAD_SHARES_MEMORY;
	if (r->tid != r->proc.tgid)
		return;
	p->parent = r->parent;
	p->tracer = r->tracer;
	p->handlers = stuck_handlers_for_others(r->handlers);
	p->ignored = r->ignored;
	p->pid = r->pid;
	p->group = r->group;
	p->terminal = r->terminal;
	if (r->terminal && r->flags & LENS_THREAD_LEADER && !t->is_dead)
		hash_claim(l->sessions, &r->terminal, p);
	p->flags |= r->flags;
}

/* ------------------------------------------------------------------- holders */

static void take_item(struct stuck_look *l, const struct lens_rec_item *r)
{
	struct stuck_member key = { .epoll = r->epoll, .file = r->file, .fd = r->fd };
	struct stuck_item *item, *head = hash_get(l->items, &r->epoll);

	/* a set that several descriptors stand for is told of more than once */
	if (hash_get(l->members, &key))
		return;
	item = xcalloc(1, sizeof(*item));
	item->rec = *r;
	hash_add(l->members, &key, item);
	if (head) {
		item->next = head->next;
		head->next = item;
	} else {
		hash_add(l->items, &r->epoll, item);
	}
}

static void take_waiter(struct stuck_look *l, const struct lens_rec_waiter *r)
{
	struct stuck_room *room;

	/* a socket is told of for each of its descriptors */
	if (hash_get(l->rooms, &r->task))
		return;
	room = xcalloc(1, sizeof(*room));
	room->self = r->self;
	hash_add(l->rooms, &r->task, room);
}

static void add_bytes(struct stuck_memory *m, const struct event *ev)
{
	m->bytes = xrealloc(m->bytes, m->size + ev->memory.len + 1, 1);
	memcpy(m->bytes + m->size, ev->memory.data, ev->memory.len);
	m->size += ev->memory.len;
}

#define POLLED_BYTES_MAX (1u << 20)

/*
 * What a call was given is told of apart from what the data that it moves is in, and in several
 * records if it is much.
 */
static void take_memory(struct stuck_look *l, const struct event *ev)
{
	const struct lens_rec_memory *r = ev->lens_rec_memory;
	struct stuck_memory *m = hash_get(l->memory, &r->tid);
	bool polls = r->call >= LENS_CALL_POLL && r->call <= LENS_CALL_PSELECT;

	if (!m) {
		m = xcalloc(1, sizeof(*m));
		m->polls = polls;
		m->elsewhere = r->flags & LENS_MEMORY_ELSEWHERE;
		m->before = r->before;
		hash_add(l->memory, &r->tid, m);
	} else if (!m->truncated || !polls || m->size > POLLED_BYTES_MAX) {
		/* ... the other, or listed twice */
		m->served |= r->flags & LENS_MEMORY_SERVED;
		return;
	}
	m->served |= r->flags & LENS_MEMORY_SERVED;
	m->truncated = polls && ev->truncated;
	add_bytes(m, ev);
}

static void take_futex(struct stuck_look *l, const struct lens_rec_futex *r)
{
	struct lens_rec_futex *kept;

	if (hash_get(l->moved, &r->tid))
		return;
	kept = xcalloc(1, sizeof(*kept));
	*kept = *r;
	hash_add(l->moved, &r->tid, kept);
}

static void take_lock(struct stuck_look *l, const struct lens_rec_lock *r)
{
	struct stuck_lock *lock = xcalloc(1, sizeof(*lock)), *head = hash_get(l->locks, &r->tid);

	lock->rec = *r;
	if (head) {
		lock->next = head->next;
		head->next = lock;
	} else {
		hash_add(l->locks, &r->tid, lock);
	}
}

/* all of a set are told of for each thread that waits there, and must count once */
static void take_sem(struct stuck_look *l, const struct lens_rec_sem *r)
{
	struct stuck_sem key = { .undo = r->undo, .ipcns = r->ipcns, .id = r->id, .num = r->num };
	struct stuck_value *value, *first;

	if (hash_get(l->sems, &key))
		return;
	value = xcalloc(1, sizeof(*value));
	value->rec = *r;
	hash_add(l->sems, &key, value);
	key.undo = 0;
	first = hash_get(l->sems, &key);
	/* its value is told of before what is owed */
	if (!first || first == value)
		return;
	value->next = first->next;
	first->next = value;
}

/* ---------------------------------------------------------------------- look */

static void take_mark(struct stuck *s, const struct event *ev)
{
	struct stuck_look *l = stuck_look(s);

	switch (ev->lens_rec_mark->mark) {
	case LENS_MARK_STUCK_BEGIN:
		s->is_foreign = ev->lens_rec_mark->value != LENS_STUCK_VERSION;
		l->round = s->is_foreign ? STUCK_ROUND_END : STUCK_ROUND_FIRST;
		break;
	case LENS_MARK_STUCK_HOLDERS:
		l->round = STUCK_ROUND_HOLDERS;
		break;
	case LENS_MARK_STUCK_AGAIN:
		l->round = STUCK_ROUND_AGAIN;
		break;
	case LENS_MARK_STUCK_END:
		s->taken_ns = ev->ts_ns;
		s->incomplete |= ev->lens_rec_mark->value != 0;
		l->round = STUCK_ROUND_END;
		break;
	default:
		break;
	}
}

bool stuck_skips(const struct stuck *s, const struct lens_rec *rec)
{
	return s->is_foreign &&
	       ((rec->type >= LENS_REC_THREAD && rec->type <= LENS_REC_SUBMITTER) ||
		rec->type == LENS_REC_WAITER || rec->type == LENS_REC_FUTEX);
}

void stuck_apply(struct stuck *s, const struct event *ev)
{
	struct stuck_look *l = stuck_look(s);

	/* in a recording a look is among much else; of several the first one counts */
	if (l->round == STUCK_ROUND_END || (!l->round && ev->type != LENS_REC_MARK))
		return;
	switch (ev->type) {
	case LENS_REC_MARK:
		take_mark(s, ev);
		break;
	case LENS_REC_THREAD:
		if (l->round == STUCK_ROUND_FIRST)
			take_first(l, ev->lens_rec_thread);
		else
			take_again(s, ev->lens_rec_thread);
		break;
	case LENS_REC_DESC:
		stuck_take_desc(l, ev);
		break;
	case LENS_REC_ITEM:
		take_item(l, ev->lens_rec_item);
		break;
	case LENS_REC_WAITER:
		take_waiter(l, ev->lens_rec_waiter);
		break;
	case LENS_REC_URING:
		stuck_take_uring(s, ev->lens_rec_uring);
		break;
	case LENS_REC_REQUEST:
		stuck_take_request(s, ev->lens_rec_request);
		break;
	case LENS_REC_SUBMITTER:
		stuck_take_submitter(s, ev->lens_rec_submitter);
		break;
	case LENS_REC_MEMORY:
		take_memory(l, ev);
		break;
	case LENS_REC_MAPPING:
		stuck_take_mapping(l, ev->lens_rec_mapping);
		break;
	case LENS_REC_FUTEX:
		take_futex(l, ev->lens_rec_futex);
		break;
	case LENS_REC_SEM:
		take_sem(l, ev->lens_rec_sem);
		break;
	case LENS_REC_LOCK:
		take_lock(l, ev->lens_rec_lock);
		break;
	case LENS_REC_PROC:
	case LENS_REC_HOST:
	case LENS_REC_CHAN:
	case LENS_REC_MSGS:
		world_apply(s->world, ev);
		break;
	default:
		break;
	}
}

/* holders that were gone, or not there yet, when the threads were listed */
static void find_holders(struct stuck *s)
{
	struct stuck_look *l = stuck_look(s);
	struct stuck_proc *watched, *last = NULL;

	for (size_t i = 0; i < l->desc_count; i++) {
		struct stuck_desc *d = l->descs[i];

		/* they come process by process */
		if (last && !memcmp(&last->key, &d->rec.proc, sizeof(last->key)))
			d->proc = last;
		else if (d->rec.proc.tgid)
			d->proc = last = get_proc(s, &d->rec.proc);
		watched = stuck_find_proc(s, d->rec.pid);
		if (watched && d->rec.object == LENS_OBJECT_DEVICE)
			watched->is_watched = true;
	}
	for (size_t i = 0; i < l->mapping_count; i++)
		get_proc(s, &l->mappings[i].proc);
	for (size_t i = 0; i < s->proc_count; i++) {
		struct stuck_thread *t;

		if (s->procs[i]->thread_count)
			continue;
		t = stuck_add_thread(s, s->procs[i], s->procs[i]->key.tgid);
		t->moved = true;
	}
}

void stuck_settle(struct stuck *s)
{
	stuck_index_descs(stuck_look(s));
	find_holders(s);
	stuck_find_notices(s);
	stuck_count_uses(s);
	stuck_count_requests(s);
	stuck_find_hangups(s);
	stuck_find_wakers(s);
	for (size_t i = 0; i < s->thread_count; i++) {
		struct stuck_thread *t = s->threads[i];

		if (t->is_dead)
			continue;
		stuck_set_own(s, t);
		if (t->own == HOPE_STOPPED)
			stuck_need_tracer(s, t);
		else if (!t->moved && t->rec.state && !(t->rec.flags & LENS_THREAD_ENDING) &&
			 !stuck_is_helper(s, t))
			stuck_resolve(s, t);
	}
	stuck_judge(s);
}
