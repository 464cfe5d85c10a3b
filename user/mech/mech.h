/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One class per kind of channel: how it is named and described, in which
 * order its hook variants are preferred, and what each of them cannot see.
 * To forget a class is a link error (see mech.c).
 */
#ifndef LENS_MECH_H
#define LENS_MECH_H

#include "base/base.h"
#include "model/model.h"

struct mech_variant {
	const char *name;		/* second word of the names of its BPF programs */
	const char *limits;		/* what it does not see, for coverage and doctor */
	const char *extra_limits;	/* nor that, without those that complete it; or NULL */
};

struct mech {
	unsigned kind;			/* enum lens_kind */
	const char *type;		/* JSON type */
	const char *group;		/* hook group, first word of BPF program names */
	const char *title;		/* "POSIX message queue" */
	const struct mech_variant *variants;	/* preference order, ends with name NULL */
	/* appends the display name of a channel as hostile bytes (caller escapes) */
	void (*name)(const struct chan *c, struct buf *out);
	/* name of a system call number as this kind shows it in trace: "write", "msgsnd" */
	const char *(*op_name)(enum lens_dir dir);
};

const struct mech *mech_get(unsigned kind);	/* NULL for an unknown kind */

/* "127.0.0.1:80", "[::1]:80" */
void mech_inet_address(const uint8_t address[16], uint16_t port, struct buf *out);

/* stable, unique id of a channel for JSON, plain ASCII: "pipe:0:c:1234" */
void mech_chan_id(const struct chan *c, struct buf *out);

#endif
