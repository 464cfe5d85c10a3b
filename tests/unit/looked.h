/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A look at who is stuck, taken in record by record, as a recording has it.
 */
#ifndef LENS_TEST_LOOKED_H
#define LENS_TEST_LOOKED_H

#include "model/stuck_look.h"
#include "test.h"

#define LOOK static __attribute__((unused))

static uint64_t look_now_ns;

/* finishes a record's header, 10 ns after the one before, and hands it over */
LOOK void look_apply(struct stuck *s, void *rec, enum lens_rec_type type, size_t len)
{
	struct lens_rec *h = rec;
	struct event ev;
	size_t skip;

	*h = (struct lens_rec){ .type = type,
				.flags = h->flags,
				.len = (len + 7) / 8 * 8,
				.ts_ns = look_now_ns += 10 };
	CHECK(event_decode(rec, h->len, &ev, &skip) > 0);
	stuck_apply(s, &ev);
}

LOOK void look_mark(struct stuck *s, enum lens_mark which)
{
	struct lens_rec_mark r = {
		.mark = which,
		.value = which == LENS_MARK_STUCK_BEGIN ? LENS_STUCK_VERSION : 0,
	};

	look_apply(s, &r, LENS_REC_MARK, sizeof(r));
}

/* the only thread of process pid, in that call */
LOOK struct lens_rec_thread look_sleeper(unsigned pid, enum lens_call call, uint64_t arg0)
{
	return (struct lens_rec_thread){
		.proc = { .start_ns = 1, .tgid = pid }, .tid = pid, .state = 1,
		.call = call, .arg = { arg0 }, .files = 100 + pid, .ipcns = 1,
	};
}

LOOK struct stuck_thread *look_thread(struct stuck *s, uint32_t tid)
{
	return hash_get(stuck_look(s)->threads, &tid);
}

/* one thread in both rounds, what else there is between them */
LOOK void look_at(struct stuck *s, struct lens_rec_thread *t, void (*between)(struct stuck *s))
{
	look_now_ns = 1000;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	look_apply(s, t, LENS_REC_THREAD, sizeof(*t));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	if (between)
		between(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, t, LENS_REC_THREAD, sizeof(*t));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
}

#endif
