/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a workload has counted, for truth.c, which fills it in, and for
 * truth_text.c, which prints it.
 */
#ifndef TRUTH_TEXT_H
#define TRUTH_TEXT_H

#include "work.h"

#define CHANS 4096
#define SIDES 16384
#define FLOWS 8192
#define TYPES 64
#define FACTS 256

enum {
	KIND_PIPE, KIND_FIFO, KIND_QUEUE, KIND_MQ, KIND_EVENTFD,
	KIND_STREAM, KIND_DGRAM, KIND_SEQPACKET, KIND_TCP, KIND_UDP, KIND_PTY,
	KIND_SIGNAL, KIND_MEMORY,
};

struct chan {
	int kind;
	int peer;			/* number and one more; 0: has none, or was not told */
	bool gone, by_hand, unbalanced, settled, at_slave;
	uint64_t dev, ino, ipcns;	/* queues: ino is the id */
	int64_t before_bytes, before_messages;
	int64_t discarded_bytes, discarded_messages;
	int64_t in_flight, by_kernel;
	int64_t queued_bytes, queued_messages, capacity;
};

struct side {
	int chan;
	enum work_dir dir;
	pid_t pid;
	bool any_operations;
	uint64_t operations, messages, bytes, errors;
};

struct flow { int chan; pid_t from, to; uint64_t messages, bytes; };
struct type { int chan; long type; int64_t messages, bytes; };
struct fact { char name[32]; long value; };

struct table {
	unsigned chan_count, side_count, flow_count, type_count, fact_count;
	unsigned lock;
	struct chan chan[CHANS];
	struct side side[SIDES];
	struct flow flow[FLOWS];
	struct type type[TYPES];
	struct fact fact[FACTS];
};

extern struct table *truth_table;
/* of a FIFO, by channel */
extern const char *truth_path[CHANS];

bool truth_has_messages(const struct chan *c);
/* takes in what is queued and how much can be, from the kernel where it tells */
void truth_look(struct chan *c, int n);
/* all channels, and what was done with them */
void truth_forget(void);
void truth_flow(int chan, pid_t from, pid_t to, uint64_t messages, uint64_t bytes);

#endif
