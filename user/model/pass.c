// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Descriptors that were sent and received over unix sockets, or taken from a
 * process by pidfd_getfd(2), and those that the last look found on their way.
 */
#include "model/state.h"

static bool same_proc(const struct lens_proc *a, const struct lens_proc *b)
{
	return a->tgid == b->tgid && a->start_ns == b->start_ns;
}

static bool same_chan(const struct lens_chan *a, const struct lens_chan *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->gen == b->gen && a->kind == b->kind;
}

static bool same_what(const struct passed_what *a, const struct passed_what *b)
{
	return same_chan(&a->key, &b->key) && a->inode_type == b->inode_type &&
	       a->mode == b->mode;
}

static struct passed *find_row(const struct passed_rows *rows, const struct passed *like)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct passed *row = &rows->row[i];

		if (row->dir == like->dir && same_proc(&row->who, &like->who) &&
		    same_what(&row->what, &like->what))
			return row;
	}
	return NULL;
}

void pass_name(struct buf *out, const struct event *ev)
{
	struct buf path = {};

	if (ev->raw_name || ev->lens_rec_pass->what.kind)
		return;
	event_path(&path, ev->name, ev->truncated);
	/* an anonymous inode is in no directory */
	if (path.len && !ev->lens_rec_pass->inode_type) {
		buf_puts(out, "anon_inode:");
		buf_add(out, path.data + 1, path.len - 1);
	} else if (path.len) {
		buf_add(out, path.data, path.len);
	}
	buf_fini(&path);
}

static void name_row(struct passed *row, const struct event *ev)
{
	struct buf name = {};

	pass_name(&name, ev);
	row->name = name.data;
	row->name_len = name.len;
	row->name_truncated = ev->truncated;
}

static void count_row(struct passed_rows *rows, const struct passed *like, const struct event *ev)
{
	struct passed *row = find_row(rows, like);

	if (!row && rows->count >= PASSED_ROWS_MAX) {
		rows->left_out++;
		return;
	}
	if (!row) {
		/* room doubles: it is full when the count is a power of two */
		if (!(rows->count & (rows->count - 1)))
			rows->row = xrealloc(rows->row, rows->count ? rows->count * 2 : 1,
					     sizeof(*rows->row));
		row = &rows->row[rows->count++];
		*row = *like;
		name_row(row, ev);
	}
	row->count++;
}

static void free_rows(struct passed_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->row[i].name);
	free(rows->row);
	*rows = (struct passed_rows){};
}

static struct passed row_of(const struct lens_rec_pass *r)
{
	return (struct passed){
		.what = { .key = { .ino = r->what.ino, .dev = r->what.dev, .gen = r->what.gen,
				   .kind = r->what.kind },
			  .inode_type = r->inode_type, .mode = r->mode },
		.who = { .start_ns = r->proc.start_ns, .tgid = r->proc.tgid },
		.dir = r->dir,
	};
}

/* who sends a descriptor or receives it holds it at that moment */
static void hold(struct world *w, struct chan *c, const struct lens_rec_pass *r)
{
	struct endpoint *e = chan_endpoint(w, c, world_proc(w, &r->proc));

	e->reader |= r->mode & 1;
	e->writer |= !!(r->mode & 2);
	if (r->dir == LENS_READ) {
		e->received = true;
		end_more_get(e)->received_over = r->via;
		if (r->mode & 2)
			end_more_get(e)->received_writer = r->fd;
	}
}

static void found_in_flight(struct world *w, const struct event *ev)
{
	const struct lens_rec_pass *r = ev->lens_rec_pass;
	struct passed row = row_of(r);
	struct chan_more *more;
	struct chan *what;

	count_row(&chan_more_get(world_chan(w, &r->via))->in_flight, &row, ev);
	if (!r->what.kind)
		return;
	what = world_chan(w, &r->what);
	more = chan_more_get(what);
	more->carried += 1;
	more->carrier = r->via;
	look_found(w, what, &r->depth, ev->ts_ns);
	chan_name(what, ev, false);
}

void pass_apply(struct world *w, const struct event *ev)
{
	const struct lens_rec_pass *r = ev->lens_rec_pass;
	struct passed row = row_of(r);
	struct chan *via, *what;

	if (ev->snapshot) {
		found_in_flight(w, ev);
		return;
	}
	via = world_chan(w, &r->via);
	count_row(&chan_more_get(via)->passed, &row, ev);
	end_side_get(chan_endpoint(w, via, world_proc(w, &r->proc)), r->dir)->descriptors++;
	if (!r->what.kind)
		return;
	what = world_chan(w, &r->what);
	chan_name(what, ev, false);
	hold(w, what, r);
}

void pass_forget_in_flight(struct chan *c)
{
	if (!c->more)
		return;
	free_rows(&c->more->in_flight);
	c->more->carried = 0;
}

void pass_free(struct chan *c)
{
	if (!c->more)
		return;
	free_rows(&c->more->passed);
	free_rows(&c->more->in_flight);
}

/* got NULL: descriptors of the channel `what` */
static bool find_sender(const struct chan *c, const struct passed *got,
			const struct lens_chan *what, struct lens_proc *ret)
{
	const struct chan *source = chan_source(c);
	const struct lens_proc *who = NULL;

	/* taken from it by pidfd_getfd(2) */
	if (chan_target(c)) {
		*ret = chan_target(c)->proc->key;
		return true;
	}

	for (size_t i = 0; source && i < chan_more(source)->passed.count; i++) {
		const struct passed *row = &chan_more(source)->passed.row[i];

		if (row->dir != LENS_WRITE ||
		    !(got ? same_what(&row->what, &got->what) : same_chan(&row->what.key, what)))
			continue;
		if (who && !same_proc(who, &row->who))
			return false;
		who = &row->who;
	}
	/* of what has no row nobody knows who sent it */
	if (!who || chan_more(source)->passed.left_out)
		return false;
	*ret = *who;
	return true;
}

bool pass_sender(const struct chan *c, const struct passed *got, struct lens_proc *ret)
{
	return find_sender(c, got, NULL, ret);
}

bool pass_sender_of(const struct chan *c, const struct lens_chan *what, struct lens_proc *ret)
{
	return find_sender(c, NULL, what, ret);
}
