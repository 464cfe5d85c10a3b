/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots in which a wait is for something else than its call and arguments tell, or
 * can be ended by another than who is asked.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define PAGE 4096
#define IN_PLACE 0 /* ticks: how many have what they need */

/* ----------------------------------------------------------------------------- calls */

static int master, slave;

static void read_q_with_slave(void *unused)
{
	close_others(slave, q[0]);
	get(q[0]);
}

static void read_master(void *unused)
{
	close_others(master, q[1]);
	get(master);
}

static void hold_master(void *unused)
{
	close_others(master, -1);
}

/* what the third would write to the terminal, it would echo */
/* of a terminal in packet mode, for ^S and ^Q, or that what it holds is dropped */
static void poll_master_for_news(void *unused)
{
	struct pollfd f = { .fd = master, .events = POLLPRI };

	close_others(master, q[1]);
	poll(&f, 1, -1);
}

static void echoed_to(void (*waits)(void *), long call)
{
	make_pipe(q);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		work_skip("no terminals here");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0)
		work_die("slave");
	role("reader", work_spawn(read_q_with_slave, NULL));
	role("master", work_spawn(waits, NULL));
	role("holder", work_spawn(hold_master, NULL));
	let_go();
	asleep("reader", SYS_read);
	asleep("master", call);
	asleep("holder", SYS_pause);
}

static void echoed(void) { echoed_to(read_master, SYS_read); }
static void echoed_news(void) { echoed_to(poll_master_for_news, SYS_poll); }

static void ignore(int unused)
{
}

/* SIGUSR1 is blocked but while it polls: it polls for that as well */
static void poll_for_signal(void *unused)
{
	struct sigaction action = { .sa_handler = ignore };
	struct pollfd f = { .fd = p[0], .events = POLLIN };
	sigset_t usr1, before;

	close_others(p[0], q[1]);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	ppoll(&f, 1, NULL, &before);
}

static void signal_mask(void)
{
	make_pipes();
	role("poll", work_spawn(poll_for_signal, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("poll", SYS_ppoll);
	asleep("reader", SYS_read);
}

static void *get_p(void *unused)
{
	get(p[0]);
	return NULL;
}

static int other[2], replacing[2], told[2];

static void replace(void *unused)
{
	pthread_t thread;

	close(p[1]);
	close(q[0]);
	close(other[1]);
	close(replacing[1]);
	close(told[1]);
	if (pthread_create(&thread, NULL, get_p, NULL))
		work_die("pthread_create");
	get(told[0]);
	dup2(replacing[0], p[0]);
	close(replacing[0]);
	work_tick(IN_PLACE);
	get(other[0]);
}

static void hold_p1(void *unused)
{
	close_others(p[1], -1);
}

static void read_q_with_others(void *unused)
{
	close(p[0]);
	close(p[1]);
	close(q[1]);
	close(told[0]);
	close(told[1]);
	close(replacing[0]);
	close(other[0]);
	get(q[0]);
}

/* a thread is in read(2) of a pipe whose descriptor is another pipe's by now */
static void replaced(void)
{
	make_pipes();
	make_pipe(other);
	make_pipe(replacing);
	make_pipe(told);
	role("process", work_spawn(replace, NULL));
	role("reader", work_spawn(read_q_with_others, NULL));
	role("holder", work_spawn(hold_p1, NULL));
	close_others(told[1], -1);
	asleep_wholly("process", SYS_read);
	put(told[1]);
	work_wait_ticks(IN_PLACE, 1);
	let_go();
	asleep_wholly("process", SYS_read);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

static int s[2], passing[2], watched;

static void hold_passing(void *unused)
{
	close_others(passing[0], passing[1]);
}

static void receive_into_watched(void *unused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register region = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	region.range.start = (uintptr_t)memory;
	region.range.len = PAGE;
	watched = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (watched < 0 || ioctl(watched, UFFDIO_API, &api) ||
	    ioctl(watched, UFFDIO_REGISTER, &region))
		work_skip("no userfaultfd here");
	send_descriptor(passing[1], watched);
	close_others(s[0], q[1]);
	recv(s[0], memory, PAGE, 0);
}

static void read_q_with_s1(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

/* it has taken the datagram, and waits for the page to put it in */
static void missing_page(void)
{
	make_pipe(q);
	make_socket_pair(s, SOCK_DGRAM);
	make_socket_pair(passing, SOCK_SEQPACKET);
	if (send(s[1], "x", 1, 0) != 1)
		work_die("send");
	role("keeper", work_spawn(hold_passing, NULL));
	role("receiver", work_spawn(receive_into_watched, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	let_go();
	asleep("receiver", SYS_recvfrom);
	asleep("reader", SYS_read);
}

/* --------------------------------------------------------------------------- families */

static void hold_nothing(void *unused)
{
	close_others(-1, -1);
}

static void beget(void *unused)
{
	work_spawn(hold_nothing, NULL);
	close_others(-1, -1);
}

static void read_q_as_child(void *unused)
{
	tell(getpid());
	work_spawn(beget, NULL);
	close_others(q[0], -1);
	get(q[0]);
}

static void await_any(void *unused)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	work_spawn(read_q_as_child, NULL);
	close_others(q[1], -1);
	waitpid(-1, NULL, 0);
}

/* when its parent ends, a great-grandchild becomes a child, of which the next one is waited for */
static void adopter(void)
{
	make_pipe(q);
	make_channel();
	role("adopter", work_spawn(await_any, NULL));
	role("child", hear_pid());
	let_go();
	asleep("adopter", SYS_wait4);
	asleep("child", SYS_read);
}

static void call_for_ever(void *unused)
{
	close_others(p[1], -1);
	work_tick(IN_PLACE);
	for (;;)
		syscall(SYS_getppid);
}

static void get_p0(void *unused)
{
	close_others(p[0], -1);
	get(p[0]);
}

static pid_t busy;

/* as strace(1) does it */
static void stop_at_each_call(void *unused)
{
	int status;

	close_others(-1, -1);
	if (ptrace(PTRACE_ATTACH, busy, NULL, NULL))
		work_skip("no ptrace here");
	work_tick(IN_PLACE);
	while (waitpid(busy, &status, __WALL) == busy && WIFSTOPPED(status))
		ptrace(PTRACE_SYSCALL, busy, NULL, NULL);
}

/* stopped in most looks, and never for long */
static void traced_and_busy(void)
{
	make_pipe(p);
	busy = work_spawn(call_for_ever, NULL);
	role("busy", busy);
	role("waiter", work_spawn(get_p0, NULL));
	work_wait_ticks(IN_PLACE, 1);
	role("tracer", work_spawn(stop_at_each_call, NULL));
	let_go();
	work_wait_ticks(IN_PLACE, 2);
	asleep("waiter", SYS_read);
}

static void keep_p0(void *unused)
{
	close_others(p[0], -1);
	work_tick(IN_PLACE);
}

/* as a tracer whose output nobody takes, or who waits for a word of another one */
static void stop_and_read_q(void *unused)
{
	pid_t traced = work_spawn(keep_p0, NULL);

	work_wait_ticks(IN_PLACE, 1);
	if (ptrace(PTRACE_SEIZE, traced, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, traced, NULL, NULL))
		work_skip("no ptrace here");
	tell(traced);
	close_others(q[0], -1);
	get(q[0]);
}

static void write_with_q(void *unused)
{
	close_others(p[1], q[1]);
	fill(p[1]);
	put(p[1]);
}

/* who would empty the pipe is stopped by one who waits for its writer */
static void traced_and_stuck(void)
{
	make_pipes();
	make_channel();
	role("tracer", work_spawn(stop_and_read_q, NULL));
	role("traced", hear_pid());
	role("writer", work_spawn(write_with_q, NULL));
	let_go();
	asleep("tracer", SYS_read);
	asleep("writer", SYS_write);
}

static pid_t traced;

static void end_when_told(void *unused)
{
	work_wait_ticks(IN_PLACE, 1);
	_exit(0);
}

/* hears that it has ended, and leaves it at that */
static void trace_and_read_p(void *unused)
{
	siginfo_t info;

	if (ptrace(PTRACE_SEIZE, traced, NULL, NULL))
		work_skip("no ptrace here");
	close_others(p[0], -1);
	work_tick(IN_PLACE);
	waitid(P_PID, traced, &info, WEXITED | WNOWAIT);
	get(p[0]);
}

static void wait_for_traced(void *unused)
{
	traced = work_spawn(end_when_told, NULL);
	tell(work_spawn(trace_and_read_p, NULL));
	close_others(p[1], -1);
	waitpid(traced, NULL, 0);
}

/* a child that has ended is its tracer's to see to first, who waits for its parent */
static void traced_zombie(void)
{
	make_pipes();
	make_channel();
	role("waiter", work_spawn(wait_for_traced, NULL));
	role("tracer", hear_pid());
	let_go();
	asleep("waiter", SYS_wait4);
	asleep("tracer", SYS_read);
}

static pid_t dumper;

static void await_dump(void)
{
	char name[64], line[256];
	bool dumps = false;

	snprintf(name, sizeof(name), "/proc/%d/status", dumper);
	while (!dumps) {
		FILE *f = fopen(name, "re");

		if (!f)
			work_die(name);
		while (fgets(line, sizeof(line), f))
			dumps |= !strcmp(line, "CoreDumping:\t1\n");
		fclose(f);
	}
}

static void read_p_with_q(void *unused)
{
	char *memory = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	/* more than goes into the pipe that it is written to */
	memset(memory, 1, 64 * PAGE);
	close_others(p[0], q[1]);
	get(p[0]);
}

/* its registers show a read, and it is in the middle of writing what it was */
static void dumping(void)
{
	int pattern;

	if (access("/ipclens", F_OK))
		work_skip("core_pattern is the whole host's");
	pattern = open("/proc/sys/kernel/core_pattern", O_WRONLY);
	if (pattern < 0 || write(pattern, "|/bin/sleep 3600", 16) != 16)
		work_die("core_pattern");
	make_pipes();
	dumper = work_spawn(read_p_with_q, NULL);
	role("dumper", dumper);
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("dumper", SYS_read);
	asleep("reader", SYS_read);
	kill(dumper, SIGQUIT);
	await_dump();
	asleep("dumper", SYS_read);
}

/* ------------------------------------------------------------------------------ names */

static char path[64];

static void remove_path(void)
{
	if (is_main())
		remove(path);
}

static void lock_directory(void *unused)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	close_others(fd, -1);
	flock(fd, LOCK_EX);
	work_tick(IN_PLACE);
}

static void lock_in_vain(void *unused)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	close_others(fd, -1);
	flock(fd, LOCK_EX);
}

static void locked_directory(void)
{
	snprintf(path, sizeof(path), "/tmp/lens-doubt-%d", getpid());
	if (mkdir(path, 0700))
		work_die(path);
	role("holder", work_spawn(lock_directory, NULL));
	atexit(remove_path);
	work_wait_ticks(IN_PLACE, 1);
	role("waiter", work_spawn(lock_in_vain, NULL));
	asleep("holder", SYS_pause);
	asleep("waiter", SYS_flock);
}

static void write_p(void *unused)
{
	close_others(p[1], q[1]);
	put(p[1]);
}

static void read_q_with_p0(void *unused)
{
	close_others(p[0], q[0]);
	get(q[0]);
}

/* a true one, as far as is known: another reader could come by the name */
static void named_pipe(void)
{
	int both;

	snprintf(path, sizeof(path), "/tmp/lens-doubt-%d", getpid());
	if (mkfifo(path, 0600))
		work_die(path);
	both = open(path, O_RDWR);
	p[0] = open(path, O_RDONLY);
	p[1] = open(path, O_WRONLY);
	close(both);
	make_pipe(q);
	fill(p[1]);
	role("writer", work_spawn(write_p, NULL));
	role("reader", work_spawn(read_q_with_p0, NULL));
	atexit(remove_path);
	let_go();
	asleep("writer", SYS_write);
	asleep("reader", SYS_read);
}

static const struct work_mode modes[] = {
	{ "echoed", echoed },
	{ "echoednews", echoed_news },
	{ "signalmask", signal_mask },
	{ "replaced", replaced },
	{ "missingpage", missing_page },
	{ "adopter", adopter },
	{ "tracedbusy", traced_and_busy },
	{ "tracedstuck", traced_and_stuck },
	{ "tracedzombie", traced_zombie },
	{ "dumping", dumping },
	{ "lockeddirectory", locked_directory },
	{ "namedpipe", named_pipe },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
