/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory that all processes of a workload share, also those that have executed another
 * program since: each piece is a file whose descriptor has a number of its own.
 */
#ifndef HEIRLOOM_H
#define HEIRLOOM_H

#include <stddef.h>

enum heirloom { HEIRLOOM_PLAY, HEIRLOOM_STAGE, HEIRLOOM_PARCELS, HEIRLOOM_ESTATE };

void *heirloom_create(enum heirloom which, size_t bytes);
/* after an exec */
void *heirloom_find(enum heirloom which, size_t bytes);

#endif
