/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the filters let through: kinds are ANDed, values of one kind ORed. */
#include "render/view.h"
#include "scene.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__ })
#define PIDS(...) ((const uint32_t[]){ __VA_ARGS__ })

/* a world with two used pipes and a FIFO nobody used */
struct fixture {
	struct world *w;
	struct chan *a, *b, *idle;
};

static void fixture_fini(struct fixture *x)
{
	world_free(x->w);
}

static void fixture_init(struct fixture *x)
{
	struct proc *make, *cc;

	x->w = scene_new();
	make = scene_proc(x->w, 11, "make");
	cc = scene_proc(x->w, 12, "cc1plus");
	cc->nspid = 3;
	cc->cgroup = xstrdup("/user.slice/build");
	x->a = scene_chan(x->w, LENS_KIND_PIPE, 101);
	x->b = scene_chan(x->w, LENS_KIND_PIPE, 102);
	x->idle = scene_chan(x->w, LENS_KIND_FIFO, 103);
	scene_name(x->idle, "/run/some fifo");
	scene_move(x->w, x->a, make, LENS_WRITE, 1, 10);
	scene_move(x->w, x->a, cc, LENS_READ, 1, 10);
	scene_move(x->w, x->b, make, LENS_WRITE, 1, 20);
	scene_move(x->w, x->b, make, LENS_READ, 1, 20);
	scene_hold(x->w, x->idle, cc, LENS_READ, 5);
	scene_flow(x->w, make, cc, x->a, 1, 10);
	scene_flow(x->w, make, make, x->b, 1, 20);
}

/* "ab" for the channels that pass */
static void check(const struct fixture *x, const struct render_filter *f, const char *want)
{
	char got[4] = "";
	size_t n = 0;

	if (render_wants_chan(x->w, x->a, f))
		got[n++] = 'a';
	if (render_wants_chan(x->w, x->b, f))
		got[n++] = 'b';
	if (render_wants_chan(x->w, x->idle, f))
		got[n++] = 'i';
	CHECK_STR(got, want);
}

#define CHECK_FILTER(want, ...) check(&x, &(struct render_filter){ __VA_ARGS__ }, want)

TEST(no_filter_shows_what_moved)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	check(&x, &(struct render_filter){}, "ab");
	CHECK_FILTER("abi", .idle = true);
}

TEST(pid_matches_either_end_and_the_innermost_pid)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	CHECK_FILTER("a", .pids = PIDS(12), .pid_count = 1);
	CHECK_FILTER("a", .pids = PIDS(3), .pid_count = 1);
	CHECK_FILTER("ab", .pids = PIDS(11), .pid_count = 1);
	CHECK_FILTER("ab", .pids = PIDS(4711, 11), .pid_count = 2);
	CHECK_FILTER("", .pids = PIDS(4711), .pid_count = 1);
	/* holding it is enough */
	CHECK_FILTER("ai", .pids = PIDS(12), .pid_count = 1, .idle = true);
}

TEST(comm_is_a_pattern)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	CHECK_FILTER("a", .comms = LIST("cc1*"), .comm_count = 1);
	CHECK_FILTER("", .comms = LIST("cc1"), .comm_count = 1);
	CHECK_FILTER("ab", .comms = LIST("x", "make"), .comm_count = 2);
}

TEST(cgroup_is_a_prefix_of_whole_components)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	CHECK_FILTER("a", .cgroups = LIST("/user.slice"), .cgroup_count = 1);
	CHECK_FILTER("a", .cgroups = LIST("/user.slice/"), .cgroup_count = 1);
	CHECK_FILTER("a", .cgroups = LIST("/user.slice/build"), .cgroup_count = 1);
	CHECK_FILTER("", .cgroups = LIST("/user.slice/bui"), .cgroup_count = 1);
	CHECK_FILTER("", .cgroups = LIST("/user.slice/build/x"), .cgroup_count = 1);
	CHECK_FILTER("a", .cgroups = LIST("/"), .cgroup_count = 1);
}

TEST(process_filters_must_hold_for_one_process)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	CHECK_FILTER("a", .pids = PIDS(12), .pid_count = 1, .comms = LIST("cc*"), .comm_count = 1);
	CHECK_FILTER("", .pids = PIDS(12), .pid_count = 1, .comms = LIST("make"), .comm_count = 1);
	CHECK_FILTER("", .comms = LIST("make"), .comm_count = 1, .cgroups = LIST("/user.slice"),
		     .cgroup_count = 1);
}

TEST(channel_by_id_name_or_pattern)
{
	_cleanup_(fixture_fini) struct fixture x;
	_cleanup_(buf_fini) struct buf id = {};

	fixture_init(&x);
	mech_chan_id(x.a, &id);
	CHECK_FILTER("a", .channels = LIST(id.data), .channel_count = 1);
	/* as a pattern this would be pipe: and one digit */
	CHECK_FILTER("b", .channels = LIST("pipe:[102]"), .channel_count = 1);
	CHECK_FILTER("ab", .channels = LIST("pipe:*"), .channel_count = 1);
	CHECK_FILTER("i", .channels = LIST("/run/*"), .channel_count = 1, .idle = true);
	CHECK_FILTER("", .channels = LIST("pipe"), .channel_count = 1);
}

TEST(kind_is_a_set)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	CHECK_FILTER("ab", .kinds = 1u << LENS_KIND_PIPE, .idle = true);
	CHECK_FILTER("i", .kinds = 1u << LENS_KIND_FIFO, .idle = true);
	CHECK_FILTER("", .kinds = 1u << LENS_KIND_SYSV_MSG, .idle = true);
	CHECK_FILTER("", .kinds = 1u << LENS_KIND_FIFO, .idle = true, .pids = PIDS(11),
		     .pid_count = 1);
}

TEST(tree_means_used_by_the_tree)
{
	_cleanup_(fixture_fini) struct fixture x;
	struct proc *tree;

	fixture_init(&x);
	CHECK_FILTER("", .tree_only = true);
	tree = scene_proc(x.w, 20, "child");
	tree->in_tree = true;
	scene_hold(x.w, x.a, tree, LENS_WRITE, 1);
	/* inherited, not touched */
	CHECK_FILTER("", .tree_only = true);
	CHECK_FILTER("a", .tree_only = true, .idle = true);
	scene_move(x.w, x.b, tree, LENS_WRITE, 1, 1);
	CHECK_FILTER("b", .tree_only = true);
}

TEST(own_traffic_is_left_out_and_counted)
{
	_cleanup_(view_fini) struct view v = {};
	_cleanup_(fixture_fini) struct fixture x;
	struct render_filter f = {};

	fixture_init(&x);
	scene_own(x.b);
	check(&x, &f, "a");
	view_report(&v, x.w, &f);
	CHECK_EQ_U64(v.chan_count, 1);
	CHECK_EQ_U64(v.flow_count, 1);
	CHECK_EQ_U64(v.own_chans, 1);
	CHECK_EQ_U64(v.own_bytes, 20);
	view_fini(&v);
	f.with_self = true;
	view_report(&v, x.w, &f);
	CHECK_EQ_U64(v.chan_count, 2);
	CHECK_EQ_U64(v.flow_count, 2);
	CHECK_EQ_U64(v.own_chans, 0);
}

TEST(others_who_write_where_we_write_are_not_left_out)
{
	_cleanup_(fixture_fini) struct fixture x;
	struct render_filter f = {};

	fixture_init(&x);
	scene_own(x.b);
	scene_move(x.w, x.b, scene_proc(x.w, 12, "cc1plus"), LENS_READ, 1, 20);
	check(&x, &f, "a");
	scene_move(x.w, x.b, scene_proc(x.w, 12, "cc1plus"), LENS_WRITE, 1, 1);
	check(&x, &f, "ab");
}

TEST(flows_of_own_processes_are_left_out)
{
	_cleanup_(view_fini) struct view v = {};
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	scene_proc(x.w, 12, "cc1plus")->is_self = true;
	view_report(&v, x.w, &(struct render_filter){});
	CHECK_EQ_U64(v.flow_count, 1);
	CHECK_EQ_U64(v.own_flows, 1);
	CHECK_EQ_U64(v.own_bytes, 10);
	CHECK(v.flows[0]->chan == x.b);
}

TEST(flows_follow_the_process_filter)
{
	_cleanup_(view_fini) struct view v = {};
	_cleanup_(fixture_fini) struct fixture x;
	struct render_filter f = { .pids = PIDS(12), .pid_count = 1 };

	fixture_init(&x);
	/* on a channel that passes, but between two others */
	scene_flow(x.w, scene_proc(x.w, 30, "other"), NULL, x.a, 1, 5);
	view_report(&v, x.w, &f);
	CHECK_EQ_U64(v.flow_count, 1);
	CHECK_EQ_U64(v.flows[0]->to->key.tgid, 12);
}

TEST(a_blocked_writer_or_missing_bytes_are_no_idleness)
{
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	chan_more_get(x.idle)->blocked_samples[LENS_READ] = 3;
	CHECK_FILTER("ab", .idle = false);
	chan_more_get(x.idle)->blocked_samples[LENS_WRITE] = 3;
	CHECK_FILTER("abi", .idle = false);
	chan_more_get(x.idle)->blocked_samples[LENS_WRITE] = 0;
	chan_more_get(x.idle)->ledger.unaccounted = -1;
	CHECK_FILTER("abi", .idle = false);
}

TEST(sorting_is_by_bytes_then_by_first_heard)
{
	_cleanup_(view_fini) struct view v = {};
	_cleanup_(fixture_fini) struct fixture x;

	fixture_init(&x);
	scene_flow(x.w, NULL, NULL, x.a, 1, 20);
	view_report(&v, x.w, &(struct render_filter){});
	view_sort(&v);
	CHECK_EQ_U64(v.flow_count, 3);
	CHECK(v.flows[0] == &x.w->flows[1]);
	CHECK(v.flows[1] == &x.w->flows[2]);
	CHECK(v.flows[2] == &x.w->flows[0]);
	CHECK(v.chans[0].chan == x.b);
}

TEST(text_of_a_filter_that_nothing_passes_says_so)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	const char *const nobody = "nobody";
	struct render_options opt = { .filter = { .comms = &nobody, .comm_count = 1 } };
	_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

	scene_has(text, "no flow that the options ask for was seen\n");
	scene_has(text, "no channel that the options ask for was used\n");
}
