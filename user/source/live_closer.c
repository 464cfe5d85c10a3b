// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A process that takes function hooks off when we are gone, by whatever end. The
 * kernel waits for a grace period of RCU Tasks, a tenth of a second and more, for each hooked
 * function (unregister_ftrace_direct(), kernel/trace/ftrace.c: v6.1, v6.12): nobody who
 * waits for us is to wait for that. It keeps the links without having them: they
 * are in flight in a socket, and close with it.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"

/* SCM_MAX_FD, include/net/scm.h */
#define LINKS_MAX 253

static _Noreturn void be_closer(int fd, const struct lens *s)
{
	const struct sandbox_options nothing = {};
	struct pollfd end = { .fd = fd };	/* hang-ups are told unasked */
	char ready = 1;

	/* whoever lists processes is to see what is still at work here */
	prctl(PR_SET_NAME, "ipclens-closer");
	/* a terminal, and whoever reads our output, have nothing to do with it */
	if (setsid() < 0 || live_say_hello(s) || dup2(fd, STDIN_FILENO) < 0 ||
	    close_range(STDOUT_FILENO, ~0u, 0) || sandbox_enter(&nothing))
		_exit(1);
	end.fd = STDIN_FILENO;
	if (write(end.fd, &ready, 1) != 1)
		_exit(1);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

static int start(struct live *l)
{
	int fds[2];
	pid_t pid;
	char ready;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	pid = fork();
	if (!pid)
		be_closer(fds[1], l->skel);
	close(fds[1]);
	if (pid > 0 && read(fds[0], &ready, 1) == 1) {
		l->closer = fds[0];
		return 0;
	}
	close(fds[0]);
	return -ECHILD;
}

static int hand_over(const struct live *l)
{
	char space[CMSG_SPACE(LINKS_MAX * sizeof(int))] = {}, nothing = 0;
	struct iovec text = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1, .msg_control = space,
		.msg_controllen = CMSG_SPACE(l->link_count * sizeof(int)),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	int *fds = (int *)CMSG_DATA(rights);

	if (l->link_count > LINKS_MAX)
		return -E2BIG;
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(l->link_count * sizeof(int));
	for (size_t i = 0; i < l->link_count; i++)
		fds[i] = bpf_link__fd(l->links[i]);
	return sendmsg(l->closer, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void live_closer_open(struct live *l)
{
	int err = start(l);

	if (!err)
		err = hand_over(l);
	/* without it nothing is wrong, only slow */
	if (err)
		log_msg(LOG_DEBUG, "function hooks come off before this ends: %s", strerror(-err));
}

void live_closer_end(struct live *l)
{
	if (l->closer >= 0)
		close(l->closer);
	l->closer = -1;
}
