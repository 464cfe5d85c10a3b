// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How large the cache of the totals is. Programs reckon with that by operands of
 * instructions, and with its address (sections.h): it is in use in every call.
 */
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"
#include "source/sections.h"

/* two slots per set; together at most 2 MiB on a machine with many CPUs */
#define SETS_MAX 4096
#define SETS_MIN 64
#define SETS_TOTAL 16384

/* a power of two; there may be gaps between the numbers of CPUs: up to the last one */
static uint32_t count_cpus(void)
{
	_cleanup_fclose_ FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	uint32_t cpus = 1, last = 0;

	/* "0-3,8-11" */
	while (f && fscanf(f, "%u%*[,-]", &last) == 1)
		;
	while (cpus <= last)
		cpus *= 2;
	return cpus;
}

static int log2_of(uint32_t power)
{
	return __builtin_ctz(power);
}

int live_size_cache(struct lens *s, bool is_used)
{
	uint32_t cpus = is_used ? count_cpus() : 1, sets = is_used ? SETS_MAX : 1;
	uint32_t set_bytes = bpf_map__value_size(s->maps.lens_cache);

	while (sets > SETS_MIN && sets * cpus > SETS_TOTAL)
		sets /= 2;
	s->rodata->lens_cache_mask = sets - 1;
	sections_fill(LENS_FILL_CACHE_CPUS, cpus - 1);
	sections_fill(LENS_FILL_CACHE_SHIFT, log2_of(sets * set_bytes));
	sections_fill(LENS_FILL_CACHE_SETS, sets - 1);
	sections_address(s->maps.lens_cache);
	return bpf_map__set_value_size(s->maps.lens_cache, cpus * sets * set_bytes);
}
