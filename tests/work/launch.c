/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Runs a program under conditions, where neither setpriv nor unshare need be
 * installed:  launch [--drop CAP_NUMBER]... [--uid N [--keep CAP_NUMBER]...]
 *             [--pidns] PROGRAM [ARGUMENT...]
 * --drop takes a capability out of the bounding set; --uid changes the user,
 * with only the capabilities of --keep (ambient, as a service manager does).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void set_caps(uint64_t set)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(set >> (32 * i));
		data[i].permitted = data[i].effective;
		data[i].inheritable = data[i].effective;
	}
	if (syscall(SYS_capset, &head, data))
		die("capset");
	for (int cap = 0; cap < 64; cap++) {
		if ((set >> cap & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			die("ambient capability");
	}
}

static void become(uid_t uid, uint64_t keep)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		die("setresuid");
	set_caps(keep);
}

static pid_t child;

static void pass_on(int signal_number)
{
	kill(child, signal_number);
}

/* in the new namespace with its own /proc; returns in the child only */
static void enter_pid_namespace(void)
{
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("unshare");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount("proc", "/proc", "proc", 0, NULL))
			die("/proc");
		return;
	}
	signal(SIGINT, pass_on);
	signal(SIGTERM, pass_on);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			die("wait");
	}
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	uint64_t keep = 0;
	long uid = -1;
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--pidns"))
			enter_pid_namespace();
		else if (i + 1 >= argc)
			break;
		else if (!strcmp(argv[i], "--drop")) {
			if (prctl(PR_CAPBSET_DROP, atoi(argv[++i]), 0, 0, 0))
				die("capability bounding set");
		} else if (!strcmp(argv[i], "--uid"))
			uid = atol(argv[++i]);
		else if (!strcmp(argv[i], "--keep"))
			keep |= UINT64_C(1) << atoi(argv[++i]);
		else
			break;
	}
	errno = EINVAL;
	if (i >= argc || argv[i][0] == '-')
		die("arguments");
	if (uid >= 0)
		become((uid_t)uid, keep);
	execvp(argv[i], argv + i);
	die(argv[i]);
}
