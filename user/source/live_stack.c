/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stacks of threads: STACK records of the kernel side become FRAMES records, with
 * names in place of addresses.
 */
#include "source/live_stack.h"

#include "lens.skel.h"
#include "source/frames.h"
#include "source/kallsyms.h"
#include "source/live.h"
#include "source/user_stack.h"

struct live_stacks {
	struct kallsyms *symbols; /* NULL: hidden */
	struct reader *reader;
	struct user_stacks *user;
	struct frames frames;
	/* during a walk */
	struct lens *skel;
	struct bpf_link *iterator;
	stuck_wants wants;
	source_sink sink;
	void *arg;
};

int live_stacks_open(struct live_stacks **ret)
{
	_cleanup_(live_stacks_freep) struct live_stacks *s = xcalloc(1, sizeof(*s));
	int err = kallsyms_read("/proc/kallsyms", &s->symbols);

	if (err)
		log_msg(LOG_WARNING, "no kernel stacks: this kernel hides the addresses of its "
				     "functions (CAP_SYSLOG, kernel.kptr_restrict)");
	*ret = TAKE_PTR(s);
	return 0;
}

/* so that the kernel side knows it as a part of us */
static int say_hello(void *arg)
{
	const struct lens *skel = arg;

	return live_say_hello(skel);
}

int live_stacks_start(struct live_stacks *s, struct lens *skel)
{
	int err = reader_start(say_hello, skel, &s->reader);

	if (err)
		return log_err(err, "cannot start a process that reads files: %s", strerror(-err));
	s->user = user_stacks_new(s->reader);
	s->skel = skel;
	return 0;
}

void live_stacks_freep(struct live_stacks **stacks)
{
	if (!*stacks)
		return;
	kallsyms_freep(&(*stacks)->symbols);
	user_stacks_freep(&(*stacks)->user);
	reader_freep(&(*stacks)->reader);
	free(*stacks);
	*stacks = NULL;
}

/* -------------------------------------------------------------------- kernel */

static enum lens_frames_end add_kernel(struct live_stacks *s, const struct lens_rec_stack *r)
{
	struct kallsyms_symbol symbol;

	if (!s->symbols)
		return LENS_FRAMES_HIDDEN;
	for (int32_t i = 0; i < r->count; i++) {
		/* no address of the kernel goes out, named or not */
		if (kallsyms_find(s->symbols, r->address[i], &symbol))
			frames_add(&s->frames, symbol.function, symbol.module, symbol.offset);
		else
			frames_add(&s->frames, NULL, NULL, 0);
	}
	if (r->count <= 0)
		return LENS_FRAMES_UNREADABLE;
	return r->count < LENS_KERNEL_FRAMES ? LENS_FRAMES_COMPLETE : LENS_FRAMES_DEEP;
}

static int emit_kernel(struct live_stacks *s, const struct event *ev)
{
	frames_begin(&s->frames, ev->lens_rec_stack, LENS_SPACE_KERNEL);
	return s->sink(s->arg, frames_finish(&s->frames, add_kernel(s, ev->lens_rec_stack)));
}

/* ---------------------------------------------------------------------- user */

static int on_piece(void *arg, const struct lens_rec *rec)
{
	struct live_stacks *s = arg;
	struct event ev;
	size_t skip;

	if (event_decode(rec, rec->len, &ev, &skip) < 0 || ev.type != LENS_REC_STACK)
		return -EBADMSG;
	user_stacks_take(s->user, &ev);
	return 0;
}

/* another walk, in the midst of the one over all threads, for one of them */
static void walk_for_more(void *arg, uint32_t tid, uint64_t from)
{
	struct live_stacks *s = arg;

	s->skel->bss->lens_stack_tid = tid;
	s->skel->bss->lens_stack_from = from;
	live_walk(s->iterator, on_piece, s);
	s->skel->bss->lens_stack_tid = 0;
}

static int emit_user(struct live_stacks *s, const struct event *ev)
{
	enum lens_frames_end end;

	frames_begin(&s->frames, ev->lens_rec_stack, LENS_SPACE_USER);
	end = user_stacks_add(s->user, ev, walk_for_more, s, &s->frames);
	return s->sink(s->arg, frames_finish(&s->frames, end));
}

/* ---------------------------------------------------------------------- walk */

static int on_stack(void *arg, const struct lens_rec *rec)
{
	struct live_stacks *s = arg;
	struct event ev;
	size_t skip;
	int err;

	if (event_decode(rec, rec->len, &ev, &skip) < 0 || ev.type != LENS_REC_STACK)
		return -EBADMSG;
	if (!s->wants(s->arg, ev.lens_rec_stack))
		return 0;
	err = emit_kernel(s, &ev);
	return err < 0 ? err : emit_user(s, &ev);
}

int live_stacks_walk(struct live_stacks *s, struct bpf_link *iterator, stuck_wants wants,
		     source_sink sink, void *arg)
{
	s->iterator = iterator;
	s->wants = wants;
	s->sink = sink;
	s->arg = arg;
	user_stacks_begin(s->user);
	return live_walk(iterator, on_stack, s);
}
