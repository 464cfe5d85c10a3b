/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The three things of an ELF file that unwinding asks for: what is mapped
 * where, functions, and .eh_frame. libelf would give more than that for much
 * more code that reads hostile bytes.
 */
#include <elf.h>

#include "unwind/elf.h"

#define MOST_SECTION_BYTES (32u << 20) /* a larger one is not read */
#define MOST_HEADERS 4096u
#define MOST_LOADS 16u
/* names may be as long as their section */
#define MOST_UNDERSCORES 4u
#define COMPARED_CHARS 64u

struct load {
	uint64_t offset, size, address;
};

struct function {
	uint64_t address, size;
	uint32_t name; /* in the names */
};

struct unwind_elf {
	struct unwind_image image;
	struct load loads[MOST_LOADS];
	size_t load_count;
	struct function *functions;
	size_t function_count;
	char *names; /* ends in NUL */
	size_t names_len;
	struct cfi_section cfi;
	struct cfi_entry *entries;
	size_t entry_count;
	size_t bytes; /* of all that */
};

/* bytes of the file in memory of our own, one NUL behind; NULL: not there or too many */
static void *read_range(struct unwind_elf *e, uint64_t offset, uint64_t size)
{
	char *data;

	if (!size || size > MOST_SECTION_BYTES || offset > e->image.size ||
	    size > e->image.size - offset)
		return NULL;
	data = xcalloc(1, size + 1);
	if (!e->image.read(e->image.arg, offset, data, size)) {
		e->bytes += size;
		return data;
	}
	free(data);
	return NULL;
}

/* ------------------------------------------------------------------ segments */

static int read_loads(struct unwind_elf *e, const Elf64_Ehdr *head)
{
	_cleanup_free_ Elf64_Phdr *segments = NULL;

	if (head->e_phentsize != sizeof(*segments) || head->e_phnum > MOST_HEADERS)
		return -ENOEXEC;
	segments = read_range(e, head->e_phoff, (uint64_t)head->e_phnum * sizeof(*segments));
	if (!segments)
		return -ENOEXEC;
	for (unsigned i = 0; i < head->e_phnum && e->load_count < MOST_LOADS; i++)
		if (segments[i].p_type == PT_LOAD)
			e->loads[e->load_count++] = (struct load){ segments[i].p_offset,
								   segments[i].p_filesz,
								   segments[i].p_vaddr };
	return 0;
}

bool elf_address(const struct unwind_elf *e, uint64_t offset, uint64_t *ret)
{
	for (size_t i = 0; i < e->load_count; i++) {
		const struct load *l = &e->loads[i];

		if (offset >= l->offset && offset - l->offset < l->size) {
			*ret = offset - l->offset + l->address;
			return true;
		}
	}
	return false;
}

/* ----------------------------------------------------------------- functions */

static size_t underscores(const char *name)
{
	size_t count = 0;

	while (count < MOST_UNDERSCORES && name[count] == '_')
		count++;
	return count;
}

/*
 * Of several names for one address the best one comes last: one that knows the
 * size, then one that is not internal ("read", not "__libc_read").
 */
static int by_address(const void *a, const void *b, void *names)
{
	const struct function *x = a, *y = b;
	const char *x_name = (char *)names + x->name, *y_name = (char *)names + y->name;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if (underscores(x_name) != underscores(y_name))
		return underscores(x_name) > underscores(y_name) ? -1 : 1;
	return strncmp(y_name, x_name, COMPARED_CHARS);
}

/* exported: between those that are there are others, so that one without a size says nothing */
static void take_symbols(struct unwind_elf *e, const Elf64_Sym *symbols, size_t count,
			 bool exported)
{
	e->functions = xcalloc(count, sizeof(*e->functions));
	e->bytes += count * sizeof(*e->functions);
	for (size_t i = 0; i < count; i++) {
		const Elf64_Sym *s = &symbols[i];
		unsigned type = ELF64_ST_TYPE(s->st_info);

		if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF ||
		    s->st_name >= e->names_len || (exported && !s->st_size))
			continue;
		e->functions[e->function_count++] =
			(struct function){ s->st_value, s->st_size, s->st_name };
	}
	qsort_r(e->functions, e->function_count, sizeof(*e->functions), by_address, e->names);
}

/* the table of all symbols if there is one, else that of what others may use */
static void read_symbols(struct unwind_elf *e, const Elf64_Shdr *sections, unsigned count)
{
	const Elf64_Shdr *table = NULL, *names;
	_cleanup_free_ Elf64_Sym *symbols = NULL;

	for (unsigned i = 0; i < count; i++)
		if (sections[i].sh_type == SHT_SYMTAB ||
		    (sections[i].sh_type == SHT_DYNSYM && !table))
			table = &sections[i];
	if (!table || table->sh_link >= count || table->sh_entsize != sizeof(*symbols) ||
	    (table->sh_flags | sections[table->sh_link].sh_flags) & SHF_COMPRESSED)
		return;
	names = &sections[table->sh_link];
	symbols = read_range(e, table->sh_offset, table->sh_size);
	e->names = symbols ? read_range(e, names->sh_offset, names->sh_size) : NULL;
	if (!e->names)
		return;
	e->names_len = names->sh_size;
	take_symbols(e, symbols, table->sh_size / sizeof(*symbols),
		     table->sh_type == SHT_DYNSYM);
}

const char *elf_function(const struct unwind_elf *e, uint64_t address, uint64_t *ret_offset)
{
	size_t low = 0, high = e->function_count;
	const struct function *f;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	f = &e->functions[low - 1];
	/* written in assembler it may have no size: then it goes on up to the next */
	if (f->size && address - f->address >= f->size)
		return NULL;
	*ret_offset = address - f->address;
	return e->names[f->name] ? e->names + f->name : NULL;
}

/* ------------------------------------------------------------------ sections */

static void read_cfi(struct unwind_elf *e, const Elf64_Shdr *sections, unsigned count,
		     const Elf64_Shdr *names)
{
	_cleanup_free_ char *text = read_range(e, names->sh_offset, names->sh_size);

	for (unsigned i = 0; text && i < count && !e->cfi.data; i++) {
		const Elf64_Shdr *s = &sections[i];

		if (s->sh_name >= names->sh_size || strcmp(text + s->sh_name, ".eh_frame") ||
		    s->sh_type == SHT_NOBITS || s->sh_flags & SHF_COMPRESSED)
			continue;
		e->cfi.data = read_range(e, s->sh_offset, s->sh_size);
		e->cfi.len = e->cfi.data ? s->sh_size : 0;
		e->cfi.address = s->sh_addr;
	}
	e->entry_count = cfi_index(&e->cfi, &e->entries);
	e->bytes += e->entry_count * sizeof(*e->entries);
}

const struct cfi_section *elf_cfi(const struct unwind_elf *e)
{
	return &e->cfi;
}

const struct cfi_entry *elf_cfi_entry(const struct unwind_elf *e, uint64_t address)
{
	return cfi_find(e->entries, e->entry_count, address);
}

size_t unwind_elf_bytes(const struct unwind_elf *e)
{
	return e->bytes;
}

int unwind_elf_open(const struct unwind_image *image, struct unwind_elf **ret)
{
	_cleanup_(unwind_elf_freep) struct unwind_elf *e = xcalloc(1, sizeof(*e));
	_cleanup_free_ Elf64_Shdr *sections = NULL;
	Elf64_Ehdr head;
	int err;

	e->image = *image;
	if (image->size < sizeof(head) || image->read(image->arg, 0, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_machine != EM_X86_64)
		return -ENOEXEC;
	err = read_loads(e, &head);
	if (err)
		return err;
	/* without sections there are no rules and no names, but still a file */
	if (head.e_shentsize == sizeof(*sections) && head.e_shnum <= MOST_HEADERS)
		sections = read_range(e, head.e_shoff, (uint64_t)head.e_shnum * sizeof(*sections));
	if (sections) {
		read_symbols(e, sections, head.e_shnum);
		if (head.e_shstrndx < head.e_shnum)
			read_cfi(e, sections, head.e_shnum, &sections[head.e_shstrndx]);
	}
	*ret = TAKE_PTR(e);
	return 0;
}

void unwind_elf_freep(struct unwind_elf **elf)
{
	if (!*elf)
		return;
	free((*elf)->functions);
	free((*elf)->names);
	free((void *)(*elf)->cfi.data);
	free((*elf)->entries);
	free(*elf);
	*elf = NULL;
}
