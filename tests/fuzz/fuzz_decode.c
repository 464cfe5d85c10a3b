/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libFuzzer target for the record decoder: bytes are walked as a source would
 * deliver them, and everything an event points to is read. Aborts where the
 * decoder breaks a promise; the sanitizers find the rest.
 */
#include "fuzz.h"
#include "event/event.h"

static const size_t fixed_sizes[] = {
#define X(id, value, type) [LENS_REC_##id] = sizeof(struct type),
	LENS_RECS(X)
#undef X
};

static volatile unsigned char sink;

/* read, and inside the variable part of the record */
static void touch(const struct event *ev, const void *data, size_t len)
{
	const char *begin = (const char *)ev->rec, *p = data;
	unsigned char sum = 0;

	if (len) {
		MUST(p >= begin + sizeof(struct lens_rec));
		MUST(p + len <= begin + ev->rec->len);
	}
	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + (unsigned char)p[i]);
	sink = (unsigned char)(sink + sum);
}

static void touch_event(const struct event *ev)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	size_t before;

	touch(ev, ev->rec + 1, ev->rec->len - sizeof(struct lens_rec));
	touch(ev, ev->exe.data, ev->exe.len);
	touch(ev, ev->argv.data, ev->argv.len);
	touch(ev, ev->cgroup.data, ev->cgroup.len);
	touch(ev, ev->name.data, ev->name.len);
	MUST(!ev->ops == (ev->type != LENS_REC_OPS));
	if (ev->ops) {
		MUST(ev->lens_rec_ops->count <= LENS_OPS_PER_BATCH);
		touch(ev, ev->ops, ev->lens_rec_ops->count * sizeof(*ev->ops));
	}
	MUST(!ev->msgs == (ev->type != LENS_REC_MSGS));
	if (ev->msgs)
		touch(ev, ev->msgs, ev->lens_rec_msgs->count * sizeof(*ev->msgs));
	/* a list of n bytes is never more than n bytes, a slash and the ellipsis as a path */
	event_path(&out, ev->exe, ev->truncated);
	event_path(&out, ev->cgroup, ev->truncated);
	MUST(out.len <= ev->exe.len + ev->cgroup.len + 8);
	before = out.len;
	if (ev->type == LENS_REC_END)
		event_path(&out, ev->name, ev->truncated);
	MUST(out.len - before <= ev->name.len + 4);
}

/* the verdict depends on the record alone, not on what is behind it */
static void decode_alone(const void *rec, ssize_t len)
{
	void *copy = xcalloc(1, (size_t)len);
	struct event ev;
	size_t skip;

	memcpy(copy, rec, (size_t)len);
	MUST(event_decode(copy, (size_t)len, &ev, &skip) == len);
	touch_event(&ev);
	MUST(event_decode(copy, (size_t)len - 1, &ev, &skip) == -EBADMSG);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* its own allocation: aligned, and a read behind the end is seen */
	char *copy = xcalloc(1, size);
	size_t at = 0;

	if (size)
		memcpy(copy, data, size);
	while (at < size) {
		struct event ev;
		size_t step = 0;
		ssize_t got = event_decode(copy + at, size - at, &ev, &step);

		MUST(got > 0 || got == -EBADMSG || got == -ENOMSG);
		if (got == -EBADMSG)
			break;
		if (got > 0) {
			decode_alone(copy + at, got);
			touch_event(&ev);
			step = (size_t)got;
		}
		MUST(step >= sizeof(struct lens_rec) && step % 8 == 0);
		MUST(step <= size - at && step <= LENS_REC_MAX);
		at += step;
	}
	free(copy);
	return 0;
}

/*
 * Blind mutation seldom finds a type together with the one length it may have:
 * every other time, the first record gets a header that goes together.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size_t type = 1 + seed / 2 % (ARRAY_SIZE(fixed_sizes) - 1);
	size_t len = fixed_sizes[type] + (seed >> 16) % 8 * sizeof(struct lens_msg);
	struct lens_rec head = { .len = (uint32_t)len, .type = (uint16_t)type };

	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 2 || len > max_size)
		return size;
	if (size < len) {
		memset(data + size, 0, len - size);
		size = len;
	}
	memcpy(data, &head, sizeof(head));
	return size;
}
