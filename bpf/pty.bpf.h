/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pseudo-terminals, shared by every variant of their hooks.
 */
#ifndef LENS_PTY_BPF_H
#define LENS_PTY_BPF_H

#include "totals.bpf.h"

/* does a read that returned bytes begin with one that says which packet it is? TIOCPKT */
static __always_inline bool pty_is_packet(struct file *file, __u32 dir, __s64 ret)
{
	return dir == LENS_READ && ret > 0 && BPF_CORE_READ(file_tty(file), ctrl.packet);
}

/* open(2) and its kin returned fd: a master is a new pty; global, walked once */
int pty_opened(__s64 fd);

#endif
