// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How the kernel side learns who is not to be reported on, and we who that is.
 */
#include <fcntl.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"

int live_say_hello(const struct lens *s)
{
	uint64_t a_pipe;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &a_pipe, .ctx_size_in = sizeof(a_pipe));
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC))
		return log_err(-errno, "cannot create a pipe: %s", strerror(errno));
	a_pipe = fds[0];
	err = bpf_prog_test_run_opts(bpf_program__fd(s->progs.core__run__hello), &opts);
	close(fds[0]);
	close(fds[1]);
	return err ? log_err(err, "cannot run a BPF program: %s", strerror(-err)) : 0;
}

/* known to the kernel side since we said hello: nobody else is in there yet */
int live_know_self(struct live *l)
{
	return bpf_map_get_next_key(bpf_map__fd(l->skel->maps.lens_self_procs), NULL, &l->self);
}
