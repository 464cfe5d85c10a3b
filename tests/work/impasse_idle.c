/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who seems to be stuck and has a way out that the call does not name: the settings of a
 * terminal, a thread that adds to a set, a name. And those who wait for the same, all of them.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

/* ------------------------------------------------------------------ terminals */

static int master, slave;

/* a read ends after 25 s, or as long after its first byte */
static void make_terminal(unsigned least)
{
	struct termios t;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		work_die("posix_openpt");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &t))
		work_die("terminal");
	cfmakeraw(&t);
	t.c_cc[VMIN] = least;
	t.c_cc[VTIME] = 250;
	if (tcsetattr(slave, TCSANOW, &t))
		work_die("tcsetattr");
}

static void read_slave(void *unused)
{
	char bytes[8];

	close_others(slave, p[1]);
	while (read(slave, bytes, sizeof(bytes)) >= 0)
		continue;
}

static void read_p_with_master(void *unused)
{
	close_others(p[0], master);
	get(p[0]);
}

static void terminal_knot(unsigned least)
{
	make_pipe(p);
	make_terminal(least);
	if (least)
		put(master);
	role("timed", work_spawn(read_slave, NULL));
	role("reader", work_spawn(read_p_with_master, NULL));
	let_go();
	asleep("timed", SYS_read);
	asleep("reader", SYS_read);
}

static void terminal_timed(void)
{
	terminal_knot(0);
}

static void write_stopped(void *unused)
{
	close_others(slave, p[1]);
	if (tcflow(slave, TCOOFF))
		work_die("tcflow");
	put(slave);
}

static void keep_slave(void *unused)
{
	close_others(slave, -1);
}

/* whoever has the terminal can start its output again, and reading it would not */
static void terminal_stopped(void)
{
	make_pipe(p);
	make_terminal(0);
	role("writer", work_spawn(write_stopped, NULL));
	role("reader", work_spawn(read_p_with_master, NULL));
	role("other", work_spawn(keep_slave, NULL));
	let_go();
	asleep("writer", SYS_write);
	asleep("reader", SYS_read);
}

/* it has the first byte already, which nothing shows */
static void terminal_some(void)
{
	terminal_knot(5);
}

/* -------------------------------------------------------------------- threads */

static int r[2]; /* what the set is about; "writer" is in a knot with "reader" */

static void write_never(void *unused)
{
	close(r[0]);
	close(p[0]);
	close(q[1]);
	get(q[0]);
}

static void read_p(void *unused)
{
	close_others(p[0], q[1]);
	get(p[0]);
}

static void *add_later(void *unused)
{
	pause();
	return NULL;
}

static void wait_for_set(void *unused)
{
	struct epoll_event e = { .events = EPOLLIN };
	pthread_t thread;
	int set;

	close_others(r[0], -1);
	set = epoll_create1(0);
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, r[0], &e) ||
	    pthread_create(&thread, NULL, add_later, NULL))
		work_die("epoll_create1");
	epoll_wait(set, &e, 1, -1);
}

static void set_of_threads(void)
{
	make_pipes();
	make_pipe(r);
	role("writer", work_spawn(write_never, NULL));
	role("reader", work_spawn(read_p, NULL));
	role("set", work_spawn(wait_for_set, NULL));
	let_go();
	asleep("writer", SYS_read);
	asleep("reader", SYS_read);
	asleep("set", SYS_epoll_wait);
	asleep_anywhere("set", SYS_pause);
}

/* ------------------------------------------------------------------- the same */

static int event;
static uint32_t *words;

static void read_event(void *unused)
{
	uint64_t count;

	close_others(event, -1);
	if (read(event, &count, sizeof(count)) < 0)
		work_die("read");
}

static void event_of_two(void)
{
	event = eventfd(0, 0);
	if (event < 0)
		work_die("eventfd");
	role("one", work_spawn(read_event, NULL));
	role("two", work_spawn(read_event, NULL));
	let_go();
	asleep("one", SYS_read);
	asleep("two", SYS_read);
}

static void wait_at(void *word)
{
	close_others(-1, -1);
	syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* words of one lock, as readers and writers of one wait at different ones */
static void words_of_two(void)
{
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		work_die("mmap");
	role("one", work_spawn(wait_at, &words[0]));
	role("two", work_spawn(wait_at, &words[1]));
	munmap(words, 4096);
	asleep("one", SYS_futex);
	asleep("two", SYS_futex);
}

/* ----------------------------------------------------------------------- FIFOs */

static char names[2][64];

static void remove_fifos(void)
{
	for (int i = 0; is_main() && i < 2; i++)
		unlink(names[i]);
}

/* ends as if it had been opened by two, without having waited for each other */
static void make_fifo(const char *name, int ends[2])
{
	if (mkfifo(name, 0600))
		work_die(name);
	ends[0] = open(name, O_RDONLY | O_NONBLOCK);
	ends[1] = open(name, O_WRONLY);
	if (ends[0] < 0 || ends[1] < 0 || fcntl(ends[0], F_SETFL, 0))
		work_die(name);
}

static void read_p_with_q(void *unused)
{
	close_others(p[0], q[1]);
	get(p[0]);
}

/* each has one of two named queues to receive from, and the other to send to */
static void make_queue(int i, int ends[2])
{
	struct mq_attr small = { .mq_maxmsg = 1, .mq_msgsize = 8 };

	snprintf(names[i], sizeof(names[i]), "/lens-knot-idle-%d-%d", getpid(), i);
	ends[0] = mq_open(names[i], O_RDONLY | O_CREAT | O_EXCL, 0600, &small);
	ends[1] = mq_open(names[i], O_WRONLY);
	if (ends[0] < 0 || ends[1] < 0)
		work_die(names[i]);
}

static void remove_queues(void)
{
	for (int i = 0; is_main() && i < 2; i++)
		mq_unlink(names[i]);
}

static void receive_q(void *unused)
{
	char message[8];

	close_others(q[0], p[1]);
	mq_receive(q[0], message, sizeof(message), NULL);
}

static void receive_p(void *unused)
{
	char message[8];

	close_others(p[0], q[1]);
	mq_receive(p[0], message, sizeof(message), NULL);
}

static void queues_crossed(void)
{
	atexit(remove_queues);
	make_queue(0, p);
	make_queue(1, q);
	role("left", work_spawn(receive_q, NULL));
	role("right", work_spawn(receive_p, NULL));
	let_go();
	asleep("left", SYS_mq_timedreceive);
	asleep("right", SYS_mq_timedreceive);
}

static int s[2], events[2];

static void read_s0(void *unused)
{
	close_others(s[0], -1);
	get(s[0]);
}

static void read_s1(void *unused)
{
	close_others(s[1], -1);
	get(s[1]);
}

/* each by an end of its own of what is one thing */
static void ends_of(int type)
{
	make_socket_pair(s, type);
	role("one", work_spawn(read_s0, NULL));
	role("two", work_spawn(read_s1, NULL));
	let_go();
	asleep("one", SYS_read);
	asleep("two", SYS_read);
}

static void ends_of_stream(void)
{
	ends_of(SOCK_STREAM);
}

static void ends_of_datagrams(void)
{
	ends_of(SOCK_DGRAM);
}

static void read_count(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		work_die("eventfd");
}

static void read_event0(void *unused)
{
	close_others(events[0], events[1]);
	read_count(events[0]);
}

static void read_event1(void *unused)
{
	close_others(events[0], events[1]);
	read_count(events[1]);
}

static void *never(void *unused)
{
	static uint32_t word;

	for (;;)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

static void nothing(int unused)
{
}

/* the handlers of a C library with threads, and of a language that tells of faults: not sent */
static void idle_beside(int signal, void *(*waits)(void *))
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;

	if (sigaction(signal, &action, NULL) || pthread_create(&thread, NULL, waits, NULL))
		work_die("a thread beside");
}

static void read_event0_beside(void *unused)
{
	idle_beside(SIGSEGV, never);
	read_event0(NULL);
}

static void read_event1_beside(void *unused)
{
	idle_beside(SIGSEGV, never);
	read_event1(NULL);
}

/* a thread of a pool, which no handler can give work */
static void *wait_for_work(void *unused)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&work, &lock);
	return NULL;
}

static void read_p_beside(void *(*waits)(void *))
{
	close_others(p[0], q[1]);
	idle_beside(SIGTERM, waits);
	get(p[0]);
}

static void read_p_with_pool(void *unused)
{
	read_p_beside(wait_for_work);
}

static void *read_p_in_thread(void *unused)
{
	get(p[0]);
	return NULL;
}

/* as a server's first thread waits to be told to end, by a handler that signals the condition */
static void wait_beside_reader(void *unused)
{
	close_others(p[0], q[1]);
	idle_beside(SIGTERM, read_p_in_thread);
	wait_for_work(NULL);
}

/* ... and one that a handler may have on its way by sem_post(3) */
static void *wait_for_post(void *unused)
{
	static sem_t posted;

	for (;;)
		sem_wait(&posted);
	return NULL;
}

static void read_p_with_post(void *unused)
{
	read_p_beside(wait_for_post);
}

static void events_of_two(void (*one)(void *), void (*two)(void *))
{
	events[0] = eventfd(0, 0);
	events[1] = eventfd(0, 0);
	role("one", work_spawn(one, NULL));
	role("two", work_spawn(two, NULL));
	let_go();
	asleep_wholly("one", SYS_read);
	asleep_wholly("two", SYS_read);
}

static void events_crossed(void)
{
	events_of_two(read_event0, read_event1);
}

static void events_beside(void)
{
	events_of_two(read_event0_beside, read_event1_beside);
}

/* what its handler writes to is its own, and in no set first */
static void poll_p_and_own(void *unused)
{
	struct sigaction action = { .sa_handler = nothing };
	struct pollfd set[2] = { { .fd = p[0], .events = POLLIN }, { .events = POLLIN } };
	int own[2];

	close_others(p[0], q[1]);
	make_pipe(own);
	set[1].fd = own[0];
	sigaction(SIGTERM, &action, NULL);
	poll(set, ARRAY_SIZE(set), -1);
}

static void pipes_of_two(void (*one)(void *), long nr)
{
	make_pipes();
	role("one", work_spawn(one, NULL));
	role("two", work_spawn(read_q, NULL));
	let_go();
	asleep_wholly("one", nr);
	asleep("two", SYS_read);
}

static void pool_beside(void)
{
	pipes_of_two(read_p_with_pool, SYS_read);
}

static void reader_beside(void)
{
	pipes_of_two(wait_beside_reader, SYS_futex);
}

static void post_beside(void)
{
	pipes_of_two(read_p_with_post, SYS_read);
}

static void own_polled(void)
{
	pipes_of_two(poll_p_and_own, SYS_poll);
}

static void hold_q(void *unused)
{
	close_others(q[1], -1);
	wait_for_end();
}

static void fifos_of_two(bool is_held)
{
	for (int i = 0; i < 2; i++)
		snprintf(names[i], sizeof(names[i]), "/tmp/lens-knot-idle-%d-%d", getpid(), i);
	atexit(remove_fifos);
	make_fifo(names[0], p);
	make_fifo(names[1], q);
	role("left", work_spawn(read_q, NULL));
	role("right", work_spawn(read_p_with_q, NULL));
	if (is_held)
		role("holder", work_spawn(hold_q, NULL));
	let_go();
	asleep("left", SYS_read);
	asleep("right", SYS_read);
	if (is_held)
		asleep("holder", -1);
}

static void fifos_crossed(void)
{
	fifos_of_two(false);
}

static void fifos_held(void)
{
	fifos_of_two(true);
}

static const struct work_mode modes[] = {
	{ "fifoscrossed", fifos_crossed }, { "fifosheld", fifos_held },
	{ "queuescrossed", queues_crossed },
	{ "ttytimed", terminal_timed }, { "ttysome", terminal_some },
	{ "ttystopped", terminal_stopped },
	{ "setthread", set_of_threads }, { "samewait", event_of_two },
	{ "sameword", words_of_two },	 { "streamends", ends_of_stream },
	{ "datagramends", ends_of_datagrams }, { "eventscrossed", events_crossed },
	{ "eventsbeside", events_beside }, { "poolbeside", pool_beside },
	{ "readerbeside", reader_beside },
	{ "postbeside", post_beside }, { "ownpolled", own_polled },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
