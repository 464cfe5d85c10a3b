/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Several writers and several readers on one pipe. Every byte is the number
 * of its writer, so that each reader knows whose bytes it got.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

#define CROWD 8

struct role {
	long calls;			/* writers only; readers go on until the end */
	size_t least, most;		/* bytes per call */
};

struct task {
	unsigned number;		/* writers: 1.., what their bytes are */
	struct role role;
};

static struct duct a;
static struct task writer[CROWD], reader[CROWD];
static pid_t writer_pid[CROWD];

static size_t pick(const struct role *r, unsigned *seed)
{
	return r->least + (unsigned)rand_r(seed) % (r->most - r->least + 1);
}

static void do_write(void *arg)
{
	const struct task *t = arg;
	unsigned seed = t->number;

	close(a.r);
	memset(duct_data, (int)t->number, sizeof(duct_data));
	for (long i = 0; i < t->role.calls; i++) {
		size_t len = pick(&t->role, &seed);

		work_expect(duct_put(&a, len), (ssize_t)len, "write");
	}
	close(a.w);
}

static void do_read(void *arg)
{
	const struct task *t = arg;
	unsigned seed = t->number + 100;
	uint64_t bytes[CROWD] = { 0 };
	ssize_t n;

	close(a.w);
	while ((n = duct_get(&a, pick(&t->role, &seed))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			bytes[duct_sink[i] - 1]++;
	}
	if (n)
		work_die("read");
	for (unsigned i = 0; i < CROWD; i++) {
		if (bytes[i])
			work_flow(a.c, writer_pid[i], 0, bytes[i]);
	}
}

/* starts them all, readers last: those know the writers; ends when the pipe is empty */
static void crowd(unsigned writers, unsigned readers, struct role w, struct role r)
{
	pid_t kid[2 * CROWD];
	unsigned n = 0;

	work_flows_by_hand(a.c);
	work_ready();
	for (unsigned i = 0; i < writers; i++) {
		writer[i] = (struct task){ i + 1, w };
		/* no two writers alike */
		writer[i].role.calls += 17 * i;
		writer_pid[i] = kid[n++] = work_spawn(do_write, &writer[i]);
	}
	close(a.w);
	for (unsigned i = 0; i < readers; i++) {
		reader[i] = (struct task){ i + 1, r };
		kid[n++] = work_spawn(do_read, &reader[i]);
	}
	for (unsigned i = 0; i < n; i++)
		work_wait(kid[i]);
}

static void run_writers(void)
{
	a = duct_new(0);
	crowd(2, 1, (struct role){ work_arg(0, 300), 1000, 1000 },
	      (struct role){ 0, 65536, 65536 });
}

static void run_readers(void)
{
	a = duct_new(0);
	crowd(1, 3, (struct role){ work_arg(0, 1000), 100, 900 }, (struct role){ 0, 1, 700 });
}

/* writes of at most PIPE_BUF are in one piece, reads cut anywhere */
static void run_matrix(void)
{
	a = duct_new(0);
	crowd(3, 3, (struct role){ work_arg(0, 500), 1, PIPE_BUF }, (struct role){ 0, 1, 5000 });
}

/* ... and with packets each read is one write */
static void run_packets(void)
{
	a = duct_new(O_DIRECT);
	crowd(3, 3, (struct role){ work_arg(0, 500), 1, PIPE_BUF },
	      (struct role){ 0, PIPE_BUF, PIPE_BUF });
}

/* longer writes are torn apart: nobody who sees only calls can know the order */
static void run_torn(void)
{
	a = duct_new(0);
	crowd(3, 3, (struct role){ work_arg(0, 50), 1, 100000 }, (struct role){ 0, 1, 50000 });
}

/* one process after the other, so that nothing overlaps */
static void write_some(void *arg)
{
	const struct task *t = arg;

	memset(duct_data, (int)t->number, 100 * t->number);
	duct_put(&a, 100 * t->number);
}

static void read_some(void *arg)
{
	const struct task *t = arg;
	uint64_t bytes[CROWD] = { 0 };
	ssize_t n = duct_get(&a, 150 * t->number);

	for (ssize_t i = 0; i < n; i++)
		bytes[duct_sink[i] - 1]++;
	for (unsigned i = 0; i < CROWD; i++) {
		if (bytes[i])
			work_flow(a.c, writer_pid[i], 0, bytes[i]);
	}
}

static void run_inturn(void)
{
	a = duct_new(0);
	work_flows_by_hand(a.c);
	work_ready();
	for (unsigned i = 0; i < 4; i++) {
		writer[i] = reader[i] = (struct task){ i + 1, { 0 } };
		writer_pid[i] = work_spawn(write_some, &writer[i]);
		work_wait(writer_pid[i]);
	}
	/* 1000 bytes were written; 150 + 300 + 450 of them are read */
	for (unsigned i = 0; i < 3; i++)
		work_wait(work_spawn(read_some, &reader[i]));
}

static const struct work_mode modes[] = {
	{ "writers", run_writers },
	{ "readers", run_readers },
	{ "matrix", run_matrix },
	{ "packets", run_packets },
	{ "torn", run_torn },
	{ "inturn", run_inturn },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
