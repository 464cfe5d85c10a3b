/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Files by device and inode, and the kernel's own part of every process.
 */
#include "source/stack_files.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/sysmacros.h>

#define MOST_FILES 256
#define MOST_BYTES (128u << 20)

struct stack_file {
	uint32_t major, minor;
	uint64_t ino; /* 0: [vdso], which is the same in all processes */
	struct unwind_elf *elf;
};

struct stack_files {
	struct stack_file *files;
	size_t count, bytes;
};

struct stack_files *stack_files_new(void)
{
	return xcalloc(1, sizeof(struct stack_files));
}

void stack_files_forget(struct stack_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		unwind_elf_freep(&f->files[i].elf);
	free(f->files);
	*f = (struct stack_files){};
}

void stack_files_freep(struct stack_files **files)
{
	if (!*files)
		return;
	stack_files_forget(*files);
	free(*files);
	*files = NULL;
}

void stack_files_trim(struct stack_files *f)
{
	if (f->count >= MOST_FILES || f->bytes > MOST_BYTES)
		stack_files_forget(f);
}

/* ---------------------------------------------------------------------- read */

static int read_mapped(void *arg, uint64_t offset, void *to, size_t size)
{
	return reader_pread(arg, offset, to, size);
}

static int read_own(void *arg, uint64_t offset, void *to, size_t size)
{
	memcpy(to, (const char *)arg + offset, size);
	return 0;
}

/* what the kernel has mapped into us: sections are the last thing in it */
static int open_vdso(struct unwind_elf **ret)
{
	const Elf64_Ehdr *head = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_image image = { read_own, (void *)head, 0 };

	if (!head)
		return -ENOENT;
	image.size = head->e_shoff + (uint64_t)head->e_shnum * head->e_shentsize;
	return unwind_elf_open(&image, ret);
}

static int open_mapped(struct reader *reader, uint32_t tgid, const struct unwind_mapping *m,
		       struct unwind_elf **ret)
{
	const struct reader_mapping from = {
		.tgid = tgid, .start = m->start, .end = m->end,
		.dev = makedev(m->major, m->minor), .ino = m->ino, .path = m->path,
	};
	struct unwind_image image = { read_mapped, reader, 0 };
	int err = reader_open(reader, &from, &image.size);

	return err ? err : unwind_elf_open(&image, ret);
}

const struct unwind_elf *stack_files_get(struct stack_files *files, struct reader *reader,
					 uint32_t tgid, const struct unwind_mapping *m)
{
	bool vdso = !strcmp(m->path, "[vdso]");
	struct stack_file *file;

	if (!vdso && (!m->ino || *m->path != '/'))
		return NULL;
	for (size_t i = 0; i < files->count; i++) {
		file = &files->files[i];
		if (file->ino == m->ino && file->major == m->major && file->minor == m->minor)
			return file->elf;
	}
	files->files = xrealloc(files->files, files->count + 1, sizeof(*files->files));
	file = &files->files[files->count++];
	*file = (struct stack_file){ .major = m->major, .minor = m->minor, .ino = m->ino };
	/* one that cannot be read is not asked for again */
	if (vdso ? !open_vdso(&file->elf) : !open_mapped(reader, tgid, m, &file->elf))
		files->bytes += unwind_elf_bytes(file->elf);
	return file->elf;
}
