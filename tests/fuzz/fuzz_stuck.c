/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A look at who is stuck as a recording has it, judged and shown. The input is
 * a list of orders for records whose numbers are small, so that they have to do
 * with each other; an order can ask for the same record many times over. The
 * last byte says in which format it is shown. Aborts where that is not escaped,
 * or no document; how long it takes and what it needs is libFuzzer's to limit.
 */
#include <json-c/json.h>

#include "fuzz.h"
#include "model/model.h"
#include "render/render.h"

#define RECORDS_MAX 400
/* of a text of so many records; a chain of waits is shown once for each that waits in it */
#define SHOWN_MAX (64u << 20)

enum { ORDER_THREAD, ORDER_DESC, ORDER_ITEM, ORDER_MEMORY, ORDER_MAPPING, ORDER_SEM, ORDER_LOCK,
       ORDER_PROC, ORDER_QUEUE, ORDER_MARK, ORDER_URING, ORDER_REQUEST, ORDER_SUBMITTER,
       ORDER_WAITER, ORDER_FUTEX,
       ORDER_MAX };

/* what differs from one copy to the next */
#define VARY_PROC 1
#define VARY_FD 2
#define VARY_FILE 4
#define VARY_SELF 8
#define VARY_PEER 16

struct order {
	uint8_t what;
	uint8_t copies, vary;
	uint8_t b[29];
};

struct look {
	struct stuck *stuck;
	struct world *world;
	size_t records;
};

/* ------------------------------------------------------------------- records */

/* as the commands that read a recording do */
static void take(struct look *l, const struct lens_rec *rec)
{
	struct event ev;
	size_t skip;

	if (l->records++ >= RECORDS_MAX || event_decode(rec, rec->len, &ev, &skip) < 0)
		return;
	stuck_apply(l->stuck, &ev);
	world_apply(l->world, &ev);
}

static void finish(struct look *l, struct lens_rec *rec, enum lens_rec_type type, size_t len)
{
	rec->type = type;
	rec->len = (len + 7) / 8 * 8;
	rec->ts_ns = 1000 + l->records;
	take(l, rec);
}

/* most bytes are small numbers; the largest are limits of their type */
static uint64_t number(uint8_t b)
{
	static const uint64_t limits[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT32_MAX,
					   INT32_MAX, (uint64_t)INT32_MIN, 1u << 16, 1u << 31 };

	return b < 256 - ARRAY_SIZE(limits) ? b % 16 : limits[255 - b];
}

static struct lens_proc process(const struct order *o, unsigned copy)
{
	struct lens_proc p = { .tgid = o->b[0] % 8 + (o->vary & VARY_PROC ? copy * 8 : 0) };

	p.start_ns = p.tgid ? 100 : 0;
	return p;
}

static void order_thread(struct look *l, const struct order *o, unsigned copy, bool again)
{
	struct lens_rec_thread r = { .proc = process(o, copy) };

	r.tid = r.proc.tgid + (o->b[1] % 4) * 10000;
	r.call = o->b[2] % LENS_CALL_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(r.arg); i++)
		r.arg[i] = number(o->b[3 + i]);
	r.arg[0] += o->vary & VARY_FD ? copy : 0;
	r.state = o->b[9];
	r.flags = o->b[10] | o->b[11] << 8;
	r.files = o->b[12] % 8;
	r.undo = o->b[13] % 4;
	r.cred = o->b[13] / 64;
	r.task = r.tid;
	r.parent = o->b[14] % 8;
	r.tracer = o->b[15] / 64;
	r.nstid = r.tid;
	r.nstgid_in_parent = number(o->b[16]);
	r.ipcns = o->b[17] & 1;
	r.switches = again && o->b[17] & 2;
	r.entered_ns = number(o->b[18]);
	r.handlers = number(o->b[19]);
	memcpy(r.comm, &o->b[20], 9);
	finish(l, &r.h, LENS_REC_THREAD, sizeof(r));
}

static void order_desc(struct look *l, const struct order *o, unsigned copy)
{
	struct {
		struct lens_rec_desc r;
		char name[16];
	} rec = {};
	struct lens_rec_desc *r = &rec.r;

	r->proc = process(o, copy);
	r->fd = o->b[1] % 8 + (o->vary & VARY_FD ? copy : 0);
	r->file = o->b[2] % 8 + (o->vary & VARY_FILE ? copy * 8 : 0);
	r->self = o->b[3] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0);
	r->peer = o->b[4] % 8 + (o->vary & VARY_PEER ? copy * 8 : 0);
	r->carrier = o->b[5] % 8;
	r->object = o->b[6] % (LENS_OBJECT_MAX + 1);
	r->mode = o->b[7];
	r->flags = o->b[8] | o->b[9] << 8;
	r->queued_msgs = number(o->b[10]);
	r->capacity_msgs = number(o->b[11]);
	r->readers = o->b[12] % 4;
	r->writers = o->b[12] / 64;
	r->refs = number(o->b[13]);
	r->queued_bytes = number(o->b[14]);
	r->sent_bytes = number(o->b[15]);
	r->send_capacity_bytes = number(o->b[16]);
	r->ino = number(o->b[17]);
	r->pid = o->b[18] % 8;
	r->local_port = o->b[19] % 4;
	r->remote_port = o->b[19] / 64;
	r->remote_addr[15] = o->b[18] / 64;
	r->name_len = o->b[20] % 10;
	memcpy(rec.name, &o->b[21], 8);
	finish(l, &r->h, LENS_REC_DESC, sizeof(*r) + r->name_len);
}

static void order_item(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_item r = {
		.epoll = o->b[1] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0),
		.file = o->b[2] % 8 + (o->vary & VARY_FILE ? copy * 8 : 0),
		.fd = o->b[3] % 8 + (o->vary & VARY_FD ? copy : 0),
	};

	memcpy(&r.events, &o->b[4], sizeof(r.events));
	finish(l, &r.h, LENS_REC_ITEM, sizeof(r));
}

/* a poll set, words, operations on semaphores: a pattern over and over */
static void order_memory(struct look *l, const struct order *o, unsigned copy)
{
	struct {
		struct lens_rec_memory r;
		uint8_t bytes[LENS_REC_MAX - sizeof(struct lens_rec_memory)];
	} rec = { .r.proc = process(o, copy) };
	unsigned period = 1 + o->b[3] % 24;

	rec.r.tid = rec.r.proc.tgid + (o->b[1] % 4) * 10000;
	rec.r.call = o->b[2] % LENS_CALL_MAX;
	rec.r.h.flags = o->b[3] & 128 ? LENS_F_TRUNCATED : 0;
	rec.r.size = o->b[4] < 250 ? o->b[4] : (o->b[4] - 249) * 2720;
	for (uint32_t i = 0; i < rec.r.size && i < sizeof(rec.bytes); i++)
		rec.bytes[i] = o->b[5 + i % period];
	finish(l, &rec.r.h, LENS_REC_MEMORY, sizeof(rec.r) + rec.r.size);
}

static void order_mapping(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_mapping r = {
		.proc = process(o, copy),
		.start = number(o->b[1]),
		.end = number(o->b[2]),
		.offset = number(o->b[3]),
		.object = o->b[4] % 4,
		.ino = o->b[5],
		.flags = o->b[6] % 4,
		.sequence = o->b[7] % 4,
	};

	finish(l, &r.h, LENS_REC_MAPPING, sizeof(r));
}

static void order_sem(struct look *l, const struct order *o)
{
	struct lens_rec_sem r = {
		.ipcns = o->b[1] & 1,
		.id = o->b[2] % 4,
		.key = (int32_t)number(o->b[3]),
		.num = o->b[4] % 4,
		.count = o->b[5],
		.value = (int32_t)number(o->b[6]),
		.pid = o->b[7] % 8,
		.adjust = (int32_t)number(o->b[8]),
		.undo = o->b[9] % 4,
	};

	finish(l, &r.h, LENS_REC_SEM, sizeof(r));
}

static void order_lock(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_proc waiter = process(o, o->vary & VARY_PROC ? copy : 0);
	struct lens_rec_lock r = {
		.tid = waiter.tgid + (o->b[1] % 4) * 10000,
		.flags = o->b[2] % 4,
		.file = o->b[3] % 8 + (o->vary & VARY_FILE ? copy * 8 : 0),
		.owner = o->b[4] % 8,
		.wanted = o->b[5] % 8,
		.wanted_owner = o->b[13] % 8,
		.start = number(o->b[6]),
		.end = number(o->b[7]),
		.ino = o->b[8],
		.exclusive = o->b[9] & 1,
		.wanted_start = number(o->b[10]),
		.wanted_end = number(o->b[11]),
		.wanted_exclusive = o->b[12] & 1,
	};

	finish(l, &r.h, LENS_REC_LOCK, sizeof(r));
}

static void order_proc(struct look *l, const struct order *o, unsigned copy)
{
	struct {
		struct lens_rec_proc r;
		char text[40];
	} rec = { .r = { .proc = process(o, copy), .why = o->b[1] % 8 } };
	struct lens_rec_proc *r = &rec.r;

	r->parent.tgid = o->b[2] % 8;
	r->exe_len = o->b[3] % 8;
	r->argv_len = o->b[4] % 8;
	r->cgroup_len = o->b[5] % 8;
	memcpy(r->comm, &o->b[6], sizeof(r->comm));
	memcpy(rec.text, &o->b[8], 21);
	finish(l, &r->h, LENS_REC_PROC, sizeof(*r) + r->exe_len + r->argv_len + r->cgroup_len);
}

static void order_queue(struct look *l, const struct order *o)
{
	struct lens_chan chan = { .kind = LENS_KIND_SYSV_MSG, .dev = o->b[1] & 1,
				  .ino = o->b[2] % 4 };
	struct lens_rec_chan r = { .chan = chan, .lspid = o->b[3] % 8, .lrpid = o->b[4] % 8 };
	struct {
		struct lens_rec_msgs r;
		struct lens_msg msg[4];
	} rec = { .r = { .chan = chan, .first = number(o->b[5]), .count = o->b[6] % 5 } };

	r.depth = (struct lens_depth){ .queued_bytes = number(o->b[7]), .valid = 1,
				       .capacity_bytes = number(o->b[8]),
				       .queued_msgs = number(o->b[9]) };
	finish(l, &r.h, LENS_REC_CHAN, sizeof(r));
	for (unsigned i = 0; i < ARRAY_SIZE(rec.msg); i++)
		rec.msg[i] = (struct lens_msg){ (int64_t)number(o->b[10 + i]), o->b[14 + i] };
	finish(l, &rec.r.h, LENS_REC_MSGS, sizeof(rec.r) + rec.r.count * sizeof(rec.msg[0]));
}

static void order_uring(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_uring r = {
		.ring = o->b[1] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0),
		.request = o->b[2] % 8,
		.tid = process(o, copy).tgid + (o->b[3] % 4) * 10000,
		.requests = number(o->b[4]),
		.registered = { o->b[5] % 8, o->b[6] % 8 + copy * 8 },
	};

	finish(l, &r.h, LENS_REC_URING, sizeof(r));
}

static void order_request(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_request r = {
		.ring = o->b[1] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0),
		.request = o->b[2] % 8 + copy * 8,
		.file = o->b[3] % 8 + (o->vary & VARY_FILE ? copy * 8 : 0),
		.tid = process(o, copy).tgid + (o->b[4] % 4) * 10000,
		.operation = o->b[5] % 64,
		.flags = o->b[6] % 2,
	};

	memcpy(&r.events, &o->b[7], o->b[6] & 2 ? sizeof(r.events) : 0);
	finish(l, &r.h, LENS_REC_REQUEST, sizeof(r));
}

static void order_submitter(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_submitter r = {
		.ring = o->b[1] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0),
		.tid = process(o, copy).tgid + (o->b[2] % 4) * 10000,
		.flags = o->b[3] % 8,
	};

	finish(l, &r.h, LENS_REC_SUBMITTER, sizeof(r));
}

static void order_waiter(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_waiter r = {
		.self = o->b[1] % 8 + (o->vary & VARY_SELF ? copy * 8 : 0),
		.task = process(o, copy).tgid + (o->b[2] % 4) * 10000,
	};

	finish(l, &r.h, LENS_REC_WAITER, sizeof(r));
}

static void order_futex(struct look *l, const struct order *o, unsigned copy)
{
	struct lens_rec_futex r = {
		.sequence = o->b[1] % 4,
		.offset = number(o->b[2]),
		.address = number(o->b[3]),
		.tid = process(o, copy).tgid + (o->b[4] % 4) * 10000,
		.flags = o->b[5] % 2,
	};

	finish(l, &r.h, LENS_REC_FUTEX, sizeof(r));
}

static void mark(struct look *l, uint32_t which, uint64_t value)
{
	struct lens_rec_mark r = { .mark = which, .value = value };

	finish(l, &r.h, LENS_REC_MARK, sizeof(r));
}

static void fill(struct look *l, const struct order *o, unsigned copy, bool threads, bool again)
{
	if (threads != (o->what % ORDER_MAX == ORDER_THREAD))
		return;
	switch (o->what % ORDER_MAX) {
	case ORDER_THREAD:
		order_thread(l, o, copy, again);
		break;
	case ORDER_DESC:
		order_desc(l, o, copy);
		break;
	case ORDER_ITEM:
		order_item(l, o, copy);
		break;
	case ORDER_MEMORY:
		order_memory(l, o, copy);
		break;
	case ORDER_MAPPING:
		order_mapping(l, o, copy);
		break;
	case ORDER_SEM:
		order_sem(l, o);
		break;
	case ORDER_LOCK:
		order_lock(l, o, copy);
		break;
	case ORDER_PROC:
		order_proc(l, o, copy);
		break;
	case ORDER_QUEUE:
		order_queue(l, o);
		break;
	case ORDER_URING:
		order_uring(l, o, copy);
		break;
	case ORDER_REQUEST:
		order_request(l, o, copy);
		break;
	case ORDER_SUBMITTER:
		order_submitter(l, o, copy);
		break;
	case ORDER_WAITER:
		order_waiter(l, o, copy);
		break;
	case ORDER_FUTEX:
		order_futex(l, o, copy);
		break;
	case ORDER_MARK:
		/* in the midst of it, and seldom */
		if (o->b[0] == 255)
			mark(l, o->b[1], o->b[2]);
		break;
	}
}

/* one pass over the orders: the threads, or all but them */
static void pass(struct look *l, const uint8_t *data, size_t size, bool threads, bool again)
{
	struct order o;

	for (; size >= sizeof(o); data += sizeof(o), size -= sizeof(o)) {
		unsigned copies;

		memcpy(&o, data, sizeof(o));
		copies = o.copies < 252 ? 1 : (o.copies - 251) * 12;
		for (unsigned i = 0; i < copies && l->records < RECORDS_MAX; i++)
			fill(l, &o, i, threads, again);
	}
}

/* --------------------------------------------------------------------- shown */

/* text of several lines that a terminal is safe from */
static void must_be_harmless(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		MUST(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 0x7f));
}

static void must_be_document(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(32);
	struct json_object *o;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, text, (int)len);
	MUST(o && json_tokener_get_error(tokener) == json_tokener_success);
	json_object_put(o);
	json_tokener_free(tokener);
}

enum format { STUCK_JSON, STUCK_TEXT, STUCK_DOT, REPORT_JSON, REPORT_TEXT, FORMATS };

static void show(const struct look *l, enum format format)
{
	struct render_options opt = { .width = 80 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (format == STUCK_JSON)
		render_stuck_json(out, l->stuck, &opt);
	else if (format == STUCK_TEXT)
		render_stuck_text(out, l->stuck, &opt, true);
	else if (format == STUCK_DOT)
		render_stuck_dot(out, l->stuck, &opt);
	else if (format == REPORT_JSON)
		render_report_json(out, l->world, &opt);
	else
		render_report_text(out, l->world, &opt);
	fclose(out);
	MUST(len < SHOWN_MAX);
	must_be_harmless(text, len);
	if (format == STUCK_JSON || format == REPORT_JSON)
		must_be_document(text, len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(stuck_freep) struct stuck *stuck = stuck_new();
	_cleanup_(world_freep) struct world *world = world_new();
	struct look l = { .stuck = stuck, .world = world };

	if (!size)
		return 0;
	mark(&l, LENS_MARK_STUCK_BEGIN, LENS_STUCK_VERSION);
	pass(&l, data, size, true, false);
	mark(&l, LENS_MARK_STUCK_HOLDERS, 0);
	pass(&l, data, size, false, false);
	mark(&l, LENS_MARK_STUCK_AGAIN, 0);
	/* the second round comes whole, however much there was before */
	l.records = l.records > RECORDS_MAX / 2 ? RECORDS_MAX / 2 : l.records;
	pass(&l, data, size, true, true);
	l.records = 0;
	mark(&l, LENS_MARK_STUCK_END, 0);
	stuck_settle(stuck);
	world->stuck = stuck;
	world_settle(world);
	show(&l, data[size - 1] % FORMATS);
	return 0;
}
