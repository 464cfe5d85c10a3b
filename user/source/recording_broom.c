/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Removes the log of a cleanly closed recording on behalf of a recorder that
 * may no longer remove anything. Has no capability, no file but the directory,
 * and three system calls.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "source/recording.h"
#include "source/sandbox.h"

/* where the child has its two descriptors */
enum { BROOM_DIR, BROOM_GATE, BROOM_FDS };

/* leaves exactly the two open */
static int broom_files(int dir_fd, int gate)
{
	/* above the targets first: the numbers may cross */
	int dir = fcntl(dir_fd, F_DUPFD, BROOM_FDS);
	int wait = fcntl(gate, F_DUPFD, BROOM_FDS);

	if (dup2(dir, BROOM_DIR) < 0 || dup2(wait, BROOM_GATE) < 0)
		return -errno;
	return close_range(BROOM_FDS, ~0U, 0) ? -errno : 0;
}

/*
 * The owner of a directory may remove names from it without any capability;
 * root without capabilities may not, where the directory is somebody else's.
 */
static int broom_become_owner(void)
{
	struct stat st;

	if (fstat(BROOM_DIR, &st))
		return -errno;
	return sandbox_become(st.st_uid, st.st_gid);
}

/* read the order, remove this very name, exit; sanitizers look at their signal stack before */
static int broom_confine(const char *name)
{
	const struct scmp_arg_cmp order = { .arg = 0, .op = SCMP_CMP_EQ, .datum_a = BROOM_GATE };
	const struct scmp_arg_cmp this_name[] = {
		{ .arg = 0, .op = SCMP_CMP_EQ, .datum_a = BROOM_DIR },
		{ .arg = 1, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)name },
		{ .arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0 },
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return -ENOMEM;
	r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, &order);
	if (!r)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlinkat),
					   ARRAY_SIZE(this_name), this_name);
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0);
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static _Noreturn void broom_run(int dir_fd, int gate, const char *name)
{
	sigset_t all;
	char order;
	int r = broom_files(dir_fd, gate);

	/* Ctrl-C is for the recorder; the end of file is for us */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (!r)
		r = broom_become_owner();
	if (!r)
		r = broom_confine(name);
	if (r < 0)
		_exit(-r);
	/* end of file: the recorder was killed, and its log holds data */
	if (read(BROOM_GATE, &order, 1) != 1)
		_exit(0);
	_exit(unlinkat(BROOM_DIR, name, 0) ? errno : 0);
}

int recording_broom_start(int dir_fd, const char *name, struct recording_broom *ret_broom)
{
	struct recording_broom b;

	/* both ends stay open here, so that writing to a dead child is no SIGPIPE */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.gate))
		return -errno;
	b.pid = fork();
	if (b.pid == 0) {
		close(b.gate[0]);
		broom_run(dir_fd, b.gate[1], name);
	}
	if (b.pid < 0) {
		int err = errno;

		base_closep(&b.gate[0]);
		base_closep(&b.gate[1]);
		return -err;
	}
	*ret_broom = b;
	return 0;
}

int recording_broom_stop(struct recording_broom *broom, bool sweep)
{
	int status = 0, r = 0;

	if (broom->pid <= 0)
		return 0;
	if (sweep && write(broom->gate[0], "", 1) != 1)
		r = -errno;
	base_closep(&broom->gate[0]);
	base_closep(&broom->gate[1]);
	while (waitpid(broom->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	broom->pid = -1;
	if (r < 0)
		return r;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
