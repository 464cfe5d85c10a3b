/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What all workloads share: the handshake with the test, the processes of a
 * workload, and its own count of what they did, which it prints as JSON.
 * Knows nothing of ipclens: the truth comes from the results of the calls.
 *
 * Protocol, lines on stdin and stdout (a unix socket, so that no pipe of the
 * test is mistaken for one of the workload):
 *
 *	-> {"ready":true,"pid":N}	channels that should exist before are there
 *	<- go				and the traffic begins
 *	-> {"truth":{...}}		all of it is over, descriptors stay open
 *	<- end				or end of file: leave
 *
 * A mode that waits for the observer on its way says {"paused":true} and goes on
 * when it hears "on".
 *
 * {"skip":"reason"} instead of the ready line: this kernel cannot do it.
 * With WORK_LATE=1 the ready line comes first, so that every channel is born
 * under the eyes of the observer. Nothing sleeps to be in step with another.
 */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum work_dir { WORK_READ, WORK_WRITE };

struct work_mode {
	const char *name;		/* '@': entered by exec, shares the truth of its parent */
	void (*run)(void);
};

/* runs the mode named by argv[1]; numbers after it: work_arg() */
int work_main(int argc, char **argv, const struct work_mode *modes, size_t count);
long work_arg(unsigned index, long fallback);
const char *work_text(unsigned index);	/* dies without that argument */

/* each mode calls it once, when everything that should exist before does */
void work_ready(void);
/* waits for the test; called by the first process, after work_ready() */
void work_pause(void);
_Noreturn void work_skip(const char *why);
_Noreturn void work_die(const char *what);	/* errno is said, too */
/* the workload itself must do what it says: dies otherwise */
void work_expect(ssize_t got, ssize_t want, const char *what);
void work_expect_error(ssize_t got, int want_errno, const char *what);

/* ---------------------------------------------------------------- channels */

/* the pipe or FIFO behind a descriptor; path is the FIFO's (kept, not copied), or NULL */
int work_pipe(int fd, const char *path);
/* the descriptor by which to look at it in the end, if not the one it was made from */
void work_look_through(int chan, int fd);
int work_queue(int msqid);
/* a POSIX message queue; name is kept, not copied */
int work_mq(int mqd, const char *name);
/* what is moved through it are amounts, no bytes */
int work_eventfd(int fd);
/* what is read at one end of a pty */
int work_pty(int master, int slave, bool at_slave);
/* from now on its line discipline changes nothing */
void work_pty_raw(int slave);
/* the kernel has added so much to an eventfd, or to what is read from a terminal */
void work_by_kernel(int chan, int64_t amount);
/* what is in it now is what will be there in the end; it can be closed */
void work_settled(int chan);
/* what is received from the socket behind a descriptor */
int work_socket(int fd);
/* two sockets that are connected to each other */
void work_peers(int chan, int other);
/* from now on the channel does not exist; what it held is lost */
void work_gone(int chan);
/* bytes and messages queued that no reader will ever get */
void work_discarded(int chan, uint64_t bytes, uint64_t messages);
/* bytes moved by a call that will not have returned */
void work_in_flight(int chan, int64_t bytes);
/* the flows of this channel are recorded by hand: work_flow() */
void work_flows_by_hand(int chan);
/* a reader knows who wrote */
void work_flow(int chan, pid_t from, uint64_t messages, uint64_t bytes);
/* ... and who writes knows who will have it */
void work_flow_to(int chan, pid_t to, uint64_t messages, uint64_t bytes);
/* a process as that to which others send a signal, or in whose memory they are; once each */
int work_signals(pid_t target, int number);
int work_memory(pid_t target);
/* backlog by message type or priority; delta +1 or -1 message */
void work_backlog(int chan, long type, int64_t delta, size_t bytes);

/*
 * Counts the result of one call, -1 with errno for an error, and returns it.
 * EINTR is neither error nor operation: at its exit the call looks restarted.
 */
ssize_t work_did(int chan, enum work_dir dir, ssize_t ret);
/* the same for SysV messages: 0 bytes are a message, too */
ssize_t work_did_message(int chan, enum work_dir dir, ssize_t ret);
/* the number of operations on this side is not defined (tee reads nothing) */
void work_any_operations(int chan, enum work_dir dir);

/* the path of a FIFO that another process has made; kept, not copied */
void work_path(int chan, const char *path);
/*
 * All that was counted since the last chapter is complete: it is printed under this
 * name, and forgotten. Its channels must be gone or settled.
 */
void work_chapter(const char *name);

/* a JSON object of what is no channel of messages or bytes, printed under "objects" */
void work_object(const char *text);

/* another number a test needs, printed under "facts" */
void work_fact(const char *name, long value);

/* --------------------------------------------------------------- processes */

/*
 * A child that runs fn, then waits with all its descriptors until the end
 * (or leaves at once, if fn calls _exit(0)). Dies with its parent.
 */
pid_t work_spawn(void (*fn)(void *), void *arg);
/* until its fn has returned */
void work_wait(pid_t pid);
/* until it has ended */
void work_reap(pid_t pid);
/* in a child not made by work_spawn(): count under its own name */
void work_adopt(void);
/* ends this process too where that child has ended, which has said why; else does nothing */
void work_end_with(pid_t kid);
/* until a thread sleeps in system call nr, with first argument arg0 */
void work_wait_blocked(pid_t tid, long nr, unsigned long arg0);
/* replaces the program by this one in a mode whose name begins with '@' */
_Noreturn void work_exec(const char *mode, const char *const *args);

/* a counter in shared memory, for children to tell how far they are */
void work_tick(unsigned slot);
void work_wait_ticks(unsigned slot, unsigned count);

#endif
