/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Feeds a world with records, built by hand and decoded like any others, so
 * that what a test says is what a recording could say.
 */
#ifndef LENS_TEST_FEED_H
#define LENS_TEST_FEED_H

#include "model/model.h"
#include "test.h"

#define FEED static __attribute__((unused))

struct feed {
	struct world *w;
	uint64_t ts_ns;			/* of the next record */
};

FEED struct feed feed_new(void)
{
	return (struct feed){ .w = world_new(), .ts_ns = 1000000 };
}

FEED void feed_fini(struct feed *f)
{
	world_free(f->w);
}

#define _feed_ __attribute__((cleanup(feed_fini)))

/* rec has room for len bytes, a multiple of 8 */
FEED void feed_raw(struct feed *f, void *rec, unsigned type, size_t len)
{
	struct lens_rec *h = rec;
	struct event ev;
	size_t skip;

	h->type = type;
	h->len = len;
	h->ts_ns = f->ts_ns++;
	CHECK(event_decode(rec, len, &ev, &skip) == (ssize_t)len);
	world_apply(f->w, &ev);
}

FEED struct lens_proc feed_key(uint32_t pid)
{
	return (struct lens_proc){ .start_ns = 1000 + pid, .tgid = pid };
}

FEED struct lens_chan feed_pipe(uint64_t ino)
{
	return (struct lens_chan){ .ino = ino, .dev = 12, .kind = LENS_KIND_PIPE };
}

FEED struct lens_chan feed_queue(uint64_t id)
{
	return (struct lens_chan){ .ino = id, .dev = 4026531839u, .kind = LENS_KIND_SYSV_MSG };
}

FEED struct lens_chan feed_half(uint64_t ino)
{
	return (struct lens_chan){ .ino = ino, .dev = 9, .kind = LENS_KIND_UNIX_STREAM };
}

FEED struct chan *feed_chan_of(struct feed *f, struct lens_chan key)
{
	return hash_get(f->w->chans, &key);
}

FEED struct proc *feed_proc_of(struct feed *f, uint32_t pid)
{
	struct lens_proc key = feed_key(pid);

	return hash_get(f->w->procs, &key);
}

FEED struct endpoint *feed_end_of(struct feed *f, struct lens_chan key, uint32_t pid)
{
	struct chan *c = feed_chan_of(f, key);
	struct proc *p = feed_proc_of(f, pid);

	return c && p ? chan_find_endpoint(c, p) : NULL;
}

FEED void feed_mark(struct feed *f, enum lens_mark mark, uint64_t value)
{
	struct lens_rec_mark r = { .mark = mark, .value = value };

	feed_raw(f, &r, LENS_REC_MARK, sizeof(r));
}

FEED struct lens_total feed_counts(uint32_t id, uint64_t ops, uint64_t bytes)
{
	return (struct lens_total){ .id = id, .ops = ops, .msgs = ops, .bytes = bytes };
}

FEED void feed_total(struct feed *f, struct lens_chan chan, uint32_t pid, enum lens_dir dir,
		     struct lens_total total)
{
	struct lens_proc p = feed_key(pid);
	struct lens_rec_total r = {
		.key = { .ino = chan.ino, .dev = chan.dev, .gen = chan.gen, .kind = chan.kind,
			 .start_ns = p.start_ns, .tgid = p.tgid, .dir = dir },
		.total = total,
	};

	feed_raw(f, &r, LENS_REC_TOTAL, sizeof(r));
}

FEED struct lens_depth feed_depth(uint64_t bytes, uint32_t msgs)
{
	return (struct lens_depth){
		.queued_bytes = bytes, .queued_msgs = msgs, .capacity_bytes = 65536,
		.capacity_msgs = 16, .readers = 1, .writers = 1, .valid = 1,
	};
}

FEED void feed_end(struct feed *f, struct lens_chan chan, uint32_t pid, enum lens_dir dir,
		   uint32_t id, uint32_t flags)
{
	struct lens_rec_end r = {
		.chan = chan, .proc = feed_key(pid), .dir = dir, .id = id, .flags = flags,
	};

	feed_raw(f, &r, LENS_REC_END, sizeof(r));
}

/* mode: 1 = readable, 2 = writable */
FEED void feed_hold(struct feed *f, struct lens_chan chan, uint32_t pid, uint32_t fd,
		    uint32_t mode, struct lens_depth depth)
{
	struct lens_rec_hold r = {
		.chan = chan, .proc = feed_key(pid), .fd = fd, .mode = mode, .depth = depth,
	};

	feed_raw(f, &r, LENS_REC_HOLD, sizeof(r));
}

FEED void feed_peer(struct feed *f, struct lens_chan chan, struct lens_chan peer)
{
	struct lens_rec_peer r = { .chan = chan, .peer = peer };

	feed_raw(f, &r, LENS_REC_PEER, sizeof(r));
}

FEED void feed_found(struct feed *f, struct lens_chan chan, struct lens_depth depth)
{
	struct lens_rec_chan r = { .chan = chan, .depth = depth };

	feed_raw(f, &r, LENS_REC_CHAN, sizeof(r));
}

FEED void feed_wait(struct feed *f, struct lens_chan chan, uint32_t pid, enum lens_dir dir,
		    uint64_t asked, bool asleep)
{
	struct lens_rec_wait r = {
		.chan = chan, .proc = feed_key(pid), .tid = pid, .dir = dir, .asked = asked,
		.asleep = asleep,
	};

	feed_raw(f, &r, LENS_REC_WAIT, sizeof(r));
}

FEED void feed_ops(struct feed *f, const struct lens_op *ops, uint32_t count)
{
	struct {
		struct lens_rec_ops h;
		struct lens_op op[LENS_OPS_PER_BATCH];
	} r = { .h.count = count };

	CHECK(count <= LENS_OPS_PER_BATCH);
	memcpy(r.op, ops, count * sizeof(*ops));
	feed_raw(f, &r, LENS_REC_OPS, sizeof(r.h) + count * sizeof(*ops));
}

FEED void feed_op(struct feed *f, uint32_t id, uint64_t ts_ns, int64_t ret, int64_t type)
{
	struct lens_op op = { .ts_ns = ts_ns, .ret = ret, .aux = type, .id = id, .tid = id };

	feed_ops(f, &op, 1);
}

FEED void feed_exit(struct feed *f, uint32_t pid, int code)
{
	struct lens_rec_exit r = { .proc = feed_key(pid), .code = code };

	feed_raw(f, &r, LENS_REC_EXIT, sizeof(r));
}

/* a look that finds nothing; what it should find goes between the two halves */
FEED void feed_look_begin(struct feed *f)
{
	feed_mark(f, LENS_MARK_LOOK_BEGIN, 0);
}

FEED void feed_look_end(struct feed *f)
{
	feed_mark(f, LENS_MARK_LOOK_END, 0);
}

FEED void feed_look_settled(struct feed *f)
{
	feed_mark(f, LENS_MARK_LOOK_SETTLED, 0);
}

/* attached, and nothing was there */
FEED void feed_start_empty(struct feed *f)
{
	feed_mark(f, LENS_MARK_ATTACHED, 0);
	feed_look_begin(f);
	feed_mark(f, LENS_MARK_PROCS, 0);
	feed_look_end(f);
	feed_look_settled(f);
}

/* the last look finds a channel held by pid, so deep */
FEED void feed_finish_live(struct feed *f, struct lens_chan chan, uint32_t pid, uint64_t bytes)
{
	feed_look_begin(f);
	feed_hold(f, chan, pid, 3, 3, feed_depth(bytes, 0));
	feed_look_end(f);
	feed_look_settled(f);
	feed_mark(f, LENS_MARK_DETACHED, 0);
	world_settle(f->w);
}

/* the last look finds nothing */
FEED void feed_finish_gone(struct feed *f)
{
	feed_look_begin(f);
	feed_look_end(f);
	feed_look_settled(f);
	feed_mark(f, LENS_MARK_DETACHED, 0);
	world_settle(f->w);
}

/* the flow between two processes (0: unknown), or NULL */
FEED const struct flow *feed_flow(const struct feed *f, uint32_t from, uint32_t to)
{
	for (size_t i = 0; i < f->w->flow_count; i++) {
		const struct flow *flow = &f->w->flows[i];

		if ((flow->from ? flow->from->key.tgid : 0) == from &&
		    (flow->to ? flow->to->key.tgid : 0) == to)
			return flow;
	}
	return NULL;
}

FEED uint64_t feed_flow_bytes(const struct feed *f, uint32_t from, uint32_t to)
{
	const struct flow *flow = feed_flow(f, from, to);

	return flow ? flow->bytes : 0;
}

FEED const struct ledger *feed_ledger(struct feed *f, struct lens_chan key)
{
	return chan_ledger(feed_chan_of(f, key));
}

/* before_start + written = read + queued + discarded + in_flight + unaccounted */
FEED void feed_check_identity(const struct ledger *l)
{
	CHECK_EQ_I64(l->by_kernel + l->before_start + l->written,
		     l->read + l->queued + l->discarded + l->in_flight + l->unaccounted);
}

#endif
