// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Attribution by order: bytes leave a pipe as they entered it, messages leave
 * a queue oldest of the received type first. A read may return before the
 * write that fed it, so either side can wait for the other: of a byte stream
 * there is at any time either something written or something owed.
 */
#include "model/fifo.h"

/* pieces kept of one channel; messages are searched, so fewer: msg_qbytes is 16384 by default */
#define PIECES_MAX (256u << 10)
#define MESSAGES_MAX 16384

void fifo_fini(struct fifo *f)
{
	free(f->written.pieces);
	free(f->owed.pieces);
	flow_matrix_fini(&f->flows);
}

static void line_push(struct fifo *f, struct line *l, const struct piece *p)
{
	if (l->count - l->head >= (f->messages ? MESSAGES_MAX : PIECES_MAX)) {
		f->overflow = true;
		return;
	}
	if (l->count == l->room && l->head > l->room / 2) {
		l->count -= l->head;
		memmove(l->pieces, l->pieces + l->head, l->count * sizeof(*l->pieces));
		l->head = 0;
	}
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 16;
		l->pieces = xrealloc(l->pieces, l->room, sizeof(*l->pieces));
	}
	l->pieces[l->count++] = *p;
}

static void line_take(struct line *l, struct piece *p)
{
	p->taken = true;
	while (l->head < l->count && l->pieces[l->head].taken)
		l->head++;
}

static void credit(struct fifo *f, const struct piece *written, const struct piece *read,
		   uint64_t bytes, bool whole)
{
	struct flow_cell *cell = flow_cell(&f->flows, written->who, read->who);

	cell->bytes += bytes;
	cell->messages += whole;
	if (written->ts_ns && read->ts_ns)
		residency_add(&cell->residency, read->ts_ns > written->ts_ns ?
			      read->ts_ns - written->ts_ns : 0);
}

/* ------------------------------------------------------------ byte streams */

static void stream(struct fifo *f, struct piece *p, bool is_write)
{
	struct line *others = is_write ? &f->owed : &f->written;

	while (p->bytes && others->head < others->count) {
		struct piece *o = &others->pieces[others->head];
		struct piece *w = is_write ? p : o, *r = is_write ? o : p;
		uint64_t n = p->bytes < o->bytes ? p->bytes : o->bytes;

		w->bytes -= n;
		r->bytes -= n;
		credit(f, w, r, n, !w->bytes);
		if (!o->bytes)
			line_take(others, o);
	}
	if (p->bytes)
		line_push(f, is_write ? &f->written : &f->owed, p);
}

/* ---------------------------------------------------------------- messages */

/* could r have got w, or with MSG_NOERROR the first part of it? */
static bool may_be_part(const struct piece *w, const struct piece *r)
{
	/* nothing at all is what MSG_COPY reports; such a look takes no message away */
	return r->may_cut && r->bytes && r->bytes < w->bytes;
}

/* the oldest counterpart of the type: of just that size, or else longer and cut off */
static struct piece *find_message(struct line *l, const struct piece *p, bool is_write)
{
	struct piece *part = NULL;

	for (size_t i = l->head; i < l->count; i++) {
		struct piece *o = &l->pieces[i];

		if (o->taken || o->type != p->type)
			continue;
		if (o->bytes == p->bytes)
			return o;
		if (!part && (is_write ? may_be_part(p, o) : may_be_part(o, p)))
			part = o;
	}
	return part;
}

static void message(struct fifo *f, struct piece *p, bool is_write)
{
	struct line *others = is_write ? &f->owed : &f->written;
	struct piece *o = find_message(others, p, is_write);

	if (!o) {
		line_push(f, is_write ? &f->written : &f->owed, p);
		return;
	}
	credit(f, is_write ? p : o, is_write ? o : p, is_write ? o->bytes : p->bytes, true);
	line_take(others, o);
}

/* ------------------------------------------------------------------- order */

static void turn(struct turns *t, const struct proc *who, uint64_t since_ns, uint64_t until_ns)
{
	bool same = t->last == who;
	uint64_t others_ns = same ? t->others_ns : t->last_ns;

	if (t->last && others_ns > since_ns)
		t->unproven = true;
	t->others_ns = others_ns;
	t->last = who;
	t->last_ns = until_ns;
}

bool fifo_is_ordered(const struct fifo *f)
{
	return !f->turns[LENS_READ].unproven && !f->turns[LENS_WRITE].unproven;
}

/* ---------------------------------------------------------------- building */

void fifo_seed(struct fifo *f, struct proc *who, uint64_t bytes)
{
	struct piece p = { .who = who, .bytes = bytes };

	if (bytes)
		line_push(f, &f->written, &p);
}

void fifo_earlier(struct fifo *f, enum lens_dir dir, const struct proc *who, uint64_t until_ns)
{
	f->turns[dir] = (struct turns){ .last = who, .last_ns = until_ns };
}

void fifo_op(struct fifo *f, const struct endpoint *e, enum lens_dir dir,
	     const struct lens_op *op, uint64_t since_ns)
{
	struct piece p = {
		.who = e->proc, .bytes = op->ret, .type = op->aux, .ts_ns = op->ts_ns,
		.may_cut = dir == LENS_READ && e->side[dir].total.shorts,
	};

	if (f->overflow || op->ret < 0 || (!op->ret && !f->messages))
		return;
	turn(&f->turns[dir], e->proc, since_ns, op->ts_ns);
	if (f->messages)
		message(f, &p, dir == LENS_WRITE);
	else
		stream(f, &p, dir == LENS_WRITE);
}
