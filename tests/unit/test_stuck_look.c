/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A look taken in record by record, as a recording has it: what it may ask for,
 * and since when a thread is blocked.
 */
#include "model/stuck_look.h"
#include "test.h"

static uint64_t now_ns;

static void apply(struct stuck *s, void *rec, enum lens_rec_type type, size_t len)
{
	struct lens_rec *h = rec;
	struct event ev;
	size_t skip;

	*h = (struct lens_rec){ .type = type, .len = (len + 7) / 8 * 8, .ts_ns = now_ns += 10 };
	CHECK(event_decode(rec, h->len, &ev, &skip) > 0);
	stuck_apply(s, &ev);
}

static void mark(struct stuck *s, enum lens_mark which)
{
	struct lens_rec_mark r = { .mark = which };

	apply(s, &r, LENS_REC_MARK, sizeof(r));
}

static struct lens_rec_thread sleeper(unsigned pid, enum lens_call call, uint64_t arg0)
{
	return (struct lens_rec_thread){
		.proc = { .start_ns = 1, .tgid = pid }, .tid = pid, .state = 1,
		.call = call, .arg = { arg0 }, .files = 100 + pid, .ipcns = 1,
	};
}

static struct stuck_thread *thread_of(struct stuck *s, uint32_t tid)
{
	return hash_get(stuck_look(s)->threads, &tid);
}

/* one thread in both rounds, what else there is between them */
static void look_at(struct stuck *s, struct lens_rec_thread *t,
		    void (*between)(struct stuck *s))
{
	now_ns = 1000;
	mark(s, LENS_MARK_STUCK_BEGIN);
	apply(s, t, LENS_REC_THREAD, sizeof(*t));
	mark(s, LENS_MARK_STUCK_HOLDERS);
	if (between)
		between(s);
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, t, LENS_REC_THREAD, sizeof(*t));
	mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
}

/* ------------------------------------------------------------------- bounds */

enum { SETS = 5, MEMBERS = 60, PIPE = SETS + 1 };

/* sets of sets of sets ...: 60 ^ 5 ways to a pipe that the waiter alone has open */
static void make_sets(struct stuck *s)
{
	for (unsigned i = 1; i <= PIPE; i++) {
		struct lens_rec_desc d = {
			.proc = { .start_ns = 1, .tgid = 7 }, .fd = i, .file = i, .self = i,
			.object = i == PIPE ? LENS_OBJECT_PIPE : LENS_OBJECT_EPOLL, .mode = 3,
			.refs = 1, .readers = 1, .writers = 1, .capacity_msgs = 16, .ino = i,
		};

		apply(s, &d, LENS_REC_DESC, sizeof(d));
	}
	for (unsigned i = 1; i <= SETS; i++)
		for (unsigned k = 0; k < MEMBERS; k++) {
			struct lens_rec_item item = { .epoll = i, .file = i + 1, .fd = k,
						      .events = 1 };

			apply(s, &item, LENS_REC_ITEM, sizeof(item));
		}
}

TEST(sets_in_sets_are_bounded)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_EPOLL_WAIT, 1);
	const struct stuck_thread *judged;

	t.arg[3] = UINT64_MAX; /* no time limit */
	look_at(s, &t, make_sets);
	judged = thread_of(s, 7);
	CHECK(judged->need_count > MEMBERS);
	CHECK(judged->need_count < 100000);
	/* what was not looked at may help */
	CHECK_STR(stuck_verdict_name(judged->verdict), "external");
}

enum { CROWD = 400 };

static void make_crowd(struct stuck *s)
{
	for (unsigned i = 0; i < CROWD; i++) {
		struct lens_rec_desc d = {
			.proc = { .start_ns = 1, .tgid = 1000 + i }, .fd = 3, .file = 1,
			.self = 1, .ino = 1, .object = LENS_OBJECT_PIPE, .mode = 3, .refs = CROWD,
			.readers = 1, .writers = 1, .capacity_msgs = 16,
		};

		apply(s, &d, LENS_REC_DESC, sizeof(d));
		/* the same process once more */
		d.fd = 4;
		d.refs = 2 * CROWD;
		apply(s, &d, LENS_REC_DESC, sizeof(d));
	}
}

TEST(a_holder_counts_once)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(1000, LENS_CALL_READ, 3);

	look_at(s, &t, make_crowd);
	CHECK_EQ_U64(thread_of(s, 1000)->need_count, 1);
	CHECK_EQ_U64(thread_of(s, 1000)->needs[0].provider_count, CROWD);
}

/* ------------------------------------------------------- limits of their types */

static void make_queue(struct stuck *s)
{
	struct {
		struct lens_rec_msgs r;
		struct lens_msg msg;
	} msgs = { .r = { .chan = { .kind = LENS_KIND_SYSV_MSG, .dev = 1, .ino = 5 }, .count = 1 },
		   .msg = { .type = 3, .bytes = 1 } };
	struct lens_rec_chan c = { .chan = msgs.r.chan, .depth = { .valid = 1, .queued_msgs = 1 } };

	apply(s, &c, LENS_REC_CHAN, sizeof(c));
	apply(s, &msgs, LENS_REC_MSGS, sizeof(msgs));
}

static const char *verdict_of_receiver(int64_t type)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_MSGRCV, 5);

	t.arg[3] = type;
	look_at(s, &t, make_queue);
	return stuck_verdict_name(thread_of(s, 7)->verdict);
}

TEST(types_that_a_receiver_takes)
{
	CHECK_STR(verdict_of_receiver(2), "no-match");
	CHECK_STR(verdict_of_receiver(-2), "no-match");
	CHECK_STR(verdict_of_receiver(-3), "external");
	/* the lowest type there can be takes all: ipc/msg.c, convert_mode() */
	CHECK_STR(verdict_of_receiver(INT64_MIN), "external");
}

static void make_lock(struct stuck *s)
{
	struct {
		struct lens_rec_memory r;
		int16_t type, whence;
		int32_t pad;
		int64_t start, len;
		int32_t pid, end;
	} wanted = { .r = { .proc = { .start_ns = 1, .tgid = 7 }, .tid = 7,
			    .call = LENS_CALL_FCNTL, .size = 32 },
		     .type = 1 /* F_WRLCK */, .start = 10, .len = INT64_MAX };
	struct lens_rec_lock held = { .tid = 7, .file = 2, .owner = 108, .wanted = 1,
				      .exclusive = 1, .start = 1000, .end = 1000 };
	struct lens_rec_thread owner = sleeper(8, LENS_CALL_READ, 3);

	apply(s, &wanted, LENS_REC_MEMORY, sizeof(wanted));
	apply(s, &held, LENS_REC_LOCK, sizeof(held));
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &owner, LENS_REC_THREAD, sizeof(owner));
}

/* a range whose end is beyond the largest offset goes to the end of the file */
TEST(range_of_a_lock)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_FCNTL, 3);

	t.arg[1] = 7; /* F_SETLKW */
	look_at(s, &t, make_lock);
	CHECK_EQ_U64(thread_of(s, 7)->needs[0].provider_count, 1);
	CHECK_EQ_U64(thread_of(s, 7)->needs[0].providers[0].proc->key.tgid, 8);
}

/* -------------------------------------------------------------- since when */

TEST(time_blocked)
{
	/* when the call was entered, against 1020 and 1050 when the thread was looked at */
	static const struct {
		uint64_t entered_ns, blocked_ns;
		bool exact;
	} cases[] = { { 0, 30, false }, { 500, 550, true }, { 1020, 30, true },
		      { 1021, 30, false }, { UINT64_MAX, 30, false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(stuck_freep) struct stuck *s = stuck_new();
		struct lens_rec_thread t = sleeper(7, LENS_CALL_PAUSE, 0);

		t.entered_ns = cases[i].entered_ns;
		look_at(s, &t, NULL);
		CHECK_EQ_U64(thread_of(s, 7)->blocked_ns, cases[i].blocked_ns);
		CHECK(thread_of(s, 7)->blocked_exact == cases[i].exact);
	}
}
