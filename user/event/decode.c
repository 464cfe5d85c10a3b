/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Bytes to validated events. After this, nobody has to doubt a length, a count
 * or an enum of a record again; names and texts stay hostile, for text_escape().
 */
#include "event/event.h"

#define REC_ALIGN 8

/* size of a record without its variable data, by type */
static const uint16_t fixed_sizes[] = {
#define X(id, value, type) [LENS_REC_##id] = sizeof(struct type),
	LENS_RECS(X)
#undef X
};

/* so that the record after one without variable data is aligned, too */
#define X(id, value, type)						\
	_Static_assert(sizeof(struct type) % REC_ALIGN == 0 &&		\
		       sizeof(struct type) <= LENS_REC_MAX, "size of a record");
LENS_RECS(X)
#undef X

static bool kind_ok(uint32_t kind)
{
	return kind > LENS_KIND_NONE && kind < LENS_KIND_MAX;
}

static bool use_ok(const struct lens_chan *chan, uint32_t dir)
{
	return kind_ok(chan->kind) && dir < LENS_DIR_MAX;
}

#define TERMINATED(array) (memchr(array, '\0', sizeof(array)) != NULL)

static bool object_ok(uint32_t object)
{
	return object > LENS_OBJECT_NONE && object < LENS_OBJECT_MAX;
}

/* over a unix socket, or out of a process; a file that is no channel has no kind */
static bool pass_ok(const struct lens_rec_pass *pass)
{
	bool by_socket = event_kind_is_socket(pass->via.kind) &&
			 !event_kind_is_inet(pass->via.kind);

	return (by_socket || pass->via.kind == LENS_KIND_PROCESS_VM) &&
	       (pass->what.kind == LENS_KIND_NONE || kind_ok(pass->what.kind)) &&
	       pass->dir < LENS_DIR_MAX;
}

static bool host_ok(const struct lens_rec_host *host)
{
	return TERMINATED(host->hostname) && TERMINATED(host->kernel) && TERMINATED(host->arch) &&
	       TERMINATED(host->boot_id);
}

static bool cover_ok(const struct lens_rec_cover *cover)
{
	return kind_ok(cover->kind) && TERMINATED(cover->variant) && TERMINATED(cover->detail);
}

/* no range wraps, and whoever names an object names one that can be mapped */
static bool map_ok(const struct lens_rec_map *map)
{
	bool names = map->op == LENS_MAP_FOUND || map->op == LENS_MAP_MAP ||
		     map->op == LENS_MAP_ATTACH || map->op == LENS_MAP_REMOVE ||
		     map->op == LENS_MAP_SEAL;

	if (map->op >= LENS_MAP_OP_MAX || map->prot & ~LENS_PROT_MASK)
		return false;
	if (names ? !event_kind_is_memory(map->chan.kind) :
	    map->chan.kind && !event_kind_is_memory(map->chan.kind))
		return false;
	return map->start + map->len >= map->start && map->from + map->from_len >= map->from &&
	       map->offset + map->len >= map->offset;
}

/* no default: the compiler names a type that was forgotten */
static bool fields_ok(const struct event *ev)
{
	switch (ev->type) {
	case LENS_REC_PROC:
		return ev->lens_rec_proc->why <= LENS_PROC_RENAME;
	case LENS_REC_END:
		return use_ok(&ev->lens_rec_end->chan, ev->lens_rec_end->dir);
	case LENS_REC_HOLD:
		return kind_ok(ev->lens_rec_hold->chan.kind);
	case LENS_REC_CHAN:
		return kind_ok(ev->lens_rec_chan->chan.kind);
	case LENS_REC_MSGS:
		return kind_ok(ev->lens_rec_msgs->chan.kind);
	case LENS_REC_WAIT:
		return use_ok(&ev->lens_rec_wait->chan, ev->lens_rec_wait->dir);
	case LENS_REC_GONE:
		return kind_ok(ev->lens_rec_gone->chan.kind);
	case LENS_REC_TOTAL:
		return kind_ok(ev->lens_rec_total->key.kind) &&
		       ev->lens_rec_total->key.dir < LENS_DIR_MAX;
	case LENS_REC_OPS:
		return ev->lens_rec_ops->count <= LENS_OPS_PER_BATCH;
	case LENS_REC_LOSS:
		return ev->lens_rec_loss->kind < LENS_KIND_MAX;
	case LENS_REC_MARK:
		return ev->lens_rec_mark->mark < LENS_MARK_MAX;
	case LENS_REC_HOST:
		return host_ok(ev->lens_rec_host);
	case LENS_REC_COVER:
		return cover_ok(ev->lens_rec_cover);
	case LENS_REC_OPEN:
		return kind_ok(ev->lens_rec_open->chan.kind);
	case LENS_REC_PEER:
		return kind_ok(ev->lens_rec_peer->chan.kind) &&
		       ev->lens_rec_peer->peer.kind == ev->lens_rec_peer->chan.kind;
	case LENS_REC_PASS:
		return pass_ok(ev->lens_rec_pass);
	case LENS_REC_SOCK:
		return event_kind_is_inet(ev->lens_rec_sock->chan.kind);
	case LENS_REC_MQ:
		return kind_ok(ev->lens_rec_mq->chan.kind);
	case LENS_REC_MAP:
		return map_ok(ev->lens_rec_map);
	case LENS_REC_EDGE:
		return use_ok(&ev->lens_rec_edge->chan, ev->lens_rec_edge->dir);
	case LENS_REC_THREAD:
		return ev->lens_rec_thread->call < LENS_CALL_MAX;
	case LENS_REC_DESC:
		return object_ok(ev->lens_rec_desc->object);
	case LENS_REC_MEMORY:
		return ev->lens_rec_memory->call < LENS_CALL_MAX &&
		       ev->lens_rec_memory->before <= ev->lens_rec_memory->size;
	case LENS_REC_STACK:
		return ev->lens_rec_stack->count <= LENS_KERNEL_FRAMES &&
		       ev->lens_rec_stack->memory_len <= LENS_STACK_BYTES;
	case LENS_REC_FRAMES:
		return ev->lens_rec_frames->space < LENS_SPACE_MAX &&
		       ev->lens_rec_frames->end < LENS_FRAMES_END_MAX &&
		       ev->lens_rec_frames->count <= LENS_FRAMES_MAX;
	case LENS_REC_ITEM:
	case LENS_REC_WAITER:
	case LENS_REC_FUTEX:
	case LENS_REC_URING:
	case LENS_REC_REQUEST:
	case LENS_REC_SUBMITTER:
	case LENS_REC_MAPPING:
	case LENS_REC_SEM:
	case LENS_REC_LOCK:
	case LENS_REC_EXIT:
		return true;
	case LENS_REC_NONE:
	case LENS_REC_TYPE_MAX:
		break;
	}
	return false;
}

/* bytes of variable data the fields announce; 64 bits, so that no product wraps */
static uint64_t variable_len(const struct event *ev)
{
	const struct lens_rec_proc *proc = ev->lens_rec_proc;

	switch (ev->type) {
	case LENS_REC_PROC:
		return (uint64_t)proc->exe_len + proc->argv_len + proc->cgroup_len;
	case LENS_REC_END:
		return ev->lens_rec_end->name_len;
	case LENS_REC_HOLD:
		return ev->lens_rec_hold->name_len;
	case LENS_REC_PASS:
		return ev->lens_rec_pass->name_len;
	case LENS_REC_DESC:
		return ev->lens_rec_desc->name_len;
	case LENS_REC_MEMORY:
		return ev->lens_rec_memory->size;
	case LENS_REC_MQ:
		return ev->lens_rec_mq->name_len;
	case LENS_REC_MAP:
		return ev->lens_rec_map->name_len;
	case LENS_REC_MSGS:
		return ev->lens_rec_msgs->count * (uint64_t)sizeof(struct lens_msg);
	case LENS_REC_OPS:
		return ev->lens_rec_ops->count * (uint64_t)sizeof(struct lens_op);
	case LENS_REC_STACK:
		return ev->lens_rec_stack->memory_len;
	case LENS_REC_FRAMES:
		return ev->lens_rec_frames->count * (uint64_t)sizeof(struct lens_frame) +
		       ev->lens_rec_frames->text_len;
	default:
		return 0;
	}
}

static bool components_ok(struct event_bytes bytes)
{
	return !bytes.len || bytes.data[bytes.len - 1] == '\0';
}

static bool set_frames(struct event *ev, const char *data)
{
	uint64_t text_len = 0;

	ev->frames = (const struct lens_frame *)(const void *)data;
	for (uint32_t i = 0; i < ev->lens_rec_frames->count; i++)
		text_len += (uint64_t)ev->frames[i].function_len + ev->frames[i].module_len;
	ev->text.data = data + ev->lens_rec_frames->count * sizeof(struct lens_frame);
	ev->text.len = ev->lens_rec_frames->text_len;
	return text_len == ev->text.len;
}

/* points into the variable data, which is known to be inside the record */
static bool set_variable(struct event *ev)
{
	const struct lens_rec_proc *proc = ev->lens_rec_proc;
	const char *data = (const char *)ev->rec + fixed_sizes[ev->type];

	switch (ev->type) {
	case LENS_REC_PROC:
		ev->exe = (struct event_bytes){ data, proc->exe_len };
		data += proc->exe_len;
		ev->argv = (struct event_bytes){ data, proc->argv_len };
		data += proc->argv_len;
		ev->cgroup = (struct event_bytes){ data, proc->cgroup_len };
		return components_ok(ev->exe) && components_ok(ev->cgroup);
	case LENS_REC_END:
		ev->name = (struct event_bytes){ data, ev->lens_rec_end->name_len };
		return ev->raw_name || components_ok(ev->name);
	case LENS_REC_HOLD:
		ev->name = (struct event_bytes){ data, ev->lens_rec_hold->name_len };
		return ev->raw_name || components_ok(ev->name);
	case LENS_REC_PASS:
		ev->name = (struct event_bytes){ data, ev->lens_rec_pass->name_len };
		return ev->raw_name || components_ok(ev->name);
	case LENS_REC_DESC:
		ev->name = (struct event_bytes){ data, ev->lens_rec_desc->name_len };
		return !(ev->lens_rec_desc->flags & LENS_DESC_PATH) || components_ok(ev->name);
	case LENS_REC_MEMORY:
		ev->memory = (struct event_bytes){ data, ev->lens_rec_memory->size };
		return true;
	case LENS_REC_MQ:
		ev->name = (struct event_bytes){ data, ev->lens_rec_mq->name_len };
		return components_ok(ev->name);
	case LENS_REC_MAP:
		ev->name = (struct event_bytes){ data, ev->lens_rec_map->name_len };
		return components_ok(ev->name);
	case LENS_REC_MSGS:
		ev->msgs = (const struct lens_msg *)(const void *)data;
		return true;
	case LENS_REC_OPS:
		ev->ops = (const struct lens_op *)(const void *)data;
		return true;
	case LENS_REC_STACK:
		ev->memory = (struct event_bytes){ data, ev->lens_rec_stack->memory_len };
		return true;
	case LENS_REC_FRAMES:
		return set_frames(ev, data);
	default:
		return true;
	}
}

ssize_t event_decode(const void *data, size_t size, struct event *ret, size_t *ret_skip)
{
	const struct lens_rec *rec = data;
	struct event ev = { .rec = rec };
	uint64_t variable;

	if (size < sizeof(*rec) || rec->len < sizeof(*rec) || rec->len > size ||
	    rec->len > LENS_REC_MAX || rec->len % REC_ALIGN)
		return -EBADMSG;
	if (rec->type == LENS_REC_NONE)
		return -EBADMSG;
	/* a retired type is a hole in the table */
	if (rec->type >= ARRAY_SIZE(fixed_sizes) || !fixed_sizes[rec->type]) {
		*ret_skip = rec->len;
		return -ENOMSG;
	}
	if (rec->len < fixed_sizes[rec->type])
		return -EBADMSG;
	ev.type = (enum lens_rec_type)rec->type;
	ev.truncated = rec->flags & LENS_F_TRUNCATED;
	ev.snapshot = rec->flags & LENS_F_SNAPSHOT;
	ev.raw_name = rec->flags & LENS_F_RAW_NAME;
	ev.made = rec->flags & LENS_F_MADE;
	ev.ts_ns = rec->ts_ns;
	if (!fields_ok(&ev))
		return -EBADMSG;
	/* what is left over must be less than one unit of alignment: padding, not data */
	variable = variable_len(&ev);
	if (variable > rec->len - fixed_sizes[rec->type] ||
	    rec->len - fixed_sizes[rec->type] - variable >= REC_ALIGN)
		return -EBADMSG;
	if (!set_variable(&ev))
		return -EBADMSG;
	*ret = ev;
	return rec->len;
}
