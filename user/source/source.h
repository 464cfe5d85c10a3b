/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where records come from: the running kernel, or a recording. Both deliver
 * the same stream, record by record, to a sink; live and replay are therefore
 * the same to everything behind it. libbpf stays in this layer.
 */
#ifndef LENS_SOURCE_H
#define LENS_SOURCE_H

#include "base/base.h"
#include "wire.h"

/* gets one record (8-byte aligned, valid during the call); < 0 ends the source with that error */
typedef int (*source_sink)(void *arg, const struct lens_rec *rec);

/* ----------------------------------------------------------- live kernel */

/* one variant of the hooks of a kind; rows of a group in order of preference */
struct live_choice {
	unsigned kind;			/* enum lens_kind */
	const char *group;		/* "pipe" */
	const char *variant;		/* "fexit" */
	const char *limits;		/* what it does not see */
	const char *extra_limits;	/* nor that, without the io_uring hooks; or NULL */
};

struct live_options {
	const struct live_choice *choices;	/* kinds without any are not observed */
	size_t choice_count;
	uint32_t max_endpoints;		/* entries of the totals map; 0 = default (32768) */
	uint32_t ring_bytes;		/* event ring; power of two; 0 = default */
	bool check_descriptors;		/* whether each stood for one file all through a call */
	bool stream_ops;		/* one record per operation, of every channel */
	/* what is observed goes out at once: whoever reads it would have more to be observed */
	bool feeds_output;
	/*
	 * Which message each call on a queue was about, where a queue has several senders and
	 * receivers; with stream_ops of every queue from the start.
	 */
	bool number_messages;
	bool snapshot;			/* what exists now is all; nothing is hooked or counted */
	bool stuck;			/* live_stuck() will be asked for */
	uint64_t sample_ns;		/* period of the blocked-call sampling; 0 = none */
	const char *const *variants;	/* "mechanism=variant" to force, NULL-terminated, or NULL */
	uint32_t simulate_drops;	/* lose every n-th event record; 0 = none (test aid) */
};

struct live;

/*
 * Loads and attaches; needs CAP_BPF + CAP_PERFMON, and no privilege after.
 * Errors are said on stderr in one line with cause and remedy; returns
 * -EPERM (capability missing), -EOPNOTSUPP (this kernel cannot), others.
 */
int live_open(const struct live_options *opt, struct live **ret_live);
void live_freep(struct live **live);
/* marks the process, child of ours and not yet running its command, as root of the tree */
int live_follow(struct live *live, pid_t pid);
/* HOST, COVER, ATTACHED; then the first look */
int live_start(struct live *live, source_sink sink, void *arg);
/* hands over what waits in the rings, bounded by a budget; returns > 0 if more is waiting */
int live_poll(struct live *live, source_sink sink, void *arg);
/* one round of blocked-call samples */
int live_sample(struct live *live, source_sink sink, void *arg);
/* reads all totals; retires those of processes that have ended and of channels that are gone */
int live_totals(struct live *live, source_sink sink, void *arg);
/* the table of totals fills up: a reading would make room */
bool live_totals_are_due(const struct live *live);
/* a complete look: holders, queues, calls in progress, between two readings of the totals */
int live_look(struct live *live, source_sink sink, void *arg);
/* much has come and gone since the last look: another one lets the maps and the world forget */
bool live_look_is_due(const struct live *live);
/* final look, totals, loss, DETACHED; of a snapshot only the last */
int live_finish(struct live *live, source_sink sink, void *arg);

/* ------------------------------------------------- who waits for what */

struct stuck_live;

struct stuck_live_options {
	bool stacks;	/* stuck_live_stacks() may be asked, too */
	bool arguments;	/* of processes, which takes a while */
};

/*
 * Loads the iterators behind `ipclens stuck`; nothing is attached to what
 * other programs do. Privilege and errors as with live_open().
 */
int stuck_live_open(const struct stuck_live_options *o, struct stuck_live **ret_live);
void stuck_live_freep(struct stuck_live **live);
/*
 * One look: all threads, then after between_ns who holds what and what the
 * calls refer to, then all threads again. Whoever did not run in between was
 * blocked all that time.
 */
int stuck_live_look(struct stuck_live *live, uint64_t between_ns, source_sink sink, void *arg);
/* is it of interest where this thread is? */
typedef bool (*stuck_wants)(void *arg, const struct lens_rec_stack *stack);
/* after a look: FRAMES of the threads that are wanted, and do not run now either */
int stuck_live_stacks(struct stuck_live *live, stuck_wants wants, source_sink sink, void *arg);

/* the same beside whatever else live does; nothing if this kernel refuses it (said on stderr) */
int live_stuck(struct live *live, uint64_t between_ns, source_sink sink, void *arg);

/* ------------------------------------------------------------- load plan */

enum plan_state { PLAN_CHOSEN, PLAN_NOT_NEEDED, PLAN_ABSENT, PLAN_REFUSED, PLAN_FORCED_OFF };

struct plan_row {
	char group[16];			/* "pipe" */
	char variant[16];		/* "fexit" */
	enum plan_state state;
	bool is_last_resort;		/* only if the group has no other */
	char why[200];			/* absent, refused, a last resort: the reason */
};

/* how a kind is observed and what is not visible; false: it is not observed */
bool live_coverage(const struct live *live, unsigned kind, struct lens_rec_cover *ret_cover);
/* the rows behind the choice, for doctor; valid as long as live is */
const struct plan_row *live_plan(const struct live *live, size_t *ret_count);

/* --------------------------------------------------------------- sandbox */

struct sandbox_options {
	bool keep_uid;			/* do not become nobody (reading a private recording) */
	bool allow_file_io;		/* SQLite on already open files: pread, pwrite, ... */
};

/*
 * Gives up everything: nobody, no capability, no_new_privs, not dumpable,
 * Landlock deny-all where there is Landlock, seccomp allow-list. Never
 * continues privileged: an error means the caller must exit.
 */
int sandbox_enter(const struct sandbox_options *opt);

/* --------------------------------------------------------------- command */

struct command;

/* forks; the child waits, before its first instruction of argv, until command_go() */
int command_prepare(char *const argv[], struct command **ret_command);
pid_t command_pid(const struct command *c);
/* pidfd, readable when the command has ended */
int command_fd(const struct command *c);
int command_go(struct command *c);
/* wait status; blocks until it has ended */
int command_wait(struct command *c, int *ret_status);
void command_freep(struct command **c);

/* ------------------------------------------------------------- recording */

struct recording_writer;

/*
 * Creates path (0600, O_EXCL unless overwrite, never through a symlink). Every
 * file it will need is open when this returns, so that it works in a sandbox.
 * Errors are said on stderr.
 */
int recording_create(const char *path, bool overwrite, struct recording_writer **ret_writer);
/* a source_sink; buffered; a failed write is remembered and returned from then on */
int recording_write(void *writer, const struct lens_rec *rec);
/* makes everything written so far survive kill -9; call at least once a second */
int recording_flush(struct recording_writer *w);
/* flushes, marks the recording complete; writer is freed in any case */
int recording_close(struct recording_writer **w);

struct recording_reader;

int recording_open(const char *path, struct recording_reader **ret_reader);
/*
 * Delivers every intact record, once; -EBADMSG after them if blocks were damaged or
 * missing, -EINVAL if none could be read. The file is parsed only here: enter the
 * sandbox before (allow_file_io).
 */
int recording_read(struct recording_reader *r, source_sink sink, void *arg);
/* false: the recorder was killed or its disk was full; known once recording_read() has returned */
bool recording_is_complete(const struct recording_reader *r);
void recording_freep(struct recording_reader **r);

#endif
