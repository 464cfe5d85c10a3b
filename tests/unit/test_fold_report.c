// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What was summed up and forgotten, in reports: shown, filtered, escaped. */
#include "scene.h"

/* made by the model from records, as a run would */
static void forget_pipe(struct world *w, uint64_t ino, const char *writer, const char *reader,
			uint64_t bytes, uint32_t flags)
{
	struct chan *c = scene_chan(w, LENS_KIND_PIPE, ino);
	uint32_t pid = 1000 + (uint32_t)ino * 2;

	scene_move(w, c, scene_proc(w, pid, writer), LENS_WRITE, 2, bytes);
	scene_move(w, c, scene_proc(w, pid + 1, reader), LENS_READ, 1, bytes);
	c->live = false;
	for (size_t i = 0; i < c->end_count; i++)
		for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
			end_side_get(chan_ends(c)[i], d)->final = true;
			end_side_get(chan_ends(c)[i], d)->flags |= flags;
		}
}

static void mark(struct world *w, enum lens_mark which)
{
	struct lens_rec_mark m = {
		.h = { .len = sizeof(m), .type = LENS_REC_MARK, .ts_ns = 7 }, .mark = which,
	};
	struct event ev;
	size_t skip;

	CHECK(event_decode(&m, sizeof(m), &ev, &skip) == (ssize_t)sizeof(m));
	world_apply(w, &ev);
}

/* 30 pipes sh -> cat, 20 of a hostile name, and what scene_pipeline() has */
static struct world *forgetful(void)
{
	struct world *w = scene_pipeline();

	for (unsigned i = 0; i < 30; i++)
		forget_pipe(w, 500 + i, "sh", "cat", 100, i < 10 ? LENS_END_TREE : 0);
	for (unsigned i = 0; i < 20; i++)
		forget_pipe(w, 600 + i, "\x1b[2J", "cat", 7, 0);
	scene_announce(w, hash_at(w->chans, 0), hash_at(w->procs, 0), LENS_WRITE, 1);
	scene_announce(w, hash_at(w->chans, 1), hash_at(w->procs, 1), LENS_WRITE, 2);
	w->max_ended = 0;
	for (unsigned i = 0; i < 2; i++) {
		mark(w, LENS_MARK_LOOK_BEGIN);
		mark(w, LENS_MARK_LOOK_END);
		mark(w, LENS_MARK_LOOK_SETTLED);
	}
	CHECK_EQ_U64(w->folded_chans, 50);
	return w;
}

TEST(json_has_the_sums)
{
	_cleanup_(world_freep) struct world *w = forgetful();
	struct json_object *doc = scene_json(render_report_json, w, NULL), *row;

	CHECK_EQ_U64(scene_len(doc, "folded"), 3);
	/* those of the tree stand apart */
	CHECK_EQ_U64(scene_u64(scene_at(doc, "folded", 0), "channels"), 20);
	row = scene_at(doc, "folded", 1);
	CHECK_STR(scene_str(row, "type"), "pipe");
	CHECK_STR(scene_str(scene_get(row, "from"), "comm"), "sh");
	CHECK_STR(scene_str(scene_get(row, "to"), "comm"), "cat");
	CHECK_EQ_U64(scene_u64(row, "channels"), 10);
	CHECK_EQ_U64(scene_u64(scene_get(row, "write"), "messages"), 20);
	CHECK_EQ_U64(scene_u64(scene_get(row, "write"), "bytes"), 1000);
	CHECK_EQ_U64(scene_u64(scene_get(row, "read"), "bytes"), 1000);
	CHECK_EQ_U64(scene_u64(scene_get(row, "ledger"), "written"), 1000);
	CHECK_EQ_U64(scene_u64(scene_get(row, "ledger"), "unaccounted"), 0);
	CHECK_EQ_U64(scene_u64(row, "flows"), 10);
	CHECK_STR(scene_str(scene_get(scene_at(doc, "folded", 2), "from"), "comm"), "\\x1b[2J");
	json_object_put(doc);
}

TEST(json_says_nothing_where_nothing_was_forgotten)
{
	_cleanup_(world_freep) struct world *w = scene_pipeline();
	_cleanup_free_ char *json = scene_render(render_report_json, w, NULL);
	_cleanup_free_ char *text = scene_render(render_report_text, w, NULL);

	scene_has_not(json, "folded");
	scene_has_not(text, "folded");
}

TEST(text_shows_a_row_per_pair_of_names)
{
	_cleanup_(world_freep) struct world *w = forgetful();
	struct render_options opt = { .width = 100 };
	_cleanup_free_ char *text = scene_render(render_report_text, w, &opt);

	scene_has(text, "50 channels that are gone are summed up by the names of their ends");
	scene_has(text, "\\x1b[2J  cat");
	scene_check_layout(text, 100);
}

TEST(filters_hold_for_sums)
{
	static const uint32_t pid = 11;
	static const char *const sh = "sh";
	_cleanup_(world_freep) struct world *w = forgetful();
	struct render_options tree = { .filter.tree_only = true };
	struct render_options comm = { .filter = { .comms = &sh, .comm_count = 1 } };
	struct render_options kind = { .filter.kinds = UINT64_C(1) << LENS_KIND_FIFO };
	struct render_options pids = { .filter = { .pids = &pid, .pid_count = 1 } };
	struct json_object *doc = scene_json(render_report_json, w, &tree);

	CHECK_EQ_U64(scene_len(doc, "folded"), 1);
	CHECK_EQ_U64(scene_u64(scene_at(doc, "folded", 0), "channels"), 10);
	json_object_put(doc);
	doc = scene_json(render_report_json, w, &comm);
	CHECK_EQ_U64(scene_len(doc, "folded"), 2);
	json_object_put(doc);
	doc = scene_json(render_report_json, w, &kind);
	CHECK_EQ_U64(scene_len(doc, "folded"), 0);
	json_object_put(doc);
	/* nobody knows any more whether process 11 was among them */
	doc = scene_json(render_report_json, w, &pids);
	CHECK_EQ_U64(scene_len(doc, "folded"), 0);
	CHECK_EQ_U64(scene_u64(doc, "folded_channels_not_filtered"), 50);
	json_object_put(doc);
}
