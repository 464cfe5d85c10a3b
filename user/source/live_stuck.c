// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Looks at who waits for what: iterators only, run on demand. Nothing is
 * attached, so that nothing slows down and nothing has to run beforehand.
 */
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/futex.h>

#include "lens.skel.h"
#include "source/live.h"
#include "source/live_stack.h"
#include "source/loads.h"
#include "source/sections.h"

/* members of epoll sets, locks and semaphores of one look: 64 bytes each */
#define RING_BYTES (8u << 20)
#define SMALL_MAP 64 /* entries of maps that only tracing fills */

struct stuck_live {
	struct live *lender; /* whose programs and rings these are; NULL: our own */
	struct lens *skel;
	struct bpf_link *calls, *threads, *descs, *memory, *urings, *mappings, *queues;
	struct bpf_link *stack_iter;
	struct live_stacks *stacks; /* NULL: not asked for */
	struct ring_buffer *ring;
	struct lens_rec_host host;

	/* during a look */
	source_sink sink;
	void *sink_arg;
	/* some thread waits for what only they tell */
	bool want_mappings, want_queues, want_urings;
};

/* -------------------------------------------------------------------- load */

static bool is_wanted(const struct stuck_live *l, const struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog);

	if (!strcmp(name, "stuck__iter__stacks"))
		return l->stacks;
	if (!strcmp(name, "stuck__since__enter"))
		return false; /* nothing is known before we begin */
	return plan_is_stuck(prog) || !strcmp(name, "core__run__hello");
}

/* of these all are needed */
static void on_refused(void *unused, const struct bpf_program *prog, const char *log)
{
	log_msg(LOG_DEBUG, "%s: %s", bpf_program__name(prog), log);
}

static int load_for(struct stuck_live *l, const struct kernel *k)
{
	_cleanup_close_ int types_fd = -1;
	struct bpf_program *prog;
	int err = live_open_object(k, &l->skel, &types_fd);

	if (!err)
		err = live_configure_types(l->skel, k);
	if (!err)
		err = live_size_cache(l->skel, false);
	if (err)
		return err;
	bpf_object__for_each_program(prog, l->skel->obj)
		bpf_program__set_autoload(prog, is_wanted(l, prog));
	bpf_map__set_max_entries(l->skel->maps.lens_ring, RING_BYTES);
	bpf_map__set_max_entries(l->skel->maps.lens_ops_ring, 4096);
	bpf_map__set_max_entries(l->skel->maps.lens_totals, SMALL_MAP);
	bpf_map__set_max_entries(l->skel->maps.lens_chans, SMALL_MAP);
	live_size_notes(l->skel, NULL);
	err = loads_load(l->skel->skeleton, on_refused, NULL);
	return err ? live_explain_load(err) : 0;
}

static int load(struct stuck_live *l)
{
	struct kernel k;
	int err = kernel_probe(&k);

	if (!err) {
		err = sections_use(&k);
		if (err)
			err = log_err(err, "cannot prepare to load: %s", strerror(-err));
		else
			err = load_for(l, &k);
	}
	kernel_fini(&k);
	return err;
}

static int attach(struct bpf_program *prog, struct bpf_link **ret)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);

	if (!link)
		return log_err(-errno, "cannot attach %s: %s", bpf_program__name(prog),
			       strerror(errno));
	*ret = link;
	return 0;
}

static int attach_all(struct stuck_live *l)
{
	const struct {
		struct bpf_program *prog;
		struct bpf_link **link;
	} iterators[] = {
		{ l->skel->progs.stuck__iter__calls, &l->calls },
		{ l->skel->progs.stuck__iter__threads, &l->threads },
		{ l->skel->progs.stuck__iter__descs, &l->descs },
		{ l->skel->progs.stuck__iter__memory, &l->memory },
		{ l->skel->progs.stuck__iter__urings, &l->urings },
		{ l->skel->progs.stuck__iter__mappings, &l->mappings },
		{ l->skel->progs.sysvmsg__iter__queues, &l->queues },
	};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(iterators); i++)
		err = attach(iterators[i].prog, iterators[i].link);
	if (!err && l->stacks)
		err = attach(l->skel->progs.stuck__iter__stacks, &l->stack_iter);
	return err;
}

static int on_ring(void *ctx, void *data, size_t size)
{
	struct stuck_live *l = ctx;
	const struct lens_rec *rec = data;

	if (size < sizeof(*rec) || rec->len > size)
		return 0; /* cannot happen with our own programs */
	return l->sink(l->sink_arg, rec);
}

static int open_all(struct stuck_live *l)
{
	int err = load(l);

	if (!err)
		err = attach_all(l);
	if (err)
		return err;
	/* so that the processes know which of them is us */
	err = live_say_hello(l->skel);
	if (err)
		return err;
	l->ring = ring_buffer__new(bpf_map__fd(l->skel->maps.lens_ring), on_ring, l, NULL);
	if (!l->ring)
		return log_err(-errno, "cannot map the event ring: %s", strerror(errno));
	live_describe_host(&l->host);
	return 0;
}

int stuck_live_open(const struct stuck_live_options *o, struct stuck_live **ret_live)
{
	struct stuck_live *l = xcalloc(1, sizeof(*l));
	int err = live_allow_files(LIVE_FILES_TO_LOOK);

	if (!err && o->stacks)
		err = live_stacks_open(&l->stacks);
	live_quiet_libbpf();
	if (!err)
		err = open_all(l);
	if (!err)
		l->skel->bss->lens_without_arguments = !o->arguments;
	if (!err && l->stacks)
		err = live_stacks_start(l->stacks, l->skel);
	if (err) {
		stuck_live_freep(&l);
		return err;
	}
	*ret_live = l;
	return 0;
}

int live_stuck_open(struct live *lender)
{
	struct stuck_live *l = xcalloc(1, sizeof(*l));
	int err;

	l->lender = lender;
	l->skel = lender->skel;
	err = attach_all(l);
	if (err)
		stuck_live_freep(&l);
	lender->stuck = l;
	return err;
}

void stuck_live_freep(struct stuck_live **live)
{
	struct stuck_live *l = *live;

	if (!l)
		return;
	bpf_link__destroy(l->calls);
	bpf_link__destroy(l->threads);
	bpf_link__destroy(l->descs);
	bpf_link__destroy(l->memory);
	bpf_link__destroy(l->urings);
	bpf_link__destroy(l->mappings);
	bpf_link__destroy(l->queues);
	bpf_link__destroy(l->stack_iter);
	live_stacks_freep(&l->stacks);
	ring_buffer__free(l->ring);
	if (!l->lender)
		lens__destroy(l->skel);
	free(l);
	*live = NULL;
}

/* -------------------------------------------------------------------- look */

/* notes which iterators a thread makes necessary */
static int on_call(void *ctx, const struct lens_rec *rec)
{
	struct stuck_live *l = ctx;
	const struct lens_rec_thread *t = (const void *)rec;

	if (rec->type == LENS_REC_THREAD && rec->len == sizeof(*t)) {
		if ((t->call == LENS_CALL_FUTEX && !(t->arg[1] & FUTEX_PRIVATE_FLAG)) ||
		    t->call == LENS_CALL_FUTEX_WAITV)
			l->want_mappings = true;
		if (t->call == LENS_CALL_MSGSND || t->call == LENS_CALL_MSGRCV ||
		    t->call == LENS_CALL_IPC)
			l->want_queues = true;
		if (t->flags & LENS_THREAD_URING)
			l->want_urings = true;
	}
	return l->sink(l->sink_arg, rec);
}

/* one iterator, and what it left in the ring */
static int walk(struct stuck_live *l, struct bpf_link *iterator)
{
	int err = live_walk(iterator, l->sink, l->sink_arg);

	if (err < 0)
		return err;
	/* other records may be in that ring; they are older than what follows */
	if (l->lender)
		return live_drain(l->lender, l->sink, l->sink_arg);
	err = ring_buffer__consume(l->ring);
	return err < 0 ? err : 0;
}

static int pause_ns(uint64_t ns)
{
	struct timespec left = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	/* a signal ends the pause; what was to be seen in the rest of it is not */
	return ns && clock_nanosleep(CLOCK_MONOTONIC, 0, &left, NULL) ? -EINTR : 0;
}

static void clear_walked(struct stuck_live *l)
{
	int fd = bpf_map__fd(l->skel->maps.lens_walked);
	struct lens_chan walked;

	while (!bpf_map_get_next_key(fd, NULL, &walked) && !bpf_map_delete_elem(fd, &walked))
		continue;
}

/* records that found no room in the ring since the start */
static uint64_t count_lost(const struct stuck_live *l)
{
	uint64_t lost = 0;

	for (unsigned kind = 0; kind < LENS_KIND_MAX; kind++)
		lost += l->skel->bss->lens_losses[kind][LENS_LOSS_RING_FULL];
	return lost;
}

static int walk_holders(struct stuck_live *l)
{
	int err = live_emit_mark(l->sink, l->sink_arg, LENS_MARK_STUCK_HOLDERS, 0);

	if (err >= 0)
		err = walk(l, l->descs);
	l->skel->bss->lens_words_shared = false;
	if (err >= 0)
		err = walk(l, l->memory);
	if (err >= 0 && l->want_urings)
		err = walk(l, l->urings);
	/* most futexes without FUTEX_PRIVATE_FLAG are in memory that nobody shares */
	if (err >= 0 && l->want_mappings && l->skel->bss->lens_words_shared)
		err = walk(l, l->mappings);
	if (err >= 0 && l->want_queues) {
		clear_walked(l);
		err = walk(l, l->queues);
	}
	return err;
}

int stuck_live_look(struct stuck_live *l, uint64_t between_ns, source_sink sink, void *arg)
{
	struct lens_rec_host *host = l->lender ? &l->lender->host : &l->host;
	uint64_t before = count_lost(l);
	int err;

	l->sink = sink;
	l->sink_arg = arg;
	l->want_mappings = l->want_queues = l->want_urings = false;
	err = live_emit_mark(sink, arg, LENS_MARK_STUCK_BEGIN, LENS_STUCK_VERSION);
	if (err >= 0)
		err = live_emit(sink, arg, &host->h, LENS_REC_HOST, sizeof(*host));
	if (err >= 0)
		err = live_walk(l->calls, on_call, l);
	if (err >= 0)
		err = pause_ns(between_ns);
	if (err >= 0)
		err = walk_holders(l);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_STUCK_AGAIN, 0);
	if (err >= 0)
		err = walk(l, l->threads);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_STUCK_END, count_lost(l) != before);
	return err < 0 ? err : 0;
}

int stuck_live_stacks(struct stuck_live *l, stuck_wants wants, source_sink sink, void *arg)
{
	int err = live_stacks_walk(l->stacks, l->stack_iter, wants, sink, arg);

	return err < 0 ? err : 0;
}

/* a program that interrupts itself does not run a second time, and misses a call */
static bool missed_entries(const struct stuck_live *l)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_program__fd(l->skel->progs.stuck__since__enter);

	return bpf_obj_get_info_by_fd(fd, &info, &size) || info.recursion_misses;
}

int live_stuck(struct live *live, uint64_t between_ns, source_sink sink, void *arg)
{
	if (!live->stuck)
		return 0;
	if (!live->opt.snapshot && missed_entries(live->stuck))
		live->skel->bss->lens_entries_missed = true;
	return stuck_live_look(live->stuck, between_ns, sink, arg);
}
