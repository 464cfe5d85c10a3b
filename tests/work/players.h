/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The processes of a random program, which wait for what to do, and all that
 * each can be made to do.
 */
#ifndef PLAYERS_H
#define PLAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ends.h"

struct op {
	unsigned act, proc, other;	/* who does it, and with whom */
	int slot, with, free;		/* of proc, of other; one that is not used */
	unsigned mech, how;
	size_t len;
};

typedef void part(const struct op *o);

/* what is to be done now, which all of them see */
extern struct op *play_op;

void players_create(void);
/* in one that has executed this program anew, as that one of them: plays on */
_Noreturn void players_find(unsigned proc);
/* the first process of a program; the others come from it */
void players_first(void);
/* a process group of their own */
pid_t players_group(void);
/* all of them have quit */
void players_ended(void);
struct slot *slot_of(unsigned proc, int slot);
/* which one the calling process is, and whether another one has something to do yet */
unsigned player_self(void);
bool player_is_busy(unsigned proc);
/* by op's first process, until it has done it */
void perform(part *p);
/* ... the other one follows while the first may be waiting for it */
void perform_both(part *p, part *others);
/* ... the other one alone */
void perform_other(part *p);
void perform_fork(void);
/* all at the same time */
void perform_all(part *p);
/* until nothing is left of it, or of what it held */
void perform_quit(void);

part do_make, do_dup, do_close, do_put, do_get, do_peek, do_splice, do_tee, do_from_file,
	do_to_file, do_resize, do_shut, do_remove, do_pass, do_receive, do_wait_get, do_serve,
	do_fill, do_wait_put, do_drain, do_mingle, do_settle, do_stay, do_close_on_exec, do_exec,
	do_await_bell, do_ring_bell;

#endif
