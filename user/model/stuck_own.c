// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the state of a thread alone tells of whether it will go on.
 */
#include <signal.h>

#include "model/stuck_look.h"

/* include/linux/sched.h: bits of task_struct.__state; not exported */
#define STATE_STOPPED_OR_TRACED (STUCK_STATE_STOPPED | STUCK_STATE_TRACED)

/* the terminal stops a whole job for what one process of it does */
static const char *why_stopped(const struct lens_rec_thread *r)
{
	bool background = r->flags & LENS_THREAD_BACKGROUND;

	switch (r->stop_signal) {
	case SIGTTIN:
		return background ? "stopped by SIGTTIN, as its job reads from the terminal in the"
				    " background (fg lets it go on)"
				  : "stopped by SIGTTIN";
	case SIGTTOU:
		return background ? "stopped by SIGTTOU, as its job writes to the terminal, or"
				    " sets it, in the background (fg lets it go on)"
				  : "stopped by SIGTTOU";
	case SIGTSTP:
		return "stopped by SIGTSTP";
	case SIGSTOP:
		return "stopped by SIGSTOP";
	}
	return "stopped by a signal";
}

/* a supervisor holds a call like that, too, from the first signal on: seccomp_unotify(2) */
static bool waits_for_device(const struct stuck *s, const struct stuck_thread *t)
{
	const struct lens_rec_thread *r = &t->rec;

	return r->state & STUCK_STATE_UNINTERRUPTIBLE && r->call != LENS_CALL_VFORK &&
	       r->call != LENS_CALL_CLONE && !(r->flags & LENS_THREAD_SUPERVISED) &&
	       !stuck_find_locker(s, t);
}

void stuck_set_own(const struct stuck *s, struct stuck_thread *t)
{
	const struct lens_rec_thread *r = &t->rec;
	bool frozen = r->flags & LENS_THREAD_FROZEN || r->state & STUCK_STATE_FROZEN;

	t->own = HOPE_NONE;
	if (t->moved || !r->state) {
		/* also where it is stopped again: by strace(1), which lets it go on at once */
		t->own = HOPE_RUNS;
		t->own_why = "running";
	} else if (frozen || r->state & STATE_STOPPED_OR_TRACED) {
		t->own = HOPE_STOPPED;
		t->own_why = frozen ? "frozen by its cgroup"
			     : r->state & STUCK_STATE_TRACED ? "stopped by a tracer"
							     : why_stopped(r);
	} else if (r->flags & LENS_THREAD_ENDING) {
		t->own = HOPE_RUNS;
		t->own_why = "ending";
	} else if (stuck_is_helper(s, t)) {
		t->own_why = "working for io_uring";
	} else if (r->flags & LENS_THREAD_WORKER) {
		t->own = HOPE_OUTSIDE;
		t->own_why = "working for io_uring";
	} else if (waits_for_device(s, t)) {
		t->own = HOPE_RUNS;
		t->own_why = "waiting for a device";
	} else if (r->flags & LENS_THREAD_TIMER) {
		t->own = HOPE_RUNS;
		t->own_why = "waiting, with a timer set";
	} else if (stuck_has_requests(s, t) && r->call != LENS_CALL_IO_URING_ENTER) {
		/* the kernel carries them out whatever the thread itself waits for */
		t->own = HOPE_OUTSIDE;
		t->own_why = "waiting, with a ring of asynchronous requests";
	} else if (stuck_find_notice(s, t)) {
		t->own = HOPE_OUTSIDE;
		t->own_why = stuck_find_notice(s, t);
	}
}
