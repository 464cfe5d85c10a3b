/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockmaps, whose BPF programs move what is sent to the sockets in them.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include <stdint.h>

/* a map for two sockets */
int redirect_map(void);
/*
 * A program for messages of one type (BPF_PROG_TYPE_*) that sends all of them to the first socket
 * of its map, by a helper (BPF_FUNC_*).
 */
void redirect_all(int map, uint32_t type, uint32_t attach, int helper, int flags);
/* what any socket of the map receives is given to the reader of the first */
void redirect_received(int map);
void redirect_put(int map, uint32_t key, int fd);
/* both ends of a connection over TCP, which may go into a map */
void redirect_pair(int ret_fd[2]);

#endif
