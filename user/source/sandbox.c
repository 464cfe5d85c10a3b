/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Gives up every privilege before anything hostile is parsed. Four walls, each
 * of which holds without the others: identity, capabilities, Landlock (no file
 * can be opened), seccomp (only calls on what is open already).
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "source/sandbox.h"
#include "source/source.h"

#define NOBODY 65534

/* ------------------------------------------------- identity, capabilities */

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

static bool has_cap(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

/* without CAP_SETPCAP the bounding set stays; no_new_privs makes it meaningless */
static int drop_bounding(bool must)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (cap_drop_bound(cap) && must)
			return log_err(-errno, "cannot empty the capability bounding set");
	if (cap_reset_ambient() && errno != EINVAL && errno != ENOSYS)
		return log_err(-errno, "cannot empty the ambient capabilities");
	return 0;
}

static int change_ids(uid_t uid, gid_t gid, bool may)
{
	/* who may not become another at least forgets the saved ids */
	if (!may) {
		uid = getuid();
		gid = getgid();
	} else if (setgroups(0, NULL)) {
		return log_err(-errno, "cannot leave the supplementary groups");
	}
	if (setresgid(gid, gid, gid))
		return log_err(-errno, "cannot become group %u", gid);
	if (setresuid(uid, uid, uid))
		return log_err(-errno, "cannot become user %u", uid);
	return 0;
}

/* the kernel's word for it, not that of the calls that should have done it */
static int verify_powerless(void)
{
	_cleanup_(cap_freep) cap_t now = cap_get_proc();
	_cleanup_(cap_freep) cap_t none = cap_init();

	if (!now || !none || cap_compare(now, none))
		return log_err(-EPERM, "capabilities are left after giving them up");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return log_err(-EPERM, "no_new_privs did not stay set");
	return 0;
}

int sandbox_become(uid_t uid, gid_t gid)
{
	_cleanup_(cap_freep) cap_t now = cap_get_proc();
	_cleanup_(cap_freep) cap_t none = cap_init();
	int r;

	if (!now || !none)
		return log_err(-errno, "cannot read the capabilities of this process");
	r = drop_bounding(has_cap(now, CAP_SETPCAP));
	if (r < 0)
		return r;
	r = change_ids(uid, gid, has_cap(now, CAP_SETUID) && has_cap(now, CAP_SETGID));
	if (r < 0)
		return r;
	if (cap_set_proc(none))
		return log_err(-errno, "cannot give up the capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_err(-errno, "cannot set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return log_err(-errno, "cannot become undumpable");
	return verify_powerless();
}

/* -------------------------------------------------------------- Landlock */

/* linux/landlock.h of the build host may be older than the kernel we run on */
struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

#define RULESET_VERSION 1	/* LANDLOCK_CREATE_RULESET_VERSION */

/* every right the kernel knows is handled, no rule allows any: nothing can be opened */
static struct ruleset_attr deny_all(long abi)
{
	/* number of file system rights by ABI: REFER came with 2, TRUNCATE 3, IOCTL_DEV 5 */
	static const uint8_t fs_rights[] = { 0, 13, 14, 15, 15, 16 };
	size_t last = ARRAY_SIZE(fs_rights) - 1, known = (size_t)abi < last ? (size_t)abi : last;

	return (struct ruleset_attr){
		.handled_fs = (1ULL << fs_rights[known]) - 1,
		.handled_net = abi >= 4 ? 3 : 0,	/* bind, connect TCP */
		.scoped = abi >= 6 ? 3 : 0,		/* abstract sockets, signals */
	};
}

int sandbox_forbid_files(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
	_cleanup_close_ int fd = -1;
	struct ruleset_attr attr;

	/* not built in, or not enabled at boot: the other walls stand */
	if (abi < 1)
		return 0;
	attr = deny_all(abi);
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return log_err(-errno, "cannot create a Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, fd, 0))
		return log_err(-errno, "cannot enter the Landlock ruleset");
	return 0;
}

/* --------------------------------------------------------------- seccomp */

static const int calls[] = {
	/* what is open already, and the event loop on it */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
	SCMP_SYS(fstat), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(timerfd_settime),
	/* time, where the vDSO cannot tell it */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(alarm),
	/* memory; mmap and mprotect have a rule of their own */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	/* signals to us; restart_syscall: SIGSTOP and SIGCONT in a timed wait */
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(restart_syscall),
	/* sanitizers take their signal stack down at the end; ours alone is concerned */
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid), SCMP_SYS(waitid), SCMP_SYS(wait4), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* fcntl is not among them: F_SETOWN makes it a way to signal others */
static const int file_calls[] = {
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
};

static const unsigned bpf_commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_LOOKUP_BATCH, BPF_PROG_TEST_RUN, BPF_OBJ_GET_INFO_BY_FD,
	BPF_ITER_CREATE,
	/* of programs that were loaded before: numbers of messages, on demand */
	BPF_LINK_CREATE,
};

/* stdio asks whether stdout is a terminal, `top` how large it is */
static const unsigned long ioctls[] = { TCGETS, TIOCGWINSZ };

static void filter_freep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int allow_calls(scmp_filter_ctx filter, const int *list, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return r;
}

/* allows a call where (argument & mask) == value */
static int allow_where(scmp_filter_ctx filter, int call, unsigned arg, uint64_t mask,
		       uint64_t value)
{
	const struct scmp_arg_cmp cmp = {
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value,
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &cmp);
}

static int allow_arguments(scmp_filter_ctx filter)
{
	int r = allow_where(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);

	if (!r)
		r = allow_where(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bpf_commands) && !r; i++)
		r = allow_where(filter, SCMP_SYS(bpf), 0, ~0ULL, bpf_commands[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ioctls) && !r; i++)
		r = allow_where(filter, SCMP_SYS(ioctl), 1, ~0ULL, ioctls[i]);
	/* this is how fstat(3) of glibc 2.33 to 2.38 asks */
	if (!r)
		r = allow_where(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return r;
}

static int seccomp_enter(bool file_io)
{
	_cleanup_(filter_freep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return log_err(-ENOMEM, "cannot create a seccomp filter");
	r = allow_calls(filter, calls, ARRAY_SIZE(calls));
	if (!r && file_io)
		r = allow_calls(filter, file_calls, ARRAY_SIZE(file_calls));
	if (!r)
		r = allow_arguments(filter);
	if (!r)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = seccomp_load(filter);
	if (r)
		return log_err(r < 0 ? r : -EPERM, "cannot enter the seccomp filter");
	return 0;
}

int sandbox_enter(const struct sandbox_options *opt)
{
	int r = opt->keep_uid ? sandbox_become(getuid(), getgid()) : sandbox_become(NOBODY, NOBODY);

	if (r < 0)
		return r;
	r = sandbox_forbid_files();
	if (r < 0)
		return r;
	return seccomp_enter(opt->allow_file_io);
}
