/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The counting side of a workload, for work.c only: modes use work.h.
 */
#ifndef TRUTH_H
#define TRUTH_H

void truth_create(void);
void truth_export(void);	/* makes it survive exec */
void truth_import(void);	/* after the exec */
void truth_new_process(void);	/* after a fork, in the child */
void truth_begin(void);		/* forgets all traffic: the observer starts here */
/* checks the counts against the kernel and gives the JSON line; caller frees */
char *truth_text(void);

#endif
