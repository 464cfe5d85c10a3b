/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * /proc/kallsyms: "ffffffff81000000 T name\t[module]". Only functions are kept,
 * some 4 MB for 150,000 of them, and no more than MOST_SYMBOLS.
 */
#include "source/kallsyms.h"

#include "base/base.h"

#define MOST_SYMBOLS 1000000u
#define MOST_NAME_BYTES (64u << 20)
/* what is further behind a function does not belong to it */
#define MOST_OFFSET (1u << 20)

struct symbol {
	uint64_t address;
	uint32_t name, module; /* where in the names; module 0: none */
};

struct kallsyms {
	struct symbol *symbols;
	size_t count, size;
	struct buf names;
	uint32_t last_module; /* symbols of one module follow each other */
};

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static uint32_t add_name(struct kallsyms *k, const char *name, size_t len)
{
	uint32_t at = (uint32_t)k->names.len;

	buf_add(&k->names, name, len);
	buf_add(&k->names, "", 1);
	return at;
}

static uint32_t add_module(struct kallsyms *k, const char *name, size_t len)
{
	const char *last = k->names.data + k->last_module;

	if (!k->last_module || strlen(last) != len || memcmp(last, name, len))
		k->last_module = add_name(k, name, len);
	return k->last_module;
}

static void add_line(struct kallsyms *k, const char *line)
{
	char *rest;
	uint64_t address = strtoull(line, &rest, 16);
	struct symbol *s;
	size_t len;

	/* only "text" and "weak" have code */
	if (!address || rest[0] != ' ' || !rest[1] || !strchr("tTwW", rest[1]) || rest[2] != ' ')
		return;
	rest += 3;
	len = strcspn(rest, "\t\n");
	if (k->count == k->size) {
		k->size = k->size ? k->size * 2 : 1 << 16;
		k->symbols = xrealloc(k->symbols, k->size, sizeof(*k->symbols));
	}
	s = &k->symbols[k->count++];
	s->address = address;
	s->name = add_name(k, rest, len);
	s->module = 0;
	rest += len;
	if (rest[0] == '\t' && rest[1] == '[')
		s->module = add_module(k, rest + 2, strcspn(rest + 2, "]\n"));
}

int kallsyms_read(const char *path, struct kallsyms **ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_(kallsyms_freep) struct kallsyms *k = xcalloc(1, sizeof(*k));
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	/* so that no name begins at 0 */
	buf_add(&k->names, "", 1);
	while (k->count < MOST_SYMBOLS && k->names.len < MOST_NAME_BYTES &&
	       getline(&line, &size, f) > 0)
		add_line(k, line);
	if (!k->count)
		return -EPERM;
	qsort(k->symbols, k->count, sizeof(*k->symbols), by_address);
	*ret = TAKE_PTR(k);
	return 0;
}

void kallsyms_freep(struct kallsyms **k)
{
	if (!*k)
		return;
	free((*k)->symbols);
	buf_fini(&(*k)->names);
	free(*k);
	*k = NULL;
}

bool kallsyms_find(const struct kallsyms *k, uint64_t address, struct kallsyms_symbol *ret)
{
	size_t low = 0, high = k->count;
	const struct symbol *s;

	/* the last one that does not begin behind it */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	s = &k->symbols[low - 1];
	if (address - s->address > MOST_OFFSET)
		return false;
	ret->function = k->names.data + s->name;
	ret->module = s->module ? k->names.data + s->module : NULL;
	ret->offset = address - s->address;
	return true;
}
