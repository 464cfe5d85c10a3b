// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the full table of totals has no entry for is counted nevertheless: with all that its
 * process did to channels of that kind in that direction, so that no sum comes out short.
 */
#include "tables.bpf.h"

struct unplaced_map lens_unplaced SEC(".maps");

/* not on the stack, of which a chain of calls has 512 bytes */
static const volatile struct lens_total no_total;

/* found or made, NULL: that table is full, too */
static __always_inline struct lens_total *place(const struct lens_total_key *full)
{
	struct lens_total_key key = {
		.dev = LENS_DEV_UNPLACED, .start_ns = full->start_ns, .tgid = full->tgid,
		.kind = full->kind, .dir = full->dir,
	};
	struct lens_total *t = bpf_map_lookup_elem(&lens_unplaced, &key);

	if (t)
		return t;
	bpf_map_update_elem(&lens_unplaced, &key, (void *)&no_total, BPF_NOEXIST);
	return bpf_map_lookup_elem(&lens_unplaced, &key);
}

int unplaced_merge(const struct cache_slot *slot)
{
	struct lens_total *t;

	if (!slot)
		return 0;
	t = place(&slot->key);
	if (t)
		total_merge(t, slot);
	else
		loss_add(slot->key.kind, LENS_LOSS_MAP_FULL, slot->ops, slot->bytes);
	return 0;
}

int unplaced_add(const struct lens_total_key *key, const struct call *call)
{
	struct lens_total *t;

	if (!key || !call)
		return 0;
	t = place(key);
	if (t)
		total_add(t, call);
	else
		loss_add(key->kind, LENS_LOSS_MAP_FULL, 1, call->ret > 0 ? call->ret : 0);
	return 0;
}
