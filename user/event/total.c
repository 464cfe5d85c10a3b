// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Totals that grow: the kernel side adds to one field after another, so that what is read
 * may have operations whose bytes are still to come.
 */
#include "event/event.h"

void event_total_take_off(struct lens_total *t, const struct lens_total *before)
{
	t->ops -= before->ops;
	t->msgs -= before->msgs;
	t->bytes -= before->bytes;
	t->errors -= before->errors;
	t->shorts -= before->shorts;
}

bool event_total_any(const struct lens_total *t)
{
	return t->ops || t->msgs || t->bytes || t->errors || t->shorts;
}
