/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * More knots: POSIX queues, locks, semaphores, terminals, and waits
 * that only look like a deadlock.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

static int p[2], q[2], s[2];

static void read_s0(void *unused)
{
	close(s[1]);
	get(s[0]);
}

static void hold_all(void *unused)
{
}

/* ---------------------------------------------------------- POSIX queues */

static mqd_t in, out;

static void make_mq(void)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char name[64];

	snprintf(name, sizeof(name), "/lens-knot-%d", getpid());
	in = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, 0600, &attr);
	out = mq_open(name, O_WRONLY);
	if (in < 0 || out < 0)
		work_die("mq_open");
	mq_unlink(name);
}

static void fill_mq(void)
{
	for (int i = 0; i < 2; i++)
		if (mq_send(out, "x", 1, i))
			work_die("mq_send");
}

static void send_mq(void *unused)
{
	mq_close(in);
	mq_send(out, "x", 1, 0);
}

static void hold_mq(void *unused)
{
	mq_close(out);
}

/* (d) a full queue */
static void mq_full(void)
{
	make_mq();
	fill_mq();
	role("receiver", work_spawn(hold_mq, NULL));
	role("sender", work_spawn(send_mq, NULL));
	mq_close(in);
	mq_close(out);
	asleep("sender", SYS_mq_timedsend);
}

/* ------------------------------------------------------------------ locks */

static char lock_file[] = "/tmp/lens-knot-XXXXXX";

static void make_lock_file(void)
{
	int fd = mkstemp(lock_file);

	if (fd < 0)
		work_die("mkstemp");
	close(fd);
}

static int open_lock_file(void)
{
	int fd = open(lock_file, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		work_die(lock_file);
	return fd;
}

static void take_flock(void *unused)
{
	flock(open_lock_file(), LOCK_EX);
}

static void take_record(int command)
{
	struct flock f = { .l_type = F_WRLCK, .l_start = 100, .l_len = 10 };

	fcntl(open_lock_file(), command, &f);
}

static void take_posix(void *unused)
{
	take_record(F_SETLKW);
}

static void take_ofd(void *unused)
{
	take_record(F_OFD_SETLKW);
}

static void lock_held(void (*take)(void *), long nr)
{
	pid_t owner;

	make_lock_file();
	owner = work_spawn(take, NULL);
	work_wait(owner);
	role("owner", owner);
	role("waiter", work_spawn(take, NULL));
	asleep("waiter", nr);
	unlink(lock_file);
}

/* (k) locks of three kinds */
static void flock_held(void)
{
	lock_held(take_flock, SYS_flock);
}

static void posix_held(void)
{
	lock_held(take_posix, SYS_fcntl);
}

static void ofd_held(void)
{
	lock_held(take_ofd, SYS_fcntl);
}

static void wait_for_itself(void *unused)
{
	int own[2];

	make_pipe(own);
	get(own[0]);
}

static void take_another(void *unused)
{
	if (flock(open_lock_file(), LOCK_SH))
		work_die("flock");
}

/* two locks in the way, one of them held by two processes of which one is stuck */
static void locks_shared(void)
{
	pid_t owner;
	int shared;

	make_lock_file();
	shared = open_lock_file();
	owner = work_spawn(take_another, NULL);
	work_wait(owner);
	role("owner", owner);
	if (flock(shared, LOCK_SH))
		work_die("flock");
	role("sharer", work_spawn(wait_for_itself, NULL));
	close(shared);
	asleep("sharer", SYS_read);
	role("waiter", work_spawn(take_flock, NULL));
	asleep("waiter", SYS_flock);
	unlink(lock_file);
}

static void lock_then_send(void *unused)
{
	mq_close(in);
	take_flock(NULL);
	work_tick(0);
	mq_send(out, "x", 1, 0);
}

static void wait_then_lock(void *unused)
{
	mq_close(out);
	work_wait_ticks(0, 1);
	take_flock(NULL);
}

/* a queue and a lock in opposite order */
static void lock_queue(void)
{
	make_mq();
	fill_mq();
	make_lock_file();
	role("sender", work_spawn(lock_then_send, NULL));
	role("locker", work_spawn(wait_then_lock, NULL));
	mq_close(in);
	mq_close(out);
	asleep("sender", SYS_mq_timedsend);
	asleep("locker", SYS_flock);
	unlink(lock_file);
}

/* (v) pipe, socket, queue, lock, and back */
static void four_writer(void *unused)
{
	close(p[0]);
	close_pair(s);
	mq_close(in);
	mq_close(out);
	take_flock(NULL);
	work_tick(0);
	fill(p[1]);
	put(p[1]);
}

static void four_reader(void *unused)
{
	close(p[1]);
	mq_close(in);
	mq_close(out);
	read_s0(NULL);
}

static void four_receiver(void *unused)
{
	char text[16];

	close_pair(p);
	close(s[0]);
	mq_close(out);
	mq_receive(in, text, sizeof(text), NULL);
}

static void four_locker(void *unused)
{
	close_pair(p);
	close_pair(s);
	mq_close(in);
	work_wait_ticks(0, 1);
	take_flock(NULL);
}

static void four(void)
{
	make_pipe(p);
	make_socket_pair(s, SOCK_SEQPACKET);
	make_mq();
	make_lock_file();
	role("writer", work_spawn(four_writer, NULL));
	role("reader", work_spawn(four_reader, NULL));
	role("receiver", work_spawn(four_receiver, NULL));
	role("locker", work_spawn(four_locker, NULL));
	close_pair(p);
	close_pair(s);
	mq_close(in);
	mq_close(out);
	asleep("writer", SYS_write);
	asleep("reader", SYS_read);
	asleep("receiver", SYS_mq_timedreceive);
	asleep("locker", SYS_flock);
	unlink(lock_file);
}

/* ------------------------------------------------------------- semaphores */

static int sems;

static void remove_sems(void)
{
	if (is_main())
		semctl(sems, 0, IPC_RMID);
}

static void make_sems(void)
{
	struct sembuf up = { .sem_num = 1, .sem_op = 1 };

	sems = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
	if (sems < 0 || semop(sems, &up, 1))
		work_die("semaphores");
	atexit(remove_sems);
}

static void take_sem(short flags)
{
	struct sembuf down = { .sem_num = 1, .sem_op = -1, .sem_flg = flags };

	semop(sems, &down, 1);
}

static void take_plain(void *unused)
{
	take_sem(0);
}

/* (j) the last one who operated on it is all the kernel knows */
static void sem_plain(void)
{
	pid_t owner;

	make_sems();
	owner = work_spawn(take_plain, NULL);
	work_wait(owner);
	role("owner", owner);
	role("waiter", work_spawn(take_plain, NULL));
	asleep("waiter", -1);
}

static void sem_then_read(void *unused)
{
	close(p[1]);
	take_sem(SEM_UNDO);
	work_tick(0);
	get(p[0]);
}

static void wait_then_sem(void *unused)
{
	close(p[0]);
	work_wait_ticks(0, 1);
	take_sem(SEM_UNDO);
	put(p[1]);
}

/* a semaphore and a pipe in opposite order */
static void sem_cycle(void)
{
	make_sems();
	make_pipe(p);
	role("reader", work_spawn(sem_then_read, NULL));
	role("taker", work_spawn(wait_then_sem, NULL));
	close_pair(p);
	asleep("reader", SYS_read);
	asleep("taker", -1);
}

/* ------------------------------------------------------------------- rest */

static char fifo_path[64];

static void make_fifo(void)
{
	snprintf(fifo_path, sizeof(fifo_path), "/tmp/lens-knot-fifo-%d", getpid());
	if (mkfifo(fifo_path, 0600))
		work_die(fifo_path);
}

static void open_fifo(void *mode)
{
	open(fifo_path, *(int *)mode);
}

static int to_read = O_RDONLY, to_write = O_WRONLY;

/* (o) nobody is left who could open the other end: it has no name any more */
static void fifo_open(void)
{
	make_fifo();
	role("opener", work_spawn(open_fifo, &to_read));
	asleep("opener", -1);
	unlink(fifo_path);
}

static void remove_fifo(void)
{
	if (is_main())
		unlink(fifo_path);
}

/* ... anybody can come */
static void fifo_named(void)
{
	make_fifo();
	atexit(remove_fifo);
	role("reader", work_spawn(open_fifo, &to_read));
	asleep("reader", -1);
}

static void fifo_named_to_write(void)
{
	make_fifo();
	atexit(remove_fifo);
	role("writer", work_spawn(open_fifo, &to_write));
	asleep("writer", -1);
}

static void hold_fifo(void *unused)
{
	if (open(fifo_path, O_RDONLY | O_NONBLOCK) < 0)
		work_die(fifo_path);
}

/* ... or somebody by the descriptor of another */
static void fifo_held(void)
{
	pid_t holder;

	make_fifo();
	holder = work_spawn(hold_fifo, NULL);
	work_wait(holder);
	role("holder", holder);
	role("opener", work_spawn(open_fifo, &to_read));
	asleep("opener", -1);
	unlink(fifo_path);
}

static void read_eventfd(void *fd)
{
	uint64_t n;

	work_expect(read(*(int *)fd, &n, sizeof(n)), sizeof(n), "eventfd");
}

/* (p) an eventfd that somebody else could signal */
static void event(void)
{
	static int fd;

	fd = eventfd(0, 0);
	role("other", work_spawn(hold_all, NULL));
	role("reader", work_spawn(read_eventfd, &fd));
	close(fd);
	asleep("reader", SYS_read);
}

static void hold_master(void *slave)
{
	close(*(int *)slave);
}

static void write_slave(void *slave)
{
	close(p[0]);
	fill(*(int *)slave);
	/* the kernel moves on what is in there when it finds time, which makes room once more */
	for (;;)
		put(*(int *)slave);
}

/* (q) a terminal whose master does not read */
static void terminal(void)
{
	static int slave;

	p[0] = posix_openpt(O_RDWR | O_NOCTTY);
	if (p[0] < 0 || grantpt(p[0]) || unlockpt(p[0]))
		work_skip("no terminals here");
	slave = open(ptsname(p[0]), O_RDWR | O_NOCTTY);
	role("master", work_spawn(hold_master, &slave));
	role("slave", work_spawn(write_slave, &slave));
	close(slave);
	close(p[0]);
	asleep("slave", SYS_write);
}

static void poll_p(int timeout_ms)
{
	struct pollfd f = { .fd = p[0], .events = POLLIN };

	poll(&f, 1, timeout_ms);
}

static void poll_p_forever(void *unused)
{
	close(p[1]);
	close(q[0]);
	poll_p(-1);
}

static void poll_p_timed(void *unused)
{
	close(p[1]);
	close(q[0]);
	poll_p(3600 * 1000);
}

static void read_q(void *unused)
{
	close(p[0]);
	close(q[1]);
	get(q[0]);
}

static void poll_and_read(void (*polls)(void *))
{
	make_pipe(p);
	make_pipe(q);
	role("poll", work_spawn(polls, NULL));
	role("reader", work_spawn(read_q, NULL));
	close_pair(p);
	close_pair(q);
	asleep("poll", SYS_poll);
	asleep("reader", SYS_read);
}

/* a time limit breaks the cycle */
static void timed(void)
{
	poll_and_read(poll_p_timed);
}

/* the call is another one after a stop: restart_syscall(2) */
static void restarted(void)
{
	poll_and_read(poll_p_forever);
	stop("poll");
	cont("poll");
	asleep("poll", SYS_restart_syscall);
}

static void on_signal(int number)
{
}

static void poll_own_pipe(void *unused)
{
	signal(SIGCHLD, on_signal);
	poll_p(-1);
}

/* what event loops do for signals */
static void self_pipe(void)
{
	make_pipe(p);
	role("loop", work_spawn(poll_own_pipe, NULL));
	close_pair(p);
	asleep("loop", SYS_poll);
}

static void splice_p_to_q(void *unused)
{
	close(p[1]);
	close(q[0]);
	splice(p[0], NULL, q[1], NULL, 4096, 0);
}

static void splice_knot(void)
{
	make_pipe(p);
	make_pipe(q);
	role("splice", work_spawn(splice_p_to_q, NULL));
	role("reader", work_spawn(read_q, NULL));
	close_pair(p);
	close_pair(q);
	asleep("splice", SYS_splice);
	asleep("reader", SYS_read);
}

static const struct work_mode modes[] = {
	{ "mqfull", mq_full },	    { "flock", flock_held },	 { "posixlock", posix_held },
	{ "ofdlock", ofd_held },    { "lockqueue", lock_queue }, { "four", four },
	{ "sem", sem_plain },	    { "semcycle", sem_cycle },	 { "fifoopen", fifo_open },
	{ "eventfd", event },	    { "terminal", terminal },	 { "timed", timed },
	{ "restarted", restarted }, { "selfpipe", self_pipe },	 { "splice", splice_knot },
	{ "sharedlock", locks_shared }, { "fifonamed", fifo_named },
	{ "fifonamedwrite", fifo_named_to_write }, { "fifoheld", fifo_held },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
