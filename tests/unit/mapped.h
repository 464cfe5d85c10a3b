/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Records of shared memory: who maps what of an object, and who wakes whom there. */
#ifndef MAPPED_H
#define MAPPED_H

#include "feed.h"

#define PAGE 4096u
#define MAY_WRITE (LENS_PROT_READ | LENS_PROT_WRITE | LENS_PROT_MAY_WRITE)

FEED const struct lens_chan mem = { .ino = 7, .dev = 1, .gen = 99, .kind = LENS_KIND_MEMFD };
FEED const struct lens_chan seg = { .ino = 3, .dev = 4026531839u, .kind = LENS_KIND_SYSV_SHM };

/* pages, not bytes: [start, start + len) maps the object from offset on */
FEED struct lens_rec_map range(enum lens_map_op op, const struct lens_chan *chan, uint32_t pid,
				 uint64_t start, uint64_t len, uint64_t offset)
{
	return (struct lens_rec_map){
		.chan = chan ? *chan : (struct lens_chan){}, .proc = feed_key(pid), .op = op,
		.start = start * PAGE, .len = len * PAGE, .offset = offset * PAGE,
		.prot = chan ? MAY_WRITE : 0, .tid = pid,
		.depth = { .capacity_bytes = 64 * PAGE, .valid = chan ? LENS_DEPTH_VALID : 0 },
	};
}

FEED void feed_map(struct feed *f, struct lens_rec_map r)
{
	feed_raw(f, &r, LENS_REC_MAP, sizeof(r));
}

FEED void feed_proc(struct feed *f, uint32_t pid, uint32_t parent, enum lens_proc_why why)
{
	struct lens_rec_proc r = { .proc = feed_key(pid), .parent = feed_key(parent), .why = why };

	feed_raw(f, &r, LENS_REC_PROC, sizeof(r));
}

FEED uint64_t mapped(struct feed *f, struct lens_chan chan, uint32_t pid)
{
	const struct endpoint *e = feed_end_of(f, chan, pid);

	CHECK(e);
	return end_mapper(e)->mapped_bytes / PAGE;
}

FEED void feed_edge(struct feed *f, uint32_t pid, enum lens_dir dir, uint64_t offset,
		      uint64_t count)
{
	struct lens_rec_edge r = {
		.chan = mem, .proc = feed_key(pid), .offset = offset, .dir = dir, .count = count,
	};

	feed_raw(f, &r, LENS_REC_EDGE, sizeof(r));
}

/* processes 1 to count map it: hand-offs of others are none */
FEED void feed_mappers(struct feed *f, uint32_t count)
{
	for (uint32_t pid = 1; pid <= count; pid++)
		feed_map(f, range(LENS_MAP_MAP, &mem, pid, 100, 1, 0));
}

FEED const struct handoff *handoff(struct feed *f, uint32_t from, uint32_t to, uint64_t offset)
{
	const struct memory *m = chan_memory(feed_chan_of(f, mem));

	for (size_t i = 0; i < m->handoff_count; i++) {
		const struct handoff *h = &m->handoffs[i];

		if ((h->from ? h->from->key.tgid : 0) == from &&
		    (h->to ? h->to->key.tgid : 0) == to && h->offset == offset)
			return h;
	}
	return NULL;
}

FEED void check_handoff(struct feed *f, uint32_t from, uint32_t to, uint64_t offset,
			  uint64_t count, bool exact)
{
	const struct handoff *h = handoff(f, from, to, offset);

	CHECK(h);
	CHECK_EQ_U64(h->count, count);
	CHECK_EQ_U64(h->exact, exact);
	CHECK(exact == !h->why);
}

#endif
