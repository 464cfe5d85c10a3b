/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Trace lines: both ends, results by name, NDJSON. */
#include "scene.h"

#define WRITER_ID 21
#define READER_ID 22

/* head writes to wc; a shell holds the writing end and has moved nothing */
static struct world *traced(unsigned kind)
{
	struct world *w = scene_new();
	struct proc *head = scene_proc(w, 11, "head"), *wc = scene_proc(w, 12, "wc");
	struct chan *c = scene_chan(w, kind, 101);

	/* 12:34:56 on the first of January 1970 when BOOTTIME is 0 */
	w->host.wall_offset_ns = ((12 * 60 + 34) * 60 + 56) * 1000000000ULL;
	scene_hold(w, c, scene_proc(w, 10, "sh"), LENS_WRITE, 4);
	scene_announce(w, c, head, LENS_WRITE, WRITER_ID)->writer = true;
	scene_announce(w, c, wc, LENS_READ, READER_ID)->reader = true;
	return w;
}

static char *trace(const struct world *w, const struct render_options *opt,
		   const struct lens_op *op, bool json)
{
	static const struct render_options everything;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	render_trace_op(out, w, opt ? opt : &everything, op, json);
	fclose(out);
	return text;
}

static void check_line(const struct world *w, const struct lens_op *op, const char *want)
{
	_cleanup_free_ char *got = trace(w, NULL, op, false);

	CHECK_STR(got, want);
}

TEST(text_has_both_ends)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op write = { .ts_ns = 7123456, .ret = 4096, .id = WRITER_ID, .tid = 15 };
	struct lens_op read = { .ts_ns = 8000000, .ret = 0, .id = READER_ID, .tid = 12 };

	setenv("TZ", "UTC", 1);
	check_line(w, &write, "12:34:56.007123 head(11/15) write 4096 pipe:[101] -> wc(12)\n");
	/* until someone has written, everyone who could is a peer */
	check_line(w, &read, "12:34:56.008000 wc(12/12) read 0 pipe:[101] <- sh(10) head(11)\n");
	scene_move(w, hash_at(w->chans, 0), scene_proc(w, 11, "head"), LENS_WRITE, 1, 4096);
	check_line(w, &read, "12:34:56.008000 wc(12/12) read 0 pipe:[101] <- head(11)\n");
}

TEST(the_clock_is_local)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ts_ns = 0, .ret = 1, .id = WRITER_ID, .tid = 15 };

	setenv("TZ", "XXX-2", 1);
	check_line(w, &op, "14:34:56.000000 head(11/15) write 1 pipe:[101] -> wc(12)\n");
}

TEST(errors_have_names)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ret = -EAGAIN, .id = WRITER_ID, .tid = 11 };
	static const struct { int64_t ret; const char *name; } cases[] = {
		{ -EAGAIN, " EAGAIN " }, { -EPIPE, " EPIPE " }, { -512, " ERESTARTSYS " },
		{ -4000, " -4000 " }, { INT64_MIN, " -9223372036854775808 " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = NULL;

		op.ret = cases[i].ret;
		text = trace(w, NULL, &op, false);
		scene_has(text, cases[i].name);
	}
}

TEST(queues_show_the_message_type)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_SYSV_MSG);
	struct lens_op op = { .ret = 0, .aux = 77, .id = READER_ID, .tid = 12 };
	_cleanup_free_ char *text = trace(w, NULL, &op, false), *line = trace(w, NULL, &op, true);
	struct json_object *o = scene_parse(line);

	scene_has(text, " msgrcv 0 type=77 ");
	CHECK_EQ_U64(scene_u64(o, "msgtype"), 77);
	/* an empty message is a message */
	CHECK_EQ_U64(scene_u64(o, "messages"), 1);
	CHECK_EQ_U64(scene_u64(o, "bytes"), 0);
	json_object_put(o);
}

TEST(posix_queues_show_the_priority)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_POSIX_MQ);
	struct lens_op op = { .ret = 5, .aux = 9, .id = READER_ID, .tid = 12 };
	_cleanup_free_ char *text = trace(w, NULL, &op, false), *line = trace(w, NULL, &op, true);
	struct json_object *o = scene_parse(line);

	scene_has(text, " mq_receive 5 priority=9 ");
	CHECK_EQ_U64(scene_u64(o, "priority"), 9);
	json_object_put(o);
	free(line);
	op.aux = LENS_PRIORITY_UNKNOWN;
	line = trace(w, NULL, &op, true);
	scene_has_not(line, "priority");
}

TEST(many_peers_are_counted)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ret = 1, .id = WRITER_ID, .tid = 11 };
	_cleanup_free_ char *text = NULL, *line = NULL;
	struct json_object *o;

	for (uint32_t pid = 1000; pid < 1099; pid++)
		scene_hold(w, hash_at(w->chans, 0), scene_proc(w, pid, "cc"), LENS_READ, 3);
	text = trace(w, NULL, &op, false);
	scene_has(text, " -> wc(12) cc(1000) cc(1001) +97\n");
	line = trace(w, NULL, &op, true);
	o = scene_parse(line);
	CHECK_EQ_U64(scene_len(o, "peers") + scene_u64(o, "peers_left_out"), 100);
	json_object_put(o);
}

TEST(json_lines_follow_the_contract)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ts_ns = UINT64_MAX, .ret = -EAGAIN, .id = WRITER_ID, .tid = 15 };
	_cleanup_free_ char *line = trace(w, NULL, &op, true);
	struct json_object *o = scene_parse(line);

	CHECK(strchr(line, '\n') == line + strlen(line) - 1);
	CHECK_STR(scene_str(o, "ts_ns"), "18446744073709551615");
	CHECK_STR(scene_str(o, "op"), "write");
	CHECK_STR(scene_str(o, "type"), "pipe");
	CHECK_STR(scene_str(o, "name"), "pipe:[101]");
	CHECK_STR(scene_str(o, "process"), "11@1000011");
	CHECK_STR(scene_str(o, "comm"), "head");
	CHECK_EQ_U64(scene_u64(o, "tid"), 15);
	CHECK_EQ_U64(scene_u64(o, "bytes"), 0);
	CHECK_EQ_U64(scene_u64(o, "messages"), 0);
	CHECK(json_object_get_int64(scene_get(o, "result")) == -EAGAIN);
	CHECK_STR(scene_str(o, "error"), "EAGAIN");
	CHECK_STR(scene_str(scene_at(o, "peers", 0), "process"), "12@1000012");
	CHECK_STR(scene_str(scene_at(o, "peers", 0), "comm"), "wc");
	CHECK(!json_object_object_get_ex(o, "msgtype", NULL));
	json_object_put(o);
}

TEST(an_operation_nobody_announced_is_shown_without_a_guess)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ret = 9, .id = 4711, .tid = 15 };
	struct render_options opt = { .filter.tree_only = true };
	_cleanup_free_ char *text = trace(w, NULL, &op, false), *line = trace(w, NULL, &op, true);
	_cleanup_free_ char *filtered = trace(w, &opt, &op, false);
	struct json_object *o = scene_parse(line);

	scene_has(text, "?(?/15) ? 9 ");
	CHECK(!scene_get(o, "process"));
	CHECK(!scene_get(o, "channel"));
	CHECK(!scene_get(o, "op"));
	CHECK_EQ_U64(scene_len(o, "peers"), 0);
	CHECK_STR(filtered, "");
	json_object_put(o);
}

TEST(filters_hold_for_either_end)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	struct lens_op op = { .ret = 9, .id = WRITER_ID, .tid = 11 };
	uint32_t pid = 12;
	struct render_options opt = { .filter = { .pids = &pid, .pid_count = 1 } };
	_cleanup_free_ char *shown = trace(w, &opt, &op, false), *hidden = NULL, *own = NULL;

	scene_has(shown, "head(11/11) write 9");
	pid = 4711;
	hidden = trace(w, &opt, &op, false);
	CHECK_STR(hidden, "");
	scene_proc(w, 11, "head")->is_self = true;
	own = trace(w, NULL, &op, false);
	CHECK_STR(own, "");
}

static char *print(void (*render)(FILE *, const struct world *, bool), const struct world *w,
		   bool json)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	render(out, w, json);
	fclose(out);
	return text;
}

TEST(header_and_loss_lines)
{
	_cleanup_(world_freep) struct world *w = traced(LENS_KIND_PIPE);
	_cleanup_free_ char *header = print(render_trace_header, w, true);
	_cleanup_free_ char *none = print(render_trace_header, w, false);
	_cleanup_free_ char *loss = NULL, *text = print(render_trace_loss, w, false);
	struct json_object *o = scene_parse(header);

	CHECK_STR(scene_str(o, "schema"), "ipclens.trace/1");
	CHECK_STR(none, "");
	CHECK_STR(text, "loss: nothing lost\n");
	json_object_put(o);
	w->loss.count[LENS_LOSS_RING_FULL] = 5;
	w->loss.by_kind[LENS_KIND_PIPE][LENS_LOSS_RING_FULL] = 5;
	loss = print(render_trace_loss, w, true);
	o = scene_parse(loss);
	CHECK_EQ_U64(scene_u64(scene_get(o, "loss"), "ring_full"), 5);
	CHECK_EQ_U64(scene_u64(scene_get(scene_get(scene_get(o, "loss"), "by_type"), "pipe"),
			       "ring_full"), 5);
	json_object_put(o);
	free(loss);
	free(text);
	w->loss.not_shown = 7;
	loss = print(render_trace_loss, w, true);
	o = scene_parse(loss);
	CHECK_EQ_U64(scene_u64(scene_get(o, "loss"), "not_shown"), 7);
	json_object_put(o);
	w->loss.count[LENS_LOSS_RING_FULL] = 0;
	text = print(render_trace_loss, w, false);
	CHECK_STR(text, "loss: last operations that were not shown 7\n");
}

/* who shows a terminal reads there what we write, and writes what is typed */
TEST(what_we_wrote_is_not_read_at_the_other_half)
{
	_cleanup_(world_freep) struct world *w = scene_new();
	struct proc *term = scene_proc(w, 11, "term"), *us = scene_proc(w, 12, "ipclens");
	struct proc *cat = scene_proc(w, 13, "cat");
	struct chan *master = scene_chan(w, LENS_KIND_PTY, 5);
	struct chan *slave = master->peer;
	struct lens_op read = { .ret = 80, .id = READER_ID, .tid = 11 };
	struct lens_op typed = { .ret = 1, .id = WRITER_ID, .tid = 11 };
	struct render_options all = { .filter.with_self = true };
	_cleanup_free_ char *got = NULL, *of_us = NULL, *of_two = NULL, *written = NULL;

	us->is_self = true;
	scene_announce(w, master, term, LENS_READ, READER_ID);
	scene_announce(w, master, term, LENS_WRITE, WRITER_ID);
	scene_announce(w, slave, us, LENS_WRITE, 23);
	end_side_get(chan_find_endpoint(slave, us), LENS_WRITE)->flags |= LENS_END_SELF;
	slave->is_self = true;
	CHECK(!chan_is_own(master));
	got = trace(w, NULL, &read, false);
	CHECK_STR(got, "");
	of_us = trace(w, &all, &read, false);
	scene_has(of_us, "term(11/11) read 80 ");
	written = trace(w, NULL, &typed, false);
	scene_has(written, "term(11/11) write 1 ");
	/* whose it was is not known where others write, too */
	scene_announce(w, slave, cat, LENS_WRITE, 24);
	of_two = trace(w, NULL, &read, false);
	scene_has(of_two, "term(11/11) read 80 ");
}
