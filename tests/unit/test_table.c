/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Column layout: alignment, narrowing, continuation below, cutting. */
#include "render/table.h"
#include "scene.h"

static const struct table_column two[] = {
	{ .title = "NAME", .min = 6, .keep_tail = true },
	{ .title = "COUNT", .right = true },
};

static char *print(struct table *t, unsigned width, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	table_print(out, t, width, colour);
	fclose(out);
	return text;
}

static char *cut(const char *s, unsigned width, bool keep_tail)
{
	struct buf out = {};

	buf_puts(&out, "");
	table_cut(&out, s, width, keep_tail);
	return out.data;
}

static void check_cut(const char *s, unsigned width, bool keep_tail, const char *want)
{
	_cleanup_free_ char *got = cut(s, width, keep_tail);

	CHECK_STR(got, want);
	CHECK(text_width(got) <= width);
}

TEST(numbers_stand_right_and_no_line_ends_in_blanks)
{
	_cleanup_(table_freep) struct table *t = table_new(two, ARRAY_SIZE(two));
	_cleanup_free_ char *text = NULL;

	table_cell(t, PAINT_NONE, "a");
	table_cell(t, PAINT_NONE, "7");
	table_cell(t, PAINT_NONE, "long name");
	table_cell(t, PAINT_NONE, "123,456");
	table_cell(t, PAINT_NONE, "no number");
	table_cell(t, PAINT_NONE, "");
	CHECK_EQ_U64(table_rows(t), 3);
	text = print(t, 0, false);
	CHECK_STR(text, "NAME         COUNT\n"
			"a                7\n"
			"long name  123,456\n"
			"no number\n");
}

TEST(long_texts_are_cut_to_the_width)
{
	_cleanup_(table_freep) struct table *t = table_new(two, ARRAY_SIZE(two));
	_cleanup_free_ char *text = NULL;

	table_cell(t, PAINT_NONE, "averylongname(12345)");
	table_cell(t, PAINT_NONE, "7");
	text = print(t, 18, false);
	CHECK_STR(text, "NAME         COUNT\n"
			"avery…12345)     7\n");
}

TEST(a_column_is_not_cut_below_its_least_width)
{
	_cleanup_(table_freep) struct table *t = table_new(two, ARRAY_SIZE(two));
	_cleanup_free_ char *text = NULL;

	table_cell(t, PAINT_NONE, "averylongname(12345)");
	table_cell(t, PAINT_NONE, "1234567");
	text = print(t, 5, false);
	CHECK_STR(text, "NAME     COUNT\n"
			"av…45) 1234567\n");
}

TEST(what_does_not_fit_goes_on_below)
{
	static const struct table_column columns[] = {
		{ .title = "KEY" },
		{ .title = "FIRST" },
		{ .title = "SECOND", .right = true, .breaks = true },
	};
	_cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
	_cleanup_free_ char *wide = NULL, *narrow = NULL;

	table_cell(t, PAINT_NONE, "k1");
	table_cell(t, PAINT_NONE, "one");
	table_cell(t, PAINT_NONE, "1");
	table_cell(t, PAINT_NONE, "k2");
	table_cell(t, PAINT_NONE, "two");
	table_cell(t, PAINT_NONE, "2");
	wide = print(t, 18, false);
	CHECK_STR(wide, "KEY  FIRST  SECOND\n"
			"k1   one         1\n"
			"k2   two         2\n");
	narrow = print(t, 12, false);
	CHECK_STR(narrow, "KEY  FIRST\n"
			  "k1   one\n"
			  "k2   two\n"
			  "\n"
			  "KEY  SECOND\n"
			  "k1        1\n"
			  "k2        2\n");
}

TEST(colour_only_when_asked_for)
{
	_cleanup_(table_freep) struct table *t = table_new(two, ARRAY_SIZE(two));
	_cleanup_free_ char *plain = NULL, *colour = NULL;

	table_cell(t, PAINT_NONE, "a");
	table_cell(t, PAINT_RED, "7");
	plain = print(t, 0, false);
	CHECK(!strchr(plain, '\033'));
	colour = print(t, 0, true);
	scene_has(colour, "\033[1;31m7\033[0m\n");
}

TEST(cutting_counts_columns_not_bytes)
{
	check_cut("abcdef", 6, false, "abcdef");
	check_cut("abcdef", 5, false, "abcd…");
	check_cut("abcdef", 1, false, "…");
	check_cut("abcdef", 0, false, "");
	check_cut("abcdef", 5, true, "ab…ef");
	check_cut("abcdef", 1, true, "…");
	check_cut("äöüäöü", 4, false, "äöü…");
	/* a wide character that would be split is dropped as a whole */
	check_cut("日本語", 4, false, "日…");
	check_cut("日本語", 4, true, "…語");
	check_cut("", 4, true, "");
}

TEST(cutting_never_splits_a_character)
{
	static const char text[] = "a\xc3\xa9\xe6\x97\xa5" "e\xcc\x81\xf0\x9f\x98\x80z(42)";

	for (unsigned width = 0; width < 20; width++)
		for (int tail = 0; tail < 2; tail++) {
			_cleanup_free_ char *got = cut(text, width, tail);
			_cleanup_(buf_fini) struct buf again = {};

			CHECK(text_width(got) <= width);
			buf_puts(&again, "");
			text_escape(&again, got, strlen(got));
			/* invalid UTF-8 would come out as \xHH */
			CHECK_STR(again.data, got);
		}
}

static void check_paragraph(const char *text, unsigned width, const char *want)
{
	_cleanup_free_ char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	table_paragraph(out, "loss", text, width);
	fclose(out);
	CHECK_STR(got, want);
}

TEST(paragraphs_wrap_with_a_hanging_indent)
{
	check_paragraph("nothing lost", 0, "loss      nothing lost\n");
	check_paragraph("one two three", 18, "loss      one two\n          three\n");
	check_paragraph("unbreakablelongword x", 14,
			"loss      unbreakablelongword\n          x\n");
}
