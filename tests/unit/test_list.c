/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The list of channels, as text and as JSON. */
#include "scene.h"

/* a pipe between two shells, an idle FIFO, a queue with a backlog, a queue that is gone */
static struct world *listed(void)
{
	struct world *w = scene_new();
	struct chan *pipe = scene_chan(w, LENS_KIND_PIPE, 101);
	struct chan *fifo = scene_chan(w, LENS_KIND_FIFO, 102);
	struct chan *queue = scene_chan(w, LENS_KIND_SYSV_MSG, 3);
	struct chan *gone = scene_chan(w, LENS_KIND_SYSV_MSG, 4);

	scene_hold(w, pipe, scene_proc(w, 11, "head"), LENS_WRITE, 1);
	scene_hold(w, pipe, scene_proc(w, 12, "wc"), LENS_READ, 0);
	scene_hold(w, pipe, scene_proc(w, 12, "wc"), LENS_READ, 9);
	chan_depth_get(pipe)->queued_bytes = 512;
	scene_name(fifo, "/run/f\033ifo");
	chan_depth_get(queue)->queued_bytes = 120;
	chan_depth_get(queue)->queued_msgs = 3;
	chan_more_get(queue)->types = xcalloc(2, sizeof(*chan_more(queue)->types));
	chan_more_get(queue)->types[0] = (struct type_count){ 1, 2, 100 };
	chan_more_get(queue)->types[1] = (struct type_count){ 77, 1, 20 };
	chan_more_get(queue)->type_count = 2;
	gone->gone = true;
	gone->live = false;
	return w;
}

TEST(text_joins_both_ends_with_descriptors)
{
	_cleanup_(world_freep) struct world *w = listed();
	_cleanup_free_ char *text = scene_render(render_list_text, w, NULL);

	scene_check_layout(text, 0);
	scene_has(text, "pipe:[101]");
	scene_has(text, "  pipe            512 B  64.0 KiB  head(11):1  wc(12):0,9\n");
	scene_has(text, "  sysv-msg  3 msg 120 B  64.0 KiB  -           -\n");
	scene_has(text, "/run/f\\x1bifo");
	scene_has_not(text, "[head");
	scene_has_not(text, "coverage");
}

TEST(text_shows_the_backlog_by_message_type)
{
	_cleanup_(world_freep) struct world *w = listed();
	_cleanup_free_ char *text = scene_render(render_list_text, w, NULL);

	scene_has(text, "TYPE/PRIORITY  MESSAGES  BYTES\n");
	scene_has(text, "        1         2    100\n");
	scene_has(text, "       77         1     20\n");
	scene_has_not(text, "id=4");
}

TEST(text_says_what_it_could_not_see)
{
	_cleanup_(world_freep) struct world *w = listed();
	_cleanup_free_ char *text = NULL;

	scene_cover(w, LENS_KIND_SYSV_MSG, "", "no test_run");
	chan_more_get(hash_at(w->chans, 2))->types_truncated = true;
	text = scene_render(render_list_text, w, NULL);
	scene_has(text, "sysv-msg: unavailable: no test_run");
	scene_has(text, "the backlog of 1 queue is longer");
}

TEST(text_fits_80_columns)
{
	_cleanup_(world_freep) struct world *w = listed();
	struct render_options opt = { .width = 80 };
	struct chan *c = scene_chan(w, LENS_KIND_FIFO, 5);
	_cleanup_free_ char *text = NULL;

	chan_more_get(c)->name = xcalloc(LENS_PATH_MAX, 1);
	memset(chan_more(c)->name, '/', LENS_PATH_MAX - 1);
	chan_more_get(c)->name_len = LENS_PATH_MAX - 1;
	for (uint32_t pid = 100; pid < 130; pid++)
		for (uint32_t fd = 0; fd < 20; fd++)
			scene_hold(w, c, scene_proc(w, pid, pid & 1 ? "odd" : "even"), LENS_READ,
				   fd);
	scene_hold(w, c, scene_proc(w, 200, "one"), LENS_WRITE, 1);
	text = scene_render(render_list_text, w, &opt);
	scene_check_layout(text, 80);
	scene_has(text, "even(15 pro");
}

TEST(json_has_the_objects_of_a_report_without_traffic)
{
	_cleanup_(world_freep) struct world *w = listed();
	struct json_object *o = scene_json(render_list_json, w, NULL), *c, *e;

	CHECK_STR(scene_str(o, "schema"), "ipclens.list/1");
	CHECK_EQ_U64(scene_len(o, "channels"), 3);
	CHECK_EQ_U64(scene_len(o, "processes"), 2);
	c = scene_at(o, "channels", 0);
	CHECK_EQ_U64(scene_u64(c, "queued_bytes"), 512);
	CHECK(!json_object_object_get_ex(c, "ledger", NULL));
	e = scene_at(c, "endpoints", 1);
	CHECK_STR(scene_str(e, "role"), "reader");
	CHECK_EQ_U64(scene_len(e, "fds"), 2);
	CHECK(!json_object_object_get_ex(e, "read", NULL));
	CHECK_STR(scene_str(scene_at(o, "channels", 1), "name"), "/run/f\\x1bifo");
	c = scene_at(o, "channels", 2);
	CHECK_EQ_U64(scene_u64(scene_get(c, "queued_by_msgtype"), "77"), 1);
	CHECK_EQ_U64(scene_len(c, "endpoints"), 0);
	json_object_put(o);
}

TEST(filters_hold_for_the_list_too)
{
	_cleanup_(world_freep) struct world *w = listed();
	struct render_options opt = { .filter.kinds = 1u << LENS_KIND_FIFO };
	struct json_object *o = scene_json(render_list_json, w, &opt);

	CHECK_EQ_U64(scene_len(o, "channels"), 1);
	CHECK_STR(scene_str(scene_at(o, "channels", 0), "type"), "fifo");
	json_object_put(o);
}
