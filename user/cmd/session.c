// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A run over the live kernel: attach, give up every privilege, then turn a
 * loop of bounded steps until the time is up, the command has ended, or a
 * signal came.
 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "cmd/cmd.h"
#include "mech/mech.h"

#define MS 1000000ull		/* ns */
#define POLL_MIN_NS (1 * MS)	/* between looks into the ring when it is busy ... */
#define POLL_MAX_NS (50 * MS)	/* ... and when nothing happens */
#define FLUSH_NS (1000 * MS)	/* a killed recorder loses no more than this */

struct run {
	struct session *s;
	struct live *live;
	struct command *command;
	int signal_fd;
	bool stop;
	bool observed;		/* the loop was entered */
	bool misused;		/* the command line asks for what does not exist */
	bool stuck;		/* these records are the look at who is stuck */
	uint64_t records;	/* taken in since the ring was last looked into */
	uint64_t poll_ns, next_poll, next_sample, next_totals, next_flush, deadline;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* --------------------------------------------------------------- variants */

struct live_options session_live_options(const struct options *o, struct live_choice **ret_choices)
{
	struct live_options live = {
		.max_endpoints = o->max_endpoints,
		.ring_bytes = o->ring_bytes,
		.check_descriptors = o->strict,
		.stuck = o->stuck,
		.stream_ops = o->stream_ops,
		.feeds_output = o->feeds_output,
		.number_messages = true,
		.sample_ns = o->sample_ns,
		.variants = o->variants.items,
		.simulate_drops = o->simulate_drops,
	};
	struct live_choice *choices = NULL;
	size_t n = 0;

	for (unsigned kind = LENS_KIND_NONE + 1; kind < LENS_KIND_MAX; kind++) {
		const struct mech *m = mech_get(kind);

		if (!m || (o->kinds && !(o->kinds >> kind & 1)))
			continue;	/* not hooked: what nobody asks for costs nothing */
		for (const struct mech_variant *v = m->variants; v->name; v++) {
			choices = xrealloc(choices, n + 1, sizeof(*choices));
			choices[n++] = (struct live_choice){
				.kind = kind, .group = m->group, .variant = v->name,
				.limits = v->limits, .extra_limits = v->extra_limits,
			};
		}
	}
	live.choices = choices;
	live.choice_count = n;
	*ret_choices = choices;
	return live;
}

/* ---------------------------------------------------------------- records */

static void note_loss(struct session *s, const struct lens_rec_loss *rec)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < LENS_LOSS_MAX; i++)
		lost += rec->count[i];
	if (rec->kind < LENS_KIND_MAX)
		s->lost[rec->kind] = lost;
}

static void note_unplaced(struct session *s, const struct lens_rec_total *rec)
{
	s->unplaced |= rec->key.dev == LENS_DEV_UNPLACED && event_total_any(&rec->total) &&
		       !(rec->total.flags & LENS_END_SELF);
}

uint64_t session_lost(const struct session *s)
{
	/* without a world nobody has summed up how many had no room */
	uint64_t lost = s->world ? s->world->loss.bad_records + world_unplaced(s->world)
				 : s->unplaced;

	for (unsigned i = 0; i < LENS_KIND_MAX; i++)
		lost += s->lost[i];
	return lost;
}

static int take(void *arg, const struct lens_rec *rec)
{
	struct run *r = arg;
	struct session *s = r->s;
	struct event ev;
	size_t skip;
	int err = 0;

	r->records++;
	if (s->writer)
		err = recording_write(s->writer, rec);
	if (err < 0)
		return err;
	if (rec->type == LENS_REC_LOSS && rec->len == sizeof(struct lens_rec_loss))
		note_loss(s, (const struct lens_rec_loss *)rec);
	if (rec->type == LENS_REC_TOTAL && rec->len == sizeof(struct lens_rec_total))
		note_unplaced(s, (const struct lens_rec_total *)rec);
	if (!s->world)
		return 0;
	if (event_decode(rec, rec->len, &ev, &skip) < 0) {
		s->world->loss.bad_records++;
		return 0;
	}
	world_apply(s->world, &ev);
	if (r->stuck && s->stuck)
		stuck_apply(s->stuck, &ev);
	if (s->on_event && s->on_event(s->arg, &ev) > 0)
		r->stop = true;
	return 0;
}

static int take_mark(struct run *r, enum lens_mark mark, uint64_t value)
{
	struct lens_rec_mark m = {
		.h = { .len = sizeof(m), .type = LENS_REC_MARK, .ts_ns = now_ns() },
		.mark = mark, .value = value,
	};

	return take(r, &m.h);
}

static int take_command_exit(struct run *r)
{
	int status, err = command_wait(r->command, &status);

	return err < 0 ? err : take_mark(r, LENS_MARK_COMMAND_EXIT, (uint32_t)status);
}

/* ---------------------------------------------------------------- signals */

static int open_signals(int *ret_fd)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return log_err(-errno, "cannot wait for signals: %s", strerror(errno));
	*ret_fd = fd;
	return 0;
}

/* the first one asks for the summary; left pending it would count as the second */
static void take_signal(struct run *r)
{
	struct signalfd_siginfo info;

	if (read(r->signal_fd, &info, sizeof(info)) < 0)
		log_msg(LOG_DEBUG, "a signal vanished: %s", strerror(errno));
}

static void on_second_signal(int signal_number)
{
	_exit(EXIT_INTERRUPTED);
}

/* from here on a signal means: now */
static void close_signals(int fd, uint64_t finishing_ns)
{
	struct sigaction now = { .sa_handler = on_second_signal };
	struct signalfd_siginfo info;
	sigset_t set;

	if (finishing_ns && now_ns() - finishing_ns < ONE_REQUEST_NS)
		while (fd >= 0 && read(fd, &info, sizeof(info)) > 0)
			continue;
	sigemptyset(&set);
	sigaction(SIGINT, &now, NULL);
	sigaction(SIGTERM, &now, NULL);
	sigaction(SIGHUP, &now, NULL);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (fd >= 0)
		close(fd);
}

/* ------------------------------------------------------------------- loop */

static int turn_poll(struct run *r, uint64_t now)
{
	int more;

	r->records = 0;
	more = live_poll(r->live, take, r);
	if (more < 0)
		return more;
	/* quick while there is traffic, slow while there is none */
	r->poll_ns = r->records > 256 ? r->poll_ns / 4 : r->poll_ns * 2;
	if (r->poll_ns < POLL_MIN_NS || more > 0)
		r->poll_ns = POLL_MIN_NS;
	if (r->poll_ns > POLL_MAX_NS)
		r->poll_ns = POLL_MAX_NS;
	r->next_poll = more > 0 ? now : now + r->poll_ns;
	return 0;
}

static int turn(struct run *r)
{
	struct session *s = r->s;
	uint64_t now = now_ns();
	int err = 0;

	if (now >= r->next_poll)
		err = turn_poll(r, now);
	if (err >= 0 && (now >= r->next_totals || live_totals_are_due(r->live))) {
		err = live_totals(r->live, take, r);
		r->next_totals = now + s->totals_ms * MS;
	}
	if (err >= 0 && live_look_is_due(r->live))
		err = live_look(r->live, take, r);
	if (err >= 0 && s->want_samples && now >= r->next_sample) {
		err = live_sample(r->live, take, r);
		r->next_sample = now + s->opt->sample_ns;
	}
	if (err >= 0 && s->writer && now >= r->next_flush) {
		err = recording_flush(s->writer);
		r->next_flush = now + FLUSH_NS;
	}
	if (s->on_turn && s->on_turn(s->arg) > 0)
		r->stop = true;
	if (r->deadline && now >= r->deadline)
		r->stop = true;
	return err;
}

static int pause_ms(const struct run *r)
{
	uint64_t now = now_ns(), next = r->next_poll;

	if (r->s->want_samples && r->next_sample < next)
		next = r->next_sample;
	if (r->next_totals < next)
		next = r->next_totals;
	if (r->deadline && r->deadline < next)
		next = r->deadline;
	return next > now ? (next - now + MS - 1) / MS : 0;
}

static int loop(struct run *r)
{
	struct pollfd fds[] = {
		{ .fd = r->signal_fd, .events = POLLIN },
		{ .fd = r->command ? command_fd(r->command) : -1, .events = POLLIN },
	};
	int err = 0;

	while (!r->stop && err >= 0) {
		if (poll(fds, ARRAY_SIZE(fds), pause_ms(r)) < 0 && errno != EINTR)
			return log_err(-errno, "cannot wait: %s", strerror(errno));
		if (fds[0].revents) {
			take_signal(r);
			break;
		}
		if (fds[1].revents) {
			err = take_command_exit(r);
			break;
		}
		err = turn(r);
	}
	return err < 0 ? err : 0;
}

/* ------------------------------------------------------------------ start */

static int check_pids(const struct options *o)
{
	char path[32];

	for (size_t i = 0; i < o->pid_count; i++) {
		snprintf(path, sizeof(path), "/proc/%u", o->pids[i]);
		if (access(path, F_OK))
			return log_err(-ESRCH, "there is no process %u", o->pids[i]);
	}
	return 0;
}

/* everything that needs privilege, ending with having none */
static int prepare(struct run *r)
{
	struct session *s = r->s;
	_cleanup_free_ struct live_choice *choices = NULL;
	struct live_options live = session_live_options(s->opt, &choices);
	struct sandbox_options sandbox = { .allow_file_io = s->record_path != NULL };
	int err = check_pids(s->opt);

	live.snapshot = s->snapshot;
	/* who got whose messages nobody asks of single operations */
	live.number_messages = s->want_samples;
	if (!err)
		err = open_signals(&r->signal_fd);
	if (!err && s->opt->command)
		err = command_prepare(s->opt->command, &r->command);
	if (!err) {
		err = live_open(&live, &r->live);
		r->misused = err == -EINVAL;
	}
	if (!err && r->command)
		err = live_follow(r->live, command_pid(r->command));
	if (!err && s->record_path)
		err = recording_create(s->record_path, s->opt->overwrite, &s->writer);
	if (!err)
		err = sandbox_enter(&sandbox);
	if (err < 0)
		return err;
	err = live_start(r->live, take, r);
	if (err >= 0 && r->command)
		err = take_mark(r, LENS_MARK_COMMAND, 0);
	/* the choices are only read until here */
	return err < 0 ? err : 0;
}

static int look_at_stuck(struct run *r)
{
	int err;

	r->stuck = true;
	err = live_stuck(r->live, STUCK_BETWEEN_NS, take, r);
	r->stuck = false;
	return err;
}

static int observe(struct run *r)
{
	uint64_t now = now_ns();
	int err = 0;

	r->poll_ns = POLL_MIN_NS;
	r->next_totals = now + r->s->totals_ms * MS;
	r->next_flush = now + FLUSH_NS;
	if (r->s->opt->duration_ns)
		r->deadline = now + r->s->opt->duration_ns;
	log_msg(LOG_INFO, "observing");
	if (r->command)
		err = command_go(r->command);
	if (err)
		return err;	/* nothing ran, there is nothing to report */
	r->observed = true;
	if (!r->s->snapshot)
		err = loop(r);
	r->s->finishing_ns = now_ns();
	if (err >= 0 && r->s->opt->stuck)
		err = look_at_stuck(r);
	if (err >= 0)
		err = live_finish(r->live, take, r);
	if (r->s->on_turn)
		r->s->on_turn(r->s->arg);
	return err;
}

int session_run(struct session *s)
{
	struct run r = { .s = s, .signal_fd = -1 };
	int err = prepare(&r), closed = 0;

	if (!err)
		err = observe(&r);
	close_signals(r.signal_fd, s->finishing_ns);
	if (s->writer)
		closed = recording_close(&s->writer);
	if (err >= 0 && closed < 0)
		err = closed;
	/* an observation that broke off half-way is still worth its first half */
	if (s->on_complete && r.observed)
		s->on_complete(s->arg);
	live_freep(&r.live);
	command_freep(&r.command);
	if (r.misused)
		return EXIT_USAGE;
	if (err >= 0 && s->opt->strict && session_lost(s))
		return EXIT_LOSS;
	return options_exit_status(err);
}
