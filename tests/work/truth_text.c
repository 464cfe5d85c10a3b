/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The JSON line of a workload. Before it is printed the count must agree with
 * the kernel's own depth of each channel.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "truth.h"
#include "truth_text.h"

static const char *const type_names[] = {
	[KIND_PIPE] = "pipe", [KIND_FIFO] = "fifo", [KIND_QUEUE] = "sysv-msg",
	[KIND_MQ] = "posix-mq", [KIND_EVENTFD] = "eventfd", [KIND_STREAM] = "unix-stream",
	[KIND_DGRAM] = "unix-dgram", [KIND_SEQPACKET] = "unix-seqpacket", [KIND_TCP] = "tcp",
	[KIND_UDP] = "udp", [KIND_PTY] = "pty",
	[KIND_SIGNAL] = "signal", [KIND_MEMORY] = "process-vm",
};

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
	int64_t in = c->before_bytes + c->in_flight + c->by_kernel;
	int64_t in_messages = c->before_messages;
	int64_t out = c->discarded_bytes + c->queued_bytes;
	int64_t out_messages = c->discarded_messages + c->queued_messages;

	sum(from, writers, &in, &in_messages);
	sum(to, readers, &out, &out_messages);
	errno = ERANGE;
	/* only in a queue messages stay what they are */
	if (!truth_has_messages(c))
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

	for (unsigned i = 0; i < truth_table->side_count; i++) {
		const struct side *s = &truth_table->side[i];

		if (s->chan == chan && s->dir == dir && s->messages)
			ret_sides[n++] = s;
	}
	return n;
}

/* with one writer, or one reader that got everything, who got what is arithmetic */
static bool derive_flows(int chan)
{
	static const struct side *from[SIDES], *to[SIDES];
	const struct chan *c = &truth_table->chan[chan];
	unsigned writers = movers(chan, WORK_WRITE, from), readers = movers(chan, WORK_READ, to);
	bool drained = !c->queued_bytes && !c->queued_messages && !c->discarded_bytes;

	check(c, from, writers, to, readers);
	if (c->by_hand)
		return true;
	if (c->before_bytes || c->in_flight || c->by_kernel ||
	    (writers > 1 && (readers > 1 || !drained)))
		return false;
	for (unsigned i = 0; i < writers; i++) {
		for (unsigned j = 0; j < readers; j++) {
			const struct side *least = writers > 1 ? from[i] : to[j];

			truth_flow(chan, from[i]->pid, to[j]->pid, least->messages, least->bytes);
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
	if (c->kind == KIND_SIGNAL || c->kind == KIND_MEMORY) {
		fprintf(f, "\"type\":\"%s\",\"target\":%lu,\"number\":%lu,",
			type_names[c->kind], (unsigned long)c->ino, (unsigned long)c->dev);
		return;
	}
	if (c->kind == KIND_MQ)
		fprintf(f, "\"ipcns\":%lu,", (unsigned long)c->ipcns);
	fprintf(f, "\"type\":\"%s\",\"dev\":%lu,\"major\":%u,\"minor\":%u,\"ino\":%lu,",
		type_names[c->kind], (unsigned long)c->dev,
		major(c->dev), minor(c->dev), (unsigned long)c->ino);
	if (c->kind == KIND_PTY)
		fprintf(f, "\"end\":\"%s\",", c->at_slave ? "slave" : "master");
	if (c->peer)
		fprintf(f, "\"peer\":%lu,", (unsigned long)truth_table->chan[c->peer - 1].ino);
	if (c->kind == KIND_PIPE)
		fprintf(f, "\"name\":\"pipe:[%lu]\",", (unsigned long)c->ino);
	if (c->kind != KIND_FIFO && c->kind != KIND_MQ)
		return;
	fputs("\"path_hex\":\"", f);
	/* in another process's memory, if that made it */
	for (const char *p = truth_path[n] ? truth_path[n] : ""; *p; p++)
		fprintf(f, "%02x", (unsigned char)*p);
	fputs("\",", f);
}

static bool is_stream(const struct chan *c)
{
	return c->kind == KIND_STREAM || c->kind == KIND_EVENTFD || c->kind == KIND_PTY;
}

static void print_ends(FILE *f, int n)
{
	const char *comma = "";

	fputs("\"ends\":[", f);
	for (unsigned i = 0; i < truth_table->side_count; i++) {
		const struct side *s = &truth_table->side[i];

		if (s->chan != n)
			continue;
		fprintf(f, "%s{\"pid\":%d,\"dir\":\"%s\",", comma, s->pid,
			s->dir == WORK_READ ? "read" : "write");
		if (!s->any_operations)
			fprintf(f, "\"operations\":%lu,", (unsigned long)s->operations);
		/* the messages of a stream are the operations that moved bytes */
		if (!s->any_operations || !is_stream(&truth_table->chan[n]))
			fprintf(f, "\"messages\":%lu,", (unsigned long)s->messages);
		fprintf(f, "\"bytes\":%lu,\"errors\":%lu}", (unsigned long)s->bytes,
			(unsigned long)s->errors);
		comma = ",";
	}
	fputs("]", f);
}

static void print_flows(FILE *f, int n)
{
	const char *comma = "";

	fputs(",\"flows\":[", f);
	for (unsigned i = 0; i < truth_table->flow_count; i++) {
		const struct flow *g = &truth_table->flow[i];

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

	fprintf(f, ",\"queued_by_%s\":{",
		truth_table->chan[n].kind == KIND_MQ ? "priority" : "msgtype");
	for (unsigned i = 0; i < truth_table->type_count; i++) {
		const struct type *t = &truth_table->type[i];

		if (t->chan != n || !t->messages)
			continue;
		fprintf(f, "%s\"%ld\":%ld", comma, t->type, (long)t->messages);
		comma = ",";
	}
	fputs("}", f);
}

/* chapters that are over */
static char *told;
static size_t told_len;

static void print_chan(FILE *f, int n, const char *chapter)
{
	struct chan *c = &truth_table->chan[n];
	bool has_flows;

	truth_look(c, n);
	has_flows = derive_flows(n);
	fputs(n || (told && !chapter) ? ",{" : "{", f);
	if (chapter)
		fprintf(f, "\"chapter\":\"%s\",", chapter);
	print_name(f, c, n);
	fprintf(f, "\"gone\":%s,\"before_bytes\":%ld,\"discarded_bytes\":%ld,\"in_flight\":%ld,",
		c->gone ? "true" : "false", (long)c->before_bytes, (long)c->discarded_bytes,
		(long)c->in_flight);
	if (c->kind == KIND_EVENTFD || c->kind == KIND_PTY)
		fprintf(f, "\"by_kernel\":%ld,", (long)c->by_kernel);
	if (!c->gone && !c->unbalanced)
		fprintf(f, "\"queued_bytes\":%ld,\"queued_messages\":%ld,",
			(long)c->queued_bytes, (long)c->queued_messages);
	if (!c->gone && !c->unbalanced && c->capacity >= 0)
		fprintf(f, "\"capacity_bytes\":%ld,", (long)c->capacity);
	print_ends(f, n);
	if (has_flows)
		print_flows(f, n);
	if ((c->kind == KIND_QUEUE || c->kind == KIND_MQ) && !c->gone)
		print_types(f, n);
	fputs("}", f);
}

void work_chapter(const char *name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		work_die("chapter");
	for (unsigned i = 0; i < truth_table->chan_count; i++)
		print_chan(f, (int)i, name);
	if (fclose(f))
		work_die("chapter");
	if (len) {
		told = realloc(told, told_len + len + 2);
		if (!told)
			work_die("chapter");
		told_len += (size_t)sprintf(told + told_len, "%s%s", told_len ? "," : "", text);
	}
	free(text);
	truth_forget();
}

/* what there is beside channels */
static char *objects;
static size_t objects_len;

void work_object(const char *line)
{
	objects = realloc(objects, objects_len + strlen(line) + 2);
	if (!objects)
		work_die("object");
	objects_len += (size_t)sprintf(objects + objects_len, "%s%s", objects_len ? "," : "", line);
}

char *truth_text(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		work_die("truth");
	fprintf(f, "{\"truth\":{\"pid\":%d,\"channels\":[%s", getpid(), told ? told : "");
	for (unsigned i = 0; i < truth_table->chan_count; i++)
		print_chan(f, (int)i, NULL);
	fprintf(f, "],\"objects\":[%s],\"facts\":{", objects ? objects : "");
	for (unsigned i = 0; i < truth_table->fact_count; i++) {
		const struct fact *fact = &truth_table->fact[i];

		fprintf(f, "%s\"%s\":%ld", i ? "," : "", fact->name, fact->value);
	}
	fputs("}}}\n", f);
	if (fclose(f))
		work_die("truth");
	return text;
}
