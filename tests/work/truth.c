/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the processes of a workload count, in memory they share.
 * Before it is printed it must agree with the kernel's own depth of each
 * channel: a workload that miscounts fails, not the program under test.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "depth.h"
#include "truth.h"
#include "truth_text.h"

#define TABLE_ENV "WORK_TABLE"

struct table *truth_table;
static int table_fd = -1;
/* of this process: its entries, and by what to look at a channel */
static struct side *mine[CHANS][2];
static pid_t me;
static bool reborn;
static int look_fd[CHANS];
const char *truth_path[CHANS];

static void lock(void)
{
	while (__atomic_exchange_n(&truth_table->lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void unlock(void)
{
	__atomic_store_n(&truth_table->lock, 0, __ATOMIC_RELEASE);
}

static void map_table(void)
{
	truth_table = mmap(NULL, sizeof(*truth_table), PROT_READ | PROT_WRITE, MAP_SHARED,
			   table_fd, 0);
	if (truth_table == MAP_FAILED)
		work_die("truth");
	me = getpid();
}

void truth_create(void)
{
	table_fd = memfd_create("truth", MFD_CLOEXEC);
	if (table_fd < 0 || ftruncate(table_fd, sizeof(*truth_table)))
		work_die("truth");
	map_table();
}

void truth_export(void)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", table_fd);
	if (fcntl(table_fd, F_SETFD, 0) || setenv(TABLE_ENV, text, 1))
		work_die("truth");
}

void truth_import(void)
{
	const char *text = getenv(TABLE_ENV);

	errno = EINVAL;
	if (!text)
		work_die(TABLE_ENV);
	table_fd = atoi(text);
	map_table();
	reborn = true;
}

void truth_new_process(void)
{
	memset(mine, 0, sizeof(mine));
	me = getpid();
	reborn = false;
}

/* ------------------------------------------------------------------ channels */

static unsigned take(unsigned *count, unsigned limit, const char *what)
{
	unsigned n = __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);

	errno = ENOSPC;
	if (n >= limit)
		work_die(what);
	return n;
}

int work_pipe(int fd, const char *path)
{
	unsigned n = take(&truth_table->chan_count, CHANS, "channels");
	struct chan *c = &truth_table->chan[n];
	struct stat st;

	if (fstat(fd, &st))
		work_die("fstat");
	c->kind = path ? KIND_FIFO : KIND_PIPE;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	look_fd[n] = fd;
	truth_path[n] = path;
	return (int)n;
}

void work_look_through(int chan, int fd)
{
	look_fd[chan] = fd;
}

void work_path(int chan, const char *path)
{
	truth_path[chan] = path;
}

static uint64_t ipc_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/ipc", &st))
		work_die("ipc namespace");
	return st.st_ino;
}

int work_queue(int msqid)
{
	unsigned n = take(&truth_table->chan_count, CHANS, "channels");
	struct chan *c = &truth_table->chan[n];

	c->kind = KIND_QUEUE;
	c->ino = (uint64_t)msqid;
	c->ipcns = ipc_namespace();
	return (int)n;
}

int work_mq(int mqd, const char *name)
{
	int n = work_pipe(mqd, name);

	truth_table->chan[n].kind = KIND_MQ;
	truth_table->chan[n].ipcns = ipc_namespace();
	return n;
}

/* has no depth, and whose it is is known by the calls themselves */
static int take_target(int kind, pid_t target, int number)
{
	struct chan *c;
	unsigned n;

	for (n = 0; n < truth_table->chan_count; n++) {
		c = &truth_table->chan[n];
		if (c->kind == kind && c->ino == (uint64_t)target && c->dev == (uint64_t)number)
			return (int)n;
	}
	n = take(&truth_table->chan_count, CHANS, "channels");
	c = &truth_table->chan[n];
	c->kind = kind;
	c->ino = (uint64_t)target;
	c->dev = (uint64_t)number;
	c->settled = c->unbalanced = c->by_hand = true;
	return (int)n;
}

int work_signals(pid_t target, int number)
{
	return take_target(KIND_SIGNAL, target, number);
}

int work_memory(pid_t target)
{
	return take_target(KIND_MEMORY, target, 0);
}

void work_settled(int chan)
{
	truth_look(&truth_table->chan[chan], chan);
	truth_table->chan[chan].settled = true;
}

/* does a channel keep messages apart? */
bool truth_has_messages(const struct chan *c)
{
	return c->kind != KIND_PIPE && c->kind != KIND_FIFO && c->kind != KIND_STREAM &&
	       c->kind != KIND_EVENTFD && c->kind != KIND_TCP && c->kind != KIND_PTY;
}

int work_socket(int fd)
{
	int n = work_pipe(fd, NULL), type, family;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		work_die("not a socket");
	truth_table->chan[n].kind = family != AF_UNIX ? type == SOCK_STREAM ? KIND_TCP : KIND_UDP :
				    type == SOCK_STREAM ? KIND_STREAM :
				    type == SOCK_DGRAM ? KIND_DGRAM : KIND_SEQPACKET;
	return n;
}

void work_peers(int chan, int other)
{
	truth_table->chan[chan].peer = other + 1;
	truth_table->chan[other].peer = chan + 1;
}

int work_eventfd(int fd)
{
	int n = work_pipe(fd, NULL);

	/* its inode it shares with others */
	truth_table->chan[n].kind = KIND_EVENTFD;
	truth_table->chan[n].ino = number_of_eventfd(fd);
	return n;
}

int work_pty(int master, int slave, bool at_slave)
{
	int n = work_pipe(slave, NULL);
	struct chan *c = &truth_table->chan[n];
	unsigned index;

	if (ioctl(master, TIOCGPTN, &index))
		work_die("not a master");
	c->kind = KIND_PTY;
	c->ino = index;
	c->at_slave = at_slave;
	return n;
}

void work_pty_raw(int slave)
{
	struct termios settings;

	if (tcgetattr(slave, &settings))
		work_die("tcgetattr");
	cfmakeraw(&settings);
	if (tcsetattr(slave, TCSANOW, &settings))
		work_die("tcsetattr");
}

void work_by_kernel(int chan, int64_t amount)
{
	truth_table->chan[chan].by_kernel = amount;
}

/* by what was moved: for what the kernel does not tell of a socket */
static void compute_queue(struct chan *c, int n)
{
	c->queued_bytes = c->before_bytes - c->discarded_bytes + c->by_kernel;
	c->queued_messages = c->before_messages - c->discarded_messages;
	for (unsigned i = 0; i < truth_table->side_count; i++) {
		const struct side *s = &truth_table->side[i];
		int64_t sign = s->dir == WORK_WRITE ? 1 : -1;

		if (s->chan != n)
			continue;
		c->queued_bytes += sign * (int64_t)s->bytes;
		c->queued_messages += sign * (int64_t)s->messages;
	}
}

/*
 * Another process may have it, which cannot be asked; of datagrams FIONREAD
 * tells the size of the first only, and of terminals what has come to the line
 * discipline so far.
 */
static void look_socket(struct chan *c, int n)
{
	struct stat st;
	int64_t bytes;

	compute_queue(c, n);
	c->capacity = -1;
	if (c->kind == KIND_DGRAM || c->kind == KIND_UDP || c->kind == KIND_PTY ||
	    fstat(look_fd[n], &st) ||
	    st.st_ino != c->ino || st.st_dev != c->dev)
		return;
	bytes = bytes_of_socket(look_fd[n]);
	/* of what was sent over TCP some may be with the sender yet, and all before the start is */
	if (c->kind == KIND_TCP && truth_table->side_count) {
		errno = EOVERFLOW;
		if (bytes > c->queued_bytes)
			work_die("look at a socket");
		return;
	}
	c->queued_bytes = bytes;
}

void truth_look(struct chan *c, int n)
{
	struct depth depth;
	struct stat st;

	if (c->gone || c->settled)
		return;
	if (c->kind >= KIND_STREAM) {
		look_socket(c, n);
		return;
	}
	/* from another namespace the same id is another queue, or cannot be seen */
	c->unbalanced = truth_has_messages(c) && ipc_namespace() != c->ipcns;
	if (c->unbalanced)
		return;
	errno = ESTALE;
	if (c->kind != KIND_QUEUE && c->kind != KIND_EVENTFD &&
	    (fstat(look_fd[n], &st) || st.st_ino != c->ino || st.st_dev != c->dev))
		work_die("look at a channel");
	if (c->kind == KIND_QUEUE)
		depth_of_sysv((int)c->ino, &depth);
	else if (c->kind == KIND_MQ)
		depth_of_mq(look_fd[n], &depth);
	else if (c->kind == KIND_EVENTFD)
		depth_of_eventfd(look_fd[n], c->ino, &depth);
	else
		depth_of_pipe(look_fd[n], &depth);
	c->queued_bytes = depth.bytes;
	c->queued_messages = depth.messages;
	c->capacity = depth.capacity;
}

void work_gone(int chan)
{
	struct chan *c = &truth_table->chan[chan];

	truth_look(c, chan);
	c->gone = true;
	c->discarded_bytes += c->queued_bytes;
	c->discarded_messages += c->queued_messages;
	c->queued_bytes = 0;
	c->queued_messages = 0;
}

void work_discarded(int chan, uint64_t bytes, uint64_t messages)
{
	truth_table->chan[chan].discarded_bytes += (int64_t)bytes;
	truth_table->chan[chan].discarded_messages += (int64_t)messages;
}

void work_in_flight(int chan, int64_t bytes)
{
	truth_table->chan[chan].in_flight = bytes;
}

void truth_begin(void)
{
	unsigned n = truth_table->chan_count;

	memset(mine, 0, sizeof(mine));
	memset(truth_table->side, 0, sizeof(truth_table->side));
	truth_table->side_count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct chan *c = &truth_table->chan[i];

		truth_look(c, (int)i);
		c->before_bytes = c->queued_bytes;
		c->before_messages = c->queued_messages;
	}
}

void truth_forget(void)
{
	struct table *t = truth_table;

	memset(mine, 0, sizeof(mine));
	memset(truth_path, 0, sizeof(truth_path));
	memset(t->chan, 0, t->chan_count * sizeof(t->chan[0]));
	memset(t->side, 0, t->side_count * sizeof(t->side[0]));
	memset(t->flow, 0, t->flow_count * sizeof(t->flow[0]));
	memset(t->type, 0, t->type_count * sizeof(t->type[0]));
	t->chan_count = t->side_count = t->flow_count = t->type_count = 0;
}

/* ------------------------------------------------------------------ counting */

static struct side *side_find(int chan, enum work_dir dir)
{
	for (unsigned i = 0; i < truth_table->side_count; i++) {
		struct side *s = &truth_table->side[i];

		if (s->pid == me && s->chan == chan && s->dir == dir)
			return s;
	}
	return NULL;
}

static struct side *side_get(int chan, enum work_dir dir)
{
	struct side *s = mine[chan][dir];

	if (s)
		return s;
	lock();
	/* another thread may have been faster; an exec keeps the process; a reused pid does not */
	s = mine[chan][dir];
	if (!s && reborn)
		s = side_find(chan, dir);
	if (!s) {
		s = &truth_table->side[take(&truth_table->side_count, SIDES, "sides")];
		s->chan = chan;
		s->dir = dir;
		s->pid = me;
	}
	mine[chan][dir] = s;
	unlock();
	return s;
}

static ssize_t count(int chan, enum work_dir dir, ssize_t ret, bool is_message)
{
	struct side *s;
	int err = errno;

	if (ret < 0 && err == EINTR)
		return ret;
	s = side_get(chan, dir);
	__atomic_fetch_add(&s->operations, 1, __ATOMIC_RELAXED);
	if (ret < 0)
		__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&s->bytes, (uint64_t)ret, __ATOMIC_RELAXED);
	if (is_message)
		__atomic_fetch_add(&s->messages, 1, __ATOMIC_RELAXED);
	errno = err;
	return ret;
}

ssize_t work_did(int chan, enum work_dir dir, ssize_t ret)
{
	return count(chan, dir, ret, ret > 0);
}

ssize_t work_did_message(int chan, enum work_dir dir, ssize_t ret)
{
	return count(chan, dir, ret, ret >= 0);
}

void work_any_operations(int chan, enum work_dir dir)
{
	side_get(chan, dir)->any_operations = true;
}

void work_flows_by_hand(int chan)
{
	truth_table->chan[chan].by_hand = true;
}

void truth_flow(int chan, pid_t from, pid_t to, uint64_t messages, uint64_t bytes)
{
	struct flow *f = NULL;

	lock();
	for (unsigned i = 0; !f && i < truth_table->flow_count; i++) {
		struct flow *g = &truth_table->flow[i];

		if (g->chan == chan && g->from == from && g->to == to)
			f = g;
	}
	if (!f) {
		f = &truth_table->flow[take(&truth_table->flow_count, FLOWS, "flows")];
		f->chan = chan;
		f->from = from;
		f->to = to;
	}
	f->messages += messages;
	f->bytes += bytes;
	unlock();
}

void work_flow(int chan, pid_t from, uint64_t messages, uint64_t bytes)
{
	truth_flow(chan, from, me, messages, bytes);
}

void work_flow_to(int chan, pid_t to, uint64_t messages, uint64_t bytes)
{
	truth_flow(chan, me, to, messages, bytes);
}

void work_backlog(int chan, long type, int64_t delta, size_t bytes)
{
	struct type *t = NULL;

	lock();
	for (unsigned i = 0; !t && i < truth_table->type_count; i++) {
		if (truth_table->type[i].chan == chan && truth_table->type[i].type == type)
			t = &truth_table->type[i];
	}
	if (!t) {
		t = &truth_table->type[take(&truth_table->type_count, TYPES, "message types")];
		t->chan = chan;
		t->type = type;
	}
	t->messages += delta;
	t->bytes += delta * (int64_t)bytes;
	unlock();
}

void work_fact(const char *name, long value)
{
	struct fact *f = &truth_table->fact[take(&truth_table->fact_count, FACTS, "facts")];

	snprintf(f->name, sizeof(f->name), "%s", name);
	f->value = value;
}
