/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind heirloom.h.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>
#include <unistd.h>

#include "heirloom.h"
#include "work.h"

/* above those that channels get */
enum { FIRST_FD = 200 };

void *heirloom_find(enum heirloom which, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, FIRST_FD + (int)which, 0);

	if (at == MAP_FAILED)
		work_die("memory that is shared");
	return at;
}

void *heirloom_create(enum heirloom which, size_t bytes)
{
	int fd = memfd_create("heirloom", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) || dup2(fd, FIRST_FD + (int)which) < 0)
		work_die("memory to share");
	close(fd);
	return heirloom_find(which, bytes);
}
