/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors over a connection: rows by who did it, the sender of what was
 * received, what a look finds on its way, and how all that is shown.
 */
#include "feed.h"
#include "scene.h"

#define CLIENT 1
#define SERVER 2
#define OTHER 3

static struct feed connected(void)
{
	struct feed f = feed_new();

	feed_start_empty(&f);
	feed_peer(&f, feed_half(10), feed_half(20));
	feed_total(&f, feed_half(10), CLIENT, LENS_WRITE, feed_counts(1, 1, 1));
	feed_total(&f, feed_half(20), SERVER, LENS_READ, feed_counts(2, 1, 1));
	return f;
}

/* a descriptor of a pipe for writing */
static struct lens_rec_pass pipe_over(struct lens_chan via, uint32_t pid, enum lens_dir dir,
				      int32_t fd)
{
	return (struct lens_rec_pass){
		.via = via, .what = feed_pipe(101), .proc = feed_key(pid), .tid = pid, .fd = fd,
		.dir = dir, .mode = 2, .inode_type = 0010000, .count = 1,
	};
}

static void pass(struct feed *f, struct lens_chan via, uint32_t pid, enum lens_dir dir)
{
	struct lens_rec_pass r = pipe_over(via, pid, dir, 5);

	feed_raw(f, &r, LENS_REC_PASS, sizeof(r));
}

/* a file by its name, which is a list of components of so many bytes */
static void pass_file(struct feed *f, uint64_t ino, uint32_t inode_type, const char *name,
		      uint32_t len)
{
	struct {
		struct lens_rec_pass r;
		char name[32];
	} r = { .r = pipe_over(feed_half(10), CLIENT, LENS_WRITE, 7) };

	r.r.what = (struct lens_chan){ .ino = ino, .dev = 1 };
	r.r.inode_type = inode_type;
	r.r.name_len = len;
	memcpy(r.name, name, len);
	feed_raw(f, &r, LENS_REC_PASS, sizeof(r.r) + (len + 7) / 8 * 8);
}

/* a look finds a pipe's end in the queue of the server's socket */
static void look(struct feed *f, bool in_flight)
{
	struct lens_rec_pass r = pipe_over(feed_half(20), 0, LENS_READ, -1);

	r.proc = (struct lens_proc){};
	r.h.flags = LENS_F_SNAPSHOT;
	r.depth = feed_depth(7, 1);
	feed_look_begin(f);
	feed_hold(f, feed_half(20), SERVER, 4, 3, feed_depth(1, 1));
	if (in_flight)
		feed_raw(f, &r, LENS_REC_PASS, sizeof(r));
	feed_look_end(f);
	feed_look_settled(f);
}

TEST(sent_and_received_are_counted_where_they_are)
{
	_feed_ struct feed f = connected();
	const struct chan *server = NULL;

	pass(&f, feed_half(10), CLIENT, LENS_WRITE);
	pass(&f, feed_half(10), CLIENT, LENS_WRITE);
	pass(&f, feed_half(20), SERVER, LENS_READ);
	server = feed_chan_of(&f, feed_half(20));
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, feed_half(10)))->passed.count, 1);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, feed_half(10)))->passed.row[0].count, 2);
	CHECK_EQ_U64(chan_more(server)->passed.row[0].count, 1);
	CHECK_EQ_U64(end_side(feed_end_of(&f, feed_half(10), CLIENT), LENS_WRITE)->descriptors, 2);
	CHECK_EQ_U64(end_side(feed_end_of(&f, feed_half(20), SERVER), LENS_READ)->descriptors, 1);
	/* both hold the pipe, and one of them has it from there */
	CHECK(feed_end_of(&f, feed_pipe(101), CLIENT)->writer);
	CHECK(!feed_end_of(&f, feed_pipe(101), CLIENT)->received);
	CHECK(feed_end_of(&f, feed_pipe(101), SERVER)->writer);
	CHECK(!feed_end_of(&f, feed_pipe(101), SERVER)->reader);
	CHECK(feed_end_of(&f, feed_pipe(101), SERVER)->received);
	CHECK_EQ_U64(end_more(feed_end_of(&f, feed_pipe(101), SERVER))->received_over.ino, 20);
}

TEST(the_sender_is_the_only_one_or_not_known)
{
	_feed_ struct feed f = connected();
	const struct chan *server;
	struct lens_proc who;

	pass(&f, feed_half(20), SERVER, LENS_READ);
	server = feed_chan_of(&f, feed_half(20));
	CHECK(!pass_sender(server, &chan_more(server)->passed.row[0], &who));
	pass(&f, feed_half(10), CLIENT, LENS_WRITE);
	CHECK(pass_sender(server, &chan_more(server)->passed.row[0], &who));
	CHECK_EQ_U64(who.tgid, CLIENT);
	/* two have sent the same over one socket */
	pass(&f, feed_half(10), OTHER, LENS_WRITE);
	CHECK(!pass_sender(server, &chan_more(server)->passed.row[0], &who));
}

TEST(rows_are_bounded_and_the_rest_is_counted)
{
	_feed_ struct feed f = connected();
	const struct chan *c = feed_chan_of(&f, feed_half(10));
	const struct chan *server;
	struct lens_proc who;

	for (uint64_t ino = 1; ino <= PASSED_ROWS_MAX + 5; ino++)
		pass_file(&f, ino, 0100000, "a\0", 2);
	CHECK_EQ_U64(chan_more(c)->passed.count, PASSED_ROWS_MAX);
	CHECK_EQ_U64(chan_more(c)->passed.left_out, 5);
	CHECK_EQ_U64(end_side(feed_end_of(&f, feed_half(10), CLIENT), LENS_WRITE)->descriptors,
		     PASSED_ROWS_MAX + 5);
	/* one of those may have sent it */
	pass(&f, feed_half(20), SERVER, LENS_READ);
	server = feed_chan_of(&f, feed_half(20));
	CHECK(!pass_sender(server, &chan_more(server)->passed.row[0], &who));
}

TEST(a_look_finds_what_is_in_flight)
{
	_feed_ struct feed f = connected();
	const struct chan *pipe;

	look(&f, true);
	pipe = feed_chan_of(&f, feed_pipe(101));
	CHECK(pipe->live && !pipe->gone);
	CHECK_EQ_U64(chan_depth(pipe)->queued_bytes, 7);
	CHECK_EQ_U64(chan_more(pipe)->carried, 1);
	CHECK_EQ_U64(chan_more(pipe)->carrier.ino, 20);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, feed_half(20)))->in_flight.row[0].count, 1);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, feed_half(20)))->passed.count, 0);
	look(&f, false);
	CHECK(pipe->gone);
	CHECK_EQ_U64(chan_more(pipe)->carried, 0);
	CHECK_EQ_U64(chan_more(feed_chan_of(&f, feed_half(20)))->in_flight.count, 0);
}

static struct json_object *channel_of_type(struct json_object *doc, const char *type)
{
	for (size_t i = 0; i < scene_len(doc, "channels"); i++)
		if (!strcmp(scene_str(scene_at(doc, "channels", i), "type"), type))
			return scene_at(doc, "channels", i);
	TEST_FAIL("no %s", type);
	return NULL;
}

TEST(documents_tell_who_passed_what)
{
	_feed_ struct feed f = connected();
	_cleanup_free_ char *text = NULL, *listed = NULL;
	struct json_object *doc, *c, *row;

	pass(&f, feed_half(10), CLIENT, LENS_WRITE);
	pass(&f, feed_half(20), SERVER, LENS_READ);
	pass_file(&f, 77, 0020000, "null\0dev\0", 9);
	pass_file(&f, 78, 0, "[eventpoll]\0", 12);
	pass_file(&f, 79, 0100000, "a\033b\0", 4);
	look(&f, true);
	world_settle(f.w);
	doc = scene_json(render_report_json, f.w, NULL);
	c = channel_of_type(doc, "unix-stream");
	CHECK_EQ_U64(scene_len(c, "passed"), 5);
	row = scene_at(c, "passed", 0);
	CHECK_STR(scene_str(row, "direction"), "sent");
	CHECK_STR(scene_str(row, "process"), "1@1001");
	CHECK_STR(scene_str(row, "type"), "pipe");
	CHECK_STR(scene_str(row, "channel"), "pipe:c:0:101");
	CHECK_STR(scene_str(row, "name"), "pipe:[101]");
	CHECK_STR(scene_str(row, "mode"), "w");
	CHECK_STR(scene_str(scene_at(c, "passed", 1), "name"), "/dev/null");
	CHECK_STR(scene_str(scene_at(c, "passed", 1), "type"), "device");
	CHECK_STR(scene_str(scene_at(c, "passed", 1), "inode"), "77");
	CHECK(!scene_get(scene_at(c, "passed", 1), "channel"));
	CHECK_STR(scene_str(scene_at(c, "passed", 2), "name"), "anon_inode:[eventpoll]");
	CHECK_STR(scene_str(scene_at(c, "passed", 3), "name"), "/a\\x1bb");
	row = scene_at(c, "passed", 4);
	CHECK_STR(scene_str(row, "direction"), "received");
	CHECK_STR(scene_str(row, "from"), "1@1001");
	CHECK_EQ_U64(scene_u64(scene_at(c, "in_flight", 0), "count"), 1);
	json_object_put(doc);
	text = scene_render(render_report_text, f.w, NULL);
	scene_check_layout(text, 0);
	scene_has(text, "anon_inode:[eventpoll]");
	listed = scene_render(render_list_text, f.w, NULL);
	scene_has(listed, "1 descriptor of pipe:[101] is in flight over socket:[10]<->[20]\n");
	doc = scene_json(render_list_json, f.w, NULL);
	c = scene_get(channel_of_type(doc, "pipe"), "carried");
	CHECK_EQ_U64(scene_u64(c, "descriptors"), 1);
	CHECK_STR(scene_str(c, "channel"), "unix-stream:9:0:10");
	json_object_put(doc);
}

static char *line_of(const struct feed *f, struct lens_rec_pass r, uint16_t flags, bool json)
{
	static const struct render_options everything;
	char *text = NULL;
	size_t size, skip;
	FILE *out = open_memstream(&text, &size);
	struct event ev;

	r.h = (struct lens_rec){ .len = sizeof(r), .type = LENS_REC_PASS, .flags = flags,
				 .ts_ns = 1000 };
	CHECK(event_decode(&r, sizeof(r), &ev, &skip) == (ssize_t)sizeof(r));
	render_trace_pass(out, f->w, &everything, &ev, json);
	fclose(out);
	return text;
}

TEST(a_trace_has_a_line_for_each)
{
	_feed_ struct feed f = connected();
	struct lens_rec_pass sent = pipe_over(feed_half(10), CLIENT, LENS_WRITE, 5);
	struct lens_rec_pass got = pipe_over(feed_half(20), SERVER, LENS_READ, 9);
	_cleanup_free_ char *a = NULL, *b = NULL, *json = NULL, *early = NULL, *found = NULL;
	_cleanup_free_ char *elsewhere = NULL;
	struct json_object *o;

	setenv("TZ", "UTC", 1);
	sent.index = 1;
	sent.count = 3;
	feed_raw(&f, &got, LENS_REC_PASS, sizeof(got));
	/* who could have sent it */
	early = line_of(&f, got, 0, false);
	CHECK_STR(early, "00:00:00.000001 ?(2/2) receive fd 9 pipe:[101] over "
			 "socket:[10]<->[20] <- ?(1)\n");
	feed_raw(&f, &sent, LENS_REC_PASS, sizeof(sent));
	a = line_of(&f, sent, 0, false);
	CHECK_STR(a, "00:00:00.000001 ?(1/1) pass fd 5 (2 of 3) pipe:[101] over "
		     "socket:[10]<->[20] -> ?(2)\n");
	sent.flags = LENS_PASS_OWN;
	elsewhere = line_of(&f, sent, 0, false);
	scene_has(elsewhere, "socket:[10]<->[20] -> ?\n");
	b = line_of(&f, got, 0, true);
	o = scene_parse(b);
	CHECK_STR(scene_str(o, "op"), "receive");
	CHECK_STR(scene_str(o, "from"), "1@1001");
	CHECK_EQ_U64(scene_u64(o, "messages"), 0);
	CHECK_EQ_U64(scene_u64(scene_get(o, "descriptor"), "fd"), 9);
	CHECK_STR(scene_str(scene_get(o, "descriptor"), "channel"), "pipe:c:0:101");
	json_object_put(o);
	/* looks are no events */
	found = line_of(&f, got, LENS_F_SNAPSHOT, false);
	CHECK_STR(found, "");
}
