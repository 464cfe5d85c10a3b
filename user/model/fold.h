/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rows of what is summed up: one for all channels of a kind between two names, and one for
 * what a process did where there was no room to tell channels apart.
 */
#ifndef LENS_MODEL_FOLD_H
#define LENS_MODEL_FOLD_H

#include "model/state.h"

/* all of it is compared, so that its padding must be zero */
struct fold_key {
	struct lens_proc proc;		/* of_proc: whose */
	uint32_t kind;
	bool of_proc;			/* unplaced: what one process did, not those of a name */
	bool in_tree, is_self, unplaced, unknown;
	uint8_t names[LENS_DIR_MAX];
	char comm[LENS_DIR_MAX][LENS_COMM_LEN];
};

/* finds or makes it; beyond a number of rows one of its kind for all others, as *k says then */
struct fold *fold_get(struct world *w, struct fold_key *k);
void fold_add_total(struct lens_total *to, const struct lens_total *t);

#endif
