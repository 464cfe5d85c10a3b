/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots of two that a third can undo who does not look as if he had a part in them.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define PAGE 4096
#define IN_PLACE 0 /* ticks: how many have what they need */

/* ------------------------------------------------------------------ terminals */

static int master;

static void hold_tty(void *unused)
{
	int tty = open("/dev/tty", O_RDWR);

	if (tty < 0)
		work_die("/dev/tty");
	close_others(tty, -1);
	work_tick(IN_PLACE);
}

static void lead_session(void *unused)
{
	int slave;

	if (setsid() < 0)
		work_die("setsid");
	/* the first terminal that it opens controls it */
	slave = open(ptsname(master), O_RDWR);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0))
		work_die("terminal");
	tell(work_spawn(hold_tty, NULL));
	work_wait_ticks(IN_PLACE, 1);
	read_q(NULL);
}

static void read_master(void *unused)
{
	close_others(master, q[1]);
	get(master);
}

/* who reads the master waits for any slave, by whichever name it was opened */
static void controlling_terminal(void)
{
	make_pipe(q);
	make_channel();
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		work_skip("no terminals here");
	role("reader", work_spawn(lead_session, NULL));
	role("holder", hear_pid());
	work_wait_ticks(IN_PLACE, 1);
	role("master", work_spawn(read_master, NULL));
	let_go();
	asleep("reader", SYS_read);
	asleep("master", SYS_read);
	asleep("holder", SYS_pause);
}

/* -------------------------------------------------------------------- tracing */

static void *tell_and_pause(void *unused)
{
	tell(gettid());
	close_others(-1, -1);
	pause();
	return NULL;
}

static void run_thread(void *unused)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, tell_and_pause, NULL))
		work_die("pthread_create");
}

static pid_t traced;

static void await_thread(void *unused)
{
	tell(work_spawn(read_q, NULL));
	close_others(q[1], -1);
	if (ptrace(PTRACE_SEIZE, traced, NULL, NULL))
		work_skip("no ptrace here");
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

/* a thread that is traced, and not its process, ends a wait for children */
static void traced_thread(void)
{
	make_pipe(q);
	make_channel();
	role("stranger", work_spawn(run_thread, NULL));
	traced = hear_pid();
	asleep_wholly("stranger", SYS_pause);
	role("tracer", work_spawn(await_thread, NULL));
	role("reader", hear_pid());
	let_go();
	asleep("reader", SYS_read);
	asleep("tracer", SYS_wait4);
}

/* -------------------------------------------------------------------- signals */

static int own[2];

static void write_own(int unused)
{
	ssize_t written = write(own[1], "!", 1);

	(void)written;
}

static void read_own(void *unused)
{
	struct sigaction on_interrupt = { .sa_handler = write_own, .sa_flags = SA_RESTART };

	close_others(own[0], own[1]);
	sigaction(SIGINT, &on_interrupt, NULL);
	get(own[0]);
}

/* whoever makes its own end not to block a handler may write there, as Python's wake-up does */
static void wake_up_descriptor(void)
{
	make_pipe(own);
	if (fcntl(own[1], F_SETFL, O_NONBLOCK))
		work_die("fcntl");
	role("reader", work_spawn(read_own, NULL));
	let_go();
	asleep("reader", SYS_read);
}

/* ----------------------------------------------------------------- semaphores */

static int semaphores;

static void remove_semaphores(void)
{
	if (is_main())
		semctl(semaphores, 0, IPC_RMID);
}

static void owe(void *unused)
{
	struct sembuf take = { .sem_num = 0, .sem_op = -1, .sem_flg = SEM_UNDO };

	semop(semaphores, &take, 1);
	read_q(NULL);
}

/* what it gives it takes again: the other semaphore is what it waits for */
static void take_both(void *unused)
{
	struct sembuf both[] = { { .sem_num = 0, .sem_op = 1 },
				 { .sem_num = 0, .sem_op = -1 },
				 { .sem_num = 1, .sem_op = -1 } };

	close_others(q[1], -1);
	semop(semaphores, both, ARRAY_SIZE(both));
}

static void make_semaphores(short value)
{
	struct sembuf give = { .sem_num = 0, .sem_op = value };

	make_pipe(q);
	semaphores = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	if (semaphores < 0)
		work_skip("no SysV semaphores here");
	atexit(remove_semaphores);
	semop(semaphores, &give, 1);
	role("reader", work_spawn(owe, NULL));
	asleep("reader", SYS_read);
}

static void taken_by(void (*takes)(void *))
{
	role("taker", work_spawn(takes, NULL));
	let_go();
	asleep("taker", SYS_semtimedop);
}

/* the first semaphore looks as if it were in the way, which "reader" owes */
static void semaphores_together(void)
{
	make_semaphores(1);
	taken_by(take_both);
}

static void take_two(void *unused)
{
	struct sembuf two = { .sem_num = 0, .sem_op = -2 };

	close_others(q[1], -1);
	semop(semaphores, &two, 1);
}

static void take_one(short flags)
{
	struct sembuf one = { .sem_num = 0, .sem_op = -1, .sem_flg = flags };

	semop(semaphores, &one, 1);
	pause();
}

static void take_last(void *unused)
{
	close_others(q[1], -1);
	take_one(0);
}

static void spend_one(void *unused)
{
	close_others(-1, -1);
	take_one(0);
}

static void owe_one(void *unused)
{
	close_others(-1, -1);
	take_one(SEM_UNDO);
}

static void one_each(const char *name, void (*takes)(void *), void (*wants)(void *))
{
	make_semaphores(2);
	role(name, work_spawn(takes, NULL));
	asleep(name, SYS_pause);
	taken_by(wants);
}

/* what "reader" owes is one, and two are missing: the other one has to come from elsewhere */
static void too_little_owed(void)
{
	one_each("spender", spend_one, take_two);
}

/* what "debtor" owes is not enough without that of "reader" */
static void owed_by_each(void)
{
	one_each("debtor", owe_one, take_two);
}

/* what "reader" owes is all that is missing, but "spender" has taken as much */
static void taken_beside(void)
{
	one_each("spender", spend_one, take_last);
}

/* --------------------------------------------------------------------- memory */

static uint32_t *word;
static int file;

static void wait_at_word(void *unused)
{
	close_others(q[1], -1);
	syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void hold_file(void *unused)
{
	munmap(word, PAGE);
	close_others(file, -1);
}

/* a file without a name, opened twice: once to be mapped, and once for whoever may map it yet */
static void deleted_file(void)
{
	char path[] = "/tmp/lens-knot-XXXXXX";
	int mapped = mkstemp(path);

	make_pipe(q);
	file = open(path, O_RDWR);
	unlink(path);
	if (mapped < 0 || file < 0 || ftruncate(mapped, PAGE))
		work_die(path);
	word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	if (word == MAP_FAILED)
		work_die("mmap");
	role("waiter", work_spawn(wait_at_word, NULL));
	role("reader", work_spawn(read_q, NULL));
	role("holder", work_spawn(hold_file, NULL));
	munmap(word, PAGE);
	let_go();
	asleep("waiter", SYS_futex);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* ----------------------------------------------------------------------- sets */

static int set;

static void wait_in_set(void *unused)
{
	struct epoll_event event;

	close(p[1]);
	close(q[0]);
	epoll_wait(set, &event, 1, -1);
}

static void hold_set(void *unused)
{
	close_others(set, -1);
}

/* who has the set can put into it what ends the wait */
static void shared_set(void)
{
	struct epoll_event input = { .events = EPOLLIN };

	make_pipes();
	set = epoll_create1(0);
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, p[0], &input))
		work_die("epoll");
	role("waiter", work_spawn(wait_in_set, NULL));
	role("reader", work_spawn(read_q, NULL));
	role("holder", work_spawn(hold_set, NULL));
	let_go();
	asleep("waiter", SYS_epoll_wait);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

/* --------------------------------------------------------------------- a FIFO */

static char fifo[64];
static int both;

static void remove_fifo(void)
{
	if (is_main())
		unlink(fifo);
}

static void write_fifo(void *unused)
{
	close_others(both, -1);
	put(both);
}

/* it was opened both ways so as not to wait for a reader, who is still to come */
static void fifo_alone(void)
{
	snprintf(fifo, sizeof(fifo), "/tmp/lens-knot-third-%d", getpid());
	if (mkfifo(fifo, 0600))
		work_die(fifo);
	atexit(remove_fifo);
	both = open(fifo, O_RDWR);
	fill(both);
	role("writer", work_spawn(write_fifo, NULL));
	let_go();
	asleep("writer", SYS_write);
}

static const struct work_mode modes[] = {
	{ "devtty", controlling_terminal }, { "tracedthread", traced_thread },
	{ "wakeupfd", wake_up_descriptor }, { "semtogether", semaphores_together },
	{ "semlittle", too_little_owed }, { "semeach", owed_by_each },
	{ "sembeside", taken_beside },
	{ "deletedfile", deleted_file },
	{ "epollshared", shared_set }, { "fifoalone", fifo_alone },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
