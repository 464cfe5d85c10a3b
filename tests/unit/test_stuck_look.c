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
	struct lens_rec_mark r = {
		.mark = which,
		.value = which == LENS_MARK_STUCK_BEGIN ? LENS_STUCK_VERSION : 0,
	};

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

/* a second thread waits for the same: who could end it is found once for both */
TEST(holders_are_shared)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread one = sleeper(1000, LENS_CALL_READ, 3);
	struct lens_rec_thread two = sleeper(1001, LENS_CALL_READ, 4);
	struct stuck_need *a, *b;
	struct lens_proc key = { .tgid = 9, .start_ns = 1 };

	now_ns = 1000;
	mark(s, LENS_MARK_STUCK_BEGIN);
	apply(s, &one, LENS_REC_THREAD, sizeof(one));
	apply(s, &two, LENS_REC_THREAD, sizeof(two));
	mark(s, LENS_MARK_STUCK_HOLDERS);
	make_crowd(s);
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &one, LENS_REC_THREAD, sizeof(one));
	apply(s, &two, LENS_REC_THREAD, sizeof(two));
	mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	a = &thread_of(s, 1000)->needs[0];
	b = &thread_of(s, 1001)->needs[0];
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
	struct lens_rec_thread t = sleeper(1000, LENS_CALL_READ, 3);

	stuck_look(s)->shared = SIZE_MAX / 2;
	look_at(s, &t, make_crowd);
	CHECK_EQ_U64(thread_of(s, 1000)->needs[0].provider_count, 0);
	CHECK_STR(stuck_verdict_name(thread_of(s, 1000)->verdict), "external");
}

/* ------------------------------------------------------------------ futex_waitv(2) */

static unsigned words_read;

static void make_words(struct stuck *s)
{
	struct {
		struct lens_rec_memory r;
		struct {
			uint64_t val, address;
			uint32_t flags, reserved;
		} word[2];
	} set = { .r = { .proc = { .start_ns = 1, .tgid = 7 }, .tid = 7,
			 .call = LENS_CALL_FUTEX_WAITV, .size = words_read * 24 },
		  .word = { { .address = 0x1008 }, { .address = 0x2000, .flags = 128 } } };
	struct lens_rec_mapping map = { .proc = { .start_ns = 1, .tgid = 7 }, .start = 0x1000,
					.end = 0x2000, .object = 1, .ino = 1 };
	struct lens_rec_thread other = sleeper(8, LENS_CALL_PAUSE, 0);

	apply(s, &set, LENS_REC_MEMORY, sizeof(set.r) + words_read * 24);
	apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	map.proc.tgid = 8;
	apply(s, &map, LENS_REC_MAPPING, sizeof(map));
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &other, LENS_REC_THREAD, sizeof(other));
}

TEST(words_of_a_set)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_FUTEX_WAITV, 0x500000);
	const struct stuck_thread *waiter;

	t.arg[1] = words_read = 2;
	look_at(s, &t, make_words);
	waiter = thread_of(s, 7);
	/* one in shared memory, one that only its own threads can reach */
	CHECK_EQ_U64(waiter->need_count, 2);
	CHECK_STR(waiter->needs[0].thing->id, "futex:0:1+0x8");
	CHECK_EQ_U64(waiter->needs[0].provider_count, 2);
	CHECK(waiter->needs[1].providers[0].why == WHY_OWN_THREADS);
	CHECK_STR(stuck_verdict_name(waiter->verdict), "waiting");
}

TEST(words_that_were_not_read)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_FUTEX_WAITV, 0x500000);

	words_read = 1;
	t.arg[1] = 2;
	look_at(s, &t, make_words);
	CHECK_EQ_U64(thread_of(s, 7)->need_count, 2);
	CHECK(thread_of(s, 7)->needs[0].outside == HOPE_OUTSIDE);
}

/* ------------------------------------------------------------------ io_uring */

enum { RING = 50, RING_PIPE = 60, OTHER_PIPE = 61 };

static struct {
	uint32_t under_way, ring_flags, operation, events, maker, references;
	bool is_pipe_seen;
} requests;

/* one request is seen: to read from a pipe that only who waits can write to */
static void make_requests(struct stuck *s)
{
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 7 }, .fd = 4, .file = RING_PIPE,
		.self = RING_PIPE, .ino = 1, .object = LENS_OBJECT_PIPE, .mode = 3,
		.refs = requests.references, .readers = 1, .writers = 1, .capacity_msgs = 16,
	};
	struct lens_rec_request q = {
		.ring = RING, .request = 70, .tid = requests.maker, .operation = requests.operation,
		.file = requests.is_pipe_seen ? RING_PIPE : OTHER_PIPE, .events = requests.events,
	};
	struct lens_rec_uring u = { .ring = RING, .tid = 7, .requests = requests.under_way };
	struct lens_rec_submitter by = { .ring = RING, .tid = 7, .flags = requests.ring_flags };

	apply(s, &d, LENS_REC_DESC, sizeof(d));
	apply(s, &q, LENS_REC_REQUEST, sizeof(q));
	/* told of twice, as where two descriptors stand for the ring */
	apply(s, &q, LENS_REC_REQUEST, sizeof(q));
	apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	apply(s, &u, LENS_REC_URING, sizeof(u));
}

static const char *verdict_of_ring(uint64_t flags)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_IO_URING_ENTER, 3);

	t.arg[3] = flags;
	t.flags = LENS_THREAD_URING;
	look_at(s, &t, make_requests);
	return stuck_verdict_name(thread_of(s, 7)->verdict);
}

static void reset_requests(void)
{
	requests.under_way = 1;
	requests.ring_flags = requests.events = 0;
	requests.maker = 7, requests.references = 2;
	requests.operation = 22; /* IORING_OP_READ */
	requests.is_pipe_seen = true;
}

TEST(a_ring_is_a_set)
{
	reset_requests();
	CHECK_STR(verdict_of_ring(1), "eof-leak");
	requests.operation = 6; /* IORING_OP_POLL_ADD, POLLIN */
	requests.events = 1;
	CHECK_STR(verdict_of_ring(1), "eof-leak");
}

TEST(a_request_that_is_not_seen_may_end_a_wait)
{
	reset_requests();
	requests.under_way = 2;
	CHECK_STR(verdict_of_ring(1), "external");
	/* one that is over by now */
	requests.under_way = 0;
	CHECK_STR(verdict_of_ring(1), "external");
}

TEST(what_else_may_end_a_wait_for_a_ring)
{
	reset_requests();
	requests.ring_flags = LENS_RING_POLLED;
	CHECK_STR(verdict_of_ring(1), "external");
	requests.ring_flags = LENS_RING_TIMED;
	CHECK_STR(verdict_of_ring(1), "waiting");
	requests.ring_flags = 0;
	requests.is_pipe_seen = false;
	CHECK_STR(verdict_of_ring(1), "external");
	requests.is_pipe_seen = true;
	requests.operation = 46; /* a command to a device */
	CHECK_STR(verdict_of_ring(1), "external");
}

/* ... and, of a second thread that has used it, what that one asked for */
static const char *verdict_beside(unsigned tgid, uint32_t under_way)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = sleeper(7, LENS_CALL_IO_URING_ENTER, 3);
	struct lens_rec_thread other = sleeper(tgid, LENS_CALL_READ, 4);
	struct lens_rec_uring u = { .tid = 9, .requests = under_way };
	struct lens_rec_submitter by = { .ring = RING, .tid = 9 };

	reset_requests();
	/* in a call beside another thread's it has one of its own */
	if (tgid == 7)
		requests.references = 3;
	t.arg[3] = 1;
	t.files = other.files = 100;
	other.tid = 9;
	now_ns = 1000;
	mark(s, LENS_MARK_STUCK_BEGIN);
	apply(s, &t, LENS_REC_THREAD, sizeof(t));
	apply(s, &other, LENS_REC_THREAD, sizeof(other));
	mark(s, LENS_MARK_STUCK_HOLDERS);
	make_requests(s);
	apply(s, &u, LENS_REC_URING, sizeof(u));
	apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &t, LENS_REC_THREAD, sizeof(t));
	apply(s, &other, LENS_REC_THREAD, sizeof(other));
	mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	return stuck_verdict_name(thread_of(s, 7)->verdict);
}

TEST(requests_of_others_to_the_same_ring)
{
	/* a second thread, which reads from the pipe that both could write to */
	CHECK_STR(verdict_beside(7, 0), "dead-end");
	CHECK_STR(verdict_beside(7, 1), "external");
	/* another process, whatever it has asked for so far */
	CHECK_STR(verdict_beside(8, 0), "external");
}

TEST(a_request_whose_maker_has_ended)
{
	reset_requests();
	requests.maker = 10;
	/* the waiter itself has made none */
	requests.under_way = 0;
	CHECK_STR(verdict_of_ring(1), "external");
}

TEST(what_an_armed_request_is_told_of_is_not_what_it_is_for)
{
	reset_requests();
	/* POLLIN, POLLRDHUP; a message of errors: POLLRDNORM, POLLERR */
	requests.events = 0x2001;
	CHECK_STR(verdict_of_ring(1), "eof-leak");
	requests.operation = 10; /* IORING_OP_RECVMSG */
	requests.events = 0x48;
	CHECK_STR(verdict_of_ring(1), "external");
}

/* IORING_ENTER_EXT_ARG, of which nothing could be read; IORING_ENTER_EXT_ARG_REG */
TEST(a_wait_for_a_ring_that_may_have_a_limit)
{
	reset_requests();
	CHECK_STR(verdict_of_ring(1 | 8), "external");
	CHECK_STR(verdict_of_ring(1 | 64), "external");
	/* it does not wait for completions: IORING_ENTER_GETEVENTS is not among the flags */
	CHECK_STR(verdict_of_ring(0), "external");
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

	apply(s, &d, LENS_REC_DESC, sizeof(d));
	if (!fifo_has_holder)
		return;
	d.proc.tgid = 8;
	d.fd = 3;
	d.file = 2;
	d.flags = fifo_flags;
	apply(s, &d, LENS_REC_DESC, sizeof(d));
}

static const struct stuck_thread *open_of(struct stuck *s, uint32_t flags, bool has_holder)
{
	struct lens_rec_thread t = sleeper(7, LENS_CALL_OPENAT, 0);

	fifo_flags = flags;
	fifo_has_holder = has_holder;
	look_at(s, &t, make_opening);
	return thread_of(s, 7);
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
	struct lens_rec_thread t = sleeper(7, LENS_CALL_OPEN, 0);

	look_at(s, &t, NULL);
	CHECK_STR(stuck_verdict_name(thread_of(s, 7)->verdict), "external");
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

/* ------------------------------------------------------------------------ races */

static void end_child(struct stuck *s)
{
	struct lens_rec_thread child = sleeper(8, LENS_CALL_NONE, 0);

	child.state = 0x20; /* EXIT_ZOMBIE */
	child.parent = 7;
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &child, LENS_REC_THREAD, sizeof(child));
}

/* it ended after its parent was looked at for the second time, or before: the wait is over */
TEST(child_that_ends_during_the_look)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread parent = sleeper(7, LENS_CALL_WAIT4, UINT64_MAX);

	look_at(s, &parent, end_child);
	CHECK_EQ_U64(thread_of(s, 7)->needs[0].provider_count, 1);
	CHECK_STR(stuck_verdict_name(thread_of(s, 7)->verdict), "waiting");
}

static void end_holder(struct stuck *s)
{
	struct lens_rec_thread holder = sleeper(8, LENS_CALL_NONE, 0);
	struct lens_rec_desc d = {
		.proc = { .start_ns = 1, .tgid = 7 }, .fd = 3, .file = 1, .self = 1, .ino = 1,
		.object = LENS_OBJECT_PIPE, .mode = 1, .refs = 1, .readers = 1, .writers = 1,
		.capacity_msgs = 16,
	};

	apply(s, &d, LENS_REC_DESC, sizeof(d));
	d.proc.tgid = 8;
	d.file = 2;
	d.mode = 2;
	apply(s, &d, LENS_REC_DESC, sizeof(d));
	holder.state = 0x80; /* TASK_DEAD */
	mark(s, LENS_MARK_STUCK_AGAIN);
	apply(s, &holder, LENS_REC_THREAD, sizeof(holder));
}

TEST(holder_that_ends_during_the_look)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread reader = sleeper(7, LENS_CALL_READ, 3);

	look_at(s, &reader, end_holder);
	CHECK_EQ_U64(thread_of(s, 7)->needs[0].provider_count, 1);
	CHECK_STR(stuck_verdict_name(thread_of(s, 7)->verdict), "waiting");
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
