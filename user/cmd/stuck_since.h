/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Since when threads have been in the wait they are in, over several looks.
 */
#ifndef LENS_STUCK_SINCE_H
#define LENS_STUCK_SINCE_H

#include "model/model.h"

struct stuck_since;

struct stuck_since *stuck_since_new(void);
void stuck_since_freep(struct stuck_since **since);
/* adds the time that earlier looks prove to the waits of this one, and keeps these */
void stuck_since_carry(struct stuck_since *since, struct stuck *s);

#endif
