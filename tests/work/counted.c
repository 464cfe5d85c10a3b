/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind counted.h.
 */
#include "counted.h"
#include "ends.h"
#include "parcels.h"
#include "work.h"

/* nobody is left who could read it, but the kernel takes it all the same */
static bool to_nobody(const struct end *e)
{
	int side = e->pair->chan[0] == e->out ? 0 : 1;

	return e->mech->shape == TWO_ENDS && !holders((int)(e->pair - stage->pair), side);
}

static bool is_ahead;
static size_t ahead;

void counted_ahead(const struct end *e, size_t len, long tag)
{
	if (!stage->in_order)
		return;
	is_ahead = true;
	ahead = len;
	parcels_put(e->out, len, e->mech->messages, tag);
}

ssize_t counted_put(const struct end *e, ssize_t ret, long tag)
{
	bool messages = e->mech->messages;

	if (messages)
		work_did_message(e->out, WORK_WRITE, ret);
	else
		work_did(e->out, WORK_WRITE, ret);
	if (is_ahead && ret < (ssize_t)ahead)
		parcels_take_back(e->out, ahead - (size_t)(ret < 0 ? 0 : ret), messages);
	if (is_ahead || ret < 0 || (!ret && !messages)) {
		is_ahead = false;
		return ret;
	}
	if (to_nobody(e))
		work_discarded(e->out, (uint64_t)ret, messages);
	else if (stage->in_order)
		parcels_put(e->out, (size_t)ret, messages, tag);
	return ret;
}

ssize_t counted_get(const struct end *e, ssize_t ret, long tag)
{
	if (!e->mech->messages) {
		work_did(e->in, WORK_READ, ret);
		if (ret > 0 && stage->in_order)
			parcels_get(e->in, (size_t)ret);
		return ret;
	}
	/* the end of a connection; who is not in order sends no empty messages */
	if (!ret && (!stage->in_order || !parcels_next_is_empty(e->in, tag))) {
		work_any_operations(e->in, WORK_READ);
		return ret;
	}
	work_did_message(e->in, WORK_READ, ret);
	if (ret >= 0 && stage->in_order) {
		size_t len = parcels_get_message(e->in, (size_t)ret, tag);

		if (len > (size_t)ret)
			work_discarded(e->in, len - (size_t)ret, 0);
	}
	return ret;
}
