/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Escaping of hostile bytes and formatting of numbers. The properties of
 * escaped text are checked by a decoder of its own, written the other way
 * round (hostile.h: by the table of well-formed sequences in the Unicode standard).
 */
#include "base/base.h"
#include "hostile.h"

static void check_escape(const char *bytes, size_t len, const char *want, int line)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	char back[256];

	text_escape(&out, bytes, len);
	if (out.len != strlen(want) || strcmp(out.data, want))
		TEST_FAIL("line %d: escaped to \"%s\", not \"%s\"", line, out.data, want);
	CHECK_MEM(back, (size_t)text_unescape(out.data, back), bytes, len);
}

#define ESCAPES(bytes, want) check_escape(bytes, sizeof(bytes) - 1, want, __LINE__)

TEST(escape_keeps_plain_text)
{
	ESCAPES("", "");
	ESCAPES("head -c 10 /dev/zero", "head -c 10 /dev/zero");
	ESCAPES("quotes \" and ' stay", "quotes \" and ' stay");
	ESCAPES("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	ESCAPES("\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac");
	ESCAPES("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
	ESCAPES("\xef\xbf\xbd", "\xef\xbf\xbd");
}

TEST(escape_backslash)
{
	ESCAPES("\\", "\\\\");
	ESCAPES("a\\x41", "a\\\\x41");
	ESCAPES("\\\\\n\\", "\\\\\\\\\\x0a\\\\");
}

TEST(escape_control_characters)
{
	ESCAPES("\0", "\\x00");
	ESCAPES("a\nb\tc\r", "a\\x0ab\\x09c\\x0d");
	ESCAPES("\033]0;title\007", "\\x1b]0;title\\x07");
	ESCAPES("\x1f \x7e\x7f", "\\x1f \x7e\\x7f");
	/* U+0080, U+009B (CSI), U+009F; U+00A0 is none */
	ESCAPES("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
	/* the same as single bytes are no UTF-8 */
	ESCAPES("\x80\x9b\x9f", "\\x80\\x9b\\x9f");
}

/* first and last of every range, and their neighbours */
TEST(escape_invisible_characters)
{
	ESCAPES("\xe2\x80\x8a\xe2\x80\x8b", "\xe2\x80\x8a\\xe2\\x80\\x8b");
	ESCAPES("\xe2\x80\x8f\xe2\x80\x90", "\\xe2\\x80\\x8f\xe2\x80\x90");
	ESCAPES("\xe2\x80\xa7\xe2\x80\xa8", "\xe2\x80\xa7\\xe2\\x80\\xa8");
	ESCAPES("\xe2\x80\xae\xe2\x80\xaf", "\\xe2\\x80\\xae\xe2\x80\xaf");
	ESCAPES("\xe2\x81\x9f\xe2\x81\xa0", "\xe2\x81\x9f\\xe2\\x81\\xa0");
	ESCAPES("\xe2\x81\xa4", "\\xe2\\x81\\xa4");
	ESCAPES("\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	ESCAPES("\xe2\x81\xaf\xe2\x81\xb0", "\\xe2\\x81\\xaf\xe2\x81\xb0");
	ESCAPES("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
	ESCAPES("\xd8\x9c", "\\xd8\\x9c");
	ESCAPES("\xf3\xa0\x80\xa1\xf3\xa0\x84\x80", "\\xf3\\xa0\\x80\\xa1\xf3\xa0\x84\x80");
}

TEST(escape_malformed_utf8)
{
	/* continuation without a start, start without a continuation */
	ESCAPES("\xbf", "\\xbf");
	ESCAPES("\xc3", "\\xc3");
	ESCAPES("\xc3(", "\\xc3(");
	ESCAPES("\xe6\x97", "\\xe6\\x97");
	ESCAPES("\xe6\x97z", "\\xe6\\x97z");
	ESCAPES("\xf0\x9f\x98", "\\xf0\\x9f\\x98");
	/* after a broken sequence the next one counts again */
	ESCAPES("\xe6\xc3\xbc", "\\xe6\xc3\xbc");
	/* overlong: slash, NUL, ESC, the last of each length */
	ESCAPES("\xc0\xaf", "\\xc0\\xaf");
	ESCAPES("\xc0\x80", "\\xc0\\x80");
	ESCAPES("\xc1\xbf", "\\xc1\\xbf");
	ESCAPES("\xe0\x80\x9b", "\\xe0\\x80\\x9b");
	ESCAPES("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");
	ESCAPES("\xe0\xa0\x80", "\xe0\xa0\x80");
	ESCAPES("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	ESCAPES("\xf0\x90\x80\x80", "\xf0\x90\x80\x80");
	/* surrogates and their neighbours */
	ESCAPES("\xed\x9f\xbf", "\xed\x9f\xbf");
	ESCAPES("\xed\xa0\x80", "\\xed\\xa0\\x80");
	ESCAPES("\xed\xbf\xbf", "\\xed\\xbf\\xbf");
	ESCAPES("\xee\x80\x80", "\xee\x80\x80");
	/* beyond U+10FFFF */
	ESCAPES("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
	ESCAPES("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	ESCAPES("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
	ESCAPES("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	ESCAPES("\xfe\xff", "\\xfe\\xff");
}

TEST(escape_appends)
{
	_cleanup_(buf_fini) struct buf out = { 0 };

	buf_puts(&out, "x=");
	text_escape(&out, "\n", 1);
	text_escape(&out, "", 0);
	CHECK_STR(out.data, "x=\\x0a");
}

TEST(escape_round_trip_of_random_bytes)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	unsigned char bytes[64];
	char *back = NULL;

	for (int i = 0; i < 100000; i++) {
		size_t len = random_bytes(bytes, sizeof(bytes));
		ssize_t got;

		out.len = 0;
		text_escape(&out, bytes, len);
		check_safe(out.data, out.len, false);
		/* as much as is promised to be enough, so that a sanitizer sees more */
		back = xrealloc(back, out.len, 1);
		got = text_unescape(out.data, back);
		CHECK(got >= 0);
		CHECK_MEM(back, (size_t)got, bytes, len);
	}
	free(back);
}

/* every code point: escaped or itself, and never wrong about which */
TEST(escape_every_code_point)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	unsigned escaped = 0;

	for (uint32_t point = 0; point < 0x120000; point++) {
		unsigned char bytes[8] = { 0 };
		size_t len = put_utf8(bytes, point);
		bool valid = sequence_len(bytes) == len;
		bool kept;

		out.len = 0;
		text_escape(&out, bytes, len);
		check_safe(out.data, out.len, false);
		kept = out.len == len && !memcmp(out.data, bytes, len);
		CHECK_EQ_U64(valid, point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
		if (!valid || forbidden(bytes))
			CHECK(!kept);
		if (!kept && point != '\\')
			CHECK_EQ_U64(out.len, 4 * len);
		if (valid && !kept)
			escaped++;
	}
	/* the list in text_escape.c, and the backslash */
	CHECK_EQ_U64(escaped, 32 + 33 + 1 + 1 + 1 + 5 + 7 + 16 + 1 + 3 + 128 + 1);
}

TEST(unescape_refuses_other_escapes)
{
	static const char *const bad[] = {
		"\\", "a\\", "\\x", "\\x1", "\\xg1", "\\x1g", "\\n", "\\X41", "\\x 1", "\\\\\\",
	};
	char out[16];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *exact = xstrdup(bad[i]);

		if (text_unescape(exact, out) != -EINVAL)
			TEST_FAIL("accepted: %s", bad[i]);
	}
	CHECK_EQ_I64(text_unescape("\\x1B\\x1b", out), 2);
	CHECK_MEM(out, 2, "\x1b\x1b", 2);
}

TEST(width)
{
	CHECK_EQ_U64(text_width(""), 0);
	CHECK_EQ_U64(text_width("pipe:[123]"), 10);
	CHECK_EQ_U64(text_width("\\x1b"), 4);
	CHECK_EQ_U64(text_width("gr\xc3\xbc\xc3\x9f"), 4);
	CHECK_EQ_U64(text_width("u\xcc\x88"), 1);
	CHECK_EQ_U64(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	CHECK_EQ_U64(text_width("\xf0\x9f\x98\x80!"), 3);
	CHECK_EQ_U64(text_width("\xe3\x81\x8b\xe3\x82\x99"), 2);
	CHECK_EQ_U64(text_width("\xef\xbc\xa1\xef\xbd\xb1"), 3);
	CHECK_EQ_U64(text_width("\xe2\x80\xa6/b"), 3);
	/* not escaped text at all: still an answer */
	CHECK_EQ_U64(text_width("\xff\xe6\x97"), 3);
}

static void check_bytes(uint64_t bytes, const char *want)
{
	char out[TEXT_NUM];

	CHECK_STR(text_bytes(out, bytes), want);
}

TEST(bytes)
{
	check_bytes(0, "0 B");
	check_bytes(17, "17 B");
	check_bytes(1023, "1023 B");
	check_bytes(1024, "1.0 KiB");
	check_bytes(1536, "1.5 KiB");
	check_bytes(102348, "99.9 KiB");
	check_bytes(102349, "100 KiB");
	check_bytes(1048063, "1023 KiB");
	check_bytes(1048064, "1.0 MiB");
	check_bytes(100000000, "95.4 MiB");
	check_bytes(3ULL << 29, "1.5 GiB");
	check_bytes((1ULL << 60) - 1, "1.0 EiB");
	check_bytes(UINT64_MAX, "16.0 EiB");
}

static void check_duration(uint64_t ns, const char *want)
{
	char out[TEXT_NUM];

	CHECK_STR(text_duration(out, ns), want);
}

TEST(duration)
{
	check_duration(0, "0 s");
	check_duration(1, "1 ns");
	check_duration(999, "999 ns");
	check_duration(1000, "1.00 us");
	check_duration(9994, "9.99 us");
	check_duration(9995, "10.0 us");
	check_duration(340000, "340 us");
	check_duration(999499, "999 us");
	check_duration(999500, "1.00 ms");
	check_duration(1230000000, "1.23 s");
	check_duration(59949999999, "59.9 s");
	check_duration(59950000000, "1m 00s");
	check_duration(83000000000, "1m 23s");
	check_duration(3599499999999, "59m 59s");
	check_duration(3599500000000, "1h 00m");
	check_duration(86369999999999, "23h 59m");
	check_duration(86370000000000, "1d 00h");
	check_duration(999 * 86400000000000ULL, "999d 00h");
	check_duration(1000 * 86400000000000ULL, "1000 d");
	check_duration(UINT64_MAX, "213504 d");
}

/* columns promised in base.h, around every power of two and ten */
TEST(number_widths)
{
	char out[TEXT_NUM];

	for (int shift = 0; shift < 64; shift++)
		for (uint64_t off = 0; off < 200; off++) {
			uint64_t base = 1ULL << shift, share = base / 200 * off;

			CHECK(strlen(text_bytes(out, base + share)) <= 9);
			CHECK(strlen(text_bytes(out, base - 1)) <= 9);
			CHECK(strlen(text_duration(out, base + share)) <= 8);
		}
	for (uint64_t power = 1; power < UINT64_MAX / 10; power *= 10)
		for (int off = -2; off < 3; off++) {
			CHECK(strlen(text_bytes(out, power + (uint64_t)off)) <= 9);
			CHECK(strlen(text_duration(out, power + (uint64_t)off)) <= 8);
		}
}

struct parse_case {
	const char *text;
	int err;
	uint64_t want;
};

static void check_parse(int (*parse)(const char *, uint64_t *), const struct parse_case *cases,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t got = 12345;
		int err = parse(cases[i].text, &got);

		/* an output is untouched on failure */
		if (err != cases[i].err || got != (err ? 12345 : cases[i].want))
			TEST_FAIL("\"%s\": %d, %" PRIu64 " and not %d, %" PRIu64, cases[i].text,
				  err, got, cases[i].err, cases[i].want);
	}
}

TEST(parse_duration)
{
	static const struct parse_case cases[] = {
		{ "10s", 0, 10000000000 }, { "500ms", 0, 500000000 }, { "2m", 0, 120000000000 },
		{ "1.5", 0, 1500000000 }, { "250us", 0, 250000 }, { "1h", 0, 3600000000000 },
		{ "0", 0, 0 }, { "7ns", 0, 7 }, { "1d", 0, 86400000000000 },
		{ "0.1s", 0, 100000000 }, { "1.5m", 0, 90000000000 }, { "0.25h", 0, 900000000000 },
		{ "1.9ns", 0, 1 }, { "0.0000000019", 0, 1 },
		{ "1.000000000000000000000001", 0, 1000000000 },
		{ "007", 0, 7000000000 }, { "18446744073709551615ns", 0, UINT64_MAX },
		{ "18446744073.709551615", 0, UINT64_MAX },
		{ "18446744073.709551616", -ERANGE, 0 }, { "18446744073709551616ns", -ERANGE, 0 },
		{ "18446744074s", -ERANGE, 0 }, { "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "s", -EINVAL, 0 }, { ".5", -EINVAL, 0 }, { "1.", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 }, { "1 s", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 }, { "1S", -EINVAL, 0 }, { "1ss", -EINVAL, 0 },
		{ "1m30s", -EINVAL, 0 }, { "1.5.5", -EINVAL, 0 }, { "1,5", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "1e3", -EINVAL, 0 }, { "inf", -EINVAL, 0 },
	};

	check_parse(text_parse_duration, cases, ARRAY_SIZE(cases));
}

TEST(parse_size)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 }, { "17", 0, 17 }, { "64K", 0, 65536 }, { "16M", 0, 16 << 20 },
		{ "1G", 0, 1 << 30 }, { "2T", 0, 2ULL << 40 }, { "64k", 0, 65536 },
		{ "18446744073709551615", 0, UINT64_MAX }, { "16777215T", 0, 16777215ULL << 40 },
		{ "16777216T", -ERANGE, 0 }, { "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "K", -EINVAL, 0 }, { "-1", -EINVAL, 0 },
		{ "1.5M", -EINVAL, 0 }, { "1KB", -EINVAL, 0 }, { "1 K", -EINVAL, 0 },
		{ "1X", -EINVAL, 0 }, { "0x10", -EINVAL, 0 },
	};

	check_parse(text_parse_size, cases, ARRAY_SIZE(cases));
}

static int parse_up_to_1000(const char *s, uint64_t *ret)
{
	return text_parse_u64(s, 1000, ret);
}

static int parse_any(const char *s, uint64_t *ret)
{
	return text_parse_u64(s, UINT64_MAX, ret);
}

TEST(parse_u64)
{
	static const struct parse_case small[] = {
		{ "0", 0, 0 }, { "1000", 0, 1000 }, { "0001000", 0, 1000 }, { "1001", -ERANGE, 0 },
	};
	static const struct parse_case any[] = {
		{ "18446744073709551615", 0, UINT64_MAX }, { "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551625", -ERANGE, 0 }, { "184467440737095516150", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "-0", -EINVAL, 0 }, { "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 }, { "0x1", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "99999999999999999999x", -EINVAL, 0 }, { "\xd9\xa1", -EINVAL, 0 },
	};

	check_parse(parse_up_to_1000, small, ARRAY_SIZE(small));
	check_parse(parse_any, any, ARRAY_SIZE(any));
}

TEST(plain_bytes_are_counted_to_the_first_other)
{
	char text[40];

	for (unsigned c = 0; c < 256; c++) {
		bool plain = c >= ' ' && c < 0x7f && c != '\\' && c != '"';

		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)c;
			CHECK_EQ_U64(text_plain_len(text, sizeof(text)),
				     plain ? sizeof(text) : at);
			CHECK_EQ_U64(text_plain_len(text, at), at);
		}
	}
}
