/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The state behind a live source, shared by live.c (load, attach) and
 * live_read.c (records out of rings, iterators and maps). Internal to source/.
 */
#ifndef LENS_SOURCE_LIVE_H
#define LENS_SOURCE_LIVE_H

#include "source/order.h"
#include "source/plan.h"

struct lens;
struct bpf_link;
struct ring_buffer;

/* channels of the self-test; all gone when it is over */
enum live_test_chan {
	TEST_PIPE_A, TEST_PIPE_B, TEST_QUEUE, TEST_STREAM_A, TEST_STREAM_B, TEST_DATAGRAM,
	TEST_SPLICED, TEST_TCP_A, TEST_TCP_B, TEST_UDP, TEST_UDP_SENT, TEST_EVENTFD,
	TEST_MASTER, TEST_SLAVE, TEST_MEMORY, TEST_LESSONS,
	TEST_CHANS,
};

struct live {
	struct lens *skel;
	struct plan plan;
	struct live_options opt;
	struct bpf_link **links;	/* of the tracing programs */
	size_t link_count;
	int closer;			/* its socket; -1: there is none */
	struct bpf_link *numbering[2];	/* hooks that number messages, while needed: freed, made */
	struct crowds *crowds;		/* which queues need that */
	bool wonders;			/* ... what types somebody's messages are of */
	unsigned readings_unshared;	/* of the totals, since one last did */
	struct bpf_link *calls;		/* the hook at the end of system calls, while needed */
	/* NULL: not part of the plan */
	struct bpf_link *iter_straddle;
	struct bpf_link *iter_procs, *iter_files, *iter_waits, *iter_queues, *iter_mqueues;
	struct bpf_link *iter_segments, *iter_vmas;
	struct ring_buffer *ring, *ops_ring;
	struct lens_rec_host host;	/* taken while /proc can still be read */
	struct lens_proc self;		/* our process, as the kernel side knows it */
	struct lens_chan test_chans[TEST_CHANS];
	struct stuck_live *stuck;	/* NULL: not wanted, or refused */
	int cpu_count;
	bool seen_processes;		/* the first look is behind us */

	struct buf held;		/* batches of operations, not handed over yet */
	struct order order;		/* until when they were all handed over */
	/* during live_poll(): where records go, and what is left of the budget */
	source_sink sink;
	void *sink_arg;
	int sink_err;
	int64_t budget;			/* operations and other records */
	uint64_t taken_bytes;		/* out of the ring so far */
	uint64_t ring_bytes;

	/* for looks in between */
	bool sees_all;			/* not in a pid namespace, whose walks stay inside */
	uint32_t news;			/* channels, processes that came or went since the last */
	uint32_t entries;		/* in the totals map, when it was last read */
	uint32_t leaving;		/* ... of which the next reading will take these */
	uint32_t entries_made;		/* ever, when that reading began */
	uint32_t reading;		/* its number, never 0 */
	struct lens_chan *gone;		/* channels that the last reading found gone */
	size_t gone_count, gone_size;
	struct hash *told;		/* of what had no room: live_totals.c */
	uint32_t gone_told;		/* since the world was last asked to forget */
	uint64_t next_reading_ns;	/* ... not before, unless it is time */
	uint32_t entries_at_look;
	uint64_t next_look_ns;		/* not before */
	unsigned follow_looks;		/* so many more without any news, the next at ... */
	uint64_t follow_look_ns;
	uint64_t ring_full;		/* records lost */
	uint64_t ring_full_walked;	/* ... when all processes were told of last */

	/* processes that have ended since the totals were last read */
	struct lens_proc *exited;
	size_t exited_count, exited_size;
};

/* CLOCK_BOOTTIME */
uint64_t live_now_ns(void);
/* live_read.c: finishes a record of our own and hands it over */
int live_emit(source_sink sink, void *arg, struct lens_rec *rec, unsigned type, uint32_t len);
/* live.c: detaches the hook at the end of system calls once nothing needs it any more */
void live_release_calls(struct live *l);
/* live_notes.c: before loading; plan: of what is observed, NULL: nothing is */
void live_size_notes(struct lens *s, const struct plan *plan);
/* live.c: what a look without tracing needs, too */
int live_open_object(const struct kernel *k, struct lens **ret_skel, int *ret_types_fd);
/* live_closer.c: from now on another process holds links, too, and closes them after us */
void live_closer_open(struct live *l);
void live_closer_end(struct live *l);
/* live_cache.c: before loading; is_used: calls are counted */
int live_size_cache(struct lens *s, bool is_used);
int live_configure_types(struct lens *s, const struct kernel *k);
int live_explain_load(int err);
void live_quiet_libbpf(void);
/*
 * live_files.c: allows as many descriptors as are needed, or says that there are too few. The
 * command under `-- CMD` has been forked by then, with the limit as it was.
 */
#define LIVE_FILES_TO_LOOK 64
#define LIVE_FILES_TO_OBSERVE 256	/* two for each program, and what else there is */
int live_allow_files(unsigned needed);
/*
 * live_self.c: lets the kernel side learn which process we are and what pipes are, before
 * anything is counted; and learns who we are right after that
 */
int live_say_hello(const struct lens *s);
int live_know_self(struct live *l);
/* live_selftest.c: 1 if a chosen variant did not see known calls and is out of the plan now */
int live_selftest(struct live *l);
/* live_selftest.c: says which SysV queue of ours that one is */
int live_name_queue(struct live *l, enum live_test_chan chan, int id);
/* live_selftest.c: is it about a channel that only the self-test used? */
bool live_is_selftest(const struct live *l, const struct lens_rec *rec);
/* live_read.c: empties the per-CPU caches into the totals map */
int live_flush(struct live *l);
/* live_read.c: one walk of an iterator */
int live_walk(struct bpf_link *iterator, source_sink sink, void *arg);
/* live_read.c: everything that is in the rings by now */
int live_drain(struct live *l, source_sink sink, void *arg);
/* live_stuck.c: shares the programs and maps of l, which must outlive it */
int live_stuck_open(struct live *l);
/* live_totals.c: the reading that ends a look; alive: processes it came by since alive_ns */
int live_totals_of_look(struct live *l, const struct hash *alive, uint64_t alive_ns,
			source_sink sink, void *arg);
/* live_read.c: names of this machine; needs /proc */
void live_describe_host(struct lens_rec_host *ret);
/* live_totals.c: of what was told of what had no room */
void live_forget_told(struct live *l);
/* live_messages.c: is it attached on demand? */
bool live_is_numbering(const struct bpf_program *prog);
/* live_messages.c: makes ready for that; 1: this variant does not work and is out of the plan */
int live_numbering_prepare(struct live *l);
/* live_messages.c: attaches when a queue has come to need it, by what was handed over so far */
void live_numbering_poll(struct live *l);
/* live_messages.c: after a reading of the totals; detaches when no queue does any more */
void live_numbering_settle(struct live *l);
/* live_handoffs.c: reads them all; forgets those of processes that have ended */
int live_handoffs(struct live *l, const struct hash *ended, source_sink sink, void *arg);
int live_emit_mark(source_sink sink, void *arg, enum lens_mark mark, uint64_t value);

#endif
