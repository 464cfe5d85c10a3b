/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What knots of two that wait for each other by pipes share: a waiter has the
 * end of q that "reader" waits for; reader has the end of p that it waits for.
 */
#ifndef KNOT_PIPES_H
#define KNOT_PIPES_H

extern int p[2], q[2];

void make_pipes(void);
/* the reader: with nothing but its end of each */
void read_q(void *unused);
/* what the workload itself still has would be one more who could end it */
void let_go(void);

#endif
