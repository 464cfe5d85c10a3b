/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Are the processes there that the command line names?
 */
#ifndef LENS_STUCK_TARGET_H
#define LENS_STUCK_TARGET_H

#include "cmd/cmd.h"

/*
 * Says of each process id, cgroup and name whether nothing answers to it. 0; -ESRCH if
 * that is so of all ids or all cgroups: then nothing was looked at.
 */
int stuck_target_check(const struct stuck *s, const struct options *o);

#endif
