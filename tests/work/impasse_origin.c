/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ends of file that do not come: "holder" has the write end of what "reader" reads
 * from, and each mode is another way in which it came by it.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int s[2]; /* what is passed goes from s[0] to s[1] */

static void read_p_only(void *unused)
{
	close_others(p[0], -1);
	get(p[0]);
}

static void hold_p(void *unused)
{
	close_others(p[1], -1);
}

static int receive_descriptor(int over)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(over, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		work_die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* ------------------------------------------------------------- by descent */

static void forked(void)
{
	make_pipe(p);
	role("reader", work_spawn(read_p_only, NULL));
	role("holder", work_spawn(hold_p, NULL));
	role("maker", getpid());
	let_go();
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

static void (*last)(void); /* what who is left behind does before it waits for the end */

static void leave_behind(void *unused)
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		last();
		wait_for_end();
	}
	tell(pid);
	_exit(0);
}

/* a process whose parent, which led its session, has ended; it lasts as long as the workload */
static pid_t left_behind(void (*fn)(void))
{
	pid_t parent, pid;

	last = fn;
	parent = work_spawn(leave_behind, NULL);
	pid = hear_pid();
	work_reap(parent);
	return pid;
}

static void keep_p(void)
{
	close_others(p[1], -1);
}

static void read_p_to_its_end(void *unused)
{
	char byte;

	close_others(p[0], -1);
	while (read(p[0], &byte, 1) == 1)
		continue;
}

/* a daemon, whose parent has ended; has anything been written before? */
static void daemon_of(bool written)
{
	make_channel();
	make_pipe(p);
	role("reader", work_spawn(read_p_to_its_end, NULL));
	role("holder", left_behind(keep_p));
	if (written)
		put(p[1]);
	let_go();
	asleep("reader", SYS_read);
	asleep("holder", SYS_poll);
}

static void grandchild(void)
{
	daemon_of(true);
}

/* as "setsid -f holder | reader" leaves it */
static void in_session(void)
{
	daemon_of(false);
}

/* what it tells by send(2) no write(2) has written */
static void send_report(void)
{
	close_others(s[1], -1);
	if (send(s[1], "r", 1, 0) != 1)
		work_die("send");
}

/* standard output of a program that says nothing */
static void keep_output(void)
{
	if (dup2(s[1], STDOUT_FILENO) < 0)
		work_die("dup2");
	close_others(-1, -1);
}

/* who reads made the socket, and started whoever has started its daemon */
static void start_and_read(void (*fn)(void))
{
	pid_t parent;

	make_socket_pair(s, SOCK_STREAM);
	last = fn;
	parent = work_spawn(leave_behind, NULL);
	close_others(s[0], -1);
	work_reap(parent);
	while (read(s[0], &(char){ 0 }, 1) == 1)
		continue;
}

static void start_sender_and_read(void *unused)
{
	start_and_read(send_report);
}

static void start_silent_and_read(void *unused)
{
	start_and_read(keep_output);
}

static void daemon_at_socket(void (*reader)(void *))
{
	make_channel();
	role("reader", work_spawn(reader, NULL));
	role("holder", hear_pid());
	asleep("holder", SYS_poll);
	asleep("reader", SYS_read);
}

static void daemon_sends(void)
{
	daemon_at_socket(start_sender_and_read);
}

static void daemon_output(void)
{
	daemon_at_socket(start_silent_and_read);
}

static pid_t start_reader(void)
{
	pid_t pid = fork();
	char byte;

	if (pid < 0)
		work_die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, 0);
	close_others(p[0], -1);
	while (read(p[0], &byte, 1) == 1)
		continue;
	wait_for_end();
}

static pid_t start_holder(void)
{
	pid_t pid = fork();

	if (pid < 0)
		work_die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, 0);
	close_others(p[1], -1);
	wait_for_end();
}

static void tell_and_end(pid_t reader, pid_t holder)
{
	tell(reader);
	tell(holder);
	_exit(0);
}

static void use_and_end(void *unused)
{
	pid_t reader;

	setsid();
	make_pipe(p);
	put(p[1]);
	reader = start_reader();
	tell_and_end(reader, start_holder());
}

/* nothing tells whether the holder is to write */
static void make_and_end(void *unused)
{
	pid_t reader;

	setsid();
	make_pipe(p);
	reader = start_reader();
	tell_and_end(reader, start_holder());
}

/* as a script leaves "holder | reader &" */
static void pipe_and_end(void *unused)
{
	pid_t holder;

	setsid();
	make_pipe(p);
	put(p[1]);
	holder = start_holder();
	tell_and_end(start_reader(), holder);
}

/* who made it has ended, and was their parent */
static void gone(void (*make)(void *))
{
	pid_t maker;

	make_channel();
	maker = work_spawn(make, NULL);
	role("reader", hear_pid());
	role("holder", hear_pid());
	work_reap(maker);
	let_go();
	asleep("reader", SYS_read);
	asleep("holder", SYS_poll);
}

static void gone_maker(void)
{
	gone(use_and_end);
}

static void gone_silent(void)
{
	gone(make_and_end);
}

static void gone_script(void)
{
	gone(pipe_and_end);
}

/* --------------------------------------------------------------- by itself */

static void make_and_read(void *unused)
{
	make_pipe(p);
	get(p[0]);
}

static void own_pipe(void)
{
	role("reader", work_spawn(make_and_read, NULL));
	asleep("reader", SYS_read);
}

/* what the kernel keeps with the pipe are credentials that nobody has any more */
static void change_and_read(void *unused)
{
	make_pipe(p);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		work_die("PR_SET_KEEPCAPS");
	get(p[0]);
}

static void changed_maker(void)
{
	role("reader", work_spawn(change_and_read, NULL));
	asleep("reader", SYS_read);
}

static void open_and_read(void *unused)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/lens-knot-origin-%d", getpid());
	if (mkfifo(path, 0600))
		work_die("mkfifo");
	p[0] = open(path, O_RDWR);
	p[1] = open(path, O_WRONLY);
	if (p[0] < 0 || p[1] < 0 || unlink(path))
		work_die(path);
	get(p[0]);
}

static void own_fifo(void)
{
	role("reader", work_spawn(open_and_read, NULL));
	asleep("reader", SYS_read);
}

/* ---------------------------------------------------------------- by socket */

static void receive_p(void)
{
	close_others(s[1], -1);
	p[1] = receive_descriptor(s[1]);
	close_others(p[1], -1);
}

static void receive_p_and_pause(void *unused)
{
	receive_p();
}

static void pass_and_read(void *unused)
{
	close(s[1]);
	make_pipe(p);
	send_descriptor(s[0], p[1]);
	read_p_only(NULL);
}

/* to a stranger that is older than the pipe and whoever made it */
static void passed_to_elder(void)
{
	make_channel();
	make_socket_pair(s, SOCK_STREAM);
	role("holder", left_behind(receive_p));
	role("reader", work_spawn(pass_and_read, NULL));
	let_go();
	asleep("holder", SYS_poll);
	asleep("reader", SYS_read);
}

/* ... to one that is younger, whose ancestors are all there */
static void passed_to_younger(void)
{
	make_socket_pair(s, SOCK_STREAM);
	role("reader", work_spawn(pass_and_read, NULL));
	role("holder", work_spawn(receive_p_and_pause, NULL));
	let_go();
	asleep("holder", SYS_pause);
	asleep("reader", SYS_read);
}

static const struct work_mode modes[] = {
	{ "forked", forked },	    { "grandchild", grandchild },     { "gone", gone_maker },
	{ "ownpipe", own_pipe },    { "ownfifo", own_fifo },	      { "changed", changed_maker },
	{ "silent", gone_silent },  { "pipeline", gone_script },	  { "session", in_session },
	{ "sends", daemon_sends },  { "output", daemon_output },
	{ "elder", passed_to_elder }, { "younger", passed_to_younger },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
