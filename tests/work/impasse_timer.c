/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Timers, and children, beside a knot of two, "waiter" and "reader": those that will
 * end it, and those that will not.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define FAR_S 36000

/* --------------------------------------------------------- behind descriptors */

static int timer;

static void make_timer(bool set)
{
	const struct itimerspec far = { .it_value.tv_sec = set ? FAR_S : 0 };

	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	if (timer < 0 || timerfd_settime(timer, 0, &far, NULL))
		work_die("timerfd");
}

static void poll_timer(void *unused)
{
	struct pollfd f = { .fd = timer, .events = POLLIN };

	close_others(timer, q[1]);
	poll(&f, 1, -1);
}

static void read_q_with_timer(void *unused)
{
	close_others(timer, q[0]);
	get(q[0]);
}

static void read_q_alone(void *unused)
{
	close_others(q[0], -1);
	get(q[0]);
}

static void hold_timer(void *unused)
{
	close_others(timer, -1);
}

static void timer_knot(bool set, void (*reads)(void *), bool held)
{
	make_pipe(q);
	make_timer(set);
	role("waiter", work_spawn(poll_timer, NULL));
	role("reader", work_spawn(reads, NULL));
	if (held)
		role("holder", work_spawn(hold_timer, NULL));
	let_go();
	asleep("waiter", SYS_poll);
	asleep("reader", SYS_read);
	if (held)
		asleep("holder", SYS_pause);
}

/* nobody else could set it */
static void idle_alone(void)
{
	timer_knot(false, read_q_alone, false);
}

/* who could waits for the waiter */
static void idle_cycle(void)
{
	timer_knot(false, read_q_with_timer, false);
}

static void idle_held(void)
{
	timer_knot(false, read_q_alone, true);
}

static void read_timer(void *which)
{
	char count[8];

	if (read(*(int *)which, count, sizeof(count)) < 0)
		work_die("read");
}

/* each has both: when one ends, the other waits on */
static void idle_crossed(void)
{
	int first;

	make_timer(false);
	first = timer;
	make_timer(false);
	role("left", work_spawn(read_timer, &first));
	role("right", work_spawn(read_timer, &timer));
	close(first);
	close(timer);
	asleep("left", SYS_read);
	asleep("right", SYS_read);
}

static void set_timer(void)
{
	timer_knot(true, read_q_with_timer, false);
}

/* ------------------------------------------------------------------ of a process */

static void on_alarm(int number)
{
}

static void set_alarm(void)
{
	const struct itimerval far = { .it_value.tv_sec = FAR_S };

	if (setitimer(ITIMER_REAL, &far, NULL))
		work_die("setitimer");
}

static void handle_alarm(void)
{
	/* without SA_RESTART: the call ends with EINTR */
	const struct sigaction a = { .sa_handler = on_alarm };

	if (sigaction(SIGALRM, &a, NULL))
		work_die("sigaction");
}

static void posix_timer(bool set, int number)
{
	struct sigevent event = { .sigev_notify = number ? SIGEV_SIGNAL : SIGEV_NONE,
				  .sigev_signo = number };
	const struct itimerspec far = { .it_value.tv_sec = set ? FAR_S : 0 };
	timer_t id;

	if (timer_create(CLOCK_MONOTONIC, &event, &id) || timer_settime(id, 0, &far, NULL))
		work_die("timer");
}

static void (*prepare)(void);

static void read_p_prepared(void *unused)
{
	close_others(p[0], q[1]);
	prepare();
	get(p[0]);
}

static void process_knot(void (*fn)(void))
{
	prepare = fn;
	make_pipes();
	role("waiter", work_spawn(read_p_prepared, NULL));
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("waiter", SYS_read);
	asleep("reader", SYS_read);
}

static void alarm_handled(void)
{
	handle_alarm();
	set_alarm();
}

static void alarm_ignored(void)
{
	signal(SIGALRM, SIG_IGN);
	set_alarm();
}

static void alarm_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	set_alarm();
}

static void timer_handled(void)
{
	handle_alarm();
	posix_timer(true, SIGALRM);
}

static void timer_not_set(void)
{
	handle_alarm();
	posix_timer(false, SIGALRM);
}

static void timer_silent(void)
{
	posix_timer(true, 0);
}

static void timer_ignored(void)
{
	posix_timer(true, SIGURG);
}

static void handle(int number)
{
	const struct sigaction a = { .sa_handler = on_alarm };

	if (sigaction(number, &a, NULL))
		work_die("sigaction");
}

static void handle_children(void)
{
	handle(SIGCHLD);
}

/* a child has nothing of the knot, and could end at any time: the signal tells it */
static void leave_child(int number)
{
	pid_t pid = (pid_t)syscall(SYS_clone, number, 0, 0, 0, 0);

	if (pid < 0)
		work_die("clone");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(-1, -1);
	for (;;)
		pause();
}

static void child_handled(void)
{
	handle_children();
	leave_child(SIGCHLD);
}

/* ... whichever that is */
static void clone_handled(void)
{
	handle(SIGUSR1);
	leave_child(SIGUSR1);
}

/* ... that it stops is told by the usual one, also where its end is not told */
static void clone_stops(void)
{
	handle_children();
	leave_child(0);
}

/* ... and ends who has no handler for it */
static void clone_fatal(void)
{
	leave_child(SIGUSR1);
}

#define PROCESS_MODE(name)						\
	static void name##_knot(void)					\
	{								\
		process_knot(name);					\
	}

PROCESS_MODE(alarm_handled)
PROCESS_MODE(alarm_ignored)
PROCESS_MODE(alarm_blocked)
PROCESS_MODE(timer_handled)
PROCESS_MODE(timer_not_set)
PROCESS_MODE(timer_silent)
PROCESS_MODE(timer_ignored)
PROCESS_MODE(handle_children)
PROCESS_MODE(child_handled)
PROCESS_MODE(clone_handled)
PROCESS_MODE(clone_fatal)
PROCESS_MODE(clone_stops)

static const struct work_mode modes[] = {
	{ "timeralone", idle_alone },
	{ "timercycle", idle_cycle },
	{ "timerheld", idle_held },
	{ "timerends", idle_crossed },
	{ "timerset", set_timer },
	{ "alarmhandled", alarm_handled_knot },
	{ "alarmignored", alarm_ignored_knot },
	{ "alarmblocked", alarm_blocked_knot },
	{ "posixhandled", timer_handled_knot },
	{ "posixnotset", timer_not_set_knot },
	{ "posixsilent", timer_silent_knot },
	{ "posixignored", timer_ignored_knot },
	{ "alarmchildless", handle_children_knot },
	{ "alarmchild", child_handled_knot },
	{ "alarmclone", clone_handled_knot },
	{ "alarmfatal", clone_fatal_knot },
	{ "alarmstops", clone_stops_knot },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
