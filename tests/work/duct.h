/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A pipe or FIFO with both its descriptors and its place in the truth. Every
 * call through here is counted.
 */
#ifndef DUCT_H
#define DUCT_H

#include <stddef.h>
#include <sys/types.h>

struct duct {
	int r, w;
	int c;				/* channel in the truth */
};

#define DUCT_MAX (1 << 20)
extern char duct_data[DUCT_MAX];	/* what is written */
extern char duct_sink[DUCT_MAX];	/* where it is read to */

struct duct duct_new(int flags);
ssize_t duct_put(const struct duct *d, size_t len);
ssize_t duct_get(const struct duct *d, size_t len);
/* reads exactly so much, in calls of at most `step` bytes */
void duct_drain(const struct duct *d, size_t len, size_t step);
int duct_depth(const struct duct *d);

#endif
