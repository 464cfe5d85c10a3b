// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Forgetting: channels that are gone and whose counts are final are settled,
 * once, and beyond a number of them only sums are kept; processes that have
 * ended go with their last channel. It happens at the end of a look and when
 * many channels were told to be gone, and depends on the records only: a
 * replay forgets what the live run did.
 */
#include "model/fold.h"
#include "model/ops.h"

/* names are chosen by whom we watch: so many rows, and one per kind for the rest */
#define FOLDS_MAX 1024

/* channels that must go at once for memory to be given back to the system */
#define TRIM_MIN 1000

struct hash *fold_table(void)
{
	return hash_new(sizeof(struct fold_key));
}

/* ------------------------------------------------------------------ what ended */

static bool is_final(const struct side *s)
{
	return s->final || (!s->seen && !s->announced);
}

/* operations that were counted and have not come may still be under way to us */
static bool lacks_operations(const struct side *s)
{
	return s->followed && s->op_count < s->total.ops;
}

/*
 * A channel that is handed from process to process while a look walks by can be
 * missed. Where its books balance it was empty, and nothing would be wrong if it
 * came back; otherwise a second look has to miss it too.
 */
static bool has_ended(const struct world *w, const struct chan *c)
{
	bool complete = true;
	struct moved moved;

	/* between looks, too: what is mapped now the last one may have missed */
	if (c->live || c->in_look || chan_memory(c)->mappers || target_lives(c) ||
	    !(c->missed || c->told_gone))
		return false;
	for (size_t i = 0; i < c->end_count; i++) {
		for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
			if (!is_final(end_side(chan_ends(c)[i], d)))
				return false;
			complete &= !lacks_operations(end_side(chan_ends(c)[i], d));
		}
	}
	if (c->missed > 1)
		return true;
	/* who is at the other end may still be told, when that is accepted, unless it was lost */
	if (event_kind_has_halves(c->key.kind) && !c->peer)
		return c->told_gone && w->loss.by_kind[c->key.kind][LENS_LOSS_RING_FULL];
	queue_moved(c, &moved);
	/* where something had no room books do not balance for that alone */
	return complete && (w->unplaced[c->key.kind] || moved.n[UNIT_BYTES][LENS_READ] ==
							 moved.n[UNIT_BYTES][LENS_WRITE]);
}

/* halves go together: the ledger of one needs the other */
static bool is_to_go(const struct world *w, const struct chan *c)
{
	return !c->is_second && has_ended(w, c) && (!c->peer || has_ended(w, c->peer));
}

/* ----------------------------------------------------------------- what is kept */

struct candidate {
	void *what;		/* struct chan or struct proc */
	bool wanted;		/* a report may be about it */
	uint64_t bytes;
	size_t order;		/* when it was first heard of */
};

/* worth keeping most first: shown, then big, then new */
static int compare(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->wanted != b->wanted)
		return a->wanted ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a->order > b->order ? -1 : a->order < b->order;
}

static bool used_in_tree(const struct endpoint *e)
{
	bool in_tree = e->proc->in_tree;
	bool used = end_mapper(e)->is_mapper;

	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		in_tree |= !!(end_side(e, d)->flags & LENS_END_TREE);
		used |= end_side(e, d)->seen || end_waits(e, d)->samples;
	}
	return in_tree && used;
}

static bool touched_by_tree(const struct chan *c)
{
	for (size_t i = 0; i < c->end_count; i++)
		if (used_in_tree(chan_ends(c)[i]))
			return true;
	return c->peer && !c->is_second && touched_by_tree(c->peer);
}

static uint64_t bytes_of(const struct chan *c)
{
	struct moved moved;

	chan_moved(c, false, &moved);
	return (uint64_t)moved.n[UNIT_BYTES][LENS_READ] + (uint64_t)moved.n[UNIT_BYTES][LENS_WRITE];
}

static struct candidate judge_chan(const struct world *w, struct chan *c, size_t order)
{
	return (struct candidate){
		.what = c,
		.wanted = !chan_is_own(c) && (!w->follows_command || touched_by_tree(c)),
		.bytes = bytes_of(c) + (c->peer ? bytes_of(c->peer) : 0),
		.order = order,
	};
}

/* ------------------------------------------------------------------------- sums */

/* records are not trusted, and there may be many of them */
static void add_signed(int64_t *to, int64_t n)
{
	if (__builtin_add_overflow(*to, n, to))
		*to = n < 0 ? INT64_MIN : INT64_MAX;
}

static uint64_t magnitude(int64_t n)
{
	return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

static void add_ledger(struct fold *f, const struct ledger *l)
{
	struct ledger *to = &f->ledger;

	to->known &= l->known;
	add_signed(&to->before_start, l->before_start);
	add_signed(&to->written, l->written);
	add_signed(&to->read, l->read);
	add_signed(&to->queued, l->queued);
	add_signed(&to->discarded, l->discarded);
	add_signed(&to->in_flight, l->in_flight);
	add_signed(&to->unaccounted, l->unaccounted);
	add_signed(&to->by_kernel, l->by_kernel);
	add_signed(&to->slack, l->slack);
	add_signed(&to->msgs_before, l->msgs_before);
	add_signed(&to->msgs_written, l->msgs_written);
	add_signed(&to->msgs_read, l->msgs_read);
	add_signed(&to->msgs_queued, l->msgs_queued);
	add_signed(&to->msgs_discarded, l->msgs_discarded);
	add_signed(&to->msgs_unaccounted, l->msgs_unaccounted);
	f->unaccounted_bytes += magnitude(l->unaccounted);
	f->unaccounted_msgs += magnitude(l->msgs_unaccounted);
}

void fold_add_total(struct lens_total *to, const struct lens_total *t)
{
	to->ops += t->ops;
	to->msgs += t->msgs;
	to->bytes += t->bytes;
	to->errors += t->errors;
	to->shorts += t->shorts;
}

/* of memory: who could write there, and who could read */
static bool is_user(const struct endpoint *e, enum lens_dir dir)
{
	uint32_t prot = dir == LENS_WRITE ? LENS_PROT_WRITE : LENS_PROT_READ;

	return end_side(e, dir)->seen || end_mapper(e)->prot_ever & prot;
}

/* of those who moved something, or else of those who tried to */
static void name_users(const struct chan *c, enum lens_dir dir, struct fold_key *k)
{
	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];

		if (!is_user(e, dir) || k->names[dir] == FOLD_SEVERAL)
			continue;
		if (k->names[dir] == FOLD_NOBODY) {
			k->names[dir] = FOLD_ONE;
			memcpy(k->comm[dir], e->proc->comm, LENS_COMM_LEN);
		} else if (strncmp(k->comm[dir], e->proc->comm, LENS_COMM_LEN)) {
			k->names[dir] = FOLD_SEVERAL;
			memset(k->comm[dir], 0, LENS_COMM_LEN);
			return;
		}
	}
}

struct fold *fold_get(struct world *w, struct fold_key *k)
{
	size_t named = hash_count(w->folds) - world_state(w)->unplaced_rows;
	struct fold *f = hash_get(w->folds, k);

	if (!f && !k->of_proc && named >= FOLDS_MAX) {
		for (unsigned d = 0; d < LENS_DIR_MAX; d++)
			k->names[d] = FOLD_SEVERAL;
		memset(k->comm, 0, sizeof(k->comm));
		f = hash_get(w->folds, k);
	}
	if (f)
		return f;
	f = xcalloc(1, sizeof(*f));
	f->kind = k->kind;
	f->in_tree = k->in_tree;
	f->is_self = k->is_self;
	f->unplaced = k->unplaced;
	f->unknown = k->unknown;
	f->ledger.known = !k->unplaced;
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		f->names[d].count = k->names[d];
		memcpy(f->names[d].comm, k->comm[d], LENS_COMM_LEN);
	}
	hash_add(w->folds, k, f);
	return f;
}

/* a channel or half of one */
static void fold_half(struct world *w, struct fold *f, struct chan *c)
{
	ledger_settle(w, c);
	add_ledger(f, chan_ledger(c));
	w->flow_count = 0;
	flow_settle_chan(w, c);
	f->flows += w->flow_count;
	for (size_t i = 0; i < w->flow_count; i++)
		f->inexact_flows += !w->flows[i].exact;
	w->flow_count = 0;
	for (size_t i = 0; i < c->end_count; i++) {
		for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
			fold_add_total(&f->total[d], &end_side(chan_ends(c)[i], d)->total);
			f->blocked_ns[d] += end_waits(chan_ends(c)[i], d)->blocked_ns;
		}
	}
	c->folded = true;
}

/* its books, which have been added up: thousands are folded before the first is forgotten */
static void drop_books(struct chan *c)
{
	free(c->more);
	c->more = NULL;
}

static void fold_chan(struct world *w, struct chan *c)
{
	bool has_more = c->more, peer_has_more = c->peer && c->peer->more;
	struct chan *peer = c->peer;
	struct fold_key key;
	struct fold *f;

	memset(&key, 0, sizeof(key));	/* its padding is compared, too */
	key.kind = c->key.kind;
	key.in_tree = touched_by_tree(c);
	key.is_self = chan_is_own(c);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		name_users(c, d, &key);
		if (c->peer)
			name_users(c->peer, d, &key);
	}
	f = fold_get(w, &key);
	fold_half(w, f, c);
	if (c->peer)
		fold_half(w, f, c->peer);
	halves_forget(w, c);
	f->channels++;
	f->shared += chan_memory(c)->peak_mappers > 1;
	w->folded_chans++;
	if (!has_more)
		drop_books(c);
	if (peer && !peer_has_more)
		drop_books(peer);
}

/* ----------------------------------------------------------------------- forget */

static bool keep_id(void *arg, void *value)
{
	return !id_end(value)->chan->folded;
}

static bool keep_chan(void *arg, void *value)
{
	struct world *w = arg;
	struct chan *c = value;

	if (!c->folded)
		return true;
	world_state(w)->ops_kept -= ops_kept(chan_state(c)->ops);
	chan_free(w, c);
	return false;
}

static void forget_chans(struct world *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->wait_count; i++)
		if (!w->waits[i].chan->folded)
			w->waits[kept++] = w->waits[i];
	w->wait_count = kept;
	hash_filter(world_state(w)->ids, keep_id, NULL);
	seats_forget_folded(world_state(w)->seats);
	hash_filter(w->chans, keep_chan, w);
}

static void fold_chans(struct world *w)
{
	size_t count = hash_count(w->chans), ended = 0;
	_cleanup_free_ struct candidate *all = NULL;

	if (count <= w->max_ended)
		return;
	all = xcalloc(count, sizeof(*all));
	for (size_t i = 0; i < count; i++) {
		struct chan *c = hash_at(w->chans, i);

		if (is_to_go(w, c))
			all[ended++] = judge_chan(w, c, i);
	}
	if (ended <= w->max_ended)
		return;
	qsort(all, ended, sizeof(*all), compare);
	for (size_t i = w->max_ended; i < ended; i++)
		fold_chan(w, all[i].what);
	forget_chans(w);
	/* whoever makes channels by the thousand leaves holes between those that stay */
	if (ended - w->max_ended >= TRIM_MIN)
		alloc_trim();
}

/* nothing tells of it any more, and the totals have been read since it ended */
static bool is_forgettable(const struct world *w, const struct proc *p)
{
	return p->exited && !p->end_count && p->exit_look < world_state(w)->looks_begun;
}

static bool keep_proc(void *arg, void *value)
{
	struct hash *forgotten = arg;
	struct proc *p = value;

	if (!hash_get(forgotten, &p->key))
		return true;
	proc_free(p);
	return false;
}

static void fold_procs(struct world *w)
{
	size_t count = hash_count(w->procs), ended = 0;
	_cleanup_(hash_freep) struct hash *forgotten = NULL;
	_cleanup_free_ struct candidate *all = NULL;

	if (count <= w->max_ended)
		return;
	all = xcalloc(count, sizeof(*all));
	for (size_t i = 0; i < count; i++) {
		struct proc *p = hash_at(w->procs, i);

		if (is_forgettable(w, p))
			all[ended++] = (struct candidate){
				.what = p, .order = i,
				.wanted = !w->follows_command || p->in_tree,
			};
	}
	if (ended <= w->max_ended)
		return;
	qsort(all, ended, sizeof(*all), compare);
	forgotten = hash_new(sizeof(struct lens_proc));
	for (size_t i = w->max_ended; i < ended; i++)
		hash_add(forgotten, &((struct proc *)all[i].what)->key, all[i].what);
	w->folded_procs += ended - w->max_ended;
	hash_filter(w->procs, keep_proc, forgotten);
}

void fold_ended(struct world *w)
{
	fold_chans(w);
	unplaced_forget(w);
	fold_procs(w);
}

void fold_between_looks(struct world *w)
{
	struct world_state *ws = world_state(w);

	/* recordings are not trusted, and these marks cost them little */
	if (!ws->gone_told ||
	    (ws->gone_told < EVENT_MANY_GONE && ws->gone_told < hash_count(w->chans) / 8))
		return;
	ws->gone_told = 0;
	/* these name what may be forgotten */
	w->map_change_count = 0;
	fold_ended(w);
}
