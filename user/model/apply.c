// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How each record changes the world. Records may come in any order: whatever
 * is named for the first time is made on the spot.
 */
#include "model/mapping.h"
#include "model/ops.h"

static void set_path(char **to, const struct event *ev, struct event_bytes components, bool replace)
{
	struct buf path = {};

	if (!components.len || (*to && !replace))
		return;
	event_path(&path, components, ev->truncated);
	free(*to);
	*to = path.data;
}

static void set_argv(struct proc *p, const char *data, size_t len)
{
	free(p->argv);
	p->argv = xcalloc(len, 1);
	memcpy(p->argv, data, len);
	p->argv_len = len;
}

/* a fork is its parent's image until it executes another */
static void inherit(struct proc *p, const struct proc *parent)
{
	if (!p->exe && parent->exe)
		p->exe = xstrdup(parent->exe);
	/* who moved to another one since it was described has a path that is not known */
	if (!p->cgroup && parent->cgroup && p->cgroup_id == parent->cgroup_id)
		p->cgroup = xstrdup(parent->cgroup);
	if (!p->argv && parent->argv)
		set_argv(p, parent->argv, parent->argv_len);
}

/*
 * A snapshot does not wait in the ring, so records of earlier events may come
 * after it: an older one only fills in what is still missing.
 */
static void apply_proc(struct world *w, const struct event *ev)
{
	const struct lens_rec_proc *r = ev->lens_rec_proc;
	struct proc *p = world_proc(w, &r->proc), *parent;
	bool newer = !p->known || ev->ts_ns >= p->described_ns;

	if (newer) {
		p->known = true;
		p->described_ns = ev->ts_ns;
		p->parent = r->parent;
		p->uid = r->uid;
		p->nspid = r->nspid;
		p->pidns = r->pidns;
		p->ipcns = r->ipcns;
		p->netns = r->netns;
		p->mntns = r->mntns;
		p->cgroup_id = r->cgroup_id;
		memcpy(p->comm, r->comm, LENS_COMM_LEN);
	}
	if (ev->snapshot)
		p->seen_look = world_state(w)->looks_begun;
	p->in_tree |= !!(r->end_flags & LENS_END_TREE);
	/* a command that shares our output writes where we do and is not us for that */
	p->is_self |= r->end_flags & LENS_END_SELF && !(r->end_flags & LENS_END_TREE);
	set_path(&p->exe, ev, ev->exe, newer);
	set_path(&p->cgroup, ev, ev->cgroup, newer);
	if (ev->argv.len && (newer || !p->argv))
		set_argv(p, ev->argv.data, ev->argv.len);
	if (r->why == LENS_PROC_FORK)
		p->forked_by = r->parent;
	parent = r->why == LENS_PROC_FORK ? hash_get(w->procs, &p->parent) : NULL;
	if (parent) {
		inherit(p, parent);
		mapping_fork(w, parent, p, ev->ts_ns);
	}
	if (r->why == LENS_PROC_EXEC)
		mapping_clear(p, ev->ts_ns);
}

static void apply_exit(struct world *w, const struct event *ev)
{
	struct proc *p = world_proc(w, &ev->lens_rec_exit->proc);

	p->exited = true;
	p->exit_look = world_state(w)->looks_begun;
	p->exit_ns = ev->ts_ns;
	p->exit_code = ev->lens_rec_exit->code;
	mapping_clear(p, UINT64_MAX);
	mapping_ended(w, p);
}

static void set_flags(struct endpoint *e, struct side *s, enum lens_dir dir, uint32_t flags)
{
	s->flags |= flags;
	if (dir == LENS_READ)
		e->reader = true;
	else
		e->writer = true;
	e->made |= !!(flags & LENS_END_MADE);
	if (flags & LENS_END_TREE)
		e->proc->in_tree = true;
	if (flags & LENS_END_SELF)
		e->chan->is_self = true;
}

void chan_name(struct chan *c, const struct event *ev, bool replace)
{
	struct chan_more *more;
	struct buf name = {};

	if (!ev->name.len || (chan_more(c)->name && !replace))
		return;
	if (!ev->raw_name)
		event_path(&name, ev->name, ev->truncated);
	else if (ev->name.data[0])
		buf_add(&name, ev->name.data, ev->name.len);
	else {
		/* an abstract one, as everybody writes it */
		buf_puts(&name, "@");
		buf_add(&name, ev->name.data + 1, ev->name.len - 1);
	}
	more = chan_more_get(c);
	free(more->name);
	more->name = name.data;
	more->name_len = name.len;
	more->name_truncated = ev->truncated;
}

static void apply_end(struct world *w, const struct event *ev)
{
	const struct lens_rec_end *r = ev->lens_rec_end;
	struct chan *c = world_chan(w, &r->chan);
	struct endpoint *e = chan_endpoint(w, c, world_proc(w, &r->proc));
	struct hash *ids = world_state(w)->ids;
	struct side *s = end_side_get(e, r->dir);

	s->id = r->id;
	if (!s->announced)
		s->followed = r->flags & LENS_END_OPS;
	s->announced = true;
	if (r->flags & LENS_END_OPS &&
	    (!chan_state(c)->followed_ns || ev->ts_ns < chan_state(c)->followed_ns))
		chan_state_get(c)->followed_ns = ev->ts_ns;
	/* numbers grow: of an entry that was retired meanwhile this comes late */
	if ((int32_t)(r->id - s->entry_id) > 0)
		s->final = false;
	c->missed = 0;
	set_flags(e, s, r->dir, r->flags);
	/* one that waited in the ring while a look went by is old news */
	if (r->depth.valid && ev->ts_ns > c->depth_ns)
		chan_set_depth(w, c, &r->depth, ev->ts_ns);
	c->packets |= !!(r->depth.valid & LENS_DEPTH_PACKETS);
	c->cooked |= !!(r->depth.valid & LENS_DEPTH_COOKED);
	c->redirected |= !!(r->depth.valid & LENS_DEPTH_REDIRECTED);
	chan_name(c, ev, false);
	if (!hash_get(ids, &r->id))
		hash_add(ids, &r->id, id_value(e, r->dir));
}

/* the entry was retired and made anew: what it had counted stays */
static void carry(struct side *s)
{
	if (!s->carried)
		s->carried = xcalloc(1, sizeof(*s->carried));
	*s->carried = s->total;
}

/*
 * An entry that was retired and made anew counts from zero: it has another id,
 * or counts less than it did.
 */
static void apply_total(struct world *w, const struct event *ev)
{
	const struct lens_total_key *k = &ev->lens_rec_total->key;
	const struct lens_total *t = &ev->lens_rec_total->total;
	struct lens_chan chan = { .ino = k->ino, .dev = k->dev, .gen = k->gen, .kind = k->kind };
	struct lens_proc proc = { .start_ns = k->start_ns, .tgid = k->tgid };
	struct lens_total before = {};
	struct endpoint *e;
	struct side *s;

	if (k->dev == LENS_DEV_UNPLACED)
		return unplaced_apply(w, k, t);
	e = chan_endpoint(w, world_chan(w, &chan), world_proc(w, &proc));
	s = end_side_get(e, k->dir);
	if (s->carried)
		before = *s->carried;

	if (s->seen && (s->entry_id != t->id || t->ops < s->total.ops - before.ops)) {
		carry(s);
		before = *s->carried;
	}
	s->seen = true;
	s->final = t->flags & LENS_END_LAST;
	s->entry_id = t->id;
	s->total.ops = before.ops + t->ops;
	s->total.msgs = before.msgs + t->msgs;
	s->total.bytes = before.bytes + t->bytes;
	s->total.errors = before.errors + t->errors;
	s->total.shorts = before.shorts + t->shorts;
	set_flags(e, s, k->dir, t->flags & ~LENS_END_LAST);
}

static void apply_open(struct world *w, const struct event *ev)
{
	const struct lens_rec_open *r = ev->lens_rec_open;
	struct chan *c = world_chan(w, &r->chan);

	chan_endpoint(w, c, world_proc(w, &r->proc))->opened = true;
	if (r->mode & 1 && r->reader_opens == 1)
		chan_more_get(c)->lives[LENS_READ]++;
	if (r->mode & 2 && r->writer_opens == 1)
		chan_more_get(c)->lives[LENS_WRITE]++;
}

static void apply_loss(struct world *w, const struct event *ev)
{
	const struct lens_rec_loss *r = ev->lens_rec_loss;
	uint64_t bytes = 0;

	memcpy(w->loss.by_kind[r->kind], r->count, sizeof(r->count));
	w->loss.bytes_by_kind[r->kind] = r->bytes;
	memset(w->loss.count, 0, sizeof(w->loss.count));
	for (unsigned k = 0; k < LENS_KIND_MAX; k++) {
		bytes += w->loss.bytes_by_kind[k];
		for (unsigned i = 0; i < LENS_LOSS_MAX; i++)
			w->loss.count[i] += w->loss.by_kind[k][i];
	}
	w->loss.bytes = bytes;
}

static void apply_mark(struct world *w, const struct event *ev)
{
	const struct lens_rec_mark *r = ev->lens_rec_mark;
	struct world_state *s = world_state(w);

	switch (r->mark) {
	case LENS_MARK_STUCK_BEGIN:
	case LENS_MARK_STUCK_END:
		s->in_stuck = r->mark == LENS_MARK_STUCK_BEGIN;
		break;
	case LENS_MARK_ORDERED:
		window_ordered(w, r->value);
		break;
	case LENS_MARK_ATTACHED:
		w->start_ns = ev->ts_ns;
		break;
	case LENS_MARK_DETACHED:
		w->end_ns = ev->ts_ns;
		w->complete = true;
		break;
	case LENS_MARK_COMMAND:
		w->follows_command = true;
		break;
	case LENS_MARK_COMMAND_EXIT:
		w->has_command = true;
		w->command_status = r->value;
		break;
	case LENS_MARK_SAMPLE:
		w->sample_rounds++;
		w->sample_period_ns = r->value;
		s->sampling = true;
		break;
	default:
		s->sampling = false;
		look_mark(w, r->mark, ev->ts_ns);
	}
}

static void apply_cover(struct world *w, const struct event *ev)
{
	const struct lens_rec_cover *r = ev->lens_rec_cover;
	struct coverage *c = &w->cover[r->kind];

	c->kind = r->kind;
	c->observed = r->observed;
	snprintf(c->variant, sizeof(c->variant), "%s", r->variant);
	snprintf(c->detail, sizeof(c->detail), "%s", r->detail);
}

static void apply_ops(struct world *w, const struct event *ev)
{
	uint32_t message = 0;

	for (uint32_t i = 0; i < ev->lens_rec_ops->count; i++) {
		const struct lens_op *op = &ev->ops[i];

		if (op->id == LENS_OP_MESSAGE) {
			message = op->ret;
			continue;
		}
		window_add(w, op, message);
		message = 0;
	}
}

void world_apply(struct world *w, const struct event *ev)
{
	struct world_state *s = world_state(w);

	if (ev->ts_ns > w->end_ns && !w->complete)
		w->end_ns = ev->ts_ns;
	if (ev->type == LENS_REC_TOTAL && !s->in_totals)
		window_round(w, ev->ts_ns);
	s->in_totals = ev->type == LENS_REC_TOTAL;
	switch (ev->type) {
	case LENS_REC_PROC:
		return apply_proc(w, ev);
	case LENS_REC_EXIT:
		return apply_exit(w, ev);
	case LENS_REC_END:
		return apply_end(w, ev);
	case LENS_REC_HOLD:
		return look_hold(w, ev);
	case LENS_REC_CHAN:
		if (!s->in_stuck)
			look_chan(w, ev);
		return;
	case LENS_REC_MSGS:
		if (!s->in_stuck)
			look_msgs(w, ev);
		return;
	case LENS_REC_WAIT:
		return look_wait(w, ev);
	case LENS_REC_GONE:
		return look_gone(w, ev);
	case LENS_REC_OPEN:
		return apply_open(w, ev);
	case LENS_REC_PEER:
		return halves_apply(w, ev);
	case LENS_REC_PASS:
		return pass_apply(w, ev);
	case LENS_REC_SOCK:
		return inet_apply(w, ev);
	case LENS_REC_MQ:
		return look_mq(w, ev);
	case LENS_REC_MAP:
		return mapping_apply(w, ev);
	case LENS_REC_EDGE:
		return handoff_apply(w, ev);
	case LENS_REC_TOTAL:
		return apply_total(w, ev);
	case LENS_REC_OPS:
		return apply_ops(w, ev);
	case LENS_REC_LOSS:
		return apply_loss(w, ev);
	case LENS_REC_MARK:
		return apply_mark(w, ev);
	case LENS_REC_HOST:
		w->host = *ev->lens_rec_host;
		return;
	case LENS_REC_COVER:
		return apply_cover(w, ev);
	case LENS_REC_THREAD:
	case LENS_REC_DESC:
	case LENS_REC_ITEM:
	case LENS_REC_WAITER:
	case LENS_REC_FUTEX:
	case LENS_REC_URING:
	case LENS_REC_REQUEST:
	case LENS_REC_SUBMITTER:
	case LENS_REC_MEMORY:
	case LENS_REC_MAPPING:
	case LENS_REC_SEM:
	case LENS_REC_LOCK:
		return;		/* stuck_apply() takes them */
	case LENS_REC_FRAMES:	/* stuck_add_frames() takes them */
	case LENS_REC_STACK:	/* names take its place before anybody else sees it */
	case LENS_REC_NONE:
	case LENS_REC_TYPE_MAX:
		return;
	}
}
