// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reads the hand-offs that the kernel side has counted at words of shared
 * memory. Nothing here needs privilege.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"

/* as in bpf/handoff.bpf.h */
struct handoff_key {
	struct lens_chan chan;
	struct lens_proc proc;
	uint64_t offset;
	uint32_t dir, pad;
};

#define BATCH 1024

struct batch {
	struct handoff_key keys[BATCH];
	uint64_t counts[BATCH];
	uint32_t n;
};

static int emit(struct live *l, const struct batch *b, const struct hash *ended, source_sink sink,
		void *arg)
{
	int fd = bpf_map__fd(l->skel->maps.lens_handoffs), err = 0;

	for (uint32_t i = 0; err >= 0 && i < b->n; i++) {
		const struct handoff_key *k = &b->keys[i];
		struct lens_rec_edge rec = {
			.chan = k->chan, .proc = k->proc, .offset = k->offset, .dir = k->dir,
			.count = b->counts[i],
		};

		err = live_emit(sink, arg, &rec.h, LENS_REC_EDGE, sizeof(rec));
		if (hash_get(ended, &k->proc))
			bpf_map_delete_elem(fd, k);
	}
	return err < 0 ? err : 0;
}

int live_handoffs(struct live *l, const struct hash *ended, source_sink sink, void *arg)
{
	_cleanup_free_ struct batch *b = xcalloc(1, sizeof(*b));
	int fd = bpf_map__fd(l->skel->maps.lens_handoffs), err = 0, end = 0;
	uint32_t token = 0;
	void *in = NULL;

	while (!err && !end) {
		b->n = BATCH;
		end = bpf_map_lookup_batch(fd, in, &token, b->keys, b->counts, &b->n, NULL);
		if (end && end != -ENOENT)
			return log_err(end, "cannot read the hand-offs: %s", strerror(-end));
		err = emit(l, b, ended, sink, arg);
		in = &token;
	}
	return err;
}
