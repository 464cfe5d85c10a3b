/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who sent and who received messages of each type, or priority. Of one type the
 * oldest leaves first, and only one who asks for that type can get it; so where a
 * type has one sender it does not matter in what order their calls were, and where
 * it has one receiver only for what is left. Internal to model/.
 */
#ifndef LENS_MODEL_TYPES_H
#define LENS_MODEL_TYPES_H

#include "model/flow.h"

struct type_use {
	int64_t type;
	struct proc *first[LENS_DIR_MAX];	/* NULL: nobody */
	bool several[LENS_DIR_MAX];		/* not that one alone */
	uint64_t messages[LENS_DIR_MAX], bytes[LENS_DIR_MAX];
	uint64_t left;				/* sent by the one, and not matched */
};

struct types {
	struct hash *uses;		/* type -> struct type_use; NULL: none */
	struct type_use all;		/* of whatever type */
	bool unknown;			/* some are received by who does not learn the type */
};

void types_take(struct types *t, int64_t type, enum lens_dir dir, struct proc *who, uint64_t bytes);
/* what tells whose a message is: all of its type, or where types are not known, all; or NULL */
struct type_use *types_find(struct types *t, int64_t type);
size_t types_count(const struct types *t);
struct types types_copy(const struct types *t);
void types_fini(struct types *t);

/*
 * Do sums say of all messages whose they were? whole: none was cut; early: so many may have
 * been sent before, of any type.
 */
bool types_are_certain(const struct types *t, bool whole, uint64_t early);
/* tells m of how many messages that is not true all the same, since they are still inside */
void types_doubt(const struct types *t, struct flow_matrix *m);

#endif
