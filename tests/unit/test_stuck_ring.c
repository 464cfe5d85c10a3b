/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What waits for an io_uring waits for: its requests, as a look finds them.
 */
#include "looked.h"

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

	look_apply(s, &d, LENS_REC_DESC, sizeof(d));
	look_apply(s, &q, LENS_REC_REQUEST, sizeof(q));
	/* told of twice, as where two descriptors stand for the ring */
	look_apply(s, &q, LENS_REC_REQUEST, sizeof(q));
	look_apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	look_apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	look_apply(s, &u, LENS_REC_URING, sizeof(u));
}

static const char *verdict_of_ring(uint64_t flags)
{
	_cleanup_(stuck_freep) struct stuck *s = stuck_new();
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_IO_URING_ENTER, 3);

	t.arg[3] = flags;
	t.flags = LENS_THREAD_URING;
	look_at(s, &t, make_requests);
	return stuck_verdict_name(look_thread(s, 7)->verdict);
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
	struct lens_rec_thread t = look_sleeper(7, LENS_CALL_IO_URING_ENTER, 3);
	struct lens_rec_thread other = look_sleeper(tgid, LENS_CALL_READ, 4);
	struct lens_rec_uring u = { .tid = 9, .requests = under_way };
	struct lens_rec_submitter by = { .ring = RING, .tid = 9 };

	reset_requests();
	/* in a call beside another thread's it has one of its own */
	if (tgid == 7)
		requests.references = 3;
	t.arg[3] = 1;
	t.files = other.files = 100;
	other.tid = 9;
	look_now_ns = 1000;
	look_mark(s, LENS_MARK_STUCK_BEGIN);
	look_apply(s, &t, LENS_REC_THREAD, sizeof(t));
	look_apply(s, &other, LENS_REC_THREAD, sizeof(other));
	look_mark(s, LENS_MARK_STUCK_HOLDERS);
	make_requests(s);
	look_apply(s, &u, LENS_REC_URING, sizeof(u));
	look_apply(s, &by, LENS_REC_SUBMITTER, sizeof(by));
	look_mark(s, LENS_MARK_STUCK_AGAIN);
	look_apply(s, &t, LENS_REC_THREAD, sizeof(t));
	look_apply(s, &other, LENS_REC_THREAD, sizeof(other));
	look_mark(s, LENS_MARK_STUCK_END);
	stuck_settle(s);
	return stuck_verdict_name(look_thread(s, 7)->verdict);
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
