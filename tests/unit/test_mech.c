/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The classes of mechanisms: complete, and consistent with the list of kinds.
 */
#include "mech/mech.h"
#include "test.h"

static void check_kind(unsigned kind, const char *group, const char *type)
{
	const struct mech *m = mech_get(kind);

	CHECK(m != NULL);
	CHECK_EQ_U64(m->kind, kind);
	CHECK_STR(m->group, group);
	CHECK_STR(m->type, type);
	CHECK_STR(m->type, event_kind_name(kind));
	CHECK(m->title && *m->title);
	CHECK(m->name && m->op_name && m->variants && m->variants[0].name);
	for (const struct mech_variant *v = m->variants; v->name; v++)
		CHECK(*v->name && v->limits && *v->limits);
	CHECK(strcmp(m->op_name(LENS_READ), m->op_name(LENS_WRITE)));
}

TEST(every_kind_has_its_class)
{
#define X(id, value, group, type) check_kind(value, #group, type);
	LENS_KINDS(X)
#undef X
	CHECK(mech_get(LENS_KIND_NONE) == NULL);
	CHECK(mech_get(LENS_KIND_MAX) == NULL);
	CHECK(mech_get(UINT32_MAX) == NULL);
}

/* what source/ may add of a kernel: that it can preempt hooks, and numbers no messages */
#define ADDED_BYTES 70
#define ADDED_BYTES_OF_QUEUES 150

/* cut off, the words would claim more than is seen */
TEST(limits_fit_into_their_record)
{
	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct mech *m = mech_get(kind);
		bool queue = kind == LENS_KIND_SYSV_MSG || kind == LENS_KIND_POSIX_MQ;

		for (const struct mech_variant *v = m ? m->variants : NULL; v && v->name; v++) {
			size_t bytes = strlen(v->limits) + (queue ? ADDED_BYTES_OF_QUEUES :
					ADDED_BYTES);

			if (v->extra_limits)
				bytes += strlen(v->extra_limits) + 2;
			if (bytes >= sizeof(((struct lens_rec_cover *)0)->detail))
				fprintf(stderr, "%s by %s: %zu bytes\n", m->type, v->name, bytes);
			CHECK(bytes < sizeof(((struct lens_rec_cover *)0)->detail));
		}
	}
}

/* `sys` works on every kernel, and so does a tracepoint: one is there and comes last */
TEST(last_variant_works_everywhere)
{
	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct mech *m = mech_get(kind);
		const struct mech_variant *v;

		if (!m)
			continue;
		for (v = m->variants; v[1].name; v++)
			CHECK(strcmp(v->name, "sys"));
		if (strcmp(v->name, "tp"))
			CHECK_STR(v->name, "sys");
	}
}

static void check_name(const struct chan *c, const char *want)
{
	struct buf name = {};

	mech_get(c->key.kind)->name(c, &name);
	CHECK_STR(name.data, want);
	buf_fini(&name);
}

TEST(names)
{
	struct chan c = { .key = { .ino = 123, .dev = 14, .kind = LENS_KIND_PIPE } };
	struct chan_more more = { .name = (char *)"/tmp/\033[2J\n" };
	struct lens_depth depth = { .valid = LENS_DEPTH_VALID, .key = 0x1e25 };

	check_name(&c, "pipe:[123]");
	c.key.kind = LENS_KIND_FIFO;
	check_name(&c, "fifo:[e:123]");
	/* hostile bytes are passed on as they are: whoever prints them escapes them */
	more.name_len = strlen(more.name);
	c.more = &more;
	check_name(&c, "/tmp/\033[2J\n");
	c.key.kind = LENS_KIND_SYSV_MSG;
	check_name(&c, "key=? id=123");
	c.depth = &depth;
	check_name(&c, "key=0x00001e25 id=123");
	depth.key = -1;
	c.key.ino = 0x7fffffff;
	check_name(&c, "key=0xffffffff id=2147483647");
}

/* a connection has the name of the end that is bound, or the numbers of both */
TEST(names_of_connections)
{
	struct chan client = { .key = { .ino = 7, .kind = LENS_KIND_UNIX_STREAM } };
	struct chan server = { .key = { .ino = 8, .kind = LENS_KIND_UNIX_STREAM } };
	struct chan_more more = { .name = (char *)"/run/x", .name_len = 6 };

	check_name(&client, "socket:[7]");
	client.peer = &server;
	server.peer = &client;
	server.is_second = true;
	check_name(&client, "socket:[7]<->[8]");
	check_name(&server, "socket:[7]<->[8]");
	server.more = &more;
	check_name(&client, "/run/x");
	check_name(&server, "/run/x");
}

TEST(operations)
{
	CHECK_STR(mech_get(LENS_KIND_PIPE)->op_name(LENS_WRITE), "write");
	CHECK_STR(mech_get(LENS_KIND_FIFO)->op_name(LENS_READ), "read");
	CHECK_STR(mech_get(LENS_KIND_SYSV_MSG)->op_name(LENS_WRITE), "msgsnd");
	CHECK_STR(mech_get(LENS_KIND_SYSV_MSG)->op_name(LENS_READ), "msgrcv");
	CHECK(event_kind_has_messages(LENS_KIND_SYSV_MSG));
	CHECK(!event_kind_has_messages(LENS_KIND_PIPE));
}

/* each part of the key makes another id */
TEST(ids_are_unique)
{
	static const struct lens_chan keys[] = {
		{ .ino = 1, .dev = 2, .gen = 3, .kind = LENS_KIND_FIFO },
		{ .ino = 2, .dev = 2, .gen = 3, .kind = LENS_KIND_FIFO },
		{ .ino = 1, .dev = 3, .gen = 3, .kind = LENS_KIND_FIFO },
		{ .ino = 1, .dev = 2, .gen = 4, .kind = LENS_KIND_FIFO },
		{ .ino = 1, .dev = 2, .gen = 3, .kind = LENS_KIND_PIPE },
		{ .ino = 1, .dev = 3, .gen = 2, .kind = LENS_KIND_FIFO },
	};
	struct buf ids[ARRAY_SIZE(keys)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct chan c = { .key = keys[i] };

		mech_chan_id(&c, &ids[i]);
		for (const char *p = ids[i].data; *p; p++)
			CHECK(*p > ' ' && *p < 0x7f);
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(ids[i].data, ids[j].data));
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		buf_fini(&ids[i]);
}
