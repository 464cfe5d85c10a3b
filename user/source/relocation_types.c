// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The part of the kernel's types that our programs are relocated against; see
 * kernel_types.h. For each place that reads a field libbpf looks at all fields of
 * the struct, of which the kernel's have hundreds: others than ours are left out.
 * Two passes: first which types are needed, in the order in which they were
 * found, then each one with the new numbers.
 */
#include <bpf/btf.h>

#include "source/kernel_types.h"

/* bits for names; two names that share one do no harm */
#define NAME_BITS (1u << 16)

/* every pointer: what it points to is not asked for */
#define POINTER 1

struct excerpt {
	const struct kernel_types *from;
	uint32_t *number;		/* by the kernel's id: ours, 0 = not (yet) taken */
	uint32_t *taken;		/* by our number: the kernel's id */
	uint32_t count, room;
	struct buf types, strings;
	uint8_t names[NAME_BITS / 8];	/* of local fields */
};

static void excerpt_fini(struct excerpt *x)
{
	free(x->number);
	free(x->taken);
	buf_fini(&x->types);
	buf_fini(&x->strings);
}

/* --------------------------------------------------------------------- names */

/* FNV-1a */
static uint32_t bit_of(const char *name)
{
	uint32_t sum = 2166136261u;

	for (; *name; name++)
		sum = (sum ^ (unsigned char)*name) * 16777619u;
	return (sum ^ sum >> 16) % NAME_BITS;
}

static void note_name(struct excerpt *x, const char *name)
{
	uint32_t bit = bit_of(name);

	x->names[bit / 8] |= 1u << bit % 8;
}

/* a field of the kernel's: is there one of its name here, or may there be one inside? */
static bool is_asked_for(const struct excerpt *x, uint32_t name_off)
{
	const char *name = kernel_types_string(x->from, name_off);
	uint32_t bit = bit_of(name);

	return !*name || x->names[bit / 8] >> bit % 8 & 1;
}

static void note_fields(struct excerpt *x, const struct btf *local)
{
	for (uint32_t id = 1; id < btf__type_cnt(local); id++) {
		const struct btf_type *type = btf__type_by_id(local, id);

		if (!btf_is_composite(type))
			continue;
		for (unsigned i = 0; i < btf_vlen(type); i++)
			note_name(x, btf__name_by_offset(local, btf_members(type)[i].name_off));
	}
}

/* ----------------------------------------------------------------- selection */

/* what id is behind qualifiers and names; 0: nothing with a size of its own */
static uint32_t bare(const struct excerpt *x, uint32_t id)
{
	/* no sane type has so many; a loop in a damaged one must end */
	for (unsigned depth = 0; depth < 32; depth++) {
		const struct btf_type *type;

		if (!id || id >= kernel_types_count(x->from))
			return 0;
		type = kernel_types_at(x->from, id);
		switch (btf_kind(type)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = type->type;
			continue;
		case BTF_KIND_FUNC:
		case BTF_KIND_FUNC_PROTO:
		case BTF_KIND_VAR:
		case BTF_KIND_DATASEC:
		case BTF_KIND_DECL_TAG:
			return 0;
		}
		return id;
	}
	return 0;
}

/* our number for it */
static uint32_t take_exactly(struct excerpt *x, uint32_t id)
{
	if (x->number[id])
		return x->number[id];
	if (x->count == x->room) {
		x->room = x->room ? x->room * 2 : 1024;
		x->taken = xrealloc(x->taken, x->room, sizeof(*x->taken));
	}
	x->taken[x->count] = id;
	x->number[id] = x->count++;
	return x->number[id];
}

/* our number for a type that another one is made of */
static uint32_t take(struct excerpt *x, uint32_t id)
{
	id = bare(x, id);
	if (!id)
		return 0;
	if (btf_is_ptr(kernel_types_at(x->from, id)))
		return POINTER;
	return take_exactly(x, id);
}

static void take_parts(struct excerpt *x, const struct btf_type *type)
{
	if (btf_is_typedef(type)) {
		take(x, type->type);
	} else if (btf_is_array(type)) {
		take(x, btf_array(type)->type);
		take(x, btf_array(type)->index_type);
	} else if (btf_is_composite(type)) {
		for (unsigned i = 0; i < btf_vlen(type); i++)
			if (is_asked_for(x, btf_members(type)[i].name_off))
				take(x, btf_members(type)[i].type);
	}
}

/* "kernfs_node___pre615" is another look at kernfs_node */
static char *without_flavour(const char *name)
{
	const char *flavour = strstr(name, "___");

	return xstrndup(name, flavour ? (size_t)(flavour - name) : strlen(name));
}

static void take_named(struct excerpt *x, const char *local_name, unsigned kind)
{
	_cleanup_free_ char *name = without_flavour(local_name);
	uint32_t id = *name ? kernel_types_find(x->from, name, kind) : 0;

	for (; id; id = kernel_types_next(x->from, id))
		take_exactly(x, id);
}

static void select_types(struct excerpt *x, const struct btf *local)
{
	/* void, and POINTER */
	x->count = POINTER + 1;
	x->room = 1024;
	x->taken = xcalloc(x->room, sizeof(*x->taken));
	note_fields(x, local);
	x->number = xcalloc(kernel_types_count(x->from), sizeof(*x->number));
	for (uint32_t id = 1; id < btf__type_cnt(local); id++) {
		const struct btf_type *type = btf__type_by_id(local, id);

		if (btf_is_composite(type) || btf_is_any_enum(type) || btf_is_typedef(type))
			take_named(x, btf__name_by_offset(local, type->name_off), btf_kind(type));
	}
	for (uint32_t n = POINTER + 1; n < x->count; n++)
		take_parts(x, kernel_types_at(x->from, x->taken[n]));
}

/* ------------------------------------------------------------------- writing */

static uint32_t add_string(struct excerpt *x, uint32_t offset)
{
	const char *s = kernel_types_string(x->from, offset);
	uint32_t at = x->strings.len;

	if (!*s)
		return 0;
	buf_add(&x->strings, s, strlen(s) + 1);
	return at;
}

/* how many */
static uint32_t add_members(struct excerpt *x, const struct btf_type *type)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < btf_vlen(type); i++) {
		struct btf_member m = btf_members(type)[i];

		if (!is_asked_for(x, m.name_off))
			continue;
		count++;
		m.name_off = add_string(x, m.name_off);
		m.type = take(x, m.type);
		buf_add(&x->types, &m, sizeof(m));
	}
	return count;
}

static void add_enumerators(struct excerpt *x, const struct btf_type *type)
{
	for (unsigned i = 0; i < btf_vlen(type); i++) {
		if (btf_is_enum(type)) {
			struct btf_enum e = btf_enum(type)[i];

			e.name_off = add_string(x, e.name_off);
			buf_add(&x->types, &e, sizeof(e));
		} else {
			struct btf_enum64 e = btf_enum64(type)[i];

			e.name_off = add_string(x, e.name_off);
			buf_add(&x->types, &e, sizeof(e));
		}
	}
}

static void add_type(struct excerpt *x, const struct btf_type *type)
{
	struct btf_type head = *type;
	size_t at = x->types.len;

	head.name_off = add_string(x, type->name_off);
	if (btf_is_typedef(type))
		head.type = take(x, type->type);
	buf_add(&x->types, &head, sizeof(head));
	if (btf_is_int(type)) {
		buf_add(&x->types, type + 1, sizeof(uint32_t));
	} else if (btf_is_array(type)) {
		struct btf_array a = *btf_array(type);

		a.type = take(x, a.type);
		a.index_type = take(x, a.index_type);
		buf_add(&x->types, &a, sizeof(a));
	} else if (btf_is_composite(type)) {
		head.info = (head.info & ~0xffffu) | add_members(x, type);
		memcpy(x->types.data + at, &head, sizeof(head));
	} else if (btf_is_any_enum(type)) {
		add_enumerators(x, type);
	}
}

static int write_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		len -= n;
	}
	return 0;
}

int relocation_types_write(const struct kernel_types *t, const struct btf *local, int fd)
{
	_cleanup_(excerpt_fini) struct excerpt x = { .from = t };
	const struct btf_type pointer = { .info = BTF_KIND_PTR << 24 };
	struct btf_header h = { .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h) };
	int err;

	select_types(&x, local);
	buf_add(&x.strings, "", 1);
	buf_add(&x.types, &pointer, sizeof(pointer));
	for (uint32_t n = POINTER + 1; n < x.count; n++)
		add_type(&x, kernel_types_at(t, x.taken[n]));
	h.type_len = x.types.len;
	h.str_off = h.type_len;
	h.str_len = x.strings.len;
	err = write_all(fd, &h, sizeof(h));
	if (!err)
		err = write_all(fd, x.types.data, x.types.len);
	return err ? err : write_all(fd, x.strings.data, x.strings.len);
}
