/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * User stacks of threads, by name. Internal to source/.
 */
#ifndef LENS_SOURCE_USER_STACK_H
#define LENS_SOURCE_USER_STACK_H

#include "event/event.h"
#include "source/frames.h"
#include "source/reader.h"

struct user_stacks;

struct user_stacks *user_stacks_new(struct reader *reader);
void user_stacks_freep(struct user_stacks **u);
/* a new look: what was read before may have changed, and there is as much time again */
void user_stacks_begin(struct user_stacks *u);
/* a piece of memory of the thread that is being unwound: takes it from a STACK record */
bool user_stacks_take(struct user_stacks *u, const struct event *ev);
/* asks for the memory from an address on: calls user_stacks_take() if that can be read */
typedef void (*user_stacks_more)(void *arg, uint32_t tid, uint64_t from);
/* puts the frames of a thread into f, which was begun; where they end */
enum lens_frames_end user_stacks_add(struct user_stacks *u, const struct event *ev,
				     user_stacks_more more, void *arg, struct frames *f);

#endif
