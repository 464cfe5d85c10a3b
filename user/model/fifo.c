// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Attribution by order: bytes leave a pipe as they entered it, messages leave
 * a queue oldest of the received type first. A read may return before the
 * write that fed it, so either side can wait for the other: of a byte stream
 * there is at any time either something written or something owed.
 */
#include <limits.h>

#include "model/fifo.h"

/* pieces kept of one channel; messages are searched, so fewer: msg_qbytes is 16384 by default */
#define PIECES_MAX (256u << 10)
#define MESSAGES_MAX 16384

void fifo_fini(struct fifo *f)
{
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		places_fini(&f->places[d]);
		crowd_fini(&f->sums[d]);
	}
	stretches_fini(&f->stretches);
	types_fini(&f->types);
	free(f->written.pieces);
	free(f->owed.pieces);
	flow_matrix_fini(&f->flows);
}

static void copy_line(struct line *to, const struct line *from)
{
	to->pieces = xcalloc(from->room + 1, sizeof(*to->pieces));
	if (from->count)
		memcpy(to->pieces, from->pieces, from->count * sizeof(*to->pieces));
}

struct fifo fifo_copy(const struct fifo *f)
{
	struct fifo copy = *f;

	copy_line(&copy.written, &f->written);
	copy_line(&copy.owed, &f->owed);
	for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
		copy.places[d] = places_copy(&f->places[d]);
		copy.sums[d] = (struct crowd){};
		crowd_merge(&copy.sums[d], &f->sums[d]);
	}
	copy.stretches = stretches_copy(&f->stretches);
	copy.types = types_copy(&f->types);
	copy.flows = (struct flow_matrix){};
	flow_matrix_add(&copy.flows, &f->flows);
	return copy;
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
	if (written->stretch)
		stretch_pass(&f->stretches, written->stretch, read->who, bytes, read->stretch,
			     &f->flows);
	if (read->stretch)
		stretch_pass(&f->stretches, read->stretch, written->who, bytes, written->stretch,
			     &f->flows);
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

/* a receiver that does not ask for the priority gets the highest there is, whatever that is */
static struct piece *find_highest(struct line *l, uint64_t bytes)
{
	struct piece *best = NULL;

	for (size_t i = l->head; i < l->count; i++) {
		struct piece *o = &l->pieces[i];

		if (!o->taken && o->bytes == bytes && (!best || o->type > best->type))
			best = o;
	}
	return best;
}

/* the oldest counterpart of the type: of just that size, or else longer and cut off */
static struct piece *find_message(struct line *l, const struct piece *p, bool is_write)
{
	struct piece *part = NULL;

	for (size_t i = l->head; i < l->count; i++) {
		struct piece *o = &l->pieces[i];

		if (o->taken || (o->type != p->type && o->type != LENS_PRIORITY_UNKNOWN))
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
	struct piece *o;

	if (p->type == LENS_PRIORITY_UNKNOWN)
		o = find_highest(others, p->bytes);
	else
		o = find_message(others, p, is_write);
	if (!o) {
		line_push(f, is_write ? &f->written : &f->owed, p);
		return;
	}
	credit(f, is_write ? p : o, is_write ? o : p, is_write ? o->bytes : p->bytes, true);
	line_take(others, o);
}

static void take_message(struct fifo *f, struct piece *p, enum lens_dir dir)
{
	types_take(&f->types, p->type, dir, p->who, p->bytes);
	crowd_add(&f->sums[dir], p->who, p->bytes, 1);
	if (dir == LENS_READ && p->ts_ns > f->received_ns)
		f->received_ns = p->ts_ns;
	message(f, p, dir == LENS_WRITE);
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

uint64_t fifo_oldest_ns(const struct fifo *f)
{
	/* the first one is never one that was taken */
	return f->written.head < f->written.count ? f->written.pieces[f->written.head].ts_ns : 0;
}

bool fifo_is_in_turn(const struct fifo *f, enum lens_dir dir)
{
	return !f->turns[dir].unproven;
}

bool fifo_is_ordered(const struct fifo *f)
{
	for (unsigned d = 0; d < LENS_DIR_MAX; d++)
		if (!fifo_is_in_turn(f, d) && !(f->placed[d] && f->places[d].known))
			return false;
	return true;
}

/* how a placed call comes into the stream */
struct taker {
	struct fifo *f;
	enum lens_dir dir;
};

/* a stretch stays open while its calls come in: the first may reach the other end at once */
static void change_group(struct fifo *f, enum lens_dir dir, unsigned group)
{
	if (f->stretch[dir])
		stretch_close(&f->stretches, f->stretch[dir], &f->flows);
	f->stretch[dir] = 0;
	f->group[dir] = group;
	if (!group)
		return;
	f->stretch[dir] = stretch_new(&f->stretches, dir);
	stretch_open(&f->stretches, f->stretch[dir], false);
}

static void take_placed(void *arg, const struct placed *p, unsigned group)
{
	const struct taker *t = arg;
	struct fifo *f = t->f;
	struct piece piece = { .who = p->who, .bytes = p->bytes, .ts_ns = p->ts_ns };

	/* up to the first place that is known, what was not followed may be in between */
	if (f->early[t->dir] && f->places[t->dir].done) {
		stretch_close(&f->stretches, f->early[t->dir], &f->flows);
		f->early[t->dir] = 0;
	}
	if (group != f->group[t->dir])
		change_group(f, t->dir, group);
	piece.stretch = f->early[t->dir] ? f->early[t->dir] : f->stretch[t->dir];
	if (piece.stretch)
		stretch_own(&f->stretches, piece.stretch, p->who, p->bytes);
	stream(f, &piece, t->dir == LENS_WRITE);
}

void fifo_end(struct fifo *f, enum lens_dir dir, bool complete)
{
	struct taker t = { f, dir };

	if (!places_end(&f->places[dir], complete, take_placed, &t))
		f->places[dir].known = false;
}

/* ---------------------------------------------------------------- building */

void fifo_seed(struct fifo *f, struct proc *who, uint64_t bytes)
{
	struct piece p = { .who = who, .bytes = bytes,
			   .stretch = who ? f->early[LENS_WRITE] : 0 };

	if (bytes)
		line_push(f, &f->written, &p);
}

void fifo_earlier(struct fifo *f, enum lens_dir dir, struct proc *who, uint64_t bytes,
		  uint64_t until_ns)
{
	f->turns[dir] = (struct turns){ .last = who, .last_ns = until_ns };
	if (f->messages)
		return;
	f->early[dir] = stretch_new(&f->stretches, dir);
	stretch_open(&f->stretches, f->early[dir], true);
	stretch_own(&f->stretches, f->early[dir], who, bytes);
}

void fifo_passed(struct fifo *f, struct proc *from, struct proc *to, uint64_t bytes)
{
	struct piece w = { .who = from, .stretch = from ? f->early[LENS_WRITE] : 0 };
	struct piece r = { .who = to, .stretch = f->early[LENS_READ] };

	credit(f, &w, &r, bytes, false);
}

void fifo_op(struct fifo *f, const struct endpoint *e, enum lens_dir dir,
	     const struct lens_op *op, uint64_t since_ns)
{
	struct piece p = {
		.who = e->proc, .bytes = op->ret, .ts_ns = op->ts_ns,
		.type = e->chan->key.kind == LENS_KIND_UDP ? 0 : op->aux,
		.may_cut = dir == LENS_READ && end_side(e, dir)->total.shorts,
	};
	struct taker t = { f, dir };

	if (f->overflow || op->ret < 0 || (!op->ret && !f->messages))
		return;
	turn(&f->turns[dir], e->proc, since_ns, op->ts_ns);
	if (f->messages)
		take_message(f, &p, dir);
	else if (f->places[dir].known)
		places_add(&f->places[dir], e->proc, op, dir == LENS_READ || op->ret <= PIPE_BUF,
			   take_placed, &t);
	else
		stream(f, &p, dir == LENS_WRITE);
}
