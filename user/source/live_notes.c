// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How large the tables are in which hooks keep what they have noted: where no such
 * hook is loaded, they have one entry, for making tables takes time.
 */
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"

void live_size_notes(struct lens *s, const struct plan *plan)
{
	const struct {
		struct bpf_map *map;
		const char *groups[2];	/* whose hooks write there */
		bool by_looks;		/* and looks do, too */
	} notes[] = {
		{ s->maps.lens_births, { "eventfd", "pty" }, false },
		{ s->maps.lens_handoffs, { "mapping" }, false },
		{ s->maps.lens_messages, { PLAN_MESSAGE_GROUP }, false },
		{ s->maps.lens_spaces, { "mapping" }, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		bool used = plan && notes[i].by_looks;

		for (size_t g = 0; plan && g < ARRAY_SIZE(notes[i].groups); g++)
			used |= notes[i].groups[g] && plan_chosen(plan, notes[i].groups[g]);
		if (!used)
			bpf_map__set_max_entries(notes[i].map, 1);
	}
}
