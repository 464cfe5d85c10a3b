/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors that travel over unix sockets. Rows of a channel name others by
 * their keys: what was passed can be forgotten before the socket it went over.
 */
#ifndef LENS_MODEL_PASS_H
#define LENS_MODEL_PASS_H

#include "event/event.h"

struct chan;
struct world;

/* what a descriptor stands for */
struct passed_what {
	struct lens_chan key;		/* kind LENS_KIND_NONE: a file, by its inode */
	uint32_t inode_type;		/* S_IFMT bits; 0: anonymous inode */
	uint32_t mode;			/* 1 = readable, 2 = writable, 3 = both */
};

/* one kind of descriptor that one process sent or received over a channel */
struct passed {
	struct passed_what what;
	struct lens_proc who;		/* tgid 0: in flight */
	enum lens_dir dir;		/* LENS_WRITE: sent */
	uint64_t count;
	char *name;			/* of a file; hostile bytes, NULL: none known */
	size_t name_len;
	bool name_truncated;
};

struct passed_rows {
	struct passed *row;
	size_t count;
	uint64_t left_out;		/* descriptors that have no row: there are too many */
};

/* rows of one channel; what goes beyond is counted, and not told apart */
#define PASSED_ROWS_MAX 256

/* the name of a file that a PASS record tells of, as /proc has it; empty if it has none */
void pass_name(struct buf *out, const struct event *ev);
void pass_apply(struct world *w, const struct event *ev);
/* a look begins: what is in flight will be found by it */
void pass_forget_in_flight(struct chan *c);
void pass_free(struct chan *c);

/*
 * Who sent what `got` tells of, received at c: the only process that is known to
 * have sent it over this channel. False: nobody is, or several.
 */
bool pass_sender(const struct chan *c, const struct passed *got, struct lens_proc *ret);
/* the same of any descriptor of a channel, whatever it is open for */
bool pass_sender_of(const struct chan *c, const struct lens_chan *what, struct lens_proc *ret);

#endif
