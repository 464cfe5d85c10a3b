// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A queue of programs and the threads that load them; see loads.h. All of them end
 * before loads_load() returns.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include <bpf/bpf.h>

#include "base/base.h"
#include "source/loads.h"

#define LICENSE "Dual BSD/GPL"	/* as in bpf/core.bpf.c */
/* the largest program takes as long as half of the others: more have nothing to do */
#define THREADS_MAX 3
/* smaller ones take no longer than to hand them over */
#define INSNS_MIN 256
/* kernels before v6.4 keep the beginning of a log, not its end; pages never written cost nothing */
#define LOG_SIZE (8u << 20)

struct load {
	const struct bpf_program *prog;
	struct bpf_prog_load_opts opts;
	struct bpf_insn *insns;
	size_t count;
	bool begun;
	int fd;				/* or -errno */
	char *log;			/* of the verifier, if it was asked for one */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct load **list;
	size_t count;
	bool complete;			/* nothing will be added */
	loads_refusal refused;
	void *refused_arg;
	/* libbpf ends with the first program that it cannot load, so that one log is enough */
	const struct bpf_program *last;
	char *log;
	pthread_t threads[THREADS_MAX];
	unsigned thread_count;
} loads = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ----------------------------------------------------------------- threads */

/* the largest first, so that none is left to wait for alone; NULL: there is none. Locked */
static struct load *next_load(void)
{
	struct load *best = NULL;

	for (size_t i = 0; i < loads.count; i++) {
		struct load *l = loads.list[i];

		if (!l->begun && (!best || l->count > best->count))
			best = l;
	}
	return best;
}

/* as libbpf does it: a log costs time, and is asked for when there is something to read in it */
static int load(struct load *l)
{
	const char *name = bpf_program__name(l->prog);
	enum bpf_prog_type type = bpf_program__type(l->prog);
	int fd = bpf_prog_load(type, name, LICENSE, l->insns, l->count, &l->opts);

	if (fd >= 0)
		return fd;
	l->log = calloc(1, LOG_SIZE);
	l->opts.log_buf = l->log;
	l->opts.log_size = l->log ? LOG_SIZE : 0;
	l->opts.log_level = l->log ? 1 : 0;
	return bpf_prog_load(type, name, LICENSE, l->insns, l->count, &l->opts);
}

/* until there are none and none will come; locked */
static void load_all(void)
{
	struct load *l;

	for (;;) {
		l = next_load();
		if (!l && loads.complete)
			return;
		if (!l) {
			pthread_cond_wait(&loads.changed, &loads.lock);
			continue;
		}
		l->begun = true;
		pthread_mutex_unlock(&loads.lock);
		l->fd = load(l);
		pthread_mutex_lock(&loads.lock);
	}
}

static void *be_thread(void *unused)
{
	pthread_mutex_lock(&loads.lock);
	load_all();
	pthread_mutex_unlock(&loads.lock);
	return NULL;
}

/* one less than CPUs, since this one loads, too */
static unsigned threads_wanted(void)
{
	cpu_set_t cpus;
	unsigned count;

	/* there are more of them than fit: one is not what that means */
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return errno == EINVAL ? THREADS_MAX : 0;
	count = CPU_COUNT(&cpus) - 1;
	return count < THREADS_MAX ? count : THREADS_MAX;
}

static void begin(void)
{
	unsigned wanted = threads_wanted();

	loads.complete = false;
	while (loads.thread_count < wanted &&
	       !pthread_create(&loads.threads[loads.thread_count], NULL, be_thread, NULL))
		loads.thread_count++;
}

/* drop: libbpf failed, nobody will miss those not begun yet */
static void end(bool drop)
{
	pthread_mutex_lock(&loads.lock);
	for (size_t i = 0; drop && i < loads.count; i++)
		loads.list[i]->begun = true;
	loads.complete = true;
	pthread_cond_broadcast(&loads.changed);
	load_all();
	pthread_mutex_unlock(&loads.lock);
	while (loads.thread_count)
		pthread_join(loads.threads[--loads.thread_count], NULL);
}

/* ------------------------------------------------------------------- loads */

bool loads_take(const struct bpf_program *prog, const struct bpf_prog_load_opts *opts,
		struct bpf_insn *insns, size_t count)
{
	struct load *l;

	loads.last = prog;
	*loads.log = 0;
	if (!loads.thread_count || count < INSNS_MIN)
		return false;
	l = xcalloc(1, sizeof(*l));
	*l = (struct load){ .prog = prog, .opts = *opts, .insns = insns, .count = count,
			    .fd = -ECANCELED };
	pthread_mutex_lock(&loads.lock);
	loads.list = xrealloc(loads.list, loads.count + 1, sizeof(*loads.list));
	loads.list[loads.count++] = l;
	pthread_cond_signal(&loads.changed);
	pthread_mutex_unlock(&loads.lock);
	return true;
}

static void tell_refused(const struct bpf_program *prog, const char *log)
{
	if (log && *log)
		loads.refused(loads.refused_arg, prog, log);
}

/*
 * What libbpf loaded in its place is the program from now on; frees it. drop: libbpf failed, and
 * took away maps that this may have been refused for.
 */
static int settle(struct load *l, bool drop)
{
	int err = l->fd < 0 ? l->fd : 0;

	if (err && !drop) {
		log_msg(LOG_DEBUG, "%s: %s", bpf_program__name(l->prog), strerror(-err));
		tell_refused(l->prog, l->log);
	}

	if (!err && !drop && dup3(l->fd, bpf_program__fd(l->prog), O_CLOEXEC) < 0)
		err = -errno;
	if (l->fd >= 0)
		close(l->fd);
	free(l->log);
	free(l->insns);
	free(l);
	return err;
}

static void keep_log(struct bpf_object *object)
{
	struct bpf_program *prog;

	loads.log = xcalloc(1, LOG_SIZE);
	bpf_object__for_each_program(prog, object)
		bpf_program__set_log_buf(prog, loads.log, LOG_SIZE);
}

int loads_load(struct bpf_object_skeleton *skeleton, loads_refusal refused, void *arg)
{
	int err, one;

	loads.refused = refused;
	loads.refused_arg = arg;
	loads.last = NULL;
	keep_log(*skeleton->obj);
	begin();
	err = bpf_object__load_skeleton(skeleton);
	end(err);
	if (err)
		tell_refused(loads.last, loads.log);
	while (loads.count) {
		one = settle(loads.list[--loads.count], err);
		if (!err)
			err = one;
	}
	free(loads.list);
	loads.list = NULL;
	free(loads.log);
	loads.log = NULL;
	return err;
}
