/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Senders to, and clients of, unix sockets that are full, by a path that has led to
 * another socket since. "reader" waits until "sender" goes on.
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int from, named, full; /* sends; has the name; is full */

static void remove_path(void)
{
	if (is_main())
		unlink(address.sun_path);
}

static int bound(int type, const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/lens-knot-room-%d%s", getpid(), suffix);
	if (bind(fd, (void *)&a, sizeof(a)) || (type != SOCK_DGRAM && listen(fd, 0)))
		work_die(a.sun_path);
	return fd;
}

/* two sockets, of which the second one's file has been moved to the path of the first */
static void rename_over(int type)
{
	char other[sizeof(address.sun_path)];

	named = bound(type, "");
	full = bound(type, ".new");
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/lens-knot-room-%d", getpid());
	snprintf(other, sizeof(other), "/tmp/lens-knot-room-%d.new", getpid());
	if (rename(other, address.sun_path))
		work_die("rename");
	atexit(remove_path);
}

static void fill_queue(void)
{
	while (sendto(from, "x", 1, MSG_DONTWAIT, (void *)&address, sizeof(address)) == 1)
		continue;
}

static void send_by_path(void *unused)
{
	close_others(from, q[1]);
	sendto(from, "x", 1, 0, (void *)&address, sizeof(address));
}

static void connect_by_path(void *unused)
{
	close_others(from, q[1]);
	connect(from, (void *)&address, sizeof(address));
}

static void read_q_with_named(void *unused)
{
	close_others(named, q[0]);
	get(q[0]);
}

static void hold_full(void *unused)
{
	close_others(full, -1);
}

static void datagram_renamed(void)
{
	make_pipe(q);
	rename_over(SOCK_DGRAM);
	from = socket(AF_UNIX, SOCK_DGRAM, 0);
	fill_queue();
	role("sender", work_spawn(send_by_path, NULL));
	role("reader", work_spawn(read_q_with_named, NULL));
	role("holder", work_spawn(hold_full, NULL));
	let_go();
	asleep("sender", SYS_sendto);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

static void connect_first(void *unused)
{
	int client = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(client, (void *)&address, sizeof(address)))
		work_die("connect");
	close_others(client, -1);
}

static void client_renamed(void)
{
	pid_t first;

	make_pipe(q);
	rename_over(SOCK_STREAM);
	from = socket(AF_UNIX, SOCK_STREAM, 0);
	first = work_spawn(connect_first, NULL);
	work_wait(first);
	role("sender", work_spawn(connect_by_path, NULL));
	role("reader", work_spawn(read_q_with_named, NULL));
	role("holder", work_spawn(hold_full, NULL));
	let_go();
	asleep("sender", SYS_connect);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* the path that was sent to is gone, and the socket is not */
static void datagram_unlinked(void)
{
	make_pipe(q);
	named = bound(SOCK_DGRAM, "");
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/lens-knot-room-%d", getpid());
	atexit(remove_path);
	from = socket(AF_UNIX, SOCK_DGRAM, 0);
	fill_queue();
	role("sender", work_spawn(send_by_path, NULL));
	role("reader", work_spawn(read_q_with_named, NULL));
	let_go();
	asleep("sender", SYS_sendto);
	asleep("reader", SYS_read);
	remove_path();
}

static const struct work_mode modes[] = {
	{ "dgramrenamed", datagram_renamed },
	{ "clientrenamed", client_renamed },
	{ "dgramunlinked", datagram_unlinked },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
