/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#include "knot_pipes.h"
#include "knot.h"

int p[2], q[2];

void make_pipes(void)
{
	make_pipe(p);
	make_pipe(q);
}

void read_q(void *unused)
{
	close_others(p[1], q[0]);
	get(q[0]);
}

void let_go(void)
{
	close_others(-1, -1);
}
