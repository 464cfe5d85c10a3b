/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots of processes: roles by name, the channels between them, and waiting
 * until each sleeps where it should.
 */
#ifndef KNOT_H
#define KNOT_H

#include <stdbool.h>
#include <sys/types.h>

/* tells the test, under this name, which process it is */
void role(const char *name, pid_t pid);
/* until that process sleeps in system call nr; -1: in any */
void asleep(const char *name, long nr);
/* ... until one of its threads does */
void asleep_anywhere(const char *name, long nr);
/* ... and all its other threads sleep, too, those that the kernel runs in it among them */
void asleep_wholly(const char *name, long nr);
/* ... the same, in anything but a nap */
void asleep_for_good(const char *name);
/* until it is stopped by a SIGSTOP that this sends */
void stop(const char *name);
void cont(const char *name);
/* until it is stopped as debuggers do it */
void trace(const char *name);

void make_pipe(int p[2]);
void make_socket_pair(int s[2], int type);
void close_pair(const int p[2]);
/* all descriptors from 3 on but these two */
void close_others(int keep, int keep_too);
/* of the process itself, whose other threads go on */
void await_end_of_leader(void);
void await_end_of_thread(pid_t tid);
/* until a write would block */
void fill(int fd);
/* block, or have a byte moved */
void put(int fd);
void get(int fd);
void send_descriptor(int over, int fd);

/* a number from a process that is not a child of the workload's own; one at a time */
void make_channel(void);
void tell(pid_t pid);
pid_t hear_pid(void);
/* sleeps until the workload has ended, without writing anything */
_Noreturn void wait_for_end(void);
/* this is the workload itself, not one of its children */
bool is_main(void);

#endif
