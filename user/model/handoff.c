// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who woke whom at a word of shared memory. The kernel side counts, per word,
 * whom each process woke and how often each was woken; where one side is one
 * process, the pairs follow. No process is told to have woken itself: between
 * its own threads that is no hand-off.
 */
#include "model/flow.h"
#include "model/mapping.h"

static const char why_several[] = "several processes wake and wait at this word";
static const char why_self[] = "a process is taken never to wake itself";
static const char why_others[] = "others were woken here by the kernel, or after a requeue";
static const char why_late[] =
	"not all who were woken have returned from here: late, or moved by a requeue";

struct party_count {
	struct proc *proc;		/* NULL: somebody who is forgotten */
	uint64_t count;
};

struct word {
	uint64_t offset;
	struct party_count *side[LENS_DIR_MAX];
	size_t n[LENS_DIR_MAX];
};

static struct party_count *party_of(struct word *word, enum lens_dir dir, const struct proc *p)
{
	for (size_t i = 0; i < word->n[dir]; i++)
		if (word->side[dir][i].proc == p)
			return &word->side[dir][i];
	return NULL;
}

static void set_count(struct word *word, enum lens_dir dir, struct proc *p, uint64_t count)
{
	struct party_count *party = party_of(word, dir, p), **side = &word->side[dir];

	if (!party) {
		*side = xrealloc(*side, word->n[dir] + 1, sizeof(**side));
		(*side)[word->n[dir]++] = (struct party_count){ p, count };
	} else if (count > party->count) {
		party->count = count;
	}
}

static void forget_party(struct word *word, enum lens_dir dir, const struct proc *p)
{
	struct party_count *party = party_of(word, dir, p), *somebody = party_of(word, dir, NULL);

	if (!party)
		return;
	if (!somebody) {
		party->proc = NULL;
		return;
	}
	somebody->count += party->count;
	*party = word->side[dir][--word->n[dir]];
}

void handoff_forget(struct chan *c, const struct proc *p)
{
	struct hash *words = chan_memory(c)->words;

	for (size_t i = 0; words && i < hash_count(words); i++)
		for (unsigned d = 0; d < LENS_DIR_MAX; d++)
			forget_party(hash_at(words, i), d, p);
}

void handoff_apply(struct world *w, const struct event *ev)
{
	const struct lens_rec_edge *r = ev->lens_rec_edge;
	/* counts stay in the kernel while the process lives: the object may be forgotten by now */
	struct chan *c = hash_get(w->chans, &r->chan);
	struct proc *p = hash_get(w->procs, &r->proc);
	struct memory *m;
	struct word *word;

	if (!c || !p || !chan_is_memory(c))
		return;
	chan_endpoint(w, c, p);
	m = chan_memory_get(c);
	if (!m->words)
		m->words = hash_new(sizeof(uint64_t));
	word = hash_get(m->words, &r->offset);
	if (!word) {
		word = xcalloc(1, sizeof(*word));
		word->offset = r->offset;
		hash_add(m->words, &r->offset, word);
	}
	set_count(word, r->dir, p, r->count);
}

void handoff_fini(struct chan *c)
{
	struct hash *words = chan_memory(c)->words;

	for (size_t i = 0; words && i < hash_count(words); i++) {
		struct word *word = hash_at(words, i);

		free(word->side[LENS_READ]);
		free(word->side[LENS_WRITE]);
		free(word);
	}
	if (words)
		hash_free(words);
	free(chan_memory(c)->handoffs);
}

static void add_handoff(struct chan *c, const struct word *word, struct proc *from,
			struct proc *to, uint64_t count, const char *why)
{
	struct memory *m = chan_memory_get(c);

	if (!count || (from && from == to))
		return;
	m->handoffs = xrealloc(m->handoffs, m->handoff_count + 1, sizeof(*m->handoffs));
	m->handoffs[m->handoff_count++] = (struct handoff){
		.from = from, .to = to, .offset = word->offset, .count = count, .exact = !why,
		.why = why,
	};
}

/* two processes that take turns: each was woken as often as the other one woke */
static bool settle_pair(struct chan *c, struct word *word)
{
	const struct party_count *w = word->side[LENS_WRITE], *r = word->side[LENS_READ];
	size_t first;	/* of those woken: the one who woke first */

	if (word->n[LENS_WRITE] != 2 || word->n[LENS_READ] != 2 ||
	    party_of(word, LENS_WRITE, NULL) || party_of(word, LENS_READ, NULL))
		return false;
	first = r[0].proc != w[0].proc;
	if (r[first].proc != w[0].proc || r[!first].proc != w[1].proc ||
	    w[0].count != r[!first].count || w[1].count != r[first].count)
		return false;
	add_handoff(c, word, w[0].proc, w[1].proc, w[0].count, why_self);
	add_handoff(c, word, w[1].proc, w[0].proc, w[1].count, why_self);
	return true;
}

static uint64_t total(const struct party_count *side, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += side[i].count;
	return sum;
}

/* counts by who woke (rows; the last one is the kernel) and who was woken */
struct pairs {
	const struct word *word;
	size_t rows, cols;
	uint64_t *cells;
};

static bool is_same(const struct pairs *p, size_t row, size_t col)
{
	const struct word *word = p->word;

	return row < word->n[LENS_WRITE] && word->side[LENS_WRITE][row].proc &&
	       word->side[LENS_WRITE][row].proc == word->side[LENS_READ][col].proc;
}

/* what a process seems to have woken of itself changes places with what others woke of others */
static void keep_apart(struct pairs *p, size_t row, size_t col)
{
	uint64_t *self = &p->cells[row * p->cols + col];

	for (size_t i = 0; i < p->rows && *self; i++)
		for (size_t j = 0; j < p->cols && *self; j++) {
			uint64_t *other = &p->cells[i * p->cols + j];
			uint64_t count = *other < *self ? *other : *self;

			if (i == row || j == col || is_same(p, i, col) || is_same(p, row, j))
				continue;
			*self -= count;
			*other -= count;
			p->cells[row * p->cols + j] += count;
			p->cells[i * p->cols + col] += count;
		}
}

static void keep_all_apart(struct pairs *p)
{
	for (size_t i = 0; i < p->rows; i++)
		for (size_t j = 0; j < p->cols; j++)
			if (is_same(p, i, j))
				keep_apart(p, i, j);
}

/* more pairs than this at one word are not worked out */
#define PAIRS_MAX 65536

static void settle_word(struct chan *c, struct word *word)
{
	const struct party_count *wakers = word->side[LENS_WRITE], *woken = word->side[LENS_READ];
	size_t rows = word->n[LENS_WRITE], cols = word->n[LENS_READ];
	uint64_t woke = total(wakers, rows), waited = total(woken, cols);
	_cleanup_free_ uint64_t *row = xcalloc(rows + 1, sizeof(*row));
	_cleanup_free_ uint64_t *col = xcalloc(cols + 1, sizeof(*col));
	_cleanup_free_ uint64_t *cells = NULL;
	const char *why = NULL;

	if (!cols || (rows + 1) * cols > PAIRS_MAX || settle_pair(c, word))
		return;
	for (size_t i = 0; i < rows; i++)
		row[i] = wakers[i].count;
	for (size_t i = 0; i < cols; i++)
		col[i] = woken[i].count;
	/* the kernel wakes, too: at the death of the owner of a robust lock */
	row[rows] = waited > woke ? waited - woke : 0;
	if (cols > 1 && (rows > 1 || (rows && row[rows])))
		why = rows > 1 ? why_several : why_others;
	else if (rows > 1 && waited < woke)
		why = why_late;
	cells = xcalloc((rows + 1) * cols, sizeof(*cells));
	share_out(row, rows + 1, col, cols, cells);
	keep_all_apart(&(struct pairs){ word, rows + 1, cols, cells });
	for (size_t i = 0; i <= rows; i++)
		for (size_t j = 0; j < cols; j++)
			add_handoff(c, word, i < rows ? wakers[i].proc : NULL, woken[j].proc,
				    cells[i * cols + j], why);
}

void handoff_settle(struct world *w)
{
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);
		struct hash *words = chan_memory(c)->words;

		if (!words)
			continue;
		chan_memory_get(c)->handoff_count = 0;
		for (size_t j = 0; j < hash_count(words); j++)
			settle_word(c, hash_at(words, j));
	}
}
