// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What found the table of totals full, in reports: filtered as flows are, or said not to be. */
#include "scene.h"

static struct proc *had_no_room(struct world *w, uint32_t pid, const char *comm, unsigned kind,
				uint64_t ops, uint32_t flags)
{
	struct proc *p = scene_proc(w, pid, comm ? comm : "");
	struct lens_rec_total r = {
		.h = { .len = sizeof(r), .type = LENS_REC_TOTAL, .ts_ns = 7 },
		.key = { .dev = LENS_DEV_UNPLACED, .kind = kind, .dir = LENS_WRITE,
			 .start_ns = p->key.start_ns, .tgid = pid },
		.total = { .ops = ops, .msgs = ops, .bytes = 10 * ops, .flags = flags },
	};
	struct event ev;
	size_t skip;

	p->known = comm;
	CHECK(event_decode(&r, sizeof(r), &ev, &skip) == (ssize_t)sizeof(r));
	world_apply(w, &ev);
	return p;
}

/* two of one name, one in the command's tree, one without a name, one of ours */
static struct world *crowded(void)
{
	struct world *w = world_new();

	had_no_room(w, 11, "cat", LENS_KIND_PIPE, 1, 0);
	had_no_room(w, 12, "cat", LENS_KIND_PIPE, 20, 0)->in_tree = true;
	had_no_room(w, 13, "sh", LENS_KIND_FIFO, 300, 0)->cgroup = xstrdup("/a/b");
	had_no_room(w, 14, NULL, LENS_KIND_PIPE, 4000, 0);
	had_no_room(w, 15, "ipclens", LENS_KIND_PIPE, 50000, LENS_END_SELF);
	w->complete = true;
	world_settle(w);
	return w;
}

/* operations that are shown, and those of which nothing tells whether they should be */
static void check_shown(const struct render_filter *f, uint64_t shown, uint64_t unknown)
{
	_cleanup_(world_freep) struct world *w = crowded();
	struct render_options opt = { .filter = *f };
	struct json_object *doc = scene_json(render_report_json, w, &opt), *rest;
	uint64_t ops = 0;

	for (size_t i = 0; i < scene_len(doc, "folded"); i++)
		ops += scene_u64(scene_get(scene_at(doc, "folded", i), "write"), "operations");
	CHECK_EQ_U64(ops, shown);
	CHECK(json_object_object_get_ex(doc, "unplaced_not_filtered", &rest) == !!unknown);
	if (unknown)
		CHECK_EQ_U64(scene_u64(doc, "unplaced_not_filtered"), unknown);
	/* whatever is asked for, that there is some */
	CHECK_EQ_U64(scene_u64(scene_get(doc, "loss"), "unplaced"), 4321);
	json_object_put(doc);
}

TEST(what_had_no_room_is_filtered_as_flows_are)
{
	static const uint32_t known = 12, nameless = 14;
	static const char *const cat = "cat", *const cgroup = "/a", *const channel = "pipe:[5]";

	check_shown(&(struct render_filter){}, 4321, 0);
	check_shown(&(struct render_filter){ .with_self = true }, 54321, 0);
	check_shown(&(struct render_filter){ .kinds = UINT64_C(1) << LENS_KIND_FIFO }, 300, 0);
	/* who has no name may be one of them, by another number, too */
	check_shown(&(struct render_filter){ .pids = &known, .pid_count = 1 }, 20, 4000);
	check_shown(&(struct render_filter){ .pids = &nameless, .pid_count = 1 }, 4000, 0);
	check_shown(&(struct render_filter){ .comms = &cat, .comm_count = 1 }, 21, 4000);
	check_shown(&(struct render_filter){ .tree_only = true }, 20, 4000);
	/* of whom no cgroup is known */
	check_shown(&(struct render_filter){ .cgroups = &cgroup, .cgroup_count = 1 }, 300, 4021);
	check_shown(&(struct render_filter){ .channels = &channel, .channel_count = 1 }, 0, 4321);
}

TEST(text_says_what_filters_could_not_tell)
{
	static const char *const cat = "cat";
	_cleanup_(world_freep) struct world *w = crowded();
	struct render_options opt = {
		.width = 200, .filter = { .comms = &cat, .comm_count = 1 },
	};
	_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

	scene_has(text, "cat(12)");
	scene_has(text, "cat(11)");
	scene_has(text, "of 4,000 operations on channels that had no room nothing tells");
	scene_has_not(text, "?(14)");
	scene_check_layout(text, 200);
}

/* what is not known when it is told may be so later */
TEST(a_name_may_come_after_what_had_no_room)
{
	static const char *const late = "late";
	_cleanup_(world_freep) struct world *w = world_new();
	struct render_options opt = { .filter = { .comms = &late, .comm_count = 1 } };
	struct json_object *doc;

	had_no_room(w, 11, NULL, LENS_KIND_PIPE, 1, 0);
	scene_proc(w, 11, "late");
	world_settle(w);
	doc = scene_json(render_report_json, w, &opt);
	CHECK_STR(scene_str(scene_get(scene_at(doc, "folded", 0), "from"), "comm"), "late");
	CHECK_EQ_U64(scene_len(doc, "processes"), 1);
	json_object_put(doc);
}

/* beyond a number of processes only names are kept, and memory does not grow */
TEST(what_had_no_room_of_many_is_summed_up)
{
	static const uint32_t pid = 5;
	_cleanup_(world_freep) struct world *w = world_new();
	struct render_options opt = { .filter = { .pids = &pid, .pid_count = 1 } };
	struct json_object *doc;

	for (uint32_t i = 1; i <= 1500; i++)
		had_no_room(w, i, "many", LENS_KIND_PIPE, 1, LENS_END_LAST);
	CHECK_EQ_U64(hash_count(w->folds), 1025);
	CHECK_EQ_U64(world_unplaced(w), 1500);
	world_settle(w);
	doc = scene_json(render_report_json, w, &opt);
	CHECK_EQ_U64(scene_len(doc, "folded"), 1);
	CHECK_EQ_U64(scene_u64(doc, "unplaced_not_filtered"), 476);
	json_object_put(doc);
}
