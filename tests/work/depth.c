/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind depth.h.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "depth.h"
#include "work.h"

void depth_of_pipe(int fd, struct depth *ret)
{
	int size = fcntl(fd, F_GETPIPE_SZ), bytes;

	if (size < 0 || ioctl(fd, FIONREAD, &bytes))
		work_die("look at a pipe");
	*ret = (struct depth){ .bytes = bytes, .capacity = size };
}

void depth_of_sysv(int msqid, struct depth *ret)
{
	struct msqid_ds ds;

	if (msgctl(msqid, IPC_STAT, &ds))
		work_die("msgctl");
	*ret = (struct depth){ .bytes = (int64_t)ds.__msg_cbytes, .messages = (int64_t)ds.msg_qnum,
			       .capacity = (int64_t)ds.msg_qbytes };
}

void depth_of_mq(int mqd, struct depth *ret)
{
	struct mq_attr attr;
	char text[128] = "";

	/* the only place that tells how many bytes there are */
	if (mq_getattr(mqd, &attr) || pread(mqd, text, sizeof(text) - 1, 0) <= 0)
		work_die("look at a queue");
	*ret = (struct depth){ .bytes = strtol(text + strlen("QSIZE:"), NULL, 10),
			       .messages = attr.mq_curmsgs,
			       .capacity = attr.mq_maxmsg * attr.mq_msgsize };
}

/* a field of what the kernel tells of a descriptor */
static uint64_t fd_info(int fd, const char *field, int base)
{
	char path[48], text[512];
	int file;
	ssize_t n;
	char *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	n = read(file, text, sizeof(text) - 1);
	close(file);
	if (n <= 0)
		work_die(path);
	text[n] = '\0';
	at = strstr(text, field);
	if (!at)
		work_die(field);
	return strtoull(at + strlen(field), NULL, base);
}

int64_t bytes_of_socket(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	socklen_t len = sizeof(int);
	int bytes, protocol = 0;

	getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	if (ioctl(fd, FIONREAD, &bytes))
		work_die("look at a socket");
	/* that one counts the end of the stream as a byte, too */
	if (protocol == IPPROTO_MPTCP && bytes && poll(&p, 1, 0) > 0)
		bytes--;
	return bytes;
}

uint64_t number_of_eventfd(int fd)
{
	return fd_info(fd, "eventfd-id:", 10);
}

void depth_of_eventfd(int fd, uint64_t number, struct depth *ret)
{
	if (number_of_eventfd(fd) != number)
		work_die("look at an eventfd");
	*ret = (struct depth){ .capacity = -1 };
	ret->bytes = (int64_t)fd_info(fd, "eventfd-count:", 16);
}
