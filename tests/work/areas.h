/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a process of a random program does with shared memory.
 */
#ifndef AREAS_H
#define AREAS_H

#include <stdbool.h>

#include "players.h"

part do_map, do_cover, do_unmap, do_protect, do_move, do_attach, do_detach, do_remove_segment,
	do_shuffle;

/* a word that one of the two sleeps at, and the other wakes it; false: they share none */
bool word_chosen(const struct op *o);
part do_sleep, do_wake;

#endif
