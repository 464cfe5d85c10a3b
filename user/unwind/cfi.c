/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Call frame information (DWARF 5, section 6.4, as .eh_frame has it: Linux
 * Standard Base, "Exception Frames"): for each instruction of a function the
 * rule that gives the caller's registers.
 */
#include "unwind/cfi.h"

enum {
	ENC_ABSOLUTE = 0x00, ENC_ULEB = 0x01, ENC_U2 = 0x02, ENC_U4 = 0x03, ENC_U8 = 0x04,
	ENC_SLEB = 0x09, ENC_S2 = 0x0a, ENC_S4 = 0x0b, ENC_S8 = 0x0c, ENC_FORM = 0x0f,
	ENC_RELATIVE = 0x10, ENC_BASE = 0x70, ENC_OMITTED = 0xff,
};

enum {
	CFA_ADVANCE = 1, CFA_OFFSET = 2, CFA_RESTORE = 3, /* in the upper two bits */
	CFA_NOP = 0x00, CFA_ADVANCE1 = 0x02, CFA_ADVANCE2 = 0x03, CFA_ADVANCE4 = 0x04,
	CFA_OFFSET_EXT = 0x05, CFA_RESTORE_EXT = 0x06, CFA_UNDEFINED = 0x07, CFA_SAME = 0x08,
	CFA_REGISTER = 0x09, CFA_REMEMBER = 0x0a, CFA_RECALL = 0x0b, CFA_DEF = 0x0c,
	CFA_DEF_REGISTER = 0x0d, CFA_DEF_OFFSET = 0x0e, CFA_DEF_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10, CFA_OFFSET_SF = 0x11, CFA_DEF_SF = 0x12, CFA_DEF_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14, CFA_VAL_OFFSET_SF = 0x15, CFA_VAL_EXPRESSION = 0x16,
	CFA_ARGS_SIZE = 0x2e,
};

/* more than compilers ever use; hostile files shall not keep us busy */
#define REMEMBERED 8 /* nested states of rules */
#define MOST_LETTERS 16 /* of an augmentation */
#define MOST_PROGRAM_BYTES 65536

#define UNWIND_ALL ((1u << UNWIND_REGS) - 1)

/* ------------------------------------------------------------------- reading */

struct reader {
	const uint8_t *at, *end;
	bool bad; /* read behind the end; zeroes then */
};

static uint64_t get_bytes(struct reader *r, size_t size)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < size) {
		r->bad = true;
		r->at = r->end;
		return 0;
	}
	memcpy(&value, r->at, size);
	r->at += size;
	return value;
}

/* seven bits a byte, the lowest first; ret_bits: how many there were */
static uint64_t get_leb(struct reader *r, unsigned *ret_bits)
{
	uint64_t value = 0, byte = 0x80;
	unsigned shift = 0;

	for (; byte & 0x80 && shift < 70; shift += 7) {
		byte = get_bytes(r, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
	}
	r->bad |= (byte & 0x80) != 0;
	*ret_bits = shift;
	return value;
}

static uint64_t get_uleb(struct reader *r)
{
	unsigned bits;

	return get_leb(r, &bits);
}

static int64_t get_sleb(struct reader *r)
{
	unsigned bits;
	uint64_t value = get_leb(r, &bits);

	if (bits < 64 && value >> (bits - 1) & 1)
		value |= ~0ull << bits;
	return (int64_t)value;
}

static struct reader get_block(struct reader *r, uint64_t size)
{
	struct reader block = { r->at, r->at };

	if (size > (size_t)(r->end - r->at)) {
		r->bad = true;
		r->at = r->end;
	} else {
		r->at += size;
		block.end = r->at;
	}
	return block;
}

/* an address in one of the encodings; section tells where its bytes are */
static uint64_t get_encoded(struct reader *r, unsigned encoding, const struct cfi_section *section)
{
	uint64_t place = section->address + (uint64_t)(r->at - section->data), value = 0;

	if (encoding == ENC_OMITTED)
		return 0;
	switch (encoding & ENC_FORM) {
	case ENC_ABSOLUTE:
	case ENC_U8:
	case ENC_S8:
		value = get_bytes(r, 8);
		break;
	case ENC_ULEB:
		value = get_uleb(r);
		break;
	case ENC_SLEB:
		value = (uint64_t)get_sleb(r);
		break;
	case ENC_U2:
		value = get_bytes(r, 2);
		break;
	case ENC_S2:
		value = (uint64_t)(int16_t)get_bytes(r, 2);
		break;
	case ENC_U4:
		value = get_bytes(r, 4);
		break;
	case ENC_S4:
		value = (uint64_t)(int32_t)get_bytes(r, 4);
		break;
	default:
		r->bad = true;
	}
	if ((encoding & ENC_BASE) == ENC_RELATIVE)
		value += place;
	else if (encoding & ENC_BASE)
		r->bad = true; /* relative to what only some other machines have */
	return value;
}

/* ------------------------------------------------------------------- entries */

/* what functions have in common */
struct cie {
	struct reader program;
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_reg;
	unsigned encoding; /* of addresses */
	bool has_augmentation, is_signal;
};

struct fde {
	struct cie cie;
	struct reader program;
	uint64_t start, size;
};

/* the body of the entry at an offset; an empty one at the end, or if it has none */
static struct reader entry_at(const struct cfi_section *section, size_t at)
{
	struct reader r = { section->data + at, section->data + section->len };
	uint64_t size = get_bytes(&r, 4);

	if (size == UINT32_MAX)
		size = get_bytes(&r, 8);
	return get_block(&r, size);
}

static bool read_augmentation(struct reader *r, const char *letters, struct cie *cie,
			      const struct cfi_section *section)
{
	struct reader data;

	if (!letters[0])
		return true;
	if (letters[0] != 'z')
		return false;
	cie->has_augmentation = true;
	data = get_block(r, get_uleb(r));
	for (letters++; *letters; letters++) {
		if (*letters == 'R')
			cie->encoding = get_bytes(&data, 1);
		else if (*letters == 'L')
			get_bytes(&data, 1);
		else if (*letters == 'P')
			get_encoded(&data, get_bytes(&data, 1), section);
		else if (*letters == 'S')
			cie->is_signal = true;
		else
			break; /* not known; what it needs is skipped with the rest */
	}
	return !data.bad;
}

static bool read_cie(const struct cfi_section *section, size_t at, struct cie *ret)
{
	struct reader r = entry_at(section, at);
	const char *letters;
	uint64_t version;
	size_t most;

	*ret = (struct cie){ .encoding = ENC_ABSOLUTE };
	if (get_bytes(&r, 4) || r.bad)
		return false;
	version = get_bytes(&r, 1);
	letters = (const char *)r.at;
	most = (size_t)(r.end - r.at) < MOST_LETTERS ? (size_t)(r.end - r.at) : MOST_LETTERS;
	if ((version != 1 && version != 3) || !memchr(letters, 0, most))
		return false;
	r.at += strlen(letters) + 1;
	ret->code_align = get_uleb(&r);
	ret->data_align = get_sleb(&r);
	ret->return_reg = version == 1 ? get_bytes(&r, 1) : get_uleb(&r);
	if (!read_augmentation(&r, letters, ret, section) || r.bad)
		return false;
	ret->program = r;
	return true;
}

/* false: not one that describes a function */
static bool read_fde(const struct cfi_section *section, size_t at, struct fde *ret)
{
	struct reader r = entry_at(section, at);
	uint64_t id_at = (uint64_t)(r.at - section->data), id = get_bytes(&r, 4);

	if (r.bad || !id || id > id_at || !read_cie(section, id_at - id, &ret->cie))
		return false;
	ret->start = get_encoded(&r, ret->cie.encoding, section);
	ret->size = get_encoded(&r, ret->cie.encoding & ENC_FORM, section);
	if (ret->cie.has_augmentation)
		get_block(&r, get_uleb(&r));
	ret->program = r;
	return !r.bad && ret->size && ret->start + ret->size > ret->start;
}

static int by_start(const void *a, const void *b)
{
	const struct cfi_entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

size_t cfi_index(const struct cfi_section *section, struct cfi_entry **ret_index)
{
	struct cfi_entry *index = NULL;
	size_t count = 0, size = 0, at = 0;

	while (at < section->len) {
		struct reader entry = entry_at(section, at);
		struct fde fde;

		/* a terminator, or damaged */
		if (entry.at == entry.end)
			break;
		if (read_fde(section, at, &fde)) {
			if (count == size) {
				size = size ? size * 2 : 256;
				index = xrealloc(index, size, sizeof(*index));
			}
			index[count++] = (struct cfi_entry){ fde.start, fde.start + fde.size, at };
		}
		at = (size_t)(entry.end - section->data);
	}
	if (count)
		qsort(index, count, sizeof(*index), by_start);
	*ret_index = index;
	return count;
}

const struct cfi_entry *cfi_find(const struct cfi_entry *index, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	/* the last one that does not begin behind it */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < index[low - 1].end ? &index[low - 1] : NULL;
}

/* --------------------------------------------------------------------- rules */

enum how { SAME, SAVED, LOST, ODD }; /* ODD: in a way that is not supported */

struct rule {
	enum how how;
	int64_t offset; /* SAVED: from the frame's address */
};

struct rules {
	struct rule reg[UNWIND_REGS];
	uint64_t frame_reg; /* the frame's address: this register ... */
	int64_t frame_offset;
	bool frame_odd; /* ... or something that is not supported */
};

struct machine {
	struct rules now, initial, remembered[REMEMBERED];
	size_t depth;
	uint64_t at, until; /* instructions of the program: reached so far, asked for */
	const struct cie *cie;
	bool bad;
};

static void set_rule(struct machine *m, uint64_t reg, enum how how, int64_t offset)
{
	if (reg < UNWIND_REGS)
		m->now.reg[reg] = (struct rule){ how, offset };
}

static int64_t scaled(const struct machine *m, uint64_t factor)
{
	return (int64_t)(factor * (uint64_t)m->cie->data_align);
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg < UNWIND_REGS)
		m->now.reg[reg] = m->initial.reg[reg];
}

static void define_frame(struct machine *m, uint64_t reg, int64_t offset)
{
	m->now.frame_reg = reg;
	m->now.frame_offset = offset;
	m->now.frame_odd = false;
}

static void remember(struct machine *m)
{
	if (m->depth < REMEMBERED)
		m->remembered[m->depth++] = m->now;
	else
		m->bad = true;
}

static void recall(struct machine *m)
{
	if (m->depth)
		m->now = m->remembered[--m->depth];
	else
		m->bad = true;
}

/* rules about one register; false: not one of them */
static bool run_register(struct machine *m, struct reader *r, unsigned op)
{
	uint64_t reg;

	switch (op) {
	case CFA_OFFSET_EXT:
		reg = get_uleb(r);
		set_rule(m, reg, SAVED, scaled(m, get_uleb(r)));
		return true;
	case CFA_OFFSET_SF:
		reg = get_uleb(r);
		set_rule(m, reg, SAVED, scaled(m, (uint64_t)get_sleb(r)));
		return true;
	case CFA_RESTORE_EXT:
		restore(m, get_uleb(r));
		return true;
	case CFA_UNDEFINED:
		set_rule(m, get_uleb(r), LOST, 0);
		return true;
	case CFA_SAME:
		set_rule(m, get_uleb(r), SAME, 0);
		return true;
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
	case CFA_VAL_OFFSET_SF: /* skipped, so that its sign does not matter */
		set_rule(m, get_uleb(r), ODD, 0);
		get_uleb(r);
		return true;
	case CFA_EXPRESSION:
	case CFA_VAL_EXPRESSION:
		set_rule(m, get_uleb(r), ODD, 0);
		get_block(r, get_uleb(r));
		return true;
	}
	return false;
}

/* rules about the frame's address, and what is not about registers */
static void run_other(struct machine *m, struct reader *r, unsigned op)
{
	uint64_t reg;

	switch (op) {
	case CFA_NOP:
		break;
	case CFA_ADVANCE1:
	case CFA_ADVANCE2:
	case CFA_ADVANCE4:
		m->at += get_bytes(r, 1u << (op - CFA_ADVANCE1)) * m->cie->code_align;
		break;
	case CFA_REMEMBER:
		remember(m);
		break;
	case CFA_RECALL:
		recall(m);
		break;
	case CFA_DEF:
		reg = get_uleb(r);
		define_frame(m, reg, (int64_t)get_uleb(r));
		break;
	case CFA_DEF_SF:
		reg = get_uleb(r);
		define_frame(m, reg, scaled(m, (uint64_t)get_sleb(r)));
		break;
	case CFA_DEF_REGISTER:
		define_frame(m, get_uleb(r), m->now.frame_offset);
		break;
	case CFA_DEF_OFFSET:
		define_frame(m, m->now.frame_reg, (int64_t)get_uleb(r));
		break;
	case CFA_DEF_OFFSET_SF:
		define_frame(m, m->now.frame_reg, scaled(m, (uint64_t)get_sleb(r)));
		break;
	case CFA_DEF_EXPRESSION:
		get_block(r, get_uleb(r));
		m->now.frame_odd = true;
		break;
	case CFA_ARGS_SIZE:
		get_uleb(r);
		break;
	default:
		m->bad = true;
	}
}

/* up to the rules for the instruction asked for */
static void run(struct machine *m, struct reader r)
{
	m->bad |= r.end - r.at > MOST_PROGRAM_BYTES;
	while (r.at < r.end && !r.bad && !m->bad && m->at <= m->until) {
		unsigned op = get_bytes(&r, 1), low = op & 0x3f;

		if (op >> 6 == CFA_ADVANCE)
			m->at += low * m->cie->code_align;
		else if (op >> 6 == CFA_OFFSET)
			set_rule(m, low, SAVED, scaled(m, get_uleb(&r)));
		else if (op >> 6 == CFA_RESTORE)
			restore(m, low);
		else if (!run_register(m, &r, op))
			run_other(m, &r, op);
	}
	m->bad |= r.bad;
}

/* ---------------------------------------------------------------------- step */

/*
 * What the kernel has put on the stack for a signal handler: struct ucontext,
 * to which the stack pointer points behind the handler's return; its registers
 * are at 40 (arch/x86/include/uapi/asm/sigcontext.h).
 */
static enum cfi_result step_signal(struct unwind_regs *regs, const struct unwind_thread *thread)
{
	static const uint8_t order[] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16 };
	uint64_t base = regs->value[UNWIND_SP] + 40;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (!thread->memory(thread->arg, base + 8 * i, &regs->value[order[i]]))
			return CFI_NO_MEMORY;
	regs->known = UNWIND_ALL;
	return CFI_SIGNAL;
}

static enum cfi_result apply(const struct rules *rules, struct unwind_regs *regs,
			     const struct unwind_thread *thread)
{
	struct unwind_regs caller = *regs;
	uint64_t frame;

	if (rules->reg[UNWIND_IP].how == LOST)
		return CFI_OUTERMOST;
	if (rules->frame_odd || rules->frame_reg >= UNWIND_REGS ||
	    !(regs->known >> rules->frame_reg & 1))
		return CFI_UNSUPPORTED;
	frame = regs->value[rules->frame_reg] + (uint64_t)rules->frame_offset;
	/* stacks grow down: a caller's frame is above; what is not would go round in circles */
	if (frame <= regs->value[UNWIND_SP] || rules->reg[UNWIND_IP].how != SAVED)
		return CFI_UNSUPPORTED;
	for (unsigned i = 0; i < UNWIND_REGS; i++) {
		const struct rule *rule = &rules->reg[i];

		if (rule->how == SAVED) {
			if (!thread->memory(thread->arg, frame + (uint64_t)rule->offset,
					    &caller.value[i]))
				return CFI_NO_MEMORY;
			caller.known |= 1u << i;
		} else if (rule->how != SAME) {
			caller.known &= ~(1u << i);
		}
	}
	caller.value[UNWIND_SP] = frame;
	caller.known |= 1u << UNWIND_SP;
	*regs = caller;
	return caller.value[UNWIND_IP] ? CFI_CALLER : CFI_OUTERMOST;
}

enum cfi_result cfi_step(const struct cfi_section *section, const struct cfi_entry *entry,
			 uint64_t address, struct unwind_regs *regs,
			 const struct unwind_thread *thread)
{
	struct machine m = {};
	struct fde fde;

	if (!read_fde(section, entry->at, &fde))
		return CFI_NO_RULE;
	if (fde.cie.is_signal)
		return step_signal(regs, thread);
	if (fde.cie.return_reg != UNWIND_IP)
		return CFI_UNSUPPORTED;
	m.cie = &fde.cie;
	m.now.frame_odd = true;
	m.until = UINT64_MAX;
	run(&m, fde.cie.program);
	m.initial = m.now;
	m.at = fde.start;
	m.until = address;
	run(&m, fde.program);
	return m.bad ? CFI_UNSUPPORTED : apply(&m.now, regs, thread);
}
