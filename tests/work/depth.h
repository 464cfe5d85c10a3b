/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel itself says is in a channel, for truth.c to check against.
 */
#ifndef DEPTH_H
#define DEPTH_H

#include <stdint.h>

struct depth { int64_t bytes, messages, capacity; };

void depth_of_pipe(int fd, struct depth *ret);
void depth_of_sysv(int msqid, struct depth *ret);
void depth_of_mq(int mqd, struct depth *ret);
/* must still be the one of that number */
void depth_of_eventfd(int fd, uint64_t number, struct depth *ret);
uint64_t number_of_eventfd(int fd);
/* what a call could read */
int64_t bytes_of_socket(int fd);

#endif
