/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Epoll sets whose members have told of one event (EPOLLONESHOT) and can tell of nothing more until
 * somebody arms them again: that is shown by data that comes, and wakes nobody.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int set;

static void add(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		work_die("epoll_ctl");
}

/* a set with an end of p that has fired, and has more to tell */
static void make_set(void)
{
	struct epoll_event e;

	set = epoll_create1(0);
	if (set < 0)
		work_die("epoll_create1");
	add(p[0], EPOLLIN | EPOLLONESHOT);
	put(p[1]);
	errno = EPROTO;
	if (epoll_wait(set, &e, 1, 0) != 1 || epoll_wait(set, &e, 1, 0) != 0)
		work_die("a member that tells once");
	put(p[1]);
}

/* who is asleep with this in its set is woken by none of it */
static void wait_for_set(void *unused)
{
	struct epoll_event e;

	close_others(set, p[0]);
	epoll_wait(set, &e, 1, -1);
}

static void keep_set(void *unused)
{
	close_others(set, p[0]);
	pause();
}

static void alone(void)
{
	make_pipes();
	make_set();
	role("waiter", work_spawn(wait_for_set, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
}

static void held(void)
{
	make_pipes();
	make_set();
	role("waiter", work_spawn(wait_for_set, NULL));
	role("holder", work_spawn(keep_set, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("holder", -1);
}

static void together(void)
{
	make_pipes();
	make_set();
	role("waiter", work_spawn(wait_for_set, NULL));
	role("second", work_spawn(wait_for_set, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("second", SYS_epoll_wait);
}

static void read_q_with_set(void *unused)
{
	close_others(set, q[0]);
	get(q[0]);
}

static void wait_with_q(void *unused)
{
	struct epoll_event e;

	close(q[0]);
	close(p[1]);
	epoll_wait(set, &e, 1, -1);
}

/* the only other one that has the set waits for who waits for it */
static void crossed(void)
{
	make_pipes();
	make_set();
	role("waiter", work_spawn(wait_with_q, NULL));
	role("reader", work_spawn(read_q_with_set, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("reader", SYS_read);
}

/* ... by a member that is armed: a deadlock, whatever else is in the set */
static int r[2];

static void read_q_for_r(void *unused)
{
	close_others(q[0], r[1]);
	get(q[0]);
}

static void wait_with_r(void *unused)
{
	struct epoll_event e;

	close(q[0]);
	close(r[1]);
	close(p[1]);
	epoll_wait(set, &e, 1, -1);
}

static void among(void)
{
	make_pipes();
	make_pipe(r);
	make_set();
	add(r[0], EPOLLIN | EPOLLONESHOT);
	role("waiter", work_spawn(wait_with_r, NULL));
	role("reader", work_spawn(read_q_for_r, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("reader", SYS_read);
}

static const struct work_mode modes[] = {
	{ "disarmedalone", alone },	  { "disarmedheld", held },
	{ "disarmedtogether", together }, { "disarmedcrossed", crossed },
	{ "disarmedamong", among },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
