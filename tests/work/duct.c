/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counted reads and writes of pipes.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

char duct_data[DUCT_MAX];
char duct_sink[DUCT_MAX];

struct duct duct_new(int flags)
{
	struct duct d;
	int fd[2];

	if (pipe2(fd, flags))
		work_die("pipe");
	d.r = fd[0];
	d.w = fd[1];
	d.c = work_pipe(d.r, NULL);
	return d;
}

ssize_t duct_put(const struct duct *d, size_t len)
{
	return work_did(d->c, WORK_WRITE, write(d->w, duct_data, len));
}

ssize_t duct_get(const struct duct *d, size_t len)
{
	return work_did(d->c, WORK_READ, read(d->r, duct_sink, len));
}

void duct_drain(const struct duct *d, size_t len, size_t step)
{
	while (len) {
		ssize_t n = duct_get(d, len < step ? len : step);

		if (n <= 0)
			work_die("drain");
		len -= (size_t)n;
	}
}

int duct_depth(const struct duct *d)
{
	int n;

	if (ioctl(d->r, FIONREAD, &n))
		work_die("FIONREAD");
	return n;
}
