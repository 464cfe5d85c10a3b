/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes, channels, coverage and loss as JSON objects of schema version 1.
 * What is not known is null, never zero and never a guess.
 */
#include <signal.h>

#include "mech/mech.h"
#include "render/group.h"
#include "render/json.h"
#include "render/label.h"
#include "render/memory.h"
#include "render/pass.h"

#define NS_PER_MS 1000000

struct js_value *js_proc_key(struct lens_proc key)
{
	char id[48];

	if (!key.tgid)
		return NULL;
	snprintf(id, sizeof(id), "%u@%llu", key.tgid, (unsigned long long)key.start_ns);
	return js_str(id);
}

struct js_value *js_proc_id(const struct proc *p)
{
	return p ? js_proc_key(p->key) : NULL;
}

struct js_value *js_chan_id(const struct chan *c)
{
	_cleanup_(buf_fini) struct buf id = {};

	mech_chan_id(c, &id);
	return js_text(id.data, id.len);
}

/* what people call it; a channel that has no name is called by its id */
struct js_value *js_chan_name(const struct chan *c)
{
	_cleanup_(buf_fini) struct buf name = {};
	const struct mech *mech = mech_get(c->key.kind);

	if (mech)
		mech->name(c, &name);
	return name.len ? js_text(name.data, name.len) : js_chan_id(c);
}

struct js_value *js_host(const struct world *w)
{
	const struct lens_rec_host *host = &w->host;
	struct js_value *o = js_object();

	/* the model has terminated these strings */
	js_put(o, "hostname", js_str(host->hostname));
	js_put(o, "kernel", js_str(host->kernel));
	js_put(o, "boot_id", js_str(host->boot_id));
	js_put(o, "arch", js_str(host->arch));
	return o;
}

struct js_value *js_interval(const struct world *w)
{
	struct js_value *o = js_object();

	js_put(o, "start_ns", js_id64(w->start_ns));
	js_put(o, "end_ns", js_id64(w->end_ns));
	js_put(o, "duration_s", js_fixed(world_duration_ns(w) / NS_PER_MS, 3));
	return o;
}

struct js_value *js_coverage(const struct world *w)
{
	struct js_value *rows = js_array();

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct coverage *row = &w->cover[kind];
		struct js_value *o;

		if (!row->kind)
			continue;
		o = js_object();
		js_put(o, "type", js_str(event_kind_name(kind)));
		js_put(o, "variant", row->observed ? js_str(row->variant) : NULL);
		js_put(o, "state", js_str(row->observed ? "observed" : "unavailable"));
		js_put(o, "detail", js_str(row->detail));
		js_add(rows, o);
	}
	return rows;
}

/* every cause, also those without a loss: a consumer must not have to guess */
static struct js_value *loss_counts(const uint64_t counts[LENS_LOSS_MAX])
{
	struct js_value *o = js_object();

	for (unsigned cause = 0; cause < LENS_LOSS_MAX; cause++)
		js_put(o, event_loss_name(cause), js_u64(counts[cause]));
	return o;
}

static bool any_count(const uint64_t counts[LENS_LOSS_MAX])
{
	for (unsigned cause = 0; cause < LENS_LOSS_MAX; cause++)
		if (counts[cause])
			return true;
	return false;
}

struct js_value *js_loss(const struct world *w)
{
	struct js_value *o = loss_counts(w->loss.count), *by_type = js_object();

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++)
		if (any_count(w->loss.by_kind[kind]))
			js_put(by_type, event_kind_name(kind), loss_counts(w->loss.by_kind[kind]));
	js_put(o, "by_type", by_type);
	/* what the operations under map_full had moved: known, but of no channel */
	js_put(o, "bytes", js_u64(w->loss.bytes));
	js_put(o, "bad_records", js_u64(w->loss.bad_records));
	if (world_unplaced(w))
		js_put(o, "unplaced", js_u64(world_unplaced(w)));
	/* of no report or list, which print no operations */
	if (w->loss.not_shown)
		js_put(o, "not_shown", js_u64(w->loss.not_shown));
	return o;
}

/* ----------------------------------------------------------- processes */

/* argv as exec left it: every argument ends in a NUL, but the kept part may not */
static struct js_value *proc_argv(const struct proc *p)
{
	struct js_value *argv = js_array();
	const char *at = p->argv, *end = p->argv ? p->argv + p->argv_len : NULL;

	while (at < end) {
		size_t len = strnlen(at, (size_t)(end - at));

		js_add(argv, js_text(at, len));
		at += len + 1;
	}
	return argv;
}

static struct js_value *proc_container(const struct proc *p)
{
	size_t len = 0;
	const char *id = label_container(p->cgroup, &len);

	return js_text(id, len);
}

/* a process of which only the key is known says so by its nulls */
struct js_value *js_proc(const struct proc *p)
{
	struct js_value *o = js_object();

	js_put(o, "id", js_proc_id(p));
	js_put(o, "pid", js_u64(p->key.tgid));
	js_put(o, "start_ns", js_id64(p->key.start_ns));
	js_put(o, "ppid", p->known ? js_u64(p->parent.tgid) : NULL);
	js_put(o, "comm", js_text(p->comm, strnlen(p->comm, sizeof(p->comm))));
	js_put(o, "exe", js_str(p->exe));
	js_put(o, "argv", proc_argv(p));
	js_put(o, "uid", p->known ? js_u64(p->uid) : NULL);
	js_put(o, "cgroup", js_str(p->cgroup));
	js_put(o, "container", proc_container(p));
	js_put(o, "pidns", p->known ? js_id64(p->pidns) : NULL);
	js_put(o, "nspid", p->known ? js_u64(p->nspid) : NULL);
	js_put(o, "exited", js_bool(p->exited));
	js_put(o, "in_tree", js_bool(p->in_tree));
	return o;
}

/* ------------------------------------------------------------ channels */

void js_put_moved(struct js_value *o, unsigned kind, uint64_t moved)
{
	bool bytes = event_kind_has_bytes(kind);

	js_put(o, "bytes", js_u64(bytes ? moved : 0));
	if (!bytes)
		js_put(o, "amount", js_u64(moved));
}

static struct js_value *side_object(const struct side *s, unsigned kind)
{
	struct js_value *o = js_object();

	js_put(o, "operations", js_u64(s->total.ops));
	js_put(o, "messages", js_u64(s->total.msgs));
	js_put_moved(o, kind, s->total.bytes);
	js_put(o, "errors", js_u64(s->total.errors));
	js_put(o, "short_operations", js_u64(s->total.shorts));
	js_put(o, "blocked_ns", js_u64(side_waits(s)->blocked_ns));
	if (s->descriptors)
		js_put(o, "descriptors", js_u64(s->descriptors));
	return o;
}

/* what it could do, or what it was seen doing before we knew that it could */
static const char *end_role(const struct endpoint *e)
{
	bool reads = end_has_role(e, LENS_READ), writes = end_has_role(e, LENS_WRITE);

	if (end_mapper(e)->is_mapper)
		return "mapper";
	if (reads && writes)
		return "both";
	return writes ? "writer" : "reader";
}

static struct js_value *origin_object(const struct world *w, const struct endpoint *e)
{
	struct js_value *object;
	struct origin o;

	origin_of(w, e, &o);
	if (!o.how)
		return NULL;
	object = js_object();
	js_put(object, "how", js_str(origin_word(o.how)));
	js_put(object, "from", js_proc_id(o.from));
	if (o.how == ORIGIN_RECEIVED)
		js_put(object, "over", o.over ? js_chan_id(o.over) : NULL);
	js_put(object, "inferred", js_bool(o.inferred));
	return object;
}

static struct js_value *end_object(const struct world *w, const struct endpoint *e, bool traffic)
{
	struct js_value *o = js_object();
	unsigned kind = e->chan->key.kind;

	js_put(o, "process", js_proc_id(e->proc));
	js_put(o, "role", js_str(end_role(e)));
	js_put(o, "fds", js_numbers(end_fds(e), e->fd_count));
	js_put(o, "user", js_bool(end_is_user(e, LENS_READ) || end_is_user(e, LENS_WRITE)));
	js_put(o, "holds", js_bool(e->held_now));
	js_put(o, "origin", origin_object(w, e));
	if (chan_is_memory(e->chan))
		js_put_mapper(o, e);
	if (traffic) {
		js_put(o, "read", side_object(end_side(e, LENS_READ), kind));
		js_put(o, "write", side_object(end_side(e, LENS_WRITE), kind));
	}
	return o;
}

/* signed throughout: a balance that does not add up may miss bytes or have too many */
struct js_value *js_ledger(const struct ledger *l, unsigned kind)
{
	struct js_value *o, *m;

	if (!l->known)
		return NULL;
	o = js_object();
	js_put(o, "before_start", js_i64(l->before_start));
	js_put(o, "written", js_i64(l->written));
	js_put(o, "read", js_i64(l->read));
	js_put(o, "queued", js_i64(l->queued));
	js_put(o, "discarded", js_i64(l->discarded));
	js_put(o, "discarded_observed", js_bool(l->discarded_observed));
	js_put(o, "in_flight", js_i64(l->in_flight));
	js_put(o, "slack", js_i64(l->slack));
	js_put(o, "unaccounted", js_i64(l->unaccounted));
	if (kind == LENS_KIND_EVENTFD || kind == LENS_KIND_PTY)
		js_put(o, "by_kernel", js_i64(l->by_kernel));
	if (!event_kind_has_bytes(kind))
		js_put(o, "unit", js_str("count"));
	if (!event_kind_has_messages(kind))
		return o;
	m = js_object();
	js_put(m, "before_start", js_i64(l->msgs_before));
	js_put(m, "written", js_i64(l->msgs_written));
	js_put(m, "read", js_i64(l->msgs_read));
	js_put(m, "queued", js_i64(l->msgs_queued));
	js_put(m, "discarded", js_i64(l->msgs_discarded));
	js_put(m, "unaccounted", js_i64(l->msgs_unaccounted));
	js_put(o, "messages", m);
	return o;
}

/* four digits are more than a sampled share is worth */
static struct js_value *share(double part)
{
	double bounded = part > 0 ? (part < 1 ? part : 1) : 0;

	return js_fixed((uint64_t)(bounded * 10000 + 0.5), 4);
}

/* null without samples: a share of 0 would claim that nobody waited */
static struct js_value *pressure_object(const struct world *w, const struct chan *c)
{
	struct js_value *o;

	if (!w->sample_rounds)
		return NULL;
	o = js_object();
	js_put(o, "writer_blocked_share", share(chan_more(c)->full_share));
	js_put(o, "reader_blocked_share", share(chan_more(c)->empty_share));
	js_put(o, "samples", js_u64(w->sample_rounds));
	return o;
}

static struct js_value *types_object(const struct chan *c)
{
	struct js_value *o = js_object();
	char key[24];

	for (size_t i = 0; i < chan_more(c)->type_count; i++) {
		snprintf(key, sizeof(key), "%lld", (long long)chan_more(c)->types[i].type);
		js_put_copied(o, key, js_u64(chan_more(c)->types[i].messages));
	}
	return o;
}

/* what a look found in it; nothing is left in what is gone, whatever was found before */
static struct js_value *js_queued(const struct chan *c, uint64_t found)
{
	return chan_depth(c)->valid ? js_u64(c->gone ? 0 : found) : NULL;
}

/* a pipe has slots, not messages: how many messages wait in it nobody knows */
static void put_depth(struct js_value *o, const struct chan *c, bool messages)
{
	const struct lens_depth *d = chan_depth(c);
	bool valid = d->valid, is_pty = c->key.kind == LENS_KIND_PTY;

	js_put(o, "capacity_bytes", valid && !is_pty ? js_u64(d->capacity_bytes) : NULL);
	js_put(o, "queued_bytes", js_queued(c, d->queued_bytes));
	js_put(o, "queued_messages", messages ? js_queued(c, d->queued_msgs) : NULL);
	if (!messages && !is_pty && !event_kind_is_socket(c->key.kind)) {
		js_put(o, "queued_slots", js_queued(c, d->queued_msgs));
		js_put(o, "capacity_slots", valid ? js_u64(d->capacity_msgs) : NULL);
	}
	if (c->key.kind == LENS_KIND_UNIX_DGRAM)
		js_put(o, "capacity_messages", valid ? js_u64(d->capacity_msgs) : NULL);
}

/* what takes connections holds none of their bytes, but those that nobody accepted yet */
static void put_listener(struct js_value *o, const struct chan *c)
{
	struct js_value *backlog = js_object();

	js_put(o, "listening", js_bool(true));
	js_put(backlog, "waiting", js_u64(chan_depth(c)->queued_msgs));
	js_put(backlog, "capacity", js_u64(chan_depth(c)->capacity_msgs));
	js_put(o, "backlog", backlog);
}

static void put_socket(struct js_value *o, const struct chan *c)
{
	struct js_value *ns = js_object();

	js_put(ns, "net", chan_depth(c)->valid ? js_id64((uint32_t)chan_depth(c)->key) : NULL);
	js_put(o, "ns", ns);
	if (chan_depth(c)->valid & LENS_DEPTH_PENDING)
		js_put(o, "accepted", js_bool(false));
}

/* a counter has a value, and no bytes */
static void put_eventfd(struct js_value *o, const struct chan *c)
{
	bool valid = chan_depth(c)->valid, semaphore = chan_depth(c)->valid & LENS_DEPTH_SEMAPHORE;

	js_put(o, "capacity_bytes", NULL);
	js_put(o, "queued_bytes", NULL);
	js_put(o, "queued_messages", NULL);
	js_put(o, "counter", valid ? js_u64(chan_depth(c)->queued_bytes) : NULL);
	js_put(o, "semaphore", valid ? js_bool(semaphore) : NULL);
}

static void put_address(struct js_value *o, const char *key, const uint8_t address[16],
			uint16_t port)
{
	_cleanup_(buf_fini) struct buf text = {};

	mech_inet_address(address, port, &text);
	js_put_copied(o, key, js_text(text.data, text.len));
}

/* of a connection: as its first half has them */
static void put_inet(struct js_value *o, const struct chan *c)
{
	static const char *const joined[] = {
		[INET_SAME_NETNS] = "same-netns", [INET_OTHER_NETNS] = "other-netns",
		[INET_TRANSLATED] = "translated", [INET_ITSELF] = "itself",
	};
	const struct chan_inet *i = chan_inet(c);

	put_address(o, "local", i->local, i->local_port);
	if (inet_is_multipath(c))
		js_put(o, "multipath", js_bool(true));
	if (c->key.kind == LENS_KIND_UDP)
		js_put(o, "dropped_messages", js_u64(i->drops));
	if (!i->remote_port)
		return;
	put_address(o, "remote", i->remote, i->remote_port);
	if (i->joined != INET_ALONE)
		js_put(o, "joined", js_str(joined[i->joined]));
	js_put(o, "external", js_bool(!c->peer && !(i->flags & LENS_SOCK_LOCAL)));
}

/* as everybody writes it: "0:24" */
static struct js_value *js_device(uint32_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%u:%u", dev >> 20, dev & 0xfffff);
	return js_str(text);
}

static void put_sysv(struct js_value *o, const struct chan *c)
{
	struct js_value *ns = js_object();
	char text[16];

	js_put(ns, "ipc", js_id64(c->key.dev));
	js_put(o, "ns", ns);
	snprintf(text, sizeof(text), "0x%08x", (unsigned)chan_depth(c)->key);
	js_put(o, "key", chan_depth(c)->valid ? js_str(text) : NULL);
	js_put(o, "last_send_pid", js_u64(chan_more(c)->lspid));
	js_put(o, "last_receive_pid", js_u64(chan_more(c)->lrpid));
	js_put(o, "queued_by_msgtype", types_object(c));
	js_put(o, "queued_by_msgtype_complete", js_bool(!chan_more(c)->types_truncated));
}

static const char *pty_end(const struct chan *half)
{
	return half->key.gen & LENS_PTY_SLAVE ? "slave" : "master";
}

/* of a pty: which one reads here, and whether it gets what the other end wrote, and no more */
static void put_end(struct js_value *o, const struct chan *half)
{
	bool cooked = chan_depth(half)->valid & LENS_DEPTH_COOKED;

	js_put(o, "end", js_str(pty_end(half)));
	js_put(o, "line_discipline_changes", chan_depth(half)->valid ? js_bool(cooked) : NULL);
}

/* each direction of a connection, by the half that is read; books where there is traffic */
static void put_directions(struct js_value *o, const struct chan *c, bool messages, bool traffic)
{
	const struct chan *halves[] = { c->peer->peer, c->peer };
	struct js_value *rows = js_array();

	for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
		struct js_value *row = js_object();

		js_put(row, "half", js_u64(i));
		if (c->key.kind == LENS_KIND_PTY)
			put_end(row, halves[i]);
		else
			js_put(row, "inode", js_id64(halves[i]->key.ino));
		put_depth(row, halves[i], messages);
		if (traffic)
			js_put(row, "ledger", js_ledger(chan_ledger(halves[i]), c->key.kind));
		js_add(rows, row);
	}
	js_put(o, "directions", rows);
}

static const char *notify_method(uint32_t how)
{
	switch (how) {
	case SIGEV_SIGNAL: return "signal";
	case SIGEV_THREAD: return "thread";
	case SIGEV_NONE: return "none";
	default: return NULL;
	}
}

static void put_mq(struct js_value *o, const struct chan *c)
{
	struct js_value *ns = js_object(), *notify = NULL;

	js_put(ns, "ipc", chan_more(c)->ipcns ? js_id64(chan_more(c)->ipcns) : NULL);
	js_put(o, "ns", ns);
	js_put(o, "capacity_messages",
	       chan_depth(c)->valid ? js_u64(chan_depth(c)->capacity_msgs) : NULL);
	if (chan_more(c)->notify_pid) {
		notify = js_object();
		js_put(notify, "pid", js_u64(chan_more(c)->notify_pid));
		js_put(notify, "method", js_str(notify_method(chan_more(c)->notify_how)));
	}
	js_put(o, "notify", notify);
	js_put(o, "queued_by_priority", types_object(c));
	js_put(o, "queued_by_priority_complete", js_bool(!chan_more(c)->types_truncated));
}

static void put_target(struct js_value *o, const struct chan *c)
{
	const struct endpoint *target = chan_target(c);

	js_put(o, "target", js_proc_id(target ? target->proc : NULL));
	if (c->key.kind == LENS_KIND_SIGNAL)
		js_put(o, "signal", js_u64(c->key.gen));
}

static struct js_value *stuck_array(const struct stuck *s, const struct chan *c)
{
	struct js_value *waits = js_array();
	const struct stuck_thread *t;
	size_t at = 0;

	while ((t = stuck_next_wait(s, c, &at)))
		js_add(waits, js_wait(s, t, c));
	return waits;
}

struct js_value *js_chan(const struct world *w, const struct chan *c, bool traffic)
{
	bool messages = chan_has_messages(c);
	struct js_value *o = js_object(), *ends = js_array();

	js_put(o, "id", js_chan_id(c));
	js_put(o, "type", js_str(event_kind_name(c->key.kind)));
	js_put(o, "name", js_chan_name(c));
	js_put(o, "name_complete", js_bool(!chan_more(c)->name_truncated));
	js_put(o, "existed_before", js_bool(c->existed_before));
	js_put(o, "gone", js_bool(c->gone));
	if (chan_depth(c)->valid & LENS_DEPTH_LISTENING)
		put_listener(o, c);
	else if (c->key.kind == LENS_KIND_EVENTFD)
		put_eventfd(o, c);
	else if (chan_is_memory(c))
		js_put_memory(o, c);
	else if (event_kind_has_target(c->key.kind))
		put_target(o, c);
	else
		put_depth(o, c, messages);
	if (c->key.kind == LENS_KIND_SYSV_MSG)
		put_sysv(o, c);
	if (c->key.kind == LENS_KIND_PTY)
		js_put(o, "devpts", js_device(c->key.dev));
	if (event_kind_is_socket(c->key.kind))
		put_socket(o, c);
	if (chan_is_redirected(c))
		js_put(o, "redirected", js_bool(true));
	if (chan_is_encrypted(c))
		js_put(o, "encrypted", js_bool(true));
	if (chan_inet(c))
		put_inet(o, c);
	if (c->peer)
		put_directions(o, c, messages, traffic);
	if (c->key.kind == LENS_KIND_POSIX_MQ)
		put_mq(o, c);
	passed_put_chan(o, w, c);
	if (traffic) {
		js_put(o, "ledger", js_ledger(chan_ledger(c), c->key.kind));
		js_put(o, "pressure", chan_has_queue(c) ? pressure_object(w, c) : NULL);
	}
	for (size_t i = 0; i < c->end_count; i++) {
		struct js_value *end = end_object(w, chan_ends(c)[i], traffic);

		if (c->key.kind == LENS_KIND_PTY)
			js_put(end, "end", js_str(pty_end(chan_ends(c)[i]->chan)));
		if (c->peer)
			js_put(end, "half", js_u64(chan_ends(c)[i]->chan == c->peer));
		js_add(ends, end);
	}
	js_put(o, "endpoints", ends);
	if (w->stuck)
		js_put(o, "stuck", stuck_array(w->stuck, c));
	return o;
}

void js_doc_entities(struct js_doc *d, const struct world *w, const struct view *v,
		     const struct render_filter *f, bool traffic)
{
	size_t count = 0;
	_cleanup_free_ const struct proc **procs = view_procs(v, w, f, &count);

	js_doc_array(d, "processes");
	for (size_t i = 0; i < count; i++)
		js_doc_add(d, js_proc(procs[i]));
	js_doc_array_end(d);
	js_doc_array(d, "channels");
	for (size_t i = 0; i < v->chan_count; i++)
		js_doc_add(d, js_chan(w, v->chans[i].chan, traffic));
	js_doc_array_end(d);
}
