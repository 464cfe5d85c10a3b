/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Unwinds the user stack of a thread by what its files say for exceptions
 * (.eh_frame), and names the functions. No I/O: bytes come from its caller. All
 * of them are hostile: every offset is checked, every loop bounded. x86-64.
 */
#ifndef LENS_UNWIND_H
#define LENS_UNWIND_H

#include "base/base.h"

/* registers by their DWARF numbers (System V ABI, AMD64 supplement, figure 3.36) */
enum unwind_reg { UNWIND_BX = 3, UNWIND_BP = 6, UNWIND_SP = 7, UNWIND_IP = 16, UNWIND_REGS };

struct unwind_regs {
	uint64_t value[UNWIND_REGS];
	uint32_t known; /* bit by register */
};

/* ------------------------------------------------------------------- files */

/* a file image that can be read piecewise; 0, or -errno for less than size bytes */
struct unwind_image {
	int (*read)(void *arg, uint64_t offset, void *to, size_t size);
	void *arg;
	uint64_t size;
};

struct unwind_elf;

/* reads all that is needed of it; -ENOEXEC: not a 64-bit file for this machine */
int unwind_elf_open(const struct unwind_image *image, struct unwind_elf **ret);
void unwind_elf_freep(struct unwind_elf **elf);
/* memory that it takes */
size_t unwind_elf_bytes(const struct unwind_elf *elf);

/* ---------------------------------------------------------------- mappings */

/* code that a process has mapped */
struct unwind_mapping {
	uint64_t start, end, offset;
	uint32_t major, minor;
	uint64_t ino;	  /* 0: of no file */
	const char *path; /* hostile, with octal escapes for newlines; "": anonymous */
};

struct unwind_maps;

/* /proc/PID/maps; of what is mapped only code is kept, as of a bounded number of mappings */
struct unwind_maps *unwind_maps_parse(const char *text, size_t len);
void unwind_maps_freep(struct unwind_maps **maps);
const struct unwind_mapping *unwind_maps_find(const struct unwind_maps *maps, uint64_t address);

/* ------------------------------------------------------------------ threads */

/* names are hostile, or NULL where they are not known; valid as long as files and mappings are */
struct unwind_frame {
	const char *function, *module;
	uint64_t ip;
	uint64_t offset; /* into the function, else into the file, else an address */
};

enum unwind_end {
	UNWIND_COMPLETE,
	UNWIND_DEEP,	    /* more frames than asked for */
	UNWIND_NO_FILE,	    /* code of no file */
	UNWIND_NO_ELF,	    /* of a file that could not be read */
	UNWIND_NO_RULE,	    /* of one that does not say how to unwind it */
	UNWIND_UNSUPPORTED, /* or says it in a way that is not supported, or nonsense */
	UNWIND_NO_MEMORY,   /* the stack could not be read */
};

/* where the bytes of a thread come from */
struct unwind_thread {
	const struct unwind_maps *maps;
	/* a word of its memory; false: cannot */
	bool (*memory)(void *arg, uint64_t address, uint64_t *ret);
	/* the file behind a mapping; NULL: cannot be read, or is none */
	const struct unwind_elf *(*file)(void *arg, const struct unwind_mapping *m);
	void *arg;
};

/* innermost first; into frames, of which there are most */
enum unwind_end unwind_frames(const struct unwind_thread *t, struct unwind_regs regs,
			      struct unwind_frame *frames, size_t most, size_t *ret_count);

#endif
