// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Order by places. A call leaves the stream at or before the place that was
 * read after it, and not before the place where its thread was last. When the
 * bytes of all calls that have returned are as many as lie before a place,
 * no other call has a byte there: what comes before is closed. Inside of such
 * a closed stretch, one call precedes another if there is no room for the
 * opposite.
 */
#include "model/place.h"

/* calls in one stretch whose order is worth a search, and that wait for its end at all */
#define SEARCH_MAX 48
#define WAITING_MAX 4096

struct thread {
	int64_t at;
};

/* mostly the one that called before, too */
static struct thread *thread_of(struct places *p, uint32_t tid, bool make)
{
	struct thread *t;

	if (p->recent && p->recent_tid == tid)
		return p->recent;
	t = p->threads ? hash_get(p->threads, &tid) : NULL;
	if (!t && !make)
		return NULL;
	if (!t) {
		if (!p->threads)
			p->threads = hash_new(sizeof(tid));
		t = xcalloc(1, sizeof(*t));
		hash_add(p->threads, &tid, t);
	}
	p->recent = t;
	p->recent_tid = tid;
	return t;
}

void places_fini(struct places *p)
{
	for (size_t i = 0; p->threads && i < hash_count(p->threads); i++)
		free(hash_at(p->threads, i));
	if (p->threads)
		hash_free(p->threads);
	free(p->calls);
	memset(p, 0, sizeof(*p));
}

struct places places_copy(const struct places *p)
{
	struct places copy = *p;

	/* to end it, nobody has to be found any more */
	copy.threads = NULL;
	copy.recent = NULL;
	copy.calls = xcalloc(p->count + 1, sizeof(*copy.calls));
	if (p->count)
		memcpy(copy.calls, p->calls, p->count * sizeof(*copy.calls));
	return copy;
}

/* ------------------------------------------------------------------ origin */

static bool has_place(const struct lens_op *op)
{
	return op->ret > 0 && op->aux & LENS_PLACE_VALID;
}

static uint32_t epoch_of(const struct lens_op *op)
{
	return op->aux >> LENS_PLACE_BITS & (LENS_PLACE_EPOCHS - 1);
}

/* the place near last that op speaks of */
static int64_t unwrap(const struct lens_op *op, int64_t last)
{
	int64_t delta = (int64_t)((uint64_t)(op->aux - last) << (64 - LENS_PLACE_BITS));

	return last + (delta >> (64 - LENS_PLACE_BITS));
}

/* where the thread of each call was before it, INT64_MIN: not known; and where all were last */
static int64_t *find_lows(const struct lens_op *ops, size_t count, const int64_t *places,
			  int64_t *ret_last)
{
	int64_t *low = xcalloc(count + 1, sizeof(*low));
	struct places threads = {};

	for (size_t i = 0; i < count; i++) {
		struct thread *t = thread_of(&threads, ops[i].tid, false);

		low[i] = t ? t->at : INT64_MIN;
		if (places[i] == INT64_MIN)
			continue;
		thread_of(&threads, ops[i].tid, true)->at = places[i];
	}
	*ret_last = INT64_MAX;
	for (size_t i = 0; threads.threads && i < hash_count(threads.threads); i++) {
		struct thread *t = hash_at(threads.threads, i);

		if (t->at < *ret_last)
			*ret_last = t->at;
	}
	places_fini(&threads);
	return low;
}

/* at a moment when nobody was inside, all before it had returned and nobody else had begun */
static bool find_quiet(const struct lens_op *ops, size_t count, const int64_t *places, bool over,
		       int64_t *ret_origin)
{
	_cleanup_free_ int64_t *low = NULL;
	int64_t next, later;
	uint64_t sum = 0;

	low = find_lows(ops, count, places, &later);
	next = over ? INT64_MAX : later;
	for (size_t i = 0; i < count; i++)
		sum += ops[i].ret;
	for (size_t i = count; i-- > 0; sum -= ops[i].ret) {
		if (places[i] != INT64_MIN && next >= places[i]) {
			*ret_origin = places[i] - (int64_t)sum;
			return true;
		}
		if (low[i] < next)
			next = low[i];
	}
	return false;
}

void places_begin(struct places *p, const struct lens_op *ops, size_t count, bool whole, bool over)
{
	_cleanup_free_ int64_t *places = xcalloc(count + 1, sizeof(*places));
	int64_t last = 0;
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		places[i] = INT64_MIN;
		if (!has_place(&ops[i]))
			continue;
		if (any && epoch_of(&ops[i]) != p->epoch)
			return;
		p->epoch = epoch_of(&ops[i]);
		last = places[i] = unwrap(&ops[i], last);
		if (!any)
			p->last = last;
		any = true;
	}
	if (!any)
		return;
	if (whole && p->epoch == LENS_PLACE_BIRTH)
		p->known = true;
	else
		p->known = find_quiet(ops, count, places, over, &p->origin);
}

/* ------------------------------------------------------------------- order */

/* who comes before whom in one stretch */
struct order {
	struct placed *calls;
	size_t count;
	bool before[SEARCH_MAX][SEARCH_MAX];
};

static bool must_precede(const struct placed *a, const struct placed *b)
{
	if (a->high <= b->low)
		return true;
	return a->whole && b->whole && b->low + (int64_t)(b->bytes + a->bytes) > a->high;
}

static bool relate(struct order *o)
{
	bool news = false;

	for (size_t i = 0; i < o->count; i++) {
		for (size_t j = 0; j < o->count; j++) {
			if (i == j || o->before[i][j] ||
			    !must_precede(&o->calls[i], &o->calls[j]))
				continue;
			o->before[i][j] = news = true;
		}
	}
	for (size_t k = 0; k < o->count; k++)
		for (size_t i = 0; i < o->count; i++)
			for (size_t j = 0; o->before[i][k] && j < o->count; j++)
				o->before[i][j] |= o->before[k][j];
	return news;
}

/* all that must come before a call takes room before it; likewise after */
static void narrow(struct order *o, int64_t from, int64_t to)
{
	for (size_t i = 0; i < o->count; i++) {
		struct placed *c = &o->calls[i];
		int64_t low = from, high = to;

		for (size_t j = 0; j < o->count; j++) {
			low += o->before[j][i] ? (int64_t)o->calls[j].bytes : 0;
			high -= o->before[i][j] ? (int64_t)o->calls[j].bytes : 0;
		}
		c->low = low > c->low ? low : c->low;
		c->high = high < c->high ? high : c->high;
		if (c->high - c->low == (int64_t)c->bytes)
			c->whole = true;
	}
}

/* a contradiction: something is before itself */
static bool is_circular(const struct order *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->before[i][i])
			return true;
	return false;
}

/* marks all that are linked to first by doubt, directly or not */
static void flood(const struct order *o, size_t first, bool *in)
{
	bool news = true;

	memset(in, 0, SEARCH_MAX);
	in[first] = true;
	while (news) {
		news = false;
		for (size_t i = 0; i < o->count; i++) {
			for (size_t j = 0; !in[i] && j < o->count; j++) {
				if (!in[j] || o->before[i][j] || o->before[j][i])
					continue;
				in[i] = news = true;
			}
		}
	}
}

static bool is_one_process(const struct placed *calls, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (calls[i].who != calls[0].who)
			return false;
	return true;
}

/* hands on the members of one doubtful set, or a single call */
static void hand_on(struct places *p, const struct order *o, const bool *in, bool *given,
		    placed_sink sink, void *arg)
{
	const struct placed *first = NULL;
	unsigned group = 0;

	for (size_t i = 0; i < o->count; i++) {
		if (in[i] && first && first->who != o->calls[i].who && !group)
			group = ++p->groups;
		if (in[i] && !first)
			first = &o->calls[i];
	}
	for (size_t i = 0; i < o->count; i++) {
		if (!in[i])
			continue;
		given[i] = true;
		sink(arg, &o->calls[i], group);
	}
}

/* every set in turn of which nobody must wait for another */
static void hand_on_all(struct places *p, const struct order *o, placed_sink sink, void *arg)
{
	bool given[SEARCH_MAX] = {}, in[SEARCH_MAX];

	for (size_t left = o->count; left;) {
		for (size_t i = 0; i < o->count; i++) {
			bool waits = given[i];

			for (size_t j = 0; !waits && j < o->count; j++)
				waits = !given[j] && o->before[j][i];
			if (waits)
				continue;
			flood(o, i, in);
			hand_on(p, o, in, given, sink, arg);
			break;
		}
		left = 0;
		for (size_t i = 0; i < o->count; i++)
			left += !given[i];
	}
}

static void hand_on_unordered(struct places *p, placed_sink sink, void *arg)
{
	unsigned group = is_one_process(p->calls, p->count) ? 0 : ++p->groups;

	for (size_t i = 0; i < p->count; i++)
		sink(arg, &p->calls[i], group);
}

/* all calls that wait fill the stream up to a place; false: that cannot be */
static bool close_stretch(struct places *p, placed_sink sink, void *arg)
{
	int64_t from = p->done, to = from + (int64_t)p->bytes, high = to;
	struct order o = { .calls = p->calls, .count = p->count };
	bool possible = true;

	/* none ends later than those that returned after it were */
	for (size_t i = p->count; i-- > 0;) {
		struct placed *c = &p->calls[i];

		high = c->high < high ? c->high : high;
		c->high = high;
		c->low = c->low > from ? c->low : from;
	}
	if (is_one_process(p->calls, p->count) || p->count > SEARCH_MAX) {
		hand_on_unordered(p, sink, arg);
	} else {
		while (relate(&o) && !is_circular(&o))
			narrow(&o, from, to);
		possible = !is_circular(&o);
		if (possible)
			hand_on_all(p, &o, sink, arg);
		else
			hand_on_unordered(p, sink, arg);
	}
	p->done = to;
	p->count = 0;
	p->bytes = 0;
	return possible;
}

/* ------------------------------------------------------------------ taking */

static void give_up(struct places *p, placed_sink sink, void *arg)
{
	hand_on_unordered(p, sink, arg);
	p->count = 0;
	p->bytes = 0;
	p->known = false;
}

static void push(struct places *p, const struct placed *c)
{
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 16;
		p->calls = xrealloc(p->calls, p->room, sizeof(*p->calls));
	}
	p->calls[p->count++] = *c;
	p->bytes += c->bytes;
}

void places_add(struct places *p, struct proc *who, const struct lens_op *op, bool whole,
		placed_sink sink, void *arg)
{
	struct thread *t = thread_of(p, op->tid, false);
	struct placed c = {
		.who = who, .bytes = op->ret, .ts_ns = op->ts_ns, .whole = whole,
		.low = t ? t->at : INT64_MIN, .high = INT64_MAX,
	};
	bool late = op->ts_ns < p->last_ns;

	p->last_ns = op->ts_ns;
	if (has_place(op)) {
		p->last = unwrap(op, p->last);
		c.high = p->last - p->origin;
		thread_of(p, op->tid, true)->at = c.high;
	}
	push(p, &c);
	if (late || p->count > WAITING_MAX || (has_place(op) && epoch_of(op) != p->epoch) ||
	    c.high < p->done + (int64_t)p->bytes) {
		give_up(p, sink, arg);
		return;
	}
	if (c.high == p->done + (int64_t)p->bytes && !close_stretch(p, sink, arg))
		p->known = false;
}

bool places_end(struct places *p, bool complete, placed_sink sink, void *arg)
{
	if (!p->count)
		return true;
	if (complete)
		return close_stretch(p, sink, arg);
	hand_on_unordered(p, sink, arg);
	p->count = 0;
	return false;
}
