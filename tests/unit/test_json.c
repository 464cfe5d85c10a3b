/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Values of JSON, byte for byte: what reads documents line by line depends on where the breaks are.
 */
#include "printed.h"

static void check(struct js_value *v, bool pretty, const char *text)
{
	_cleanup_(buf_fini) struct buf out = {};

	js_print(&out, v, pretty, 0);
	CHECK_STR(out.data, text);
	js_free(v);
}

TEST(numbers_have_all_digits)
{
	check(js_u64(0), false, "0");
	check(js_u64(UINT64_MAX), false, "18446744073709551615");
	check(js_i64(INT64_MIN), false, "-9223372036854775808");
	check(js_i64(INT64_MAX), false, "9223372036854775807");
	check(js_id64(UINT64_MAX), false, "\"18446744073709551615\"");
	check(js_fixed(1234567, 3), false, "1234.567");
	check(js_fixed(5, 3), false, "0.005");
	check(js_bool(true), false, "true");
	check(js_bool(false), false, "false");
	check(NULL, false, "null");
	CHECK(!js_str(NULL));
}

TEST(strings_are_escaped_once)
{
	struct buf label = {}, none = {};

	check(js_str(""), false, "\"\"");
	check(js_str("a/b \"c\" and much more"), false, "\"a/b \\\"c\\\" and much more\"");
	/* a backslash is doubled by the escape for hostile bytes, and both by JSON */
	check(js_str("back\\slash"), false, "\"back\\\\\\\\slash\"");
	check(js_text("nul\0\x1f\x7f\xff", 7), false,
	      "\"nul\\\\x00\\\\x1f\\\\x7f\\\\xff\"");
	check(js_str("\xc3\xa4\xf0\x9f\x98\x80"), false, "\"\xc3\xa4\xf0\x9f\x98\x80\"");
	buf_add(&label, "tab\tend", 7);
	check(js_label(&label), false, "\"tab\\u0009end\"");
	CHECK(!label.data);
	check(js_label(&none), false, "\"\"");
}

static struct js_value *nested(void)
{
	static const uint32_t numbers[] = { 7, 4294967295 };
	struct js_value *o = js_object(), *list = js_array(), *last = js_object();
	char key[] = "2\"";

	js_put(o, "none", NULL);
	/* filled in after it was put where it belongs */
	js_put(o, "list", list);
	js_add(list, NULL);
	js_add(list, js_array());
	js_add(list, last);
	js_put(last, "fds", js_numbers(numbers, ARRAY_SIZE(numbers)));
	js_put(last, "no_fds", js_numbers(NULL, 0));
	js_put(o, "empty", js_object());
	js_put_copied(o, key, js_str("x"));
	memset(key, 0, sizeof(key));
	return o;
}

TEST(members_stand_in_their_order)
{
	check(nested(), false, "{\"none\":null,\"list\":[null,[],{\"fds\":[7,4294967295],"
	      "\"no_fds\":[]}],\"empty\":{},\"2\\\"\":\"x\"}");
	check(nested(), true,
	      "{\n"
	      "  \"none\":null,\n"
	      "  \"list\":[\n"
	      "    null,\n"
	      "    [],\n"
	      "    {\n"
	      "      \"fds\":[\n"
	      "        7,\n"
	      "        4294967295\n"
	      "      ],\n"
	      "      \"no_fds\":[]\n"
	      "    }\n"
	      "  ],\n"
	      "  \"empty\":{},\n"
	      "  \"2\\\"\":\"x\"\n"
	      "}");
}

TEST(documents_are_written_in_pieces)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct json_object *o, *rows;
	struct js_doc d;

	js_doc_begin(&d, out, "test/1");
	js_doc_array(&d, "none");
	js_doc_array_end(&d);
	js_doc_array(&d, "rows");
	for (unsigned i = 0; i < 20000; i++)
		js_doc_add(&d, js_u64(i));
	js_doc_array_end(&d);
	js_doc_end(&d);
	fclose(out);
	scene_has(text, "{\n  \"schema\":\"test/1\",\n  \"none\":[],\n  \"rows\":[\n    0,\n"
			"    1,\n");
	scene_has(text, "    19999\n  ]\n}\n");
	o = scene_parse(text);
	rows = scene_get(o, "rows");
	CHECK_EQ_U64(json_object_array_length(rows), 20000);
	json_object_put(o);
	free(text);
}
