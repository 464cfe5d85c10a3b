// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Flows: who got whose bytes. Totals alone decide it wherever there is one
 * source, or one reader that took everything; otherwise the order of the
 * operations does, and where that is not known bytes are apportioned and the
 * flow says so.
 */
#include <inttypes.h>

#include "model/mapping.h"
#include "model/ops.h"
#include "model/ways.h"

static const char why_order[] =
	"order of concurrent calls is inferred from the times of their return";
static const char why_before[] =
	"what was inside at the start is known only to within what moved meanwhile";
static const char why_excess[] = "more was read than was seen to be written";
static const char why_kernel[] = "the kernel itself added to what was written, or took some away";
static const char why_counter[] = "a counter does not keep apart who added what";
static const char why_partly[] = "apportioned: some of its operations were not followed";
static const char why_outside[] =
	"who sent it was not seen: another host, or whom no hook tells of";
static const char why_anew[] =
	"a socket was connected anew: its connections are counted as the first one";
static const char why_redirected[] =
	"in a sockmap: what is sent goes where a BPF program says";
static const char why_encrypted[] =
	"encrypted by the kernel: how much was inside at the start is not known";
static const char why_summed_up[] =
	"what the other end did was summed up before it was known whose it was";
static const char why_peer[] = "the other end, which is of this host, was not found";
static const char why_crowd[] = "too many writers and readers to tell apart";

/* apportioned flows of one channel; a crowd is not worth a guess for each pair */
#define CELLS_MAX 4096

/* ------------------------------------------------------------------- sides */

/* one that gave or got something; proc NULL: was there before the start, or unknown */
struct member {
	struct proc *proc;
	uint64_t bytes, msgs;
};

struct party {
	struct member *members;
	size_t count;
	uint64_t bytes, msgs;
};

static void join(struct party *p, struct proc *proc, uint64_t bytes, uint64_t msgs)
{
	p->members[p->count++] = (struct member){ .proc = proc, .bytes = bytes, .msgs = msgs };
	p->bytes += bytes;
	p->msgs += msgs;
}

static void party_init(struct party *p, const struct chan *c, enum lens_dir dir)
{
	bool is_queue = chan_has_messages(c);
	const struct chan *at = chan_side(c, dir);

	memset(p, 0, sizeof(*p));
	p->members = xcalloc((at ? at->end_count : 0) + 2, sizeof(*p->members));
	if (dir == LENS_WRITE && (chan_state(c)->before || chan_ledger(c)->msgs_before))
		/* of a stream it is not known in how many calls they came */
		join(p, NULL, chan_state(c)->before, is_queue ? chan_ledger(c)->msgs_before : 0);
	if (dir == LENS_WRITE && (chan_state(c)->outside || chan_state(c)->msgs_outside))
		join(p, NULL, chan_state(c)->outside, chan_state(c)->msgs_outside);
	for (size_t i = 0; at && i < at->end_count; i++) {
		const struct lens_total *t = &end_side(chan_ends(at)[i], dir)->total;

		if (t->bytes || t->msgs)
			join(p, chan_ends(at)[i]->proc, t->bytes, t->msgs);
	}
}

/* writers whose first call has not returned count too when more was read than written */
static void join_under_way(struct party *writers, const struct party *readers,
			   const struct chan *c)
{
	const struct chan *at = chan_source(c);

	if (readers->bytes <= writers->bytes)
		return;
	for (size_t i = 0; at && i < at->end_count; i++) {
		const struct side *s = end_side(chan_ends(at)[i], LENS_WRITE);

		if (side_waits(s)->under_way[UNIT_BYTES] && !s->total.bytes && !s->total.msgs &&
		    !chan_has_messages(c))
			join(writers, chan_ends(at)[i]->proc, 0, 0);
	}
}

static void add(struct flow_matrix *m, struct proc *from, struct proc *to, uint64_t bytes,
		uint64_t msgs)
{
	struct flow_cell *cell;

	if (!bytes && !msgs)
		return;
	cell = flow_cell(m, from, to);
	cell->bytes += bytes;
	cell->messages += msgs;
}

/* ------------------------------------------------------------ by the totals */

/* one source, or none that is known: each reader got what it read */
static bool one_source(const struct chan *c, const struct party *sources,
		       const struct party *readers, struct flow_matrix *m)
{
	/* a stream has no messages: what counts are the writes, once all of it was read */
	bool by_writes = !chan_has_messages(c) && readers->count == 1 &&
			 sources->msgs && sources->bytes == readers->bytes;

	if (sources->count > 1)
		return false;
	for (size_t i = 0; i < readers->count; i++) {
		const struct member *r = &readers->members[i];

		add(m, sources->count ? sources->members[0].proc : NULL, r->proc, r->bytes,
		    by_writes ? sources->msgs : r->msgs);
	}
	return true;
}

/* one reader that took everything: all that each source gave went to it */
static bool one_reader(const struct chan *c, const struct party *sources,
		       const struct party *readers, struct flow_matrix *m)
{
	if (readers->count != 1 || sources->bytes != readers->bytes)
		return false;
	if (chan_has_messages(c) && sources->msgs != readers->msgs)
		return false;
	for (size_t i = 0; i < sources->count; i++) {
		const struct member *s = &sources->members[i];

		add(m, s->proc, readers->members[0].proc, s->bytes, s->msgs);
	}
	return true;
}

/* a byte stream gives what was there before first */
static bool old_first(const struct chan *c, const struct party *sources,
		      const struct party *readers, struct flow_matrix *m)
{
	uint64_t before = chan_state(c)->before;
	const struct member *r;

	if (!before || chan_has_messages(c))
		return false;
	if (readers->bytes <= before) {
		for (size_t i = 0; i < readers->count; i++)
			add(m, NULL, readers->members[i].proc, readers->members[i].bytes,
			    readers->members[i].msgs);
		return true;
	}
	if (readers->count != 1 || sources->count != 2)
		return false;
	r = &readers->members[0];
	add(m, NULL, r->proc, before, 0);
	add(m, sources->members[1].proc, r->proc, r->bytes - before, r->msgs);
	return true;
}

/* ------------------------------------------------------------ by proportion */

static uint64_t *column(const struct party *p, bool msgs, size_t room)
{
	uint64_t *ret = xcalloc(p->count + room, sizeof(*ret));

	for (size_t i = 0; i < p->count; i++)
		ret[i] = msgs ? p->members[i].msgs : p->members[i].bytes;
	return ret;
}

/* the shares of all readers in all sources; the last row is what no source explains */
static uint64_t *shares(const struct party *sources, const struct party *readers, bool msgs)
{
	_cleanup_free_ uint64_t *rows = column(sources, msgs, 1), *cols = column(readers, msgs, 1);
	uint64_t *ret = xcalloc((sources->count + 1) * readers->count + 1, sizeof(*ret));
	uint64_t given = msgs ? sources->msgs : sources->bytes;
	uint64_t got = msgs ? readers->msgs : readers->bytes;

	rows[sources->count] = got > given ? got - given : 0;
	share_out(rows, sources->count + 1, cols, readers->count, ret);
	return ret;
}

/* the calls of a reader of a stream, by the bytes it got from each source */
static void share_calls(const uint64_t *bytes, size_t row_count, const struct party *readers,
			uint64_t *msgs)
{
	for (size_t j = 0; j < readers->count; j++) {
		const struct member *r = &readers->members[j];
		uint64_t sum = 0, given = 0;

		for (size_t i = 0; i < row_count; i++) {
			size_t at = i * readers->count + j;
			uint64_t until;

			sum += bytes[at];
			until = r->bytes ? (unsigned __int128)r->msgs * sum / r->bytes : 0;
			msgs[at] = until - given;
			given = until;
		}
	}
}

/* true: in proportion; false: too many even for that, and nobody is named as source */
static bool apportion(const struct chan *c, const struct party *sources,
		      const struct party *readers, struct flow_matrix *m)
{
	_cleanup_free_ uint64_t *bytes = NULL, *msgs = NULL;
	size_t rows = sources->count + 1;

	if (readers->count > CELLS_MAX / rows) {
		for (size_t j = 0; j < readers->count; j++)
			add(m, NULL, readers->members[j].proc, readers->members[j].bytes,
			    readers->members[j].msgs);
		return false;
	}
	bytes = shares(sources, readers, false);
	msgs = shares(sources, readers, true);
	if (!chan_has_messages(c))
		share_calls(bytes, rows, readers, msgs);
	for (size_t i = 0; i < rows; i++) {
		for (size_t j = 0; j < readers->count; j++) {
			struct proc *from = i < sources->count ? sources->members[i].proc : NULL;
			size_t at = i * readers->count + j;

			add(m, from, readers->members[j].proc, bytes[at], msgs[at]);
		}
	}
	return true;
}

/* ------------------------------------------------------------------ settle */

static void set_residency(struct flow *f, const struct flow_cell *timed)
{
	const struct residency *r = timed ? &timed->residency : NULL;

	if (!r || !r->count)
		return;
	f->has_residency = true;
	f->p50_ns = residency_percentile(r, 50);
	f->p99_ns = residency_percentile(r, 99);
	f->max_ns = r->max_ns;
}

/* by_places: directions whose order is that of places, and as doubtful as those */
static void set_doubt(struct flow *f, const struct flow_cell *cell, const bool *by_places)
{
	uint64_t bytes = 0, messages = cell->doubtful_messages;

	if (messages && f->exact) {
		f->exact = false;
		snprintf(f->why_text, sizeof(f->why_text), "the order of %" PRIu64 " of its %"
			 PRIu64 " messages is inferred",
			 messages < f->messages ? messages : f->messages, f->messages);
	}
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		bytes += by_places[d] ? cell->doubtful[d] : 0;
	if (!bytes || !f->exact)
		return;
	f->exact = false;
	snprintf(f->why_text, sizeof(f->why_text), "the order of %" PRIu64 " of its %" PRIu64
		 " bytes is inferred", bytes < f->bytes ? bytes : f->bytes, f->bytes);
}

/* of a queue that anybody on a network may fill, more than what was there at the start */
static bool is_from_outside(const struct chan *c, const struct flow_cell *cell)
{
	return !cell->from && inet_takes_from_outside(c) &&
	       (cell->bytes > (uint64_t)chan_state(c)->before ||
		cell->messages > (uint64_t)chan_ledger(c)->msgs_before);
}

static void add_flows(struct world *w, struct chan *c, const struct flow_matrix *m,
		      const struct flow_matrix *timed, const char *why, const bool *by_places)
{
	size_t count = flow_matrix_count(m);

	w->flows = xrealloc(w->flows, w->flow_count + count + 1, sizeof(*w->flows));
	for (size_t i = 0; i < count; i++) {
		const struct flow_cell *cell = flow_matrix_at((struct flow_matrix *)m, i);
		struct flow *f = &w->flows[w->flow_count];

		if (!cell->bytes && !cell->messages)
			continue;
		*f = (struct flow){
			.from = cell->from, .to = cell->to, .chan = c, .bytes = cell->bytes,
			.messages = cell->messages, .exact = !why, .why = why,
		};
		if (by_places)
			set_doubt(f, cell, by_places);
		if (f->exact && is_from_outside(c, cell)) {
			f->exact = false;
			f->why = why_outside;
		}
		if (timed)
			set_residency(f, flow_cell_find(timed, cell->from, cell->to));
		w->flow_count++;
	}
}

/* reasons to doubt what totals and order say otherwise */
static const char *doubt(const struct world *w, const struct chan *c)
{
	if (inet_was_connected_anew(c))
		return why_anew;
	if (chan_is_redirected(c))
		return why_redirected;
	if (inet_may_have_held(c))
		return why_encrypted;
	if (halves_lack_sums(w, c))
		return why_summed_up;
	if (inet_misses_peer(c))
		return why_peer;
	if (chan_ledger(c)->unaccounted < 0)
		return why_excess;
	if (chan_ledger(c)->by_kernel)
		return why_kernel;
	/* packets that were read in part may have been old ones as well as new ones */
	if (c->packets && chan_ledger(c)->discarded && chan_state(c)->before)
		return why_before;
	return c->before_is_certain ? NULL : why_before;
}

/* do the operations account for all that was read? some may not have been followed */
static bool covers(const struct flow_matrix *m, const struct party *readers)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < flow_matrix_count(m); i++)
		bytes += flow_matrix_at((struct flow_matrix *)m, i)->bytes;
	return bytes == readers->bytes;
}

static void set_oldest(struct chan *c, const struct ops_order *order)
{
	if (order->is_proven && chan_ledger(c)->queued > 0)
		chan_more_get(c)->oldest_unread_ns = order->oldest_ns;
}

/* nobody has read anything: there are no flows, but perhaps an order of what waits */
static void settle_unread(struct world *w, struct chan *c)
{
	struct flow_matrix none = {};
	struct ops_order order = {};

	if (chan_ledger(c)->queued > 0 && !ops_match(w, c, &none, &order) && !doubt(w, c))
		set_oldest(c, &order);
	flow_matrix_fini(&none);
}

static void settle_parties(struct world *w, struct chan *c, const struct party *sources,
			   const struct party *readers)
{
	struct flow_matrix totals = {}, ordered = {};
	struct ops_order order = {};
	const char *no_order = ops_match(w, c, &ordered, &order), *why = doubt(w, c);
	bool is_counter = c->key.kind == LENS_KIND_EVENTFD;

	if (!no_order && !covers(&ordered, readers))
		no_order = why_partly;
	if (chan_has_cut_messages(c) && !order.by_numbers)
		order.is_proven = false;
	if (!no_order && !why)
		set_oldest(c, &order);
	if (one_source(c, sources, readers, &totals) || one_reader(c, sources, readers, &totals) ||
	    (!is_counter && old_first(c, sources, readers, &totals))) {
		add_flows(w, c, &totals, no_order ? NULL : &ordered, why, NULL);
	} else if (!no_order) {
		if (is_counter)
			why = why_counter;
		else if (!why && !order.is_proven)
			why = why_order;
		add_flows(w, c, &ordered, &ordered, why, order.by_places);
	} else {
		if (!apportion(c, sources, readers, &totals))
			no_order = why_crowd;
		add_flows(w, c, &totals, NULL, no_order, NULL);
	}
	flow_matrix_fini(&totals);
	flow_matrix_fini(&ordered);
}

/* of half a connection it is not known who reads what is written there */
static void settle_outgoing(struct world *w, struct chan *c)
{
	struct flow_matrix out = {};

	for (size_t i = 0; i < c->end_count; i++) {
		const struct lens_total *t = &end_side(chan_ends(c)[i], LENS_WRITE)->total;

		add(&out, chan_ends(c)[i]->proc, NULL, t->bytes, t->msgs);
	}
	add_flows(w, c, &out, NULL, inet_misses_peer(c) ? why_peer : NULL, NULL);
	flow_matrix_fini(&out);
}

/* the other side does nothing: what each process did to it is all there is */
static void settle_target(struct world *w, struct chan *c)
{
	const struct endpoint *end = chan_target(c);
	struct proc *target = end ? end->proc : NULL;
	struct flow_matrix m = {};

	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];
		const struct lens_total *to = &end_side(e, LENS_WRITE)->total;
		const struct lens_total *from = &end_side(e, LENS_READ)->total;

		add(&m, e->proc, target, to->bytes, to->msgs);
		add(&m, target, e->proc, from->bytes, from->msgs);
	}
	add_flows(w, c, &m, NULL, NULL, NULL);
	flow_matrix_fini(&m);
}

void flow_settle_chan(struct world *w, struct chan *c)
{
	struct party sources, readers;

	if (event_kind_has_target(c->key.kind))
		return settle_target(w, c);
	if (!chan_source(c))
		settle_outgoing(w, c);

	party_init(&sources, c, LENS_WRITE);
	party_init(&readers, c, LENS_READ);
	join_under_way(&sources, &readers, c);
	if (c->more)
		c->more->oldest_unread_ns = 0;
	if (readers.count)
		settle_parties(w, c, &sources, &readers);
	else
		settle_unread(w, c);
	free(sources.members);
	free(readers.members);
}

void flow_settle(struct world *w)
{
	w->flow_count = 0;
	for (size_t i = 0; i < hash_count(w->chans); i++)
		flow_settle_chan(w, hash_at(w->chans, i));
	/* not before: the array may have moved */
	for (size_t i = 0; i < w->flow_count; i++)
		if (*w->flows[i].why_text)
			w->flows[i].why = w->flows[i].why_text;
}

static void settle_shares(struct chan_more *c, uint64_t rounds)
{
	c->full_share = (double)c->blocked_samples[LENS_WRITE] / rounds;
	c->empty_share = (double)c->blocked_samples[LENS_READ] / rounds;
}

void world_settle(struct world *w)
{
	window_flush(w);
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);

		ledger_settle(w, c);
		if (w->sample_rounds && c->more)
			settle_shares(c->more, w->sample_rounds);
	}
	flow_settle(w);
	mapping_settle(w);
	handoff_settle(w);
	unplaced_settle(w);
	ways_settle(w);
}
