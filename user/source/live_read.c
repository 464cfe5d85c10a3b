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
#include "source/live.h"

/*
 * Operations and other records per live_poll(): neither a flood nor the events of our own
 * consumption must keep us here.
 */
#define POLL_BUDGET 4096
/* what one bpf_seq_file read can return at most */
#define SEQ_READ_BYTES (64u << 10)
/* retries for places that were in use while a flush came by */
#define FLUSH_TRIES 100

/* -------------------------------------------------------------------- ring */

int live_poll(struct live *l, source_sink sink, void *arg)
{
	int n;

	l->sink = sink;
	l->sink_arg = arg;
	l->sink_err = 0;
	l->budget = POLL_BUDGET;
	n = ring_buffer__consume(l->ring);
	if (l->sink_err < 0)
		return l->sink_err;
	return n == -EXFULL ? 1 : 0;
}

/* everything that was in the ring when we came; what flows in meanwhile can wait */
static int drain(struct live *l, source_sink sink, void *arg)
{
	uint64_t begin = l->taken_bytes;
	int more = 1;

	/* no more than the ring holds can have been in it */
	while (more == 1 && l->taken_bytes - begin < l->ring_bytes)
		more = live_poll(l, sink, arg);
	return more < 0 ? more : 0;
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

int live_walk(struct bpf_link *link, source_sink sink, void *arg)
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
		err = walk_records(data, have, &rest, sink, arg);
		if (err)
			return err;
		memmove(data, data + have - rest, rest);
		have = rest;
	}
}

int live_sample(struct live *l, source_sink sink, void *arg)
{
	int err = live_emit_mark(sink, arg, LENS_MARK_SAMPLE, l->opt.sample_ns);

	return err < 0 ? err : live_walk(l->iter_waits, sink, arg);
}

/* forgets which namespaces the last look walked; they may be gone */
static void clear_walked(struct live *l)
{
	int fd = bpf_map__fd(l->skel->maps.lens_walked);
	uint32_t inum;

	while (!bpf_map_get_next_key(fd, NULL, &inum) && !bpf_map_delete_elem(fd, &inum))
		continue;
}

int live_look(struct live *l, source_sink sink, void *arg)
{
	int err = live_totals(l, sink, arg);

	clear_walked(l);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_BEGIN, 0);
	/* names of what was there before us; later ones come as events */
	if (err >= 0 && !l->seen_processes)
		err = live_walk(l->iter_procs, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_files, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_queues, sink, arg);
	if (err >= 0)
		err = drain(l, sink, arg);
	if (err >= 0)
		err = live_walk(l->iter_waits, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_END, 0);
	if (err >= 0)
		err = live_totals(l, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_LOOK_SETTLED, 0);
	l->seen_processes = true;
	return err;
}

/* ------------------------------------------------------------------ totals */

/* empties the cache of one CPU, there if it is online */
static int flush_cpu(int prog_fd, uint64_t cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu,
		    .ctx_in = &cpu, .ctx_size_in = sizeof(cpu));
	int err = 0;

	for (unsigned i = 0; !err && i < FLUSH_TRIES; i++) {
		err = bpf_prog_test_run_opts(prog_fd, &opts);
		if (err == -ENXIO && opts.flags) {
			/* offline: nobody counts there, so anybody may empty it */
			opts.flags = 0;
			opts.cpu = 0;
			err = 0;
		} else if (!err && !opts.retval) {
			return 0;
		}
	}
	return err;
}

/* empties the per-CPU caches into the totals map */
static int flush(struct live *l)
{
	int fd = bpf_program__fd(l->skel->progs.core__run__flush), err;

	for (int cpu = 0; cpu < l->cpu_count; cpu++) {
		err = flush_cpu(fd, cpu);
		if (err)
			return log_err(err, "cannot empty the counters of CPU %d: %s", cpu,
				       strerror(-err));
	}
	return 0;
}

struct totals_read {
	struct lens_total_key *keys;
	struct lens_total *values;
	uint32_t count, size;
};

static void totals_read_fini(struct totals_read *r)
{
	free(r->keys);
	free(r->values);
}

static int read_totals(struct live *l, struct totals_read *r)
{
	int fd = bpf_map__fd(l->skel->maps.lens_totals), err = 0;
	uint32_t batch = 0, n;
	void *in = NULL;

	r->size = bpf_map__max_entries(l->skel->maps.lens_totals);
	r->keys = xcalloc(r->size, sizeof(*r->keys));
	r->values = xcalloc(r->size, sizeof(*r->values));
	while (!err && r->count < r->size) {
		n = r->size - r->count;
		err = bpf_map_lookup_batch(fd, in, &batch, r->keys + r->count,
					   r->values + r->count, &n, NULL);
		if (err && err != -ENOENT)
			return log_err(err, "cannot read the totals: %s", strerror(-err));
		r->count += n;
		in = &batch;
	}
	return 0;
}

/* a set whose members are the first occurrence of each key */
static struct hash *exited_set(struct live *l, size_t count)
{
	struct hash *set = hash_new(sizeof(struct lens_proc));

	for (size_t i = 0; i < count; i++)
		if (!hash_get(set, &l->exited[i]))
			hash_add(set, &l->exited[i], &l->exited[i]);
	return set;
}

static struct lens_chan key_chan(const struct lens_total_key *k)
{
	return (struct lens_chan){ .ino = k->ino, .dev = k->dev, .gen = k->gen, .kind = k->kind };
}

/* frees what ended processes occupied, so that churn does not fill the maps */
static void retire(struct live *l, const struct totals_read *r, size_t ended_count)
{
	int totals = bpf_map__fd(l->skel->maps.lens_totals);
	int chans = bpf_map__fd(l->skel->maps.lens_chans);
	_cleanup_(hash_freep) struct hash *gone = exited_set(l, ended_count);
	_cleanup_(hash_freep) struct hash *used = hash_new(sizeof(struct lens_chan));
	static const int present;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < r->count; i++) {
			const struct lens_total_key *k = &r->keys[i];
			struct lens_proc proc = { .start_ns = k->start_ns, .tgid = k->tgid };
			struct lens_chan chan = key_chan(k);
			bool ended = hash_get(gone, &proc);

			if (!pass && !ended && !hash_get(used, &chan))
				hash_add(used, &chan, (void *)&present);
			if (!pass || !ended)
				continue;
			bpf_map_delete_elem(totals, k);
			if (!hash_get(used, &chan))
				bpf_map_delete_elem(chans, &chan);
		}
	}
	l->exited_count -= ended_count;
	memmove(l->exited, l->exited + ended_count, l->exited_count * sizeof(*l->exited));
}

/* -------------------------------------------------------------------- loss */

static uint64_t recursion_misses(const struct live *l)
{
	struct bpf_program *prog;
	uint64_t misses = 0;

	bpf_object__for_each_program(prog, l->skel->obj) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_program__autoload(prog) &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			misses += info.recursion_misses;
	}
	return misses;
}

static int emit_loss(struct live *l, source_sink sink, void *arg)
{
	/* as in bpf/core.bpf.h: counters by cause, then bytes */
	const size_t words = LENS_LOSS_MAX + 1;
	_cleanup_free_ uint64_t *percpu = xcalloc(l->cpu_count * words, sizeof(*percpu));
	int fd = bpf_map__fd(l->skel->maps.lens_losses), err = 0;

	for (uint32_t kind = 0; !err && kind < LENS_KIND_MAX; kind++) {
		struct lens_rec_loss rec = { .kind = kind };

		if (bpf_map_lookup_elem(fd, &kind, percpu))
			return log_err(-errno, "cannot read the loss counters: %s",
				       strerror(errno));
		for (int cpu = 0; cpu < l->cpu_count; cpu++) {
			for (unsigned i = 0; i < LENS_LOSS_MAX; i++)
				rec.count[i] += percpu[cpu * words + i];
			rec.bytes += percpu[cpu * words + LENS_LOSS_MAX];
		}
		if (!kind)
			rec.count[LENS_LOSS_RECURSION] += recursion_misses(l);
		err = live_emit(sink, arg, &rec.h, LENS_REC_LOSS, sizeof(rec));
	}
	return err;
}

int live_totals(struct live *l, source_sink sink, void *arg)
{
	_cleanup_(totals_read_fini) struct totals_read r = {};
	/* who is known to have ended before the flush has nothing more to count after it */
	size_t ended = l->exited_count;
	int err = l->opt.snapshot ? 0 : flush(l);

	live_release_calls(l);

	if (!err && !l->opt.snapshot)
		err = read_totals(l, &r);
	for (uint32_t i = 0; !err && i < r.count; i++) {
		struct lens_rec_total rec = { .key = r.keys[i], .total = r.values[i] };

		rec.total.flags &= 0xff;	/* the rest is the kernel side's own */
		err = live_emit(sink, arg, &rec.h, LENS_REC_TOTAL, sizeof(rec));
		if (err > 0)
			err = 0;
	}
	if (!err && ended)
		retire(l, &r, ended);
	return err < 0 ? err : emit_loss(l, sink, arg);
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

static void cover(const struct live *l, const struct plan_row *row, const struct live_choice *c,
		  struct lens_rec_cover *ret)
{
	const char *variant = row ? row->variant : "", *detail = row ? c->limits :
		"this kernel refuses every variant of its hooks";

	if (l->opt.snapshot) {
		variant = "iter";
		detail = "a snapshot: who holds a channel or waits for it, not who used it";
	}
	ret->observed = *variant != '\0';
	snprintf(ret->variant, sizeof(ret->variant), "%s", variant);
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
}

static int emit_coverage(struct live *l, source_sink sink, void *arg)
{
	uint64_t said = 0;
	int err = 0;

	for (size_t i = 0; !err && i < l->opt.choice_count; i++) {
		const struct live_choice *c = &l->opt.choices[i];
		const struct plan_row *row = plan_chosen(&l->plan, c->group);
		struct lens_rec_cover rec = { .kind = c->kind };

		if (said & 1ull << c->kind || (row && strcmp(row->variant, c->variant)))
			continue;
		said |= 1ull << c->kind;
		cover(l, row, c, &rec);
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
		err = drain(l, sink, arg);
	if (err >= 0)
		err = live_emit_mark(sink, arg, LENS_MARK_DETACHED, 0);
	return err;
}
