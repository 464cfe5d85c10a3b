/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A random wait-for graph of real processes. Node i waits for nodes by edges;
 * the kind of each edge is drawn, too. A node with several edges polls for any
 * of them; one without edges sleeps, runs on a timer, or is stopped. The truth
 * (also of chains of fifty, which may bite their own tail) follows from the graph
 * alone and is printed as facts: "hope i" is 0 for never, 1 when what is stopped
 * goes on, 2 from outside, 3 soon, -1 for who waits for nobody.
 *
 *	tangle graph SEED
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "knot.h"
#include "ring.h"
#include "strand.h"
#include "work.h"

enum { NODES = 8, CHAIN = 50, EDGES = 3 };

enum end { END_PAUSE, END_TIMER, END_STOPPED, END_DEAD, END_MAX };

/* how a node waits for any of several */
enum way { BY_POLL, BY_SELECT, BY_EPOLL, BY_PPOLL, BY_RING, WAYS };

struct edge {
	unsigned to;
	struct strand by;
};

struct node {
	struct edge edge[EDGES];
	unsigned edge_count;
	enum end end;  /* without edges: what it does */
	bool timed;    /* polls with a time limit */
	unsigned heir; /* has inherited all that this node holds; itself: nobody has */
	enum way how;
	pid_t pid;
	char name[8];
};

static struct node node[CHAIN];
static unsigned node_count;
static uint64_t seed;

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
	n->how = draw(WAYS);
	n->heir = self;
	for (unsigned i = 0; i < EDGES; i++)
		n->edge[i].by.robust = draw(2);
	for (unsigned i = 0; i < n->edge_count; i++) {
		do
			n->edge[i].to = draw(node_count);
		while (n->edge[i].to == self);
		n->edge[i].by.kind = draw(n->edge_count > 1 || n->timed ? KIND_POLLABLE : KIND_MAX);
	}
	snprintf(n->name, sizeof(n->name), "n%u", self);
}

/* each waits for the next, the last for nobody, or for one before */
static void draw_chain(void)
{
	node_count = CHAIN;
	for (unsigned i = 0; i < node_count; i++) {
		draw_node(&node[i], i);
		node[i].edge_count = i + 1 < node_count || draw(2);
		node[i].timed = false;
		node[i].edge[0].to = i + 1 < node_count ? i + 1 : draw(i);
		node[i].edge[0].by.kind = draw(KIND_MAX);
	}
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
	for (unsigned i = 0; draw(4) == 0 && i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++)
			node[i].edge[k].by.carried = node[i].edge[k].by.kind < FLOCK && draw(2);
}

static bool waits_for_record(const struct node *n)
{
	return n->edge_count == 1 && n->edge[0].by.kind == RECORD;
}

/* rings of nothing but record locks are refused by the kernel: EDEADLK */
static void part_rings_of_records(void)
{
	for (unsigned i = 0; i < node_count; i++) {
		unsigned at = i;

		for (unsigned n = 0; n < node_count && waits_for_record(&node[at]); n++) {
			at = node[at].edge[0].to;
			if (at == i)
				node[i].edge[0].by.kind = FLOCK;
		}
	}
}

/* --------------------------------------------------------------------- truth */

enum hope { NEVER, STOPPED, OUTSIDE, RUNS };

static enum hope hope[CHAIN];

/* the best of a node and whoever inherited from it */
static enum hope hope_of(const struct edge *e)
{
	enum hope a = hope[e->to], b = hope[node[e->to].heir];

	if (e->by.kind == SYSV_EMPTY)
		return OUTSIDE;
	/* what a process owns is not inherited */
	return e->by.kind >= RECORD || a > b ? a : b;
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

/* -------------------------------------------------------------------- waiting */

static bool is_mine(const struct node *n, int fd)
{
	for (unsigned i = 0; i < n->edge_count; i++)
		if (n->edge[i].by.mine == fd)
			return true;
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			const struct edge *e = &node[i].edge[k];
			const struct node *holder = &node[e->to];

			if (e->by.its == fd && (holder == n || &node[holder->heir] == n))
				return true;
		}
	return false;
}

static void remove_strands(void)
{
	for (unsigned i = 0; is_main() && i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++)
			strand_remove(&node[i].edge[k].by);
}

/* what others wait for to be given back */
static void take_locks(const struct node *n)
{
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			const struct edge *e = &node[i].edge[k];

			if (&node[e->to] == n)
				strand_take(&e->by);
		}
}

/* it reads and writes what can be read and written so, and polls for the rest */
static void wait_by_ring(const struct node *n)
{
	static char text[16];

	for (unsigned i = 0; i < n->edge_count; i++) {
		const struct edge *e = &n->edge[i];
		struct io_uring_sqe op;

		if (e->by.kind == MQ_EMPTY || e->by.kind == MQ_FULL || draw(2)) {
			op = ring_operation(IORING_OP_POLL_ADD, e->by.mine, NULL, 0);
			op.off = 0;
			op.poll32_events = e->by.writes ? POLLOUT : POLLIN;
		} else {
			op = ring_operation(e->by.writes ? IORING_OP_WRITE : IORING_OP_READ,
					    e->by.mine, text, e->by.writes ? 1 : 8);
		}
		ring_submit(&op);
	}
	ring_sleep(0, NULL, 0);
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
		struct epoll_event ev = { .events = e->by.writes ? EPOLLOUT : EPOLLIN };

		f[i] = (struct pollfd){ e->by.mine, e->by.writes ? POLLOUT : POLLIN, 0 };
		FD_SET(e->by.mine, e->by.writes ? &out : &in);
		epoll_ctl(set, EPOLL_CTL_ADD, e->by.mine, &ev);
	}
	if (n->timed) {
		poll(f, n->edge_count, 3600 * 1000);
	} else if (n->how == BY_POLL) {
		poll(f, n->edge_count, -1);
	} else if (n->how == BY_SELECT) {
		select(FD_SETSIZE, &in, &out, NULL, NULL);
	} else if (n->how == BY_EPOLL) {
		struct epoll_event ev;

		epoll_wait(set, &ev, 1, -1);
	} else {
		ppoll(f, n->edge_count, NULL, NULL);
	}
}

static void be(void *arg)
{
	const struct node *n = arg;

	for (int fd = STRAND_FD; fd < strand_fd_end(); fd++)
		if (!is_mine(n, fd))
			close(fd);
	take_locks(n);
	work_tick(0);
	work_wait_ticks(0, node_count);
	if (n->edge_count && !n->timed && n->how == BY_RING &&
	    n->edge[0].by.kind < KIND_POLLABLE && ring_open(0))
		wait_by_ring(n);
	else if (n->edge_count == 1 && !n->timed)
		strand_wait(&n->edge[0].by);
	else if (n->edge_count)
		wait_any(n);
	else if (n->end == END_TIMER)
		for (;;)
			sleep(3600);
	else
		for (;;)
			pause();
}

/* a process of the graph that is no node */
static void await_child(unsigned i)
{
	static char names[CHAIN][8];
	const struct strand *s = &node[i].edge[0].by;

	if (!node[i].edge_count || s->kind != CHILD)
		return;
	snprintf(names[i], sizeof(names[i]), "c%u", i);
	role(names[i], *s->child);
	asleep_for_good(names[i]);
}

static void graph(void)
{
	bool carried = false;
	char fact[32];

	seed = work_arg(0, 1) * 2654435761u + 1;
	if (draw(16))
		draw_graph();
	else
		draw_chain();
	part_rings_of_records();
	find_truth();
	for (unsigned i = 0; i < node_count; i++)
		for (unsigned k = 0; k < node[i].edge_count; k++)
			strand_make(&node[i].edge[k].by);
	for (unsigned i = 0; i < node_count; i++) {
		node[i].pid = work_spawn(be, &node[i]);
		role(node[i].name, node[i].pid);
		if (!i)
			atexit(remove_strands);
		snprintf(fact, sizeof(fact), "hope %u", i);
		work_fact(fact, node[i].edge_count ? (long)hope[i] : -1);
		for (unsigned k = 0; k < node[i].edge_count; k++) {
			snprintf(fact, sizeof(fact), "edge %u %u", i, k);
			work_fact(fact, node[i].edge[k].to * 100 + node[i].edge[k].by.kind);
			carried |= node[i].edge[k].by.carried;
		}
	}
	work_fact("carried", carried);
	for (int fd = STRAND_FD; fd < strand_fd_end(); fd++)
		close(fd);
	for (unsigned i = 0; i < node_count; i++) {
		if (node[i].edge_count || node[i].end != END_TIMER)
			asleep_for_good(node[i].name);
		await_child(i);
		if (!node[i].edge_count && node[i].end == END_STOPPED)
			stop(node[i].name);
	}
}

static const struct work_mode modes[] = { { "graph", graph } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
