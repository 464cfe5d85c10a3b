/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A stack unwound by hostile files, of hostile memory. The first byte says what
 * the rest is: a whole file; or the parts of one that is in order otherwise, so
 * that rules and names are reached; or the text of what is mapped.
 */
#include <elf.h>

#include "unwind/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES 48
#define CODE 0x1000
#define CODE_SIZE 0x100000
#define SECTIONS 5

struct input {
	const uint8_t *data;
	size_t size, words;
	struct unwind_elf *elf;
};

static int read_image(void *arg, uint64_t offset, void *to, size_t size)
{
	const struct input *in = arg;

	if (offset > in->size || size > in->size - offset)
		abort(); /* the size was said before */
	memcpy(to, in->data + offset, size);
	return 0;
}

/* small numbers and addresses of code, so that it goes on for some frames */
static bool read_word(void *arg, uint64_t address, uint64_t *ret)
{
	struct input *in = arg;
	size_t at = in->words++;
	uint8_t byte = in->size ? in->data[(at * 7 + address / 8) % in->size] : 0;

	*ret = byte & 1 ? CODE + byte * 16 : (uint64_t)byte << (byte % 57);
	return byte != 0xff;
}

static const struct unwind_elf *the_file(void *arg, const struct unwind_mapping *m)
{
	const struct input *in = arg;

	return in->elf;
}

static void unwind_by(struct input *in, const char *text, size_t len)
{
	struct unwind_maps *maps = unwind_maps_parse(text, len);
	const struct unwind_thread t = { maps, read_word, the_file, in };
	struct unwind_regs regs = { .known = (1u << UNWIND_REGS) - 1 };
	struct unwind_frame frames[FRAMES];
	size_t count = 0, chars = 0;

	for (size_t i = 0; i < UNWIND_REGS; i++)
		read_word(in, 8 * i, &regs.value[i]);
	regs.value[UNWIND_IP] = CODE + (in->size ? in->data[in->size / 2] : 0);
	unwind_frames(&t, regs, frames, FRAMES, &count);
	if (count > FRAMES)
		abort();
	/* names have to end */
	for (size_t i = 0; i < count; i++) {
		chars += frames[i].function ? strlen(frames[i].function) : 0;
		chars += frames[i].module ? strlen(frames[i].module) : 0;
	}
	if (chars > (1u << 30))
		abort();
	unwind_maps_freep(&maps);
}

static void unwind_image(const uint8_t *data, size_t size)
{
	static const char text[] = "1000-101000 r-xp 00001000 fe:00 42 /x/y\n"
				   "200000-300000 r-xp 00000000 00:00 0 \n";
	struct input in = { data, size, 0, NULL };
	struct unwind_image image = { read_image, &in, size };

	unwind_elf_open(&image, &in.elf);
	unwind_by(&in, text, sizeof(text) - 1);
	unwind_elf_freep(&in.elf);
}

/* a file in order, with these bytes as its rules, symbols and names: a part of them each */
static void unwind_parts(const uint8_t *data, size_t size)
{
	static const char names[] = "\0.eh_frame";
	size_t cfi = size / 4 * 3, symbols = size / 8 / 24 * 24, text = size - cfi - symbols;
	size_t head = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + SECTIONS * sizeof(Elf64_Shdr);
	_cleanup_free_ uint8_t *file = xcalloc(1, head + sizeof(names) + size);
	Elf64_Ehdr *e = (void *)file;
	Elf64_Phdr *p = (void *)(e + 1);
	Elf64_Shdr *s = (void *)(p + 1);

	memcpy(e->e_ident, ELFMAG "\2\1", 6);
	e->e_machine = EM_X86_64;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 1;
	e->e_shoff = sizeof(*e) + sizeof(*p);
	e->e_shentsize = sizeof(*s);
	e->e_shnum = SECTIONS;
	e->e_shstrndx = 1;
	*p = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = CODE, .p_vaddr = CODE,
			   .p_filesz = CODE_SIZE };
	s[1] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = head, .sh_size = sizeof(names) };
	s[2] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_addr = CODE + CODE_SIZE,
			     .sh_offset = head + sizeof(names), .sh_size = cfi };
	s[3] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_offset = s[2].sh_offset + cfi,
			     .sh_size = symbols, .sh_entsize = 24, .sh_link = 4 };
	s[4] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = s[3].sh_offset + symbols,
			     .sh_size = text };
	memcpy(file + head, names, sizeof(names));
	if (size)
		memcpy(file + head + sizeof(names), data, size);
	unwind_image(file, head + sizeof(names) + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {};

	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		unwind_parts(data + 1, size - 1);
		break;
	case 1:
		unwind_image(data + 1, size - 1);
		break;
	default:
		in.data = data;
		in.size = size;
		unwind_by(&in, (const char *)data + 1, size - 1);
	}
	return 0;
}
