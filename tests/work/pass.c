/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Descriptors that are passed over unix sockets of every type, by every call
 * that can, with messages between them that carry none.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "duct.h"
#include "handover.h"
#include "line.h"

static struct line one[2];
static int things[4];

/* both ends of a pipe, a file that has a name, and one that has none */
static void make_things(void)
{
	if (pipe(things))
		work_die("pipe");
	things[2] = open("/dev/null", O_RDONLY);
	things[3] = memfd_create("parcel", 0);
	if (things[2] < 0 || things[3] < 0)
		work_die("things");
}

static void make_pair(int type)
{
	int fd[2];

	if (socketpair(AF_UNIX, type, 0, fd))
		work_die("socketpair");
	line_join(fd, type != SOCK_STREAM, one);
	make_things();
}

static void put(const struct line *l, size_t bytes, const int *fds, unsigned count)
{
	struct handover h;

	handover_make(&h, bytes, fds, count);
	work_expect(line_did(l, WORK_WRITE, sendmsg(l->fd, &h.m, 0)), (ssize_t)bytes, "sendmsg");
	handover_note(true, fds, count);
}

static void get(const struct line *l, size_t bytes, unsigned count)
{
	int fds[HANDOVER_MAX];
	struct handover h;

	handover_expect(&h, bytes);
	work_expect(line_did(l, WORK_READ, recvmsg(l->fd, &h.m, 0)), (ssize_t)bytes, "recvmsg");
	work_expect(handover_take(&h, fds), count, "descriptors");
	handover_note(false, fds, count);
}

static void receive(void *at)
{
	const struct line *l = at;

	get(l, 1, 1);
	get(l, 20, 0);
	get(l, 3, 3);
	get(l, 5, 4);
	work_tick(0);
}

/* three messages with descriptors, one without, and two that are refused */
static void exchange(int type)
{
	int wrong[2] = { things[0], 999 };
	struct handover h;
	pid_t kid;

	work_ready();
	kid = work_spawn(receive, &one[1]);
	put(&one[0], 1, things, 1);
	put(&one[0], 20, NULL, 0);
	put(&one[0], 3, things + 1, 3);
	handover_make(&h, 7, wrong, 2);
	work_expect_error(line_did(&one[0], WORK_WRITE, sendmsg(one[0].fd, &h.m, 0)), EBADF,
			  "sendmsg");
	handover_make(&h, 7, things, 2);
	h.v.iov_base = (void *)8;
	work_expect_error(line_did(&one[0], WORK_WRITE, sendmsg(one[0].fd, &h.m, 0)), EFAULT,
			  "sendmsg");
	put(&one[0], 5, things, 4);
	work_wait_ticks(0, 1);
	work_wait(kid);
}

static void run_stream(void)
{
	make_pair(SOCK_STREAM);
	exchange(SOCK_STREAM);
}

static void run_seqpacket(void)
{
	make_pair(SOCK_SEQPACKET);
	exchange(SOCK_SEQPACKET);
}

static void run_dgram(void)
{
	make_pair(SOCK_DGRAM);
	exchange(SOCK_DGRAM);
}

/* several messages by one call, at both ends */
static void run_mmsg(void)
{
	struct mmsghdr mm[3] = { 0 };
	struct handover h[3];
	int fds[HANDOVER_MAX];

	make_pair(SOCK_SEQPACKET);
	work_ready();
	for (unsigned i = 0; i < 3; i++) {
		handover_make(&h[i], 10, things, i);
		mm[i].msg_hdr = h[i].m;
	}
	work_expect(sendmmsg(one[0].fd, mm, 3, 0), 3, "sendmmsg");
	for (unsigned i = 0; i < 3; i++) {
		line_did(&one[0], WORK_WRITE, mm[i].msg_len);
		handover_note(true, things, i);
		handover_expect(&h[i], 10);
		mm[i].msg_hdr = h[i].m;
	}
	work_expect(recvmmsg(one[1].fd, mm, 3, 0, NULL), 3, "recvmmsg");
	for (unsigned i = 0; i < 3; i++) {
		line_did(&one[1], WORK_READ, mm[i].msg_len);
		h[i].m = mm[i].msg_hdr;
		work_expect(handover_take(&h[i], fds), i, "descriptors");
		handover_note(false, fds, i);
	}
}

/* a message to an address, from a socket that is connected to none */
static void run_sendto(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "\0lens_pass" };
	struct handover h;
	int from, at;

	memcpy(to.sun_path + 10, &(pid_t){ getpid() }, sizeof(pid_t));
	from = socket(AF_UNIX, SOCK_DGRAM, 0);
	at = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(at, (struct sockaddr *)&to, sizeof(to)))
		work_die("bind");
	make_things();
	one[1] = (struct line){ at, work_socket(at), -1, true };
	one[0] = (struct line){ from, -1, one[1].in, true };
	work_ready();
	handover_make(&h, 9, things, 2);
	h.m.msg_name = &to;
	h.m.msg_namelen = sizeof(to);
	work_expect(line_did(&one[0], WORK_WRITE, sendmsg(from, &h.m, 0)), 9, "sendmsg");
	handover_note(true, things, 2);
	get(&one[1], 9, 2);
}

static void receive_one(void *at)
{
	get(at, 2, 2);
	work_tick(0);
}

/* who receives is in its call before anybody looks */
static void run_waiting(void)
{
	pid_t kid;

	make_pair(SOCK_STREAM);
	kid = work_spawn(receive_one, &one[1]);
	work_wait_blocked(kid, SYS_recvmsg, (unsigned long)one[1].fd);
	work_ready();
	put(&one[0], 2, things, 2);
	work_wait_ticks(0, 1);
	work_wait(kid);
}

/* sent, closed, and not received: in no process at all */
static void run_flight(void)
{
	struct stat st;

	make_pair(SOCK_STREAM);
	work_ready();
	if (fstat(things[0], &st))
		work_die("fstat");
	work_fact("pipe", (long)st.st_ino);
	put(&one[0], 4, things, 2);
	put(&one[0], 4, things + 1, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(things); i++)
		close(things[i]);
}

/* reads from a pipe that came after it, by a descriptor that it is given */
static void use(void *at)
{
	const struct line *l = at;
	int fds[HANDOVER_MAX], chan;
	struct handover h;

	handover_expect(&h, sizeof(chan));
	work_expect(line_did(l, WORK_READ, recvmsg(l->fd, &h.m, 0)), sizeof(chan), "recvmsg");
	work_expect(handover_take(&h, fds), 1, "descriptors");
	memcpy(&chan, line_bytes, sizeof(chan));
	work_expect(work_did(chan, WORK_READ, read(fds[0], line_bytes, 60)), 60, "read");
}

/* a pipe between two processes that have it by different ways */
static void run_use(void)
{
	struct handover h;
	struct duct d;
	pid_t kid;

	make_pair(SOCK_STREAM);
	work_ready();
	kid = work_spawn(use, &one[1]);
	d = duct_new(0);
	memcpy(line_bytes, &d.c, sizeof(d.c));
	handover_make(&h, sizeof(d.c), &d.r, 1);
	work_expect(line_did(&one[0], WORK_WRITE, sendmsg(one[0].fd, &h.m, 0)), sizeof(d.c),
		    "sendmsg");
	work_expect(duct_put(&d, 100), 100, "write");
	work_wait(kid);
	work_fact("kid", kid);
}

/* ------------------------------------------------ both ends are given away */

/* has either end of a pipe, and of a pair of sockets, from who made them and keeps none */
static void own(const struct line *l, bool writes)
{
	int fds[HANDOVER_MAX], chan;
	struct handover h;

	handover_expect(&h, sizeof(chan));
	work_expect(line_did(l, WORK_READ, recvmsg(l->fd, &h.m, 0)), sizeof(chan), "recvmsg");
	work_expect(handover_take(&h, fds), 2, "descriptors");
	memcpy(&chan, line_bytes, sizeof(chan));
	for (int i = 0; i < 2; i++) {
		ssize_t n = writes ? write(fds[i], line_bytes, 100) : read(fds[i], line_bytes, 100);

		work_expect(i ? n : work_did(chan, writes ? WORK_WRITE : WORK_READ, n), 100,
			    "what was given");
	}
}

static void own_writing(void *at)
{
	own(at, true);
}

static void own_reading(void *at)
{
	own(at, false);
}

static void give_away(const struct line *l, int chan, int fd, int half)
{
	int fds[] = { fd, half };
	struct handover h;

	memcpy(line_bytes, &chan, sizeof(chan));
	handover_make(&h, sizeof(chan), fds, 2);
	work_expect(line_did(l, WORK_WRITE, sendmsg(l->fd, &h.m, 0)), sizeof(chan), "sendmsg");
	close(fd);
	close(half);
}

static void run_away(void)
{
	static struct line other[2];
	pid_t writer, reader;
	struct stat st[2];
	struct duct d;
	int half[2];

	make_pair(SOCK_STREAM);
	memcpy(other, one, sizeof(other));
	make_pair(SOCK_STREAM);
	work_ready();
	writer = work_spawn(own_writing, &one[1]);
	reader = work_spawn(own_reading, &other[1]);
	d = duct_new(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, half) || fstat(half[0], &st[0]) ||
	    fstat(half[1], &st[1]))
		work_die("socketpair");
	/* it is empty in the end, too, and nobody is left here to look */
	work_settled(d.c);
	give_away(&one[0], d.c, d.w, half[0]);
	give_away(&other[0], d.c, d.r, half[1]);
	work_wait(writer);
	work_wait(reader);
	work_fact("writer", writer);
	work_fact("reader", reader);
	work_fact("half", (long)st[0].st_ino);
	work_fact("other half", (long)st[1].st_ino);
}

/* ------------------------------------------- memory that is mapped at both ends */

#define SHARED_BYTES 8192
#define SHARED_VALUE 3

enum { MAPPED, MAY_USE, USED };		/* ticks */

static struct { int memory, event; } shared;

static void map_shared(void)
{
	char *at = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shared.memory, 0);
	struct stat st;

	if (at == MAP_FAILED || fstat(shared.memory, &st))
		work_die("mmap");
	*(volatile char *)at += 1;
	work_fact("memory", (long)st.st_ino);
	/* the mapping is all that is left of it */
	close(shared.memory);
}

static void move_event(bool add)
{
	uint64_t value = SHARED_VALUE;
	ssize_t ret = add ? write(shared.event, &value, sizeof(value)) :
			    read(shared.event, &value, sizeof(value));

	work_expect(ret, sizeof(value), "eventfd");
	work_expect((ssize_t)value, SHARED_VALUE, "value");
}

/* makes both, and gives them to the other */
static void give(void *at)
{
	const struct line *l = at;
	int fds[2];

	shared.memory = memfd_create("shared", 0);
	if (shared.memory < 0 || ftruncate(shared.memory, SHARED_BYTES))
		work_die("memfd_create");
	shared.event = eventfd(0, 0);
	fds[0] = shared.memory;
	fds[1] = shared.event;
	close(l[1].fd);
	put(&l[0], 6, fds, 2);
	map_shared();
	work_tick(MAPPED);
	work_wait_ticks(MAY_USE, 1);
	move_event(true);
	work_tick(USED);
}

static void take(void *at)
{
	const struct line *l = at;
	int fds[HANDOVER_MAX];
	struct handover h;

	close(l[0].fd);
	handover_expect(&h, 6);
	work_expect(line_did(&l[1], WORK_READ, recvmsg(l[1].fd, &h.m, 0)), 6, "recvmsg");
	work_expect(handover_take(&h, fds), 2, "descriptors");
	handover_note(false, fds, 2);
	shared.memory = fds[0];
	shared.event = fds[1];
	map_shared();
	work_tick(MAPPED);
	work_wait_ticks(USED, 1);
	move_event(false);
}

/* before: all of that is over before anybody looks, but for the use of the eventfd */
static void run_between(bool before)
{
	pid_t giver, taker;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		work_die("socketpair");
	line_join(fd, false, one);
	if (!before)
		work_ready();
	taker = work_spawn(take, one);
	giver = work_spawn(give, one);
	work_wait_ticks(MAPPED, 2);
	if (before)
		work_ready();
	work_tick(MAY_USE);
	work_wait(giver);
	work_wait(taker);
	work_fact("giver", giver);
	work_fact("taker", taker);
}

static void run_share(void)
{
	run_between(false);
}

static void run_shared(void)
{
	run_between(true);
}

static const struct work_mode modes[] = {
	{ "stream", run_stream },
	{ "seqpacket", run_seqpacket },
	{ "dgram", run_dgram },
	{ "mmsg", run_mmsg },
	{ "sendto", run_sendto },
	{ "waiting", run_waiting },
	{ "flight", run_flight },
	{ "use", run_use },
	{ "away", run_away },
	{ "share", run_share },
	{ "shared", run_shared },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
