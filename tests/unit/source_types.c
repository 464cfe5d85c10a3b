/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Type information is found by name, damaged files are refused, and libbpf
 * reads the excerpt for relocations as it would the whole.
 */
#define _GNU_SOURCE 1

#include "test.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/kernel_types.h"

/*
 *	typedef struct { int counter; } count_t;
 *	struct inner { u64 deep; };
 *	struct outer { struct outer *next; count_t n; const struct inner in[3]; };
 *	struct other {}, twice
 */
static struct btf *sample(void)
{
	struct btf *b = btf__new_empty();
	int integer = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	int u64_type = btf__add_int(b, "u64", 8, 0), anonymous, count, inner, array, pointer;

	anonymous = btf__add_struct(b, NULL, 4);
	btf__add_field(b, "counter", integer, 0, 0);
	count = btf__add_typedef(b, "count_t", anonymous);
	inner = btf__add_struct(b, "inner", 8);
	btf__add_field(b, "deep", u64_type, 0, 0);
	array = btf__add_array(b, integer, btf__add_const(b, inner), 3);
	pointer = btf__add_ptr(b, btf__type_cnt(b) + 1);
	btf__add_struct(b, "outer", 40);
	btf__add_field(b, "next", pointer, 0, 0);
	btf__add_field(b, "n", count, 64, 0);
	btf__add_field(b, "in", array, 128, 0);
	btf__add_struct(b, "other", 1);
	btf__add_struct(b, "other", 2);
	btf__add_enum(b, "colour", 4);
	btf__add_enum_value(b, "RED", 7);
	return b;
}

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("types", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, data, len) == (ssize_t)len);
	return fd;
}

static int open_types(int fd, struct kernel_types **ret)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return kernel_types_open(path, ret);
}

static struct kernel_types *types_of(const struct btf *b)
{
	struct kernel_types *t = NULL;
	uint32_t size;
	const void *data = btf__raw_data(b, &size);
	_cleanup_close_ int fd = file_of(data, size);

	CHECK_EQ_I64(open_types(fd, &t), 0);
	return t;
}

TEST(found_by_name_and_kind)
{
	struct btf *b = sample();
	_cleanup_(kernel_types_freep) struct kernel_types *t = types_of(b);
	uint32_t first = kernel_types_find(t, "other", BTF_KIND_STRUCT), second;

	CHECK_EQ_U64(kernel_types_count(t), btf__type_cnt(b));
	CHECK_EQ_I64(kernel_types_find(t, "outer", BTF_KIND_STRUCT),
		     btf__find_by_name_kind(b, "outer", BTF_KIND_STRUCT));
	CHECK_EQ_U64(kernel_types_find(t, "outer", BTF_KIND_UNION), 0);
	CHECK_EQ_U64(kernel_types_find(t, "oute", BTF_KIND_STRUCT), 0);
	second = kernel_types_next(t, first);
	CHECK(first && second && first != second);
	CHECK_EQ_U64(kernel_types_at(t, first)->size + kernel_types_at(t, second)->size, 3);
	CHECK_EQ_U64(kernel_types_next(t, second), 0);
	btf__free(b);
}

static const struct btf_type *found(const struct btf *b, const char *name, unsigned kind)
{
	int id = btf__find_by_name_kind(b, name, kind);

	CHECK(id > 0);
	return btf__type_by_id(b, id);
}

static struct btf *excerpt(const struct kernel_types *t, const struct btf *local)
{
	_cleanup_close_ int fd = memfd_create("excerpt", MFD_CLOEXEC);
	struct btf *b;
	char path[32];

	CHECK_EQ_I64(relocation_types_write(t, local, fd), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	b = btf__parse(path, NULL);
	CHECK(b);
	return b;
}

TEST(excerpt_has_what_was_asked_for)
{
	struct btf *b = sample(), *local = btf__new_empty(), *x;
	_cleanup_(kernel_types_freep) struct kernel_types *t = types_of(b);
	const struct btf_type *outer, *in;
	int integer;

	integer = btf__add_int(local, "int", 4, BTF_INT_SIGNED);
	btf__add_struct(local, "outer___old", 12);
	btf__add_field(local, "next", integer, 0, 0);
	btf__add_field(local, "in", integer, 32, 0);
	btf__add_field(local, "deep", integer, 64, 0);
	btf__add_enum(local, "colour", 4);
	x = excerpt(t, local);
	outer = found(x, "outer", BTF_KIND_STRUCT);
	CHECK_EQ_U64(outer->size, 40);
	/* all but "n", which nobody asks for */
	CHECK_EQ_U64(btf_vlen(outer), 2);
	CHECK(btf_is_ptr(btf__type_by_id(x, btf_members(outer)[0].type)));
	CHECK_STR(btf__name_by_offset(x, btf_members(outer)[1].name_off), "in");
	CHECK_EQ_U64(btf_member_bit_offset(outer, 1), 128);
	CHECK_EQ_I64(btf__resolve_size(x, btf_members(outer)[1].type), 24);
	in = btf__type_by_id(x, btf_array(btf__type_by_id(x, btf_members(outer)[1].type))->type);
	CHECK_STR(btf__name_by_offset(x, btf_members(in)[0].name_off), "deep");
	CHECK_EQ_I64(btf_enum(found(x, "colour", BTF_KIND_ENUM))[0].val, 7);
	CHECK(btf__find_by_name_kind(x, "other", BTF_KIND_STRUCT) < 0);
	btf__free(x);
	btf__free(local);
	btf__free(b);
}

TEST(excerpt_has_all_of_a_name)
{
	struct btf *b = sample(), *local = btf__new_empty(), *x;
	_cleanup_(kernel_types_freep) struct kernel_types *t = types_of(b);
	unsigned others = 0;

	btf__add_struct(local, "other", 1);
	btf__add_struct(local, "unheard_of", 1);
	btf__add_typedef(local, "count_t", 1);
	btf__add_struct(local, "counted", 4);
	btf__add_field(local, "counter", 1, 0, 0);
	x = excerpt(t, local);
	for (unsigned id = 1; id < btf__type_cnt(x); id++)
		others += !strcmp(btf__name_by_offset(x, btf__type_by_id(x, id)->name_off),
				  "other");
	CHECK_EQ_U64(others, 2);
	CHECK_EQ_I64(btf__resolve_size(x, btf__find_by_name_kind(x, "count_t", BTF_KIND_TYPEDEF)),
		     4);
	btf__free(x);
	btf__free(local);
	btf__free(b);
}

/* cut off anywhere, and with any one byte changed: refused or read, never worse */
TEST(damage_is_survived)
{
	struct btf *b = sample();
	uint32_t size;
	const char *data = btf__raw_data(b, &size);
	_cleanup_free_ char *copy = xcalloc(size, 1);

	for (uint32_t len = 0; len < size; len++) {
		_cleanup_(kernel_types_freep) struct kernel_types *t = NULL;
		_cleanup_close_ int fd = file_of(data, len);

		CHECK(open_types(fd, &t) < 0);
	}
	for (uint32_t at = 0; at < size; at++) {
		_cleanup_(kernel_types_freep) struct kernel_types *t = NULL;
		_cleanup_close_ int out = memfd_create("excerpt", MFD_CLOEXEC), fd = -1;

		memcpy(copy, data, size);
		copy[at] ^= 0xff;
		fd = file_of(copy, size);
		if (!open_types(fd, &t))
			CHECK_EQ_I64(relocation_types_write(t, b, out), 0);
	}
	btf__free(b);
}
