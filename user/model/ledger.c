// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The ledger of a channel: what came in must have gone out, be queued, or
 * have been discarded. Depth and totals cannot be read at one instant, and a
 * call under way has moved bytes that no total shows yet; both are bounded,
 * and only what lies outside the bounds is unaccounted.
 */
#include "model/state.h"

struct balance {
	int64_t before, written, read, queued;
	/* what the start and the end leave open about before + written - read - queued */
	struct bounds start, end;
};

/* what was counted between the two readings around a look; hostile totals may go down */
static int64_t window(const struct glimpse *g, enum unit u, enum lens_dir dir)
{
	int64_t moved = g->after.n[u][dir] - g->before.n[u][dir];

	return moved > 0 ? moved : 0;
}

/*
 * What was queued when counting began: the depth at the first look, less what
 * had been counted until then, which is known only to within what moved
 * between the two readings around the look. A call that began before counting
 * did and has returned is counted whole, so this can be less than nothing.
 */
static void balance_start(const struct chan *c, enum unit u, struct balance *b)
{
	struct glimpse g;
	int64_t inside;

	queue_glimpse(c, true, &g);
	if (!g.valid)
		return;
	inside = g.queued[u] - g.after.n[u][LENS_WRITE] + g.after.n[u][LENS_READ];
	b->before = inside > 0 ? inside : 0;
	b->start.low = b->before - inside - window(&g, u, LENS_WRITE);
	b->start.high = b->before - inside + window(&g, u, LENS_READ);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		const struct chan *at = chan_side(c, d);

		for (size_t i = 0; at && i < at->end_count; i++) {
			const struct side *s = end_side(chan_ends(at)[i], d);
			const struct side_waits *waits = side_waits(s);
			uint64_t since = s->total.bytes - waits->first_bytes;
			int64_t moved = waits->first_under_way[u];

			/* such a call counts when it returns, so for no more than was counted */
			if (u == UNIT_BYTES && since < (uint64_t)moved)
				moved = since;
			if (d == LENS_WRITE)
				b->start.high += moved;
			else
				b->start.low -= moved;
		}
	}
}

/* the same for the end: what moved around the last look, and calls that have not returned */
static void balance_end(const struct chan *c, enum unit u, struct balance *b)
{
	const struct chan *source = chan_source(c);
	struct glimpse g;

	queue_glimpse(c, false, &g);
	if (!c->live || !g.valid)
		return;
	b->queued = g.queued[u];
	b->end.high = window(&g, u, LENS_WRITE);
	b->end.low = -window(&g, u, LENS_READ);
	for (size_t i = 0; i < c->end_count; i++)
		b->end.high += end_waits(chan_ends(c)[i], LENS_READ)->under_way[u];
	for (size_t i = 0; source && i < source->end_count; i++)
		b->end.low -= end_waits(chan_ends(source)[i], LENS_WRITE)->under_way[u];
}

static int64_t balance(const struct chan *c, enum unit u, struct balance *b)
{
	struct moved total;

	memset(b, 0, sizeof(*b));
	queue_moved(c, &total);
	b->written = total.n[u][LENS_WRITE];
	b->read = total.n[u][LENS_READ];
	balance_start(c, u, b);
	balance_end(c, u, b);
	return b->before + b->written - b->read - b->queued;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

static bool is_certain(const struct bounds *b)
{
	return !b->low && !b->high;
}

/* ----------------------------------------------------------------- dropping */

/* a first opening where somebody already had it open: in between nobody had */
static bool was_closed(const struct chan *c)
{
	if (chan_more(c)->lives[LENS_READ] > 1 || chan_more(c)->lives[LENS_WRITE] > 1)
		return true;
	return (chan_more(c)->lives[LENS_READ] && c->was_open_to_read) ||
	       (chan_more(c)->lives[LENS_WRITE] && c->was_open_to_write);
}

bool ledger_has_holes(const struct chan *c)
{
	return chan_ledger(c)->discarded && (c->packets || was_closed(c));
}

/* of one end: messages that were taken and could not be handed over */
static uint64_t faults(const struct lens_total *t)
{
	/* those that were only cut are short, too */
	return t->shorts < t->errors ? t->shorts : t->errors;
}

static uint64_t short_reads(const struct chan *c)
{
	uint64_t count = 0;

	for (size_t i = 0; i < c->end_count; i++)
		count += end_side(chan_ends(c)[i], LENS_READ)->total.shorts;
	return count;
}

/* messages that failed on the receiver's memory, or found its queue full */
static uint64_t lost_messages(const struct chan *c)
{
	bool is_queue = c->key.kind == LENS_KIND_POSIX_MQ || c->key.kind == LENS_KIND_SYSV_MSG;
	uint64_t count = 0;

	if (!is_queue)
		return inet_dropped_messages(c);
	for (size_t i = 0; i < c->end_count; i++)
		count += faults(&end_side(chan_ends(c)[i], LENS_READ)->total);
	return count;
}

/*
 * Can what is missing have been dropped by the kernel? When everybody had
 * closed the channel or it was removed, where packets were read in part, where
 * messages were lost to faults, and when all messages are there, but shorter:
 * MSG_NOERROR cut them.
 */
static bool may_have_dropped(const struct chan *c, const struct ledger *l)
{
	if (c->gone || c->packets || was_closed(c) || inet_may_have_dropped(c, l))
		return true;
	return chan_has_messages(c) && !l->msgs_unaccounted && short_reads(c);
}

/* ------------------------------------------------------------------- settle */

/* came from where nobody is seen, so beside what others wrote */
struct outside { int64_t bytes, msgs; };

static void settle_messages(const struct chan *c, struct ledger *l, struct outside *outside)
{
	struct balance b;
	int64_t residual = balance(c, UNIT_MSGS, &b), rest;

	l->msgs_before = b.before;
	l->msgs_written = b.written;
	l->msgs_read = b.read;
	l->msgs_queued = b.queued;
	rest = residual - clamp(residual, b.start.low + b.end.low, b.start.high + b.end.high);
	if (rest < 0 && inet_takes_from_outside(c)) {
		outside->msgs = -rest;
		l->msgs_written -= rest;
		rest = 0;
	}
	if (rest > 0 && (c->gone || (uint64_t)rest <= lost_messages(c)))
		l->msgs_discarded = rest;
	else
		l->msgs_unaccounted = rest;
}

/*
 * Without a look at its end nothing says what is still inside; neither does an
 * old look, when a recording broke off. Of half a connection nobody knows what
 * was written, or nobody any more, of a socket that was connected anew not over which connection,
 * and of one in a sockmap not where it went. What is inside of one that the kernel encrypts is
 * known by what it takes in the stream, and not at all where only a part of a record was read.
 */
static bool is_known(const struct world *w, const struct chan *c)
{
	struct glimpse g;
	struct moved now;

	if (!world_state(w)->looks || !chan_source(c) || inet_was_connected_anew(c) ||
	    chan_is_redirected(c) || halves_lack_sums(w, c))
		return false;
	if (chan_is_encrypted(c) && (!c->gone || c->existed_before))
		return false;
	if (c->gone)
		return true;
	queue_glimpse(c, false, &g);
	queue_moved(c, &now);
	return c->live && g.valid && !memcmp(&now, &g.after, sizeof(now));
}

/*
 * What the start owes to calls that were under way then is no byte of before:
 * they are counted whole when they return.
 */
static int64_t before(const struct ledger *l, const struct balance *b)
{
	int64_t at_start = clamp(l->in_flight, b->start.low, b->start.high);

	return b->before > at_start ? b->before - at_start : 0;
}

static bool has_losses(const struct world *w, unsigned kind)
{
	for (unsigned cause = 0; cause < LENS_LOSS_MAX; cause++) {
		if (cause == LENS_LOSS_RING_FULL)
			continue;	/* costs no totals */
		if (w->loss.by_kind[LENS_KIND_NONE][cause] || w->loss.by_kind[kind][cause])
			return true;
	}
	return false;
}

/* each read of a master in packet mode begins with one that nobody wrote */
static int64_t packet_bytes(const struct chan *c)
{
	return c->key.kind == LENS_KIND_PTY ? (int64_t)short_reads(c) : 0;
}

/*
 * Does the kernel add to the channel, or take away, in passing? It signals through
 * eventfds, but there what we have lost can also be missing.
 */
static void settle_kernel(const struct world *w, const struct chan *c, struct ledger *l)
{
	bool signalled = c->key.kind == LENS_KIND_EVENTFD && l->unaccounted < 0 &&
			 !has_losses(w, c->key.kind);

	if (!signalled && !(c->key.kind == LENS_KIND_PTY && c->cooked))
		return;
	l->by_kernel -= l->unaccounted;
	l->unaccounted = 0;
}

/* most say nothing but that there is nothing, and take no memory for that */
static void keep(struct chan *c, const struct ledger *l, int64_t before_bytes,
		 const struct outside *outside)
{
	bool empty = !memcmp(l, &ledger_idle, sizeof(*l));
	struct chan_state *s;

	c->balances = empty;
	if (!c->more && !before_bytes && !outside->bytes && !outside->msgs &&
	    (empty || !memcmp(l, &ledger_unknown, sizeof(*l))))
		return;
	chan_more_get(c)->ledger = *l;
	s = chan_state_get(c);
	s->before = before_bytes;
	s->outside = outside->bytes;
	s->msgs_outside = outside->msgs;
}

/* what others did here may have had no room: only books that balance are certain then */
static void doubt(struct ledger *l)
{
	if (!l->unaccounted && !l->discarded && !l->msgs_unaccounted && !l->msgs_discarded)
		return;
	l->known = false;
	l->unaccounted = l->discarded = l->in_flight = 0;
	l->msgs_unaccounted = l->msgs_discarded = 0;
}

static void settle(struct world *w, struct chan *c, struct ledger *l)
{
	struct outside outside = {};
	struct balance b;
	int64_t residual, low, high;
	bool dropped;

	l->known = is_known(w, c);
	residual = balance(c, UNIT_BYTES, &b) + packet_bytes(c);
	low = b.start.low + b.end.low;
	high = b.start.high + b.end.high;
	l->before_start = b.before;
	l->written = b.written;
	l->read = b.read;
	l->queued = b.queued;
	l->by_kernel = packet_bytes(c);
	l->slack = high > -low ? high : -low;
	if (l->known && chan_has_messages(c))
		settle_messages(c, l, &outside);
	dropped = may_have_dropped(c, l);
	if (l->known) {
		l->in_flight = clamp(residual, low, high);
		if (residual < low && inet_takes_from_outside(c)) {
			outside.bytes = low - residual;
			l->written += low - residual;
			residual = low;
		}
		if (residual > high && dropped)
			l->discarded = residual - high;
		else
			l->unaccounted = residual - l->in_flight;
	}
	settle_kernel(w, c, l);
	if (w->unplaced[c->key.kind])
		doubt(l);
	c->before_is_certain = is_certain(&b.start) || (is_certain(&b.end) && !dropped);
	keep(c, l, before(l, &b), &outside);
}

void ledger_settle(struct world *w, struct chan *c)
{
	struct ledger l;

	memset(&l, 0, sizeof(l));	/* its padding is compared, too */
	if (chan_has_queue(c))
		settle(w, c, &l);
	else
		keep(c, &l, chan_state(c)->before, &(struct outside){});
}
