// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The limit of open files, which libbpf has many errors for.
 */
#include <sys/resource.h>

#include "source/live.h"

int live_allow_files(unsigned needed)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= needed)
		return 0;
	if (files.rlim_max < needed)
		return log_err(-EMFILE, "no more than %llu file descriptors are allowed; raise "
			       "the limit (ulimit -n %u)", (unsigned long long)files.rlim_max,
			       needed);
	files.rlim_cur = needed;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return log_err(-errno, "cannot raise the limit of file descriptors: %s",
			       strerror(errno));
	return 0;
}
