/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a process of a random program does to another one directly.
 */
#ifndef DEEDS_H
#define DEEDS_H

#include "players.h"

part do_signal, do_memory;

#endif
