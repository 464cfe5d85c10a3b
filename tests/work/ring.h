/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One io_uring of the calling process, by its system calls.
 */
#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <sys/types.h>

/* false: there is no io_uring here, or it is not allowed; setup: IORING_SETUP_* */
bool ring_open(unsigned setup);
/* also one that was inherited, which is its owner's all the same */
void ring_close(void);
int ring_fd(void);
struct io_uring_sqe ring_operation(unsigned opcode, int fd, const void *data, unsigned len);
void ring_submit(const struct io_uring_sqe *op);
/* sleeps until an operation completes; flags and what they tell of as in io_uring_enter(2) */
void ring_sleep(unsigned flags, const void *arg, size_t size);
/* ... until so many do */
void ring_sleep_for(unsigned count, unsigned flags, const void *arg, size_t size);
/* can a sleep have a minimum time? */
bool ring_sleeps_at_least(void);
/* is there the result of an operation that was not asked for? */
bool ring_has_answer(void);
/* io_uring_register(2); false: this kernel does not know it */
bool ring_register(unsigned opcode, void *arg, unsigned count);
/* from now on the ring is known by its place among those registered only */
bool ring_hide(void);
/* result of the next operation that completes, as system calls give it */
ssize_t ring_complete(void);
/* both */
ssize_t ring_do(const struct io_uring_sqe *op);

#endif
