// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Timers that will end a wait, or have somebody act: set, with a signal that is neither blocked
 * nor ignored; and timers behind descriptors. One that is not set ends nothing.
 */
#include "stuck.bpf.h"

enum { SIGNAL_MAX = 64 };

/* SIGCHLD, SIGCONT, SIGURG and SIGWINCH: nothing happens unless somebody handles them */
#define IGNORED_BY_DEFAULT (1ull << 16 | 1ull << 17 | 1ull << 22 | 1ull << 27)

/* would a signal of that number, from 1, do anything to the thread? */
static __always_inline bool reaches(struct task_struct *t, __u32 signal)
{
	struct sighand_struct *hand = core_load(t, sighand);
	__u64 blocked = core_load(t, blocked.sig[0]), handler = 0, bit;

	if (!signal || signal > SIGNAL_MAX || !hand)
		return true;
	bit = 1ull << ((signal - 1) & (SIGNAL_MAX - 1));
	bpf_probe_read_kernel(&handler, sizeof(handler),
			      (void *)hand + bpf_core_field_offset(struct sighand_struct, action) +
				      (signal - 1) * bpf_core_type_size(struct k_sigaction));
	/* 0 is the default, 1 ignores */
	return !(blocked & bit) && handler != 1 && (handler || !(IGNORED_BY_DEFAULT & bit));
}

static __always_inline bool is_alarm(int clock)
{
	return clock == KDEF_CLOCK_REALTIME_ALARM || clock == KDEF_CLOCK_BOOTTIME_ALARM;
}

static __always_inline __u32 signal_of(struct k_itimer *timer)
{
	struct k_itimer___pre613 *old = (void *)timer;
	struct sigqueue *queue;

	if (!bpf_core_field_exists(timer->sigq.info))
		queue = core_load(old, sigq);
	else
		queue = (void *)timer + bpf_core_field_offset(struct k_itimer, sigq);
	return core_load(queue, info.si_signo);
}

/* those of processor time are not looked into: they may be another process's */
static __always_inline bool is_set(struct k_itimer *timer)
{
	int clock = core_load(timer, it_clock);

	if (is_alarm(clock))
		return core_load(timer, it.alarm.alarmtimer.state);
	if (clock < 0 || clock == KDEF_CLOCK_PROCESS_CPUTIME_ID ||
	    clock == KDEF_CLOCK_THREAD_CPUTIME_ID)
		return true;
	return core_load(timer, it.real.timer.state);
}

struct timers_walk {
	void *head, *at;
	struct task_struct *task;
	bool found;
};

static long timer_next(__u32 i, struct timers_walk *w)
{
	struct k_itimer *timer = w->at - bpf_core_field_offset(struct k_itimer, list);

	if (!w->at || w->at == w->head)
		return 1;
	w->found = core_load(timer, it_sigev_notify) != KDEF_SIGEV_NONE && is_set(timer) &&
		   reaches(w->task, signal_of(timer));
	return w->found || bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at);
}

#define TIMERS_MAX 1024 /* of more, one is taken to be set */

/* a list_head before v6.13, points to itself when empty; then an hlist_head */
bool stuck_timer(struct task_struct *t)
{
	struct signal_struct *s = core_load(t, signal);
	struct timers_walk w = { .task = (struct task_struct *)ident_address(t) };

	if (!s)
		return false;
	if (core_load(s, real_timer.state) && reaches(w.task, KDEF_SIGALRM))
		return true;
	w.head = (void *)s + bpf_core_field_offset(struct signal_struct, posix_timers);
	if (bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head) || !w.at || w.at == w.head)
		return false;
	bpf_loop(TIMERS_MAX, timer_next, &w, 0);
	return w.found || (w.at && w.at != w.head);
}

/* read by poll(2) when it has expired, or the clock it follows was set */
bool stuck_timerfd_is_idle(struct timerfd_ctx *ctx)
{
	if (core_load(ctx, ticks) || core_load(ctx, might_cancel))
		return false;
	if (is_alarm(core_load(ctx, clockid)))
		return !core_load(ctx, t.alarm.state);
	return !core_load(ctx, t.tmr.state);
}
