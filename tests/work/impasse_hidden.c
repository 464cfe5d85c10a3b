/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots that look like deadlocks and are none: somebody who could end them has what
 * it takes where no look finds it, or it is on its way.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

static int s[2];

/* ------------------------------------------------------------------- what is hidden */

static int hiding[2];

static void keep_hiding(void *unused)
{
	close_others(hiding[0], hiding[1]);
}

/* a connection that nobody has accepted */
static void make_hiding_place(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path + 1, 32, "lens-hiding-%d", getpid());
	socklen_t len = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);

	hiding[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	hiding[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(hiding[0], (void *)&a, len) || listen(hiding[0], 1) ||
	    connect(hiding[1], (void *)&a, len))
		work_die("hide");
}

/* "keeper" can have it, and no look finds it */
static void hide(int fd)
{
	make_hiding_place();
	send_descriptor(hiding[1], fd);
	role("keeper", work_spawn(keep_hiding, NULL));
}

static int set;

static void wait_in_set(void *unused)
{
	struct epoll_event event;

	close(p[1]);
	close(q[0]);
	epoll_wait(set, &event, 1, -1);
}

/* whoever receives the set can put into it what is ready */
static void hidden_set(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	make_pipes();
	set = epoll_create1(0);
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, p[0], &event))
		work_die("epoll");
	hide(set);
	role("waiter", work_spawn(wait_in_set, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("reader", SYS_read);
}

static void splice_p_to_q(void *unused)
{
	close_others(p[0], q[1]);
	splice(p[0], NULL, q[1], NULL, 4096, 0);
}

static void tee_p_to_q(void *unused)
{
	close_others(p[0], q[1]);
	tee(p[0], q[1], 4096, 0);
}

/* of one thread, so that its call has no reference to what its descriptors stand for */
static void hidden_writer(void (*fn)(void *), long nr)
{
	make_pipes();
	hide(q[1]);
	role("mover", work_spawn(fn, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("mover", nr);
	asleep("reader", SYS_read);
}

static void splice_beside_hidden(void)
{
	hidden_writer(splice_p_to_q, SYS_splice);
}

static void tee_beside_hidden(void)
{
	hidden_writer(tee_p_to_q, SYS_tee);
}

static mqd_t queue, receiving;

static void send_again(void *unused)
{
	close_others(queue, q[1]);
	mq_send(queue, "x", 1, 0);
}

static void read_q_with_queue(void *unused)
{
	close_others(receiving, q[0]);
	get(q[0]);
}

/* full, with a name for as long as the workload lives */
static void make_full_queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[64];

	snprintf(name, sizeof(name), "/lens-doubt-%d", getpid());
	queue = mq_open(name, O_WRONLY | O_CREAT | O_EXCL, 0600, &attr);
	receiving = mq_open(name, O_RDONLY);
	if (queue < 0 || receiving < 0 || mq_send(queue, "x", 1, 0))
		work_die("mq_open");
}

static void remove_queue(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/lens-doubt-%d", getpid());
	if (is_main())
		mq_unlink(name);
}

/* "reader" is not the only one who could receive */
static void hidden_receiver(void)
{
	int other;
	char path[64];

	make_pipe(q);
	make_full_queue();
	snprintf(path, sizeof(path), "/lens-doubt-%d", getpid());
	other = mq_open(path, O_RDONLY);
	hide(other);
	role("sender", work_spawn(send_again, NULL));
	role("reader", work_spawn(read_q_with_queue, NULL));
	atexit(remove_queue);
	let_go();
	asleep("sender", SYS_mq_timedsend);
	asleep("reader", SYS_read);
}

/* a queue keeps what it has for who opens it by its name tomorrow */
static void nobody_receives(void)
{
	make_pipe(q);
	make_full_queue();
	role("sender", work_spawn(send_again, NULL));
	atexit(remove_queue);
	let_go();
	asleep("sender", SYS_mq_timedsend);
}

static void *get_s0(void *unused)
{
	/* its table of descriptors is the thread's alone then */
	await_end_of_leader();
	get(s[0]);
	return NULL;
}

static void *get_s1(void *unused)
{
	await_end_of_leader();
	get(s[1]);
	return NULL;
}

static void run_without_leader(void *(*fn)(void *), int keep)
{
	pthread_t thread;

	close_others(keep, -1);
	if (pthread_create(&thread, NULL, fn, NULL))
		work_die("pthread_create");
	/* not pthread_exit(3), which would load a library */
	syscall(SYS_exit, 0);
}

static void leave_s0(void *unused)
{
	run_without_leader(get_s0, s[0]);
}

static void leave_s1(void *unused)
{
	run_without_leader(get_s1, s[1]);
}

/* a thread whose leader has ended holds no reference in its call, as its table is its own */
static void leader_gone(void)
{
	make_socket_pair(s, SOCK_STREAM);
	hide(s[1]);
	role("one", work_spawn(leave_s0, NULL));
	role("two", work_spawn(leave_s1, NULL));
	let_go();
	asleep_anywhere("one", SYS_read);
	asleep_anywhere("two", SYS_read);
}

/* ---------------------------------------------------------------- accepted by whom? */

static int listener;

static void make_tcp_pair(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&a, len) || listen(listener, 4) ||
	    getsockname(listener, (void *)&a, &len))
		work_die("listen");
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s[0], (void *)&a, len))
		work_die("connect");
	s[1] = accept(listener, NULL, NULL);
	if (s[1] < 0)
		work_die("accept");
}

static void read_s0_with_q(void *unused)
{
	close_others(s[0], q[1]);
	get(s[0]);
}

static void read_q_with_listener(void *unused)
{
	close_others(listener, q[0]);
	get(q[0]);
}

/* a connection whose other end is not seen is not for that in the backlog of who listens there */
static void accepted_and_hidden(void)
{
	make_pipe(q);
	make_tcp_pair();
	hide(s[1]);
	role("client", work_spawn(read_s0_with_q, NULL));
	role("reader", work_spawn(read_q_with_listener, NULL));
	let_go();
	asleep("client", SYS_read);
	asleep("reader", SYS_read);
}

static int sender, first, second;

static int bind_datagram(const char *which, struct sockaddr_un *a, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	int n = snprintf(a->sun_path + 1, 32, "lens-%s-%d", which, getpid());

	a->sun_family = AF_UNIX;
	*len = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);
	if (bind(fd, (void *)a, *len))
		work_die("bind");
	return fd;
}

static char datagram[9000];

static void send_more(void *unused)
{
	close_others(sender, q[1]);
	send(sender, datagram, sizeof(datagram), 0);
}

static void read_q_with_second(void *unused)
{
	close_others(second, q[0]);
	get(q[0]);
}

static void hold_first(void *unused)
{
	close_others(first, -1);
}

/* what fills the sender's buffer lies where it was connected to before */
static void connected_before(void)
{
	struct sockaddr_un a[2] = { 0 };
	socklen_t len[2];
	int size = 20000;

	make_pipe(q);
	first = bind_datagram("first", &a[0], &len[0]);
	second = bind_datagram("second", &a[1], &len[1]);
	sender = socket(AF_UNIX, SOCK_DGRAM, 0);
	setsockopt(sender, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(sender, (void *)&a[0], len[0]))
		work_die("connect");
	while (send(sender, datagram, sizeof(datagram), MSG_DONTWAIT) > 0)
		continue;
	if (connect(sender, (void *)&a[1], len[1]))
		work_die("connect");
	role("sender", work_spawn(send_more, NULL));
	role("reader", work_spawn(read_q_with_second, NULL));
	role("holder", work_spawn(hold_first, NULL));
	let_go();
	asleep("sender", SYS_sendto);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

#define PAIRS 8

static int pair[PAIRS][2];

static volatile pid_t beside;

static void *await_end(void *told)
{
	beside = gettid();
	get(*(int *)told);
	return NULL;
}

/*
 * Calls beside another thread hold a reference, and leave on the kernel stack that they do. The
 * call to come holds none: where the stack begins differs from call to call.
 */
static void read_after_thread(void *at)
{
	int fd = *(int *)at, end[2];
	pthread_t thread;
	char byte;

	close_others(fd, -1);
	make_pipe(end);
	if (pthread_create(&thread, NULL, await_end, &end[0]) || fcntl(fd, F_SETFL, O_NONBLOCK))
		work_die("pthread_create");
	while (!beside)
		usleep(1000);
	for (int i = 0; i < 50; i++)
		if (read(fd, &byte, 1) > 0)
			work_die("read");
	fcntl(fd, F_SETFL, 0);
	put(end[1]);
	/* calls that leave most of the stack as it is */
	while (!syscall(SYS_tgkill, getpid(), beside, 0))
		usleep(1000);
	get(fd);
}

static void read_other(void *at)
{
	close_others(*(int *)at, -1);
	get(*(int *)at);
}

/* each pair waits for each other, unless the one who could have one end receives it */
static void after_thread(void)
{
	static char name[PAIRS][2][8];

	make_hiding_place();
	for (int i = 0; i < PAIRS; i++) {
		make_socket_pair(pair[i], SOCK_STREAM);
		send_descriptor(hiding[1], pair[i][0]);
	}
	role("keeper", work_spawn(keep_hiding, NULL));
	for (int i = 0; i < PAIRS; i++) {
		snprintf(name[i][0], sizeof(name[i][0]), "after%d", i);
		snprintf(name[i][1], sizeof(name[i][1]), "other%d", i);
		role(name[i][0], work_spawn(read_after_thread, &pair[i][0]));
		role(name[i][1], work_spawn(read_other, &pair[i][1]));
	}
	let_go();
	for (int i = 0; i < PAIRS; i++) {
		asleep_wholly(name[i][0], SYS_read);
		asleep(name[i][1], SYS_read);
	}
}

static void *read_in_thread(void *fd)
{
	get(*(int *)fd);
	return NULL;
}

static void read_s0_beside(void *unused)
{
	pthread_t thread;

	close_others(s[0], -1);
	if (pthread_create(&thread, NULL, read_in_thread, &s[0]))
		work_die("pthread_create");
}

/* a call that was left to be stopped holds nothing, and goes on from its beginning later */
static void stopped_beside_hidden(void)
{
	make_socket_pair(s, SOCK_STREAM);
	hide(s[0]);
	role("process", work_spawn(read_s0_beside, NULL));
	role("reader", work_spawn(read_other, &s[1]));
	let_go();
	asleep_anywhere("process", SYS_read);
	asleep("reader", SYS_read);
	stop("process");
}

/* ------------------------------------------------------------ listeners on their way */

static int carrier[2], client;

static void keep_carrier(void *unused)
{
	close_others(carrier[1], -1);
}

static void read_client(void *unused)
{
	close_others(client, -1);
	get(client);
}

/* whoever receives the listener can accept the connection */
static void listener_on_its_way(int domain, const void *a, socklen_t len)
{
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);

	listener = socket(domain, SOCK_STREAM, 0);
	client = socket(domain, SOCK_STREAM, 0);
	if (bind(listener, a, len) || listen(listener, 4) ||
	    getsockname(listener, (void *)&name, &name_len) ||
	    connect(client, (void *)&name, name_len))
		work_die("connect");
	make_socket_pair(carrier, SOCK_STREAM);
	send_descriptor(carrier[0], listener);
	role("keeper", work_spawn(keep_carrier, NULL));
	role("client", work_spawn(read_client, NULL));
	let_go();
	asleep("keeper", SYS_pause);
	asleep("client", SYS_read);
}

static void unix_listener_on_its_way(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	/* the kernel chooses a name */
	listener_on_its_way(AF_UNIX, &a, sizeof(sa_family_t));
}

static void tcp_listener_on_its_way(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listener_on_its_way(AF_INET, &a, sizeof(a));
}

static const struct work_mode modes[] = {
	{ "hiddenset", hidden_set },
	{ "hiddensplice", splice_beside_hidden },
	{ "hiddentee", tee_beside_hidden },
	{ "hiddenreceiver", hidden_receiver },
	{ "nobodyreceives", nobody_receives },
	{ "leadergone", leader_gone },
	{ "acceptedhidden", accepted_and_hidden },
	{ "connectedbefore", connected_before },
	{ "afterthread", after_thread },
	{ "hiddenstopped", stopped_beside_hidden },
	{ "listenerunix", unix_listener_on_its_way },
	{ "listenertcp", tcp_listener_on_its_way },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
