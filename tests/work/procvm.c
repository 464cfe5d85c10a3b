// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Calls on the memory of other processes. The truth is what they returned, by
 * whose memory it is.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "work.h"

static void nothing(void *arg)
{
}

#define PAGE 4096
static char *shared_address;	/* a page that each process has for itself, and none behind it */

static void map_page(void)
{
	shared_address = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	if (shared_address == MAP_FAILED || munmap(shared_address + PAGE, PAGE))
		work_die("mmap");
}

typedef ssize_t vm_call(pid_t pid, const struct iovec *local, unsigned long local_count,
			const struct iovec *remote, unsigned long remote_count,
			unsigned long flags);

static ssize_t on_memory(vm_call *call, pid_t pid, size_t offset, size_t len)
{
	static char buffer[2 * PAGE];
	struct iovec local = { buffer, len }, remote = { shared_address + offset, len };

	return call(pid, &local, 1, &remote, 1, 0);
}

static void repeat_on(long times, vm_call *call, pid_t pid, size_t len)
{
	for (long i = 0; i < times; i++)
		work_expect(on_memory(call, pid, 0, len), (ssize_t)len, "memory of a process");
}

static void read_parent(void *arg)
{
	repeat_on(3, process_vm_readv, getppid(), 500);
}

static void read_parent_as_nobody(void *arg)
{
	if (setuid(65534))
		work_die("setuid");
	work_expect_error(on_memory(process_vm_readv, getppid(), 0, 20), EPERM, "memory of others");
}

static void run_memory(void)
{
	pid_t target, reader, nobody;

	map_page();
	target = work_spawn(nothing, NULL);
	work_wait(target);
	work_ready();
	repeat_on(10, process_vm_readv, target, PAGE);
	repeat_on(4, process_vm_writev, target, 100);
	/* only what is there; and a failed call on each side */
	work_expect(on_memory(process_vm_readv, target, PAGE - 10, 20), 10, "end of a page");
	work_expect_error(on_memory(process_vm_readv, target, PAGE, 20), EFAULT, "no page");
	work_expect_error(on_memory(process_vm_writev, target, PAGE, 20), EFAULT, "no page");
	work_expect_error(on_memory(process_vm_readv, 0x3fffff, 0, 20), ESRCH, "nobody");
	reader = work_spawn(read_parent, NULL);
	work_wait(reader);
	nobody = work_spawn(read_parent_as_nobody, NULL);
	work_wait(nobody);
	work_fact("nobody", nobody);
	work_fact("target", target);
	work_fact("reader", reader);
}

/* the first process of a pid namespace, and the second, which it knows by another number */
static void inside(void *arg)
{
	pid_t second = fork();

	if (!second) {
		work_wait_ticks(0, 1);
		_exit(0);
	}
	if (second != 2 || getpid() != 1)
		work_die("pid namespace");
	repeat_on(5, process_vm_readv, second, 64);
	work_expect(kill(second, SIGUSR1), 0, "signal");
	work_tick(1);
	work_wait_ticks(0, 1);
}

static void run_namespace(void)
{
	pid_t first;

	signal(SIGUSR1, SIG_IGN);
	map_page();
	work_ready();
	if (unshare(CLONE_NEWPID))
		work_skip("no pid namespaces");
	first = work_spawn(inside, NULL);
	work_wait_ticks(1, 1);
	work_tick(0);
	work_fact("first", first);
}

static const struct work_mode modes[] = {
	{ "all", run_memory },
	{ "namespace", run_namespace },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
