// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Numbers for messages, by which a receiver is told from the others. The hooks
 * that give them cost the whole host something (every allocation passes them
 * where functions cannot be hooked), and matter only to queues where a type has several
 * senders and several receivers (crowds.h). So they are loaded beforehand and attached on
 * demand, which takes no privilege.
 */
#include <sys/ipc.h>
#include <sys/msg.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/crowds.h"
#include "source/live.h"

/* queues are given so many readings of the totals to need numbers again */
#define READINGS_TO_WAIT 2

bool live_is_numbering(const struct bpf_program *prog)
{
	static const char prefix[] = PLAN_MESSAGE_GROUP "__";

	return !strncmp(bpf_program__name(prog), prefix, sizeof(prefix) - 1);
}

static bool by_tracepoints(const struct live *l)
{
	return bpf_program__autoload(l->skel->progs.message__tp__alloc);
}

/* frees before allocations, so that a message with a number is never freed unseen */
static int attach(struct live *l)
{
	struct lens *s = l->skel;
	const struct bpf_program *progs[] = {
		by_tracepoints(l) ? s->progs.message__tp__free : s->progs.message__fexit__free,
		by_tracepoints(l) ? s->progs.message__tp__alloc : s->progs.message__fexit__load,
	};

	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		l->numbering[i] = bpf_program__attach_trace(progs[i]);
		if (!l->numbering[i])
			return -errno;
	}
	return 0;
}

static void detach(struct live *l)
{
	for (size_t i = ARRAY_SIZE(l->numbering); i--;) {
		bpf_link__destroy(l->numbering[i]);
		l->numbering[i] = NULL;
	}
}

/* what is still in a queue will leave it unseen, and its address come back */
static void forget_messages(struct live *l)
{
	int fd = bpf_map__fd(l->skel->maps.lens_messages);
	uint64_t address;

	while (!bpf_map_get_next_key(fd, NULL, &address) && !bpf_map_delete_elem(fd, &address))
		continue;
}

static void stop(struct live *l)
{
	detach(l);
	l->skel->bss->lens_numbering = false;
	forget_messages(l);
}

static void start(struct live *l)
{
	int err;

	l->readings_unshared = 0;
	l->wonders = false;
	l->skel->bss->lens_first_message = l->skel->bss->lens_last_message + 1;
	l->skel->bss->lens_numbering = true;
	err = attach(l);
	if (!err) {
		log_msg(LOG_INFO, "numbering the messages of queues");
		return;
	}
	log_msg(LOG_WARNING, "cannot tell the messages of a queue apart: %s", strerror(-err));
	stop(l);
}

/* ------------------------------------------------------------------ lessons */

/* messages of our own pass; learns where the kernel allocates and frees them */
static bool take_lesson(struct live *l, int queue, uint32_t bytes)
{
	struct { long type; char text[2048]; } message = { 1, "" };
	struct lens__bss *bss = l->skel->bss;

	bss->lens_lesson_alloc_site = bss->lens_lesson_free_site = 0;
	bss->lens_lesson_bytes = bytes;
	if (msgsnd(queue, &message, bytes, IPC_NOWAIT) ||
	    msgrcv(queue, &message, bytes, 0, IPC_NOWAIT) < 0)
		return false;
	return bss->lens_lesson_alloc_site && bss->lens_lesson_free_site;
}

/* sizes that hardly anything else has; an interrupt could still have come in between once */
static bool learn(struct live *l, int queue)
{
	struct lens__bss *bss = l->skel->bss;
	unsigned long alloc, release;

	if (!take_lesson(l, queue, 1021))
		return false;
	alloc = bss->lens_lesson_alloc_site;
	release = bss->lens_lesson_free_site;
	if (!take_lesson(l, queue, 1531) || alloc != bss->lens_lesson_alloc_site ||
	    release != bss->lens_lesson_free_site)
		return false;
	bss->lens_message_alloc_site = alloc;
	bss->lens_message_free_site = release;
	return true;
}

static bool learn_sites(struct live *l)
{
	int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600), err;
	bool known;

	if (queue < 0)
		return false;
	l->skel->bss->lens_lesson_tgid = l->self.tgid;
	err = attach(l);
	known = !err && !live_name_queue(l, TEST_LESSONS, queue) && learn(l, queue);
	detach(l);
	l->skel->bss->lens_lesson_tgid = 0;
	msgctl(queue, IPC_RMID, NULL);
	return known;
}

int live_numbering_prepare(struct live *l)
{
	if (!plan_chosen(&l->plan, PLAN_MESSAGE_GROUP))
		return 0;
	if (by_tracepoints(l) && !learn_sites(l)) {
		plan_refuse_group(&l->plan, PLAN_MESSAGE_GROUP, "did not find where the kernel "
				  "allocates and frees messages");
		return 1;
	}
	if (l->opt.stream_ops)
		start(l);
	return 0;
}

/* ---------------------------------------------------------------- on demand */

/*
 * Who comes to a crowded queue shows with its first message what types it is about. That
 * may be on its way yet; then it is fetched, and told until the next time.
 */
static bool still_wonders(struct live *l)
{
	bool before = l->wonders;

	l->wonders = crowds_wonder(l->crowds);
	if (l->wonders && !before)
		live_flush(l);
	return l->wonders && before;
}

void live_numbering_poll(struct live *l)
{
	if (!plan_chosen(&l->plan, PLAN_MESSAGE_GROUP) || l->skel->bss->lens_numbering)
		return;
	if (crowds_share(l->crowds) || still_wonders(l))
		start(l);
}

void live_numbering_settle(struct live *l)
{
	l->readings_unshared = crowds_share(l->crowds) ? 0 : l->readings_unshared + 1;
	if (l->opt.stream_ops || !l->skel->bss->lens_numbering ||
	    l->readings_unshared <= READINGS_TO_WAIT)
		return;
	stop(l);
	crowds_excuse(l->crowds);
	log_msg(LOG_INFO, "not numbering messages any more");
}
