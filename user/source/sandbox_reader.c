/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The sandbox of the reader: it has the right to read what others have, so it
 * may read, and answer, and nothing else. Not Landlock, whose domains may not
 * look at a process outside.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/base.h"
#include "source/reader.h"

#define NOBODY 65534
#define MOST_FILES 16

/* /proc of others; the files they have mapped; whoever may read these */
static const cap_value_t kept[] = { CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE, CAP_DAC_READ_SEARCH };

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

static int keep_capabilities(void)
{
	_cleanup_(cap_freep) cap_t now = cap_get_proc();
	_cleanup_(cap_freep) cap_t few = cap_init();
	cap_flag_value_t has;

	if (!now || !few)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (!cap_get_flag(now, kept[i], CAP_PERMITTED, &has) && has == CAP_SET &&
		    (cap_set_flag(few, CAP_PERMITTED, 1, &kept[i], CAP_SET) ||
		     cap_set_flag(few, CAP_EFFECTIVE, 1, &kept[i], CAP_SET)))
			return -errno;
	return cap_set_proc(few) ? -errno : 0;
}

/* who may not become another is nobody in particular already */
static int become_nobody(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if (!setgroups(0, NULL) &&
	    (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	return keep_capabilities();
}

static int limit_resources(void)
{
	const struct rlimit files = { MOST_FILES, MOST_FILES }, none = { 0, 0 };

	if (setrlimit(RLIMIT_NOFILE, &files) ||
	    setrlimit(RLIMIT_FSIZE, &none) || setrlimit(RLIMIT_CORE, &none) ||
	    setrlimit(RLIMIT_NPROC, &none))
		return -errno;
	return 0;
}

/* -------------------------------------------------------------------- seccomp */

static const int calls[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(pread64),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(getppid), SCMP_SYS(exit_group),
	/* sanitizers take their signal stack down at the end */
	SCMP_SYS(sigaltstack),
};

static void filter_freep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int allow_where(scmp_filter_ctx filter, int call, unsigned arg, uint64_t mask,
		       uint64_t value)
{
	const struct scmp_arg_cmp cmp = {
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value,
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &cmp);
}

static int enter_filter(void)
{
	_cleanup_(filter_freep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(calls); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!r)
		r = allow_where(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, 0);
	if (!r)
		r = allow_where(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return r ? r : seccomp_load(filter);
}

int sandbox_enter_reader(void)
{
	int err = become_nobody();

	if (!err)
		err = limit_resources();
	if (err)
		return err;
	/* it ends with us, whatever it hangs in; a change of user would undo that */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return enter_filter();
}
