/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rules made by hand: each instruction gives the caller's registers that it
 * should, and what is nonsense gives none.
 */
#include "test.h"
#include "unwind/cfi.h"

#define CODE 0x401000
#define SECTION 0x402000

static struct {
	uint8_t bytes[512];
	size_t len;
} section;

static void put(const void *data, size_t len)
{
	memcpy(section.bytes + section.len, data, len);
	section.len += len;
}

static void put_number(uint64_t value, size_t size)
{
	put(&value, size);
}

/* version 1, "zR" or what is given, alignments 1 and -8, returns to register 16 */
static void put_cie(const char *letters, const uint8_t *program, size_t len)
{
	size_t text = strlen(letters) + 1;

	put_number(4 + 1 + text + 3 + 2 + len, 4);
	put_number(0, 4);
	put("\1", 1);
	put(letters, text);
	put("\x01\x78\x10", 3);
	put("\x01\x1b", 2); /* addresses relative, in 4 bytes */
	put(program, len);
}

static void put_fde(size_t cie, uint64_t start, uint32_t size, const uint8_t *program, size_t len)
{
	put_number(4 + 4 + 4 + 1 + len, 4);
	put_number(section.len - cie, 4);
	put_number(start - (SECTION + section.len), 4);
	put_number(size, 4);
	put("\0", 1);
	put(program, len);
}

/* at a call: the frame is 8 above the stack pointer, the return address below it */
static const uint8_t at_call[] = { 0x0c, 7, 8, 0x90, 1 };

static struct cfi_section all(void)
{
	return (struct cfi_section){ section.bytes, section.len, SECTION };
}

/* each word of memory holds its address plus one */
static bool memory(void *arg, uint64_t address, uint64_t *ret)
{
	*ret = address + 1;
	return address < 0x10000;
}

static struct unwind_regs registers(void)
{
	struct unwind_regs r = { .known = 1u << UNWIND_SP | 1u << UNWIND_BP | 1u << UNWIND_BX |
					  1u << UNWIND_IP };

	r.value[UNWIND_SP] = 0x1000;
	r.value[UNWIND_BP] = 0x1100;
	r.value[UNWIND_BX] = 0xbb;
	return r;
}

static enum cfi_result step_at(uint64_t address, struct unwind_regs *regs)
{
	const struct unwind_thread t = { .memory = memory };
	struct cfi_section s = all();
	struct cfi_entry *index;
	size_t count = cfi_index(&s, &index);
	const struct cfi_entry *entry = cfi_find(index, count, address);
	enum cfi_result result = CFI_NO_RULE;

	*regs = registers();
	if (entry)
		result = cfi_step(&s, entry, address, regs, &t);
	free(index);
	return result;
}

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })

static void begin(const char *letters)
{
	section.len = 0;
	put_cie(letters, at_call, sizeof(at_call));
}

TEST(row_by_row)
{
	struct unwind_regs r;

	begin("zR");
	/* push bp; mov bp, sp; ...; leave: the frame moves, then hangs on another register */
	put_fde(0, CODE, 100,
		BYTES(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 80, 0x0c, 7, 8, 0xc6));
	CHECK(step_at(CODE, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1008);
	CHECK_EQ_U64(r.value[UNWIND_IP], 0x1001);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1100);
	CHECK(step_at(CODE + 1, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1010);
	CHECK_EQ_U64(r.value[UNWIND_IP], 0x1009);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1001);
	CHECK(step_at(CODE + 83, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1110);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1101);
	CHECK_EQ_U64(r.value[UNWIND_BX], 0xbb);
	CHECK(step_at(CODE + 84, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1008);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1100);
	CHECK(step_at(CODE + 99, &r) == CFI_CALLER);
	CHECK(step_at(CODE + 100, &r) == CFI_NO_RULE);
	CHECK(step_at(CODE - 1, &r) == CFI_NO_RULE);
}

TEST(remembered)
{
	struct unwind_regs r;

	begin("zR");
	/* an early return in the midst: what holds before holds again behind it */
	put_fde(0, CODE, 10, BYTES(0x0e, 32, 0x41, 0x0a, 0x0e, 8, 0x41, 0x0b));
	CHECK(step_at(CODE, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1020);
	CHECK(step_at(CODE + 1, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1008);
	CHECK(step_at(CODE + 2, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1020);
}

TEST(signed_and_extended)
{
	struct unwind_regs r;

	begin("zR");
	/* def_cfa_sf sp -2 (times -8), offset_extended_sf bp 3, offset_extended bx 4, args_size */
	put_fde(0, CODE, 10, BYTES(0x12, 7, 0x7e, 0x11, 6, 3, 0x05, 3, 4, 0x2e, 0x80, 0x01));
	CHECK(step_at(CODE, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1010);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1010 - 24 + 1);
	CHECK_EQ_U64(r.value[UNWIND_BX], 0x1010 - 32 + 1);
	begin("zR");
	/* def_cfa_offset_sf -3, advance_loc4 */
	put_fde(0, CODE, 70000, BYTES(0x04, 0, 0, 1, 0, 0x13, 0x7d));
	CHECK(step_at(CODE + 65535, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1008);
	CHECK(step_at(CODE + 65536, &r) == CFI_CALLER);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1018);
}

TEST(ends)
{
	struct unwind_regs r;

	begin("zR");
	/* the return address is undefined: the outermost frame */
	put_fde(0, CODE, 10, BYTES(0x07, 16));
	CHECK(step_at(CODE, &r) == CFI_OUTERMOST);
	begin("zR");
	/* from memory that is not there */
	put_fde(0, CODE, 10, BYTES(0x0e, 0x80, 0x80, 0x04));
	CHECK(step_at(CODE, &r) == CFI_NO_MEMORY);
}

/* a register whose rule is not supported is not known in the caller, and the next step fails */
TEST(not_supported)
{
	static const uint8_t odd[][8] = {
		{ 0x0f, 1, 0x57 },	/* the frame by an expression */
		{ 0x0e, 0 },		/* a frame that is not above its callee's */
		{ 0x0d, 12, 0x00 },	/* hangs on a register that is not known */
		{ 0x0d, 99 },		/* ... and on one that does not exist */
		{ 0x0b },		/* nothing was remembered */
		{ 0x3f },		/* no such instruction */
		{ 0x10, 16, 1, 0x57 },	/* the return address by an expression */
		{ 0x0e, 0x80 },		/* a number that does not end in time */
	};
	struct unwind_regs r;

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		size_t len = i == 7 ? 2 : sizeof(odd[i]);

		begin("zR");
		put_fde(0, CODE, 10, odd[i], len);
		CHECK(step_at(CODE, &r) == CFI_UNSUPPORTED);
	}
	begin("zR");
	put_fde(0, CODE, 10, BYTES(0x10, 3, 1, 0x57, 0x14, 6, 1));
	CHECK(step_at(CODE, &r) == CFI_CALLER);
	CHECK(!(r.known & (1u << UNWIND_BX | 1u << UNWIND_BP)));
	CHECK(r.known & 1u << UNWIND_IP);
}

TEST(signal_frame)
{
	struct unwind_regs r;

	begin("zRS");
	put_fde(0, CODE, 10, BYTES(0x0f, 1, 0x57));
	CHECK(step_at(CODE, &r) == CFI_SIGNAL);
	/* struct sigcontext: r8 to r15, di, si, bp, bx, dx, ax, cx, sp, ip */
	CHECK_EQ_U64(r.value[8], 0x1000 + 40 + 1);
	CHECK_EQ_U64(r.value[UNWIND_BP], 0x1000 + 40 + 8 * 10 + 1);
	CHECK_EQ_U64(r.value[UNWIND_SP], 0x1000 + 40 + 8 * 15 + 1);
	CHECK_EQ_U64(r.value[UNWIND_IP], 0x1000 + 40 + 8 * 16 + 1);
}

/* what follows damage is not found, what comes before it is; nothing is read behind the end */
TEST(damaged)
{
	struct cfi_section s;
	struct cfi_entry *index;
	size_t good;

	begin("zR");
	put_fde(0, CODE, 10, BYTES(0x0e, 16));
	good = section.len;
	put_fde(0, CODE + 10, 10, BYTES(0x0e, 16));
	for (size_t len = 0; len <= section.len; len++) {
		_cleanup_free_ uint8_t *copy = xcalloc(1, len ? len : 1);
		size_t count;

		memcpy(copy, section.bytes, len);
		s = (struct cfi_section){ copy, len, SECTION };
		count = cfi_index(&s, &index);
		CHECK_EQ_U64(count, len == section.len ? 2 : len >= good ? 1 : 0);
		free(index);
	}
	/* one that refers to no CIE */
	section.bytes[good + 4] ^= 0x40;
	s = all();
	CHECK_EQ_U64(cfi_index(&s, &index), 1);
	free(index);
	/* letters that do not end */
	memset(section.bytes + 9, 'z', 40);
	CHECK_EQ_U64(cfi_index(&s, &index), 0);
	free(index);
}
