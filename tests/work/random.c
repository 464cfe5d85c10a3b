/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Random programs of operations over channels of every kind, by processes that
 * come and go, and execute this program anew. What a program does follows from its seed:
 * each operation is drawn from the seed, its number, and what the ones before it made of
 * the processes and their descriptors, so that operations can be left out to find which
 * ones matter.
 *
 * One operation follows the other, so that who gets what is known, except where
 * several are meant to overlap: in every fourth program, all processes move at once now
 * and then, and who got what is not told. Nobody waits but for what another process is
 * then made to do.
 *
 *	random run PROGRAMS LEFT RINGS	PROGRAMS: one argument of SEED, FIRST-LAST, or
 *					SEED:N,N-N,..., only these operations; the last
 *					LEFT programs keep all they have; RINGS: what
 *					goes through io_uring as well, see ends.h
 *	random tell PROGRAMS		says on standard error what they do, too
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include "acts.h"
#include "dice.h"
#include "ends.h"
#include "estate.h"
#include "parcels.h"
#include "players.h"
#include "ring.h"
#include "work.h"

enum { OPS = 60, LEFT = 16 };

struct program {
	uint64_t seed;
	bool keep[OPS];
};

static struct program *programs;
static unsigned program_count;
static bool tells;
static unsigned rings;
static pid_t director;
/* where it is now, for what fails */
static const struct program *now;
static unsigned now_op;
static pid_t left_group[LEFT];
static int left_queue[LEFT * PAIRS];
static unsigned left_groups, left_queues;

/* one that has this end: of a channel that is still there */
static bool find_holder(int chan, struct op *ret)
{
	for (unsigned i = 0; i < PROCS; i++)
		for (int k = 0; k < SLOTS; k++) {
			const struct slot *s = slot_of(i, k);

			if (!stage->pid[i] || !s->used || !slot_alive(s) || (slot_in(s) != chan &&
			    (stage->pair[s->pair].mech->shape == TWO_ENDS || slot_out(s) != chan)))
				continue;
			*ret = (struct op){ .proc = i, .slot = k };
			return true;
		}
	return false;
}

static void leave_all(void)
{
	left_group[left_groups++] = players_group();
	for (unsigned i = 0; i < stage->pair_count; i++) {
		struct pair *p = &stage->pair[i];

		if (p->named && p->mech->no_fd) {
			work_settled(p->chan[0]);
			left_queue[left_queues++] = p->id;
			continue;
		}
		for (int k = 0; k < 2 && p->chan[k] >= 0; k++)
			if (find_holder(p->chan[k], play_op))
				perform(do_settle);
		if (p->named)
			p->mech->remove(p);
	}
	for (unsigned i = 0; i < PROCS; i++) {
		if (!stage->pid[i])
			continue;
		play_op->proc = i;
		perform(do_stay);
	}
}

static void end_all(void)
{
	for (unsigned i = 0; i < stage->pair_count; i++) {
		struct pair *p = &stage->pair[i];

		if (p->mech->no_fd && p->named)
			p->mech->remove(p);
		p->named &= !p->mech->no_fd;
	}
	for (unsigned i = 0; i < PROCS; i++) {
		*play_op = (struct op){ .proc = i };
		if (stage->pid[i])
			perform_quit();
	}
	players_ended();
}

static void remove_left(void)
{
	if (getpid() != director)
		return;
	if (now)
		fprintf(stderr, "workload: operation %u of seed %lu\n", now_op,
			(unsigned long)now->seed);
	for (unsigned i = 0; i < left_queues; i++)
		msgctl(left_queue[i], IPC_RMID, NULL);
	for (unsigned i = 0; i < left_groups; i++)
		kill(-left_group[i], SIGKILL);
}

static void run_ops(const struct program *p)
{
	now = p;
	for (unsigned n = 0; n < OPS; n++) {
		now_op = n;
		if (!p->keep[n])
			continue;
		dice_seed(p->seed << 16 | n);
		if (!act_draw(play_op))
			continue;
		if (tells)
			act_tell(n, play_op);
		act_run(play_op);
	}
	now_op = OPS;
}

static void run_program(const struct program *p, unsigned number, bool stays)
{
	char name[32];

	memset(stage, 0, sizeof(*stage));
	parcels_forget();
	stage->in_order = p->seed % 4;
	stage->rings = rings;
	stage->proc_count = 1;
	estate_open(p->seed);
	players_first();
	run_ops(p);
	if (stays)
		leave_all();
	else
		end_all();
	for (unsigned i = 0; i < stage->pair_count; i++)
		if (*stage->pair[i].name && !stage->pair[i].mech->messages)
			work_path(stage->pair[i].chan[0], stage->pair[i].name);
	snprintf(name, sizeof(name), "%lu#%u", (unsigned long)p->seed, number);
	work_chapter(name);
	estate_close(name);
	now = NULL;
}

/* ----------------------------------------------------------------- arguments */

/* N,N-N,... */
static char *parse_ops(char *at, struct program *p)
{
	memset(p->keep, 0, sizeof(p->keep));
	for (;;) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (; first <= last && first < OPS; first++)
			p->keep[first] = true;
		if (*at++ != ',')
			return at - 1;
	}
}

static void parse(char *at)
{
	while (*at) {
		struct program p = { .seed = strtoull(at, &at, 10) };
		uint64_t last = *at == '-' ? strtoull(at + 1, &at, 10) : p.seed;

		memset(p.keep, true, sizeof(p.keep));
		if (*at == ':')
			at = parse_ops(at + 1, &p);
		for (; p.seed <= last; p.seed++) {
			programs = realloc(programs, (program_count + 1) * sizeof(p));
			if (!programs)
				work_die("programs");
			programs[program_count++] = p;
		}
		errno = EINVAL;
		if (*at && *at++ != ' ')
			work_die(at - 1);
	}
}

static void run(void)
{
	unsigned left = (unsigned)work_arg(1, 0);

	errno = EINVAL;
	if (left > LEFT)
		work_die("programs that stay");
	parse(strdup(work_text(0)));
	rings = (unsigned)work_arg(2, RINGS_PIPES | RINGS_SOCKETS);
	/* a kernel may have none */
	if (ring_open(0))
		ring_close();
	else
		rings = 0;
	director = getpid();
	players_create();
	parcels_create();
	estate_create();
	atexit(remove_left);
	work_ready();
	for (unsigned i = 0; i < program_count; i++)
		run_program(&programs[i], i, i + left >= program_count);
}

static void tell(void)
{
	tells = true;
	run();
}

/* after an exec */
static void play_on(void)
{
	parcels_find();
	players_find((unsigned)work_arg(0, 0));
}

/* one program more in between */
static void detour(void)
{
	work_exec("@player", (const char *const[]){ work_text(0), NULL });
}

static const struct work_mode modes[] = {
	{ "run", run }, { "tell", tell }, { "@player", play_on }, { "@detour", detour },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
