/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every call that moves something, on every kind of channel that takes it: each has a
 * channel of its own, which is a chapter with its name, so that what is wrong names it.
 *
 *	matrix calls RINGS	RINGS: what goes through io_uring as well, see ends.h
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ends.h"
#include "heirloom.h"
#include "moves.h"
#include "parcels.h"
#include "ring.h"
#include "work.h"

enum { TIMES = 3, BYTES = 240, BY_READ = 2, BY_WRITE = 2, BY_RING = 5 << 12 };

/* of move_put() and move_get(), as `how` chooses them; NULL: as another one */
static const char *const puts_by[] = {
	"writev", "pwritev2", "write", NULL, "send", "sendto", "sendmsg", "sendmmsg",
};
static const char *const gets_by[] = {
	"readv", "preadv2", "read", NULL, "recv", "recvfrom", "recvmsg", "recvmmsg", "recv+trunc",
};
/* those of a kind that has its own: failures on purpose and all */
enum { OWN_WAYS = 16, WAYS_ON_SOCKETS = 8, WAYS = 4 };

static unsigned rings;

/* a channel by itself, what it is written to and read from */
struct pair_ends {
	struct slot slot[2];
	struct end in, out;
};

static struct pair_ends make(const struct mech *m)
{
	struct pair_ends p = { 0 };

	pair_make(m, &p.slot[0], &p.slot[1]);
	p.in = end_of(&p.slot[m->shape != ONE_END]);
	p.out = end_of(&p.slot[0]);
	memcpy(stage->slot[0] + 2 * (stage->pair_count - 1), p.slot, sizeof(p.slot));
	return p;
}

static void begin(void)
{
	memset(stage, 0, sizeof(*stage));
	parcels_forget();
	stage->in_order = true;
	stage->rings = rings;
	stage->pid[0] = getpid();
}

static void end(const char *type, const char *call)
{
	char name[64];

	for (unsigned i = 0; i < stage->pair_count; i++) {
		const struct pair *p = &stage->pair[i];

		for (int k = 0; k < 2 && p->chan[k] >= 0; k++)
			work_settled(p->chan[k]);
		if (p->named && !p->mech->no_fd)
			p->mech->remove(&stage->pair[i]);
		if (*p->name && !p->mech->messages)
			work_path(p->chan[0], p->name);
	}
	snprintf(name, sizeof(name), "%s %s", type, call);
	work_chapter(name);
}

/* what a call takes at a time is its business */
static void take_all(const struct pair_ends *p, unsigned how)
{
	while (parcels_count(p->out.in))
		move_get(&p->out, BYTES, how | HOW_PLAIN);
}

static void put_by(const struct mech *m, const char *name, unsigned how)
{
	struct pair_ends p;

	begin();
	p = make(m);
	for (unsigned i = 0; i < TIMES; i++) {
		move_put(&p.in, BYTES, how);
		take_all(&p, BY_READ);
	}
	end(m->name, name);
}

static void get_by(const struct mech *m, const char *name, unsigned how)
{
	struct pair_ends p;

	begin();
	p = make(m);
	for (unsigned i = 0; i < TIMES; i++) {
		for (unsigned k = 0; k < TIMES; k++)
			move_put(&p.in, BYTES, BY_WRITE | HOW_PLAIN);
		move_get(&p.out, BYTES, how);
		take_all(&p, m->put ? how : BY_READ);
	}
	end(m->name, name);
}

/* ---------------------------------------------------- without user memory */

enum way { SPLICE_IN, SPLICE_OUT, SEND_OUT, TEE, FROM_FILE, TO_FILE };

/* mechs[0] is a pipe */
static void move_pages(const struct mech *m, const char *name, enum way way, unsigned how)
{
	struct pair_ends p, pipe;

	begin();
	p = make(m);
	pipe = make(&mechs[0]);
	for (unsigned i = 0; i < TIMES; i++) {
		const struct pair_ends *from = way == SPLICE_IN ? &pipe : &p;

		if (way != FROM_FILE)
			move_put(&from->in, BYTES, BY_WRITE);
		if (way == SPLICE_IN)
			move_splice(&pipe.out, &p.in, BYTES);
		else if (way == SPLICE_OUT)
			move_splice(&p.out, &pipe.in, BYTES);
		else if (way == SEND_OUT)
			move_sendfile(&p.out, &pipe.in, BYTES);
		else if (way == TEE)
			move_tee(&p.out, &pipe.in, BYTES);
		else if (way == FROM_FILE)
			move_from_file(&p.in, BYTES, how);
		else
			move_to_file(&p.out, BYTES, how);
		take_all(&p, BY_READ);
		take_all(&pipe, BY_READ);
	}
	end(m->name, name);
}

static void without_memory(const struct mech *m)
{
	move_pages(m, "splice in", SPLICE_IN, 0);
	move_pages(m, "splice out", SPLICE_OUT, 0);
	move_pages(m, "sendfile", FROM_FILE, 1);
	if (m->socket) {
		move_pages(m, "sendfile out", SEND_OUT, 0);
		return;
	}
	move_pages(m, "tee", TEE, 0);
	move_pages(m, "vmsplice in", FROM_FILE, 0);
	move_pages(m, "splice of a file", FROM_FILE, 2);
	move_pages(m, "vmsplice out", TO_FILE, 0);
	move_pages(m, "splice to a file", TO_FILE, 1);
}

/* --------------------------------------------------------------------- rows */

static void by_ring(const struct mech *m)
{
	if (!(rings & (m->socket ? RINGS_SOCKETS : m->splices ? RINGS_PIPES : 0)))
		return;
	put_by(m, "io_uring write", BY_RING);
	get_by(m, "io_uring read", BY_RING);
	if (!m->socket)
		return;
	put_by(m, "io_uring send", BY_RING | 1);
	get_by(m, "io_uring recv", BY_RING | 1);
}

static void own_ways(const struct mech *m)
{
	char name[32];

	for (unsigned how = 0; how < OWN_WAYS; how++) {
		snprintf(name, sizeof(name), "put %u", how);
		put_by(m, name, how);
		snprintf(name, sizeof(name), "get %u", how);
		get_by(m, name, how);
	}
}

static void all_ways(const struct mech *m)
{
	unsigned ways = m->socket ? WAYS_ON_SOCKETS : WAYS;

	if (m->put) {
		own_ways(m);
		return;
	}
	for (unsigned how = 0; how < ways; how++)
		if (puts_by[how])
			put_by(m, puts_by[how], how);
	for (unsigned how = 0; how < ways + m->socket; how++)
		if (gets_by[how])
			get_by(m, gets_by[how], how);
	by_ring(m);
	if (m->splices)
		without_memory(m);
}

static void run_calls(void)
{
	rings = (unsigned)work_arg(0, RINGS_PIPES | RINGS_SOCKETS);
	if (ring_open(0))
		ring_close();
	else
		rings = 0;
	stage = heirloom_create(HEIRLOOM_STAGE, sizeof(*stage));
	parcels_create();
	work_ready();
	for (unsigned i = 0; i < mech_count; i++)
		all_ways(&mechs[i]);
}

static const struct work_mode modes[] = { { "calls", run_calls } };

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
