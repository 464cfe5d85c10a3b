/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Names as somebody would choose them who wants to reach the terminal, and a
 * judgement of what came out that knows nothing of how it was escaped.
 */
#ifndef LENS_TEST_HOSTILE_H
#define LENS_TEST_HOSTILE_H

#include "test.h"

#define HOSTILE static __attribute__((unused))

HOSTILE bool between(unsigned char c, unsigned low, unsigned high)
{
	return c >= low && c <= high;
}

/* bytes of a well-formed sequence, by first and second byte; 0 = malformed */
HOSTILE size_t sequence_len(const unsigned char *p)
{
	size_t need;

	if (p[0] < 0x80)
		return 1;
	if (between(p[0], 0xc2, 0xdf) && between(p[1], 0x80, 0xbf))
		return 2;
	if ((p[0] == 0xe0 && between(p[1], 0xa0, 0xbf)) ||
	    (p[0] == 0xed && between(p[1], 0x80, 0x9f)) ||
	    (between(p[0], 0xe1, 0xef) && p[0] != 0xed && between(p[1], 0x80, 0xbf)))
		need = 3;
	else if ((p[0] == 0xf0 && between(p[1], 0x90, 0xbf)) ||
		 (between(p[0], 0xf1, 0xf3) && between(p[1], 0x80, 0xbf)) ||
		 (p[0] == 0xf4 && between(p[1], 0x80, 0x8f)))
		need = 4;
	else
		return 0;
	for (size_t i = 2; i < need; i++)
		if (!between(p[i], 0x80, 0xbf))
			return 0;
	return need;
}

/* by bytes: C0, DEL, C1; U+200B-F, 2028-E; 2060-4, 2066-9; FEFF */
HOSTILE bool forbidden(const unsigned char *p)
{
	if (p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
		return true;
	if (p[0] == 0xe2 && p[1] == 0x80)
		return between(p[2], 0x8b, 0x8f) || between(p[2], 0xa8, 0xae);
	if (p[0] == 0xe2 && p[1] == 0x81)
		return between(p[2], 0xa0, 0xa4) || between(p[2], 0xa6, 0xa9);
	return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
}

/* well-formed, and nothing in it that a terminal obeys; lines: it may have several */
HOSTILE void check_safe(const char *text, size_t len, bool lines)
{
	const unsigned char *p = (const unsigned char *)text;

	CHECK_EQ_U64(strlen(text), len);
	while (*p) {
		size_t n = sequence_len(p);

		if (!n || (forbidden(p) && !(lines && *p == '\n'))) {
			test_print_bytes("output", text, len);
			TEST_FAIL("unsafe at %zu", (size_t)((const char *)p - text));
		}
		p += n;
	}
}

static uint64_t random_state = 88172645463325252ULL;

/* xorshift64; the same sequence in every run, so that a failure repeats */
HOSTILE uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

HOSTILE size_t put_utf8(unsigned char *p, uint32_t point)
{
	if (point < 0x80) {
		p[0] = (unsigned char)point;
		return 1;
	}
	if (point < 0x800) {
		p[0] = (unsigned char)(0xc0 | point >> 6);
		p[1] = (unsigned char)(0x80 | (point & 63));
		return 2;
	}
	if (point < 0x10000) {
		p[0] = (unsigned char)(0xe0 | point >> 12);
		p[1] = (unsigned char)(0x80 | (point >> 6 & 63));
		p[2] = (unsigned char)(0x80 | (point & 63));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | point >> 18);
	p[1] = (unsigned char)(0x80 | (point >> 12 & 63));
	p[2] = (unsigned char)(0x80 | (point >> 6 & 63));
	p[3] = (unsigned char)(0x80 | (point & 63));
	return 4;
}

/* plain bytes would rarely be more than invalid starts: mix in near-valid sequences */
HOSTILE size_t random_bytes(unsigned char *p, size_t max)
{
	size_t want = next_random() % (max - 4), len = 0;

	while (len < want) {
		switch (next_random() % 5) {
		case 0:
			p[len++] = (unsigned char)next_random();
			break;
		case 1:
			p[len++] = (unsigned char)(' ' + next_random() % 95);
			break;
		case 2:
			len += put_utf8(p + len, 0x2000 + next_random() % 0x80);
			break;
		case 3:
			len += put_utf8(p + len, next_random() % 0x120000);
			break;
		default:
			p[len++] = "\\x\\01b"[next_random() % 6];
			break;
		}
	}
	return len;
}

#endif
