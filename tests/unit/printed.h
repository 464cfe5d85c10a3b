/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a renderer has put together, printed and parsed again by somebody else.
 */
#ifndef LENS_TEST_PRINTED_H
#define LENS_TEST_PRINTED_H

#include "render/json.h"
#include "scene.h"

/* takes over the value */
SCENE struct json_object *printed(struct js_value *v)
{
	_cleanup_(buf_fini) struct buf text = {};

	js_print(&text, v, true, 0);
	js_free(v);
	return scene_parse(text.data);
}

#endif
