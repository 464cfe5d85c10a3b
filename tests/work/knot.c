/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind knot.h.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

#define ROLES 128

static struct {
	const char *name;
	pid_t pid;
} roles[ROLES];
static unsigned role_count;
static pid_t main_pid;
/* a datagram socket pair, so that no pipe and no stream of the workload is mistaken for it */
static int channel[2];

void role(const char *name, pid_t pid)
{
	errno = ENOSPC;
	if (role_count == ROLES)
		work_die("roles");
	work_ready();
	main_pid = getpid();
	roles[role_count].name = name;
	roles[role_count++].pid = pid;
	work_fact(name, pid);
}

bool is_main(void)
{
	return getpid() == main_pid;
}

static pid_t pid_of(const char *name)
{
	for (unsigned i = 0; i < role_count; i++)
		if (!strcmp(roles[i].name, name))
			return roles[i].pid;
	errno = ESRCH;
	work_die(name);
}

static void doze(void)
{
	struct timespec t = { .tv_nsec = 1000000 };

	nanosleep(&t, NULL);
}

/* state of a thread by its stat file, 0: it is gone */
static char state_of(const char *path)
{
	char line[512], *end;
	FILE *f = fopen(path, "re");
	char state = 0;

	if (f && fgets(line, sizeof(line), f)) {
		end = strrchr(line, ')');
		state = end && end[1] ? end[2] : 0;
	}
	if (f)
		fclose(f);
	return state;
}

static bool sleeps_in(pid_t pid, const char *tid, long nr)
{
	char path[96], line[256], *end;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	if (state_of(path) != 'S')
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", pid, tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f)) {
		long now = strtol(line, &end, 10);

		/* "running" is no number */
		found = end != line && (nr < 0 || now == nr);
	}
	if (f)
		fclose(f);
	return found;
}

static void must_live(pid_t pid)
{
	work_end_with(pid);
	errno = ECHILD;
	if (kill(pid, 0))
		work_die("a process of the knot is gone");
}

void asleep(const char *name, long nr)
{
	pid_t pid = pid_of(name);
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", pid);
	while (!sleeps_in(pid, tid, nr)) {
		must_live(pid);
		doze();
	}
}

static bool all_sleep(pid_t pid)
{
	char path[sizeof(((struct dirent *)0)->d_name) + 64];
	struct dirent *e;
	bool all = true;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && all && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, e->d_name);
		all = e->d_name[0] == '.' || state_of(path) == 'S';
	}
	if (d)
		closedir(d);
	return all;
}

void asleep_wholly(const char *name, long nr)
{
	pid_t pid = pid_of(name);

	do
		asleep(name, nr);
	while (!all_sleep(pid));
}

void asleep_for_good(const char *name)
{
	pid_t pid = pid_of(name);
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", pid);
	while (!sleeps_in(pid, tid, -1) || sleeps_in(pid, tid, SYS_clock_nanosleep) ||
	       sleeps_in(pid, tid, SYS_nanosleep) || !all_sleep(pid)) {
		must_live(pid);
		doze();
	}
}

static bool any_sleeps_in(pid_t pid, long nr)
{
	char path[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d)))
		found = e->d_name[0] != '.' && sleeps_in(pid, e->d_name, nr);
	if (d)
		closedir(d);
	return found;
}

void asleep_anywhere(const char *name, long nr)
{
	while (!any_sleeps_in(pid_of(name), nr)) {
		must_live(pid_of(name));
		doze();
	}
}

void await_end_of_leader(void)
{
	while (state_of("/proc/self/stat") != 'Z')
		doze();
}

void await_end_of_thread(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	while (state_of(path) != 'Z')
		doze();
}

void stop(const char *name)
{
	char path[64];

	if (kill(pid_of(name), SIGSTOP))
		work_die("SIGSTOP");
	snprintf(path, sizeof(path), "/proc/%d/stat", pid_of(name));
	while (state_of(path) != 'T')
		doze();
}

void trace(const char *name)
{
	pid_t pid = pid_of(name);
	char path[64];

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		work_skip("no ptrace here");
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state_of(path) != 't')
		doze();
}

void cont(const char *name)
{
	if (kill(pid_of(name), SIGCONT))
		work_die("SIGCONT");
}

/* ------------------------------------------------------------------ channels */

void make_pipe(int p[2])
{
	if (pipe(p))
		work_die("pipe");
}

void make_socket_pair(int s[2], int type)
{
	if (socketpair(AF_UNIX, type, 0, s))
		work_die("socketpair");
}

void close_pair(const int p[2])
{
	close(p[0]);
	close(p[1]);
}

void close_others(int keep, int keep_too)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fd != keep && fd != keep_too)
			close(fd);
}

void fill(int fd)
{
	static const char data[4096];
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, data, sizeof(data)) > 0)
		continue;
	while (write(fd, data, 1) > 0)
		continue;
	fcntl(fd, F_SETFL, flags);
}

void put(int fd)
{
	char byte = 0;

	if (write(fd, &byte, 1) < 0)
		work_die("write");
}

void get(int fd)
{
	char byte;

	if (read(fd, &byte, 1) < 0)
		work_die("read");
}

void send_descriptor(int over, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(over, &m, 0) != 1)
		work_die("sendmsg");
}

/* ------------------------------------------------------------------ numbers */

void make_channel(void)
{
	make_socket_pair(channel, SOCK_DGRAM);
}

void tell(pid_t pid)
{
	if (send(channel[1], &pid, sizeof(pid), 0) != sizeof(pid))
		work_die("tell");
}

pid_t hear_pid(void)
{
	pid_t pid;

	if (recv(channel[0], &pid, sizeof(pid), 0) != sizeof(pid))
		work_die("hear");
	return pid;
}

_Noreturn void wait_for_end(void)
{
	struct pollfd input = { .fd = STDIN_FILENO };

	/* the test closes its end of the socket */
	poll(&input, 1, -1);
	_exit(0);
}
