/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind messages.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <mqueue.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <time.h>
#include <unistd.h>

#include "counted.h"
#include "ends.h"
#include "messages.h"
#include "parcels.h"
#include "work.h"

enum { TYPES = 3 };

static struct {
	long type;
	char text[SYSV_BYTES];
} m;

/* --------------------------------------------------------------------- SysV */

static bool plain(unsigned how)
{
	return how & (HOW_WAIT | HOW_PLAIN);
}

/* these queues have no descriptor that would say it */
static int nowait(unsigned how)
{
	return how & HOW_WAIT ? 0 : IPC_NOWAIT;
}

long message_tag(const struct end *e, unsigned how)
{
	return !e->mech->put ? 0 : e->mech->no_fd ? 1 + how % TYPES : how % TYPES;
}

ssize_t put_sysv(const struct end *e, size_t len, unsigned how)
{
	long type = m.type = message_tag(e, how);
	int ret;

	work_backlog(e->out, type, 1, len);
	ret = msgsnd(e->fd, &m, len, nowait(how));
	if (ret)
		work_backlog(e->out, type, -1, len);
	return counted_put(e, ret ? -1 : (ssize_t)len, type);
}

/* an operation, but nothing was moved */
static void copy_sysv(const struct end *e)
{
	if (msgrcv(e->fd, &m, SYSV_BYTES, 0, MSG_COPY | IPC_NOWAIT) >= 0)
		work_did(e->in, WORK_READ, 0);
	else if (errno == ENOSYS)
		work_any_operations(e->in, WORK_READ);
	else
		work_did(e->in, WORK_READ, -1);
}

ssize_t get_sysv(const struct end *e, size_t len, unsigned how)
{
	static const long want[] = { 0, 1, 2, 3, -2, -3, 1, 0 };
	unsigned way = plain(how) ? 0 : how / TYPES % ARRAY_SIZE(want);
	int flags = nowait(how) | (stage->in_order && how & 64 ? MSG_NOERROR : 0) |
		    (way == 6 ? MSG_EXCEPT : 0);
	size_t before = len < SYSV_BYTES ? len : SYSV_BYTES;
	ssize_t ret;

	if (plain(how) || !stage->in_order)
		before = SYSV_BYTES;
	if (way == 7 && how & 128) {
		copy_sysv(e);
		return -1;
	}
	ret = msgrcv(e->fd, &m, before, want[way], flags);
	if (ret >= 0)
		work_backlog(e->in, m.type, -1, (size_t)ret);
	return counted_get(e, ret, m.type);
}

/* -------------------------------------------------------------------- POSIX */

/* long over: who would have to wait fails */
static const struct timespec over = { .tv_sec = 1 };

ssize_t put_mq(const struct end *e, size_t len, unsigned how)
{
	unsigned prio = (unsigned)message_tag(e, how);
	int ret;

	work_backlog(e->out, prio, 1, len);
	if (how & 8 && !plain(how))
		ret = mq_timedsend(e->fd, m.text, len, prio, &over);
	else
		ret = mq_send(e->fd, m.text, len, prio);
	if (ret)
		work_backlog(e->out, prio, -1, len);
	return counted_put(e, ret ? -1 : (ssize_t)len, prio);
}

ssize_t get_mq(const struct end *e, size_t len, unsigned how)
{
	unsigned prio = 0;
	/* too small a buffer is an error, whatever is there */
	size_t room = how % 16 == 3 && !plain(how) ? MQ_BYTES - 1 : MQ_BYTES;
	ssize_t ret;

	if (how & 8 && !plain(how))
		ret = mq_timedreceive(e->fd, m.text, room, &prio, &over);
	else
		ret = mq_receive(e->fd, m.text, room, &prio);
	if (ret >= 0)
		work_backlog(e->in, prio, -1, (size_t)ret);
	return counted_get(e, ret, prio);
}

/* ----------------------------------------------------------------- eventfds */

ssize_t put_eventfd(const struct end *e, size_t len, unsigned how)
{
	uint64_t value = len;
	bool small = how % 16 == 5 && !plain(how);
	ssize_t ret = write(e->fd, &value, small ? 4 : sizeof(value));

	return counted_put(e, ret < 0 ? -1 : (ssize_t)value, 0);
}

ssize_t get_eventfd(const struct end *e, size_t len, unsigned how)
{
	uint64_t value = 0;
	bool small = how % 16 == 5 && !plain(how);
	ssize_t ret = read(e->fd, &value, small ? 4 : sizeof(value));

	return counted_get(e, ret < 0 ? -1 : (ssize_t)value, 0);
}
