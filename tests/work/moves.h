/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every call that moves something through an end of a channel, or fails to.
 * What each has done is counted here.
 */
#ifndef MOVES_H
#define MOVES_H

#include <stddef.h>
#include <sys/types.h>

enum { MOVE_BYTES = 1 << 17 };

struct end;

/* by whatever call `how` says, for this kind of channel; -1: it failed */
ssize_t move_put(const struct end *e, size_t len, unsigned how);
ssize_t move_get(const struct end *e, size_t len, unsigned how);
/* looks, which move nothing */
void move_peek(const struct end *e, size_t len, unsigned how);
/* from one channel to another, without user memory */
void move_splice(const struct end *from, const struct end *to, size_t len);
/* the same by sendfile(2), which takes nothing out of a pipe */
void move_sendfile(const struct end *from, const struct end *to, size_t len);
void move_tee(const struct end *from, const struct end *to, size_t len);
/* between a file or memory and a channel */
void move_from_file(const struct end *to, size_t len, unsigned how);
void move_to_file(const struct end *from, size_t len, unsigned how);
/* a descriptor, with one byte; the one received, or -1 */
void move_pass(const struct end *e, int fd);
int move_receive(const struct end *e, int flags);

#endif
