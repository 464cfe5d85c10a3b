/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind deeds.h: signals, which nobody heeds, and the memory of others.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deeds.h"
#include "work.h"

enum { WINDOW_BYTES = 1 << 13, WAYS = 3 };

/* at the same address in all of them */
static char window[WINDOW_BYTES], own[WINDOW_BYTES];

void do_signal(const struct op *o)
{
	static const int numbers[] = { SIGUSR1, SIGUSR2, SIGURG };
	int number = numbers[o->how / WAYS % ARRAY_SIZE(numbers)];
	pid_t target = stage->pid[o->other];
	long ret;

	if (o->how % WAYS == 0)
		ret = kill(target, number);
	else if (o->how % WAYS == 1)
		ret = syscall(SYS_tgkill, target, target, number);
	else
		ret = sigqueue(target, number, (union sigval){ .sival_int = 1 });
	if (ret)
		work_die("signal");
	work_flow_to(work_signals(target, number), target, 1, 0);
}

/* as much as it says; what lies behind the window is not asked for */
void do_memory(const struct op *o)
{
	size_t len = 1 + o->len % (WINDOW_BYTES - 1);
	struct iovec local = { own, len }, remote = { window, len };
	pid_t target = stage->pid[o->other];
	int chan = work_memory(target);

	if (o->how & 1) {
		work_expect(process_vm_readv(target, &local, 1, &remote, 1, 0), (ssize_t)len,
			    "read of memory");
		work_flow(chan, target, 1, len);
	} else {
		work_expect(process_vm_writev(target, &local, 1, &remote, 1, 0), (ssize_t)len,
			    "write to memory");
		work_flow_to(chan, target, 1, len);
	}
}
