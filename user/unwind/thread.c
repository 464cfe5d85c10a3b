/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One thread, frame by frame: from its registers, its memory, and the files
 * that its process has mapped.
 */
#include "unwind/elf.h"

/* what debuggers call the frame by which the kernel calls a handler */
#define SIGNAL_FRAME "<signal handler called>"

/* the last part of a path; "[vdso]" and the like as they are */
static const char *module_name(const struct unwind_mapping *m)
{
	const char *slash = strrchr(m->path, '/');

	if (!*m->path)
		return "[anon]";
	return slash && slash[1] ? slash + 1 : m->path;
}

/*
 * The frame of regs, then its caller's registers. A return address is behind
 * the call, which may be the last thing in its function: then back is 1.
 */
static enum cfi_result step(const struct unwind_thread *t, struct unwind_regs *regs, unsigned back,
			    struct unwind_frame *frame, enum unwind_end *ret_end)
{
	uint64_t ip = regs->value[UNWIND_IP], offset = 0, address;
	const struct unwind_mapping *m = unwind_maps_find(t->maps, ip - back);
	const struct cfi_entry *entry;
	const struct unwind_elf *elf;
	enum cfi_result result;

	*frame = (struct unwind_frame){ .ip = ip, .offset = ip };
	*ret_end = UNWIND_NO_FILE;
	if (!m)
		return CFI_NO_RULE;
	frame->module = module_name(m);
	frame->offset = ip - m->start + m->offset;
	elf = t->file(t->arg, m);
	if (elf || m->ino)
		*ret_end = UNWIND_NO_ELF;
	if (!elf || !elf_address(elf, frame->offset - back, &address))
		return CFI_NO_RULE;
	frame->function = elf_function(elf, address, &offset);
	frame->offset = frame->function ? offset + back : address + back;
	*ret_end = UNWIND_NO_RULE;
	entry = elf_cfi_entry(elf, address);
	/* who starts a process or thread may have no rule, but clears this (System V ABI, 3.4.1) */
	if (!entry && back && regs->known >> UNWIND_BP & 1 && !regs->value[UNWIND_BP])
		return CFI_OUTERMOST;
	if (!entry)
		return CFI_NO_RULE;
	result = cfi_step(elf_cfi(elf), entry, address, regs, t);
	if (result == CFI_SIGNAL) {
		frame->function = SIGNAL_FRAME;
		frame->offset = 0;
	}
	return result;
}

enum unwind_end unwind_frames(const struct unwind_thread *t, struct unwind_regs regs,
			      struct unwind_frame *frames, size_t most, size_t *ret_count)
{
	unsigned back = 0;
	enum unwind_end end = UNWIND_DEEP;

	for (*ret_count = 0; *ret_count < most;) {
		switch (step(t, &regs, back, &frames[(*ret_count)++], &end)) {
		case CFI_CALLER:
			back = 1;
			break;
		case CFI_SIGNAL:
			back = 0;
			break;
		case CFI_OUTERMOST:
			return UNWIND_COMPLETE;
		case CFI_NO_RULE:
			return end;
		case CFI_UNSUPPORTED:
			return UNWIND_UNSUPPORTED;
		case CFI_NO_MEMORY:
			return UNWIND_NO_MEMORY;
		}
	}
	return UNWIND_DEEP;
}
