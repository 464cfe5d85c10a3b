/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What several iterators tell.
 */
#ifndef LENS_SNAPSHOT_BPF_H
#define LENS_SNAPSHOT_BPF_H

#include "core.bpf.h"

/* of processes no arguments are read, which takes longer than all the rest */
extern bool lens_without_arguments;

/* hands over the process that a task leads, if it does; may sleep */
__hidden int snap_process(struct task_struct *t, struct seq_file *seq);

#endif
