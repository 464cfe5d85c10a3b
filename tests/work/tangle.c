/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A random wait-for graph of real processes. Node i waits for nodes by edges;
 * the kind of each edge is drawn, too. A node with several edges polls for any
 * of them; one without edges sleeps, runs on a timer, or is stopped. The truth
 * follows from the graph alone and is printed as facts: "hope i" is 0 for never, 1 when
 * what is stopped goes on, 2 from outside, 3 soon, -1 for who waits for nobody.
 *
 *	tangle graph SEED
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "work.h"

enum { NODES = 8, EDGES = 3, FD_FIRST = 100 };

/* how node `from` waits for node `to`: by what only `to` can do */
enum kind {
	PIPE_EMPTY,
	PIPE_FULL,
	FIFO_EMPTY,
	STREAM_EMPTY,
	STREAM_FULL,
	PACKETS_EMPTY,
	DGRAM_EMPTY,
	MQ_EMPTY,
	MQ_FULL,
	EVENTFD_ZERO,
	KIND_POLLABLE,
	FLOCK = KIND_POLLABLE,
	RECORD,
	KIND_MAX
};

enum end { END_PAUSE, END_TIMER, END_STOPPED, END_DEAD, END_MAX };

struct edge {
	unsigned to;
	enum kind kind;
	int mine, its; /* descriptors of either side */
	bool writes;   /* the wait is for room */
};

struct node {
	struct edge edge[EDGES];
	unsigned edge_count;
	enum end end;  /* without edges: what it does */
	bool timed;    /* polls with a time limit */
	unsigned heir; /* has inherited all that this node holds; itself: nobody has */
	unsigned how;  /* 0 poll, 1 select, 2 epoll, 3 ppoll */
	pid_t pid;
	char name[8];
};

static struct node node[NODES];
static unsigned node_count;
static uint64_t seed;
static char lock_names[NODES * EDGES][40];
static unsigned lock_count;
static int next_fd = FD_FIRST;

static unsigned draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

/* ------------------------------------------------------------------- drawing */

static void draw_node(struct node *n, unsigned self)
{
	n->edge_count = draw(4) ? 1 + !draw(3) + !draw(6) : 0;
	n->end = draw(END_MAX - 1);
	n->timed = n->edge_count > 1 && !draw(8);
	n->how = draw(4);
	n->heir = self;
	for (unsigned i = 0; i < n->edge_count; i++) {
		do
			n->edge[i].to = draw(node_count);
		while (n->edge[i].to == self);
		n->edge[i].kind = draw(n->edge_count > 1 || n->timed ? KIND_POLLABLE : KIND_MAX);
	}
	snprintf(n->name, sizeof(n->name), "n%u", self);
}

static void draw_graph(void)
{
	node_count = 2 + draw(NODES - 1);
	for (unsigned i = 0; i < node_count; i++)
		draw_node(&node[i], i);
	/* half of them have a ring for sure */
	for (unsigned i = 0; draw(2) && i < node_count; i++)
		node[i].edge[0].to = (i + 1) % node_count;
	/* sometimes another process has all that one holds, as after a fork */
	for (unsigned i = 0; i < node_count; i++)
		if (!draw(6))
			node[i].heir = draw(node_count);
}

/* --------------------------------------------------------------------- truth */

enum hope { NEVER, STOPPED, OUTSIDE, RUNS };

static enum hope hope[NODES];

/* the best of a node and whoever inherited from it */
static enum hope hope_of(const struct edge *e)
{
	enum hope a = hope[e->to], b = hope[node[e->to].heir];

	/* record locks are not inherited */
	return e->kind == RECORD || a > b ? a : b;
}

static enum hope hope_of_node(const struct node *n)
{
	static const enum hope ends[] = { OUTSIDE, RUNS, STOPPED };
	enum hope best = n->timed ? RUNS : NEVER;

	if (!n->edge_count)
		return ends[n->end];
	for (unsigned i = 0; i < n->edge_count; i++)
		if (hope_of(&n->edge[i]) > best)
			best = hope_of(&n->edge[i]);
	return best;
}

static void find_truth(void)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (unsigned i = 0; i < node_count; i++) {
			enum hope now = hope_of_node(&node[i]);

			changed |= now > hope[i];
			hope[i] = now;
		}
	}
}

/* ------------------------------------------------------------------- channels */

/* to a high number, so that closing all others is simple */
static int place(int fd)
{
	int high = fcntl(fd, F_DUPFD, next_fd++);

	if (fd < 0 || high < 0)
		work_die("descriptor");
	close(fd);
	return high;
}

static void place_pair(struct edge *e, int mine, int its)
{
	e->mine = place(mine);
	e->its = place(its);
}

static void make_mq(struct edge *e, bool full)
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
	place_pair(e, full ? out : in, full ? in : out);
}

static void make_fifo(struct edge *e)
{
	char path[64];
	int in;

	snprintf(path, sizeof(path), "/tmp/lens-tangle-%d", getpid());
	if (mkfifo(path, 0600))
		work_die(path);
	in = open(path, O_RDONLY | O_NONBLOCK);
	place_pair(e, in, open(path, O_WRONLY));
	fcntl(e->mine, F_SETFL, 0);
	unlink(path);
}

static void make_lock(struct edge *e)
{
	char *path = lock_names[lock_count++];
	int fd;

	snprintf(path, sizeof(lock_names[0]), "/tmp/lens-tangle-XXXXXX");
	fd = mkstemp(path);
	place_pair(e, open(path, O_RDWR), fd);
	unlink(path);
}

static void make_edge(struct edge *e)
{
	int pair[2];

	e->writes = e->kind == PIPE_FULL || e->kind == STREAM_FULL || e->kind == MQ_FULL;
	switch (e->kind) {
	case PIPE_EMPTY:
	case PIPE_FULL:
		make_pipe(pair);
		place_pair(e, pair[e->writes], pair[!e->writes]);
		break;
	case STREAM_EMPTY:
	case STREAM_FULL:
	case PACKETS_EMPTY:
	case DGRAM_EMPTY:
		make_socket_pair(pair, e->kind == PACKETS_EMPTY ? SOCK_SEQPACKET
				       : e->kind == DGRAM_EMPTY ? SOCK_DGRAM
								: SOCK_STREAM);
		place_pair(e, pair[0], pair[1]);
		break;
	case FIFO_EMPTY:
		make_fifo(e);
		break;
	case MQ_EMPTY:
	case MQ_FULL:
		make_mq(e, e->writes);
		break;
	case EVENTFD_ZERO:
		pair[0] = eventfd(0, 0);
		place_pair(e, pair[0], dup(pair[0]));
		break;
	default:
		make_lock(e);
	}
	if (e->kind == PIPE_FULL || e->kind == STREAM_FULL)
		fill(e->mine);
}

/* -------------------------------------------------------------------- waiting */

static bool is_mine(const struct node *n, int fd)
{
	for (unsigned i = 0; i < n->edge_count; i++)
		if (n->edge[i].mine == fd)
			return true;
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			const struct node *holder = &node[node[i].edge[k].to];

			if (node[i].edge[k].its == fd && (holder == n || &node[holder->heir] == n))
				return true;
		}
	return false;
}

static void take_record(int fd, int command)
{
	struct flock f = { .l_type = F_WRLCK };

	fcntl(fd, command, &f);
}

/* what others wait for to be given back */
static void take_locks(const struct node *n)
{
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			const struct edge *e = &node[i].edge[k];

			if (&node[e->to] != n)
				continue;
			if (e->kind == FLOCK)
				flock(e->its, LOCK_EX);
			else if (e->kind == RECORD)
				take_record(e->its, F_SETLK);
		}
}

static void wait_any(const struct node *n)
{
	struct pollfd f[EDGES];
	fd_set in, out;
	int set = epoll_create1(0);

	FD_ZERO(&in);
	FD_ZERO(&out);
	for (unsigned i = 0; i < n->edge_count; i++) {
		const struct edge *e = &n->edge[i];
		struct epoll_event ev = { .events = e->writes ? EPOLLOUT : EPOLLIN };

		f[i] = (struct pollfd){ e->mine, e->writes ? POLLOUT : POLLIN, 0 };
		FD_SET(e->mine, e->writes ? &out : &in);
		epoll_ctl(set, EPOLL_CTL_ADD, e->mine, &ev);
	}
	if (n->timed) {
		poll(f, n->edge_count, 3600 * 1000);
	} else if (n->how == 0) {
		poll(f, n->edge_count, -1);
	} else if (n->how == 1) {
		select(FD_SETSIZE, &in, &out, NULL, NULL);
	} else if (n->how == 2) {
		struct epoll_event ev;

		epoll_wait(set, &ev, 1, -1);
	} else {
		ppoll(f, n->edge_count, NULL, NULL);
	}
}

static void wait_one(const struct edge *e)
{
	char text[16] = { 0 };

	if (e->kind == FLOCK)
		flock(e->mine, LOCK_EX);
	else if (e->kind == RECORD)
		take_record(e->mine, F_SETLKW);
	else if (e->kind == MQ_FULL)
		mq_send(e->mine, text, 1, 0);
	else if (e->kind == MQ_EMPTY)
		mq_receive(e->mine, text, sizeof(text), NULL);
	else if (e->writes)
		work_expect(write(e->mine, text, 1), 1, "write");
	else if (read(e->mine, text, 8) < 0)
		work_die("read");
}

static void be(void *arg)
{
	const struct node *n = arg;

	for (int fd = FD_FIRST; fd < next_fd; fd++)
		if (!is_mine(n, fd))
			close(fd);
	take_locks(n);
	work_tick(0);
	work_wait_ticks(0, node_count);
	if (n->edge_count == 1 && !n->timed)
		wait_one(&n->edge[0]);
	else if (n->edge_count)
		wait_any(n);
	else if (n->end == END_TIMER)
		for (;;)
			sleep(3600);
	else
		for (;;)
			pause();
}

static void graph(void)
{
	char fact[32];

	seed = work_arg(0, 1) * 2654435761u + 1;
	draw_graph();
	find_truth();
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++)
			make_edge(&node[i].edge[k]);
	for (unsigned i = 0; i < node_count; i++) {
		node[i].pid = work_spawn(be, &node[i]);
		role(node[i].name, node[i].pid);
		snprintf(fact, sizeof(fact), "hope %u", i);
		work_fact(fact, node[i].edge_count ? (long)hope[i] : -1);
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			snprintf(fact, sizeof(fact), "edge %u %u", i, k);
			work_fact(fact, node[i].edge[k].to * 100 + node[i].edge[k].kind);
		}
	}
	for (int fd = FD_FIRST; fd < next_fd; fd++)
		close(fd);
	for (unsigned i = 0; i < node_count; i++) {
		if (node[i].edge_count || node[i].end != END_TIMER)
			asleep_for_good(node[i].name);
		if (!node[i].edge_count && node[i].end == END_STOPPED)
			stop(node[i].name);
	}
}

static const struct work_mode modes[] = { { "graph", graph } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
