/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hostile bytes as text that is safe to print, and back; and how wide that
 * text is. Knows neither terminals nor JSON: quoting for a format is done by
 * who writes the format.
 */
#include "base/base.h"

struct range {
	uint32_t first, last;
};

/*
 * Code points that are valid, but not shown as what they are: controls, bidi
 * controls, zero-width and other invisible format characters, separators that
 * some readers take for the end of a line. Sorted.
 */
static const struct range unsafe[] = {
	{ 0x0000, 0x001f },	/* C0 */
	{ 0x007f, 0x009f },	/* DEL, C1 */
	{ 0x00ad, 0x00ad },	/* soft hyphen */
	{ 0x061c, 0x061c },	/* Arabic letter mark, a bidi control */
	{ 0x180e, 0x180e },	/* Mongolian vowel separator */
	{ 0x200b, 0x200f },	/* zero-width space and joiners, direction marks */
	{ 0x2028, 0x202e },	/* line and paragraph separator, embeddings, overrides */
	{ 0x2060, 0x206f },	/* word joiner, invisible operators, bidi isolates */
	{ 0xfeff, 0xfeff },	/* byte order mark */
	{ 0xfff9, 0xfffb },	/* interlinear annotation */
	{ 0xe0000, 0xe007f },	/* tags: invisible copies of ASCII */
};

/* two columns: East Asian wide and full-width, emoji. Sorted. */
static const struct range wide[] = {
	{ 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2329, 0x232a }, { 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 }, { 0x23f3, 0x23f3 }, { 0x25fd, 0x25fe }, { 0x2614, 0x2615 },
	{ 0x2648, 0x2653 }, { 0x267f, 0x267f }, { 0x2693, 0x2693 }, { 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab }, { 0x26bd, 0x26be }, { 0x26c4, 0x26c5 }, { 0x26ce, 0x26ce },
	{ 0x26d4, 0x26d4 }, { 0x26ea, 0x26ea }, { 0x26f2, 0x26f3 }, { 0x26f5, 0x26f5 },
	{ 0x26fa, 0x26fa }, { 0x26fd, 0x26fd }, { 0x2705, 0x2705 }, { 0x270a, 0x270b },
	{ 0x2728, 0x2728 }, { 0x274c, 0x274c }, { 0x274e, 0x274e }, { 0x2753, 0x2755 },
	{ 0x2757, 0x2757 }, { 0x2795, 0x2797 }, { 0x27b0, 0x27b0 }, { 0x27bf, 0x27bf },
	{ 0x2b1b, 0x2b1c }, { 0x2b50, 0x2b50 }, { 0x2b55, 0x2b55 }, { 0x2e80, 0x303e },
	{ 0x3041, 0x3247 }, { 0x3250, 0x4dbf }, { 0x4e00, 0xa4cf }, { 0xa960, 0xa97f },
	{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe10, 0xfe19 }, { 0xfe30, 0xfe6f },
	{ 0xff01, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x16fe0, 0x18d08 }, { 0x1aff0, 0x1b2ff },
	{ 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a },
	{ 0x1f200, 0x1f265 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f7e0, 0x1f7f0 },
	{ 0x1f900, 0x1f9ff }, { 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

/* no column: marks that combine with what is before them. Sorted. */
static const struct range combining[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x05bf, 0x05bf },
	{ 0x05c1, 0x05c2 }, { 0x05c4, 0x05c5 }, { 0x05c7, 0x05c7 }, { 0x0610, 0x061a },
	{ 0x064b, 0x065f }, { 0x0670, 0x0670 }, { 0x06d6, 0x06dc }, { 0x06df, 0x06e4 },
	{ 0x06e7, 0x06e8 }, { 0x06ea, 0x06ed }, { 0x0900, 0x0902 }, { 0x093a, 0x093a },
	{ 0x093c, 0x093c }, { 0x0941, 0x0948 }, { 0x094d, 0x094d }, { 0x0e31, 0x0e31 },
	{ 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e }, { 0x1ab0, 0x1ace }, { 0x1dc0, 0x1dff },
	{ 0x20d0, 0x20f0 }, { 0x302a, 0x302d }, { 0x3099, 0x309a }, { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xe0100, 0xe01ef },
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t point)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (point > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && point >= ranges[low].first;
}

/*
 * Length of the well-formed UTF-8 sequence at p, 0 if there is none: no
 * overlong form, no surrogate, nothing beyond U+10FFFF. A lenient decoder here
 * would let through what a lenient terminal takes for a control character.
 */
static size_t utf8_decode(const unsigned char *p, size_t len, uint32_t *ret_point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point;
	size_t need;

	if (p[0] < 0x80) {
		*ret_point = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	point = p[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < least[need] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return need;
}

static void add_hex(struct buf *out, const unsigned char *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		const char code[] = { '\\', 'x', digits[p[i] >> 4], digits[p[i] & 15] };

		buf_add(out, code, sizeof(code));
	}
}

/* most of what there is */
static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '\\';
}

#define OF_EACH_BYTE(c) (0x0101010101010101ULL * (c))
#define HIGH_BITS OF_EACH_BYTE(0x80)

/* is any of these bytes less than that, which is at most 0x80? */
static uint64_t any_less(uint64_t word, unsigned char than)
{
	return (word - OF_EACH_BYTE(than)) & ~word & HIGH_BITS;
}

/* the same for eight bytes, and not for quotes */
static bool are_plain(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return !((word & HIGH_BITS) | any_less(word, ' ') |
		 any_less(word ^ OF_EACH_BYTE(0x7f), 1) | any_less(word ^ OF_EACH_BYTE('\\'), 1) |
		 any_less(word ^ OF_EACH_BYTE('"'), 1));
}

size_t text_plain_len(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t at = 0;

	while (len - at >= sizeof(uint64_t) && are_plain(p + at))
		at += sizeof(uint64_t);
	while (at < len && is_plain(p[at]) && p[at] != '"')
		at++;
	return at;
}

void text_escape(struct buf *out, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t plain = 0, at = 0;	/* [plain, at) needs no change and is not yet added */

	while (at < len) {
		uint32_t point = 0;
		size_t n = text_plain_len(p + at, len - at);

		at += n;
		if (at == len)
			break;
		if (is_plain(p[at])) {
			at++;
			continue;
		}
		n = utf8_decode(p + at, len - at, &point);
		if (n && point != '\\' && !in_ranges(unsafe, ARRAY_SIZE(unsafe), point)) {
			at += n;
			continue;
		}
		buf_add(out, p + plain, at - plain);
		if (!n)
			n = 1;
		if (point == '\\')
			buf_add(out, "\\\\", 2);
		else
			add_hex(out, p + at, n);
		at += n;
		plain = at;
	}
	buf_add(out, p + plain, len - plain);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

ssize_t text_unescape(const char *s, void *out)
{
	char *start = out, *end = out;

	while (*s) {
		int high, low;

		if (*s != '\\') {
			*end++ = *s++;
			continue;
		}
		if (s[1] == '\\') {
			*end++ = '\\';
			s += 2;
			continue;
		}
		/* each test stops at the NUL before the next one looks behind it */
		if (s[1] != 'x' || (high = hex_value(s[2])) < 0 || (low = hex_value(s[3])) < 0)
			return -EINVAL;
		*end++ = (char)(high << 4 | low);
		s += 4;
	}
	return end - start;
}

/*
 * By tables of our own and not wcwidth(3), which depends on the locale. Good
 * for aligning a table, no more: joined emoji and the marks of scripts that are
 * not listed count too much, characters of ambiguous width count one.
 */
size_t text_width(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t left = strlen(s), columns = 0;

	while (left) {
		uint32_t point = 0;
		size_t n;

		if (is_plain(*p)) {
			columns++;
			p++;
			left--;
			continue;
		}
		n = utf8_decode(p, left, &point);
		/* in this order: some marks lie between wide characters */
		if (!in_ranges(combining, ARRAY_SIZE(combining), point))
			columns += in_ranges(wide, ARRAY_SIZE(wide), point) ? 2 : 1;
		if (!n)
			n = 1;
		p += n;
		left -= n;
	}
	return columns;
}
