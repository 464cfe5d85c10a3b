/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the processes of a workload count, in memory they share, and its text.
 * Before it is printed it must agree with the kernel's own depth of each
 * channel: a workload that miscounts fails, not the program under test.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "depth.h"
#include "truth.h"
#include "work.h"

#define CHANS 4096
#define SIDES 16384
#define FLOWS 8192
#define TYPES 64
#define FACTS 64
#define TABLE_ENV "WORK_TABLE"

enum { KIND_PIPE, KIND_FIFO, KIND_QUEUE, KIND_MQ };

struct chan {
	int kind;
	bool gone, by_hand, unbalanced, settled;
	uint64_t dev, ino, ipcns;	/* queues: ino is the id */
	int64_t before_bytes, before_messages;
	int64_t discarded_bytes, discarded_messages;
	int64_t in_flight;
	int64_t queued_bytes, queued_messages, capacity;
};

struct side {
	int chan;
	enum work_dir dir;
	pid_t pid;
	bool any_operations;
	uint64_t operations, messages, bytes, errors;
};

struct flow { int chan; pid_t from, to; uint64_t messages, bytes; };
struct type { int chan; long type; int64_t messages, bytes; };
struct fact { char name[32]; long value; };

struct table {
	unsigned chan_count, side_count, flow_count, type_count, fact_count;
	unsigned lock;
	struct chan chan[CHANS];
	struct side side[SIDES];
	struct flow flow[FLOWS];
	struct type type[TYPES];
	struct fact fact[FACTS];
};

static struct table *table;
static int table_fd = -1;
/* of this process: its entries, and by what to look at a channel */
static struct side *mine[CHANS][2];
static pid_t me;
static bool reborn;
static int look_fd[CHANS];
static const char *look_path[CHANS];

static void lock(void)
{
	while (__atomic_exchange_n(&table->lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void unlock(void)
{
	__atomic_store_n(&table->lock, 0, __ATOMIC_RELEASE);
}

static void map_table(void)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
	if (table == MAP_FAILED)
		work_die("truth");
	me = getpid();
}

void truth_create(void)
{
	table_fd = memfd_create("truth", MFD_CLOEXEC);
	if (table_fd < 0 || ftruncate(table_fd, sizeof(*table)))
		work_die("truth");
	map_table();
}

void truth_export(void)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", table_fd);
	if (fcntl(table_fd, F_SETFD, 0) || setenv(TABLE_ENV, text, 1))
		work_die("truth");
}

void truth_import(void)
{
	const char *text = getenv(TABLE_ENV);

	errno = EINVAL;
	if (!text)
		work_die(TABLE_ENV);
	table_fd = atoi(text);
	map_table();
	reborn = true;
}

void truth_new_process(void)
{
	memset(mine, 0, sizeof(mine));
	me = getpid();
	reborn = false;
}

/* ------------------------------------------------------------------ channels */

static unsigned take(unsigned *count, unsigned limit, const char *what)
{
	unsigned n = __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);

	errno = ENOSPC;
	if (n >= limit)
		work_die(what);
	return n;
}

int work_pipe(int fd, const char *path)
{
	unsigned n = take(&table->chan_count, CHANS, "channels");
	struct chan *c = &table->chan[n];
	struct stat st;

	if (fstat(fd, &st))
		work_die("fstat");
	c->kind = path ? KIND_FIFO : KIND_PIPE;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	look_fd[n] = fd;
	look_path[n] = path;
	return (int)n;
}

void work_look_through(int chan, int fd)
{
	look_fd[chan] = fd;
}

static void look(struct chan *c, int n);

static uint64_t ipc_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/ipc", &st))
		work_die("ipc namespace");
	return st.st_ino;
}

int work_queue(int msqid)
{
	unsigned n = take(&table->chan_count, CHANS, "channels");
	struct chan *c = &table->chan[n];

	c->kind = KIND_QUEUE;
	c->ino = (uint64_t)msqid;
	c->ipcns = ipc_namespace();
	return (int)n;
}

int work_mq(int mqd, const char *name)
{
	int n = work_pipe(mqd, name);

	table->chan[n].kind = KIND_MQ;
	table->chan[n].ipcns = ipc_namespace();
	return n;
}

void work_settled(int chan)
{
	look(&table->chan[chan], chan);
	table->chan[chan].settled = true;
}

/* does a channel keep messages apart? */
static bool has_messages(const struct chan *c)
{
	return c->kind == KIND_QUEUE || c->kind == KIND_MQ;
}

static void look(struct chan *c, int n)
{
	struct depth depth;
	struct stat st;

	if (c->gone || c->settled)
		return;
	/* from another namespace the same id is another queue, or cannot be seen */
	c->unbalanced = has_messages(c) && ipc_namespace() != c->ipcns;
	if (c->unbalanced)
		return;
	errno = ESTALE;
	if (c->kind != KIND_QUEUE &&
	    (fstat(look_fd[n], &st) || st.st_ino != c->ino || st.st_dev != c->dev))
		work_die("look at a channel");
	if (c->kind == KIND_QUEUE)
		depth_of_sysv((int)c->ino, &depth);
	else if (c->kind == KIND_MQ)
		depth_of_mq(look_fd[n], &depth);
	else
		depth_of_pipe(look_fd[n], &depth);
	c->queued_bytes = depth.bytes;
	c->queued_messages = depth.messages;
	c->capacity = depth.capacity;
}

void work_gone(int chan)
{
	struct chan *c = &table->chan[chan];

	look(c, chan);
	c->gone = true;
	c->discarded_bytes += c->queued_bytes;
	c->discarded_messages += c->queued_messages;
	c->queued_bytes = 0;
	c->queued_messages = 0;
}

void work_discarded(int chan, uint64_t bytes, uint64_t messages)
{
	table->chan[chan].discarded_bytes += (int64_t)bytes;
	table->chan[chan].discarded_messages += (int64_t)messages;
}

void work_in_flight(int chan, int64_t bytes)
{
	table->chan[chan].in_flight = bytes;
}

void truth_begin(void)
{
	unsigned n = table->chan_count;

	memset(mine, 0, sizeof(mine));
	memset(table->side, 0, sizeof(table->side));
	table->side_count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct chan *c = &table->chan[i];

		look(c, (int)i);
		c->before_bytes = c->queued_bytes;
		c->before_messages = c->queued_messages;
	}
}

/* ------------------------------------------------------------------ counting */

static struct side *side_find(int chan, enum work_dir dir)
{
	for (unsigned i = 0; i < table->side_count; i++) {
		struct side *s = &table->side[i];

		if (s->pid == me && s->chan == chan && s->dir == dir)
			return s;
	}
	return NULL;
}

static struct side *side_get(int chan, enum work_dir dir)
{
	struct side *s = mine[chan][dir];

	if (s)
		return s;
	lock();
	/* another thread may have been faster; an exec keeps the process; a reused pid does not */
	s = mine[chan][dir];
	if (!s && reborn)
		s = side_find(chan, dir);
	if (!s) {
		s = &table->side[take(&table->side_count, SIDES, "sides")];
		s->chan = chan;
		s->dir = dir;
		s->pid = me;
	}
	mine[chan][dir] = s;
	unlock();
	return s;
}

static ssize_t count(int chan, enum work_dir dir, ssize_t ret, bool is_message)
{
	struct side *s;
	int err = errno;

	if (ret < 0 && err == EINTR)
		return ret;
	s = side_get(chan, dir);
	__atomic_fetch_add(&s->operations, 1, __ATOMIC_RELAXED);
	if (ret < 0)
		__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&s->bytes, (uint64_t)ret, __ATOMIC_RELAXED);
	if (is_message)
		__atomic_fetch_add(&s->messages, 1, __ATOMIC_RELAXED);
	errno = err;
	return ret;
}

ssize_t work_did(int chan, enum work_dir dir, ssize_t ret)
{
	return count(chan, dir, ret, ret > 0);
}

ssize_t work_did_message(int chan, enum work_dir dir, ssize_t ret)
{
	return count(chan, dir, ret, ret >= 0);
}

void work_any_operations(int chan, enum work_dir dir)
{
	side_get(chan, dir)->any_operations = true;
}

void work_flows_by_hand(int chan)
{
	table->chan[chan].by_hand = true;
}

static void flow_add(int chan, pid_t from, pid_t to, uint64_t messages, uint64_t bytes)
{
	struct flow *f = NULL;

	lock();
	for (unsigned i = 0; !f && i < table->flow_count; i++) {
		struct flow *g = &table->flow[i];

		if (g->chan == chan && g->from == from && g->to == to)
			f = g;
	}
	if (!f) {
		f = &table->flow[take(&table->flow_count, FLOWS, "flows")];
		f->chan = chan;
		f->from = from;
		f->to = to;
	}
	f->messages += messages;
	f->bytes += bytes;
	unlock();
}

void work_flow(int chan, pid_t from, uint64_t messages, uint64_t bytes)
{
	flow_add(chan, from, me, messages, bytes);
}

void work_backlog(int chan, long type, int64_t delta, size_t bytes)
{
	struct type *t = NULL;

	lock();
	for (unsigned i = 0; !t && i < table->type_count; i++) {
		if (table->type[i].chan == chan && table->type[i].type == type)
			t = &table->type[i];
	}
	if (!t) {
		t = &table->type[take(&table->type_count, TYPES, "message types")];
		t->chan = chan;
		t->type = type;
	}
	t->messages += delta;
	t->bytes += delta * (int64_t)bytes;
	unlock();
}

void work_fact(const char *name, long value)
{
	struct fact *f = &table->fact[take(&table->fact_count, FACTS, "facts")];

	snprintf(f->name, sizeof(f->name), "%s", name);
	f->value = value;
}

/* ---------------------------------------------------------------------- text */

static void sum(const struct side *const *sides, unsigned count, int64_t *bytes, int64_t *messages)
{
	for (unsigned i = 0; i < count; i++) {
		*bytes += (int64_t)sides[i]->bytes;
		*messages += (int64_t)sides[i]->messages;
	}
}

/* what came in is what went out, was lost, or lies there still: or the workload miscounts */
static void check(const struct chan *c, const struct side *const *from, unsigned writers,
		  const struct side *const *to, unsigned readers)
{
	int64_t in = c->before_bytes + c->in_flight, in_messages = c->before_messages;
	int64_t out = c->discarded_bytes + c->queued_bytes;
	int64_t out_messages = c->discarded_messages + c->queued_messages;

	sum(from, writers, &in, &in_messages);
	sum(to, readers, &out, &out_messages);
	errno = ERANGE;
	/* only in a queue messages stay what they are */
	if (!has_messages(c))
		in_messages = out_messages;
	if (!c->unbalanced && (in != out || in_messages != out_messages)) {
		fprintf(stderr, "workload: channel %lu: %ld of %ld bytes, %ld of %ld messages\n",
			(unsigned long)c->ino, (long)out, (long)in, (long)out_messages,
			(long)in_messages);
		work_die("own count and kernel differ");
	}
}

/* the sides of one channel, readers or writers that moved something */
static unsigned movers(int chan, enum work_dir dir, const struct side *ret_sides[SIDES])
{
	unsigned n = 0;

	for (unsigned i = 0; i < table->side_count; i++) {
		const struct side *s = &table->side[i];

		if (s->chan == chan && s->dir == dir && s->messages)
			ret_sides[n++] = s;
	}
	return n;
}

/* with one writer, or one reader that got everything, who got what is arithmetic */
static bool derive_flows(int chan)
{
	static const struct side *from[SIDES], *to[SIDES];
	const struct chan *c = &table->chan[chan];
	unsigned writers = movers(chan, WORK_WRITE, from), readers = movers(chan, WORK_READ, to);
	bool drained = !c->queued_bytes && !c->queued_messages && !c->discarded_bytes;

	check(c, from, writers, to, readers);
	if (c->by_hand)
		return true;
	if (c->before_bytes || c->in_flight || (writers > 1 && (readers > 1 || !drained)))
		return false;
	for (unsigned i = 0; i < writers; i++) {
		for (unsigned j = 0; j < readers; j++) {
			const struct side *least = writers > 1 ? from[i] : to[j];

			flow_add(chan, from[i]->pid, to[j]->pid, least->messages, least->bytes);
		}
	}
	return true;
}

static void print_name(FILE *f, const struct chan *c, int n)
{
	if (c->kind == KIND_QUEUE) {
		fprintf(f, "\"type\":\"sysv-msg\",\"id\":%lu,\"ipcns\":%lu,", (unsigned long)c->ino,
			(unsigned long)c->ipcns);
		return;
	}
	if (c->kind == KIND_MQ)
		fprintf(f, "\"ipcns\":%lu,", (unsigned long)c->ipcns);
	fprintf(f, "\"type\":\"%s\",\"dev\":%lu,\"major\":%u,\"minor\":%u,\"ino\":%lu,",
		c->kind == KIND_MQ ? "posix-mq" : c->kind == KIND_FIFO ? "fifo" : "pipe",
		(unsigned long)c->dev,
		major(c->dev), minor(c->dev), (unsigned long)c->ino);
	if (c->kind == KIND_PIPE) {
		fprintf(f, "\"name\":\"pipe:[%lu]\",", (unsigned long)c->ino);
		return;
	}
	fputs("\"path_hex\":\"", f);
	/* in another process's memory, if that made it */
	for (const char *p = look_path[n] ? look_path[n] : ""; *p; p++)
		fprintf(f, "%02x", (unsigned char)*p);
	fputs("\",", f);
}

static void print_ends(FILE *f, int n)
{
	const char *comma = "";

	fputs("\"ends\":[", f);
	for (unsigned i = 0; i < table->side_count; i++) {
		const struct side *s = &table->side[i];

		if (s->chan != n)
			continue;
		fprintf(f, "%s{\"pid\":%d,\"dir\":\"%s\",", comma, s->pid,
			s->dir == WORK_READ ? "read" : "write");
		if (!s->any_operations)
			fprintf(f, "\"operations\":%lu,", (unsigned long)s->operations);
		fprintf(f, "\"messages\":%lu,\"bytes\":%lu,\"errors\":%lu}",
			(unsigned long)s->messages, (unsigned long)s->bytes,
			(unsigned long)s->errors);
		comma = ",";
	}
	fputs("]", f);
}

static void print_flows(FILE *f, int n)
{
	const char *comma = "";

	fputs(",\"flows\":[", f);
	for (unsigned i = 0; i < table->flow_count; i++) {
		const struct flow *g = &table->flow[i];

		if (g->chan != n)
			continue;
		fprintf(f, "%s{\"from\":%d,\"to\":%d,\"messages\":%lu,\"bytes\":%lu}", comma,
			g->from, g->to, (unsigned long)g->messages, (unsigned long)g->bytes);
		comma = ",";
	}
	fputs("]", f);
}

static void print_types(FILE *f, int n)
{
	const char *comma = "";

	fprintf(f, ",\"queued_by_%s\":{", table->chan[n].kind == KIND_MQ ? "priority" : "msgtype");
	for (unsigned i = 0; i < table->type_count; i++) {
		const struct type *t = &table->type[i];

		if (t->chan != n || !t->messages)
			continue;
		fprintf(f, "%s\"%ld\":%ld", comma, t->type, (long)t->messages);
		comma = ",";
	}
	fputs("}", f);
}

static void print_chan(FILE *f, int n)
{
	struct chan *c = &table->chan[n];
	bool has_flows;

	look(c, n);
	has_flows = derive_flows(n);
	fputs(n ? ",{" : "{", f);
	print_name(f, c, n);
	fprintf(f, "\"gone\":%s,\"before_bytes\":%ld,\"discarded_bytes\":%ld,\"in_flight\":%ld,",
		c->gone ? "true" : "false", (long)c->before_bytes, (long)c->discarded_bytes,
		(long)c->in_flight);
	if (!c->gone && !c->unbalanced)
		fprintf(f, "\"queued_bytes\":%ld,\"queued_messages\":%ld,\"capacity_bytes\":%ld,",
			(long)c->queued_bytes, (long)c->queued_messages, (long)c->capacity);
	print_ends(f, n);
	if (has_flows)
		print_flows(f, n);
	if (has_messages(c) && !c->gone)
		print_types(f, n);
	fputs("}", f);
}

char *truth_text(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		work_die("truth");
	fprintf(f, "{\"truth\":{\"pid\":%d,\"channels\":[", getpid());
	for (unsigned i = 0; i < table->chan_count; i++)
		print_chan(f, (int)i);
	fputs("],\"facts\":{", f);
	for (unsigned i = 0; i < table->fact_count; i++)
		fprintf(f, "%s\"%s\":%ld", i ? "," : "", table->fact[i].name, table->fact[i].value);
	fputs("}}}\n", f);
	if (fclose(f))
		work_die("truth");
	return text;
}
