// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The limit of open files, which libbpf has many errors for.
 */
#include <sys/resource.h>

#include "source/live.h"

/* two for each program, and what else there is */
#define FILES_ENOUGH 256

int live_allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= FILES_ENOUGH)
		return 0;
	if (files.rlim_max < FILES_ENOUGH)
		return log_err(-EMFILE, "no more than %llu file descriptors are allowed; raise "
			       "the limit (ulimit -n %d)", (unsigned long long)files.rlim_max,
			       FILES_ENOUGH);
	files.rlim_cur = FILES_ENOUGH;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return log_err(-errno, "cannot raise the limit of file descriptors: %s",
			       strerror(errno));
	return 0;
}
