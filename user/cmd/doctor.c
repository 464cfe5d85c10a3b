// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens doctor: what this kernel lets us see, by which hooks, and what
 * therefore stays invisible. Loads everything once, as a report would.
 */
#include <json-c/json.h>
#include <sys/utsname.h>

#include "cmd/cmd.h"
#include "mech/mech.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "doctor takes no arguments");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "One JSON document, schema ipclens.doctor/1", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &options_live, 0, "How to observe:", 2 },
	{}
};

static const struct argp parser = {
	options, parse, NULL,
	"Tell what ipclens can observe on this kernel, by which hooks, and what it cannot.",
	children
};

static const char *state_name(enum plan_state state)
{
	static const char *const names[] = {
		[PLAN_CHOSEN] = "chosen", [PLAN_NOT_NEEDED] = "not-needed",
		[PLAN_ABSENT] = "absent", [PLAN_REFUSED] = "refused",
		[PLAN_FORCED_OFF] = "off",
	};

	return names[state];
}

static void show_text(const struct live *l)
{
	struct utsname u = {};
	struct lens_rec_cover cover;
	const struct plan_row *rows;
	size_t count;

	rows = live_plan(l, &count);
	uname(&u);
	printf("kernel %s, %s\n\nOBSERVED\n", u.release, u.machine);
	for (unsigned kind = LENS_KIND_NONE + 1; kind < LENS_KIND_MAX; kind++) {
		const struct mech *m = mech_get(kind);
		const char *variant;

		if (!m)
			continue;	/* a number that is not in use */
		variant = live_coverage(l, kind, &cover) ? cover.variant : "-";
		printf("  %-15s %-10s %s\n", m->type, variant, cover.detail);
	}
	printf("\nHOOK VARIANTS, in order of preference\n");
	for (size_t i = 0; i < count; i++)
		printf("  %-10s %-10s %-10s %s\n", rows[i].group, rows[i].variant,
		       state_name(rows[i].state), rows[i].why);
	printf("\nPRIVILEGE\n"
	       "  CAP_BPF and CAP_PERFMON to start; none once observing: user nobody,\n"
	       "  no capability, seccomp and, where the kernel has it, Landlock\n");
}

static void add_string(struct json_object *o, const char *key, const char *value)
{
	struct buf safe = {};

	text_escape(&safe, value, strlen(value));
	json_object_object_add(o, key, json_object_new_string(safe.data ? safe.data : ""));
	buf_fini(&safe);
}

static void show_json(const struct live *l)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *coverage = json_object_new_array();
	struct json_object *variants = json_object_new_array();
	struct utsname u = {};
	struct lens_rec_cover cover;
	const struct plan_row *rows;
	size_t count;

	rows = live_plan(l, &count);
	uname(&u);
	add_string(doc, "schema", "ipclens.doctor/1");
	add_string(doc, "kernel", u.release);
	for (unsigned kind = LENS_KIND_NONE + 1; kind < LENS_KIND_MAX; kind++) {
		const struct mech *m = mech_get(kind);
		struct json_object *o;
		bool observed;

		if (!m)
			continue;
		observed = live_coverage(l, kind, &cover);
		o = json_object_new_object();
		add_string(o, "type", m->type);
		add_string(o, "variant", cover.variant);
		add_string(o, "state", observed ? "observed" : "unavailable");
		add_string(o, "detail", cover.detail);
		json_object_array_add(coverage, o);
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object();

		add_string(o, "group", rows[i].group);
		add_string(o, "variant", rows[i].variant);
		add_string(o, "state", state_name(rows[i].state));
		add_string(o, "why", rows[i].why);
		json_object_array_add(variants, o);
	}
	json_object_object_add(doc, "coverage", coverage);
	json_object_object_add(doc, "variants", variants);
	puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(doc);
}

static int run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};
	_cleanup_free_ struct live_choice *choices = NULL;
	_cleanup_(live_freep) struct live *l = NULL;
	struct live_options live;
	int err;

	options_parse(&parser, argc, argv, &o);
	live = session_live_options(&o, &choices);
	err = live_open(&live, &l);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : options_exit_status(err);
	if (o.json)
		show_json(l);
	else
		show_text(l);
	return EXIT_OK;
}

const struct cmd cmd_doctor = {
	"doctor", "what this kernel allows, hook variant per mechanism, limits", run
};
