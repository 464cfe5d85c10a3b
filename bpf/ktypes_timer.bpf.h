/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Timers, and who is sent signals: the part of ktypes.h that only few programs need.
 */
#ifndef LENS_KTYPES_TIMER_BPF_H
#define LENS_KTYPES_TIMER_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct alarm {
	int state;
};

struct timerfd_ctx {
	union {
		struct hrtimer tmr;
		struct alarm alarm;
	} t;
	__u64 ticks;
	int clockid;
	bool might_cancel;
};

/* si_code says who sent a signal; the members are those of an anonymous struct */
struct kernel_siginfo {
	int si_signo;
	int si_code;
};

struct sigqueue {
	struct kernel_siginfo info;
};

struct k_itimer {
	struct hlist_node list;	/* before v6.13 a list_head */
	int it_clock;
	int it_sigev_notify;
	struct sigqueue sigq;
	union {
		struct {
			struct hrtimer timer;
		} real;
		struct {
			struct alarm alarmtimer;
		} alarm;
	} it;
};

struct k_itimer___pre613 {
	struct sigqueue *sigq;
};

/* who is sent a signal when a file is ready (O_ASYNC) */
struct fown_struct {
	struct pid *pid;
	int signum;
};

struct file___pre612 {
	struct fown_struct f_owner;
};

#pragma clang attribute pop

#endif
