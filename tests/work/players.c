/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind players.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "counted.h"
#include "dice.h"
#include "ends.h"
#include "estate.h"
#include "heirloom.h"
#include "messages.h"
#include "moves.h"
#include "players.h"
#include "work.h"

enum { STEPS = 25, PATIENCE_S = 60, LOOK_S = 2 };

/* a process, waiting for what to do */
struct player {
	sem_t go;
	part *part;
	bool busy;
};

static struct {
	struct player player[PROCS];
	struct op op;
	sem_t done;
	bool failed;		/* one of them, and it has said why */
	pid_t director;
	pid_t group;		/* of the processes of this program */
} *play;

static int director_fd;

struct op *play_op;
static unsigned me;

/* ------------------------------------------------------------ what others do */

struct slot *slot_of(unsigned proc, int slot)
{
	return &stage->slot[proc][slot];
}

static struct end own_end(int slot)
{
	return end_of(slot_of(me, slot));
}

unsigned player_self(void)
{
	return me;
}

bool player_is_busy(unsigned proc)
{
	return __atomic_load_n(&play->player[proc].busy, __ATOMIC_SEQ_CST);
}

static void may_wait(int fd, bool may)
{
	if (fcntl(fd, F_SETFL, may ? 0 : O_NONBLOCK))
		work_die("F_SETFL");
}

void do_make(const struct op *o)
{
	pair_make(&mechs[o->mech], slot_of(me, o->free), slot_of(me, o->with));
}

static void do_fork(const struct op *o)
{
	pid_t pid;

	memcpy(stage->slot[o->other], stage->slot[me], sizeof(stage->slot[0]));
	pid = fork();
	if (pid < 0)
		work_die("fork");
	if (pid)
		return;
	work_adopt();
	/* its parent may go, and it stays */
	prctl(PR_SET_PDEATHSIG, 0);
	me = o->other;
	stage->pid[me] = getpid();
	estate_enter(me, o->proc);
}

void do_dup(const struct op *o)
{
	struct slot *to = slot_of(me, o->free);

	*to = *slot_of(me, o->slot);
	to->closes = o->how & 1;
	to->fd = fcntl(to->fd, to->closes ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

void do_close_on_exec(const struct op *o)
{
	struct slot *s = slot_of(me, o->slot);

	s->closes = !s->closes;
	if (fcntl(s->fd, F_SETFD, s->closes ? FD_CLOEXEC : 0))
		work_die("F_SETFD");
}

void do_close(const struct op *o)
{
	struct slot *s = slot_of(me, o->slot);
	bool is_fd = !stage->pair[s->pair].mech->no_fd;

	slot_leave(s);
	if (is_fd)
		close(s->fd);
}

static void do_quit(const struct op *o)
{
	for (int i = 0; i < SLOTS; i++)
		if (slot_of(me, i)->used)
			slot_leave(slot_of(me, i));
	estate_leave();
	play->player[me].busy = false;
	sem_post(&play->done);
	_exit(0);
}

void do_put(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_put(&e, o->len, o->how);
}

void do_get(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_get(&e, o->len, o->how);
}

void do_peek(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_peek(&e, o->len, o->how);
}

void do_splice(const struct op *o)
{
	struct end from = own_end(o->slot), to = own_end(o->with);

	move_splice(&from, &to, o->len);
}

void do_tee(const struct op *o)
{
	struct end from = own_end(o->slot), to = own_end(o->with);

	move_tee(&from, &to, o->len);
}

void do_from_file(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_from_file(&e, o->len + 1, o->how);
}

void do_to_file(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_to_file(&e, o->len + 1, o->how);
}

void do_resize(const struct op *o)
{
	fcntl(slot_of(me, o->slot)->fd, F_SETPIPE_SZ, 4096 << o->how % 6);
}

void do_shut(const struct op *o)
{
	struct end e = own_end(o->slot);

	shutdown(e.fd, e.mech->resets ? SHUT_WR : (int)(o->how % 3));
	e.pair->shut = true;
}

void do_remove(const struct op *o)
{
	struct end e = own_end(o->slot);

	e.mech->remove(e.pair);
	e.pair->named = false;
}

void do_pass(const struct op *o)
{
	struct end e = own_end(o->slot);

	move_pass(&e, slot_of(me, (int)(o->how % SLOTS))->fd);
}

/* what the other process has just sent */
void do_receive(const struct op *o)
{
	struct end e = own_end(o->with);
	bool closes = o->how / SLOTS & 1;
	int fd = move_receive(&e, closes ? MSG_CMSG_CLOEXEC : 0);
	struct slot *s = slot_of(me, o->free);

	if (fd < 0)
		return;
	*s = *slot_of(o->proc, (int)(o->how % SLOTS));
	s->closes = closes;
	s->fd = fd;
}

void do_wait_get(const struct op *o)
{
	struct end e = own_end(o->slot);
	if (!e.mech->no_fd)
		may_wait(e.fd, true);
	move_get(&e, o->len + 1, o->how | HOW_WAIT);
	if (!e.mech->no_fd)
		may_wait(e.fd, false);
}

/* by one call, and others may have it before that returns */
static ssize_t put_ahead(const struct end *e, size_t len, unsigned how)
{
	how |= 3;
	counted_ahead(e, len, message_tag(e, how));
	return move_put(e, len, how);
}

/* until it is taken, or nobody waits for it any more */
void do_serve(const struct op *o)
{
	struct end e = own_end(o->with);

	while (put_ahead(&e, 1 + o->len % 900, (o->how & ~4u) | HOW_PLAIN) < 0 &&
	       player_is_busy(o->proc))
		sched_yield();
}

/* until it takes no more */
void do_fill(const struct op *o)
{
	struct end e = own_end(o->slot);

	for (unsigned i = 0; i < 500; i++)
		if (move_put(&e, e.mech->most_bytes, HOW_PLAIN) < 0)
			return;
}

void do_wait_put(const struct op *o)
{
	struct end e = own_end(o->slot);
	if (!e.mech->no_fd)
		may_wait(e.fd, true);
	put_ahead(&e, e.mech->messages ? o->len : o->len + e.mech->most_bytes / 2,
		  (o->how & ~4u) | HOW_WAIT);
	if (!e.mech->no_fd)
		may_wait(e.fd, false);
}

void do_drain(const struct op *o)
{
	struct end e = own_end(o->with);

	while (player_is_busy(o->proc)) {
		move_get(&e, e.mech->most_bytes, HOW_PLAIN);
		sched_yield();
	}
}

/* a word of shared memory would say what is there: the eventfd says that something is */
void do_await_bell(const struct op *o)
{
	struct end e = own_end(o->slot);
	struct pollfd p = { .fd = e.fd, .events = POLLIN };

	work_expect(poll(&p, 1, -1), 1, "poll");
	move_get(&e, o->len, HOW_PLAIN);
}

void do_ring_bell(const struct op *o)
{
	struct end e = own_end(o->with);

	put_ahead(&e, 1 + o->len % e.mech->most_bytes, HOW_PLAIN);
}

/* all at the same time, each on its own */
void do_mingle(const struct op *o)
{
	dice_seed(o->how + me);
	for (unsigned i = 0; i < STEPS; i++) {
		const struct slot *s = slot_of(me, (int)draw(SLOTS));
		struct end e;

		if (!s->used)
			continue;
		e = end_of(s);
		if (draw(2) && slot_puts(s))
			move_put(&e, draw_len(e.mech->most_bytes - 3) + 3, draw(1000));
		else if (slot_gets(s))
			move_get(&e, e.mech->messages ? e.mech->most_bytes : draw(9000) + 1,
				 draw(1000));
	}
}

/* what is in it now stays there */
void do_settle(const struct op *o)
{
	struct end e = own_end(o->slot);
	int chan = e.in >= 0 ? e.in : e.out;

	work_look_through(chan, e.fd);
	work_settled(chan);
}

/* also while nobody has asked for its status yet */
static bool director_ended(int patience_ms)
{
	struct pollfd p = { .fd = director_fd, .events = POLLIN };

	return poll(&p, 1, patience_ms) > 0;
}

/* holds on to all it has */
void do_stay(const struct op *o)
{
	sem_post(&play->done);
	while (!director_ended(-1))
		;
	_exit(0);
}

/* ------------------------------------------------------------------- playing */

static void await_go(void)
{
	struct timespec t;

	for (;;) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += LOOK_S;
		if (!sem_timedwait(&play->player[me].go, &t))
			return;
		if (director_ended(0))
			_exit(1);
	}
}

static void come_back(void)
{
	alarm(0);
	__atomic_store_n(&play->player[me].busy, false, __ATOMIC_SEQ_CST);
	sem_post(&play->done);
}

static _Noreturn void be_player(void)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* what they send each other */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	for (;;) {
		await_go();
		/* ends who waits for what does not come, even if nobody is left to do so */
		alarm(2 * PATIENCE_S);
		play->player[me].part(play_op);
		come_back();
	}
}

static void begin(unsigned proc, part *p)
{
	play->player[proc].part = p;
	__atomic_store_n(&play->player[proc].busy, true, __ATOMIC_SEQ_CST);
	sem_post(&play->player[proc].go);
}

static void await_done(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += PATIENCE_S;
	while (sem_timedwait(&play->done, &t))
		if (errno != EINTR)
			work_die("a process of the program does not come back");
	errno = ECHILD;
	if (play->failed)
		work_die("a process of the program failed");
}

void perform(part *p)
{
	begin(play_op->proc, p);
	await_done();
}

void perform_both(part *p, part *others)
{
	begin(play_op->proc, p);
	begin(play_op->other, others);
	await_done();
	await_done();
}

void perform_other(part *p)
{
	begin(play_op->other, p);
	await_done();
}

void perform_all(part *p)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PROCS; i++)
		if (stage->pid[i]) {
			begin(i, p);
			count++;
		}
	while (count--)
		await_done();
}

void perform_fork(void)
{
	stage->proc_count++;
	begin(play_op->proc, do_fork);
	/* both of them come back */
	await_done();
	await_done();
}

void perform_quit(void)
{
	unsigned proc = play_op->proc;
	pid_t pid = stage->pid[proc];

	perform(do_quit);
	while (!kill(pid, 0)) {
		waitpid(pid, NULL, WNOHANG);
		sched_yield();
	}
	stage->pid[proc] = 0;
}

void players_first(void)
{
	pid_t pid = fork();

	if (pid < 0)
		work_die("fork");
	if (pid) {
		stage->pid[0] = pid;
		play->group = pid;
		setpgid(pid, pid);
		return;
	}
	work_adopt();
	/* whoever comes from it is of this group, too; whichever of the two is faster */
	setpgid(0, 0);
	me = 0;
	estate_enter(me, PROCS);
	be_player();
}

pid_t players_group(void)
{
	return play->group;
}

void players_ended(void)
{
	play->group = 0;
}

/* where a process ends that found something wrong: the others leave by _exit() */
static void fail(void)
{
	if (getpid() == play->director) {
		/* some may wait for others that have failed */
		if (play->group)
			kill(-play->group, SIGKILL);
		return;
	}
	play->failed = true;
	sem_post(&play->done);
}

static void watch_director(void)
{
	director_fd = (int)syscall(SYS_pidfd_open, play->director, 0);
	if (director_fd < 0)
		work_die("pidfd_open");
	play_op = &play->op;
	atexit(fail);
}

void players_create(void)
{
	play = heirloom_create(HEIRLOOM_PLAY, sizeof(*play));
	stage = heirloom_create(HEIRLOOM_STAGE, sizeof(*stage));
	if (sem_init(&play->done, 1, 0))
		work_die("players");
	for (unsigned i = 0; i < PROCS; i++)
		if (sem_init(&play->player[i].go, 1, 0))
			work_die("players");
	play->director = getpid();
	watch_director();
	/* whose parent has gone comes here */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		work_die("PR_SET_CHILD_SUBREAPER");
}

/* --------------------------------------------------------------------- exec */

static _Noreturn void *execute(void *how)
{
	char self[16];

	snprintf(self, sizeof(self), "%u", me);
	work_exec(*(const unsigned *)how & 2 ? "@detour" : "@player",
		  (const char *const[]){ self, NULL });
}

/* what is closed by it is closed before, as the truth has it; any thread may do it */
void do_exec(const struct op *o)
{
	pthread_t thread;

	for (int i = 0; i < SLOTS; i++)
		if (slot_of(me, i)->used && slot_of(me, i)->closes)
			slot_leave(slot_of(me, i));
	if (!(o->how & 1))
		execute((void *)&o->how);
	if (pthread_create(&thread, NULL, execute, (void *)&o->how))
		work_die("thread");
	pause();
}

void players_find(unsigned proc)
{
	/* by which the observer knows whom it is to tell of */
	prctl(PR_SET_NAME, "random");
	play = heirloom_find(HEIRLOOM_PLAY, sizeof(*play));
	stage = heirloom_find(HEIRLOOM_STAGE, sizeof(*stage));
	me = proc;
	watch_director();
	estate_find(me);
	come_back();
	be_player();
}
