// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The registry of mechanisms. A row of LENS_KINDS without its class does not
 * link.
 */
#include "mech/mech.h"

#define X(ID, value, group, type) extern const struct mech mech_##ID;
LENS_KINDS(X)
#undef X

static const struct mech *const classes[LENS_KIND_MAX] = {
#define X(ID, value, group, type) [LENS_KIND_##ID] = &mech_##ID,
	LENS_KINDS(X)
#undef X
};

const struct mech *mech_get(unsigned kind)
{
	return kind < LENS_KIND_MAX ? classes[kind] : NULL;
}

void mech_chan_id(const struct chan *c, struct buf *out)
{
	/* a connection has one id, that of its first half */
	const struct lens_chan *key = c->is_second ? &c->peer->key : &c->key;

	buf_printf(out, "%s:%x:%x:%llu", event_kind_name(key->kind), key->dev, key->gen,
		   (unsigned long long)key->ino);
}
