// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind core.bpf.h. Mechanism-independent.
 */
#include "core.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 lens_pipefs_dev = 0;
const volatile __u32 lens_sockfs_dev = 0;
const volatile bool lens_stream_all = false;
const volatile bool lens_feeds_output = false;
const volatile __u32 lens_cache_mask = 0;
const volatile bool lens_preemptible = false;
const volatile bool lens_has_cast = false;

__u64 lens_pipefs_sb = ~0ull;
/* test aid: lose every n-th event record. No constant: what it switches off is soon verified */
__u32 lens_drop_every;
static __u32 drop_count;

struct ring_map lens_ring SEC(".maps");
struct ring_map lens_ops_ring SEC(".maps");
struct scratch_map lens_scratch SEC(".maps");
__u64 lens_losses[LENS_KIND_MAX][LENS_LOSS_MAX + 1];

/* is this record to be lost on purpose? */
static __always_inline bool core_drops(void)
{
	return lens_drop_every && __sync_fetch_and_add(&drop_count, 1) % lens_drop_every == 0;
}

/* which of the buffers for events are taken; apart from them, for one look at all */
struct scratch_busy {
	__u32 busy[SCRATCH_COUNT];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch_busy);
} lens_scratch_busy SEC(".maps");

/* preempted: a constant */
static __always_inline __u32 scratch_find(struct scratch_busy *s, bool preempted)
{
	/* no loop: the verifier of v6.1 takes a counter on the stack for an endless one */
	_Static_assert(SCRATCH_COUNT == 4, "a line for each");
	if (cpu_take(&s->busy[0], preempted))
		return SCRATCH_EVENTS;
	if (cpu_take(&s->busy[1], preempted))
		return SCRATCH_EVENTS + 1;
	if (cpu_take(&s->busy[2], preempted))
		return SCRATCH_EVENTS + 2;
	if (cpu_take(&s->busy[3], preempted))
		return SCRATCH_EVENTS + 3;
	loss_add(LENS_KIND_NONE, LENS_LOSS_RECURSION, 1, 0);
	return SCRATCH_NONE;
}

__u32 scratch_take(void)
{
	__u32 zero = 0;
	struct scratch_busy *s = bpf_map_lookup_elem(&lens_scratch_busy, &zero);

	if (!s)
		return SCRATCH_NONE;
	/* the verifier takes out what is not used, piece by piece, and copies the rest each time */
	return lens_preemptible ? scratch_find(s, true) : scratch_find(s, false);
}

int scratch_give(__u32 which)
{
	__u32 zero = 0, i = which - SCRATCH_EVENTS;
	struct scratch_busy *s = bpf_map_lookup_elem(&lens_scratch_busy, &zero);

	if (s && i < SCRATCH_COUNT)
		cpu_give(&s->busy[i]);
	return 0;
}

/*
 * No wake-up: the collector polls. A wake-up per record costs the traced
 * process more than everything else together.
 */
int core_emit(void *rec, __u32 len, __u32 kind)
{
	long err = -1;

	if (len > SCRATCH_SIZE)
		len = SCRATCH_SIZE;	/* no caller's record is; the verifier cannot know */
	if (!core_drops())
		err = bpf_ringbuf_output(&lens_ring, rec, len, BPF_RB_NO_WAKEUP);
	if (err)
		loss_add(kind, LENS_LOSS_RING_FULL, 1, 0);
	return err;
}

int core_emit_ops(void *rec, __u32 len, __u32 ops)
{
	long err = -1;

	if (len > sizeof(struct lens_rec_ops) + LENS_OPS_PER_BATCH * sizeof(struct lens_op))
		return -1;	/* no batch is; the verifier cannot know */
	if (!core_drops())
		err = bpf_ringbuf_output(&lens_ops_ring, rec, len, BPF_RB_NO_WAKEUP);
	if (err)
		loss_add(LENS_KIND_NONE, LENS_LOSS_RING_FULL, ops, 0);
	return err;
}
