/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A connection of two sockets, of whatever family, and what is done over it.
 * What a socket receives is a channel in the truth; its writers are whoever
 * sends at the other end. Every call through here is counted.
 */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "work.h"

/* an end: what it receives is channel in, what it sends out */
struct line {
	int fd, in, out;
	bool messages;
};

#define LINE_MAX (1 << 20)
extern char line_bytes[LINE_MAX];

/* two sockets that are connected, of AF_UNIX or AF_INET and whatever type */
void line_open(int family, int type, struct line ret_ends[2]);
/* the ends of the connection between two sockets */
void line_join(const int fd[2], bool messages, struct line ret_ends[2]);
ssize_t line_did(const struct line *l, enum work_dir dir, ssize_t ret);
void line_put(const struct line *l, size_t len);
void line_get(const struct line *l, size_t len);

/* whole workloads from work_ready() on, over a stream that is connected */

/* a request, an answer by another process, and something left in each direction */
void line_talk(const struct line ends[2]);
/* every call that moves bytes through a descriptor or a socket */
void line_calls(const struct line ends[2]);
/* shutdown of one direction; its reader sees the end, its writer an error */
void line_shutdown(const struct line ends[2]);
/* closed at end `first` with something inside, which is lost, and then at the other one */
void line_closed(const struct line ends[2], int first);
/* from a pipe and a file of so many bytes, and into a pipe; the last get_len are received */
void line_splice(const struct line ends[2], size_t file_len, size_t get_len);

#endif
