/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A look taken in record by record, as a recording has it: what it may ask for,
 * and since when a thread is blocked.
 */
#include "looked.h"

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

		look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	}
	for (unsigned i = 1; i <= SETS; i++)
		for (unsigned k = 0; k < MEMBERS; k++) {
			struct lens_rec_item item = { .epoll = i, .file = i + 1, .fd = k,
						      .events = 1 };

			look_apply(s, &item, LENS_REC_ITEM, sizeof(item));
		}
}

TEST(sets_in_sets_are_bounded)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_EPOLL_WAIT, 1);
	const struct stuck_thread *judged;

	t.arg[3] = UINT64_MAX; /* no time limit */
	look_at(s, &t, make_sets);
	judged = look_thread(s, 7);
	CHECK(judged->need_count > MEMBERS);
	CHECK(judged->need_count < 100000);
	/* what was not looked at may help */
	CHECK_STR(stuck_verdict_name(judged->verdict), "external");
}

/* ------------------------------------------------- on its way inside a socket */

enum { PIPE_ON_ITS_WAY = 1, PIPE_BACK, CARRIER, READ_END = 10 };

static void tell_end(struct stuck *s, unsigned pid, uint64_t self, uint32_t mode, uint64_t file)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = pid ? 1 : 0, .tgid = pid }, .fd = file,
		.file = file, .self = self,
		.object = LENS_OBJECT_PIPE, .mode = mode, .refs = 1, .readers = 1, .writers = 1,
		.capacity_msgs = 16, .ino = self, .carrier = pid ? 0 : CARRIER,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
}

/* 7 reads what 8 could write, once it has received the end from its socket; 8 waits for 7 */
static void tell_carried(struct stuck *s, unsigned carrier_refs)
{
	struct lens_rec_desc socket = {
		.proc = { .start_ns = 1, .tgid = 8 }, .fd = 4, .file = 20, .self = CARRIER,
		.object = LENS_OBJECT_UNIX_STREAM, .mode = 3, .refs = carrier_refs, .ino = 20,
	};

	tell_end(s, 7, PIPE_ON_ITS_WAY, 1, READ_END);
	tell_end(s, 0, PIPE_ON_ITS_WAY, 2, READ_END + 1);
	tell_end(s, 8, PIPE_BACK, 1, READ_END + 2);
	tell_end(s, 7, PIPE_BACK, 2, READ_END + 3);
	look_apply(s, &socket, LENS_REC_DESC, sizeof(socket));
}

static void tell_seen(struct stuck *s)
{
	tell_carried(s, 1);
}

static void tell_unseen(struct stuck *s)
{
	tell_carried(s, 2);
}

static void check_carried(void (*tell)(struct stuck *s), const char *verdict)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t[] = {
		look_sleeper(7, LENS_CALL_READ, READ_END),
		look_sleeper(8, LENS_CALL_READ, READ_END + 2),
	};

	look_now_ns = 1000;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	tell(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	CHECK_STR(stuck_verdict_name(look_thread(s, 7)->verdict), verdict);
	CHECK_STR(stuck_verdict_name(look_thread(s, 8)->verdict), verdict);
}

TEST(unseen_holder_of_a_carrier_may_receive_the_end)
{
	check_carried(tell_seen, "deadlock");
	check_carried(tell_unseen, "external");
}

/* 2 are wanted of semaphore 0 in set 7, of which there are none; process 6 owes 1 */
static void tell_semaphore(struct stuck *s)
{
	struct {
		struct lens_rec_memory r;
		struct { uint16_t num; int16_t op, flags, pad; } op;
	} wanted = { { .proc = { .start_ns = 1, .tgid = 5 }, .tid = 5, .size = 6,
		       .call = LENS_CALL_SEMOP }, { .op = -2 } };
	struct lens_rec_sem value = { .ipcns = 1, .id = 7, .count = 1 }, owed = value;

	owed.adjust = 1;
	owed.undo = 66;
	look_apply(s, &value, LENS_REC_SEM, sizeof(value));
	look_apply(s, &owed, LENS_REC_SEM, sizeof(owed));
	look_apply(s, &wanted, LENS_REC_MEMORY, sizeof(wanted.r) + 6);
}

/* the whole set is told of for each thread that waits there */
static void tell_semaphore_twice(struct stuck *s)
{
	tell_semaphore(s);
	tell_semaphore(s);
}

TEST(what_is_owed_of_a_semaphore_counts_once)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t[] = {
		look_sleeper(5, LENS_CALL_SEMOP, 7), look_sleeper(6, LENS_CALL_PAUSE, 0),
	};
	const struct stuck_thread *judged;

	t[1].undo = 66;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	for (unsigned i = 0; i < 2; i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	tell_semaphore_twice(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	for (unsigned i = 0; i < 2; i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	judged = look_thread(s, 5);
	CHECK_EQ_U64(judged->need_count, 1);
	CHECK_EQ_U64(judged->needs[0].provider_count, 1);
	/* the other one has to come from somebody else */
	CHECK(judged->needs[0].outside != HOPE_NONE);
}

/* process 8 has the write end, to which there is one reference more than its descriptor */
static void make_frozen_writer(struct stuck *s)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 7 }, .fd = 3, .file = 1, .self = 1, .ino = 1,
		.object = LENS_OBJECT_PIPE, .mode = 1, .refs = 1, .readers = 1, .writers = 1,
		.capacity_msgs = 16,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	d.proc.tgid = 8;
	d.file = 2;
	d.mode = 2;
	d.refs = 2;
	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
}

/* what it was in, and holds a reference by no more, it has left to be frozen */
TEST(the_call_of_who_is_frozen_is_no_proof)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t[] = {
		look_sleeper(7, LENS_CALL_READ, 3), look_sleeper(8, LENS_CALL_WRITE, 3),
		look_sleeper(8, LENS_CALL_WRITE, 3),
	};

	t[1].state = t[2].state = STUCK_STATE_FROZEN;
	t[2].tid = 9;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	make_frozen_writer(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		look_apply(s, &t[i], LENS_REC_THREAD, sizeof(t[i]));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	CHECK_STR(stuck_verdict_name(look_thread(s, 7)->verdict), "external");
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

		look_apply(s, &d, LENS_REC_DESC, sizeof(d));
		/* the same process once more */
		d.fd = 4;
		d.refs = 2 * CROWD;
		look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	}
}

TEST(a_holder_counts_once)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(1000, LENS_CALL_READ, 3);

	look_at(s, &t, make_crowd);
	CHECK_EQ_U64(look_thread(s, 1000)->need_count, 1);
	CHECK_EQ_U64(look_thread(s, 1000)->needs[0].provider_count, CROWD);
}

/* a second thread waits for the same: who could end it is found once for both */
TEST(holders_are_shared)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread one = look_sleeper(1000, LENS_CALL_READ, 3);
	struct lens_rec_thread two = look_sleeper(1001, LENS_CALL_READ, 4);
	struct stuck_need *a, *b;
	struct lens_proc key = { .tgid = 9, .start_ns = 1 };

	look_now_ns = 1000;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	look_apply(s, &one, LENS_REC_THREAD, sizeof(one));
	look_apply(s, &two, LENS_REC_THREAD, sizeof(two));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	make_crowd(s);
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &one, LENS_REC_THREAD, sizeof(one));
	look_apply(s, &two, LENS_REC_THREAD, sizeof(two));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	a = &look_thread(s, 1000)->needs[0];
	b = &look_thread(s, 1001)->needs[0];
	CHECK_EQ_U64(a->provider_count, CROWD);
	CHECK_EQ_U64(b->provider_count, CROWD);
	CHECK(a->providers == b->providers);
	/* what one of them gets besides is not the other's */
	CHECK(stuck_add_provider(a, stuck_add_proc(s, &key), WHY_OWNS_LOCK, 0));
	CHECK_EQ_U64(a->provider_count, CROWD + 1);
	CHECK_EQ_U64(b->provider_count, CROWD);
	CHECK(a->providers[CROWD - 1].proc == b->providers[CROWD - 1].proc);
}

/* everybody waits for everybody, and there are too many */
TEST(shared_holders_are_bounded)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(1000, LENS_CALL_READ, 3);

	stuck_look(s)->shared = SIZE_MAX / 2;
	look_at(s, &t, make_crowd);
	CHECK_EQ_U64(look_thread(s, 1000)->needs[0].provider_count, 0);
	CHECK_STR(stuck_verdict_name(look_thread(s, 1000)->verdict), "external");
}

/* ------------------------------------------------------------ a FIFO being opened */

static uint32_t fifo_flags;
static bool fifo_has_holder;

static void make_opening(struct stuck *s)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 7 }, .fd = 7, .file = 1, .self = 5, .ino = 1,
		.object = LENS_OBJECT_FIFO, .mode = 1, .refs = 1, .readers = 1,
		.capacity_msgs = 16, .flags = LENS_DESC_OPENING | fifo_flags,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	if (!fifo_has_holder)
		return;
	d.proc.tgid = 8;
	d.fd = 3;
	d.file = 2;
	d.flags = fifo_flags;
	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
}

static const struct stuck_thread *open_of(struct stuck *s, uint32_t flags, bool has_holder)
{
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_OPENAT, 0);

	fifo_flags = flags;
	fifo_has_holder = has_holder;
	look_at(s, &t, make_opening);
	return look_thread(s, 7);
}

TEST(fifo_without_a_name)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = open_of(s, 0, false);

	CHECK_STR(stuck_verdict_name(t->verdict), "dead-end");
	CHECK(!t->certain);
	CHECK_EQ_U64(t->main->provider_count, 0);
	CHECK_EQ_I64(t->main->detail, 1);
	/* it is no descriptor of the thread's yet */
	CHECK(!stuck_find_fd(s, t->proc, 7));
}

TEST(fifo_with_a_name)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();

	CHECK_STR(stuck_verdict_name(open_of(s, LENS_DESC_NAMED, false)->verdict), "external");
}

/* the holder's own open file is of no help, but /proc has a way to the FIFO by it */
TEST(fifo_that_somebody_has)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	const struct stuck_thread *t = open_of(s, 0, true);

	CHECK(t->hope >= HOPE_OUTSIDE);
	CHECK(!stuck_verdict_is_bad(t->verdict));
	CHECK_EQ_U64(t->main->provider_count, 1);
	CHECK(t->main->providers[0].why == WHY_HAS_FILE);
	CHECK_EQ_U64(t->main->providers[0].fd, 3);
}

/* a device, a network file system */
TEST(something_else_being_opened)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_OPEN, 0);

	look_at(s, &t, NULL);
	CHECK_STR(stuck_verdict_name(look_thread(s, 7)->verdict), "external");
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

	look_apply(s, &c, LENS_REC_CHAN, sizeof(c));
	look_apply(s, &msgs, LENS_REC_MSGS, sizeof(msgs));
}

static const char *verdict_of_receiver(int64_t type)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_MSGRCV, 5);

	t.arg[3] = type;
	look_at(s, &t, make_queue);
	return stuck_verdict_name(look_thread(s, 7)->verdict);
}

TEST(types_that_a_receiver_takes)
{
	CHECK_STR(verdict_of_receiver(2), "no-match");
	CHECK_STR(verdict_of_receiver(-2), "no-match");
	CHECK_STR(verdict_of_receiver(-3), "external");
	/* the lowest type there can be takes all: ipc/msg.c, convert_mode() */
	CHECK_STR(verdict_of_receiver(INT64_MIN), "external");
}

static uint64_t wanted_from;

static void make_lock(struct stuck *s)
{
	struct lens_rec_lock held = { .tid = 7, .file = 2, .owner = 108, .wanted = 1,
				      .wanted_owner = 107, .exclusive = 1,
				      .start = 1000, .end = 1000,
				      .wanted_start = wanted_from, .wanted_end = INT64_MAX };
	struct lens_rec_thread owner = look_sleeper(8, LENS_CALL_READ, 3);

	look_apply(s, &held, LENS_REC_LOCK, sizeof(held));
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &owner, LENS_REC_THREAD, sizeof(owner));
}

static size_t owners_in_the_way(uint64_t from)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_FCNTL, 3);

	t.arg[1] = 7; /* F_SETLKW */
	wanted_from = from;
	look_at(s, &t, make_lock);
	return look_thread(s, 7)->needs[0].provider_count;
}

TEST(range_of_a_lock)
{
	CHECK_EQ_U64(owners_in_the_way(10), 1);
	CHECK_EQ_U64(owners_in_the_way(1000), 1);
	CHECK_EQ_U64(owners_in_the_way(1001), 0);
}

/* ------------------------------------------------------------------------ races */

static void end_child(struct stuck *s)
{
	struct lens_rec_thread child = look_sleeper(8, LENS_CALL_NONE, 0);

	child.state = 0x20; /* EXIT_ZOMBIE */
	child.parent = 7;
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &child, LENS_REC_THREAD, sizeof(child));
}

/* it ended after its parent was looked at for the second time, or before: the wait is over */
TEST(child_that_ends_during_the_look)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread parent = look_sleeper(7, LENS_CALL_WAIT4, UINT64_MAX);

	look_at(s, &parent, end_child);
	CHECK_EQ_U64(look_thread(s, 7)->needs[0].provider_count, 1);
	CHECK_STR(stuck_verdict_name(look_thread(s, 7)->verdict), "waiting");
}

static void end_holder(struct stuck *s)
{
	struct lens_rec_thread holder = look_sleeper(8, LENS_CALL_NONE, 0);
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 7 }, .fd = 3, .file = 1, .self = 1, .ino = 1,
		.object = LENS_OBJECT_PIPE, .mode = 1, .refs = 1, .readers = 1, .writers = 1,
		.capacity_msgs = 16,
	};

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	d.proc.tgid = 8;
	d.file = 2;
	d.mode = 2;
	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	holder.state = 0x80; /* TASK_DEAD */
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &holder, LENS_REC_THREAD, sizeof(holder));
}

TEST(holder_that_ends_during_the_look)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread reader = look_sleeper(7, LENS_CALL_READ, 3);

	look_at(s, &reader, end_holder);
	CHECK_EQ_U64(look_thread(s, 7)->needs[0].provider_count, 1);
	CHECK_STR(stuck_verdict_name(look_thread(s, 7)->verdict), "waiting");
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
		struct lens_rec_thread t = look_sleeper(7, LENS_CALL_PAUSE, 0);

		t.entered_ns = cases[i].entered_ns;
		look_at(s, &t, NULL);
		CHECK_EQ_U64(look_thread(s, 7)->blocked_ns, cases[i].blocked_ns);
		CHECK(look_thread(s, 7)->blocked_exact == cases[i].exact);
	}
}
