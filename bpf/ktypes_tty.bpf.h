/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Terminals: the part of ktypes.h that only few programs need.
 */
#ifndef LENS_KTYPES_TTY_BPF_H
#define LENS_KTYPES_TTY_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tty_driver {
	int major;
};

struct tty_ldisc_ops {
	int num;
};

struct tty_ldisc {
	struct tty_ldisc_ops *ops;
};

struct ktermios {
	__u32 c_iflag;
	__u32 c_oflag;
	__u32 c_lflag;
	__u8 c_cc[19];
};

/* one piece of what has come in and was not looked at by the line discipline */
struct tty_buffer {
	struct tty_buffer *next;
	int commit;
	int read;
};

struct tty_bufhead {
	struct tty_buffer *head;
};

struct tty_port {
	struct tty_bufhead buf;
};

/* what the line discipline has taken in */
struct n_tty_data {
	unsigned long read_head;
	unsigned long read_tail;
};

struct tty_struct {
	int index;
	struct tty_driver *driver;
	struct tty_ldisc *ldisc;
	struct tty_port *port;
	struct ktermios termios;
	struct {
		bool stopped;
	} flow;
	struct {
		bool packet;
		struct pid *pgrp;	/* in the foreground */
	} ctrl;
	struct tty_struct *link;
	void *disc_data;
	void *driver_data;
};

/* of one mounted devpts; driver_data of its masters */
struct pts_fs_info {
	struct super_block *sb;
};

struct signal_struct___tty {
	struct tty_struct *tty;		/* that controls the process */
};

struct tty_file_private {
	struct tty_struct *tty;
};

#pragma clang attribute pop

#endif
