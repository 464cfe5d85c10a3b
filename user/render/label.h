/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What things are called in text: processes, channels, the ends of a channel,
 * numbers. Everything appended here is escaped and may go straight to a
 * terminal. Decides no layout.
 */
#ifndef LENS_RENDER_LABEL_H
#define LENS_RENDER_LABEL_H

#include "base/base.h"
#include "model/model.h"

/* "make(1234)", "?(1234)" for an unknown name, "-" for no process */
void label_proc(struct buf *out, const struct proc *p);
void label_chan(struct buf *out, const struct chan *c);
const char *label_type(const struct chan *c);

enum label_ends {
	ENDS_USERS_APART,	/* mere holders in brackets, after those who moved data */
	ENDS_WITH_FDS,		/* "sh(12):3,4" */
	ENDS_ACTIVE_ONLY,	/* those who moved data or slept in the attempt */
};

/* the processes at one side of a channel; many of one name are grouped; "-" for none */
void label_ends(struct buf *out, const struct chan *c, enum lens_dir dir, enum label_ends style);

/* someone who has moved data, as opposed to someone who could */
bool end_is_user(const struct endpoint *e, enum lens_dir dir);
bool end_has_role(const struct endpoint *e, enum lens_dir dir);

/* "1,234,567" */
void label_count(struct buf *out, uint64_t n);
void label_signed(struct buf *out, int64_t n);
/* "17 B/64.0 KiB"; "gone"; "-" if nobody could look */
void label_depth(struct buf *out, const struct chan *c);
void label_capacity(struct buf *out, const struct chan *c);
/* "17 B", of queues "3 msg 17 B" */
void label_queued(struct buf *out, const struct chan *c);
/* "exit status 3", "killed by signal 15 (TERM)" */
void label_status(struct buf *out, int wait_status);

/* id of the innermost container a cgroup path tells of: ret_len digits, or NULL */
const char *label_container(const char *cgroup, size_t *ret_len);

/* "nothing lost", or the causes with their counts */
void label_loss(struct buf *out, const struct world *w);
bool world_lost_something(const struct world *w);
/* "pipe, fifo: sys; sysv-msg: unavailable: why" */
void label_coverage(struct buf *out, const struct world *w);

#endif
