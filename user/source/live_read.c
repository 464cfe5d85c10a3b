// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records out of a running kernel: from the ring, from the iterators, from
 * the maps. Nothing here needs privilege, and nothing here loops for longer
 * than its budget.
 */
#include <sys/utsname.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "event/event.h"
#include "source/crowds.h"
#include "source/live.h"

/*
 * Operations and other records per live_poll(): neither a flood nor the events of our own
 * consumption must keep us here.
 */
#define POLL_BUDGET 4096
/*
 * So many channels and processes that came or went are worth a look in between,
 * and with small maps fewer; none if looks would take more than this share of our
 * time. What two looks have to miss is not gone with one: some follow.
 */
#define LOOK_NEWS 4096
#define LOOK_SHARE 8
#define LOOKS_TO_FOLLOW 2
#define FOLLOW_NS 1000000000ull
/* what one bpf_seq_file read can return at most */
#define SEQ_READ_BYTES (64u << 10)

int live_emit(source_sink sink, void *arg, struct lens_rec *rec, unsigned type, uint32_t len)
{
	rec->len = len;
	rec->type = type;
	rec->ts_ns = live_now_ns();
	return sink(arg, rec);
}

int live_emit_mark(source_sink sink, void *arg, enum lens_mark mark, uint64_t value)
{
	struct lens_rec_mark m = { .mark = mark, .value = value };

	return live_emit(sink, arg, &m.h, LENS_REC_MARK, sizeof(m));
}

/* -------------------------------------------------------------------- ring */

static int hand_over_held(struct live *l, source_sink sink, void *arg)
{
	int err = 0;

	for (size_t at = 0; !err && at < l->held.len;) {
		const struct lens_rec *rec = (const void *)(l->held.data + at);

		at += rec->len;
		crowds_take(l->crowds, (const void *)rec);
		err = sink(arg, rec);
		if (err > 0)
			err = 0;
	}
	l->taken_bytes += l->held.len;
	l->held.len = 0;
	return err;
}

/* a reading alone does not say so: the next can be due before the ring is looked into again */
static int tell_ordered(struct live *l, source_sink sink, void *arg)
{
	uint64_t ns = order_news(&l->order);

	return ns ? live_emit_mark(sink, arg, LENS_MARK_ORDERED, ns) : 0;
}

/*
 * An endpoint is announced in one ring before its operations appear in the
 * other. So operations are taken first, and handed over when all is taken that
 * was announced before.
 */
int live_poll(struct live *l, source_sink sink, void *arg)
{
	int n, more = 0;

	l->budget = POLL_BUDGET;
	if (!l->held.len) {
		more = ring_buffer__consume(l->ops_ring) == -EXFULL;
		order_taken(&l->order);
	}
	l->sink = sink;
	l->sink_arg = arg;
	l->sink_err = 0;
	l->budget = POLL_BUDGET;
	n = ring_buffer__consume(l->ring);
	if (l->sink_err < 0)
		return l->sink_err;
	if (n == -EXFULL)
		return 1;
	n = hand_over_held(l, sink, arg);
	if (n >= 0)
		n = tell_ordered(l, sink, arg);
	live_numbering_poll(l);
	return n < 0 ? n : more;
}

/* everything that was in the ring when we came; what flows in meanwhile can wait */
int live_drain(struct live *l, source_sink sink, void *arg)
{
	uint64_t begin = l->taken_bytes;
	int more = 1;

	/* no more than the ring holds can have been in it */
	while (more == 1 && l->taken_bytes - begin < l->ring_bytes)
		more = live_poll(l, sink, arg);
	return more < 0 ? more : hand_over_held(l, sink, arg);
}

/* --------------------------------------------------------------- iterators */

static int walk_records(const char *data, size_t len, size_t *ret_rest, source_sink sink, void *arg)
{
	size_t at = 0;

	while (len - at >= sizeof(struct lens_rec)) {
		const struct lens_rec *rec = (const void *)(data + at);
		int err;

		if (rec->len < sizeof(*rec) || rec->len % 8 || rec->len > LENS_REC_MAX)
			return -EBADMSG;
		if (rec->len > len - at)
			break;
		err = sink(arg, rec);
		if (err < 0)
			return err;
		at += rec->len;
	}
	*ret_rest = len - at;
	return 0;
}

/* hands over whole records, some at a time */
typedef int (*walk_step)(const char *data, size_t len, size_t *ret_rest, source_sink sink,
			 void *arg);

static int walk(struct bpf_link *link, walk_step step, source_sink sink, void *arg)
{
	_cleanup_close_ int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	_cleanup_free_ char *data = xcalloc(1, SEQ_READ_BYTES + LENS_REC_MAX);
	size_t have = 0, rest;
	ssize_t n;
	int err;

	if (!link)
		return 0;
	if (fd < 0)
		return log_err(-errno, "cannot start a snapshot: %s", strerror(errno));
	for (;;) {
		n = read(fd, data + have, SEQ_READ_BYTES);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;	/* EAGAIN: the walk was long and yields in between */
		if (n < 0)
			return log_err(-errno, "a snapshot broke off: %s", strerror(errno));
		if (!n)
			return have ? -EBADMSG : 0;
		have += n;
		err = step(data, have, &rest, sink, arg);
		if (err)
			return err;
		memmove(data, data + have - rest, rest);
		have = rest;
	}
}

int live_walk(struct bpf_link *link, source_sink sink, void *arg)
{
	return walk(link, walk_records, sink, arg);
}

/* what a walk has found, to be told in its turn among the records of the ring */
struct found {
	struct live *live;
	source_sink sink;
	void *arg;
	const char *data;
	size_t at, len;
};

/* all that was found before ns */
static int tell_found(struct found *f, uint64_t ns)
{
	const struct lens_rec *rec = (const void *)(f->data + f->at);

	while (f->at < f->len && rec->ts_ns <= ns) {
		int err = f->sink(f->arg, rec);

		if (err < 0)
			return err;
		f->at += rec->len;
		rec = (const void *)(f->data + f->at);
	}
	return 0;
}

static int tell_after_found(void *arg, const struct lens_rec *rec)
{
	struct found *f = arg;
	/* what mappings depend on; others may be late */
	bool in_turn = rec->type == LENS_REC_MAP || rec->type == LENS_REC_PROC ||
		       rec->type == LENS_REC_EXIT;
	int err = in_turn ? tell_found(f, rec->ts_ns) : 0;

	return err < 0 ? err : f->sink(f->arg, rec);
}

static int keep_found(void *arg, const struct lens_rec *rec)
{
	struct found *f = arg;

	f->len += rec->len;
	return 0;
}

static int merge_records(const char *data, size_t len, size_t *ret_rest, source_sink sink,
			 void *arg)
{
	struct found *f = arg;
	int err;

	f->data = data;
	f->at = f->len = 0;
	err = walk_records(data, len, ret_rest, keep_found, f);
	if (err >= 0)
		err = live_drain(f->live, tell_after_found, f);
	return err < 0 ? err : tell_found(f, UINT64_MAX);
}

/*
 * Who maps what changes by calls, of which some that came before may still be in the ring:
 * told behind what came of them, they would be taken for news that are none.
 */
static int look_at_mappings(struct live *l, source_sink sink, void *arg)
{
	struct found found = { .live = l, .sink = sink, .arg = arg };

	return walk(l->iter_vmas, merge_records, NULL, &found);
}

int live_sample(struct live *l, source_sink sink, void *arg)
{
	int err = live_emit_mark(sink, arg, LENS_MARK_SAMPLE, l->opt.sample_ns);

	return err < 0 ? err : live_walk(l->iter_waits, sink, arg);
}

struct census {
	struct hash *alive;
	source_sink sink;
	void *arg;
};

static int count_in(void *arg, const struct lens_rec *rec)
{
	struct census *c = arg;
	const struct lens_rec_proc *r = (const void *)rec;

	if (rec->type == LENS_REC_PROC && rec->len >= sizeof(*r) && !hash_get(c->alive, &r->proc))
		hash_add(c->alive, &r->proc, c->alive);
	return c->sink(c->arg, rec);
}

/* forgets which namespaces and queues the last look walked; they may be gone */
static void clear_walked(struct live *l)
{
	int fd = bpf_map__fd(l->skel->maps.lens_walked);
	struct lens_chan walked;

	while (!bpf_map_get_next_key(fd, NULL, &walked) && !bpf_map_delete_elem(fd, &walked))
		continue;
}

/*
 * Names of what was there before us; later ones come as events. When events were
 * lost, the walk tells names anew, and who has ended: all it did not come by.
 */
static int look_at_processes(struct live *l, struct hash *alive, source_sink sink, void *arg)
{
	struct census census = { .alive = alive, .sink = sink, .arg = arg };
	int err;

	if (l->seen_processes && l->ring_full == l->ring_full_walked)
		return 0;
	l->ring_full_walked = l->ring_full;
	err = live_walk(l->iter_procs, count_in, &census);
	if (err >= 0 && l->sees_all)
		err = live_emit_mark(sink, arg, LENS_MARK_PROCS, 0);
	l->seen_processes = true;
	return err;
}

/* what we cost, however long it takes on a busy machine */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static bool has_much_news(const struct live *l)
{
	uint32_t size = bpf_map__max_entries(l->skel->maps.lens_totals);
	uint32_t much = size / 8 < LOOK_NEWS ? size / 8 : LOOK_NEWS;

	return l->news >= much || l->entries >= l->entries_at_look + size / 4;
}

/* a look can be long: a table that fills up does not wait for its end */
static int relieve(struct live *l, source_sink sink, void *arg)
{
	return live_totals_are_due(l) ? live_totals(l, sink, arg) : 0;
}

int live_look(struct live *l, source_sink sink, void *arg)
{
	_cleanup_(hash_freep) struct hash *alive = hash_new(sizeof(struct lens_proc));
	uint64_t begin_ns = live_now_ns(), begin_cpu_ns = cpu_ns();
	bool much = has_much_news(l);
	int err = live_totals(l, sink, arg);

	clear_walked(l);
	l->skel->bss->lens_look++;
	/* what has happened already is told before what has come of it */
	if (err >= 0)
		err = live_drain(l, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_BEGIN, 0);
	if (err >= 0)
		err = look_at_processes(l, alive, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_files, sink, arg);
	if (err >= 0)
		err = relieve(l, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_queues, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_mqueues, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_segments, sink, arg);
	if (err >= 0)
		err = look_at_mappings(l, sink, arg);
	if (err >= 0)
		err = live_drain(l, sink, arg);
	if (err >= 0)
		err = relieve(l, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_waits, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_END, 0);
	if (err >= 0)
		err = live_totals_of_look(l, alive, begin_ns, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_SETTLED, 0);
	l->follow_looks = much ? LOOKS_TO_FOLLOW : l->follow_looks - !!l->follow_looks;
	l->news = 0;
	l->entries_at_look = l->entries;
	l->next_look_ns = live_now_ns() + LOOK_SHARE * (cpu_ns() - begin_cpu_ns);
	l->follow_look_ns = live_now_ns() + FOLLOW_NS;
	log_msg(LOG_DEBUG, "a look took %llu us, %u entries remain",
		(unsigned long long)(live_now_ns() - begin_ns) / 1000, l->entries);
	return err;
}

/*
 * Between the first look and the last one, looks are for forgetting: they are due
 * when much has come and gone since, or when the totals map fills up.
 */
bool live_look_is_due(const struct live *l)
{
	uint64_t now = live_now_ns();

	if (!l->sees_all || now < l->next_look_ns)
		return false;
	if (l->follow_looks && now >= l->follow_look_ns)
		return true;
	return has_much_news(l);
}

/* ----------------------------------------------------------- start and end */

static void read_line(const char *path, char *out, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || !fgets(out, size, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

void live_describe_host(struct lens_rec_host *ret)
{
	struct utsname u;

	memset(ret, 0, sizeof(*ret));
	ret->wire_version = LENS_WIRE_VERSION;
	if (!uname(&u)) {
		snprintf(ret->hostname, sizeof(ret->hostname), "%.63s", u.nodename);
		snprintf(ret->kernel, sizeof(ret->kernel), "%.63s", u.release);
		snprintf(ret->arch, sizeof(ret->arch), "%.15s", u.machine);
	}
	read_line("/proc/sys/kernel/random/boot_id", ret->boot_id, sizeof(ret->boot_id));
}

static int emit_host(struct live *l, source_sink sink, void *arg)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	l->host.wall_offset_ns = (uint64_t)wall.tv_sec * 1000000000ull + wall.tv_nsec -
				 live_now_ns();
	return live_emit(sink, arg, &l->host.h, LENS_REC_HOST, sizeof(l->host));
}

/* what cannot be told of queues, beyond the limits of their hooks */
static const char *numbering_limits(const struct live *l, unsigned kind)
{
	if ((kind != LENS_KIND_SYSV_MSG && kind != LENS_KIND_POSIX_MQ) || !l->opt.number_messages ||
	    plan_chosen(&l->plan, PLAN_MESSAGE_GROUP))
		return "";
	return "; with several senders and receivers the order of concurrent calls is inferred";
}

bool live_coverage(const struct live *l, unsigned kind, struct lens_rec_cover *ret)
{
	const char *extra = "";

	*ret = (struct lens_rec_cover){ .kind = kind, .observed = l->opt.snapshot };
	if (l->opt.snapshot && event_kind_has_target(kind)) {
		ret->observed = false;
		snprintf(ret->detail, sizeof(ret->detail), "there is nothing of it between two "
			 "calls: `ipclens report` and `ipclens trace` see it");
		return false;
	}
	if (l->opt.snapshot) {
		snprintf(ret->variant, sizeof(ret->variant), "iter");
		snprintf(ret->detail, sizeof(ret->detail), "a snapshot: who holds a channel or "
			 "waits for it, not who used it");
		return true;
	}
	for (size_t i = 0; i < l->opt.choice_count; i++) {
		const struct live_choice *c = &l->opt.choices[i];
		const struct plan_row *row = plan_chosen(&l->plan, c->group);

		if (c->kind != kind || !row || strcmp(row->variant, c->variant))
			continue;
		if (c->extra_limits && !plan_chosen(&l->plan, plan_completes(row)))
			extra = c->extra_limits;
		ret->observed = true;
		snprintf(ret->variant, sizeof(ret->variant), "%s", row->variant);
		snprintf(ret->detail, sizeof(ret->detail), "%s%s%s%s%s", extra, *extra ? "; " : "",
			 c->limits, numbering_limits(l, kind), plan_avoids(&l->plan, c->group) ?
			 "; function hooks are not used, since this kernel can preempt them" : "");
		return true;
	}
	snprintf(ret->detail, sizeof(ret->detail),
		 "this kernel refuses every variant of its hooks");
	return false;
}

/* of a list of all types, those that no list can show are no part; asked for alone they are */
static bool is_beside_the_point(const struct live *l, unsigned kind)
{
	if (!l->opt.snapshot || !event_kind_has_target(kind))
		return false;
	for (size_t i = 0; i < l->opt.choice_count; i++)
		if (!event_kind_has_target(l->opt.choices[i].kind))
			return true;
	return false;
}

static int emit_coverage(struct live *l, source_sink sink, void *arg)
{
	uint64_t said = 0;
	int err = 0;

	for (size_t i = 0; !err && i < l->opt.choice_count; i++) {
		unsigned kind = l->opt.choices[i].kind;
		struct lens_rec_cover rec;

		if (said & 1ull << kind || is_beside_the_point(l, kind))
			continue;
		said |= 1ull << kind;
		live_coverage(l, kind, &rec);
		err = live_emit(sink, arg, &rec.h, LENS_REC_COVER, sizeof(rec));
	}
	return err;
}

int live_start(struct live *l, source_sink sink, void *arg)
{
	int err = emit_host(l, sink, arg);

	if (err >= 0)
		err = emit_coverage(l, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_ATTACHED, 0);
	if (err >= 0)
		err = live_look(l, sink, arg);
	return err;
}

int live_finish(struct live *l, source_sink sink, void *arg)
{
	int err = l->opt.snapshot ? 0 : live_look(l, sink, arg);

	/* the last reading of the totals has flushed the last operations */
	if (err >= 0)
		err = live_drain(l, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_DETACHED, 0);
	return err;
}
