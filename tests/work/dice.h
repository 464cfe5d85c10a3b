/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Random numbers that follow from a seed alone.
 */
#ifndef DICE_H
#define DICE_H

#include <stddef.h>
#include <stdint.h>

void dice_seed(uint64_t seed);
unsigned draw(unsigned below);
/* mostly small, sometimes large, sometimes nothing */
size_t draw_len(size_t most);

#endif
