// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A health check of a process that is not there must not say that all is well:
 * an id or a cgroup names what has to exist, while a name is a pattern, which
 * nothing may match yet.
 */
#include "cmd/stuck_target.h"

static bool has(const struct stuck *s, const struct options *o, struct render_filter f)
{
	f.with_self = o->with_self;
	return render_stuck_has(s, &f);
}

static bool has_pid(const struct stuck *s, const struct options *o, size_t i)
{
	return has(s, o, (struct render_filter){ .pids = &o->pids[i], .pid_count = 1 });
}

static bool has_cgroup(const struct stuck *s, const struct options *o, size_t i)
{
	return has(s, o, (struct render_filter){ .cgroups = &o->cgroups.items[i],
						 .cgroup_count = 1 });
}

static bool has_comm(const struct stuck *s, const struct options *o, size_t i)
{
	return has(s, o, (struct render_filter){ .comms = &o->comms.items[i], .comm_count = 1 });
}

static int check_pids(const struct stuck *s, const struct options *o)
{
	size_t found = 0;

	for (size_t i = 0; i < o->pid_count; i++)
		found += has_pid(s, o, i);
	for (size_t i = 0; i < o->pid_count; i++)
		if (!has_pid(s, o, i))
			log_msg(found ? LOG_WARNING : LOG_ERROR,
				"no process has the id %u: it has ended, or is a thread of one "
				"or of the kernel; `ps -e` shows which there are", o->pids[i]);
	return o->pid_count && !found ? -ESRCH : 0;
}

static int check_cgroups(const struct stuck *s, const struct options *o)
{
	size_t found = 0;

	for (size_t i = 0; i < o->cgroups.count; i++)
		found += has_cgroup(s, o, i);
	for (size_t i = 0; i < o->cgroups.count; i++)
		if (!has_cgroup(s, o, i))
			log_msg(found ? LOG_WARNING : LOG_ERROR,
				"no process is in cgroup %s or below: it is empty or does not "
				"exist; /proc/PID/cgroup shows after 0:: how to name one",
				o->cgroups.items[i]);
	return o->cgroups.count && !found ? -ESRCH : 0;
}

int stuck_target_check(const struct stuck *s, const struct options *o)
{
	int err = check_pids(s, o);

	if (err >= 0)
		err = check_cgroups(s, o);
	for (size_t i = 0; err >= 0 && i < o->comms.count; i++)
		if (!has_comm(s, o, i))
			log_msg(LOG_WARNING, "no process is called %s; names are those of "
				"`ps -e -o comm`", o->comms.items[i]);
	return err;
}
