/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the numbers and components of a record are called. Generated from the
 * lists of wire.h; knows nothing of how a report looks.
 */
#include "event/event.h"

static const char *const kind_names[] = {
#define X(id, value, group, type) [LENS_KIND_##id] = type,
	LENS_KINDS(X)
#undef X
};

static const char *const loss_names[] = {
#define X(id, name, meaning) [LENS_LOSS_##id] = name,
	LENS_LOSSES(X)
#undef X
};

static const char *const object_names[] = {
#define X(id, value, type) [LENS_OBJECT_##id] = type,
	LENS_OBJECTS(X)
#undef X
};

static const char *const call_names[] = {
#define X(id, name) [LENS_CALL_##id] = name,
	LENS_CALLS(X)
#undef X
};

const char *event_object_name(unsigned object)
{
	if (object >= ARRAY_SIZE(object_names) || !object_names[object])
		return "unknown";
	return object_names[object];
}

const char *event_call_name(unsigned call)
{
	return call < ARRAY_SIZE(call_names) && call_names[call] ? call_names[call] : "unknown";
}

const char *event_kind_name(unsigned kind)
{
	/* a retired kind leaves a hole */
	if (kind >= ARRAY_SIZE(kind_names) || !kind_names[kind])
		return "unknown";
	return kind_names[kind];
}

const char *event_loss_name(unsigned cause)
{
	return cause < ARRAY_SIZE(loss_names) ? loss_names[cause] : "unknown";
}

const char *event_frames_end_text(unsigned end)
{
	static const char *const texts[] = {
#define X(id, text) [LENS_FRAMES_##id] = text,
		LENS_FRAMES_ENDS(X)
#undef X
	};

	return end < ARRAY_SIZE(texts) ? texts[end] : "";
}

bool event_kind_has_messages(unsigned kind)
{
	return kind == LENS_KIND_SYSV_MSG || kind == LENS_KIND_POSIX_MQ ||
	       kind == LENS_KIND_UNIX_DGRAM || kind == LENS_KIND_UNIX_SEQPACKET ||
	       kind == LENS_KIND_UDP || kind == LENS_KIND_SIGNAL;
}

bool event_kind_has_halves(unsigned kind)
{
	static const bool halves[LENS_KIND_MAX] = {
		[LENS_KIND_UNIX_STREAM] = true, [LENS_KIND_UNIX_SEQPACKET] = true,
		[LENS_KIND_TCP] = true,
		[LENS_KIND_PTY] = true,
	};

	return kind < LENS_KIND_MAX && halves[kind];
}

bool event_kind_is_socket(unsigned kind)
{
	return (event_kind_has_halves(kind) && kind != LENS_KIND_PTY) ||
	       kind == LENS_KIND_UNIX_DGRAM || kind == LENS_KIND_UDP;
}

bool event_kind_is_inet(unsigned kind)
{
	return kind == LENS_KIND_TCP || kind == LENS_KIND_UDP;
}

bool event_kind_has_bytes(unsigned kind)
{
	return kind != LENS_KIND_EVENTFD;
}

bool event_kind_has_target(unsigned kind)
{
	return kind == LENS_KIND_SIGNAL || kind == LENS_KIND_PROCESS_VM;
}

bool event_kind_is_memory(unsigned kind)
{
	return kind >= LENS_KIND_SYSV_SHM && kind <= LENS_KIND_SHARED_ANON;
}

unsigned event_kind_by_name(const char *name)
{
	for (unsigned kind = 0; kind < ARRAY_SIZE(kind_names); kind++)
		if (kind_names[kind] && !strcmp(kind_names[kind], name))
			return kind;
	return LENS_KIND_NONE;
}

/* start of the component that ends in the NUL before end */
static size_t component_start(const char *data, size_t end)
{
	size_t start = end - 1;

	while (start && data[start - 1])
		start--;
	return start;
}

void event_path(struct buf *out, struct event_bytes components, bool truncated)
{
	bool any = false;

	if (!components.len)
		return;
	if (truncated)
		buf_puts(out, "…");
	for (size_t end = components.len; end;) {
		size_t start = component_start(components.data, end);
		size_t len = end - 1 - start;

		/* the root has no name */
		if (len) {
			buf_puts(out, "/");
			buf_add(out, components.data + start, len);
			any = true;
		}
		end = start;
	}
	if (!any)
		buf_puts(out, "/");
}
