// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The live source: load the programs the plan chose, attach them, and say
 * what came of it. All that needs privilege happens here, in live_open().
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/crowds.h"
#include "source/live.h"
#include "source/loads.h"
#include "source/sections.h"

#define DEFAULT_MAX_ENDPOINTS 32768
#define DEFAULT_RING_BYTES (2u << 20)
#define DEFAULT_OPS_BYTES (4u << 20)

uint64_t live_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* -------------------------------------------------------------------- load */

/* libbpf explains itself at length; that is for --verbose */
static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024];

	if (log_level() >= LOG_DEBUG) {
		vsnprintf(line, sizeof(line), fmt, args);
		log_msg(LOG_DEBUG, "%s", line);
	}
	return 0;
}

void live_quiet_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}

static const char *const kind_groups[] = {
#define X(id, value, group, type) [LENS_KIND_##id] = #group,
	LENS_KINDS(X)
#undef X
};

/*
 * Which kinds are counted at the end of system calls, and whether any is not. All of
 * a group, as by its other hooks, whichever of them are asked for: the self-test makes
 * calls on some of them, and a report leaves out what it is not about.
 */
static void set_sys_kinds(struct live *l)
{
	uint64_t kinds = 0, straddle = 0, splice = 0, counted = 0;
	bool preemptible = false;

	for (size_t kind = LENS_KIND_NONE + 1; kind < ARRAY_SIZE(kind_groups); kind++) {
		const char *group = kind_groups[kind];
		const struct plan_row *row = group ? plan_chosen(&l->plan, group) : NULL;

		if (!row)
			continue;
		counted |= 1ull << kind;
		preemptible |= strstr(row->variant, PLAN_FUNCTION_HOOKS) != NULL;
		if (!strcmp(row->variant, PLAN_SHARED_VARIANT))
			kinds |= 1ull << kind;
		else if (!strcmp(row->variant, PLAN_SOCK_VARIANT))
			splice |= 1ull << kind;
		else if (plan_straddles(row))
			straddle |= 1ull << kind;
	}
	l->skel->rodata->lens_kinds = counted;
	l->skel->rodata->lens_sys_kinds = kinds |
		(plan_fetches_by_calls(&l->plan) ? 1ull << LENS_KIND_NONE : 0);
	l->skel->rodata->lens_preemptible = preemptible;
	/* function hooks are given the file itself */
	l->skel->rodata->lens_strict = kinds && l->opt.check_descriptors;
	l->skel->rodata->lens_straddle_kinds = straddle;
	l->skel->rodata->lens_splice_kinds = splice;
	sections_fill(LENS_FILL_STRAIGHT_QUEUES, !straddle && kinds >> LENS_KIND_SYSV_MSG & 1);
	sections_fill(LENS_FILL_STRAIGHT, l->skel->rodata->lens_has_cast && !straddle &&
		      !l->skel->rodata->lens_strict && kinds >> LENS_KIND_PIPE & 1);
}

/* a snapshot counts nothing, and tables take their time to make */
static int set_sizes(struct live *l)
{
	uint32_t ends = DEFAULT_MAX_ENDPOINTS;
	uint32_t ring = DEFAULT_RING_BYTES, ops_ring = DEFAULT_OPS_BYTES;
	struct lens *s = l->skel;

	if (l->opt.max_endpoints)
		ends = l->opt.max_endpoints;
	if (l->opt.ring_bytes)
		ring = ops_ring = l->opt.ring_bytes;
	if (l->opt.snapshot) {
		ends = 1;
		ops_ring = sysconf(_SC_PAGESIZE);
	}
	bpf_map__set_max_entries(s->maps.lens_ring, ring);
	bpf_map__set_max_entries(s->maps.lens_ops_ring, ops_ring);
	bpf_map__set_max_entries(s->maps.lens_totals, ends);
	bpf_map__set_max_entries(s->maps.lens_chans, ends);
	live_size_notes(s, &l->plan);
	return live_size_cache(s, !l->opt.snapshot);
}

static int32_t find_struct(const struct kernel *k, const char *name)
{
	return kernel_types_find(k->types, name, BTF_KIND_STRUCT);
}

int live_configure_types(struct lens *s, const struct kernel *k)
{
	uint32_t pipefs = 0, sockfs = 0;
	int err = kernel_find_devices(&pipefs, &sockfs);

	if (err)
		return err;
	s->rodata->lens_pipefs_dev = pipefs;
	s->rodata->lens_sockfs_dev = sockfs;
	sections_fill(LENS_FILL_TYPE_FILE, find_struct(k, "file"));
	sections_fill(LENS_FILL_TYPE_KIOCB, find_struct(k, "kiocb"));
	sections_fill(LENS_FILL_TYPE_TASK, find_struct(k, "task_struct"));
	sections_fill(LENS_FILL_TYPE_SOCK, find_struct(k, "sock"));
	sections_fill(LENS_FILL_TYPE_WORD, find_struct(k, "timespec64"));
	s->rodata->lens_has_cast = k->cast_function != 0;
	return 0;
}

static int configure(struct live *l, const struct kernel *k)
{
	struct lens *s = l->skel;
	int err = live_configure_types(s, k);

	if (err)
		return err;
	s->rodata->lens_stream_all = l->opt.stream_ops;
	s->rodata->lens_feeds_output = l->opt.feeds_output;
	s->bss->lens_drop_every = l->opt.simulate_drops;
	s->rodata->lens_uring_flat = k->uring_flat;
	set_sys_kinds(l);
	return set_sizes(l);
}

/* the last line of a verifier log that says something */
static void last_words(const char *log, char out[160])
{
	const char *line = log, *best = log, *next;

	for (; *line; line = next) {
		next = strchrnul(line, '\n');
		if (next > line && strncmp(line, "processed ", 10) &&
		    strncmp(line, "-- END", 6) && strncmp(line, "verification time", 17))
			best = line;
		if (*next)
			next++;
	}
	snprintf(out, 160, "%.*s", (int)strcspn(best, "\n"), best);
}

/*
 * Opens it, to be relocated against an excerpt of the kernel's types, in which
 * libbpf finds at once what it would else search the whole for, name by name.
 * *ret_types_fd is the excerpt's file, which libbpf reads when it loads.
 */
int live_open_object(const struct kernel *k, struct lens **ret_skel, int *ret_types_fd)
{
	struct lens *skel;
	_cleanup_close_ int fd = memfd_create("ipclens-types", MFD_CLOEXEC);
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* without /proc the slow way works, too */
	if (!access(path, R_OK))
		opts.btf_custom_path = path;
	skel = lens__open_opts(&opts);
	if (!skel)
		return log_err(-errno, "cannot open the built-in BPF object: %s", strerror(errno));
	err = fd < 0 ? 0 : relocation_types_write(k->types, bpf_object__btf(skel->obj), fd);
	if (err) {
		lens__destroy(skel);
		return log_err(err, "cannot keep the kernel's types: %s", strerror(-err));
	}
	*ret_skel = skel;
	*ret_types_fd = TAKE_FD(fd);
	return 0;
}

struct attempt {
	struct plan *plan;
	bool refused;			/* by the kernel, and the plan has another way */
};

static void on_refused(void *arg, const struct bpf_program *prog, const char *log)
{
	struct attempt *a = arg;
	char why[160];

	last_words(log, why);
	log_msg(LOG_DEBUG, "%s: %s", bpf_program__name(prog), log);
	a->refused |= !plan_refuse(a->plan, prog, why);
}

/* one attempt to load the chosen programs; 1: refused, but the plan has another way */
static int try_load(struct live *l, const struct kernel *k)
{
	struct attempt attempt = { .plan = &l->plan };
	_cleanup_close_ int types_fd = -1;
	struct bpf_program *prog;
	int err;

	err = live_open_object(k, &l->skel, &types_fd);
	if (err)
		return err;
	if (!l->plan.rows) {
		err = plan_init(&l->plan, &l->opt, l->skel->obj, k);
		if (err)
			return err;
	}
	plan_choose(&l->plan);
	err = configure(l, k);
	if (err)
		return err;
	bpf_object__for_each_program(prog, l->skel->obj)
		bpf_program__set_autoload(prog, plan_wants(&l->plan, prog));
	err = loads_load(l->skel->skeleton, on_refused, &attempt);
	if (!err)
		return 0;
	lens__destroy(l->skel);
	l->skel = NULL;
	return attempt.refused || plan_drop_stuck(&l->plan) ? 1 : err;
}

int live_explain_load(int err)
{
	const char *missing = kernel_missing_capability();

	if (*missing)
		return log_err(-EPERM, "not permitted to load BPF programs: %s missing; run "
			       "as root or grant CAP_BPF and CAP_PERFMON", missing);
	if (err == -EPERM)
		return log_err(-EPERM, "the kernel does not permit BPF programs here (user "
			       "namespace, or lockdown=confidentiality)");
	if (err == -ENOMEM)
		return log_err(err, "not enough memory for the kernel-side tables; try a smaller "
			       "--max-channels or --ring-size");
	return log_err(-EOPNOTSUPP, "this kernel does not load ipclens' programs: %s (--verbose "
		       "shows why)", strerror(-err));
}

static int load(struct live *l, const struct kernel *k)
{
	int err = sections_use(k);

	if (err)
		return log_err(err, "cannot prepare to load: %s", strerror(-err));
	do {
		err = try_load(l, k);
	} while (err == 1);
	if (err == -EINVAL && !l->skel)
		return live_explain_load(err);
	if (err < 0)
		return l->skel ? err : live_explain_load(err);
	return 0;
}

/* ------------------------------------------------------------------ attach */

static int ignore_record(void *arg, const struct lens_rec *rec)
{
	return 0;
}

void live_release_calls(struct live *l)
{
	if (!l->calls || l->skel->rodata->lens_sys_kinds || l->skel->rodata->lens_splice_kinds ||
	    l->skel->bss->lens_straddling > 0)
		return;
	bpf_link__destroy(l->calls);
	l->calls = NULL;
}

static bool hooks_function(const char *section)
{
	return strstr(section, "fexit/") || strstr(section, "fentry/");
}

static int attach_tracing(struct live *l)
{
	bool has_functions = false;
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, l->skel->obj) {
		const char *section = bpf_program__section_name(prog);
		struct bpf_link *link;

		if (!bpf_program__autoload(prog) || live_is_numbering(prog) ||
		    strstr(section, "iter") || strstr(section, "raw_tp/") ||
		    prog == l->skel->progs.calls__sys__exit)
			continue;
		link = bpf_program__attach_trace(prog);
		if (!link)
			return log_err(-errno, "cannot attach %s: %s", bpf_program__name(prog),
				       strerror(errno));
		l->links = xrealloc(l->links, l->link_count + 1, sizeof(*l->links));
		l->links[l->link_count++] = link;
		has_functions |= hooks_function(section);
	}
	if (has_functions)
		live_closer_open(l);
	return 0;
}

static int attach(struct live *l)
{
	int err = 0;

	if (!bpf_program__autoload(l->skel->progs.calls__sys__exit))
		return attach_tracing(l);
	l->calls = bpf_program__attach_trace(l->skel->progs.calls__sys__exit);
	if (!l->calls)
		return log_err(-errno, "cannot attach to system calls: %s", strerror(errno));
	/* calls under way: no function hook will see them return */
	if (l->iter_straddle)
		err = live_walk(l->iter_straddle, ignore_record, NULL);
	if (!err)
		err = attach_tracing(l);
	if (!err)
		live_release_calls(l);
	return err;
}

static int attach_iterator(struct bpf_program *prog, struct bpf_link **ret)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(prog))
		return 0;	/* not part of the plan; what it would find is not asked for */
	link = bpf_program__attach_iter(prog, NULL);
	if (!link)
		return log_err(-errno, "cannot attach %s: %s", bpf_program__name(prog),
			       strerror(errno));
	*ret = link;
	return 0;
}

static int attach_iterators(struct live *l)
{
	int err = attach_iterator(l->skel->progs.snap__iter__procs, &l->iter_procs);

	if (!err)
		err = attach_iterator(l->skel->progs.calls__iter__straddle, &l->iter_straddle);
	if (!err)
		err = attach_iterator(l->skel->progs.snap__iter__files, &l->iter_files);
	if (!err)
		err = attach_iterator(l->skel->progs.snap__iter__waits, &l->iter_waits);
	if (!err)
		err = attach_iterator(l->skel->progs.sysvmsg__iter__queues, &l->iter_queues);
	if (!err)
		err = attach_iterator(l->skel->progs.mqueue__iter__names, &l->iter_mqueues);
	if (!err)
		err = attach_iterator(l->skel->progs.mapping__iter__segments, &l->iter_segments);
	if (!err)
		err = attach_iterator(l->skel->progs.mapping__iter__vmas, &l->iter_vmas);
	return !err && l->plan.stuck ? live_stuck_open(l) : err;
}

static int open_ring(struct live *l);

/* one attempt to observe by the plan; 1: hooks do not fire, but the plan has another way */
static int set_up(struct live *l, const struct kernel *k)
{
	int err = load(l, k);

	l->crowds = crowds_new();
	if (!err && !l->opt.snapshot)
		err = live_say_hello(l->skel);
	if (!err && !l->opt.snapshot)
		err = live_know_self(l);
	if (!err)
		err = open_ring(l);
	if (!err)
		err = attach_iterators(l);
	if (!err)
		err = attach(l);
	if (!err && !l->opt.snapshot)
		err = live_selftest(l);
	return err;
}

static void tear_down(struct live *l)
{
	struct bpf_link **links[] = {
		&l->numbering[0], &l->numbering[1], &l->calls, &l->iter_straddle, &l->iter_procs,
		&l->iter_files, &l->iter_waits, &l->iter_queues, &l->iter_mqueues,
		&l->iter_segments, &l->iter_vmas,
	};

	stuck_live_freep(&l->stuck);
	while (l->link_count)
		bpf_link__destroy(l->links[--l->link_count]);
	live_closer_end(l);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		bpf_link__destroy(*links[i]);
		*links[i] = NULL;
	}
	ring_buffer__free(l->ring);
	ring_buffer__free(l->ops_ring);
	l->ring = l->ops_ring = NULL;
	order_close(&l->order);
	crowds_free(l->crowds);
	l->crowds = NULL;
	lens__destroy(l->skel);
	l->skel = NULL;
}

static int bring_up(struct live *l)
{
	struct kernel k;
	int err;

	err = live_allow_files(l->opt.snapshot && !l->opt.stuck ? LIVE_FILES_TO_LOOK :
			       LIVE_FILES_TO_OBSERVE);
	if (err)
		return err;
	live_quiet_libbpf();
	l->cpu_count = libbpf_num_possible_cpus();
	if (l->cpu_count < 1)
		return log_err(-EIO, "cannot tell how many CPUs there are");
	err = kernel_probe(&k);
	if (!err)
		err = set_up(l, &k);
	/* ends: each time another variant has left the plan */
	while (err == 1) {
		tear_down(l);
		err = set_up(l, &k);
	}
	kernel_fini(&k);
	if (!err)
		live_describe_host(&l->host);
	l->sees_all = kernel_in_initial_pidns();
	return err;
}

int live_open(const struct live_options *opt, struct live **ret_live)
{
	struct live *l = xcalloc(1, sizeof(*l));
	int err;

	l->opt = *opt;
	l->closer = -1;
	err = bring_up(l);
	if (err) {
		live_freep(&l);
		return err;
	}
	*ret_live = l;
	return 0;
}

void live_freep(struct live **live)
{
	struct live *l = *live;

	if (!l)
		return;
	tear_down(l);
	plan_fini(&l->plan);
	free(l->links);
	free(l->exited);
	free(l->gone);
	live_forget_told(l);
	buf_fini(&l->held);
	free(l);
	*live = NULL;
}

int live_follow(struct live *l, pid_t pid)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, pid, 0);
	uint32_t one = 1;

	if (pidfd < 0)
		return log_err(-errno, "cannot refer to process %d: %s", pid, strerror(errno));
	if (bpf_map_update_elem(bpf_map__fd(l->skel->maps.lens_tree), &pidfd, &one, BPF_NOEXIST))
		return log_err(-errno, "cannot follow process %d: %s", pid, strerror(errno));
	return 0;
}

const struct plan_row *live_plan(const struct live *l, size_t *ret_count)
{
	*ret_count = l->plan.row_count;
	return l->plan.rows;
}

/* -------------------------------------------------------------------- ring */

/* stops a ring_buffer__consume() that has done its share */
#define BUDGET_SPENT -EXFULL

static void note_news(struct live *l, const struct lens_rec *rec)
{
	/* of mappings what names an object may be news of one */
	bool object = rec->type == LENS_REC_MAP && rec->len >= sizeof(struct lens_rec_map) &&
		      ((const struct lens_rec_map *)rec)->chan.kind != LENS_KIND_NONE;

	l->news += rec->type == LENS_REC_EXIT || rec->type == LENS_REC_END || object;
	if (rec->type != LENS_REC_EXIT || rec->len < sizeof(struct lens_rec_exit))
		return;
	if (l->exited_count == l->exited_size) {
		l->exited_size = l->exited_size ? l->exited_size * 2 : 256;
		l->exited = xrealloc(l->exited, l->exited_size, sizeof(*l->exited));
	}
	l->exited[l->exited_count++] = ((const struct lens_rec_exit *)rec)->proc;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct live *l = ctx;
	const struct lens_rec *rec = data;

	if (size < sizeof(*rec) || rec->len > size || rec->type == LENS_REC_OPS)
		return 0;	/* not one of ours; cannot happen with our own programs */
	if (live_is_selftest(l, rec))
		return 0;
	note_news(l, rec);
	if (rec->type == LENS_REC_END && rec->len >= sizeof(struct lens_rec_end))
		crowds_come(l->crowds, (const void *)rec);
	l->taken_bytes += size;
	l->budget--;
	l->sink_err = l->sink(l->sink_arg, rec);
	if (l->sink_err < 0)
		return l->sink_err;
	return l->budget > 0 ? 0 : BUDGET_SPENT;
}

static int on_batch(void *ctx, void *data, size_t size)
{
	struct live *l = ctx;
	const struct lens_rec_ops *rec = data;

	if (size < sizeof(*rec) || rec->h.len > size || rec->h.len % 8 ||
	    rec->h.type != LENS_REC_OPS)
		return 0;
	buf_add(&l->held, data, rec->h.len);
	/* a batch is as much work as its operations */
	l->budget -= rec->count;
	return l->budget > 0 ? 0 : BUDGET_SPENT;
}

static int open_ring(struct live *l)
{
	int events = bpf_map__fd(l->skel->maps.lens_ring);
	int ops = bpf_map__fd(l->skel->maps.lens_ops_ring);

	l->ring_bytes = bpf_map__max_entries(l->skel->maps.lens_ring) +
			bpf_map__max_entries(l->skel->maps.lens_ops_ring);
	l->ring = ring_buffer__new(events, on_record, l, NULL);
	l->ops_ring = l->ring ? ring_buffer__new(ops, on_batch, l, NULL) : NULL;
	if (!l->ops_ring || order_open(&l->order, ops))
		return log_err(-errno, "cannot map the event ring: %s", strerror(errno));
	return 0;
}
