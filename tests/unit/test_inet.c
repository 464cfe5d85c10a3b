/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections over the internet protocols: halves that find each other, and
 * queues that are the distance of two places in a stream.
 */
#include "feed.h"
#include "scene.h"

#define CLIENT 1
#define SERVER 2

static struct lens_chan tcp(uint64_t ino)
{
	return (struct lens_chan){ .ino = ino, .dev = 9, .kind = LENS_KIND_TCP };
}

static void address(uint8_t to[16], uint8_t last)
{
	static const uint8_t loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 0 };

	memcpy(to, loopback, sizeof(loopback));
	to[15] = last;
}

/* a socket 127.0.0.1:port connected to 127.0.0.1:other, its streams at their origins */
static struct lens_rec_sock sock(uint64_t ino, uint16_t port, uint16_t other, uint32_t sends,
				 uint32_t receives)
{
	struct lens_rec_sock r = {
		.chan = tcp(ino), .local_port = port, .remote_port = other, .netns = 1, .state = 1,
		.flags = LENS_SOCK_SYNCED | LENS_SOCK_PLACED | LENS_SOCK_LOCAL,
		.send_origin = sends, .receive_origin = receives, .sent = sends, .taken = receives,
		.send_room = 1000,
	};

	address(r.local, 1);
	address(r.remote, 1);
	return r;
}

static void feed_sock(struct feed *f, struct lens_rec_sock r, bool in_look)
{
	r.h.flags = in_look ? LENS_F_SNAPSHOT : 0;
	feed_raw(f, &r, LENS_REC_SOCK, sizeof(r));
}

static const struct chan *peer_of(struct feed *f, uint64_t ino)
{
	return feed_chan_of(f, tcp(ino))->peer;
}

/* ----------------------------------------------------------------- joining */

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

#define CONNECTIONS 300

struct known { struct lens_rec_sock rec; unsigned partner; };

/* connections of few tuples, used again and again, in few namespaces; some without a partner */
static void invent(struct known *halves, uint64_t *random)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct known *a = &halves[2 * i], *b = &halves[2 * i + 1];
		uint16_t port = 40000 + next_random(random) % 4, server = 80;
		uint32_t sends = next_random(random), receives = next_random(random);

		if (i % 7 == 0)
			sends = UINT32_MAX;	/* whose next number is 0 */
		a->rec = sock(1000 + i, port, server, sends, receives);
		b->rec = sock(5000 + i, server, port, receives, sends + 1);
		b->rec.netns = a->rec.netns = 1 + next_random(random) % 3;
		if (i % 5 == 0)
			b->rec.netns++;
		if (i % 6 == 0)
			address(a->rec.remote, 9);
		a->partner = 5000 + i;
		b->partner = 1000 + i;
		/* a reset peer, never heard of; its tuple lives on */
		if (i % 4 == 0) {
			b->rec.flags &= ~(uint32_t)LENS_SOCK_SYNCED;
			a->partner = b->partner = 0;
		}
	}
}

static void shuffle(struct known *halves, uint64_t *random)
{
	for (unsigned i = 2 * CONNECTIONS - 1; i; i--) {
		unsigned j = next_random(random) % (i + 1);
		struct known swap = halves[i];

		halves[i] = halves[j];
		halves[j] = swap;
	}
}

TEST(halves_find_each_other_and_nobody_else)
{
	static struct known halves[2 * CONNECTIONS];

	for (uint64_t seed = 1; seed <= 50; seed++) {
		_feed_ struct feed f = feed_new();
		uint64_t random = seed;

		invent(halves, &random);
		shuffle(halves, &random);
		for (unsigned i = 0; i < 2 * CONNECTIONS; i++)
			feed_sock(&f, halves[i].rec, false);
		for (unsigned i = 0; i < 2 * CONNECTIONS; i++) {
			const struct chan *peer = peer_of(&f, halves[i].rec.chan.ino);

			CHECK_EQ_U64(peer ? peer->key.ino : 0, halves[i].partner);
		}
	}
}

/* one that was forgotten is not found by the origins that it had */
TEST(forgotten_halves_are_not_found)
{
	_feed_ struct feed f = feed_new();

	f.w->max_ended = 0;
	feed_start_empty(&f);
	/* of two with one origin either may be the first to go */
	feed_sock(&f, sock(2, 40000, 80, 1000, 5000), false);
	feed_sock(&f, sock(3, 40001, 80, 1000, 6000), false);
	for (unsigned i = 0; i < 3; i++) {
		feed_look_begin(&f);
		feed_look_end(&f);
		feed_look_settled(&f);
	}
	CHECK_EQ_U64(hash_count(f.w->chans), 0);
	feed_sock(&f, sock(4, 80, 40000, 5000, 1000), false);
	feed_sock(&f, sock(5, 80, 40001, 6000, 1000), false);
	CHECK(!peer_of(&f, 4) && !peer_of(&f, 5));
}

TEST(multipath_by_either_end)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock one = sock(1, 40000, 80, 100, 200);
	struct lens_rec_sock other = sock(2, 80, 40000, 200, 101);

	feed_sock(&f, one, false);
	CHECK(!inet_is_multipath(feed_chan_of(&f, tcp(1))));
	/* the server speaks plain TCP, its client could do more */
	other.flags |= LENS_SOCK_MULTIPATH;
	feed_sock(&f, other, false);
	CHECK(peer_of(&f, 1) == feed_chan_of(&f, tcp(2)));
	CHECK(inet_is_multipath(feed_chan_of(&f, tcp(1))));
	CHECK(inet_is_multipath(feed_chan_of(&f, tcp(2))));
}

TEST(how_they_were_joined)
{
	struct lens_rec_sock same = sock(20, 80, 4711, 300, 101), other = same, nat = same;
	const struct { struct lens_rec_sock *server; enum inet_joined want; } cases[] = {
		{ &same, INET_SAME_NETNS }, { &other, INET_OTHER_NETNS }, { &nat, INET_TRANSLATED },
	};

	other.netns = 2;
	nat.local_port = 8080;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_feed_ struct feed f = feed_new();
		const struct chan_inet *client, *server;

		feed_sock(&f, *cases[i].server, false);
		feed_sock(&f, sock(10, 4711, 80, 100, 300), false);
		client = chan_more(feed_chan_of(&f, tcp(10)))->inet;
		server = chan_more(feed_chan_of(&f, tcp(20)))->inet;
		CHECK_EQ_U64(client->joined, cases[i].want);
		CHECK_EQ_U64(server->joined, cases[i].want);
		CHECK(client->is_opener);
		CHECK(!server->is_opener);
	}
}

/* a connection is known when its handshake is over */
TEST(joined_when_synchronised)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock early = sock(10, 4711, 80, 0, 0);

	early.flags = LENS_SOCK_LOCAL;
	early.state = 2;
	feed_sock(&f, early, false);
	feed_sock(&f, sock(20, 80, 4711, 300, 101), false);
	CHECK(!peer_of(&f, 20));
	feed_sock(&f, sock(10, 4711, 80, 100, 300), false);
	CHECK(peer_of(&f, 20) == feed_chan_of(&f, tcp(10)));
}

TEST(a_kind_that_has_no_address_is_refused)
{
	struct lens_rec_sock r = sock(1, 2, 3, 4, 5);
	struct event ev;
	size_t skip;

	r.h.type = LENS_REC_SOCK;
	r.h.len = sizeof(r);
	CHECK(event_decode(&r, sizeof(r), &ev, &skip) == (ssize_t)sizeof(r));
	r.chan.kind = LENS_KIND_PIPE;
	CHECK(event_decode(&r, sizeof(r), &ev, &skip) == -EBADMSG);
}

/* ------------------------------------------------------------------- books */

/* both ends are found; sent and taken are counted from the origins */
static void look(struct feed *f, uint32_t client_sent, uint32_t server_taken, bool with_server)
{
	struct lens_rec_sock client = sock(10, 4711, 80, UINT32_MAX - 9, 300);
	struct lens_rec_sock server = sock(20, 80, 4711, 300, UINT32_MAX - 8);

	client.sent = client.send_origin + 1 + client_sent;
	server.taken = server.receive_origin + server_taken;
	feed_look_begin(f);
	feed_hold(f, tcp(10), CLIENT, 3, 3, feed_depth(0, 0));
	feed_sock(f, client, true);
	if (with_server) {
		/* only a part has arrived there */
		feed_hold(f, tcp(20), SERVER, 4, 3, feed_depth(7, 0));
		feed_sock(f, server, true);
	}
	feed_look_end(f);
	feed_look_settled(f);
}

static const struct ledger *finish(struct feed *f)
{
	feed_mark(f, LENS_MARK_DETACHED, 0);
	world_settle(f->w);
	feed_check_identity(feed_ledger(f, tcp(20)));
	return chan_ledger(feed_chan_of(f, tcp(20)));
}

/* with the receiver or still with the sender: every byte once, and sequence numbers wrap */
TEST(queued_is_what_lies_between_two_places)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 5, 0, true);
	feed_total(&f, tcp(10), CLIENT, LENS_WRITE, feed_counts(1, 1, 1000));
	feed_total(&f, tcp(20), SERVER, LENS_READ, feed_counts(2, 1, 600));
	look(&f, 1005, 600, true);
	l = finish(&f);
	CHECK_EQ_I64(l->before_start, 5);
	CHECK_EQ_I64(l->queued, 405);
	CHECK_EQ_I64(l->unaccounted, 0);
	CHECK_EQ_U64(chan_depth(feed_chan_of(&f, tcp(20)))->queued_bytes, 405);
	CHECK_EQ_U64(chan_depth(feed_chan_of(&f, tcp(20)))->capacity_bytes, 66536);
}

TEST(a_byte_too_few_is_unaccounted)
{
	_feed_ struct feed f = feed_new();

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 0, 0, true);
	feed_total(&f, tcp(10), CLIENT, LENS_WRITE, feed_counts(1, 1, 999));
	look(&f, 1000, 0, true);
	CHECK_EQ_I64(finish(&f)->unaccounted, -1);
}

/* what waited in a connection that nobody had accepted at the start was there before */
TEST(what_waited_to_be_accepted_was_there_before)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 400, 0, false);
	feed_total(&f, tcp(10), CLIENT, LENS_WRITE, feed_counts(1, 1, 50));
	feed_total(&f, tcp(20), SERVER, LENS_READ, feed_counts(2, 1, 425));
	look(&f, 450, 425, true);
	l = finish(&f);
	CHECK_EQ_I64(l->before_start, 400);
	CHECK_EQ_I64(l->queued, 25);
	CHECK_EQ_I64(l->unaccounted, 0);
}

/* ... and what comes back was not: the end that was accepted later had sent nothing by then */
TEST(what_a_later_end_sends_was_not_there_before)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	look(&f, 0, 0, false);
	feed_sock(&f, sock(20, 80, 4711, 300, UINT32_MAX - 8), false);
	feed_total(&f, tcp(20), SERVER, LENS_WRITE, feed_counts(1, 1, 70));
	feed_total(&f, tcp(10), CLIENT, LENS_READ, feed_counts(2, 1, 70));
	finish(&f);
	l = chan_ledger(feed_chan_of(&f, tcp(10)));
	CHECK_EQ_I64(l->before_start, 0);
	CHECK_EQ_I64(l->slack, 0);
}

/* a sender that was reset has dropped what it had not sent; one that was not has dropped nothing */
TEST(a_reset_discards)
{
	for (int reset = 0; reset < 2; reset++) {
		_feed_ struct feed f = feed_new();
		struct lens_rec_sock client = sock(10, 4711, 80, 100, 300);
		const struct ledger *l;

		feed_mark(&f, LENS_MARK_ATTACHED, 0);
		feed_look_begin(&f);
		feed_look_end(&f);
		feed_look_settled(&f);
		feed_sock(&f, sock(20, 80, 4711, 300, 101), false);
		feed_total(&f, tcp(10), CLIENT, LENS_WRITE, feed_counts(1, 1, 1000));
		feed_look_begin(&f);
		feed_hold(&f, tcp(10), CLIENT, 3, 3, feed_depth(0, 0));
		feed_hold(&f, tcp(20), SERVER, 4, 3, feed_depth(40, 0));
		client.state = reset ? LENS_TCP_CLOSE : 1;
		client.flags &= ~(uint32_t)LENS_SOCK_PLACED;
		feed_sock(&f, client, true);
		feed_look_end(&f);
		feed_look_settled(&f);
		l = finish(&f);
		CHECK_EQ_I64(l->queued, 40);
		CHECK_EQ_I64(l->discarded, reset ? 960 : 0);
		CHECK_EQ_I64(l->unaccounted, reset ? 0 : 960);
	}
}

/* --------------------------------------------------------------------- UDP */

static struct lens_chan udp(uint64_t ino, uint32_t gen)
{
	return (struct lens_chan){ .ino = ino, .dev = 9, .gen = gen, .kind = LENS_KIND_UDP };
}

static void udp_look(struct feed *f, uint64_t bytes, uint32_t msgs)
{
	feed_look_begin(f);
	feed_hold(f, udp(30, 0), SERVER, 3, 1, feed_depth(bytes, msgs));
	feed_look_end(f);
	feed_look_settled(f);
}

/* 100 bytes of the client, and what nobody was seen to send */
TEST(datagrams_from_outside_have_no_sender)
{
	_feed_ struct feed f = feed_new();
	const struct ledger *l;

	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	udp_look(&f, 0, 0);
	feed_total(&f, udp(30, 0), CLIENT, LENS_WRITE, feed_counts(1, 2, 100));
	feed_total(&f, udp(30, 0), SERVER, LENS_READ, feed_counts(2, 5, 250));
	udp_look(&f, 10, 1);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	world_settle(f.w);
	l = chan_ledger(feed_chan_of(&f, udp(30, 0)));
	feed_check_identity(l);
	CHECK_EQ_I64(l->written, 260);
	CHECK_EQ_I64(l->msgs_written, 6);
	CHECK_EQ_I64(l->unaccounted, 0);
	CHECK_EQ_I64(l->msgs_unaccounted, 0);
	CHECK_EQ_U64(feed_flow_bytes(&f, CLIENT, SERVER) + feed_flow_bytes(&f, 0, SERVER), 250);
	CHECK(feed_flow_bytes(&f, 0, SERVER) >= 150);
	CHECK(!feed_flow(&f, 0, SERVER)->exact);
}

/* missing messages are a loss, missing bytes of messages that are all there were cut off */
TEST(cut_datagrams_are_discarded_and_lost_ones_are_not)
{
	for (uint64_t got = 1; got <= 2; got++) {
		_feed_ struct feed f = feed_new();
		const struct ledger *l;

		feed_mark(&f, LENS_MARK_ATTACHED, 0);
		udp_look(&f, 0, 0);
		feed_total(&f, udp(30, 0), CLIENT, LENS_WRITE, feed_counts(1, 2, 100));
		feed_total(&f, udp(30, 0), SERVER, LENS_READ, feed_counts(2, got, 50));
		udp_look(&f, 0, 0);
		feed_mark(&f, LENS_MARK_DETACHED, 0);
		world_settle(f.w);
		l = chan_ledger(feed_chan_of(&f, udp(30, 0)));
		CHECK_EQ_I64(l->msgs_unaccounted, 2 - (int64_t)got);
		CHECK_EQ_I64(l->unaccounted, got == 2 ? 0 : 50);
		CHECK_EQ_I64(l->discarded, got == 2 ? 50 : 0);
	}
}

TEST(what_is_sent_elsewhere_goes_to_nobody)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock r = sock(30, 4711, 53, 0, 0);
	_cleanup_(buf_fini) struct buf name = {};

	r.chan = udp(30, LENS_GEN_OUTGOING);
	r.flags = 0;
	feed_mark(&f, LENS_MARK_ATTACHED, 0);
	feed_sock(&f, r, false);
	feed_total(&f, r.chan, CLIENT, LENS_WRITE, feed_counts(1, 2, 100));
	udp_look(&f, 0, 0);
	feed_mark(&f, LENS_MARK_DETACHED, 0);
	world_settle(f.w);
	CHECK_EQ_U64(feed_flow_bytes(&f, CLIENT, 0), 100);
	CHECK(!feed_ledger(&f, r.chan)->known);
	/* as alive as its socket */
	CHECK(!feed_chan_of(&f, r.chan)->gone);
	mech_get(LENS_KIND_UDP)->name(feed_chan_of(&f, r.chan), &name);
	buf_add(&name, "", 1);
	CHECK_STR(name.data, "127.0.0.1:4711->127.0.0.1:53");
}

/* ------------------------------------------------------------------- shown */

static void check_name(struct feed *f, uint64_t ino, const char *want)
{
	_cleanup_(buf_fini) struct buf name = {};

	mech_get(LENS_KIND_TCP)->name(feed_chan_of(f, tcp(ino)), &name);
	buf_add(&name, "", 1);
	CHECK_STR(name.data, want);
}

TEST(a_connection_is_named_from_its_client)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock listener = sock(30, 80, 0, 0, 0), six = sock(40, 9, 99, 1, 2);

	/* the half with the smaller number is not always the client's */
	feed_sock(&f, sock(10, 80, 4711, 300, 101), false);
	check_name(&f, 10, "127.0.0.1:80->127.0.0.1:4711");
	feed_sock(&f, sock(20, 4711, 80, 100, 300), false);
	check_name(&f, 10, "127.0.0.1:4711->127.0.0.1:80");
	check_name(&f, 20, "127.0.0.1:4711->127.0.0.1:80");
	listener.flags = 0;
	feed_sock(&f, listener, false);
	check_name(&f, 30, "127.0.0.1:80");
	memset(six.local, 0, sizeof(six.local));
	six.local[15] = 1;
	feed_sock(&f, six, false);
	check_name(&f, 40, "[::1]:9->127.0.0.1:99");
	world_chan(f.w, &(struct lens_chan){ .ino = 50, .dev = 9, .kind = LENS_KIND_TCP });
	check_name(&f, 50, "socket:[50]");
}

static bool is_anew(const struct feed *f)
{
	return chan_inet(feed_chan_of((struct feed *)f, tcp(10)))->anew;
}

/* a connection was there, and now its socket is about to make another one */
TEST(connected_again_is_noticed_when_it_happens)
{
	for (int state = 0; state < 4; state++) {
		_feed_ struct feed f = feed_new();
		struct lens_rec_sock first = sock(10, 4711, 80, 100, 300), again = first;

		/* of the last ones nothing came: refused, on its way, never tried */
		first.state = (uint32_t[]){ 1, LENS_TCP_CLOSE, LENS_TCP_SYN_SENT, 1 }[state];
		first.remote_port = state == 3 ? 0 : 80;
		first.flags &= state ? ~(uint32_t)LENS_SOCK_SYNCED : ~0u;
		again.state = LENS_TCP_CLOSE;
		again.flags = LENS_SOCK_RENEWED;
		feed_sock(&f, first, false);
		CHECK(!is_anew(&f));
		feed_sock(&f, again, false);
		CHECK(is_anew(&f) == !state);
		/* what comes of it is one connection, be it the first or the second */
		feed_sock(&f, sock(10, 4711, 80, 700, 900), false);
		CHECK(is_anew(&f) == !state);
	}
}

TEST(connected_again_is_noticed_in_whatever_order_it_is_heard)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock again = sock(10, 4711, 80, 100, 300);

	again.flags = LENS_SOCK_RENEWED;
	f.ts_ns += 1000;
	feed_sock(&f, again, false);
	CHECK(!is_anew(&f));
	f.ts_ns -= 1000;
	feed_sock(&f, sock(10, 4711, 80, 100, 300), false);
	CHECK(is_anew(&f));
}

static struct json_object *channel_json(struct feed *f, struct json_object **ret_doc)
{
	*ret_doc = scene_json(render_list_json, f->w, NULL);
	return scene_at(*ret_doc, "channels", 0);
}

/* found by a look, so that a list shows it */
static void listed(struct feed *f, struct lens_rec_sock r)
{
	feed_look_begin(f);
	feed_hold(f, tcp(10), CLIENT, 3, 3, feed_depth(0, 0));
	feed_sock(f, r, true);
	feed_look_end(f);
	feed_look_settled(f);
}

TEST(json_tells_another_host_from_a_peer_that_is_not_known)
{
	for (int local = 0; local < 2; local++) {
		_feed_ struct feed f = feed_new();
		struct lens_rec_sock r = sock(10, 4711, 80, 100, 300);
		struct json_object *doc, *c;

		if (!local)
			r.flags &= ~(uint32_t)LENS_SOCK_LOCAL;
		listed(&f, r);
		c = channel_json(&f, &doc);
		CHECK_STR(scene_str(c, "local"), "127.0.0.1:4711");
		CHECK_STR(scene_str(c, "remote"), "127.0.0.1:80");
		CHECK(json_object_get_boolean(scene_get(c, "external")) == !local);
		CHECK(!json_object_object_get_ex(c, "joined", NULL));
		json_object_put(doc);
	}
}

TEST(json_says_how_halves_were_joined)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_sock server = sock(20, 80, 4711, 300, 101);
	struct json_object *doc, *c;

	server.netns = 2;
	feed_sock(&f, server, false);
	listed(&f, sock(10, 4711, 80, 100, 300));
	c = channel_json(&f, &doc);
	CHECK_STR(scene_str(c, "joined"), "other-netns");
	CHECK(!json_object_get_boolean(scene_get(c, "external")));
	json_object_put(doc);
}
