/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Channels of every kind, as a table of what can be done with each, and the
 * ends of them that the processes of a random program hold. All of it lies in
 * memory that these share; only one of them changes it at a time.
 */
#ifndef ENDS_H
#define ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PAIRS = 8, SLOTS = 12, PROCS = 6 };
/* bits of `how`: it may wait; nothing that fails on purpose, which goes with the first */
enum { HOW_WAIT = 1 << 30, HOW_PLAIN = 1 << 29 };

enum { RINGS_PIPES = 1, RINGS_SOCKETS = 2 };

enum shape {
	ONE_WAY,	/* side 0 reads what side 1 writes */
	ONE_END,	/* both by the same descriptor */
	TWO_ENDS,	/* each side reads what the other one writes */
};

struct pair;
struct end;

struct mech {
	const char *name;
	enum shape shape;
	bool messages;		/* stay apart */
	bool no_fd;		/* an id does */
	bool socket;		/* send(2) and recv(2) and what is like them */
	bool splices;
	bool passes;		/* descriptors, as SCM_RIGHTS */
	bool shuts;
	bool resets;		/* what comes when both directions are shut is refused, later */
	bool holds;		/* the last holder of a side keeps it: ids are used again */
	bool amounts;		/* are moved, no bytes */
	bool terminal;		/* of which a write of nothing is no operation that all agree on */
	bool loses;		/* what does not fit is gone, without a word */
	size_t most_bytes;	/* by one call */
	void (*make)(struct pair *p, int ret_fd[2]);
	/* other ways than descriptors have; NULL */
	ssize_t (*put)(const struct end *e, size_t len, unsigned how);
	ssize_t (*get)(const struct end *e, size_t len, unsigned how);
	void (*remove)(struct pair *p);
};

extern const struct mech mechs[];
extern const unsigned mech_count;

/* a channel, or the two directions of a connection */
struct pair {
	const struct mech *mech;
	int chan[2];		/* in the truth; what side 0 receives first */
	int id;
	char name[48];
	bool named;		/* can be removed yet */
	bool shut;
};

/* an end in the hands of a process; a SysV queue is one, too */
struct slot {
	bool used;
	bool closes;		/* on exec */
	int fd, pair, side;
};

struct stage {
	struct pair pair[PAIRS];
	unsigned pair_count;
	unsigned names;		/* given to channels of this program */
	struct slot slot[PROCS][SLOTS];
	pid_t pid[PROCS];	/* 0: is not there */
	unsigned proc_count;	/* ever */
	bool in_order;		/* one call after the other: who gets what is known */
	unsigned rings;		/* what io_uring may be used on: RINGS_* */
};

extern struct stage *stage;

/* for the calls of a process */
struct end {
	const struct mech *mech;
	struct pair *pair;
	int fd, in, out;	/* channels, -1: not this way */
};

struct end end_of(const struct slot *s);
/* of a way that is none: -1 */
int slot_in(const struct slot *s);
int slot_out(const struct slot *s);
/* how many slots of all processes are an end of it, on that side; -1: on any */
unsigned holders(int pair, int side);
/* what it is an end of has not been removed */
bool slot_alive(const struct slot *s);
/* datagrams need somebody to go to: else their socket is told so in its next call */
bool slot_puts(const struct slot *s);
bool slot_gets(const struct slot *s);
/* makes a channel, whose ends are in these two slots; the second may stay unused */
void pair_make(const struct mech *mech, struct slot *first, struct slot *second);
/* before a descriptor is closed by whom it belongs to */
void slot_leave(struct slot *s);

#endif
