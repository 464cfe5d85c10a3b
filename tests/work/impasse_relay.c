/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections that the kernel takes a hand in: "sender" has another one, whose data a BPF
 * program gives to "waiter"; or a call keeps a pipe to itself while a connection is silent.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "redirect.h"
#include "work.h"

static int s[2];

static void unix_pair(int ret_fd[2])
{
	make_socket_pair(ret_fd, SOCK_STREAM);
}

/* ------------------------------------------------------------------- sockmap */

static int other[2];

static void read_s0(void *unused)
{
	close_others(s[0], q[1]);
	get(s[0]);
}

static void read_q_with_s1(void *unused)
{
	close_others(s[1], q[0]);
	get(q[0]);
}

/* the map is that of who has it: all that was made stays */
static void could_send(void *unused)
{
	close_pair(q);
	close_pair(s);
}

static void relayed(void (*pair)(int ret_fd[2]))
{
	int map = redirect_map();

	make_pipe(q);
	pair(s);
	pair(other);
	redirect_received(map);
	redirect_put(map, 0, s[0]);
	redirect_put(map, 1, other[1]);
	role("waiter", work_spawn(read_s0, NULL));
	role("reader", work_spawn(read_q_with_s1, NULL));
	role("sender", work_spawn(could_send, NULL));
	let_go();
	asleep("waiter", SYS_read);
	asleep("reader", SYS_read);
	asleep("sender", -1);
}

static void relayed_tcp(void) { relayed(redirect_pair); }
static void relayed_unix(void) { relayed(unix_pair); }

/* ------------------------------------------------------------- a locked pipe */

static void splice_into_p(void *unused)
{
	close_others(s[0], p[1]);
	splice(s[0], NULL, p[1], NULL, 1, 0);
}

/* in a state in which no signal wakes it */
static void read_p_with_s1(void *unused)
{
	close_others(s[1], p[0]);
	get(p[0]);
}

static void splice_p_with_s1(void *unused)
{
	close_others(s[1], p[0]);
	make_pipe(q);
	splice(p[0], NULL, q[1], NULL, 1, 0);
}

/* these have the other end, too: to close the last one takes the lock as well */
static void tee_to_p_with_s1(void *unused)
{
	close(s[0]);
	put(q[1]);
	tee(q[0], p[1], 1, 0);
}

static void vmsplice_p_with_s1(void *unused)
{
	struct iovec byte = { "x", 1 };

	close(s[0]);
	vmsplice(p[1], &byte, 1, 0);
}

/* the last one of the read end: what is left of the pipe is seen to */
static void close_p_with_s1(void *unused)
{
	close_others(s[1], p[0]);
	work_wait_ticks(0, 1);
	close(p[0]);
}

static void ask_p_with_s1(void *unused)
{
	int bytes;

	close_others(s[1], p[0]);
	ioctl(p[0], FIONREAD, &bytes);
}

static void write_p(void *unused)
{
	close_others(p[1], p[0]);
	put(p[1]);
}

static bool waits_for_lock(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
		work_die("a process that waits for a lock");
	fclose(f);
	return state == 'D';
}

static void until_it_waits_for_lock(const char *name, pid_t pid)
{
	role(name, pid);
	while (!waits_for_lock(pid))
		usleep(1000);
}

static void locked(void (*waits)(void *), const char *name)
{
	make_pipes();
	unix_pair(s);
	role("waiter", work_spawn(splice_into_p, NULL));
	asleep("waiter", SYS_splice);
	until_it_waits_for_lock(name, work_spawn(waits, NULL));
}

static void crossed(void (*waits)(void *))
{
	locked(waits, "reader");
	let_go();
}

/* who would write to the connection cannot read the empty pipe, nor is told that it is empty */
static void locked_crossed(void) { crossed(read_p_with_s1); }
static void locked_splice(void) { crossed(splice_p_with_s1); }
static void locked_tee(void) { crossed(tee_to_p_with_s1); }
static void locked_ioctl(void) { crossed(ask_p_with_s1); }
static void locked_vmsplice(void) { crossed(vmsplice_p_with_s1); }

static void locked_close(void)
{
	pid_t reader;

	make_pipes();
	unix_pair(s);
	role("waiter", work_spawn(splice_into_p, NULL));
	asleep("waiter", SYS_splice);
	reader = work_spawn(close_p_with_s1, NULL);
	let_go();
	work_tick(0);
	until_it_waits_for_lock("reader", reader);
}

static void keep_s1(void *unused)
{
	close_others(s[1], -1);
}

/* ... nor write, though there is all the room one could want */
static void locked_writer(void)
{
	locked(write_p, "writer");
	role("holder", work_spawn(keep_s1, NULL));
	let_go();
	asleep("holder", -1);
}

static const struct work_mode modes[] = {
	{ "relayedtcp", relayed_tcp },
	{ "relayedunix", relayed_unix },
	{ "lockedcrossed", locked_crossed },
	{ "lockedsplice", locked_splice },
	{ "lockedtee", locked_tee },
	{ "lockedclose", locked_close },
	{ "lockedioctl", locked_ioctl },
	{ "lockedvmsplice", locked_vmsplice },
	{ "lockedwriter", locked_writer },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
