/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What poll(2) and select(2) wait for, as the kernel has it.
 */
#include <poll.h>

#include "looked.h"

enum { OWN = 1, WRITTEN, GONE }; /* files: of the one who polls, of the writer, of nobody */

static void make_end(struct stuck *s, unsigned pid, unsigned fd, unsigned file, uint64_t refs)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = pid }, .fd = fd, .file = file, .self = 1,
		.object = LENS_OBJECT_PIPE, .mode = file == OWN ? 1 : 2, .refs = refs,
		.readers = 1, .writers = 1, .capacity_msgs = 16, .ino = 1,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
}

static void polls(struct stuck *s, enum lens_call call, uint64_t file, uint32_t events, bool more)
{
	struct {
		struct lens_rec_memory r;
		struct lens_polled p;
	} set = { .r = { .proc = { .start_ns = 1, .tgid = 7 }, .tid = 7, .call = call,
			 .size = sizeof(set.p), .h.flags = more ? LENS_F_TRUNCATED : 0 },
		  .p = { .file = file, .events = events } };

	look_apply(s, &set, LENS_REC_MEMORY, sizeof(set));
}

static void make_holders(struct stuck *s)
{
	struct lens_rec_thread writer = look_sleeper(8, LENS_CALL_PAUSE, 0);

	make_end(s, 7, 3, OWN, 3);
	make_end(s, 8, 4, WRITTEN, 1);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &writer, LENS_REC_THREAD, sizeof(writer));
}

static const struct stuck_thread *look_at_poll(struct stuck *s, enum lens_call call,
					       void (*between)(struct stuck *s))
{
	struct lens_rec_thread t = look_sleeper(7, call, 0);

	t.arg[call == LENS_CALL_POLL] = 4; /* nfds */
	if (call == LENS_CALL_POLL)
		t.arg[2] = UINT64_MAX;
	else
		t.arg[1] = 0x1000;
	look_at(s, &t, between);
	return look_thread(s, 7);
}

static void make_parts(struct stuck *s)
{
	polls(s, LENS_CALL_POLL, OWN, POLLIN | POLLERR | POLLHUP, true);
	polls(s, LENS_CALL_POLL, OWN, POLLPRI | POLLERR | POLLHUP, false);
	/* the thread is listed twice */
	polls(s, LENS_CALL_POLL, OWN, POLLIN | POLLERR | POLLHUP, true);
	make_holders(s);
}

TEST(parts_of_a_poll)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_POLL, make_parts);

	CHECK_EQ_U64(t->need_count, 2);
	CHECK(t->needs[0].want == WANT_DATA);
	CHECK(t->needs[1].want == WANT_HANGUP);
	CHECK_EQ_U64(t->needs[0].fd, 3);
	CHECK_EQ_U64(t->needs[0].providers[0].proc->key.tgid, 8);
	/* its descriptor, and one for each queue that it waits at */
	CHECK_EQ_U64(stuck_count_references(s, OWN), 3);
}

static void make_first_part(struct stuck *s)
{
	polls(s, LENS_CALL_POLL, OWN, POLLIN, true);
	make_holders(s);
}

TEST(rest_of_a_poll_that_was_not_read)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_POLL, make_first_part);

	CHECK_EQ_U64(t->need_count, 2);
	CHECK(t->needs[0].outside == HOPE_OUTSIDE);
	CHECK_EQ_U64(t->needs[1].provider_count, 1);
}

TEST(poll_that_was_not_read)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_POLL, make_holders);

	CHECK_EQ_U64(t->need_count, 1);
	CHECK_EQ_U64(t->needs[0].provider_count, 0);
	CHECK_STR(stuck_verdict_name(t->verdict), "external");
}

static void make_closed(struct stuck *s)
{
	polls(s, LENS_CALL_POLL, GONE, POLLIN, false);
	make_holders(s);
}

TEST(file_that_nobody_has_any_more)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_POLL, make_closed);

	CHECK_EQ_U64(t->need_count, 1);
	CHECK_STR(stuck_verdict_name(t->verdict), "external");
}

/* another process has it */
static void make_lost(struct stuck *s)
{
	polls(s, LENS_CALL_POLL, WRITTEN, POLLERR | POLLHUP, false);
	make_holders(s);
}

TEST(file_without_a_descriptor_of_its_own)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_POLL, make_lost);

	CHECK_EQ_U64(t->need_count, 1);
	CHECK_EQ_U64(t->needs[0].fd, UINT32_MAX);
}

/* its wait ends by data out of band, whether it has asked for that or not */
static void make_selected(struct stuck *s)
{
	polls(s, LENS_CALL_SELECT, OWN, POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI, false);
	make_holders(s);
}

TEST(data_out_of_band_of_a_select)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = look_at_poll(s, LENS_CALL_SELECT, make_selected);

	CHECK_EQ_U64(t->need_count, 1);
	CHECK(t->needs[0].want == WANT_DATA);
}
