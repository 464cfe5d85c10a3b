/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * An edge of a wait-for graph: what one process waits for that only another one
 * can do, by a channel, a lock or a child.
 */
#ifndef STRAND_H
#define STRAND_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* how node `from` waits for node `to`: by what only `to` can do */
enum kind {
	PIPE_EMPTY,
	PIPE_FULL,
	FIFO_EMPTY,
	FIFO_FULL,
	STREAM_EMPTY,
	STREAM_FULL,
	PACKETS_EMPTY,
	PACKETS_FULL,
	DGRAM_EMPTY,
	TCP_EMPTY,
	MQ_EMPTY,
	MQ_FULL,
	EVENTFD_ZERO,
	PTY_EMPTY,
	KIND_POLLABLE,
	TCP_FULL = KIND_POLLABLE,
	DGRAM_FULL,
	CHILD, /* which reads from a pipe that the other one could write to */
	FLOCK,
	OFD,
	RECORD,
	MUTEX,
	SEMAPHORE,
	SYSV_EMPTY, /* anybody could send, so there is always hope from outside */
	KIND_MAX
};

struct strand {
	enum kind kind;
	int mine, its; /* descriptors of either side */
	bool writes;   /* the wait is for room */
	bool carried;  /* its descriptor is inside a socket that only `to` could receive from */
	int sem, queue;
	bool robust; /* the mutex is */
	pthread_mutex_t *mutex;
	volatile pid_t *child; /* who it is, once there is one */
};

enum { STRAND_FD = 100 }; /* descriptors of strands have this number or a higher one */

/* kind, carried and robust are set; the rest comes with it */
void strand_make(struct strand *s);
/* what outlives those who use it */
void strand_remove(const struct strand *s);
/* one more than the highest descriptor of all strands */
int strand_fd_end(void);
/* by the other one, at its start: takes what is waited for to be given back */
void strand_take(const struct strand *s);
/* waits; where it ends, as it does when the workload ends, what follows is none at all */
void strand_wait(const struct strand *s);

#endif
