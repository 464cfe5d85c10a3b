/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections: two halves, each with the books of what is read there.
 */
#include "feed.h"
#include "scene.h"

#define CLIENT 1
#define SERVER 2

/* halves 10 (of the client) and 20 (of the server) exist from the start, so deep */
static struct feed start(uint64_t client_bytes, uint64_t server_bytes)
{
	struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(&f);
	feed_hold(&f, feed_half(10), CLIENT, 3, 3, feed_depth(client_bytes, 0));
	feed_hold(&f, feed_half(20), SERVER, 4, 3, feed_depth(server_bytes, 0));
	feed_look_end(&f);
	feed_look_settled(&f);
	return f;
}

static void finish(struct feed *f, uint64_t client_bytes, uint64_t server_bytes)
{
	feed_look_begin(f);
	feed_hold(f, feed_half(10), CLIENT, 3, 3, feed_depth(client_bytes, 0));
	feed_hold(f, feed_half(20), SERVER, 4, 3, feed_depth(server_bytes, 0));
	feed_look_end(f);
	feed_look_settled(f);
	feed_mark(f, LENS_MARK_DETACHED, 0);
	world_settle(f->w);
}

/* the client sends 1000, the server reads 900 of them and answers 50, of which 20 are read */
static void talk(struct feed *f)
{
	feed_total(f, feed_half(10), CLIENT, LENS_WRITE, feed_counts(1, 10, 1000));
	feed_total(f, feed_half(20), SERVER, LENS_READ, feed_counts(2, 9, 900));
	feed_total(f, feed_half(20), SERVER, LENS_WRITE, feed_counts(3, 1, 50));
	feed_total(f, feed_half(10), CLIENT, LENS_READ, feed_counts(4, 1, 20));
}

static void check_books(const struct ledger *l, int64_t written, int64_t read, int64_t queued)
{
	CHECK(l->known);
	CHECK_EQ_I64(l->written, written);
	CHECK_EQ_I64(l->read, read);
	CHECK_EQ_I64(l->queued, queued);
	CHECK_EQ_I64(l->unaccounted, 0);
	feed_check_identity(l);
}

TEST(each_direction_has_its_books)
{
	_feed_ struct feed f = start(0, 0);

	feed_peer(&f, feed_half(10), feed_half(20));
	talk(&f);
	finish(&f, 30, 100);
	check_books(feed_ledger(&f, feed_half(20)), 1000, 900, 100);
	check_books(feed_ledger(&f, feed_half(10)), 50, 20, 30);
	CHECK_EQ_U64(feed_flow_bytes(&f, CLIENT, SERVER), 900);
	CHECK_EQ_U64(feed_flow_bytes(&f, SERVER, CLIENT), 20);
	CHECK_EQ_U64(f.w->flow_count, 2);
	CHECK(feed_flow(&f, CLIENT, SERVER)->exact);
}

/* whichever is told of first, and however often */
TEST(halves_are_joined_late)
{
	_feed_ struct feed f = start(0, 7);

	talk(&f);
	feed_peer(&f, feed_half(20), feed_half(10));
	feed_peer(&f, feed_half(10), feed_half(20));
	finish(&f, 30, 107);
	check_books(feed_ledger(&f, feed_half(20)), 1000, 900, 107);
	CHECK_EQ_I64(feed_ledger(&f, feed_half(20))->before_start, 7);
	check_books(feed_ledger(&f, feed_half(10)), 50, 20, 30);
	CHECK(feed_chan_of(&f, feed_half(20))->is_second !=
	      feed_chan_of(&f, feed_half(10))->is_second);
}

TEST(a_half_has_one_peer_for_life)
{
	_feed_ struct feed f = start(0, 0);

	feed_peer(&f, feed_half(10), feed_half(20));
	feed_peer(&f, feed_half(10), feed_half(30));
	feed_peer(&f, feed_half(20), feed_half(20));
	CHECK(feed_chan_of(&f, feed_half(10))->peer == feed_chan_of(&f, feed_half(20)));
	CHECK(!feed_chan_of(&f, feed_half(30))->peer);
}

/* who is at the other end is not known: nobody is named, and nothing is claimed to balance */
TEST(an_unknown_peer_is_no_guess)
{
	_feed_ struct feed f = start(0, 0);

	talk(&f);
	finish(&f, 30, 100);
	CHECK(!feed_ledger(&f, feed_half(10))->known);
	CHECK(!feed_ledger(&f, feed_half(20))->known);
	CHECK_EQ_U64(feed_flow_bytes(&f, CLIENT, 0), 1000);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, SERVER), 900);
	CHECK_EQ_U64(feed_flow_bytes(&f, SERVER, 0), 50);
	CHECK_EQ_U64(feed_flow_bytes(&f, 0, CLIENT), 20);
}

TEST(bytes_that_are_missing_are_unaccounted_in_their_direction)
{
	_feed_ struct feed f = start(0, 0);

	feed_peer(&f, feed_half(10), feed_half(20));
	talk(&f);
	finish(&f, 30, 99);
	CHECK_EQ_I64(feed_ledger(&f, feed_half(20))->unaccounted, 1);
	CHECK_EQ_I64(feed_ledger(&f, feed_half(10))->unaccounted, 0);
}

/* ------------------------------------------------------------------- shown */

static struct world *scene_connection(void)
{
	struct world *w = scene_new();
	struct proc *client = scene_proc(w, 11, "psql"), *server = scene_proc(w, 12, "postgres");
	struct chan *a = scene_chan(w, LENS_KIND_UNIX_STREAM, 100);
	struct chan *b = scene_chan(w, LENS_KIND_UNIX_STREAM, 200);
	struct lens_rec_peer rec = {
		.h = { .len = sizeof(rec), .type = LENS_REC_PEER }, .chan = b->key, .peer = a->key,
	};
	struct event ev;
	size_t skip;

	CHECK(event_decode(&rec, sizeof(rec), &ev, &skip) == (ssize_t)sizeof(rec));
	world_apply(w, &ev);
	scene_name(b, "/run/pg");
	scene_hold(w, a, client, LENS_READ, 3);
	scene_hold(w, b, server, LENS_READ, 9);
	scene_move(w, a, client, LENS_WRITE, 1, 500);
	scene_move(w, b, server, LENS_READ, 1, 500);
	chan_more_get(b)->ledger.written = 500;
	chan_more_get(a)->ledger.written = 0;
	chan_depth_get(b)->queued_bytes = 8;
	scene_flow(w, client, server, b, 1, 500);
	return w;
}

TEST(json_shows_one_channel_with_two_directions)
{
	_cleanup_(world_freep) struct world *w = scene_connection();
	struct json_object *o = scene_json(render_report_json, w, NULL), *c, *half;

	CHECK_EQ_U64(scene_len(o, "channels"), 1);
	c = scene_at(o, "channels", 0);
	CHECK_STR(scene_str(c, "id"), "unix-stream:c:0:100");
	CHECK_STR(scene_str(c, "name"), "/run/pg");
	CHECK_EQ_U64(scene_len(c, "endpoints"), 2);
	CHECK_EQ_U64(scene_u64(scene_at(c, "endpoints", 0), "half"), 0);
	CHECK_EQ_U64(scene_u64(scene_at(c, "endpoints", 1), "half"), 1);
	CHECK_EQ_U64(scene_u64(scene_get(c, "ledger"), "written"), 500);
	CHECK_EQ_U64(scene_len(c, "directions"), 2);
	half = scene_at(c, "directions", 0);
	CHECK_STR(scene_str(half, "inode"), "100");
	CHECK_EQ_U64(scene_u64(scene_get(half, "ledger"), "read"), 0);
	half = scene_at(c, "directions", 1);
	CHECK_STR(scene_str(half, "inode"), "200");
	CHECK_EQ_U64(scene_u64(half, "queued_bytes"), 8);
	CHECK_EQ_U64(scene_u64(scene_get(half, "ledger"), "read"), 500);
	CHECK_STR(scene_str(scene_at(o, "flows", 0), "channel"), "unix-stream:c:0:100");
	CHECK_EQ_U64(scene_u64(scene_at(o, "flows", 0), "half"), 1);
	json_object_put(o);
}

/* a filter for one end keeps the connection whole */
TEST(filters_hold_for_either_half)
{
	_cleanup_(world_freep) struct world *w = scene_connection();
	uint32_t pid = 11;
	struct render_options opt = { .filter = { .pids = &pid, .pid_count = 1 } };
	struct json_object *o = scene_json(render_report_json, w, &opt);

	CHECK_EQ_U64(scene_len(o, "channels"), 1);
	CHECK_EQ_U64(scene_len(scene_at(o, "channels", 0), "endpoints"), 2);
	json_object_put(o);
	pid = 12;
	o = scene_json(render_report_json, w, &opt);
	CHECK_EQ_U64(scene_len(o, "channels"), 1);
	json_object_put(o);
	pid = 13;
	o = scene_json(render_report_json, w, &opt);
	CHECK_EQ_U64(scene_len(o, "channels"), 0);
	json_object_put(o);
}

TEST(trace_names_who_is_at_the_other_half)
{
	_cleanup_(world_freep) struct world *w = scene_connection();
	static const struct render_options everything;
	struct lens_op op = { .ret = 500, .id = 77, .tid = 11 };
	struct lens_chan key = { .ino = 100, .dev = 12, .kind = LENS_KIND_UNIX_STREAM };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	scene_announce(w, hash_get(w->chans, &key), scene_proc(w, 11, "psql"), LENS_WRITE, 77);
	render_trace_op(out, w, &everything, &op, false);
	fclose(out);
	scene_has(text, "psql(11/11) send 500 /run/pg -> postgres(12)");
	free(text);
}

TEST(a_listener_has_a_backlog_and_no_depth)
{
	_cleanup_(world_freep) struct world *w = scene_new();
	struct chan *c = scene_chan(w, LENS_KIND_UNIX_STREAM, 5);
	struct json_object *o, *shown;
	_cleanup_free_ char *text = NULL;

	*chan_depth_get(c) = (struct lens_depth){
		.queued_msgs = 3, .capacity_msgs = 129, .key = -268435456,
		.valid = LENS_DEPTH_VALID | LENS_DEPTH_LISTENING,
	};
	chan_more_get(c)->ledger.known = false;
	scene_name(c, "/run/listening");
	scene_hold(w, c, scene_proc(w, 12, "init"), LENS_READ, 3);
	o = scene_json(render_list_json, w, NULL);
	shown = scene_at(o, "channels", 0);
	CHECK(json_object_get_boolean(scene_get(shown, "listening")));
	CHECK_EQ_U64(scene_u64(scene_get(shown, "backlog"), "waiting"), 3);
	CHECK_EQ_U64(scene_u64(scene_get(shown, "backlog"), "capacity"), 129);
	CHECK_STR(scene_str(scene_get(shown, "ns"), "net"), "4026531840");
	CHECK(!json_object_object_get_ex(shown, "queued_bytes", NULL));
	json_object_put(o);
	text = scene_render(render_list_text, w, NULL);
	scene_has(text, "3 to accept");
	scene_has(text, "129");
}

/* ------------------------------------------------------------------- names */

static char *named(const char *bytes, uint32_t len, uint16_t flags)
{
	struct {
		struct lens_rec_hold h;
		char name[64];
	} r = { .h.chan = feed_half(1), .h.proc = feed_key(1), .h.name_len = len };
	_feed_ struct feed f = feed_new();
	struct chan *c;

	memcpy(r.name, bytes, len);
	r.h.h.flags = flags;
	feed_raw(&f, &r, LENS_REC_HOLD, (sizeof(r.h) + len + 7) & ~7u);
	c = feed_chan_of(&f, r.h.chan);
	CHECK(chan_more(c)->name_len < sizeof(r.name));
	return xstrndup(chan_more(c)->name, chan_more(c)->name_len + 1);
}

TEST(names_of_sockets)
{
	_cleanup_free_ char *path = named("s\0run\0", 6, 0);
	_cleanup_free_ char *abstract = named("\0a/b", 4, LENS_F_RAW_NAME);
	_cleanup_free_ char *relative = named("sock", 4, LENS_F_RAW_NAME);

	CHECK_STR(path, "/run/s");
	CHECK_STR(abstract, "@a/b");
	CHECK_STR(relative, "sock");
}

/* every byte of an abstract name counts, also after a NUL */
TEST(abstract_names_hold_nuls)
{
	struct lens_rec_hold head = { .chan = feed_half(1), .proc = feed_key(1), .name_len = 4 };
	struct { struct lens_rec_hold h; char name[8]; } r = { head, "\0a\0b" };
	_feed_ struct feed f = feed_new();
	struct chan *c;

	r.h.h.flags = LENS_F_RAW_NAME;
	feed_raw(&f, &r, LENS_REC_HOLD, sizeof(r));
	c = feed_chan_of(&f, r.h.chan);
	CHECK_EQ_U64(chan_more(c)->name_len, 4);
	CHECK(!memcmp(chan_more(c)->name, "@a\0b", 4));
}
