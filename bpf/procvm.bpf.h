/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory of one process that another reads or writes by process_vm_readv(2)
 * and process_vm_writev(2), and descriptors that another takes a copy of by
 * pidfd_getfd(2); shared by both variants of the hooks.
 */
#ifndef LENS_PROCVM_BPF_H
#define LENS_PROCVM_BPF_H

#include "totals.bpf.h"

/* a call on the process of that number, in the caller's pid namespace, returned ret */
int procvm_returned(__s32 pid, __u32 dir, __s64 ret);
/* pidfd_getfd(2) on that descriptor returned ret */
int procvm_fetched(__u32 pidfd, __s64 ret);

#endif
