/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * /proc/PID/maps: "START-END r-xp OFFSET MAJOR:MINOR INODE    PATH", sorted by
 * address. The kernel writes newlines in paths as "\012", so that lines are lines.
 */
#include "unwind/unwind.h"

#define MOST_MAPPINGS 65536u /* vm.max_map_count is 65530 */

struct unwind_maps {
	struct unwind_mapping *mappings;
	size_t count;
	char *text; /* what the paths are in */
};

/* the number at *at, and behind it */
static bool take_number(const char **at, int base, char end, uint64_t *ret)
{
	char *behind;

	errno = 0;
	*ret = strtoull(*at, &behind, base);
	if (behind == *at || *behind != end || errno || **at == '-' || **at == '+')
		return false;
	*at = behind + 1;
	return true;
}

/* a line that ends in NUL */
static bool parse_line(const char *at, struct unwind_mapping *ret)
{
	struct unwind_mapping m = {};
	uint64_t major, minor;
	const char *access;

	if (!take_number(&at, 16, '-', &m.start) || !take_number(&at, 16, ' ', &m.end))
		return false;
	access = at;
	if (strnlen(at, 5) < 5 || access[4] != ' ' || access[2] != 'x')
		return false;
	at += 5;
	if (!take_number(&at, 16, ' ', &m.offset) || !take_number(&at, 16, ':', &major) ||
	    !take_number(&at, 16, ' ', &minor) || m.end <= m.start)
		return false;
	/* the number is the last thing if there is no path */
	m.ino = strtoull(at, NULL, 10);
	at += strspn(at, "0123456789");
	m.path = at + strspn(at, " ");
	m.major = (uint32_t)major;
	m.minor = (uint32_t)minor;
	*ret = m;
	return true;
}

struct unwind_maps *unwind_maps_parse(const char *text, size_t len)
{
	struct unwind_maps *maps = xcalloc(1, sizeof(*maps));
	size_t size = 0;

	maps->text = xcalloc(1, len + 1);
	memcpy(maps->text, text, len);
	for (char *line = maps->text, *next; *line && maps->count < MOST_MAPPINGS; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (maps->count == size) {
			size = size ? size * 2 : 32;
			maps->mappings = xrealloc(maps->mappings, size, sizeof(*maps->mappings));
		}
		maps->count += parse_line(line, &maps->mappings[maps->count]);
	}
	return maps;
}

void unwind_maps_freep(struct unwind_maps **maps)
{
	if (!*maps)
		return;
	free((*maps)->mappings);
	free((*maps)->text);
	free(*maps);
	*maps = NULL;
}

const struct unwind_mapping *unwind_maps_find(const struct unwind_maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	/* the last one that does not begin behind it */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->mappings[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < maps->mappings[low - 1].end ? &maps->mappings[low - 1] : NULL;
}
