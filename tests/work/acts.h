/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The operations of a random program: which ones are possible now, and how each is
 * made of what processes do.
 */
#ifndef ACTS_H
#define ACTS_H

#include <stdbool.h>

struct op;

/* any that is possible; false: none was found */
bool act_draw(struct op *ret);
void act_run(const struct op *o);
/* on standard error, what number n is */
void act_tell(unsigned n, const struct op *o);

#endif
