// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The load plan; see plan.h.
 */
#include <bpf/libbpf.h>

#include "source/plan.h"
#include "source/sections.h"

/* splits "<group>__<variant>__<hook>"; false for a name of another form */
static bool split_name(const char *name, char group[16], char variant[16])
{
	const char *first = strstr(name, "__");
	const char *second = first ? strstr(first + 2, "__") : NULL;

	if (!second || first - name > 15 || second - first - 2 > 15)
		return false;
	snprintf(group, 16, "%.*s", (int)(first - name), name);
	snprintf(variant, 16, "%.*s", (int)(second - first - 2), first + 2);
	return true;
}

/* a program serves a row if it bears its name, or is the shared one of the sys variants */
static bool serves(const struct bpf_program *prog, const struct plan_row *row)
{
	char group[16], variant[16], *any;

	if (!split_name(bpf_program__name(prog), group, variant))
		return false;
	if (!strcmp(group, PLAN_SHARED_GROUP))
		return !strcmp(row->variant, PLAN_SHARED_VARIANT);
	/* "fexit_any" is part of every variant whose name begins with "fexit" */
	any = strstr(variant, "_any");
	if (any && !any[4])
		return !strcmp(group, row->group) &&
		       !strncmp(variant, row->variant, any - variant);
	return !strcmp(group, row->group) && !strcmp(variant, row->variant);
}

static struct plan_row *find_row(const struct plan *p, const char *group, const char *variant)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (!strcmp(p->rows[i].group, group) && !strcmp(p->rows[i].variant, variant))
			return &p->rows[i];
	return NULL;
}

static void add_row(struct plan *p, const char *group, const char *variant)
{
	struct plan_row *row;

	if (find_row(p, group, variant))
		return;
	p->rows = xrealloc(p->rows, p->row_count + 1, sizeof(*p->rows));
	row = &p->rows[p->row_count++];
	memset(row, 0, sizeof(*row));
	snprintf(row->group, sizeof(row->group), "%s", group);
	snprintf(row->variant, sizeof(row->variant), "%s", variant);
	row->state = PLAN_NOT_NEEDED;
}

static void probe_row(struct plan_row *row, struct bpf_object *obj, const struct kernel *k)
{
	struct bpf_program *prog;
	bool any = false;

	bpf_object__for_each_program(prog, obj) {
		const char *section = bpf_program__section_name(prog);

		if (!serves(prog, row))
			continue;
		any = true;
		if (!sections_target(k->types, section)) {
			row->state = PLAN_ABSENT;
			snprintf(row->why, sizeof(row->why), "this kernel has no %s",
				 *section == '?' ? section + 1 : section);
			return;
		}
		if (strstr(section, "fexit/") && !k->fexit_allowed) {
			row->state = PLAN_REFUSED;
			snprintf(row->why, sizeof(row->why), "%s", k->fexit_why);
			return;
		}
		if (strstr(section, "fexit/") && k->preempts) {
			row->is_last_resort = true;
			snprintf(row->why, sizeof(row->why), "not exact: the kernel skips a hook "
				 "that another task is in, and can switch tasks there (%s)",
				 k->preempts);
		}
	}
	if (!any) {
		row->state = PLAN_ABSENT;
		snprintf(row->why, sizeof(row->why), "no program was built for it");
	}
}

/* "--variant pipe=sys": every other row of the group is off */
static int force_variant(struct plan *p, const char *choice)
{
	const char *eq = strchr(choice, '=');
	_cleanup_free_ char *group = eq ? xstrndup(choice, eq - choice) : NULL;

	if (!group || !find_row(p, group, eq + 1))
		return log_err(-EINVAL, "there is no hook variant '%s'; `ipclens doctor` "
			       "lists them", choice);
	for (size_t i = 0; i < p->row_count; i++) {
		struct plan_row *row = &p->rows[i];

		if (strcmp(row->group, group) || !strcmp(row->variant, eq + 1) ||
		    row->state != PLAN_NOT_NEEDED)
			continue;
		row->state = PLAN_FORCED_OFF;
		snprintf(row->why, sizeof(row->why), "--variant %s was given", choice);
	}
	return 0;
}

int plan_init(struct plan *p, const struct live_options *opt, struct bpf_object *obj,
	      const struct kernel *k)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->snapshot = opt->snapshot;
	p->numbers = opt->number_messages;
	p->strict = opt->check_descriptors;
	p->stuck = opt->stuck;
	for (size_t i = 0; i < opt->choice_count; i++)
		add_row(p, opt->choices[i].group, opt->choices[i].variant);
	add_row(p, PLAN_EXTRA_GROUP, "ring");
	add_row(p, PLAN_EXTRA_GROUP, "ring61");
	add_row(p, PLAN_FETCH_GROUP, "fexit");
	add_row(p, PLAN_FETCH_GROUP, "fexit64");
	add_row(p, PLAN_FETCH_GROUP, PLAN_SHARED_VARIANT);
	add_row(p, PLAN_MULTIPATH_GROUP, PLAN_FUNCTION_HOOKS);
	add_row(p, PLAN_MESSAGE_GROUP, "fexit");
	add_row(p, PLAN_MESSAGE_GROUP, "tp");
	for (size_t i = 0; i < p->row_count; i++)
		probe_row(&p->rows[i], obj, k);
	for (const char *const *v = opt->variants; v && *v; v++) {
		err = force_variant(p, *v);
		if (err)
			return err;
	}
	return 0;
}

void plan_fini(struct plan *p)
{
	free(p->rows);
	p->rows = NULL;
	p->row_count = 0;
}

static bool uses_variant(const struct plan *p, const char *variant)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (p->rows[i].state == PLAN_CHOSEN && strcmp(p->rows[i].group, PLAN_FETCH_GROUP) &&
		    !strcmp(p->rows[i].variant, variant))
			return true;
	return false;
}

/* is something counted at the end of system calls? */
static bool uses_shared(const struct plan *p)
{
	return uses_variant(p, PLAN_SHARED_VARIANT);
}

/* function hooks are given the file itself: only the end of system calls has to be checked */
static bool is_check(const struct bpf_program *prog)
{
	static const char prefix[] = PLAN_SHARED_GROUP "__strict__";

	return !strncmp(bpf_program__name(prog), prefix, sizeof(prefix) - 1);
}

/* is anything observed that a descriptor can stand for, or calls that make one? */
static bool has_descriptors(const struct plan *p)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (p->rows[i].state == PLAN_CHOSEN && strcmp(p->rows[i].group, "signal"))
			return true;
	return false;
}

/* rows of groups that complete others come last: those have been chosen before */
static bool is_useful(const struct plan *p, const struct plan_row *row)
{
	const struct plan_row *sockets = plan_chosen(p, "inet");

	if (!strcmp(row->group, PLAN_FETCH_GROUP))
		return has_descriptors(p);
	if (!strcmp(row->group, PLAN_MULTIPATH_GROUP))
		return sockets && !strcmp(sockets->variant, PLAN_FUNCTION_HOOKS);
	if (!strcmp(row->group, PLAN_MESSAGE_GROUP))
		return p->numbers && (plan_chosen(p, "sysvmsg") || plan_chosen(p, "mqueue"));
	return strcmp(row->group, PLAN_EXTRA_GROUP) || uses_shared(p) ||
	       uses_variant(p, PLAN_SOCK_VARIANT);
}

static void choose_rows(struct plan *p, bool last_resort)
{
	for (size_t i = 0; i < p->row_count; i++) {
		struct plan_row *row = &p->rows[i];

		if (row->state == PLAN_NOT_NEEDED && row->is_last_resort == last_resort &&
		    !plan_chosen(p, row->group) && is_useful(p, row))
			row->state = PLAN_CHOSEN;
	}
}

void plan_choose(struct plan *p)
{
	for (size_t i = 0; i < p->row_count; i++) {
		struct plan_row *row = &p->rows[i];

		if (row->state == PLAN_CHOSEN)
			row->state = PLAN_NOT_NEEDED;
	}
	if (p->snapshot)
		return;
	choose_rows(p, false);
	choose_rows(p, true);
}

bool plan_straddles(const struct plan_row *row)
{
	/* tracepoints see the end of a call, whenever it began */
	return strstr(row->variant, PLAN_FUNCTION_HOOKS) &&
	       strncmp(row->variant, PLAN_SOCK_VARIANT, strlen(PLAN_SOCK_VARIANT));
}

/*
 * The shared program also counts the calls that are older than other hooks. Its iterator finds
 * them.
 */
static bool wants_shared(const struct plan *p, const char *variant)
{
	bool finds = !strcmp(variant, "iter");

	for (size_t i = 0; i < p->row_count; i++) {
		const struct plan_row *row = &p->rows[i];

		if (row->state == PLAN_CHOSEN && strcmp(row->group, PLAN_EXTRA_GROUP) &&
		    strcmp(row->group, PLAN_MESSAGE_GROUP) && (!finds || plan_straddles(row)))
			return true;
	}
	return false;
}

static bool has_group(const struct plan *p, const char *group)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (!strcmp(p->rows[i].group, group))
			return true;
	return false;
}

bool plan_is_stuck(const struct bpf_program *prog)
{
	static const char prefix[] = "stuck__";
	const char *name = bpf_program__name(prog);

	/* it needs what waits in queues, too */
	return !strncmp(name, prefix, sizeof(prefix) - 1) || !strcmp(name, "sysvmsg__iter__queues");
}

bool plan_wants(const struct plan *p, const struct bpf_program *prog)
{
	char group[16], variant[16];

	if (!split_name(bpf_program__name(prog), group, variant))
		return false;
	if (is_check(prog))
		return p->strict && uses_shared(p);
	if (!strcmp(group, "snap"))
		return true;
	/* no report or recording holds stacks */
	if (!strcmp(bpf_program__name(prog), "stuck__iter__stacks"))
		return false;
	/* a snapshot is over before anybody could be said to have entered a call meanwhile */
	if (plan_is_stuck(prog) && p->stuck)
		return !p->snapshot || strcmp(variant, "since");
	if (!strcmp(group, "core") || !strcmp(group, "task"))
		return !p->snapshot;
	if (!strcmp(group, PLAN_SHARED_GROUP))
		return wants_shared(p, variant);
	if (!strcmp(variant, "iter"))
		return has_group(p, group);
	for (size_t i = 0; i < p->row_count; i++)
		if (p->rows[i].state == PLAN_CHOSEN && serves(prog, &p->rows[i]))
			return true;
	return false;
}

int plan_refuse(struct plan *p, const struct bpf_program *prog, const char *why)
{
	int err = -ENOENT;

	for (size_t i = 0; i < p->row_count; i++) {
		struct plan_row *row = &p->rows[i];

		if (row->state != PLAN_CHOSEN || !serves(prog, row))
			continue;
		row->state = PLAN_REFUSED;
		snprintf(row->why, sizeof(row->why), "%s: %s", bpf_program__name(prog), why);
		err = 0;
	}
	return err;
}

bool plan_drop_stuck(struct plan *p)
{
	if (!p->stuck)
		return false;
	log_msg(LOG_WARNING, "this kernel may refuse to tell who is stuck: trying without");
	p->stuck = false;
	return true;
}

void plan_refuse_group(struct plan *p, const char *group, const char *why)
{
	for (size_t i = 0; i < p->row_count; i++) {
		struct plan_row *row = &p->rows[i];

		if (row->state != PLAN_CHOSEN || strcmp(row->group, group))
			continue;
		row->state = PLAN_REFUSED;
		snprintf(row->why, sizeof(row->why), "%s", why);
	}
}

bool plan_fetches_by_calls(const struct plan *p)
{
	const struct plan_row *row = plan_chosen(p, PLAN_FETCH_GROUP);

	return row && !strcmp(row->variant, PLAN_SHARED_VARIANT);
}

const char *plan_completes(const struct plan_row *row)
{
	return strcmp(row->variant, PLAN_SHARED_VARIANT) ? PLAN_MULTIPATH_GROUP : PLAN_EXTRA_GROUP;
}

const struct plan_row *plan_chosen(const struct plan *p, const char *group)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (p->rows[i].state == PLAN_CHOSEN && !strcmp(p->rows[i].group, group))
			return &p->rows[i];
	return NULL;
}

bool plan_avoids(const struct plan *p, const char *group)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (p->rows[i].is_last_resort && p->rows[i].state == PLAN_NOT_NEEDED &&
		    !strcmp(p->rows[i].group, group))
			return true;
	return false;
}
