/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The report as text and as JSON: contract, honesty, layout, hostile names. */
#include "render/label.h"
#include "scene.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_ID64 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static char *line_of(const char *text, const char *part)
{
	const char *at = strstr(text, part), *start = at;

	if (!at)
		TEST_FAIL("no \"%s\" in:\n%s", part, text);
	while (start > text && start[-1] != '\n')
		start--;
	return xstrndup(start, strcspn(start, "\n"));
}

/* ---------------------------------------------------------------- text */

TEST(text_begins_with_coverage_and_loss)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *text = NULL;

	scene_cover(w, LENS_KIND_SYSV_MSG, "", "no such tracepoint");
	text = scene_render(render_report_text, w, NULL);
	*(strstr(text, "FROM")) = '\0';
	CHECK_STR(text, "coverage  pipe, fifo: sys; sysv-msg: unavailable: no such tracepoint\n"
			"loss      nothing lost\n"
			"interval  5.02 s on box, Linux 6.18.0 x86_64\n\n");
}

TEST(text_names_losses_and_an_early_end)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *text = NULL;

	w->loss.count[LENS_LOSS_RING_FULL] = 12;
	w->loss.count[LENS_LOSS_MAP_FULL] = 3;
	w->loss.bytes = 4096;
	w->complete = false;
	text = scene_render(render_report_text, w, NULL);
	scene_has_not(text, "nothing lost");
	scene_has(text, "\nloss      ring_full 12 (");
	scene_has(text, "map_full 3 (");
	scene_has(text, "that moved 4.0 KiB");
	scene_has(text, "end before the end of the run");
}

TEST(text_shows_flows_and_channels)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *text = scene_render(render_report_text, w, NULL);
	_cleanup_free_ char *flow = line_of(text, "head(11)"), *chan = NULL;
	const char *table = strstr(text, "CHANNEL");

	CHECK_STR(flow, "head(11)  tee(12)  pipe:[101]    12,208  100,000,000  19.0 MiB/s"
			"          -");
	CHECK(table != NULL);
	chan = line_of(table, "pipe:[101]");
	CHECK_STR(chan, "pipe:[101]  pipe  head(11) [sh(10)]  tee(12)    0 B/64.0 KiB  100,000,000"
			"  100,000,000       0          0            0");
	scene_has(text, "[...]     holds the channel open, has moved nothing\n");
	scene_has_not(text, "does not add up");
	scene_has_not(text, "apportioned");
	scene_has_not(text, "left out");
}

TEST(text_fits_80_and_120_columns)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct proc *p = scene_proc(w, 4194303, "fifteen-letters");
	struct chan *c = scene_chan(w, LENS_KIND_SYSV_MSG, 70001);
	struct render_options opt = {};

	for (uint32_t pid = 50; pid < 90; pid++)
		scene_hold(w, c, scene_proc(w, pid, "make"), LENS_WRITE, 3);
	scene_move(w, c, p, LENS_WRITE, 999999999, 85899345920);
	scene_flow(w, p, p, c, 999999999, 85899345920)->exact = false;
	w->flows[2].has_residency = true;
	w->flows[2].p50_ns = 340000;
	w->sample_rounds = 100;
	w->sample_period_ns = 10000000;
	chan_more_get(c)->full_share = 0.9;
	for (opt.width = 80; opt.width <= 120; opt.width += 40) {
		_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

		scene_check_layout(text, opt.width);
		scene_has(text, "85,899,345,920");
	}
}

TEST(text_marks_what_is_not_exact)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *text = NULL, *flow = NULL;

	w->flows[0].exact = false;
	w->flows[0].why = "operations were lost";
	text = scene_render(render_report_text, w, NULL);
	flow = line_of(text, "head(11)");
	scene_has(flow, " ~12,208 ");
	scene_has(flow, " ~100,000,000 ");
	scene_has(flow, " ~19.0 MiB/s ");
	scene_has(text, "\n~         apportioned in 1 flow: operations were lost\n");
}

TEST(text_shows_what_does_not_add_up)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *c = hash_at(w->chans, 0);
	_cleanup_free_ char *text = NULL, *plain = NULL;
	struct render_options opt = { .colour = true };

	chan_more_get(c)->ledger.unaccounted = -17;
	chan_more_get(c)->ledger.before_start = 5;
	chan_more_get(c)->ledger.in_flight = 65536;
	chan_more_get(c)->ledger.discarded = 9;
	plain = scene_render(render_report_text, w, NULL);
	scene_has(plain, " !-17\n");
	scene_has(plain, "!         does not add up");
	scene_has(plain, "BEFORE START");
	scene_has(plain, "65,536");
	scene_has(plain, " ~9 ");
	scene_check_layout(plain, 0);
	text = scene_render(render_report_text, w, &opt);
	scene_has(text, "\033[1;31m!-17\033[0m");
}

TEST(text_of_a_channel_without_depth_claims_no_balance)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *c = hash_at(w->chans, 0);
	_cleanup_free_ char *text = NULL, *line = NULL;

	chan_more_get(c)->ledger = (struct ledger){};
	chan_depth_get(c)->valid = 0;
	text = scene_render(render_report_text, w, NULL);
	line = line_of(strstr(text, "CHANNEL"), "pipe:[101]");
	CHECK_STR(line, "pipe:[101]  pipe  head(11) [sh(10)]  tee(12)               -  100,000,000"
			"  100,000,000       -          -            -");
}

TEST(text_groups_many_of_one_name)
{
	_cleanup_(world_freep) struct world *w = scene_new();
	struct chan *c = scene_chan(w, LENS_KIND_PIPE, 7);
	_cleanup_(buf_fini) struct buf readers = {}, writers = {};

	for (uint32_t pid = 1; pid <= 12; pid++)
		scene_hold(w, c, scene_proc(w, pid, "make"), LENS_READ, 3);
	scene_move(w, c, scene_proc(w, 5, "make"), LENS_READ, 1, 1);
	scene_hold(w, c, scene_proc(w, 20, "cc"), LENS_READ, 3);
	scene_hold(w, c, scene_proc(w, 21, "cc"), LENS_READ, 3);
	label_ends(&readers, c, LENS_READ, ENDS_USERS_APART);
	CHECK_STR(readers.data, "make(5) [cc(20)] [cc(21)] [make(11 processes)]");
	label_ends(&writers, c, LENS_WRITE, ENDS_USERS_APART);
	CHECK_STR(writers.data, "-");
}

TEST(text_names_the_slow_stage)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *first = hash_at(w->chans, 0), *second = hash_at(w->chans, 1);
	_cleanup_free_ char *text = NULL;

	w->sample_rounds = 100;
	w->sample_period_ns = 10000000;
	chan_more_get(first)->full_share = 0.87;
	chan_more_get(second)->empty_share = 0.6;
	side_waits_get(end_side_get(chan_ends(first)[0], LENS_WRITE))->blocked_ns = 870000000;
	text = scene_render(render_report_text, w, NULL);
	scene_has(text, "back-pressure (100 samples, one per 10");
	scene_has(text, "pipe:[101]   87 % █████████░          0 % ░░░░░░░░░░\n");
	scene_has(text, "->        tee(12) is the slow stage: head(11) waited 87 % of the time for "
			"room in pipe:[101]\n");
	scene_has(text, "->        tee(12) sets the pace: wc(13) waited 60 % of the time for data "
			"from pipe:[102]\n");
}

TEST(text_blames_nobody_who_waits_too)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *first = hash_at(w->chans, 0), *second = hash_at(w->chans, 1);
	_cleanup_free_ char *text = NULL;

	w->sample_rounds = 100;
	w->sample_period_ns = 10000000;
	chan_more_get(first)->full_share = 0.8;
	chan_more_get(second)->full_share = 0.9;
	side_waits_get(end_side_get(chan_ends(second)[0], LENS_WRITE))->blocked_ns = 900000000;
	text = scene_render(render_report_text, w, NULL);
	scene_has_not(text, "tee(12) is the slow stage");
	scene_has(text, "wc(13) is the slow stage: tee(12) waited 90 %");
}

TEST(text_of_an_empty_world_is_complete)
{
	_cleanup_(world_freep) struct world *w = world_new();
	struct render_options opt = { .width = 80 };
	_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

	scene_check_layout(text, 80);
	scene_has(text, "coverage  unknown");
	scene_has(text, "no flow was seen\n");
	scene_has(text, "no channel was used\n");
	scene_has(text, "not sampled");
}

TEST(text_cuts_tables_and_says_so)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct render_options opt = { .rows = 1 };
	_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

	scene_has(text, "... and 1 more flows\n");
	scene_has(text, "... and 1 more channels\n");
	scene_has_not(text, "[102]");
}

TEST(text_says_what_it_left_out_and_how_the_command_ended)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *text = NULL, *killed = NULL;

	scene_own(hash_at(w->chans, 1));
	w->has_command = true;
	w->command_status = 3 << 8;
	text = scene_render(render_report_text, w, NULL);
	scene_has(text, "left out  traffic of ipclens itself: 1 channel, 0 flows, 95.4 MiB\n");
	scene_has(text, "; command: exit status 3\n");
	w->command_status = 15;
	killed = scene_render(render_report_text, w, NULL);
	scene_has(killed, "; command: killed by signal 15 (SIGTERM)\n");
}

/* ---------------------------------------------------------------- JSON */

TEST(json_follows_the_contract)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct json_object *o = scene_json(render_report_json, w, NULL), *c, *p, *flow, *e;

	CHECK_STR(scene_str(o, "schema"), "ipclens.report/1");
	CHECK_STR(scene_str(scene_get(o, "host"), "boot_id"), "b007");
	CHECK_STR(scene_str(scene_get(o, "interval"), "start_ns"), "1000000000");
	CHECK_STR(json_object_get_string(scene_get(scene_get(o, "interval"), "duration_s")),
		  "5.020");
	CHECK_EQ_U64(scene_len(o, "coverage"), 3);
	CHECK_STR(scene_str(scene_at(o, "coverage", 0), "state"), "observed");
	CHECK_EQ_U64(scene_u64(scene_get(o, "loss"), "unseen"), 0);
	CHECK_EQ_U64(scene_len(o, "processes"), 4);
	p = scene_at(o, "processes", 0);
	CHECK_STR(scene_str(p, "id"), "11@1000011");
	CHECK_STR(scene_str(p, "comm"), "head");
	CHECK_STR(scene_str(p, "container"), NULL);
	CHECK_EQ_U64(scene_len(p, "argv"), 0);
	c = scene_at(o, "channels", 0);
	CHECK_STR(scene_str(c, "type"), "pipe");
	CHECK_STR(scene_str(c, "name"), "pipe:[101]");
	CHECK_EQ_U64(scene_u64(c, "capacity_bytes"), 65536);
	CHECK_EQ_U64(scene_u64(scene_get(c, "ledger"), "written"), 100000000);
	CHECK_EQ_U64(scene_u64(scene_get(c, "ledger"), "unaccounted"), 0);
	CHECK_EQ_U64(scene_len(c, "endpoints"), 3);
	e = scene_at(c, "endpoints", 0);
	CHECK_STR(scene_str(e, "role"), "writer");
	CHECK(json_object_get_boolean(scene_get(e, "user")));
	CHECK_EQ_U64(scene_u64(scene_get(e, "write"), "bytes"), 100000000);
	CHECK_EQ_U64(scene_u64(scene_get(e, "read"), "operations"), 0);
	e = scene_at(c, "endpoints", 1);
	CHECK(!json_object_get_boolean(scene_get(e, "user")));
	CHECK_EQ_U64(json_object_get_uint64(scene_at(e, "fds", 0)), 7);
	flow = scene_at(o, "flows", 1);
	CHECK_STR(scene_str(flow, "from"), "12@1000012");
	CHECK_STR(scene_str(flow, "channel"), scene_str(scene_at(o, "channels", 1), "id"));
	CHECK_EQ_U64(scene_u64(flow, "rate_bytes_per_s"), 19920318);
	CHECK(json_object_get_boolean(scene_get(flow, "exact")));
	CHECK(scene_get(flow, "residency_ns") == NULL);
	CHECK(!json_object_object_get_ex(flow, "why", NULL));
	CHECK(!json_object_object_get_ex(o, "command", NULL));
	CHECK_EQ_U64(scene_u64(scene_get(o, "totals"), "bytes_written"), 200000000);
	json_object_put(o);
}

TEST(json_of_unknown_things_is_null)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *c = hash_at(w->chans, 0);
	struct json_object *o, *chan, *flow;

	chan_depth_get(c)->valid = 0;
	chan_more_get(c)->ledger.known = false;
	scene_cover(w, LENS_KIND_FIFO, "", "why not");
	w->flows[0].from = NULL;
	w->flows[0].exact = false;
	w->flows[0].why = "because";
	w->flows[0].has_residency = true;
	w->flows[0].max_ns = UINT64_MAX;
	o = scene_json(render_report_json, w, NULL);
	chan = scene_at(o, "channels", 0);
	CHECK(!scene_get(chan, "capacity_bytes"));
	CHECK(!scene_get(chan, "queued_bytes"));
	CHECK(!scene_get(chan, "ledger"));
	CHECK(!scene_get(chan, "pressure"));
	flow = scene_at(o, "flows", 0);
	CHECK(!scene_get(flow, "from"));
	CHECK_STR(scene_str(flow, "why"), "because");
	CHECK_EQ_U64(scene_u64(scene_get(flow, "residency_ns"), "max"), UINT64_MAX);
	CHECK(!scene_get(scene_at(o, "coverage", 1), "variant"));
	CHECK_STR(scene_str(scene_at(o, "coverage", 1), "state"), "unavailable");
	json_object_put(o);
}

TEST(json_of_a_queue_has_namespace_and_types)
{
	_cleanup_(world_freep) struct world *w = scene_new();
	struct chan *c = scene_chan(w, LENS_KIND_SYSV_MSG, 65538);
	struct json_object *o, *chan;

	scene_move(w, c, scene_proc(w, 1, "a"), LENS_WRITE, 3, 30);
	chan_depth_get(c)->queued_msgs = 3;
	chan_more_get(c)->types = xcalloc(2, sizeof(*chan_more(c)->types));
	chan_more_get(c)->types[0] = (struct type_count){ 1, 2, 20 };
	chan_more_get(c)->types[1] = (struct type_count){ INT64_MAX, 1, 10 };
	chan_more_get(c)->type_count = 2;
	chan_more_get(c)->ledger.msgs_unaccounted = 1;
	w->sample_rounds = 9;
	chan_more_get(c)->full_share = 0.25;
	o = scene_json(render_report_json, w, NULL);
	chan = scene_at(o, "channels", 0);
	CHECK_STR(scene_str(scene_get(chan, "ns"), "ipc"), "12");
	CHECK_EQ_U64(scene_u64(chan, "queued_messages"), 3);
	CHECK_EQ_U64(scene_u64(scene_get(chan, "queued_by_msgtype"), "1"), 2);
	CHECK_EQ_U64(scene_u64(scene_get(chan, "queued_by_msgtype"), "9223372036854775807"), 1);
	CHECK_EQ_U64(scene_u64(scene_get(scene_get(chan, "ledger"), "messages"), "unaccounted"), 1);
	CHECK_STR(json_object_get_string(scene_get(scene_get(chan, "pressure"),
						   "writer_blocked_share")), "0.2500");
	CHECK_EQ_U64(scene_u64(scene_get(chan, "pressure"), "samples"), 9);
	json_object_put(o);
}

TEST(json_of_an_empty_world_is_complete)
{
	_cleanup_(world_freep) struct world *w = world_new();
	_cleanup_free_ char *text = scene_render(render_report_json, w, NULL);
	struct json_object *o = scene_parse(text);

	CHECK_EQ_U64(scene_len(o, "processes"), 0);
	CHECK_EQ_U64(scene_len(o, "channels"), 0);
	CHECK_EQ_U64(scene_len(o, "flows"), 0);
	CHECK_EQ_U64(scene_len(o, "coverage"), 0);
	CHECK_STR(scene_str(scene_get(o, "host"), "hostname"), "");
	scene_has(text, "\"flows\":[]");
	json_object_put(o);
}

TEST(json_names_how_the_command_ended)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct json_object *o;

	w->has_command = true;
	w->command_status = 7 << 8;
	o = scene_json(render_report_json, w, NULL);
	CHECK_EQ_U64(scene_u64(scene_get(o, "command"), "exit_status"), 7);
	json_object_put(o);
	w->command_status = 9;
	o = scene_json(render_report_json, w, NULL);
	CHECK_EQ_U64(scene_u64(scene_get(o, "command"), "signal"), 9);
	json_object_put(o);
}

TEST(json_shows_processes_of_shown_channels_and_the_tree)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct proc *lone = scene_proc(w, 99, "lone");
	struct render_options opt = { .filter.tree_only = true };
	struct json_object *o;

	o = scene_json(render_report_json, w, NULL);
	CHECK_EQ_U64(scene_len(o, "processes"), 4);
	json_object_put(o);
	lone->in_tree = true;
	o = scene_json(render_report_json, w, &opt);
	CHECK_EQ_U64(scene_len(o, "processes"), 1);
	CHECK_EQ_U64(scene_len(o, "channels"), 0);
	json_object_put(o);
}

static void check_container(const char *cgroup, const char *want)
{
	size_t len = 0;
	const char *id = label_container(cgroup, &len);
	_cleanup_free_ char *got = id ? xstrndup(id, len) : NULL;

	CHECK_STR(got, want);
}

TEST(container_ids_come_from_the_cgroup)
{
	check_container(NULL, NULL);
	check_container("", NULL);
	check_container("/", NULL);
	check_container("/user.slice/user-0.slice/session-1.scope", NULL);
	check_container("/system.slice/docker-" ID64 ".scope", ID64);
	check_container("/docker/" ID64, ID64);
	check_container("/machine.slice/libpod-" ID64 ".scope/container", ID64);
	check_container("/kubepods/burstable/podabc/" ID64, ID64);
	check_container("/kubepods.slice/kubepods-podx.slice/cri-containerd-" ID64 ".scope", ID64);
	check_container("/kubepods.slice/crio-" ID64 ".scope", ID64);
	/* the monitor of a container is not in it */
	check_container("/machine.slice/libpod-conmon-" ID64 ".scope", NULL);
	check_container("/x/" ID64 "0", NULL);
	check_container("/docker/A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			NULL);
	/* the innermost one */
	check_container("/docker/" ID64 "/docker/" OTHER_ID64, OTHER_ID64);
}

TEST(extreme_numbers_are_survived)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	struct chan *c = hash_at(w->chans, 0);
	struct chan_more *more = chan_more_get(c);
	struct render_options opt = { .width = 80 };
	_cleanup_free_ char *text = NULL;
	struct json_object *o;

	more->ledger.unaccounted = more->ledger.in_flight = more->ledger.before_start = INT64_MIN;
	more->ledger.msgs_unaccounted = INT64_MAX;
	more->full_share = 1e300, more->empty_share = -0.0 / 0.0;
	memset(chan_depth_get(c), 0xff, sizeof(struct lens_depth));
	memset(&end_side_get(chan_ends(c)[0], LENS_WRITE)->total, 0xff, sizeof(struct lens_total));
	side_waits_get(end_side_get(chan_ends(c)[0], LENS_WRITE))->blocked_ns = UINT64_MAX;
	w->sample_rounds = w->sample_period_ns = UINT64_MAX;
	w->flows[0].bytes = w->flows[0].messages = w->flows[0].p50_ns = UINT64_MAX;
	w->flows[0].has_residency = true;
	w->start_ns = UINT64_MAX - 1;
	w->end_ns = UINT64_MAX;
	w->command_status = -1;
	w->has_command = true;
	text = scene_render(render_report_text, w, &opt);
	scene_check_layout(text, 0);
	scene_has(text, "!-9,223,372,036,854,775,808");
	o = scene_json(render_report_json, w, NULL);
	CHECK_STR(json_object_get_string(scene_get(scene_get(scene_at(o, "channels", 0),
		  "pressure"), "writer_blocked_share")), "1.0000");
	json_object_put(o);
	w->end_ns = 0;
	o = scene_json(render_report_json, w, NULL);
	CHECK_STR(json_object_get_string(scene_get(scene_get(o, "interval"), "duration_s")),
		  "0.000");
	CHECK(!scene_get(scene_at(o, "flows", 0), "rate_bytes_per_s"));
	json_object_put(o);
}

/* ------------------------------------------------------- hostile names */

#define ROUNDS 100
#define PROCS_PER_ROUND 25		/* with five hostile strings each */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* half of it is what terminals and parsers stumble over */
static size_t random_bytes(uint64_t *state, char *out, size_t max, bool nul_free)
{
	static const char *const nasty[] = {
		"\033[2J", "\n", "\r", "\t", "\"", "\\", "\\x41", "\xe2\x80\xae", "\xff\xfe",
		"\xc3", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "</script>", "\xc2\x9b" "31m", "\x7f",
		"%s",
		"\xe2\x80\x8b", "\xef\xbb\xbf", "\xc0\x80", "\xf4\x90\x80\x80", "\xe2\x80\xa8",
	};
	size_t want = next_random(state) % (max + 1), len = 0;

	while (len < want) {
		const char *part = nasty[next_random(state) % ARRAY_SIZE(nasty)];
		size_t n = strlen(part);

		if (next_random(state) & 1 && len + n <= want) {
			memcpy(out + len, part, n);
			len += n;
		} else {
			char byte = (char)next_random(state);

			out[len++] = byte || !nul_free ? byte : 'x';
		}
	}
	return len;
}

static char *random_string(uint64_t *state, size_t max)
{
	char *s = xcalloc(max + 1, 1);

	s[random_bytes(state, s, max, true)] = '\0';
	return s;
}

static void check_bytes(struct json_object *o, const char *key, const void *want, size_t want_len)
{
	const char *escaped = scene_str(o, key);
	_cleanup_free_ char *got = xcalloc(strlen(escaped) + 1, 1);
	ssize_t len = text_unescape(escaped, got);

	CHECK(len >= 0);
	CHECK_MEM(got, (size_t)len, want, want_len);
}

static void check_argv(struct json_object *o, const struct proc *p)
{
	size_t at = 0;

	for (size_t i = 0; i < scene_len(o, "argv"); i++) {
		const char *escaped = json_object_get_string(scene_at(o, "argv", i));
		_cleanup_free_ char *got = xcalloc(strlen(escaped) + 1, 1);
		ssize_t len = text_unescape(escaped, got);
		size_t want = strnlen(p->argv + at, p->argv_len - at);

		CHECK(len >= 0);
		CHECK_MEM(got, (size_t)len, p->argv + at, want);
		at += want + 1;
	}
	CHECK(at == p->argv_len || at == p->argv_len + 1);
}

static struct world *hostile_world(uint64_t *state)
{
	struct world *w = scene_new();

	for (uint32_t i = 1; i <= PROCS_PER_ROUND; i++) {
		struct chan *c = scene_chan(w, LENS_KIND_FIFO, i);
		struct proc *p = scene_proc(w, i, "");
		_cleanup_free_ char *comm = random_string(state, LENS_COMM_LEN - 1);

		strcpy(p->comm, comm);
		p->exe = random_string(state, 200);
		p->cgroup = random_string(state, 100);
		p->argv = xcalloc(LENS_ARGV_MAX, 1);
		p->argv_len = random_bytes(state, p->argv, LENS_ARGV_MAX, false);
		scene_take_name(c, random_string(state, i % 10 ? 100 : LENS_PATH_MAX - 1));
		scene_move(w, c, p, LENS_WRITE, 1, i);
		scene_hold(w, c, p, LENS_READ, i);
		scene_flow(w, p, p, c, 1, i);
	}
	snprintf(w->cover[1].detail, sizeof(w->cover[1].detail), "\033[31m\xff");
	memset(w->host.hostname, 0x9b, sizeof(w->host.hostname) - 1);
	return w;
}

static void check_hostile_json(const struct world *w, scene_renderer render)
{
	_cleanup_free_ char *text = scene_render(render, w, NULL);
	struct json_object *o = scene_parse(text);

	for (const char *at = text; *at; at++)
		CHECK(((unsigned char)*at >= 0x20 && *at != 0x7f) || *at == '\n');
	CHECK_EQ_U64(scene_len(o, "processes"), hash_count(w->procs));
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		struct json_object *p = scene_at(o, "processes", i);
		const struct proc *want = hash_at(w->procs, i);

		check_bytes(p, "comm", want->comm, strlen(want->comm));
		check_bytes(p, "exe", want->exe, strlen(want->exe));
		check_bytes(p, "cgroup", want->cgroup, strlen(want->cgroup));
		check_argv(p, want);
	}
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		const struct chan *want = hash_at(w->chans, i);

		if (chan_more(want)->name[0])
			check_bytes(scene_at(o, "channels", i), "name", chan_more(want)->name,
				    strlen(chan_more(want)->name));
	}
	json_object_put(o);
}

TEST(hostile_names_reach_nothing_raw)
{
	uint64_t state = 0x9e3779b97f4a7c15;

	for (int round = 0; round < ROUNDS; round++) {
		_cleanup_(world_freep) struct world *w = hostile_world(&state);
		struct render_options opt = { .width = round % 2 ? 80 : 0 };
		_cleanup_free_ char *report = scene_render(render_report_text, w, &opt);
		_cleanup_free_ char *list = scene_render(render_list_text, w, &opt);

		scene_check_layout(report, 0);
		scene_check_layout(list, 0);
		check_hostile_json(w, render_report_json);
		check_hostile_json(w, render_list_json);
	}
}
