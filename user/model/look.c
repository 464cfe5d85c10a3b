// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Looks: what was found to exist at one moment, and the samples of blocked
 * calls between them. A look stands between two readings of the totals, so
 * that what moved while it lasted is bounded.
 */
#include "model/mapping.h"
#include "model/state.h"

/* looks in a row that missed a channel: nobody asks for more */
#define MISSED_OFTEN 2

static void begin(struct world *w, uint64_t ts_ns)
{
	world_state(w)->in_look = world_state(w)->unsettled = true;
	world_state(w)->look_ns = ts_ns;
	world_state(w)->looks_begun++;
	w->wait_count = 0;
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);

		for (size_t j = 0; j < c->end_count; j++) {
			struct endpoint *e = chan_ends(c)[j];

			e->held_now = false;
			end_forget_fds(e);
			for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
				struct side *side = end_more(e)->side[d];

				if (!side)
					continue;
				side->at_look.bytes = side->total.bytes;
				side->at_look.msgs = side->total.msgs;
				if (side->waits)
					memset(side->waits->under_way, 0,
					       sizeof(side->waits->under_way));
			}
		}
		c->in_look = false;
		c->is_new = false;
		glimpse_forget(c, GLIMPSE_NOW);
		if (!c->more)
			continue;
		pass_forget_in_flight(c);
		c->more->type_count = 0;
		c->more->types_truncated = false;
		c->more->notify_pid = 0;
	}
}

/* what the first look found stays known: the start is judged by it */
static void remember_first(struct chan *c)
{
	const struct kept_glimpse *last = glimpse_of(c, GLIMPSE_LAST);

	glimpse_remember(c);
	c->was_open_to_read = last && last->valid && chan_depth(c)->readers;
	c->was_open_to_write = last && last->valid && chan_depth(c)->writers;
	c->existed_before = c->in_look;
	for (size_t i = 0; i < c->end_count; i++) {
		for (unsigned d = 0; d < LENS_DIR_MAX; d++) {
			struct side *side = end_more(chan_ends(c)[i])->side[d];

			if (!side || !side->waits)
				continue;
			memcpy(side->waits->first_under_way, side->waits->under_way,
			       sizeof(side->waits->under_way));
			side->waits->first_bytes = side->at_look.bytes;
		}
	}
}

/* the totals have been read once more: the look is bounded on both sides */
static void settled(struct world *w)
{
	struct world_state *ws = world_state(w);

	mapping_look_settled(w, ws->look_ns);
	for (size_t i = 0; i < hash_count(w->chans); i++) {
		struct chan *c = hash_at(w->chans, i);

		glimpse_complete(c);
		/* memory may have been mapped after it was looked for; some are not looked for */
		c->live = c->in_look || chan_memory(c)->mappers || target_lives(c);
		if (!c->live)
			c->gone = true;
		/* one that came up meanwhile may just not have been there yet */
		if (c->live || c->is_new)
			c->missed = 0;
		else if (c->missed < MISSED_OFTEN)
			c->missed++;
		if (!ws->looks)
			remember_first(c);
	}
	ws->looks++;
	ws->unsettled = false;
	inet_look_settled(w);
	mapping_fold(w);
	fold_ended(w);
}

/*
 * The look has come by every process. Who was there when it began and was not
 * found has ended, and the record of that was lost or is still under way.
 */
static void miss_processes(struct world *w, uint64_t ts_ns)
{
	struct world_state *ws = world_state(w);

	ws->sees_all = true;
	/* recordings are not trusted, and these marks cost them little */
	if (ws->look_of_missed == ws->looks_begun)
		return;
	ws->look_of_missed = ws->looks_begun;
	for (size_t i = 0; i < hash_count(w->procs); i++) {
		struct proc *p = hash_at(w->procs, i);

		if (p->exited || !p->known || p->seen_look == ws->looks_begun ||
		    p->key.start_ns >= ws->look_ns)
			continue;
		p->exited = true;
		p->exit_look = ws->looks_begun;
		p->exit_ns = ts_ns;
	}
}

void look_mark(struct world *w, enum lens_mark mark, uint64_t ts_ns)
{
	struct world_state *ws = world_state(w);

	if (mark == LENS_MARK_LOOK_BEGIN)
		begin(w, ts_ns);
	else if (mark == LENS_MARK_LOOK_END)
		ws->in_look = false;
	else if (mark == LENS_MARK_PROCS)
		miss_processes(w, ts_ns);
	else if (mark == LENS_MARK_LOOK_SETTLED)
		settled(w);
	else if (mark == LENS_MARK_FOLD)
		fold_between_looks(w);
}

void look_found(struct world *w, struct chan *c, const struct lens_depth *depth, uint64_t ts_ns)
{
	c->in_look = true;
	c->gone = c->told_gone = false;
	glimpse_found(c, depth);
	if (!depth->valid)
		return;
	chan_set_depth(w, c, depth, ts_ns);
	c->packets |= !!(depth->valid & LENS_DEPTH_PACKETS);
	c->cooked |= !!(depth->valid & LENS_DEPTH_COOKED);
	c->redirected |= !!(depth->valid & LENS_DEPTH_REDIRECTED);
}

void look_hold(struct world *w, const struct event *ev)
{
	const struct lens_rec_hold *r = ev->lens_rec_hold;
	struct chan *c = world_chan(w, &r->chan);
	struct endpoint *e = chan_endpoint(w, c, world_proc(w, &r->proc));

	look_found(w, c, &r->depth, ev->ts_ns);
	e->held_now = true;
	e->made |= !!(r->flags & LENS_END_MADE);
	if (!world_state(w)->looks)
		e->held_before = true;
	e->reader |= r->mode & 1;
	e->writer |= !!(r->mode & 2);
	end_add_fd(e, r->fd);
	/* a socket has one path at a time; a fifo may be open by several, and keeps the first */
	chan_name(c, ev, event_kind_is_socket(r->chan.kind));
}

void look_chan(struct world *w, const struct event *ev)
{
	const struct lens_rec_chan *r = ev->lens_rec_chan;
	struct chan *c = world_chan(w, &r->chan);
	struct chan_more *more;

	/* of segments events tell, too: that one exists is no find of the look under way */
	if (ev->snapshot || !chan_is_memory(c))
		look_found(w, c, &r->depth, ev->ts_ns);
	else if (r->depth.valid && ev->ts_ns > c->depth_ns)
		chan_set_depth(w, c, &r->depth, c->depth_ns);
	more = chan_more_get(c);
	more->lspid = r->lspid;
	more->lrpid = r->lrpid;
	more->uid = r->uid;
	more->mode = r->mode;
}

void look_mq(struct world *w, const struct event *ev)
{
	const struct lens_rec_mq *r = ev->lens_rec_mq;
	struct chan *c = world_chan(w, &r->chan);
	struct chan_more *more = chan_more_get(c);

	look_found(w, c, &r->depth, ev->ts_ns);
	more->uid = r->uid;
	more->mode = r->mode;
	more->notify_pid = r->notify_pid;
	more->notify_how = r->notify_how;
	chan_name(c, ev, false);
}

/* more types than this in one queue are summed up as truncated */
#define TYPES_MAX 4096

static void count_message(struct chan_more *c, const struct lens_msg *m)
{
	size_t low = 0, high = c->type_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c->types[middle].type < m->type)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->type_count || c->types[low].type != m->type) {
		if (c->type_count >= TYPES_MAX) {
			c->types_truncated = true;
			return;
		}
		c->types = xrealloc(c->types, c->type_count + 1, sizeof(*c->types));
		memmove(c->types + low + 1, c->types + low,
			(c->type_count - low) * sizeof(*c->types));
		c->types[low] = (struct type_count){ .type = m->type };
		c->type_count++;
	}
	c->types[low].messages++;
	c->types[low].bytes += m->bytes;
}

void look_msgs(struct world *w, const struct event *ev)
{
	struct chan_more *c = chan_more_get(world_chan(w, &ev->lens_rec_msgs->chan));

	/* a queue may be found twice in one look */
	if (!ev->lens_rec_msgs->first)
		c->type_count = 0;
	for (uint32_t i = 0; i < ev->lens_rec_msgs->count; i++)
		count_message(c, &ev->msgs[i]);
}

/* who sleeps in a call on a channel is an end of it, even if it never got anything */
static struct endpoint *waiting_end(struct world *w, struct chan *c, struct proc *p,
				    enum lens_dir dir)
{
	struct endpoint *e = chan_endpoint(w, c, p);

	if (dir == LENS_READ)
		e->reader = true;
	else
		e->writer = true;
	return e;
}

/* no call moves more: MAX_RW_COUNT, include/linux/fs.h */
#define CALL_MAX INT64_C(0x7fffffff)
/* of one process, which may have many threads; records are not trusted */
#define UNDER_WAY_MAX (INT64_C(1) << 40)

/*
 * How much a call under way can have moved that no total shows yet. Sleeping
 * readers have moved nothing, or they would have returned; messages move whole
 * and last, so whoever sleeps on a queue has moved none.
 */
static int64_t may_have_moved(const struct lens_rec_wait *r, const struct chan *c)
{
	bool is_queue = chan_has_messages(c), is_counter = c->key.kind == LENS_KIND_EVENTFD;
	int64_t most = CALL_MAX;

	if (r->asleep && (is_queue || is_counter || r->dir == LENS_READ))
		return 0;
	/* nor is it known how much is added or taken */
	if (is_counter)
		return UNDER_WAY_MAX;
	/* of vectors it is not known how much they ask for; no read gets more than fits */
	if ((is_queue || !r->asked) && r->dir == LENS_READ && chan_depth(c)->valid &&
	    chan_depth(c)->capacity_bytes < (uint64_t)most)
		most = chan_depth(c)->capacity_bytes;
	return r->asked && r->asked < (uint64_t)most ? (int64_t)r->asked : most;
}

static void wait_in_look(struct world *w, const struct lens_rec_wait *r, struct chan *c,
			 struct proc *p)
{
	struct endpoint *e = waiting_end(w, c, p, r->dir);
	struct side_waits *s = side_waits_get(end_side_get(e, r->dir));

	if (s->under_way[UNIT_BYTES] < UNDER_WAY_MAX)
		s->under_way[UNIT_BYTES] += may_have_moved(r, c);
	if (chan_has_messages(c) && !r->asleep)
		s->under_way[UNIT_MSGS]++;
	w->waits = xrealloc(w->waits, w->wait_count + 1, sizeof(*w->waits));
	w->waits[w->wait_count++] = (struct wait){
		.proc = p, .chan = c, .tid = r->tid, .nr = r->nr, .dir = r->dir,
		.asleep = r->asleep, .asked = r->asked, .msgtype = r->msgtype,
	};
}

/* one thread found asleep in one round of samples */
static void wait_in_sample(struct world *w, const struct lens_rec_wait *r, struct chan *c,
			   struct proc *p)
{
	struct chan_more *more;
	struct side_waits *s;

	if (!r->asleep)
		return;
	s = side_waits_get(end_side_get(waiting_end(w, c, p, r->dir), r->dir));
	/* several threads of one process asleep in one round are one blocked process */
	if (s->sampled_round != w->sample_rounds) {
		s->sampled_round = w->sample_rounds;
		s->samples++;
		s->blocked_ns += w->sample_period_ns;
	}
	more = chan_more_get(c);
	if (more->sampled_round[r->dir] != w->sample_rounds) {
		more->sampled_round[r->dir] = w->sample_rounds;
		more->blocked_samples[r->dir]++;
	}
}

void look_wait(struct world *w, const struct event *ev)
{
	const struct lens_rec_wait *r = ev->lens_rec_wait;
	struct chan *c = world_chan(w, &r->chan);
	struct proc *p = world_proc(w, &r->proc);

	if (world_state(w)->in_look)
		wait_in_look(w, r, c, p);
	else if (world_state(w)->sampling)
		wait_in_sample(w, r, c, p);
}

/*
 * Removed, even if the look under way or the last one found it just before. But of a fifo this
 * is said some time after nobody had it open: one that the look under way found was opened since.
 */
void look_gone(struct world *w, const struct event *ev)
{
	struct chan *c = world_chan(w, &ev->lens_rec_gone->chan);

	if (c->key.kind == LENS_KIND_FIFO && c->in_look && world_state(w)->unsettled)
		return;
	world_state(w)->gone_told += !c->told_gone;
	c->gone = true;
	c->live = false;
	c->in_look = false;
	c->told_gone = true;
}
