/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How each kind of channel is made, and when it is gone.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ends.h"
#include "messages.h"
#include "parcels.h"
#include "work.h"

enum { BUFFER_BYTES = 1 << 16, UDP_BUFFER_BYTES = 1 << 20, UDP_MESSAGES = 40, UDP_BYTES = 50000 };

struct stage *stage;

/* ------------------------------------------------------------------- making */

static void make_pipe(struct pair *p, int fd[2])
{
	if (pipe2(fd, O_NONBLOCK))
		work_die("pipe");
	p->chan[0] = work_pipe(fd[0], NULL);
}

static void name_pair(struct pair *p, const char *where)
{
	snprintf(p->name, sizeof(p->name), "%s/lens-random-%d-%u", where, getpid(),
		 stage->names++);
	p->named = true;
}

static void make_fifo(struct pair *p, int fd[2])
{
	name_pair(p, "/tmp");
	/* left behind by one of the same number that was killed */
	unlink(p->name);
	if (mkfifo(p->name, 0600))
		work_die(p->name);
	fd[0] = open(p->name, O_RDONLY | O_NONBLOCK);
	fd[1] = open(p->name, O_WRONLY | O_NONBLOCK);
	if (fd[0] < 0 || fd[1] < 0)
		work_die(p->name);
	p->chan[0] = work_pipe(fd[0], p->name);
}

static void remove_fifo(struct pair *p)
{
	unlink(p->name);
}

static void make_mq(struct pair *p, int fd[2])
{
	struct mq_attr attr = { .mq_maxmsg = 8, .mq_msgsize = MQ_BYTES };

	name_pair(p, "");
	mq_unlink(p->name);
	/* who only writes could not look how many bytes it leaves behind */
	fd[0] = mq_open(p->name, O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
	fd[1] = mq_open(p->name, O_RDWR | O_NONBLOCK);
	if (fd[0] < 0 || fd[1] < 0)
		work_die(p->name);
	p->chan[0] = work_mq(fd[0], NULL);
}

static void remove_mq(struct pair *p)
{
	mq_unlink(p->name);
}

static void make_sysv(struct pair *p, int fd[2])
{
	fd[0] = p->id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (p->id < 0)
		work_die("msgget");
	p->named = true;
	p->chan[0] = work_queue(p->id);
}

/* all that is in it goes with it */
static void remove_sysv(struct pair *p)
{
	work_gone(p->chan[0]);
	parcels_drop(p->chan[0]);
	msgctl(p->id, IPC_RMID, NULL);
}

static void make_counter(struct pair *p, int fd[2], unsigned value, int flags)
{
	fd[0] = eventfd(value, EFD_NONBLOCK | flags);
	if (fd[0] < 0)
		work_die("eventfd");
	p->chan[0] = work_eventfd(fd[0]);
	if (!value)
		return;
	work_did(p->chan[0], WORK_WRITE, value);
	if (stage->in_order)
		parcels_put(p->chan[0], value, false, 0);
}

static void make_eventfd(struct pair *p, int fd[2])
{
	make_counter(p, fd, 0, 0);
}

static void make_semaphore(struct pair *p, int fd[2])
{
	make_counter(p, fd, 3, EFD_SEMAPHORE);
}

static void two_sockets(struct pair *p, const int fd[2])
{
	for (int i = 0; i < 2; i++)
		p->chan[i] = work_socket(fd[i]);
	work_peers(p->chan[0], p->chan[1]);
}

static void make_unix(struct pair *p, int fd[2], int type)
{
	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd))
		work_die("socketpair");
	two_sockets(p, fd);
}

static void make_stream(struct pair *p, int fd[2])
{
	make_unix(p, fd, SOCK_STREAM);
}

static void make_seqpacket(struct pair *p, int fd[2])
{
	make_unix(p, fd, SOCK_SEQPACKET);
}

static void make_dgram(struct pair *p, int fd[2])
{
	make_unix(p, fd, SOCK_DGRAM);
}

/* without a line discipline that would change what passes */
static void make_pty(struct pair *p, int fd[2])
{
	fd[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd[0] < 0 || ioctl(fd[0], TIOCSPTLCK, &(int){ 0 }))
		work_die("/dev/ptmx");
	fd[1] = ioctl(fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd[1] < 0)
		work_die("slave");
	for (int i = 0; i < 2; i++)
		p->chan[i] = work_pty(fd[0], fd[1], i);
	work_pty_raw(fd[1]);
}

static int bound(int type, struct sockaddr_in *ret_at)
{
	int fd = socket(AF_INET, type, 0), size = type == SOCK_DGRAM ? UDP_BUFFER_BYTES
								     : BUFFER_BYTES;
	socklen_t len = sizeof(*ret_at);

	*ret_at = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)ret_at, len) ||
	    getsockname(fd, (struct sockaddr *)ret_at, &len))
		work_die("bind");
	return fd;
}

static void make_tcp(struct pair *p, int fd[2])
{
	int size = BUFFER_BYTES, yes = 1, listener;
	struct sockaddr_in at, from;

	listener = bound(SOCK_STREAM, &at);
	fd[0] = bound(SOCK_STREAM, &from);
	if (listen(listener, 1) || connect(fd[0], (struct sockaddr *)&at, sizeof(at)))
		work_die("connect");
	fd[1] = accept(listener, NULL, NULL);
	close(listener);
	for (int i = 0; i < 2; i++) {
		setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		if (fcntl(fd[i], F_SETFL, O_NONBLOCK))
			work_die("accept");
	}
	two_sockets(p, fd);
}

static void make_udp(struct pair *p, int fd[2])
{
	struct sockaddr_in at[2];

	for (int i = 0; i < 2; i++)
		fd[i] = bound(SOCK_DGRAM, &at[i]);
	for (int i = 0; i < 2; i++)
		if (connect(fd[i], (struct sockaddr *)&at[!i], sizeof(at[0])) ||
		    fcntl(fd[i], F_SETFL, O_NONBLOCK))
			work_die("connect");
	two_sockets(p, fd);
}

const struct mech mechs[] = {
	{ "pipe", ONE_WAY, .splices = true, .most_bytes = 90000, .make = make_pipe },
	{ "fifo", ONE_WAY, .splices = true, .most_bytes = 90000, .make = make_fifo,
	  .remove = remove_fifo },
	{ "sysv-msg", ONE_END, .messages = true, .no_fd = true, .most_bytes = SYSV_BYTES,
	  .make = make_sysv, .put = put_sysv, .get = get_sysv, .remove = remove_sysv },
	{ "posix-mq", ONE_WAY, .messages = true, .most_bytes = MQ_BYTES, .make = make_mq,
	  .put = put_mq, .get = get_mq, .remove = remove_mq },
	{ "unix-stream", TWO_ENDS, .socket = true, .splices = true, .passes = true, .shuts = true,
	  .most_bytes = 90000, .make = make_stream },
	{ "unix-seqpacket", TWO_ENDS, .messages = true, .socket = true, .passes = true,
	  .shuts = true, .most_bytes = 9000, .make = make_seqpacket },
	{ "unix-dgram", TWO_ENDS, .messages = true, .socket = true, .passes = true,
	  .most_bytes = 9000, .make = make_dgram },
	{ "tcp", TWO_ENDS, .socket = true, .splices = true, .shuts = true, .resets = true,
	  .most_bytes = 40000, .make = make_tcp },
	{ "udp", TWO_ENDS, .messages = true, .socket = true, .loses = true, .most_bytes = 9000,
	  .make = make_udp },
	{ "pty", TWO_ENDS, .holds = true, .terminal = true, .most_bytes = 9000, .make = make_pty },
	{ "eventfd", ONE_END, .holds = true, .amounts = true, .most_bytes = 1000,
	  .make = make_eventfd, .put = put_eventfd, .get = get_eventfd },
	{ "semaphore", ONE_END, .holds = true, .amounts = true, .most_bytes = 10,
	  .make = make_semaphore, .put = put_eventfd, .get = get_eventfd },
};
const unsigned mech_count = ARRAY_SIZE(mechs);

/* --------------------------------------------------------------------- ends */

int slot_in(const struct slot *s)
{
	const struct pair *p = &stage->pair[s->pair];

	return p->mech->shape == TWO_ENDS ? p->chan[s->side] : s->side ? -1 : p->chan[0];
}

int slot_out(const struct slot *s)
{
	const struct pair *p = &stage->pair[s->pair];

	if (p->mech->shape == TWO_ENDS)
		return p->chan[!s->side];
	return p->mech->shape == ONE_WAY && !s->side ? -1 : p->chan[0];
}

struct end end_of(const struct slot *s)
{
	struct pair *p = &stage->pair[s->pair];

	return (struct end){ p->mech, p, s->fd, slot_in(s), slot_out(s) };
}

unsigned holders(int pair, int side)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PROCS; i++)
		for (unsigned k = 0; stage->pid[i] && k < SLOTS; k++) {
			const struct slot *s = &stage->slot[i][k];

			count += s->used && s->pair == pair && (side < 0 || s->side == side);
		}
	return count;
}

bool slot_alive(const struct slot *s)
{
	return !stage->pair[s->pair].mech->no_fd || stage->pair[s->pair].named;
}

bool slot_puts(const struct slot *s)
{
	const struct mech *m = stage->pair[s->pair].mech;

	return slot_alive(s) && slot_out(s) >= 0 &&
	       (!m->socket || m->shuts || holders(s->pair, !s->side)) &&
	       (!m->loses || (parcels_count(slot_out(s)) < UDP_MESSAGES &&
			      parcels_bytes(slot_out(s)) < UDP_BYTES));
}

bool slot_gets(const struct slot *s)
{
	return slot_alive(s) && slot_in(s) >= 0;
}

static struct slot new_slot(const struct mech *mech, int fd, unsigned pair, int side)
{
	/* those of POSIX queues always are */
	bool closes = !mech->no_fd && fcntl(fd, F_GETFD) & FD_CLOEXEC;

	return (struct slot){ .used = true, closes, fd, (int)pair, side };
}

void pair_make(const struct mech *mech, struct slot *first, struct slot *second)
{
	unsigned n = stage->pair_count++;
	struct pair *p = &stage->pair[n];
	int fd[2] = { -1, -1 };

	memset(p, 0, sizeof(*p));
	p->mech = mech;
	p->chan[1] = -1;
	mech->make(p, fd);
	*first = new_slot(mech, fd[0], n, 0);
	if (mech->shape != ONE_END)
		*second = new_slot(mech, fd[1], n, 1);
	for (int i = 0; i < 2 && p->chan[i] >= 0; i++)
		if (stage->in_order)
			work_flows_by_hand(p->chan[i]);
}

/* what nobody can read any more is lost */
static void leave_channel(int chan, int fd)
{
	work_look_through(chan, fd);
	work_gone(chan);
	parcels_drop(chan);
}

void slot_leave(struct slot *s)
{
	struct pair *p = &stage->pair[s->pair];
	bool last = holders(s->pair, p->mech->shape == TWO_ENDS ? s->side : -1) == 1;

	s->used = false;
	if (p->mech->no_fd || !last)
		return;
	if (p->named && p->mech->remove)
		p->mech->remove(p);
	p->named = false;
	leave_channel(p->mech->shape == TWO_ENDS ? p->chan[s->side] : p->chan[0], s->fd);
}
