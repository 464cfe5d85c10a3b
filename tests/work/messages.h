/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Message queues and eventfds, which have calls or a meaning of their own: `how`
 * chooses among their ways, failures included.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stddef.h>
#include <sys/types.h>

enum { MQ_BYTES = 1000, SYSV_BYTES = 3000 };

struct end;

ssize_t put_sysv(const struct end *e, size_t len, unsigned how);
ssize_t get_sysv(const struct end *e, size_t len, unsigned how);
ssize_t put_mq(const struct end *e, size_t len, unsigned how);
ssize_t get_mq(const struct end *e, size_t len, unsigned how);
ssize_t put_eventfd(const struct end *e, size_t len, unsigned how);
ssize_t get_eventfd(const struct end *e, size_t len, unsigned how);

/* what tells a message of that kind from others, if it is put by such a way */
long message_tag(const struct end *e, unsigned how);

#endif
