/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the model remembers beyond what it shows. Internal to model/.
 */
#ifndef LENS_MODEL_STATE_H
#define LENS_MODEL_STATE_H

#include "model/model.h"

enum unit { UNIT_BYTES, UNIT_MSGS, UNIT_MAX };

/* what was counted at a channel in both directions */
struct moved {
	int64_t n[UNIT_MAX][LENS_DIR_MAX];
};

/* depth and the totals that were read just before and just after it */
struct glimpse {
	bool valid;
	int64_t queued[UNIT_MAX];
	struct moved before, after;
	/* of a socket: the places of struct lens_rec_sock */
	bool has_place;
	uint32_t sent, taken;
};

/* how a glimpse is kept of each channel: most have moved nothing */
struct kept_glimpse {
	bool valid, has_place;
	uint32_t sent, taken;
	int64_t queued[UNIT_MAX];
	struct kept_moves { struct moved before, after; } *moves;	/* NULL: all is 0 */
};

/* a range of residuals that need no other explanation */
struct bounds {
	int64_t low, high;
};

/* which look a glimpse is of: the first and the last completed one, and that under way */
enum which { GLIMPSE_FIRST, GLIMPSE_LAST, GLIMPSE_NOW, GLIMPSE_MAX };

/* what few channels have: nothing is ever moved through most of them */
struct chan_state {
	struct kept_glimpse *glimpse[GLIMPSE_MAX];	/* NULL: see glimpse_of() */
	size_t folded_ends;		/* endpoints that are about to be forgotten */
	struct hash *by_proc;		/* struct proc * -> endpoint; NULL while there are few */
	uint64_t followed_ns;		/* from then on all of its operations are */
	struct ops *ops;		/* operations followed one by one, NULL: none */
	/* set by the ledger for the flows: what was there before */
	int64_t before;
	/* datagrams that came from where nobody is seen */
	int64_t outside, msgs_outside;
};

/* lies behind what is shown */
struct chan_parts {
	struct chan_more more;
	struct chan_state state;
};

/* one endpoint and direction in a pointer's room: the low bit is the direction */
static inline void *id_value(struct endpoint *e, enum lens_dir dir)
{
	return (char *)e + (dir == LENS_WRITE);
}

static inline struct endpoint *id_end(void *value)
{
	return (struct endpoint *)(void *)((char *)value - ((uintptr_t)value & 1));
}

static inline enum lens_dir id_dir(const void *value)
{
	return (uintptr_t)value & 1 ? LENS_WRITE : LENS_READ;
}

struct world_state {
	struct hash *ids;		/* uint32_t -> id_value() */
	struct window *window;
	struct hash *seats;		/* inet.c: halves by the origins of their streams */
	unsigned looks;			/* completed */
	uint32_t looks_begun;
	uint32_t look_of_missed;	/* in which it was asked who is not there any more */
	size_t gone_told;		/* channels, since that was last a reason to forget */
	uint64_t look_ns;		/* begin of the last one */
	bool in_look;			/* between BEGIN and END */
	bool unsettled;			/* ... and SETTLED */
	bool sees_all;			/* looks come by every process, not only a namespace's */
	bool sampling;			/* WAIT records belong to the last SAMPLE mark */
	bool in_totals;			/* the last record was a total */
	bool in_stuck;			/* a look at who waits for what: no part of ours */
	size_t ops_kept;		/* in struct ops of all channels */
	size_t ended_ends;		/* of processes that ended since memory was last folded */
	struct pool *chans, *ends;
	struct hash *unplaced;		/* struct lens_total_key -> what was told of it */
	size_t unplaced_rows;		/* rows of one process */
	struct hash *depths;		/* those that channels share: struct lens_depth */
	struct hash *lone;		/* halves that were summed up alone: struct lens_chan */
	bool forgot_lone;		/* ... and more of them than are remembered */
	struct ways *ways;		/* ways.c: how things were passed before the start */
};

static inline struct world_state *world_state(const struct world *w)
{
	return w->model_private;
}

extern const struct chan_state chan_state_none;
static inline const struct chan_state *chan_state(const struct chan *c)
{
	return c->more ? &((const struct chan_parts *)c->more)->state : &chan_state_none;
}
struct chan_state *chan_state_get(struct chan *c);

/* the latest depth */
void chan_set_depth(struct world *w, struct chan *c, const struct lens_depth *depth,
		    uint64_t ts_ns);
/* what all endpoints of a channel moved; at_look: as of the begin of the look */
void chan_moved(const struct chan *c, bool at_look, struct moved *ret);

/* glimpse.c: NULL if that look did not find the channel */
const struct kept_glimpse *glimpse_of(const struct chan *c, enum which which);
/* the look under way has found it; what depth says of it if that is valid */
void glimpse_found(struct chan *c, const struct lens_depth *depth);
/* ... and these places of struct lens_rec_sock */
void glimpse_place(struct chan *c, uint32_t sent, uint32_t taken);
/* the look under way is the last one, and what was moved until now follows it */
void glimpse_complete(struct chan *c);
/* the last one is the first, too */
void glimpse_remember(struct chan *c);
void glimpse_forget(struct chan *c, enum which which);
struct glimpse glimpse_read(const struct kept_glimpse *g);

/* halves.c: the same for what passed through the queue of c, whose writes a peer may count */
void queue_moved(const struct chan *c, struct moved *ret);
void queue_glimpse(const struct chan *c, bool first, struct glimpse *ret);
void halves_apply(struct world *w, const struct event *ev);
void halves_join(struct chan *c, struct chan *peer);
/* makes the other half of a channel that was just made, where the key of one tells that of both */
void halves_pair(struct world *w, struct chan *c);

/* target.c: makes the process that a new channel stands for its first end, if it is one */
void target_join(struct world *w, struct chan *c);
/* is c such a process, and has not ended? */
bool target_lives(const struct chan *c);

/* inet.c */
struct hash *seats_new(void);
void seats_free(struct hash *seats);
void seats_forget_folded(struct hash *seats);
void inet_apply(struct world *w, const struct event *ev);
/* sets what is queued at c, of which *g is known, by the places of both halves */
void inet_queue(const struct chan *c, const struct glimpse *theirs, bool first, struct glimpse *g);
void inet_look_settled(struct world *w);
/* datagrams that a full queue did not take since it is known */
uint64_t inet_dropped_messages(const struct chan *c);
bool inet_may_have_dropped(const struct chan *c, const struct ledger *l);
/* have several connections of this socket been counted as one? */
bool inet_was_connected_anew(const struct chan *c);
/* was there something at the start whose size does not follow from the places in its stream? */
bool inet_may_have_held(const struct chan *c);
/* does the other end of the connection belong to this host, and was not found? */
bool inet_misses_peer(const struct chan *c);
/* is this what a UDP socket sends out, and not the queue that it receives from? */
bool inet_is_outgoing(const struct chan *c);
/* anybody on a network may send there, unseen: what is missing came from outside */
bool inet_takes_from_outside(const struct chan *c);

/* the name that a record gives a channel; one that is known already stays unless replaced */
void chan_name(struct chan *c, const struct event *ev, bool replace);

/* origin.c: the process that forked it; NULL: init and the like adopt others' children */
const struct lens_proc *proc_forked_by(const struct proc *p);

/* look.c */
/* the look under way has found it */
void look_found(struct world *w, struct chan *c, const struct lens_depth *depth, uint64_t ts_ns);
void look_mark(struct world *w, enum lens_mark mark, uint64_t ts_ns);
void look_hold(struct world *w, const struct event *ev);
void look_chan(struct world *w, const struct event *ev);
void look_msgs(struct world *w, const struct event *ev);
void look_mq(struct world *w, const struct event *ev);
void look_wait(struct world *w, const struct event *ev);
void look_gone(struct world *w, const struct event *ev);

/* window.c: operations of all CPUs, put in order */
struct window *window_new(void);
void window_free(struct window *win);
/* message: 0, or its number */
void window_add(struct world *w, const struct lens_op *op, uint32_t message);
/* a reading of the totals began: what was older at the one before has arrived by now */
void window_round(struct world *w, uint64_t ts_ns);
/* nothing older comes any more: no operation that ended until then */
void window_ordered(struct world *w, uint64_t until_ns);
/* hands on all that waits */
void window_flush(struct world *w);

/* ledger.c, flow.c */
void ledger_settle(struct world *w, struct chan *c);
/* the kernel may have dropped bytes of the channel, and not only with the channel at its end */
bool ledger_has_holes(const struct chan *c);
void flow_settle(struct world *w);
/* appends the flows of one channel, whose ledger is settled, to those of the world */
void flow_settle_chan(struct world *w, struct chan *c);

/* fold.c: a look is complete; what it shows to have ended and is too much is summed up */
void fold_ended(struct world *w);
/* ... so much was told to be gone that this is not to wait for a look */
void fold_between_looks(struct world *w);
struct hash *fold_table(void);
/* halves.c: it is summed up, and forgotten */
void halves_forget(struct world *w, const struct chan *c);
/* ... some of what it or its peer did was summed up before they were known as one connection */
bool halves_lack_sums(const struct world *w, const struct chan *c);
/* unplaced.c: what a process did to channels that had no room */
void unplaced_apply(struct world *w, const struct lens_total_key *key, const struct lens_total *t);
/* ... what was told of those that can add no more */
void unplaced_forget(struct world *w);
/* ... what has become known of whose rows those are */
void unplaced_settle(struct world *w);
void chan_free(struct world *w, struct chan *c);
/* the endpoint is not in the tables of its channel any more */
void end_free(struct world *w, struct endpoint *e);
void proc_free(struct proc *p);

#endif
