// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The totals out of the kernel, and what leaves the kernel's maps: entries of
 * processes that have ended and of channels that are gone, so that no churn can
 * fill them. Memory does not grow with the maps: they are read in pieces.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "event/event.h"
#include "source/crowds.h"
#include "source/live.h"

/* retries for places that were in use while a flush came by */
#define FLUSH_TRIES 100
/* entries per read of a map; more only if one hash bucket has more */
#define BATCH_ENTRIES 1024
/* of the room for entries: when so much has gone it is time to make some */
#define ROOM_SHARE 4

/* empties the cache of one CPU, there if it is online; 1: some of it was in use each time */
static int flush_cpu(int prog_fd, uint64_t cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu,
		    .ctx_in = &cpu, .ctx_size_in = sizeof(cpu));
	int err = 0;

	for (unsigned i = 0; !err && i < FLUSH_TRIES; i++) {
		err = bpf_prog_test_run_opts(prog_fd, &opts);
		if (err == -ENXIO && opts.flags) {
			/* offline: nobody counts there, so anybody may empty it */
			opts.flags = 0;
			opts.cpu = 0;
			err = 0;
		} else if (!err && !opts.retval) {
			return 0;
		}
	}
	return err ? err : 1;
}

/* empties the per-CPU caches into the totals map */
int live_flush(struct live *l)
{
	int fd = bpf_program__fd(l->skel->progs.core__run__flush), err;
	uint64_t begin_ns = live_now_ns();
	bool skipped = false;

	for (int cpu = 0; cpu < l->cpu_count; cpu++) {
		err = flush_cpu(fd, cpu);
		if (err < 0)
			return log_err(err, "cannot empty the counters of CPU %d: %s", cpu,
				       strerror(-err));
		skipped |= err;
	}
	if (!skipped)
		order_flushed(&l->order, begin_ns);
	return 0;
}

/* --------------------------------------------------------------- map walks */

/* a hash map, read piece by piece; entries may be deleted on the way */
struct map_walk {
	int fd;
	size_t key_size, value_size;
	uint32_t room, count;		/* entries of a piece */
	char *keys, *values;
	uint32_t token;			/* where the kernel goes on */
	bool begun, ended;
};

static void map_walk_fini(struct map_walk *w)
{
	free(w->keys);
	free(w->values);
}

static void map_walk_init(struct map_walk *w, const struct bpf_map *map)
{
	*w = (struct map_walk){
		.fd = bpf_map__fd(map), .room = BATCH_ENTRIES,
		.key_size = bpf_map__key_size(map), .value_size = bpf_map__value_size(map),
	};
	w->keys = xcalloc(w->room, w->key_size);
	w->values = xcalloc(w->room, w->value_size);
}

/* the next piece; 0 and count 0: that was all */
static int map_walk_next(struct map_walk *w)
{
	int err;

	w->count = 0;
	if (w->ended)
		return 0;
	for (;;) {
		uint32_t n = w->room;

		err = bpf_map_lookup_batch(w->fd, w->begun ? &w->token : NULL, &w->token, w->keys,
					   w->values, &n, NULL);
		if (err != -ENOSPC) {
			w->count = n;
			break;
		}
		w->room *= 2;
		w->keys = xrealloc(w->keys, w->room, w->key_size);
		w->values = xrealloc(w->values, w->room, w->value_size);
	}
	if (err && err != -ENOENT)
		return log_err(err, "cannot read a table of counters: %s", strerror(-err));
	w->begun = true;
	w->ended = err == -ENOENT;
	return 0;
}

/* ------------------------------------------------------------------- retiring */

/* what leaves the map in one reading of the totals */
struct leavers {
	struct hash *procs;		/* struct lens_proc: have ended */
	struct hash *chans;		/* struct lens_chan: are gone, as looks have it */
	struct hash *gone;		/* ... as their inodes have it */
	const struct hash *alive;	/* who else has not ended, NULL or empty: not known */
	uint64_t alive_ns;		/* ... of those that began before this */
	struct hash *left;		/* channels that are not, and lost an entry */
};

static const int present;

static void leavers_init(struct leavers *v)
{
	*v = (struct leavers){
		.procs = hash_new(sizeof(struct lens_proc)),
		.chans = hash_new(sizeof(struct lens_chan)),
		.gone = hash_new(sizeof(struct lens_chan)),
		.left = hash_new(sizeof(struct lens_chan)),
	};
}

static void leavers_fini(struct leavers *v)
{
	hash_free(v->procs);
	hash_free(v->chans);
	hash_free(v->gone);
	hash_free(v->left);
}

static void set_add(struct hash *set, const void *key)
{
	if (!hash_get(set, key))
		hash_add(set, key, (void *)&present);
}

static struct lens_chan key_chan(const struct lens_total_key *k)
{
	return (struct lens_chan){ .ino = k->ino, .dev = k->dev, .gen = k->gen, .kind = k->kind };
}

static bool has_ended(const struct leavers *v, const struct lens_proc *p)
{
	if (hash_get(v->procs, p))
		return true;
	return v->alive && hash_count(v->alive) && p->start_ns < v->alive_ns &&
	       !hash_get(v->alive, p);
}

/* whether its channel is gone the kernel side sees for itself */
static bool is_to_leave(const struct leavers *v, const struct lens_total_key *k,
			const struct lens_total *t)
{
	struct lens_proc proc = { .start_ns = k->start_ns, .tgid = k->tgid };
	struct lens_chan chan = key_chan(k);

	return t->flags & LENS_END_LATE || hash_get(v->chans, &chan) || has_ended(v, &proc);
}

static int emit_total(const struct lens_total_key *k, const struct lens_total *t, uint32_t last,
		      source_sink sink, void *arg)
{
	struct lens_rec_total rec = { .key = *k, .total = *t };
	int err;

	/* the rest is the kernel side's own */
	rec.total.flags &= 0xff & ~LENS_END_LATE;
	rec.total.flags |= last;
	err = live_emit(sink, arg, &rec.h, LENS_REC_TOTAL, sizeof(rec));
	return err < 0 ? err : 0;
}

static void keep_gone(struct live *l, const struct lens_chan *chan)
{
	if (l->gone_count == l->gone_size) {
		l->gone_size = l->gone_size ? l->gone_size * 2 : 256;
		l->gone = xrealloc(l->gone, l->gone_size, sizeof(*l->gone));
	}
	l->gone[l->gone_count++] = *chan;
}

/* only a fifo has an inode that is read anew: the others' are there as long as they are */
static bool may_come_back(const struct lens_chan *chan)
{
	return chan->kind == LENS_KIND_FIFO;
}

/* a fifo, opened since it was found gone, which the kernel side has noted; else it may go, too */
static bool came_back(const struct live *l, const struct lens_chan *chan)
{
	int fd = bpf_map__fd(l->skel->maps.lens_chans);
	_cleanup_free_ struct lens_users *u =
		xcalloc(1, bpf_map__value_size(l->skel->maps.lens_chans));

	if (bpf_map_lookup_elem(fd, chan, u))
		return false;
	if (u->gone_in)
		bpf_map_delete_elem(fd, chan);
	return !u->gone_in;
}

/*
 * Of those that the reading before found gone nothing can come any more: what was in the
 * caches then has been read now, and what was in the rings is taken first. But a fifo may have
 * been opened since.
 */
static int tell_gone(struct live *l, size_t count, source_sink sink, void *arg)
{
	int err = count ? live_drain(l, sink, arg) : 0;

	for (size_t i = 0; err >= 0 && i < count; i++) {
		struct lens_rec_gone rec = { .chan = l->gone[i] };

		if (may_come_back(&rec.chan) && came_back(l, &rec.chan))
			continue;
		err = live_emit(sink, arg, &rec.h, LENS_REC_GONE, sizeof(rec));
	}
	l->gone_count -= count;
	memmove(l->gone, l->gone + count, l->gone_count * sizeof(*l->gone));
	l->gone_told += count;
	if (err < 0 || l->gone_told < EVENT_MANY_GONE)
		return err;
	l->gone_told = 0;
	return live_emit_mark(sink, arg, LENS_MARK_FOLD, 0);
}

static int tell_row(struct live *l, struct leavers *v, const struct lens_retire_row *row,
		    const struct lens_total *read, source_sink sink, void *arg)
{
	struct lens_chan chan = key_chan(&row->key);

	if (!row->left) {
		l->entries++;
		l->leaving += row->leaves;
		return emit_total(&row->key, read, 0, sink, arg);
	}
	if (row->left == LENS_LEFT_GONE && !hash_get(v->gone, &chan)) {
		set_add(v->gone, &chan);
		keep_gone(l, &chan);
	}
	if (row->left == LENS_LEFT)
		set_add(v->left, &chan);
	crowds_leave(l->crowds, row->total.id);
	return emit_total(&row->key, &row->total, LENS_END_LAST, sink, arg);
}

/* of what was just read those leave whose time has come; all are told */
static int sweep_rows(struct live *l, struct leavers *v, const struct lens_total_key *keys,
		      const struct lens_total *totals, uint64_t count, source_sink sink, void *arg)
{
	uint64_t args[] = { count, l->reading };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	struct lens_retire_row *rows = (void *)l->skel->bss->lens_retire_rows;
	int err;

	for (uint64_t i = 0; i < count; i++) {
		rows[i].key = keys[i];
		rows[i].wanted = is_to_leave(v, &keys[i], &totals[i]);
	}
	err = bpf_prog_test_run_opts(bpf_program__fd(l->skel->progs.core__run__retire), &opts);
	if (err)
		return log_err(err, "cannot retire counters: %s", strerror(-err));
	for (uint64_t i = 0; !err && i < count; i++)
		err = tell_row(l, v, &rows[i], &totals[i], sink, arg);
	return err;
}

static int sweep(struct live *l, struct leavers *v, source_sink sink, void *arg)
{
	_cleanup_(map_walk_fini) struct map_walk w = {};
	uint32_t count;
	int err;

	l->entries = l->leaving = 0;
	l->reading += l->reading == UINT32_MAX ? 2 : 1;
	l->entries_made = l->skel->bss->lens_entries_made;
	map_walk_init(&w, l->skel->maps.lens_totals);
	do {
		err = map_walk_next(&w);
		for (uint32_t at = 0; !err && at < w.count; at += count) {
			count = w.count - at < LENS_RETIRE_ROWS ? w.count - at : LENS_RETIRE_ROWS;
			err = sweep_rows(l, v, (struct lens_total_key *)(void *)w.keys + at,
					 (struct lens_total *)(void *)w.values + at, count, sink,
					 arg);
		}
	} while (!err && !w.ended);
	return err;
}

/*
 * Of those that leave with their channel no entry is left that this could cost its own, if
 * it cannot have been opened since. One that can stays until it is told.
 */
static void drop_chans(struct live *l, const struct leavers *v)
{
	int fd = bpf_map__fd(l->skel->maps.lens_chans);

	for (size_t i = 0; i < hash_count(v->chans); i++)
		bpf_map_delete_elem(fd, hash_key_at(v->chans, i));
	for (size_t i = 0; i < hash_count(v->gone); i++)
		if (!may_come_back(hash_key_at(v->gone, i)))
			bpf_map_delete_elem(fd, hash_key_at(v->gone, i));
}

/* channels that lost their last entry leave too */
static int sweep_chans(struct live *l, struct hash *left)
{
	_cleanup_(hash_freep) struct hash *used = hash_new(sizeof(struct lens_chan));
	_cleanup_(map_walk_fini) struct map_walk w = {};
	int err = 0, fd = bpf_map__fd(l->skel->maps.lens_chans);

	if (!hash_count(left))
		return 0;
	map_walk_init(&w, l->skel->maps.lens_totals);
	while (!err && !w.ended) {
		err = map_walk_next(&w);
		for (uint32_t i = 0; !err && i < w.count; i++) {
			struct lens_chan chan = key_chan((struct lens_total_key *)(void *)w.keys +
							 i);

			if (hash_get(left, &chan))
				set_add(used, &chan);
		}
	}
	for (size_t i = 0; !err && i < hash_count(left); i++)
		if (!hash_get(used, hash_key_at(left, i)))
			bpf_map_delete_elem(fd, hash_key_at(left, i));
	return err;
}

/* what was told of it last; it may be forgotten with the entry that it is of */
struct told { struct lens_total_key key; struct lens_total total; };

static bool keep_told(void *unused, void *value)
{
	struct told *t = value;

	if (event_total_any(&t->total))
		return true;
	free(t);
	return false;
}

static bool keep_nothing(void *unused, void *value)
{
	free(value);
	return false;
}

void live_forget_told(struct live *l)
{
	if (l->told)
		hash_filter(l->told, keep_nothing, NULL);
	hash_free(l->told);
}

static struct told *told_of(struct live *l, const struct lens_total_key *k)
{
	struct told *t = hash_get(l->told, k);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->key = *k;
	hash_add(l->told, k, t);
	return t;
}

/* whose traffic is left out of everything is so of this, too */
static bool is_ours(const struct live *l, const struct lens_proc *p)
{
	uint32_t one;

	return !bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.lens_self_procs), p, &one);
}

static int tell_unplaced_row(struct live *l, const struct leavers *v, int fd,
			     const struct lens_total_key *k, struct lens_total t,
			     source_sink sink, void *arg)
{
	struct lens_proc proc = { .start_ns = k->start_ns, .tgid = k->tgid };
	bool last = has_ended(v, &proc) && !bpf_map_lookup_and_delete_elem(fd, k, &t);
	struct told *told = told_of(l, k);
	struct lens_total more = t;

	event_total_take_off(&more, &told->total);
	if (!event_total_any(&more) && !last)
		return 0;
	told->total = last ? (struct lens_total){} : t;
	t.flags = is_ours(l, &proc) ? LENS_END_SELF : 0;
	return emit_total(k, &t, last ? LENS_END_LAST : 0, sink, arg);
}

/* what had no room, by process, if there is more; who has ended adds no more to it */
static int tell_unplaced(struct live *l, const struct leavers *v, source_sink sink, void *arg)
{
	_cleanup_(map_walk_fini) struct map_walk w = {};
	int err = 0;

	if (!l->told)
		l->told = hash_new_in_values(sizeof(struct lens_total_key));
	map_walk_init(&w, l->skel->maps.lens_unplaced);
	while (!err && !w.ended) {
		err = map_walk_next(&w);
		for (uint32_t i = 0; !err && i < w.count; i++) {
			const struct lens_total_key *k =
				(struct lens_total_key *)(void *)w.keys + i;

			err = tell_unplaced_row(l, v, w.fd, k,
						((struct lens_total *)(void *)w.values)[i], sink,
						arg);
		}
	}
	hash_filter(l->told, keep_told, NULL);
	return err;
}

/* -------------------------------------------------------------------- loss */

/*
 * What interrupts these changes nothing that they are for: those that number look at an
 * allocation, and no interrupt allocates a message. A tracepoint's programs run with preemption
 * off (include/linux/tracepoint.h: v6.1, v6.12, v6.18), and what softirqs do with a socket
 * connects none.
 */
static bool misses_nothing(const struct live *l, const struct bpf_program *prog)
{
	return live_is_numbering(prog) || prog == l->skel->progs.inet___any__connecting;
}

static uint64_t recursion_misses(const struct live *l)
{
	struct bpf_program *prog;
	uint64_t misses = 0;

	bpf_object__for_each_program(prog, l->skel->obj) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_program__autoload(prog) && !misses_nothing(l, prog) &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			misses += info.recursion_misses;
	}
	return misses;
}

static int emit_loss(struct live *l, source_sink sink, void *arg)
{
	int err = 0;

	l->ring_full = 0;
	for (uint32_t kind = 0; !err && kind < LENS_KIND_MAX; kind++) {
		/* as in bpf/core.bpf.h: counters by cause, then bytes */
		const __u64 *losses = l->skel->bss->lens_losses[kind];
		struct lens_rec_loss rec = { .kind = kind, .bytes = losses[LENS_LOSS_MAX] };

		memcpy(rec.count, losses, sizeof(rec.count));
		l->ring_full += rec.count[LENS_LOSS_RING_FULL];
		if (!kind)
			rec.count[LENS_LOSS_RECURSION] += recursion_misses(l);
		err = live_emit(sink, arg, &rec.h, LENS_REC_LOSS, sizeof(rec));
	}
	return err;
}

/* ------------------------------------------------------------------ readings */

static int read_totals(struct live *l, struct leavers *v, source_sink sink, void *arg)
{
	/* who is known to have ended before the flush has nothing more to count after it */
	size_t ended = l->exited_count, gone = l->gone_count;
	int err = l->opt.snapshot ? 0 : live_flush(l);

	live_release_calls(l);
	if (!err && l->opt.snapshot)
		return emit_loss(l, sink, arg);
	for (size_t i = 0; i < ended; i++)
		set_add(v->procs, &l->exited[i]);
	if (!err)
		err = sweep(l, v, sink, arg);
	if (!err)
		err = tell_unplaced(l, v, sink, arg);
	if (!err)
		err = tell_gone(l, gone, sink, arg);
	if (!err)
		live_numbering_settle(l);
	if (!err)
		err = live_handoffs(l, v->procs, sink, arg);
	if (err)
		return err;
	l->exited_count -= ended;
	memmove(l->exited, l->exited + ended, l->exited_count * sizeof(*l->exited));
	drop_chans(l, v);
	err = sweep_chans(l, v->left);
	return err ? err : emit_loss(l, sink, arg);
}

/* readings in between, for the room they make, take no more than half of our time */
static int read_and_rest(struct live *l, struct leavers *v, source_sink sink, void *arg)
{
	uint64_t begin_ns = live_now_ns();
	int err = read_totals(l, v, sink, arg);
	uint64_t end_ns = live_now_ns();

	l->next_reading_ns = end_ns + (end_ns - begin_ns);
	return err;
}

int live_totals(struct live *l, source_sink sink, void *arg)
{
	_cleanup_(leavers_fini) struct leavers v;

	leavers_init(&v);
	return read_and_rest(l, &v, sink, arg);
}

/* a quarter of the room that the last reading left has been taken since, or another makes that */
bool live_totals_are_due(const struct live *l)
{
	uint32_t size = bpf_map__max_entries(l->skel->maps.lens_totals);
	uint32_t room = size > l->entries ? size - l->entries : 0;
	uint32_t made = l->skel->bss->lens_entries_made - l->entries_made;

	return !l->opt.snapshot && (made > room / ROOM_SHARE || l->leaving > room / ROOM_SHARE) &&
	       live_now_ns() >= l->next_reading_ns;
}

/*
 * A look finds all channels wherever they are, but for queues nobody holds. One
 * that stands for a process goes when that does.
 */
static bool has_gone(const struct live *l, const struct leavers *v, const struct lens_chan *c,
		     const struct lens_users *u)
{
	struct lens_proc target = { .start_ns = c->ino, .tgid = c->dev };

	if (event_kind_has_target(c->kind))
		return c->dev && has_ended(v, &target);
	return c->kind != LENS_KIND_POSIX_MQ && u->look + 2 <= l->skel->bss->lens_look;
}

/*
 * Two looks in a row have missed these. One alone may miss a channel that is
 * handed on while the look goes by; and should two have, it is counted anew.
 */
static int find_gone(struct live *l, struct leavers *v)
{
	_cleanup_(map_walk_fini) struct map_walk w = {};
	int err = 0;

	map_walk_init(&w, l->skel->maps.lens_chans);
	while (!err && !w.ended) {
		err = map_walk_next(&w);
		for (uint32_t i = 0; !err && i < w.count; i++) {
			const struct lens_chan *c = (struct lens_chan *)(void *)w.keys + i;
			const struct lens_users *u = (void *)(w.values + i * w.value_size);

			if (has_gone(l, v, c, u))
				set_add(v->chans, c);
		}
	}
	return err;
}

int live_totals_of_look(struct live *l, const struct hash *alive, uint64_t alive_ns,
			source_sink sink, void *arg)
{
	_cleanup_(leavers_fini) struct leavers v;
	int err = 0;

	leavers_init(&v);
	/* a look from inside a pid namespace finds only what is in there */
	if (l->sees_all) {
		v.alive = alive;
		v.alive_ns = alive_ns;
		err = find_gone(l, &v);
	}
	return err ? err : read_and_rest(l, &v, sink, arg);
}
