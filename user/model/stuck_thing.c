// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The kernel objects that waits are about, each once, with a name and an id
 * that are the same from look to look.
 */
#include "model/stuck_look.h"

struct stuck_thing *stuck_thing_add(struct stuck *s, unsigned object, const char *id)
{
	struct hash *things = stuck_look(s)->things;
	/* two sums of the text stand for it */
	uint64_t key[2] = { 14695981039346656037u, object };
	struct stuck_thing *t;

	for (const char *c = id; *c; c++) {
		key[0] = (key[0] ^ (uint8_t)*c) * 1099511628211u;
		key[1] = key[1] * 31 + (uint8_t)*c;
	}
	t = hash_get(things, key);
	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->object = object;
	t->id = xstrdup(id);
	t->is_channel = object < 32;
	if (!(s->thing_count & (s->thing_count - 1)))
		s->things = xrealloc(s->things, s->thing_count ? s->thing_count * 2 : 1,
				     sizeof(*s->things));
	s->things[s->thing_count++] = t;
	hash_add(things, key, t);
	return t;
}

static void put_address(struct buf *out, const uint8_t addr[16], uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(addr, mapped, sizeof(mapped))) {
		buf_printf(out, "%u.%u.%u.%u:%u", addr[12], addr[13], addr[14], addr[15], port);
		return;
	}
	buf_puts(out, "[");
	for (unsigned i = 0; i < 16; i += 2)
		buf_printf(out, "%s%x", i ? ":" : "", addr[i] << 8 | addr[i + 1]);
	buf_printf(out, "]:%u", port);
}

/* both ends of a connection have one id: the smaller end first */
static void unix_id(const struct stuck *s, const struct stuck_desc *d, struct buf *out)
{
	const struct stuck_desc *peer = stuck_find_self(s, d->rec.peer);
	uint64_t a = d->rec.ino, b = peer ? peer->rec.ino : 0;

	if (b && !(d->rec.flags & LENS_DESC_UNACCEPTED))
		buf_printf(out, ":%llu:%llu", (unsigned long long)(a < b ? a : b),
			   (unsigned long long)(a < b ? b : a));
	else
		buf_printf(out, ":%llu", (unsigned long long)a);
}

static void inet_id(const struct stuck_desc *d, struct buf *out)
{
	struct stuck_tuple there = stuck_tuple_of(&d->rec, false),
			   back = stuck_tuple_of(&d->rec, true);
	bool first = memcmp(&there, &back, sizeof(there)) <= 0;
	const struct stuck_tuple *t = first ? &there : &back;

	buf_printf(out, ":%x:", d->rec.netns);
	put_address(out, t->local, t->local_port);
	buf_puts(out, "-");
	put_address(out, t->remote, t->remote_port);
}

/* has the one inode of all such, so that only those who have it tell it from others */
static const struct stuck_desc *holder_of(const struct stuck *s, const struct stuck_desc *d)
{
	const struct stuck_desc *first = stuck_find_self(s, d->rec.self);
	bool anonymous = d->rec.object == LENS_OBJECT_EPOLL ||
			 d->rec.object == LENS_OBJECT_TIMERFD ||
			 d->rec.object == LENS_OBJECT_IO_URING;

	return anonymous && first && first->proc ? first : NULL;
}

static void put_name(const struct stuck *s, const struct stuck_desc *d, struct buf *out)
{
	const struct stuck_desc *holder = holder_of(s, d);

	const char *type = event_object_name(d->rec.object);

	switch (d->rec.object) {
	case LENS_OBJECT_TCP:
	case LENS_OBJECT_UDP:
		put_address(out, d->rec.local_addr, d->rec.local_port);
		if (!d->rec.remote_port)
			break;
		buf_puts(out, " <-> ");
		put_address(out, d->rec.remote_addr, d->rec.remote_port);
		break;
	case LENS_OBJECT_UNIX_STREAM:
	case LENS_OBJECT_UNIX_DGRAM:
	case LENS_OBJECT_UNIX_SEQPACKET:
		if (d->name_len && !d->name[0]) {
			buf_puts(out, "@");
			buf_add(out, d->name + 1, d->name_len - 1);
		} else if (d->name_len) {
			buf_puts(out, d->name);
		} else {
			buf_printf(out, "%s:[%llu]", type, (unsigned long long)d->rec.ino);
		}
		break;
	case LENS_OBJECT_POSIX_MQ:
		buf_puts(out, "/");
		buf_puts(out, d->name ? d->name : "?");
		break;
	case LENS_OBJECT_PTY:
		buf_printf(out, "/dev/pts/%llu", (unsigned long long)d->rec.ino);
		break;
	default:
		if (d->name_len)
			buf_add(out, d->name, d->name_len);
		else if (holder)
			buf_printf(out, "%s:[%u:%u]", type, holder->proc->key.tgid,
				   holder->rec.fd);
		else
			buf_printf(out, "%s:[%llu]", type, (unsigned long long)d->rec.ino);
	}
}

struct stuck_thing *stuck_thing_of(struct stuck *s, const struct stuck_desc *d)
{
	_cleanup_(buf_fini) struct buf id = {}, name = {};
	struct stuck_thing *t;

	buf_puts(&id, event_object_name(d->rec.object));
	if (d->rec.object >= LENS_OBJECT_UNIX_STREAM && d->rec.object <= LENS_OBJECT_UNIX_SEQPACKET)
		unix_id(s, d, &id);
	else if (d->rec.object == LENS_OBJECT_TCP || d->rec.object == LENS_OBJECT_UDP)
		inet_id(d, &id);
	else if (holder_of(s, d))
		buf_printf(&id, ":%u:%u", holder_of(s, d)->proc->key.tgid, holder_of(s, d)->rec.fd);
	else
		buf_printf(&id, ":%x:%x:%llu", d->rec.dev,
			   d->rec.object == LENS_OBJECT_PIPE ? 0 : d->rec.gen,
			   (unsigned long long)d->rec.ino);
	t = stuck_thing_add(s, d->rec.object, id.data);
	if (t->name)
		return t;
	put_name(s, d, &name);
	t->name = TAKE_PTR(name.data);
	t->desc = d;
	t->key = (struct lens_chan){
		.kind = d->rec.object,
		.dev = d->rec.dev,
		.gen = d->rec.object == LENS_OBJECT_PIPE ? 0 : d->rec.gen,
		.ino = d->rec.ino,
	};
	t->queued_bytes = d->rec.queued_bytes;
	t->capacity_bytes = d->rec.capacity_bytes;
	t->queued_msgs = d->rec.queued_msgs;
	t->capacity_msgs = d->rec.capacity_msgs;
	return t;
}

static void each_holder(const struct stuck_desc *d,
			void (*fn)(void *ctx, const struct stuck_proc *p, uint32_t fd,
				   uint32_t mode),
			void *ctx)
{
	for (; d; d = d->next_self)
		if (d->proc)
			fn(ctx, d->proc, d->rec.fd, d->rec.mode);
}

void stuck_each_end(const struct stuck *s, const struct stuck_thing *thing,
		    void (*fn)(void *ctx, const struct stuck_proc *p, uint32_t fd, uint32_t mode),
		    void *ctx)
{
	const struct stuck_desc *d = thing->desc;
	struct stuck_tuple back;

	if (!d)
		return;
	each_holder(stuck_find_self(s, d->rec.self), fn, ctx);
	if (d->rec.object == LENS_OBJECT_TCP) {
		back = stuck_tuple_of(&d->rec, true);
		each_holder(hash_get(stuck_look(s)->by_tuple, &back), fn, ctx);
	} else if (d->rec.peer != d->rec.self && !(d->rec.flags & LENS_DESC_UNACCEPTED)) {
		each_holder(stuck_find_self(s, d->rec.peer), fn, ctx);
	}
}
