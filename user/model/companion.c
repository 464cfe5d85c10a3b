// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Joins sockets with what they passed: by the keys that the passages tell, and
 * by what ways.c found out about the time before the start.
 */
#include <sys/stat.h>

#include "model/ways.h"

struct found {
	struct companion *row;
	size_t count;
};

static const struct chan *first_half(const struct chan *c)
{
	return c->is_second ? c->peer : c;
}

/* a file is a channel once somebody maps it */
static const struct chan *channel_of(const struct world *w, const struct passed_what *what)
{
	struct lens_chan key = what->key;
	const struct chan *c;

	if (!key.kind && what->inode_type == S_IFREG)
		key.kind = LENS_KIND_MMAP_FILE;
	c = key.kind ? hash_get(w->chans, &key) : NULL;
	return c ? first_half(c) : NULL;
}

static struct companion *companion(struct found *f, const struct chan *c)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->row[i].chan == c)
			return &f->row[i];
	f->row = xrealloc(f->row, f->count + 1, sizeof(*f->row));
	f->row[f->count] = (struct companion){ .chan = c };
	return &f->row[f->count++];
}

static void add_half(struct found *f, const struct world *w, const struct chan *half)
{
	for (size_t i = 0; i < chan_more(half)->passed.count; i++) {
		const struct passed *row = &chan_more(half)->passed.row[i];
		const struct chan *c = channel_of(w, &row->what);

		if (!c)
			continue;
		if (row->dir == LENS_WRITE)
			companion(f, c)->sent += row->count;
		else
			companion(f, c)->received += row->count;
	}
	for (size_t i = 0; i < chan_more(half)->in_flight.count; i++) {
		const struct passed *row = &chan_more(half)->in_flight.row[i];
		const struct chan *c = channel_of(w, &row->what);

		if (c)
			companion(f, c)->in_flight += row->count;
	}
}

size_t companions_of(const struct world *w, const struct chan *socket, struct companion **ret)
{
	/* both halves as one have the ends of both; what each passed is its own */
	const struct chan *first = socket->peer ? socket->peer->peer : socket;
	struct found f = {};
	size_t count;
	const struct guess *guess = ways_guesses(w, first_half(first), &count);

	add_half(&f, w, first);
	if (first->peer)
		add_half(&f, w, first->peer);
	for (size_t i = 0; i < count; i++)
		companion(&f, first_half(guess[i].end->chan))->inferred = true;
	*ret = f.row;
	return f.count;
}
