/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The load plan: which variant of its hooks every group gets. Derived from the
 * names of the BPF programs, <group>__<variant>__<hook>; all programs of a
 * (group, variant) load and attach, or none does. <variant>_any is part of all
 * variants whose names begin so. Internal to source/.
 */
#ifndef LENS_SOURCE_PLAN_H
#define LENS_SOURCE_PLAN_H

#include "source/kernel.h"
#include "source/source.h"

struct bpf_object;
struct bpf_program;

/* the programs behind every variant named `sys` have this group and variant */
#define PLAN_SHARED_GROUP "calls"
#define PLAN_SHARED_VARIANT "sys"
/* tracepoints of sockets, which do not see what splice(2) takes out: that counts as in `sys` */
#define PLAN_SOCK_VARIANT "sock"
/* in the name of every variant that hooks functions, where a program can lose its CPU */
#define PLAN_FUNCTION_HOOKS "fexit"
/* a group that completes those variants where it can; none of them needs it */
#define PLAN_EXTRA_GROUP "uring"
/* tells of descriptors taken by pidfd_getfd(2), whatever they stand for */
#define PLAN_FETCH_GROUP "fetch"
/* completes the variant of sockets that hooks functions, where the kernel has MPTCP */
#define PLAN_MULTIPATH_GROUP "multipath"
/* tells messages of queues apart where that matters; attached when it does */
#define PLAN_MESSAGE_GROUP "message"

struct plan {
	struct plan_row *rows;		/* in the order of the choices, one per (group, variant) */
	size_t row_count;
	bool snapshot;			/* no row is ever chosen */
	bool numbers;			/* messages are to be told apart */
	bool strict;			/* the programs that check descriptors are wanted */
	bool stuck;			/* those that tell who waits for what, too */
};

/* what the kernel has and the caller forces; -EINVAL: no such variant (said on stderr) */
int plan_init(struct plan *p, const struct live_options *opt, struct bpf_object *obj,
	      const struct kernel *k);
void plan_fini(struct plan *p);
/*
 * Picks the first row of every group that is not absent, refused or forced off; function
 * hooks of a kernel that preempts itself come after all others.
 */
void plan_choose(struct plan *p);
/*
 * Is this program part of the plan? Besides those of the rows: snap__ always;
 * <group>__iter__ when the group is asked for; core__, task__ and the shared
 * ones unless a snapshot is all.
 */
bool plan_wants(const struct plan *p, const struct bpf_program *prog);
/* a look at who waits for what takes this program */
bool plan_is_stuck(const struct bpf_program *prog);
/* the kernel refused this program: its row is out; -ENOENT if there is no other way */
int plan_refuse(struct plan *p, const struct bpf_program *prog, const char *why);
/* no row is to blame for a refusal: goes on without those that tell who waits; false: none are */
bool plan_drop_stuck(struct plan *p);
/* the chosen variant of a group loaded, but does not work */
void plan_refuse_group(struct plan *p, const char *group, const char *why);
/* is there a variant of this group that was not chosen only because it is a last resort? */
bool plan_avoids(const struct plan *p, const char *group);
/* the group that completes a variant with what it does not see by itself */
const char *plan_completes(const struct plan_row *row);
/* do the hooks of this row miss the calls that are older than they are? */
bool plan_straddles(const struct plan_row *row);
bool plan_fetches_by_calls(const struct plan *p);
/* chosen row of a group, or NULL */
const struct plan_row *plan_chosen(const struct plan *p, const char *group);

#endif
