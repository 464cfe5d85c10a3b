/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind strand.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "strand.h"
#include "work.h"

static int next_fd = STRAND_FD;

int strand_fd_end(void)
{
	return next_fd;
}

/* to a high number, so that closing all others is simple */
static int place(int fd)
{
	int high = fcntl(fd, F_DUPFD, next_fd++);

	if (fd < 0 || high < 0)
		work_die("descriptor");
	close(fd);
	return high;
}

static void place_pair(struct strand *s, int mine, int its)
{
	s->mine = place(mine);
	s->its = place(its);
}

static void make_mq(struct strand *s, bool full)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	char name[64];
	mqd_t in, out;

	snprintf(name, sizeof(name), "/lens-tangle-%d", getpid());
	in = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, 0600, &attr);
	out = mq_open(name, O_WRONLY);
	mq_unlink(name);
	if (in < 0 || out < 0 || (full && mq_send(out, "x", 1, 0)))
		work_die("queue");
	place_pair(s, full ? out : in, full ? in : out);
}

static void make_fifo(struct strand *s)
{
	char path[64];
	int in, out;

	snprintf(path, sizeof(path), "/tmp/lens-tangle-%d", getpid());
	if (mkfifo(path, 0600))
		work_die(path);
	in = open(path, O_RDONLY | O_NONBLOCK);
	out = open(path, O_WRONLY);
	place_pair(s, s->writes ? out : in, s->writes ? in : out);
	fcntl(s->mine, F_SETFL, 0);
	unlink(path);
}

static void make_lock(struct strand *s)
{
	char path[] = "/tmp/lens-tangle-XXXXXX";
	int fd = mkstemp(path);

	place_pair(s, open(path, O_RDWR), fd);
	unlink(path);
}

static void make_tcp(struct strand *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = socket(AF_INET, SOCK_STREAM, 0), mine, little = 4096;
	socklen_t len = sizeof(a);

	/* before there is a connection, so that its window is as small */
	if (setsockopt(l, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)) ||
	    bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len))
		work_die("listen");
	mine = socket(AF_INET, SOCK_STREAM, 0);
	if (setsockopt(mine, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) ||
	    connect(mine, (void *)&a, len))
		work_die("connect");
	place_pair(s, mine, accept(l, NULL, NULL));
	close(l);
}

/* where there are no terminals to be had a pipe takes its place */
static void make_pty(struct strand *s)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1, pair[2];

	if (master >= 0 && !grantpt(master) && !unlockpt(master))
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave >= 0) {
		place_pair(s, slave, master);
		return;
	}
	if (master >= 0)
		close(master);
	s->kind = PIPE_EMPTY;
	make_pipe(pair);
	place_pair(s, pair[0], pair[1]);
}

static void *shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		work_die("mmap");
	return p;
}

/* locked by the other one when it begins */
static void make_mutex(struct strand *s)
{
	pthread_mutexattr_t attr;

	s->mutex = shared_page();
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (s->robust)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(s->mutex, &attr);
}

static int use_semaphore(const struct strand *s, int by, short flags)
{
	struct sembuf op = { .sem_op = (short)by, .sem_flg = flags };

	return semop(s->sem, &op, 1);
}

static void make_semaphore(struct strand *s)
{
	s->sem = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	if (s->sem < 0 || use_semaphore(s, 1, 0))
		work_die("semaphore");
}

static void make_channel_of(struct strand *s)
{
	int pair[2], type;

	switch (s->kind) {
	case CHILD:
		s->child = shared_page();
		/* fallthrough */
	case PIPE_EMPTY:
	case PIPE_FULL:
		make_pipe(pair);
		place_pair(s, pair[s->writes], pair[!s->writes]);
		break;
	case STREAM_EMPTY:
	case STREAM_FULL:
	case PACKETS_EMPTY:
	case PACKETS_FULL:
	case DGRAM_EMPTY:
	case DGRAM_FULL:
		type = s->kind == PACKETS_EMPTY || s->kind == PACKETS_FULL ? SOCK_SEQPACKET
		       : s->kind == DGRAM_EMPTY || s->kind == DGRAM_FULL   ? SOCK_DGRAM
									    : SOCK_STREAM;
		make_socket_pair(pair, type);
		place_pair(s, pair[0], pair[1]);
		break;
	case FIFO_EMPTY:
	case FIFO_FULL:
		make_fifo(s);
		break;
	case TCP_EMPTY:
	case TCP_FULL:
		make_tcp(s);
		break;
	case MQ_EMPTY:
	case MQ_FULL:
		make_mq(s, s->writes);
		break;
	case EVENTFD_ZERO:
		pair[0] = eventfd(0, 0);
		place_pair(s, pair[0], dup(pair[0]));
		break;
	case PTY_EMPTY:
		make_pty(s);
		break;
	case MUTEX:
		make_mutex(s);
		break;
	case SEMAPHORE:
		make_semaphore(s);
		break;
	case SYSV_EMPTY:
		s->queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
		if (s->queue < 0)
			work_die("msgget");
		break;
	default:
		make_lock(s);
	}
}

static bool is_full(enum kind kind)
{
	return kind == PIPE_FULL || kind == FIFO_FULL || kind == STREAM_FULL ||
	       kind == PACKETS_FULL || kind == DGRAM_FULL || kind == TCP_FULL || kind == MQ_FULL;
}

void strand_make(struct strand *s)
{
	int pair[2];

	s->mine = s->its = -1;
	s->writes = is_full(s->kind);
	make_channel_of(s);
	if (s->writes && s->kind != MQ_FULL)
		fill(s->mine);
	if (!s->carried)
		return;
	make_socket_pair(pair, SOCK_STREAM);
	send_descriptor(pair[0], s->its);
	close(s->its);
	close(pair[0]);
	s->its = place(pair[1]);
}

void strand_remove(const struct strand *s)
{
	if (s->kind == SEMAPHORE)
		semctl(s->sem, 0, IPC_RMID);
	if (s->kind == SYSV_EMPTY)
		msgctl(s->queue, IPC_RMID, NULL);
}

/* -------------------------------------------------------------------- waiting */

static void take_record(int fd, int command)
{
	struct flock f = { .l_type = F_WRLCK };

	fcntl(fd, command, &f);
}

void strand_take(const struct strand *s)
{
	if (s->kind == FLOCK)
		flock(s->its, LOCK_EX);
	else if (s->kind == RECORD)
		take_record(s->its, F_SETLK);
	else if (s->kind == OFD)
		take_record(s->its, F_OFD_SETLK);
	else if (s->kind == MUTEX)
		pthread_mutex_lock(s->mutex);
	else if (s->kind == SEMAPHORE)
		work_expect(use_semaphore(s, -1, SEM_UNDO), 0, "semop");
}

static void wait_for_child(const struct strand *s)
{
	char byte;
	pid_t pid = fork();

	if (pid < 0)
		work_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!read(s->mine, &byte, 1);
		_exit(0);
	}
	close(s->mine);
	*s->child = pid;
	waitpid(pid, NULL, 0);
}

void strand_wait(const struct strand *s)
{
	char text[16] __attribute__((aligned(8))) = { 0 };

	if (s->kind == FLOCK)
		flock(s->mine, LOCK_EX);
	else if (s->kind == RECORD)
		take_record(s->mine, F_SETLKW);
	else if (s->kind == OFD)
		take_record(s->mine, F_OFD_SETLKW);
	else if (s->kind == MUTEX)
		pthread_mutex_lock(s->mutex);
	else if (s->kind == SEMAPHORE)
		use_semaphore(s, -1, 0);
	else if (s->kind == CHILD)
		wait_for_child(s);
	else if (s->kind == SYSV_EMPTY)
		msgrcv(s->queue, text, sizeof(text) - sizeof(long), 0, 0);
	else if (s->kind == MQ_FULL)
		mq_send(s->mine, text, 1, 0);
	else if (s->kind == MQ_EMPTY)
		mq_receive(s->mine, text, sizeof(text), NULL);
	else if (s->writes)
		/* what a connection has taken in may have gone a little further meanwhile */
		while (write(s->mine, text, 1) > 0)
			continue;
	else
		while (read(s->mine, text, 8) < 0 && errno == EINTR)
			continue;
}
