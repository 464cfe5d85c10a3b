/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Numbers as people write and read them: byte counts and durations, in both
 * directions. Integer arithmetic only: equal values give equal text on every
 * machine, and no locale has a say.
 */
#include "base/base.h"

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL
#define SEC_PER_DAY 86400ULL

struct unit {
	const char *name;
	uint64_t size;
};

/* round(value * scale / unit), exact for every value */
static uint64_t rounded(uint64_t value, uint64_t scale, uint64_t unit)
{
	return (uint64_t)(((unsigned __int128)value * scale + unit / 2) / unit);
}

const char *text_bytes(char out[TEXT_NUM], uint64_t bytes)
{
	static const char prefixes[] = "KMGTPE";

	if (bytes < 1024) {
		snprintf(out, TEXT_NUM, "%u B", (unsigned)bytes);
		return out;
	}
	for (unsigned i = 0; i < sizeof(prefixes) - 1; i++) {
		uint64_t unit = 1ULL << (10 * (i + 1));
		uint64_t tenths = rounded(bytes, 10, unit);
		uint64_t whole = rounded(bytes, 1, unit);

		/* compared after rounding, or 1023.9 KiB would become 1024 KiB */
		if (tenths < 1000) {
			snprintf(out, TEXT_NUM, "%u.%u %ciB", (unsigned)(tenths / 10),
				 (unsigned)(tenths % 10), prefixes[i]);
			break;
		}
		if (whole < 1024) {
			snprintf(out, TEXT_NUM, "%u %ciB", (unsigned)whole, prefixes[i]);
			break;
		}
	}
	return out;
}

/* three significant digits; false if the value, rounded, is too big for the unit */
static bool duration_in(char out[TEXT_NUM], uint64_t ns, const struct unit *unit)
{
	uint64_t hundredths = rounded(ns, 100, unit->size);
	uint64_t tenths = rounded(ns, 10, unit->size);
	uint64_t whole = rounded(ns, 1, unit->size);

	if (hundredths < 1000)
		snprintf(out, TEXT_NUM, "%u.%02u %s", (unsigned)(hundredths / 100),
			 (unsigned)(hundredths % 100), unit->name);
	else if (tenths < 1000)
		snprintf(out, TEXT_NUM, "%u.%u %s", (unsigned)(tenths / 10),
			 (unsigned)(tenths % 10), unit->name);
	else if (whole < 1000)
		snprintf(out, TEXT_NUM, "%u %s", (unsigned)whole, unit->name);
	else
		return false;
	return true;
}

/* a minute or more: the two biggest units that matter */
static void duration_long(char out[TEXT_NUM], uint64_t ns)
{
	uint64_t seconds = rounded(ns, 1, NSEC_PER_SEC);
	uint64_t minutes = rounded(ns, 1, 60 * NSEC_PER_SEC);
	uint64_t hours = rounded(ns, 1, 3600 * NSEC_PER_SEC);
	uint64_t days = rounded(ns, 1, SEC_PER_DAY * NSEC_PER_SEC);

	if (seconds < 3600)
		snprintf(out, TEXT_NUM, "%um %02us", (unsigned)(seconds / 60),
			 (unsigned)(seconds % 60));
	else if (minutes < 24 * 60)
		snprintf(out, TEXT_NUM, "%uh %02um", (unsigned)(minutes / 60),
			 (unsigned)(minutes % 60));
	else if (hours < 1000 * 24)
		snprintf(out, TEXT_NUM, "%ud %02uh", (unsigned)(hours / 24),
			 (unsigned)(hours % 24));
	else
		snprintf(out, TEXT_NUM, "%u d", (unsigned)days);
}

const char *text_duration(char out[TEXT_NUM], uint64_t ns)
{
	static const struct unit units[] = {
		{ "us", NSEC_PER_USEC }, { "ms", NSEC_PER_MSEC }, { "s", NSEC_PER_SEC },
	};

	if (ns < NSEC_PER_USEC) {
		snprintf(out, TEXT_NUM, ns ? "%u ns" : "%u s", (unsigned)ns);
		return out;
	}
	/* 59.95 s would be shown as 60.0 s */
	if (rounded(ns, 10, NSEC_PER_SEC) >= 600) {
		duration_long(out, ns);
		return out;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (duration_in(out, ns, &units[i]))
			break;
	return out;
}

/* reads digits up to the first other character; at least one is required */
static int parse_digits(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*s = p;
	*ret = value;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

int text_parse_duration(const char *s, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "", NSEC_PER_SEC }, { "s", NSEC_PER_SEC }, { "ms", NSEC_PER_MSEC },
		{ "us", NSEC_PER_USEC }, { "ns", 1 }, { "m", 60 * NSEC_PER_SEC },
		{ "h", 3600 * NSEC_PER_SEC }, { "d", SEC_PER_DAY * NSEC_PER_SEC },
	};
	const char *fraction = "";
	const struct unit *unit;
	uint64_t whole, ns, part;
	int err;

	err = parse_digits(&s, &whole);
	if (err)
		return err;
	if (*s == '.') {
		fraction = ++s;
		s += strspn(s, "0123456789");
		if (s == fraction)
			return -EINVAL;
	}
	unit = find_unit(units, ARRAY_SIZE(units), s);
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit->size, &ns))
		return -ERANGE;
	/* digits worth less than a nanosecond add nothing */
	part = unit->size;
	for (; *fraction >= '0' && *fraction <= '9'; fraction++) {
		part /= 10;
		if (__builtin_add_overflow(ns, part * (uint64_t)(*fraction - '0'), &ns))
			return -ERANGE;
	}
	*ret_ns = ns;
	return 0;
}

int text_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 },
		{ "T", 1ULL << 40 }, { "k", 1ULL << 10 }, { "m", 1ULL << 20 },
		{ "g", 1ULL << 30 }, { "t", 1ULL << 40 },
	};
	const struct unit *unit;
	uint64_t value, bytes;
	int err;

	err = parse_digits(&s, &value);
	if (err)
		return err;
	unit = find_unit(units, ARRAY_SIZE(units), s);
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(value, unit->size, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

int text_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int err;

	/* "99999999999999999999x" is no number, not a big one */
	if (!*s || s[strspn(s, "0123456789")])
		return -EINVAL;
	err = parse_digits(&s, &value);
	if (err)
		return err;
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}
