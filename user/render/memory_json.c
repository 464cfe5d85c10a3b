/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What JSON objects of shared memory have beyond those of other channels.
 * Null stands for what nobody could know, bytes moved above all.
 */
#include "render/memory.h"

/* include/uapi/linux/fcntl.h, in the order of their bits */
static const char *const seal_names[] = {
	"seal", "shrink", "grow", "write", "future-write", "exec",
};

static struct js_value *seals(const struct chan *c)
{
	struct js_value *array;

	if (!(chan_depth(c)->valid & LENS_DEPTH_SEALABLE))
		return NULL;
	array = js_array();
	for (size_t i = 0; i < ARRAY_SIZE(seal_names); i++)
		if (chan_depth(c)->valid >> LENS_DEPTH_SEALS_SHIFT & 1u << i)
			js_add(array, js_str(seal_names[i]));
	return array;
}

static struct js_value *handoffs(const struct chan *c)
{
	struct js_value *array = js_array();

	for (size_t i = 0; i < chan_memory(c)->handoff_count; i++) {
		const struct handoff *h = &chan_memory(c)->handoffs[i];
		struct js_value *o = js_object();

		js_put(o, "from", js_proc_id(h->from));
		js_put(o, "to", js_proc_id(h->to));
		js_put(o, "offset", js_u64(h->offset));
		js_put(o, "count", js_u64(h->count));
		js_put(o, "exact", js_bool(h->exact));
		if (!h->exact)
			js_put(o, "why", js_str(h->why));
		js_add(array, o);
	}
	return array;
}

static void put_segment(struct js_value *o, const struct chan *c)
{
	struct js_value *ns = js_object();
	char text[16];

	js_put(ns, "ipc", js_id64(c->key.dev));
	js_put(o, "ns", ns);
	snprintf(text, sizeof(text), "0x%08x", (unsigned)chan_depth(c)->key);
	js_put(o, "key", chan_depth(c)->valid ? js_str(text) : NULL);
	snprintf(text, sizeof(text), "%04o", chan_more(c)->mode);
	js_put(o, "mode", chan_depth(c)->valid ? js_str(text) : NULL);
	js_put(o, "owner_uid", chan_depth(c)->valid ? js_u64(chan_more(c)->uid) : NULL);
	js_put(o, "creator_pid", js_u64(chan_more(c)->lspid));
	js_put(o, "last_attach_pid", js_u64(chan_more(c)->lrpid));
	js_put(o, "attachments", chan_depth(c)->valid ? js_u64(chan_depth(c)->readers) : NULL);
	js_put(o, "removed",
	       js_bool(chan_memory(c)->removed || chan_depth(c)->valid & LENS_DEPTH_REMOVED));
}

void js_put_memory(struct js_value *o, const struct chan *c)
{
	const struct memory *m = chan_memory(c);
	const struct lens_depth *d = chan_depth(c);
	bool resident = d->valid & LENS_DEPTH_RESIDENT;

	js_put(o, "size_bytes", d->valid ? js_u64(d->capacity_bytes) : NULL);
	js_put(o, "resident_bytes", resident ? js_u64(d->queued_bytes) : NULL);
	js_put(o, "mappers", js_u64(m->mappers));
	js_put(o, "peak_mappers", js_u64(m->peak_mappers));
	js_put(o, "overlap_bytes", js_u64(m->overlap_bytes));
	js_put(o, "overlap_peak_bytes", js_u64(m->overlap_peak_bytes));
	js_put(o, "overlap_peak_complete", js_bool(!m->overlap_peak_is_low));
	js_put(o, "bytes_moved", NULL);
	js_put(o, "bytes_moved_why", js_str("not observable from system calls"));
	if (c->key.kind == LENS_KIND_SYSV_SHM)
		put_segment(o, c);
	else
		js_put(o, "unlinked", js_bool(chan_depth(c)->valid & LENS_DEPTH_UNLINKED));
	if (c->key.kind == LENS_KIND_MEMFD)
		js_put(o, "seals", seals(c));
	if (m->folded.procs) {
		struct js_value *folded = js_object();

		js_put(folded, "processes", js_u64(m->folded.procs));
		js_put(folded, "maps", js_u64(m->folded.maps));
		js_put(folded, "unmaps", js_u64(m->folded.unmaps));
		js_put(o, "folded", folded);
	}
	js_put(o, "handoffs", handoffs(c));
}

static struct js_value *ranges(const struct endpoint *e)
{
	const struct space *s = e->proc->space;
	struct js_value *array = js_array();
	uint64_t left = end_mapper(e)->mapped_bytes;
	char prot[4];

	/* a space may have thousands of objects: not all of it is walked for each */
	for (size_t i = end_mapper(e)->first_range; left && i < s->count; i++) {
		const struct map_range *r = &s->ranges[i];
		struct js_value *o;

		if (r->end_point != e)
			continue;
		left -= r->end - r->start;
		o = js_object();
		js_put(o, "start", js_id64(r->start));
		js_put(o, "length", js_u64(r->end - r->start));
		js_put(o, "offset", js_u64(r->offset));
		js_put(o, "prot", js_str(memory_prot(prot, r->prot)));
		js_add(array, o);
	}
	return array;
}

void js_put_mapper(struct js_value *o, const struct endpoint *e)
{
	static const char *const hows[] = {
		[MAPPER_BEFORE] = "before-start", [MAPPER_MAPPED] = "mmap",
		[MAPPER_ATTACHED] = "shmat", [MAPPER_INHERITED] = "fork",
	};
	const struct mapper *m = end_mapper(e);
	char prot[4];

	js_put(o, "prot", js_str(memory_prot(prot, m->mapped_bytes ? m->prot : 0)));
	js_put(o, "prot_ever", js_str(memory_prot(prot, m->prot_ever)));
	js_put(o, "mapped_bytes", js_u64(m->mapped_bytes));
	js_put(o, "peak_mapped_bytes", js_u64(m->peak_bytes));
	/* the kernel counts resident pages per address space and per object, not per both */
	js_put(o, "resident_bytes", NULL);
	js_put(o, "maps", js_u64(m->maps));
	js_put(o, "unmaps", js_u64(m->unmaps));
	js_put(o, "how", m->is_mapper ? js_str(hows[m->how]) : NULL);
	js_put(o, "inherited_from", js_proc_key(m->from));
	js_put(o, "ranges", ranges(e));
}
