/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The trust boundary: every valid record is accepted with its parts in the
 * right places, everything else is refused without reading behind its end.
 */
#include "test.h"

#include "event/event.h"

#define KIND_OK LENS_KIND_PIPE

/* room for one record of any type; the union gives alignment */
union any {
	struct lens_rec h;
	char bytes[LENS_REC_MAX + 64];
#define X(id, value, type) struct type type;
	LENS_RECS(X)
#undef X
};

static const size_t sizes[LENS_REC_TYPE_MAX] = {
#define X(id, value, type) [LENS_REC_##id] = sizeof(struct type),
	LENS_RECS(X)
#undef X
};

static union any rec;

/* the smallest valid record of a type, in rec */
static void begin(enum lens_rec_type type)
{
	memset(&rec, 0, sizeof(rec));
	rec.h.type = (uint16_t)type;
	rec.h.len = (uint32_t)sizes[type];
	rec.h.ts_ns = 1234567890123;
	switch (type) {
	case LENS_REC_END:
		rec.lens_rec_end.chan.kind = KIND_OK;
		break;
	case LENS_REC_HOLD:
		rec.lens_rec_hold.chan.kind = KIND_OK;
		break;
	case LENS_REC_CHAN:
		rec.lens_rec_chan.chan.kind = KIND_OK;
		break;
	case LENS_REC_MSGS:
		rec.lens_rec_msgs.chan.kind = KIND_OK;
		break;
	case LENS_REC_WAIT:
		rec.lens_rec_wait.chan.kind = KIND_OK;
		break;
	case LENS_REC_GONE:
		rec.lens_rec_gone.chan.kind = KIND_OK;
		break;
	case LENS_REC_TOTAL:
		rec.lens_rec_total.key.kind = KIND_OK;
		break;
	case LENS_REC_COVER:
		rec.lens_rec_cover.kind = KIND_OK;
		break;
	case LENS_REC_OPEN:
		rec.lens_rec_open.chan.kind = KIND_OK;
		break;
	case LENS_REC_SOCK:
		rec.lens_rec_sock.chan.kind = LENS_KIND_TCP;
		break;
	case LENS_REC_PEER:
		rec.lens_rec_peer.chan.kind = KIND_OK;
		rec.lens_rec_peer.peer.kind = KIND_OK;
		break;
	case LENS_REC_PASS:
		rec.lens_rec_pass.via.kind = LENS_KIND_UNIX_STREAM;
		break;
	case LENS_REC_DESC:
		rec.lens_rec_desc.object = LENS_OBJECT_PIPE;
		break;
	case LENS_REC_MQ:
		rec.lens_rec_mq.chan.kind = KIND_OK;
		break;
	case LENS_REC_MAP:
		rec.lens_rec_map.chan.kind = LENS_KIND_MEMFD;
		break;
	case LENS_REC_EDGE:
		rec.lens_rec_edge.chan.kind = LENS_KIND_MEMFD;
		break;
	default:
		break;
	}
}

/* appends variable data; fill_len() pads the record as a source would */
static void append(const void *data, size_t len)
{
	memcpy(rec.bytes + rec.h.len, data, len);
	rec.h.len += (uint32_t)len;
}

static void fill_len(void)
{
	rec.h.len = (rec.h.len + 7) / 8 * 8;
}

/*
 * Decodes a copy that ends where the allocation ends, so that a sanitizer
 * sees each byte read behind it; outputs must be untouched on failure.
 */
static ssize_t decode_copy(size_t size)
{
	void *copy = xcalloc(1, size);
	struct event ev, before;
	size_t skip = 4711;
	ssize_t got;

	memset(&before, 0x5a, sizeof(before));
	ev = before;
	memcpy(copy, &rec, size);
	got = event_decode(copy, size, &ev, &skip);
	if (got < 0)
		CHECK_MEM(&ev, sizeof(ev), &before, sizeof(before));
	CHECK(got == -ENOMSG || skip == 4711);
	if (got == -ENOMSG)
		CHECK_EQ_U64(skip, rec.h.len);
	free(copy);
	return got;
}

#define ACCEPT() CHECK_EQ_I64(decode_copy(rec.h.len), rec.h.len)
#define REFUSE() CHECK_EQ_I64(decode_copy(rec.h.len), -EBADMSG)

static struct event decoded(void)
{
	struct event ev;
	size_t skip;

	CHECK_EQ_I64(event_decode(&rec, sizeof(rec), &ev, &skip), rec.h.len);
	CHECK(ev.rec == &rec.h);
	return ev;
}

TEST(smallest_of_every_type)
{
	for (unsigned type = 1; type < LENS_REC_TYPE_MAX; type++) {
		struct event ev;

		if (!sizes[type])
			continue;	/* a hole in the list */
		begin((enum lens_rec_type)type);
		ACCEPT();
		ev = decoded();
		CHECK_EQ_U64(ev.type, type);
		CHECK_EQ_U64(ev.ts_ns, 1234567890123);
		CHECK(!ev.truncated && !ev.snapshot);
		CHECK(!ev.exe.len && !ev.argv.len && !ev.cgroup.len && !ev.name.len);
		CHECK(!ev.ops == (type != LENS_REC_OPS));
		CHECK(!ev.msgs == (type != LENS_REC_MSGS));
	}
}

TEST(passed_descriptors)
{
	begin(LENS_REC_PASS);
	append("null\0dev", 9);
	rec.lens_rec_pass.name_len = 9;
	fill_len();
	ACCEPT();
	CHECK_MEM(decoded().name.data, decoded().name.len, "null\0dev", 9);
	/* not the end of a component */
	rec.lens_rec_pass.name_len = 7;
	REFUSE();
	rec.lens_rec_pass.name_len = 9;
	rec.lens_rec_pass.what.kind = KIND_OK;
	ACCEPT();
	rec.lens_rec_pass.what.kind = LENS_KIND_MAX;
	REFUSE();
	rec.lens_rec_pass.what.kind = LENS_KIND_NONE;
	rec.lens_rec_pass.dir = LENS_DIR_MAX;
	REFUSE();
	rec.lens_rec_pass.dir = LENS_READ;
	/* only unix sockets carry descriptors */
	rec.lens_rec_pass.via.kind = LENS_KIND_TCP;
	REFUSE();
	rec.lens_rec_pass.via.kind = LENS_KIND_PIPE;
	REFUSE();
}

TEST(stuck_records)
{
	struct event ev;

	begin(LENS_REC_THREAD);
	rec.lens_rec_thread.call = LENS_CALL_MAX - 1;
	ACCEPT();
	rec.lens_rec_thread.call = LENS_CALL_MAX;
	REFUSE();
	begin(LENS_REC_DESC);
	rec.lens_rec_desc.object = LENS_OBJECT_NONE;
	REFUSE();
	rec.lens_rec_desc.object = LENS_OBJECT_MAX;
	REFUSE();
	rec.lens_rec_desc.object = LENS_OBJECT_PIPE;
	/* an abstract socket name has no end of its own, a path has */
	append("\0name", 5);
	rec.lens_rec_desc.name_len = 5;
	fill_len();
	ev = decoded();
	CHECK_MEM(ev.name.data, ev.name.len, "\0name", 5);
	rec.lens_rec_desc.flags = LENS_DESC_PATH;
	REFUSE();
	begin(LENS_REC_MEMORY);
	append("12345678", 8);
	rec.lens_rec_memory.size = 8;
	ev = decoded();
	CHECK_MEM(ev.memory.data, ev.memory.len, "12345678", 8);
	rec.lens_rec_memory.size = 17;
	REFUSE();
	rec.lens_rec_memory.size = 8;
	rec.lens_rec_memory.before = 9;
	REFUSE();
	rec.lens_rec_memory.before = 0;
	rec.lens_rec_memory.size = UINT32_MAX;
	REFUSE();
	rec.lens_rec_memory.size = 8;
	rec.lens_rec_memory.call = LENS_CALL_MAX;
	REFUSE();
}

TEST(flags)
{
	struct event ev;

	begin(LENS_REC_EXIT);
	rec.h.flags = LENS_F_TRUNCATED;
	ev = decoded();
	CHECK(ev.truncated && !ev.snapshot);
	rec.h.flags = LENS_F_SNAPSHOT;
	ev = decoded();
	CHECK(!ev.truncated && ev.snapshot);
	/* a flag of a later version is no reason to refuse */
	rec.h.flags = 0x8000;
	ACCEPT();
}

/* every wrong length of every type, and every too short piece of memory */
TEST(lengths)
{
	for (unsigned type = 1; type < LENS_REC_TYPE_MAX; type++) {
		for (uint32_t len = 0; sizes[type] && len < sizes[type] + 64; len++) {
			begin((enum lens_rec_type)type);
			rec.h.len = len;
			CHECK_EQ_I64(decode_copy(sizes[type] + 64),
				     len == sizes[type] ? (ssize_t)len : -EBADMSG);
			/* nor is anything read behind a record that claims to be short */
			if (len >= sizeof(struct lens_rec) && len != sizes[type])
				CHECK_EQ_I64(decode_copy(len), -EBADMSG);
		}
		if (!sizes[type])
			continue;
		begin((enum lens_rec_type)type);
		for (size_t size = 0; size < sizes[type]; size++)
			CHECK_EQ_I64(decode_copy(size), -EBADMSG);
		rec.h.len = UINT32_MAX;
		CHECK_EQ_I64(decode_copy(sizeof(rec)), -EBADMSG);
		rec.h.len = UINT32_MAX - 7;
		CHECK_EQ_I64(decode_copy(sizeof(rec)), -EBADMSG);
	}
}

TEST(longest_record)
{
	begin(LENS_REC_HOLD);
	rec.h.len = LENS_REC_MAX;
	rec.lens_rec_hold.name_len = LENS_REC_MAX - sizeof(struct lens_rec_hold);
	ACCEPT();
	rec.h.len += 8;
	rec.lens_rec_hold.name_len += 8;
	REFUSE();
}

TEST(unknown_types)
{
	static const unsigned types[] = { LENS_REC_TYPE_MAX, LENS_REC_TYPE_MAX + 1, 255, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		begin(LENS_REC_MARK);
		rec.h.type = (uint16_t)types[i];
		for (uint32_t len = sizeof(struct lens_rec); len <= 64; len += 8) {
			rec.h.len = len;
			CHECK_EQ_I64(decode_copy(64), -ENOMSG);
		}
		/* still has to be a record */
		rec.h.len = 20;
		CHECK_EQ_I64(decode_copy(64), -EBADMSG);
		rec.h.len = 8;
		CHECK_EQ_I64(decode_copy(64), -EBADMSG);
		rec.h.len = 72;
		CHECK_EQ_I64(decode_copy(64), -EBADMSG);
		rec.h.len = LENS_REC_MAX + 8;
		CHECK_EQ_I64(decode_copy(sizeof(rec)), -EBADMSG);
	}
	begin(LENS_REC_MARK);
	rec.h.type = LENS_REC_NONE;
	REFUSE();
}

/* a field that takes the values [low, high] */
#define CHECK_RANGE(type_, field, low, high)					\
	do {									\
		begin(type_);							\
		for (uint32_t v = (low); v <= (high); v++) {			\
			rec.field = (__typeof__(rec.field))v;			\
			ACCEPT();						\
		}								\
		rec.field = (__typeof__(rec.field))((high) + 1);		\
		REFUSE();							\
		rec.field = (__typeof__(rec.field))((low) - 1);			\
		if ((low) > 0)							\
			REFUSE();						\
		rec.field = (__typeof__(rec.field))UINT32_MAX;			\
		REFUSE();							\
		/* what is left when only the lower bits are looked at */	\
		rec.field = (__typeof__(rec.field))((low) | 1u << (8 * sizeof(rec.field) - 1)); \
		REFUSE();							\
	} while (0)

TEST(enums)
{
	CHECK_RANGE(LENS_REC_PROC, lens_rec_proc.why, LENS_PROC_SEEN, LENS_PROC_RENAME);
	CHECK_RANGE(LENS_REC_END, lens_rec_end.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_END, lens_rec_end.dir, 0, LENS_DIR_MAX - 1);
	CHECK_RANGE(LENS_REC_HOLD, lens_rec_hold.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_CHAN, lens_rec_chan.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_MSGS, lens_rec_msgs.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_WAIT, lens_rec_wait.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_WAIT, lens_rec_wait.dir, 0, LENS_DIR_MAX - 1);
	CHECK_RANGE(LENS_REC_GONE, lens_rec_gone.chan.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_TOTAL, lens_rec_total.key.kind, 1, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_TOTAL, lens_rec_total.key.dir, 0, LENS_DIR_MAX - 1);
	CHECK_RANGE(LENS_REC_LOSS, lens_rec_loss.kind, 0, LENS_KIND_MAX - 1);
	CHECK_RANGE(LENS_REC_MARK, lens_rec_mark.mark, 0, LENS_MARK_MAX - 1);
	CHECK_RANGE(LENS_REC_COVER, lens_rec_cover.kind, 1, LENS_KIND_MAX - 1);
}

/* a range that wraps, or an object that cannot be mapped, is none */
TEST(mappings)
{
	CHECK_RANGE(LENS_REC_MAP, lens_rec_map.chan.kind, LENS_KIND_SYSV_SHM,
		    LENS_KIND_SHARED_ANON);
	CHECK_RANGE(LENS_REC_MAP, lens_rec_map.op, 0, LENS_MAP_OP_MAX - 1);
	CHECK_RANGE(LENS_REC_MAP, lens_rec_map.prot, 0, LENS_PROT_MASK);
	CHECK_RANGE(LENS_REC_EDGE, lens_rec_edge.dir, 0, LENS_DIR_MAX - 1);
	begin(LENS_REC_MAP);
	rec.lens_rec_map.chan.kind = LENS_KIND_NONE;
	REFUSE();
	rec.lens_rec_map.op = LENS_MAP_UNMAP;
	ACCEPT();
	rec.lens_rec_map.start = UINT64_MAX - 4095;
	rec.lens_rec_map.len = 4095;
	ACCEPT();
	rec.lens_rec_map.len = 4096;
	REFUSE();
	begin(LENS_REC_MAP);
	rec.lens_rec_map.from = UINT64_MAX;
	rec.lens_rec_map.from_len = 1;
	REFUSE();
	begin(LENS_REC_MAP);
	rec.lens_rec_map.offset = UINT64_MAX;
	rec.lens_rec_map.len = 4096;
	REFUSE();
	begin(LENS_REC_MAP);
	append("shm\0dev\0", 8);
	rec.lens_rec_map.name_len = 8;
	ACCEPT();
	CHECK_EQ_U64(decoded().name.len, 8);
	rec.lens_rec_map.name_len = 7;
	REFUSE();
}

/* one NUL fewer than needed in each array that is promised to have one */
TEST(terminated_arrays)
{
	static const struct {
		enum lens_rec_type type;
		size_t offset, size;
	} arrays[] = {
#define ARRAY(id, type, field) \
		{ id, offsetof(struct type, field), sizeof(((struct type *)0)->field) }
		ARRAY(LENS_REC_HOST, lens_rec_host, hostname),
		ARRAY(LENS_REC_HOST, lens_rec_host, kernel),
		ARRAY(LENS_REC_HOST, lens_rec_host, arch),
		ARRAY(LENS_REC_HOST, lens_rec_host, boot_id),
		ARRAY(LENS_REC_COVER, lens_rec_cover, variant),
		ARRAY(LENS_REC_COVER, lens_rec_cover, detail),
#undef ARRAY
	};

	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
		begin(arrays[i].type);
		memset(rec.bytes + arrays[i].offset, 'x', arrays[i].size - 1);
		ACCEPT();
		rec.bytes[arrays[i].offset + arrays[i].size - 1] = 'x';
		REFUSE();
	}
	/* a comm is not promised to be: 16 bytes of it are a name */
	begin(LENS_REC_PROC);
	memset(rec.lens_rec_proc.comm, 'x', LENS_COMM_LEN);
	ACCEPT();
}

static void begin_proc(void)
{
	begin(LENS_REC_PROC);
	rec.lens_rec_proc.exe_len = 9;
	rec.lens_rec_proc.argv_len = 5;
	rec.lens_rec_proc.cgroup_len = 8;
	append("head\0bin\0", 9);
	append("a\0b\0c", 5);
	append("x\0slice\0", 8);
	fill_len();
}

TEST(proc_parts)
{
	struct event ev;

	begin_proc();
	ACCEPT();
	ev = decoded();
	CHECK_MEM(ev.exe.data, ev.exe.len, "head\0bin\0", 9);
	CHECK_MEM(ev.argv.data, ev.argv.len, "a\0b\0c", 5);
	CHECK_MEM(ev.cgroup.data, ev.cgroup.len, "x\0slice\0", 8);
}

TEST(proc_parts_must_fit)
{
	/* 22 bytes in 24: two more are padding, three more are not there */
	begin_proc();
	rec.lens_rec_proc.argv_len += 2;
	rec.bytes[sizeof(struct lens_rec_proc) + 23] = '\0';
	ACCEPT();
	rec.lens_rec_proc.argv_len++;
	REFUSE();
	/* a whole unit of alignment left over is no padding */
	begin_proc();
	rec.lens_rec_proc.argv_len = 0;
	rec.lens_rec_proc.cgroup_len = 8;
	memcpy(rec.bytes + sizeof(struct lens_rec_proc) + 9, "x\0slice\0", 8);
	ACCEPT();
	rec.h.len += 8;
	REFUSE();
	/* a sum that a 16-bit addition would wrap to what is there */
	begin_proc();
	rec.lens_rec_proc.exe_len = 5;
	rec.lens_rec_proc.argv_len = 65531;
	rec.lens_rec_proc.cgroup_len = 24;
	REFUSE();
}

TEST(component_lists_end_in_nul)
{
	begin_proc();
	rec.bytes[sizeof(struct lens_rec_proc) + 8] = 'x';
	REFUSE();
	begin_proc();
	rec.bytes[sizeof(struct lens_rec_proc) + 21] = 'x';
	REFUSE();
	/* what is between them need not */
	begin_proc();
	rec.bytes[sizeof(struct lens_rec_proc) + 13] = '\0';
	ACCEPT();

	begin(LENS_REC_END);
	rec.lens_rec_end.name_len = 4;
	append("f\0d\0", 4);
	fill_len();
	ACCEPT();
	CHECK_MEM(decoded().name.data, decoded().name.len, "f\0d\0", 4);
	rec.lens_rec_end.name_len = 3;
	REFUSE();
}

TEST(names_must_fit)
{
	begin(LENS_REC_HOLD);
	append("f\0tmp\0", 6);
	fill_len();
	rec.lens_rec_hold.name_len = 6;
	ACCEPT();
	CHECK_MEM(decoded().name.data, decoded().name.len, "f\0tmp\0", 6);
	/* the last component has its NUL, and so have the bytes of padding */
	memset(rec.bytes + sizeof(struct lens_rec_hold), 0, 8);
	for (uint32_t len = 1; len <= 8; len++) {
		rec.lens_rec_hold.name_len = len;
		ACCEPT();
	}
	rec.lens_rec_hold.name_len = 0;
	REFUSE();
	rec.lens_rec_hold.name_len = 9;
	REFUSE();
	rec.lens_rec_hold.name_len = UINT32_MAX;
	REFUSE();
	rec.lens_rec_hold.name_len = UINT32_MAX - (uint32_t)sizeof(struct lens_rec_hold) + 9;
	REFUSE();
}

TEST(operations)
{
	struct lens_op op = { .ret = 4096, .id = 3 };
	struct event ev;

	begin(LENS_REC_OPS);
	for (uint32_t i = 1; i <= LENS_OPS_PER_BATCH; i++) {
		op.tid = i;
		append(&op, sizeof(op));
		rec.lens_rec_ops.count = i;
		ACCEPT();
		ev = decoded();
		CHECK_EQ_U64(ev.ops[i - 1].tid, i);
		CHECK_EQ_U64(ev.ops[0].tid, 1);
		rec.lens_rec_ops.count = i + 1;
		REFUSE();
		rec.lens_rec_ops.count = i - 1;
		REFUSE();
	}
	/* would fit, but no batch is that long */
	append(&op, sizeof(op));
	rec.lens_rec_ops.count = LENS_OPS_PER_BATCH + 1;
	REFUSE();
	/* times 32 this is 32 more than 2^32 */
	begin(LENS_REC_OPS);
	append(&op, sizeof(op));
	rec.lens_rec_ops.count = (1u << 27) + 1;
	REFUSE();
}

TEST(queued_messages)
{
	struct lens_msg msg = { .type = 5 };

	begin(LENS_REC_MSGS);
	for (uint32_t i = 1; i < 1000; i++) {
		msg.bytes = i;
		append(&msg, sizeof(msg));
		rec.lens_rec_msgs.count = i;
		ACCEPT();
		CHECK_EQ_U64(decoded().msgs[i - 1].bytes, i);
		rec.lens_rec_msgs.count = i + 1;
		REFUSE();
	}
	/* times 16 this is 16 more than 2^32 */
	begin(LENS_REC_MSGS);
	append(&msg, sizeof(msg));
	rec.lens_rec_msgs.count = (1u << 28) + 1;
	REFUSE();
}

static void check_path(const char *components, size_t len, bool truncated, const char *want)
{
	_cleanup_(buf_fini) struct buf out = { 0 };

	buf_puts(&out, "=");
	event_path(&out, (struct event_bytes){ components, len }, truncated);
	CHECK_STR(out.data + 1, want);
}

#define PATH(components, truncated, want) \
	check_path(components, sizeof(components) - 1, truncated, want)

TEST(path)
{
	PATH("c\0b\0a\0", false, "/a/b/c");
	PATH("c\0b\0a\0", true, "…/a/b/c");
	PATH("head\0", false, "/head");
	PATH("head\0", true, "…/head");
	PATH("", false, "");
	PATH("", true, "");
	PATH("\0", false, "/");
	PATH("\0\0", false, "/");
	PATH("a\0\0", false, "/a");
	PATH("\0a\0", false, "/a");
	PATH("a b\n\0\xff\0", false, "/\xff/a b\n");
}

TEST(names)
{
	CHECK_STR(event_kind_name(LENS_KIND_PIPE), "pipe");
	CHECK_STR(event_kind_name(LENS_KIND_SYSV_MSG), "sysv-msg");
	CHECK_STR(event_kind_name(LENS_KIND_NONE), "unknown");
	CHECK_STR(event_kind_name(LENS_KIND_MAX), "unknown");
	CHECK_STR(event_kind_name(UINT32_MAX), "unknown");
	CHECK_STR(event_loss_name(LENS_LOSS_RING_FULL), "ring_full");
	CHECK_STR(event_loss_name(LENS_LOSS_UNSEEN), "unseen");
	CHECK_STR(event_loss_name(LENS_LOSS_MAX), "unknown");
	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++)
		if (strcmp(event_kind_name(kind), "unknown"))
			CHECK_EQ_U64(event_kind_by_name(event_kind_name(kind)), kind);
	CHECK_EQ_U64(event_kind_by_name(""), LENS_KIND_NONE);
	CHECK_EQ_U64(event_kind_by_name("unknown"), LENS_KIND_NONE);
	CHECK_EQ_U64(event_kind_by_name("pip"), LENS_KIND_NONE);
	CHECK_EQ_U64(event_kind_by_name("pipes"), LENS_KIND_NONE);
}
