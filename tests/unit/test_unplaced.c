// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What found the table of totals full, in reports: filtered as flows are, or said not to be. */
#include "model/fold.h"
#include "render/view.h"
#include "scene.h"

#define ROWS_BY_PROCESS 1024

static void tell(struct world *w, const struct lens_proc *who, unsigned kind,
		 const struct lens_total *t)
{
	struct lens_rec_total r = {
		.h = { .len = sizeof(r), .type = LENS_REC_TOTAL, .ts_ns = 7 },
		.key = { .dev = LENS_DEV_UNPLACED, .kind = kind, .dir = LENS_WRITE,
			 .start_ns = who->start_ns, .tgid = who->tgid },
		.total = *t,
	};
	struct event ev;
	size_t skip;

	CHECK(event_decode(&r, sizeof(r), &ev, &skip) == (ssize_t)sizeof(r));
	world_apply(w, &ev);
}

static struct proc *had_no_room(struct world *w, uint32_t pid, const char *comm, unsigned kind,
				uint64_t ops, uint32_t flags)
{
	struct proc *p = scene_proc(w, pid, comm ? comm : "");
	struct lens_total t = { .ops = ops, .msgs = ops, .bytes = 10 * ops, .flags = flags };

	p->known = comm;
	tell(w, &p->key, kind, &t);
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

static void fill_rows(struct world *w)
{
	for (uint32_t i = 1; i <= ROWS_BY_PROCESS; i++)
		had_no_room(w, i, i % 2 ? "zed" : "abe", LENS_KIND_PIPE, 1, LENS_END_LAST);
}

static void check_late(const struct render_filter *f, uint64_t shown, uint64_t unknown)
{
	_cleanup_(world_freep) struct world *w = world_new();
	struct render_options opt = { .filter = *f };
	struct json_object *doc, *rest;
	uint64_t ops = 0;

	fill_rows(w);
	had_no_room(w, 5000, NULL, LENS_KIND_PIPE, 10000, 0);
	had_no_room(w, 5001, "known", LENS_KIND_PIPE, 200000, 0);
	/* what comes too late for that row */
	scene_proc(w, 5000, "late")->in_tree = true;
	world_settle(w);
	doc = scene_json(render_report_json, w, &opt);
	for (size_t i = 0; i < scene_len(doc, "folded"); i++)
		ops += scene_u64(scene_get(scene_at(doc, "folded", i), "write"), "operations");
	CHECK_EQ_U64(ops, shown);
	CHECK(json_object_object_get_ex(doc, "unplaced_not_filtered", &rest) == !!unknown);
	if (unknown)
		CHECK_EQ_U64(scene_u64(doc, "unplaced_not_filtered"), unknown);
	json_object_put(doc);
}

/* a row by name stays as it was when it was told; of whom nothing was known by then, it says so */
TEST(a_name_may_come_too_late_for_a_row_of_many)
{
	static const uint32_t pid = 5000;
	static const char *const late = "late", *const known = "known", *const none = "",
		*const cgroup = "/a", *const channel = "pipe:[5]";

	check_late(&(struct render_filter){}, 211024, 0);
	check_late(&(struct render_filter){ .kinds = UINT64_C(1) << LENS_KIND_PIPE }, 211024, 0);
	check_late(&(struct render_filter){ .kinds = UINT64_C(1) << LENS_KIND_FIFO }, 0, 0);
	check_late(&(struct render_filter){ .comms = &late, .comm_count = 1 }, 0, 10000);
	check_late(&(struct render_filter){ .comms = &known, .comm_count = 1 }, 200000, 10000);
	check_late(&(struct render_filter){ .comms = &none, .comm_count = 1 }, 0, 10000);
	check_late(&(struct render_filter){ .tree_only = true }, 0, 10000);
	check_late(&(struct render_filter){ .pids = &pid, .pid_count = 1 }, 0, 210000);
	check_late(&(struct render_filter){ .cgroups = &cgroup, .cgroup_count = 1 }, 0, 211024);
	check_late(&(struct render_filter){ .channels = &channel, .channel_count = 1 }, 0, 211024);
}

/* the kernel side adds operations first: a reading may come between these and their bytes */
TEST(bytes_may_come_after_what_had_no_room)
{
	static const struct lens_total readings[] = {
		{ .ops = 2 },
		{ .ops = 2, .bytes = 10 },
		{ .ops = 2, .bytes = 10, .msgs = 1 },
		{ .ops = 2, .bytes = 10, .msgs = 1, .errors = 1 },
		{ .ops = 2, .bytes = 10, .msgs = 1, .errors = 1, .shorts = 1,
		  .flags = LENS_END_LAST },
		/* an entry of its own, read before its operations and after its bytes */
		{ .bytes = 5 },
		{ .bytes = 5, .ops = 1 },
		{ .bytes = 5, .ops = 1, .flags = LENS_END_LAST },
	};
	static const struct lens_proc who = { .start_ns = 5, .tgid = 5 };
	_cleanup_(world_freep) struct world *w = world_new();
	const struct lens_total *sum;

	for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
		tell(w, &who, LENS_KIND_PIPE, &readings[i]);
		unplaced_forget(w);
	}
	CHECK_EQ_U64(hash_count(w->folds), 1);
	sum = &((struct fold *)hash_at(w->folds, 0))->total[LENS_WRITE];
	CHECK_EQ_U64(sum->ops, 3);
	CHECK_EQ_U64(sum->bytes, 15);
	CHECK_EQ_U64(sum->msgs, 1);
	CHECK_EQ_U64(sum->errors, 1);
	CHECK_EQ_U64(sum->shorts, 1);
	CHECK_EQ_U64(world_unplaced(w), 3);
}

static const struct fold *row_of_zero(const struct world *w)
{
	const struct fold *found = NULL;

	for (size_t i = 0; i < hash_count(w->folds); i++) {
		const struct fold *f = hash_at(w->folds, i);

		if (!f->proc || f->proc->key.tgid)
			continue;
		CHECK(!found);
		found = f;
	}
	CHECK(found);
	return found;
}

/* records are not trusted: a process with nothing but zeroes for a name is one, not several */
TEST(the_process_zero_that_had_no_room_is_not_many)
{
	static const struct lens_proc zero;
	static const struct lens_total one = { .ops = 1 };
	_cleanup_(world_freep) struct world *w = world_new();

	tell(w, &zero, LENS_KIND_PIPE, &one);
	world_proc(w, &zero)->known = true;
	fill_rows(w);
	had_no_room(w, 5000, "", LENS_KIND_PIPE, 7, 0);
	CHECK_EQ_U64(row_of_zero(w)->total[LENS_WRITE].ops, 1);
}

TEST(the_process_zero_that_had_no_room_has_a_row_beside_many_names)
{
	static const struct lens_proc zero;
	static const struct lens_total one = { .ops = 1 };
	_cleanup_(world_freep) struct world *w = world_new();
	struct fold_key key;

	for (uint32_t i = 0; i < 1025; i++) {
		memset(&key, 0, sizeof(key));
		key.kind = LENS_KIND_PIPE;
		key.unplaced = true;
		key.names[LENS_WRITE] = FOLD_ONE;
		snprintf(key.comm[LENS_WRITE], LENS_COMM_LEN, "n%u", i);
		fold_get(w, &key)->total[LENS_WRITE].ops++;
	}
	tell(w, &zero, LENS_KIND_PIPE, &one);
	CHECK_EQ_U64(row_of_zero(w)->names[LENS_WRITE].count, FOLD_ONE);
	CHECK_EQ_U64(row_of_zero(w)->total[LENS_WRITE].ops, 1);
}

/* rows of the same size, whose names would put those without a process between the others */
TEST(rows_of_a_process_come_before_those_of_a_name)
{
	static const struct render_filter all;
	_cleanup_(world_freep) struct world *w = world_new();
	struct view v;

	fill_rows(w);
	had_no_room(w, 5000, "many", LENS_KIND_PIPE, 1, 0);
	had_no_room(w, 5001, "more", LENS_KIND_PIPE, 1, 0);
	world_settle(w);
	view_report(&v, w, &all);
	view_sort(&v);
	CHECK_EQ_U64(v.fold_count, ROWS_BY_PROCESS + 2);
	for (size_t i = 0; i < v.fold_count; i++)
		CHECK(!!v.folds[i]->proc == (i < ROWS_BY_PROCESS));
	view_fini(&v);
}
