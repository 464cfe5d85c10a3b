/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind acts.h.
 */
#define _GNU_SOURCE 1
#include <stdio.h>

#include "acts.h"
#include "areas.h"
#include "deeds.h"
#include "dice.h"
#include "ends.h"
#include "parcels.h"
#include "players.h"
#include "work.h"

enum { TRIES = 12 };

static bool splices(const struct slot *s)
{
	return stage->pair[s->pair].mech->splices;
}

static bool is_pipe(const struct slot *s)
{
	return splices(s) && !stage->pair[s->pair].mech->socket;
}

static bool gets_pages(const struct slot *s)
{
	return slot_gets(s) && splices(s);
}

static bool gets_pipe(const struct slot *s)
{
	return slot_gets(s) && is_pipe(s);
}

static bool puts_pages(const struct slot *s)
{
	return slot_puts(s) && splices(s);
}

static bool puts_pipe(const struct slot *s)
{
	return slot_puts(s) && is_pipe(s);
}

static bool peeks(const struct slot *s)
{
	return slot_gets(s) && stage->pair[s->pair].mech->socket;
}

static bool shuts(const struct slot *s)
{
	return stage->pair[s->pair].mech->shuts;
}

static bool removes(const struct slot *s)
{
	return stage->pair[s->pair].named;
}

/* eventfds and terminals stay with somebody, because the kernel gives their ids away again */
static bool closes(const struct slot *s)
{
	const struct mech *m = stage->pair[s->pair].mech;

	return !m->holds || holders(s->pair, m->shape == TWO_ENDS ? s->side : -1) > 1;
}

static bool is_bell(const struct slot *s)
{
	return stage->pair[s->pair].mech->amounts && slot_gets(s) && stage->in_order &&
	       !parcels_bytes(slot_in(s));
}

static bool dups(const struct slot *s)
{
	return !stage->pair[s->pair].mech->no_fd;
}

/* nothing may be before the byte it goes with */
static bool passes(const struct slot *s)
{
	const struct pair *p = &stage->pair[s->pair];

	return p->mech->passes && !p->shut && slot_puts(s) && !parcels_count(slot_out(s));
}

static bool waits_put(const struct slot *s)
{
	const struct mech *m = stage->pair[s->pair].mech;

	return slot_puts(s) && !m->amounts && !m->loses;
}

/* one of the slots that fit, of any process or of one (not -1); -1: none */
static int draw_slot(int of, bool (*fits)(const struct slot *), unsigned *ret_proc)
{
	int found = -1;
	unsigned count = 0;

	for (unsigned i = 0; i < PROCS; i++)
		for (int k = 0; k < SLOTS; k++) {
			const struct slot *s = slot_of(i, k);

			if (!stage->pid[i] || (of >= 0 && i != (unsigned)of) || !s->used ||
			    !fits(s) || draw(++count))
				continue;
			found = k;
			*ret_proc = i;
		}
	return found;
}

static bool draw_first(struct op *o, bool (*fits)(const struct slot *))
{
	o->slot = draw_slot(-1, fits, &o->proc);
	return o->slot >= 0;
}

/* another process at the other side of the same channel */
static bool draw_partner(struct op *o, bool reads)
{
	const struct slot *s = slot_of(o->proc, o->slot);
	unsigned count = 0;

	for (unsigned i = 0; i < PROCS; i++)
		for (int k = 0; k < SLOTS; k++) {
			const struct slot *t = slot_of(i, k);

			if (i == o->proc || !stage->pid[i] || !t->used || t->pair != s->pair ||
			    (reads ? !slot_gets(t) || slot_in(t) != slot_out(s)
				   : !slot_puts(t) || slot_out(t) != slot_in(s)) || draw(++count))
				continue;
			o->other = i;
			o->with = k;
		}
	return count;
}

static int free_slot(unsigned proc, int from)
{
	for (int k = from; k < SLOTS; k++)
		if (!slot_of(proc, k)->used)
			return k;
	return -1;
}

static unsigned draw_proc(void)
{
	unsigned n;

	do
		n = draw(PROCS);
	while (!stage->pid[n]);
	return n;
}

/* ---------------------------------------------------------------- operations */

static bool draw_make(struct op *o)
{
	o->proc = draw_proc();
	o->free = free_slot(o->proc, 0);
	o->with = o->free < 0 ? -1 : free_slot(o->proc, o->free + 1);
	o->mech = draw(mech_count);
	/* what fell out of a full queue nobody can tell */
	return o->with >= 0 && stage->pair_count < PAIRS &&
	       (stage->in_order || !mechs[o->mech].loses);
}

static bool draw_fork(struct op *o)
{
	o->proc = draw_proc();
	o->other = stage->proc_count;
	return o->other < PROCS;
}

static bool draw_quit(struct op *o)
{
	unsigned count = 0;

	o->proc = draw_proc();
	for (unsigned i = 0; i < PROCS; i++)
		count += stage->pid[i] > 0;
	for (int k = 0; k < SLOTS; k++) {
		const struct slot *s = slot_of(o->proc, k);

		/* several of its own may be the last ones */
		if (s->used && stage->pair[s->pair].mech->holds)
			return false;
	}
	return count > 1;
}

/* what closes with it must not be the last one of what somebody has to keep */
static bool draw_exec(struct op *o)
{
	o->proc = draw_proc();
	for (int k = 0; k < SLOTS; k++) {
		const struct slot *s = slot_of(o->proc, k);

		if (s->used && s->closes && stage->pair[s->pair].mech->holds)
			return false;
	}
	return true;
}

static bool draw_close_on_exec(struct op *o)
{
	return draw_first(o, dups);
}

static bool draw_dup(struct op *o)
{
	if (!draw_first(o, dups))
		return false;
	o->free = free_slot(o->proc, 0);
	return o->free >= 0;
}

static bool draw_pass(struct op *o)
{
	const struct slot *what;

	if (!stage->in_order || !draw_first(o, passes) || !draw_partner(o, true))
		return false;
	o->free = free_slot(o->other, 0);
	what = slot_of(o->proc, (int)(o->how % SLOTS));
	return o->free >= 0 && what->used && dups(what);
}

static void run_pass(void)
{
	perform(do_pass);
	perform_other(do_receive);
}

static bool draw_close(struct op *o)
{
	return draw_first(o, closes);
}

static bool draw_put(struct op *o)
{
	const struct mech *m;

	if (!draw_first(o, slot_puts))
		return false;
	m = stage->pair[slot_of(o->proc, o->slot)->pair].mech;
	o->len = draw_len(m->most_bytes);
	o->len += m->terminal;
	/* an empty message looks like the end, where nobody knows what is there */
	o->len += stage->in_order ? 0 : 3;
	return true;
}

static bool draw_get(struct op *o)
{
	const struct mech *m;

	if (!draw_first(o, slot_gets))
		return false;
	m = stage->pair[slot_of(o->proc, o->slot)->pair].mech;
	o->len = m->messages && (!stage->in_order || draw(3)) ? m->most_bytes
							     : draw_len(m->most_bytes) + 1;
	return true;
}

static bool draw_peek(struct op *o)
{
	o->len = draw_len(5000);
	return draw_first(o, peeks);
}

static bool draw_wait_get(struct op *o)
{
	o->len = 9000;
	return draw_first(o, slot_gets) && draw_partner(o, false);
}

static void run_wait_get(void)
{
	perform_both(do_wait_get, do_serve);
}

static bool draw_wait_put(struct op *o)
{
	o->len = draw_len(900) + 3;
	return draw_first(o, waits_put) && draw_partner(o, true);
}

static bool draw_bell(struct op *o)
{
	o->len = draw_len(900) + 1;
	return draw_first(o, is_bell) && draw_partner(o, false);
}

static void run_bell(void)
{
	perform_both(do_await_bell, do_ring_bell);
}

static void run_wait_put(void)
{
	perform(do_fill);
	perform_both(do_wait_put, do_drain);
}

/* of the same process, at least one of them a pipe */
static bool draw_splice(struct op *o)
{
	bool from_pipe = draw(2);

	o->len = draw_len(70000) + 1;
	if (!draw_first(o, from_pipe ? gets_pipe : gets_pages))
		return false;
	o->with = draw_slot((int)o->proc, from_pipe ? puts_pages : puts_pipe, &o->proc);
	return o->with >= 0;
}

static bool draw_tee(struct op *o)
{
	o->len = draw_len(70000) + 1;
	if (!draw_first(o, gets_pipe))
		return false;
	o->with = draw_slot((int)o->proc, puts_pipe, &o->proc);
	return o->with >= 0;
}

static bool draw_from_file(struct op *o)
{
	o->len = draw_len(40000);
	return draw_first(o, puts_pages);
}

static bool draw_to_file(struct op *o)
{
	o->len = draw_len(40000);
	return draw_first(o, gets_pipe);
}

static bool draw_resize(struct op *o)
{
	return draw_first(o, is_pipe);
}

static bool draw_shut(struct op *o)
{
	return draw_first(o, shuts);
}

static bool draw_remove(struct op *o)
{
	return draw_first(o, removes);
}

/* another process; within one it is nobody's business */
static bool draw_other(struct op *o)
{
	o->proc = draw_proc();
	o->other = draw_proc();
	o->len = draw_len(5000);
	return o->other != o->proc;
}

static bool draw_mingle(struct op *o)
{
	o->proc = draw_proc();
	return !stage->in_order;
}

static void run_mingle(void)
{
	perform_all(do_mingle);
}

static bool draw_any(struct op *o)
{
	o->proc = draw_proc();
	return true;
}

static void run_shuffle(void)
{
	perform_all(do_shuffle);
}

static bool draw_word(struct op *o)
{
	return draw_other(o) && word_chosen(o);
}

static void run_word(void)
{
	perform_both(do_sleep, do_wake);
}

/* part: by one process; run: anything else */
static const struct act {
	const char *name;
	unsigned weight;
	bool (*draw)(struct op *o);
	void (*part)(const struct op *o);
	void (*run)(void);
} acts[] = {
	{ "make", 9, draw_make, .part = do_make },
	{ "fork", 6, draw_fork, .run = perform_fork },
	{ "quit", 2, draw_quit, .run = perform_quit },
	{ "dup", 3, draw_dup, .part = do_dup },
	{ "pass", 6, draw_pass, .run = run_pass },
	{ "close", 5, draw_close, .part = do_close },
	{ "close-on-exec", 4, draw_close_on_exec, .part = do_close_on_exec },
	{ "exec", 3, draw_exec, .part = do_exec },
	{ "put", 30, draw_put, .part = do_put },
	{ "get", 26, draw_get, .part = do_get },
	{ "peek", 3, draw_peek, .part = do_peek },
	{ "wait-get", 7, draw_wait_get, .run = run_wait_get },
	{ "wait-put", 2, draw_wait_put, .run = run_wait_put },
	{ "bell", 3, draw_bell, .run = run_bell },
	{ "splice", 6, draw_splice, .part = do_splice },
	{ "tee", 2, draw_tee, .part = do_tee },
	{ "from-file", 4, draw_from_file, .part = do_from_file },
	{ "to-file", 3, draw_to_file, .part = do_to_file },
	{ "resize", 2, draw_resize, .part = do_resize },
	{ "shut", 2, draw_shut, .part = do_shut },
	{ "remove", 1, draw_remove, .part = do_remove },
	{ "signal", 3, draw_other, .part = do_signal },
	{ "memory", 3, draw_other, .part = do_memory },
	{ "mingle", 12, draw_mingle, .run = run_mingle },
	{ "map", 9, draw_any, .part = do_map },
	{ "cover", 2, draw_any, .part = do_cover },
	{ "unmap", 4, draw_any, .part = do_unmap },
	{ "protect", 5, draw_any, .part = do_protect },
	{ "move", 8, draw_any, .part = do_move },
	{ "attach", 5, draw_any, .part = do_attach },
	{ "detach", 3, draw_any, .part = do_detach },
	{ "remove-segment", 1, draw_any, .part = do_remove_segment },
	{ "shuffle", 8, draw_mingle, .run = run_shuffle },
	{ "word", 6, draw_word, .run = run_word },
};

bool act_draw(struct op *o)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < ARRAY_SIZE(acts); i++)
		sum += acts[i].weight;
	for (unsigned tries = 0; tries < TRIES; tries++) {
		*o = (struct op){ .how = draw(1 << 16), .slot = -1, .with = -1, .free = -1 };
		for (at = draw(sum); at >= acts[o->act].weight; o->act++)
			at -= acts[o->act].weight;
		if (acts[o->act].draw(o))
			return true;
	}
	return false;
}

void act_run(const struct op *o)
{
	if (acts[o->act].part)
		perform(acts[o->act].part);
	else
		acts[o->act].run();
}

void act_tell(unsigned n, const struct op *o)
{
	const struct slot *s = o->slot >= 0 ? slot_of(o->proc, o->slot) : NULL;

	fprintf(stderr, "%u: %s by %u", n, acts[o->act].name, o->proc);
	if (acts[o->act].draw == draw_make)
		fprintf(stderr, " %s = pair %u", mechs[o->mech].name, stage->pair_count);
	if (s)
		fprintf(stderr, " pair %d side %d (%s)", s->pair, s->side,
			stage->pair[s->pair].mech->name);
	fprintf(stderr, ", other %u, with %d, free %d, %zu bytes, how %u\n", o->other, o->with,
		o->free, o->len, o->how);
}
