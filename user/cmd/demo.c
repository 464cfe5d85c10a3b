// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens demo: a report of this host with a small workload running, so that
 * a newcomer sees flows at once: a pipeline with a slow last stage, a fifo,
 * and a SysV queue with two senders.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "cmd/cmd.h"

enum { OPT_WORKLOAD = 2000 };

#define DEFAULT_DURATION_NS 10000000000ull

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		return 0;
	case 'd':
		o->duration_ns = options_duration(state, arg);
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case OPT_WORKLOAD:
		o->idle = true;	/* marks the inner call */
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "duration", 'd', "TIME", 0, "Observe for this long (default 10s)", 0 },
	{ "json", 'J', NULL, 0, "One JSON document, schema ipclens.report/1", 0 },
	{ "workload", OPT_WORKLOAD, NULL, OPTION_HIDDEN, NULL, 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_live, 0, "How to observe:", 2 },
	{}
};

static const struct argp parser = {
	options, parse, NULL, "Report on this host while a small demonstration workload runs.",
	children
};

/* --------------------------------------------------------------- workload */

static void rest_us(long us)
{
	struct timespec ts = { .tv_sec = 0, .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

/* a child that lives as long as its parent does */
static bool spawn(const char *name)
{
	if (fork())
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	return true;
}

static void copy_forever(int in, int out, long pause_us)
{
	char block[4096];
	ssize_t n;

	while ((n = read(in, block, sizeof(block))) > 0) {
		if (out >= 0 && write(out, block, n) < 0)
			_exit(1);
		if (pause_us)
			rest_us(pause_us);
	}
	_exit(0);
}

static void produce_forever(int out)
{
	static const char block[4096];

	while (write(out, block, sizeof(block)) > 0)
		continue;
	_exit(0);
}

static void start_pipeline(void)
{
	int first[2], second[2];

	if (pipe2(first, O_CLOEXEC) || pipe2(second, O_CLOEXEC))
		_exit(1);
	if (spawn("demo-producer")) {
		close(first[0]);
		produce_forever(first[1]);
	}
	if (spawn("demo-filter")) {
		close(first[1]);
		copy_forever(first[0], second[1], 0);
	}
	if (spawn("demo-consumer")) {
		close(second[1]);
		copy_forever(second[0], -1, 2000);
	}
	close(first[0]);
	close(first[1]);
	close(second[0]);
	close(second[1]);
}

static void start_fifo(void)
{
	char dir[] = "/tmp/ipclens-demo.XXXXXX", path[64];
	int fd;

	if (!mkdtemp(dir))
		_exit(1);
	snprintf(path, sizeof(path), "%s/requests", dir);
	if (mkfifo(path, 0600))
		_exit(1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (spawn("demo-client")) {
		for (;;) {
			if (write(fd, "request", 7) < 0)
				_exit(1);
			rest_us(20000);
		}
	}
	if (spawn("demo-server"))
		copy_forever(fd, -1, 0);
	/* both have it open; the name has served its purpose */
	unlink(path);
	rmdir(dir);
	close(fd);
}

static void send_forever(int queue, long type, long pause_us)
{
	struct { long type; char text[48]; } m = { .type = type };

	for (;;) {
		if (msgsnd(queue, &m, sizeof(m.text), 0))
			_exit(1);
		rest_us(pause_us);
	}
}

static void start_queue(void)
{
	int queue = msgget(IPC_PRIVATE, 0600);
	struct { long type; char text[48]; } m;

	if (queue < 0)
		_exit(1);
	if (spawn("demo-sensor"))
		send_forever(queue, 1, 5000);
	if (spawn("demo-alarm"))
		send_forever(queue, 2, 50000);
	if (spawn("demo-logger"))
		while (msgrcv(queue, &m, sizeof(m.text), 0, 0) >= 0)
			continue;
	/* a queue outlives its users: someone has to remove it when the parent goes */
	if (spawn("demo-keeper")) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		sigwaitinfo(&set, NULL);
		msgctl(queue, IPC_RMID, NULL);
		_exit(0);
	}
}

/* the collector has become nobody, whose death signal would not reach us: watch it instead */
static int workload(void)
{
	struct pollfd collector = { .fd = syscall(SYS_pidfd_open, getppid(), 0),
				    .events = POLLIN };

	prctl(PR_SET_NAME, "demo");
	start_pipeline();
	start_fifo();
	start_queue();
	while (collector.fd >= 0 && poll(&collector, 1, -1) < 0 && errno == EINTR)
		continue;
	return EXIT_OK;
}

/* -------------------------------------------------------------------- demo */

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};
	_cleanup_(world_freep) struct world *w = world_new();
	char *inner[] = { "/proc/self/exe", "demo", "--workload", NULL };
	struct session s = { .opt = &o, .want_samples = true, .totals_ms = 1000, .world = w };
	struct render_options r;
	int status, shown;

	options_parse(&parser, argc, argv, &o);
	if (o.idle)
		return workload();
	if (!o.duration_ns)
		o.duration_ns = DEFAULT_DURATION_NS;
	o.command = inner;
	status = session_run(&s);
	if (status != EXIT_OK && status != EXIT_LOSS)
		return status;
	world_settle(w);
	r = options_render(&o);
	shown = output_document(o.json ? render_report_json : render_report_text, w, &r);
	return shown != EXIT_OK ? shown : status;
}

const struct cmd cmd_demo = { "demo", "report with a small built-in workload running", run };
