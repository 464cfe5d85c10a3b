// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind handoff.bpf.h.
 */
#include "handoff.bpf.h"
#include "vma.bpf.h"

struct handoff_map lens_handoffs SEC(".maps");

/* not on the stack, of which there is little below the end of a system call */
struct handoff_scratch {
	struct lens_total_key object;
	struct handoff_key key;
};

static __always_inline void handoff_count(struct handoff_scratch *s, __u64 count)
{
	__u64 zero = 0, *sum = bpf_map_lookup_elem(&lens_handoffs, &s->key);

	if (!sum) {
		bpf_map_update_elem(&lens_handoffs, &s->key, &zero, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&lens_handoffs, &s->key);
	}
	if (sum)
		__sync_fetch_and_add(sum, count);
	else
		loss_add(s->key.chan.kind, LENS_LOSS_MAP_FULL, 1, 0);
}

int handoff_add(__u64 word, __u32 dir, __u64 count)
{
	struct handoff_scratch *s;
	struct vma_view v = {};
	__u32 which;

	/* a word that is not shared is shared between threads only */
	if (!vma_at(word, &v) || !vma_is_shared(&v))
		return 0;
	which = scratch_take();
	s = (void *)bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	if (ident_mapped(v.file, &s->object)) {
		ident_split(&s->object, &s->key.chan, &s->key.proc);
		ident_proc((void *)bpf_get_current_task_btf(), &s->key.proc);
		s->key.offset = v.offset + (word - v.start);
		s->key.dir = dir;
		handoff_count(s, count);
	}
	return scratch_give(which);
}
