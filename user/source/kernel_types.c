// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The kernel's type information, indexed; see kernel_types.h.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bpf/btf.h>

#include "source/kernel_types.h"

#define BUCKETS (1u << 16)
/* of so many types that follow each other where the first one is, is noted: memory takes time */
#define STRIDE 8

struct kernel_types {
	void *map;			/* of the file, where the kernel permits that (v6.16) */
	void *copy;			/* else its content */
	size_t size;
	const char *types, *strings;
	uint32_t types_size, strings_size;
	uint32_t *offsets;		/* of type id * STRIDE, in types */
	uint32_t *next;			/* by id: another type of the same bucket */
	uint32_t count, room;
	uint32_t buckets[BUCKETS];	/* by name and kind: first type */
};

void kernel_types_freep(struct kernel_types **types)
{
	struct kernel_types *t = *types;

	if (!t)
		return;
	if (t->map)
		munmap(t->map, t->size);
	free(t->copy);
	free(t->offsets);
	free(t->next);
	free(t);
	*types = NULL;
}

/* ------------------------------------------------------------------- content */

static int content_read(struct kernel_types *t, int fd)
{
	size_t have = 0;
	ssize_t n;

	t->copy = malloc(t->size);
	if (!t->copy)
		return -ENOMEM;
	while (have < t->size) {
		n = read(fd, (char *)t->copy + have, t->size - have);
		if (n < 0)
			return -errno;
		if (!n)
			return -EBADMSG;
		have += n;
	}
	return 0;
}

static int content_get(struct kernel_types *t, const char *path, const void **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	t->size = st.st_size;
	map = mmap(NULL, t->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map != MAP_FAILED) {
		t->map = map;
		*ret = map;
		return 0;
	}
	err = content_read(t, fd);
	*ret = t->copy;
	return err;
}

static int content_check(struct kernel_types *t, const struct btf_header *h)
{
	uint64_t end;

	if (t->size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h))
		return -EBADMSG;
	end = (uint64_t)h->hdr_len + h->type_off + h->type_len;
	if (end > t->size || h->type_off % 4)
		return -EBADMSG;
	end = (uint64_t)h->hdr_len + h->str_off + h->str_len;
	if (end > t->size || !h->str_len)
		return -EBADMSG;
	t->types = (const char *)h + h->hdr_len + h->type_off;
	t->types_size = h->type_len;
	t->strings = (const char *)h + h->hdr_len + h->str_off;
	t->strings_size = h->str_len;
	return t->strings[t->strings_size - 1] ? -EBADMSG : 0;
}

/* --------------------------------------------------------------------- index */

/* bytes of a type with what follows it; 0: no kind we know */
static size_t type_size(const struct btf_type *type)
{
	size_t vlen = btf_vlen(type), extra;

	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		extra = 0;
		break;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		extra = sizeof(uint32_t);
		break;
	case BTF_KIND_ARRAY:
		extra = sizeof(struct btf_array);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		extra = vlen * sizeof(struct btf_member);
		break;
	case BTF_KIND_ENUM:
		extra = vlen * sizeof(struct btf_enum);
		break;
	case BTF_KIND_ENUM64:
		extra = vlen * sizeof(struct btf_enum64);
		break;
	case BTF_KIND_FUNC_PROTO:
		extra = vlen * sizeof(struct btf_param);
		break;
	case BTF_KIND_DATASEC:
		extra = vlen * sizeof(struct btf_var_secinfo);
		break;
	default:
		return 0;
	}
	return sizeof(*type) + extra;
}

const char *kernel_types_string(const struct kernel_types *t, uint32_t offset)
{
	return offset < t->strings_size ? t->strings + offset : "";
}

/* FNV-1a */
static uint32_t bucket_of(const char *name, unsigned kind)
{
	uint32_t sum = 2166136261u ^ kind;

	for (; *name; name++)
		sum = (sum ^ (unsigned char)*name) * 16777619u;
	return (sum ^ sum >> 16) % BUCKETS;
}

static void index_add(struct kernel_types *t, const struct btf_type *type)
{
	uint32_t id = t->count++, *bucket;
	const char *name = kernel_types_string(t, type->name_off);

	if (t->count > t->room) {
		t->room *= 2;
		t->offsets = xrealloc(t->offsets, t->room / STRIDE, sizeof(*t->offsets));
		t->next = xrealloc(t->next, t->room, sizeof(*t->next));
	}
	if (id % STRIDE == 0)
		t->offsets[id / STRIDE] = (const char *)type - t->types;
	t->next[id] = 0;
	if (!*name)
		return;
	bucket = &t->buckets[bucket_of(name, btf_kind(type))];
	t->next[id] = *bucket;
	*bucket = id;
}

static int index_build(struct kernel_types *t)
{
	size_t at = 0, size;

	t->room = 1u << 17;
	t->offsets = xcalloc(t->room / STRIDE, sizeof(*t->offsets));
	t->next = xcalloc(t->room, sizeof(*t->next));
	t->count = 1;	/* void */
	while (at < t->types_size) {
		const struct btf_type *type = (const void *)(t->types + at);

		if (t->types_size - at < sizeof(*type))
			return -EBADMSG;
		size = type_size(type);
		if (!size || size > t->types_size - at)
			return -EBADMSG;
		index_add(t, type);
		at += size;
	}
	return 0;
}

int kernel_types_open(const char *path, struct kernel_types **ret_types)
{
	_cleanup_(kernel_types_freep) struct kernel_types *t = xcalloc(1, sizeof(*t));
	const void *content = NULL;
	int err = content_get(t, path, &content);

	if (!err)
		err = content_check(t, content);
	if (!err)
		err = index_build(t);
	if (err)
		return err;
	*ret_types = TAKE_PTR(t);
	return 0;
}

/* ------------------------------------------------------------------- look up */

uint32_t kernel_types_count(const struct kernel_types *t)
{
	return t->count;
}

const struct btf_type *kernel_types_at(const struct kernel_types *t, uint32_t id)
{
	const char *at = t->types + t->offsets[id / STRIDE];

	/* void is nowhere */
	for (uint32_t i = id < STRIDE ? 1 : id / STRIDE * STRIDE; i < id; i++)
		at += type_size((const void *)at);
	return (const void *)at;
}

static uint32_t first_match(const struct kernel_types *t, uint32_t id, const char *name,
			    unsigned kind)
{
	for (; id; id = t->next[id]) {
		const struct btf_type *type = kernel_types_at(t, id);

		if (btf_kind(type) == kind && !strcmp(kernel_types_string(t, type->name_off), name))
			return id;
	}
	return 0;
}

uint32_t kernel_types_find(const struct kernel_types *t, const char *name, unsigned kind)
{
	return first_match(t, t->buckets[bucket_of(name, kind)], name, kind);
}

uint32_t kernel_types_next(const struct kernel_types *t, uint32_t id)
{
	const struct btf_type *type = kernel_types_at(t, id);

	return first_match(t, t->next[id], kernel_types_string(t, type->name_off), btf_kind(type));
}
