// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The descriptors of one look, and by what they are found. They are many: what is made of all
 * of them is made at once, when it is known how many there are.
 */
#include "model/stuck_look.h"

/* allocated together */
#define DESCS_OF_BLOCK 256
#define FETCH_AHEAD 8

void stuck_descs_init(struct stuck_look *l)
{
	l->by_fd = hash_new(sizeof(struct stuck_fd));
	l->by_self = hash_new(sizeof(uint64_t));
	l->by_file = hash_new(sizeof(uint64_t));
	l->by_tuple = hash_new(sizeof(struct stuck_tuple));
	l->opening = hash_new(sizeof(uint32_t));
}

void stuck_descs_fini(struct stuck_look *l)
{
	for (size_t i = 0; i < l->desc_count; i++)
		free(l->descs[i]->name);
	for (size_t i = 0; i < l->desc_count; i += DESCS_OF_BLOCK)
		free(l->descs[i]);
	free(l->descs);
	hash_free(l->by_fd);
	hash_free(l->by_self);
	hash_free(l->by_file);
	hash_free(l->by_tuple);
	hash_free(l->opening);
}

/* ----------------------------------------------------------------- questions */

struct stuck_desc *stuck_find_fd(const struct stuck *s, const struct stuck_proc *p, uint32_t fd)
{
	struct stuck_fd key = { .tgid = p->key.tgid, .fd = fd };

	return hash_get(stuck_look(s)->by_fd, &key);
}

struct stuck_desc *stuck_find_self(const struct stuck *s, uint64_t token)
{
	return token ? hash_get(stuck_look(s)->by_self, &token) : NULL;
}

struct stuck_desc *stuck_find_file(const struct stuck *s, uint64_t token)
{
	return token ? hash_get(stuck_look(s)->by_file, &token) : NULL;
}

/* ::ffff:127.0.0.1 and 127.0.0.1 are one address: IPv4 comes mapped already */
struct stuck_tuple stuck_tuple_of(const struct lens_rec_desc *d, bool reversed)
{
	struct stuck_tuple t = {
		.netns = d->netns,
		.object = d->object,
		.local_port = reversed ? d->remote_port : d->local_port,
		.remote_port = reversed ? d->local_port : d->remote_port,
	};

	memcpy(t.local, reversed ? d->remote_addr : d->local_addr, sizeof(t.local));
	memcpy(t.remote, reversed ? d->local_addr : d->remote_addr, sizeof(t.remote));
	return t;
}

/* --------------------------------------------------------------------- taking in */

static struct stuck_desc *new_desc(struct stuck_look *l)
{
	size_t at = l->desc_count % DESCS_OF_BLOCK;
	struct stuck_desc *d = at ? l->descs[l->desc_count - at] + at :
				    xmalloc(DESCS_OF_BLOCK * sizeof(*d));

	if (!(l->desc_count & (l->desc_count - 1)))
		l->descs = xrealloc(l->descs, l->desc_count ? l->desc_count * 2 : 1,
				    sizeof(*l->descs));
	l->descs[l->desc_count++] = d;
	return d;
}

static struct stuck_desc *add_desc(struct stuck_look *l, const struct event *ev)
{
	struct stuck_desc *d = new_desc(l);
	struct buf path = {};

	*d = (struct stuck_desc){ .rec = *ev->lens_rec_desc };
	if (d->rec.flags & LENS_DESC_PATH) {
		event_path(&path, ev->name, ev->truncated);
		d->name = path.data;
		d->name_len = path.len;
	} else if (ev->name.len) {
		d->name = xcalloc(1, ev->name.len + 1);
		memcpy(d->name, ev->name.data, ev->name.len);
		d->name_len = ev->name.len;
	}
	return d;
}

void stuck_take_desc(struct stuck_look *l, const struct event *ev)
{
	struct stuck_desc *d = add_desc(l, ev);

	if (d->rec.flags & LENS_DESC_OPENING)
		hash_claim(l->opening, &d->rec.fd, d);
}

/* ------------------------------------------------------------------------- index */

static void index_tuple(struct stuck_look *l, struct stuck_desc *d)
{
	struct stuck_tuple tuple;

	if (d->rec.object != LENS_OBJECT_TCP && d->rec.object != LENS_OBJECT_UDP)
		return;
	tuple = stuck_tuple_of(&d->rec, false);
	hash_claim(l->by_tuple, &tuple, d);
}

static void index_desc(struct stuck_look *l, struct stuck_desc *d)
{
	struct stuck_fd fd = { .tgid = d->rec.proc.tgid, .fd = d->rec.fd };
	struct stuck_desc *head;

	if (fd.tgid)
		hash_claim(l->by_fd, &fd, d);
	head = d->rec.self ? hash_claim(l->by_self, &d->rec.self, d) : d;
	if (head != d) {
		d->next_self = head->next_self;
		head->next_self = d;
	}
	head = d->rec.file ? hash_claim(l->by_file, &d->rec.file, d) : d;
	if (head != d) {
		d->next_file = head->next_file;
		head->next_file = d;
	}
	index_tuple(l, d);
}

/* each step would wait for memory else */
static void fetch_desc(const struct stuck_look *l, size_t at)
{
	const struct lens_rec_desc *r;
	struct stuck_fd fd;

	if (at >= l->desc_count)
		return;
	r = &l->descs[at]->rec;
	fd = (struct stuck_fd){ .tgid = r->proc.tgid, .fd = r->fd };
	hash_fetch(l->by_fd, &fd);
	hash_fetch(l->by_self, &r->self);
	hash_fetch(l->by_file, &r->file);
}

void stuck_index_descs(struct stuck_look *l)
{
	hash_expect(l->by_fd, l->desc_count);
	hash_expect(l->by_self, l->desc_count);
	hash_expect(l->by_file, l->desc_count);
	for (size_t i = 0; i < l->desc_count; i++) {
		fetch_desc(l, i + FETCH_AHEAD);
		if (!(l->descs[i]->rec.flags & LENS_DESC_OPENING))
			index_desc(l, l->descs[i]);
	}
}
