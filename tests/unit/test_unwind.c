/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Unwinding: this very program, against what the compiler's run-time library
 * finds for exceptions; rules made by hand; files that are cut off anywhere.
 */
#define _GNU_SOURCE 1
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "test.h"
#include "unwind/elf.h"

#define MOST 64
#define CODE 0x401000

/* ------------------------------------------------------------------- ourselves */

struct file {
	char *data;
	size_t size;
	uint64_t ino;
	struct unwind_elf *elf;
};

static struct {
	struct file files[16];
	size_t count;
} files;

static int read_data(void *arg, uint64_t offset, void *to, size_t size)
{
	const struct file *f = arg;

	if (offset > f->size || size > f->size - offset)
		return -EIO;
	memcpy(to, f->data + offset, size);
	return 0;
}

static void slurp(const char *path, struct file *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	CHECK(fd >= 0 && !fstat(fd, &st));
	ret->size = (size_t)st.st_size;
	ret->data = xcalloc(1, ret->size + 1);
	CHECK(read(fd, ret->data, ret->size) == (ssize_t)ret->size);
}

static const struct unwind_elf *own_file(void *arg, const struct unwind_mapping *m)
{
	struct file *f = files.files;

	if (*m->path != '/')
		return NULL;
	while (f < files.files + files.count && f->ino != m->ino)
		f++;
	if (f == files.files + files.count) {
		struct unwind_image image = { read_data, f, 0 };

		CHECK(files.count++ < ARRAY_SIZE(files.files));
		slurp(m->path, f);
		image.size = f->size;
		f->ino = m->ino;
		CHECK_EQ_I64(unwind_elf_open(&image, &f->elf), 0);
		CHECK(unwind_elf_bytes(f->elf) > 0);
	}
	return f->elf;
}

/* never by a pointer: a wrong address is to be a wrong result, not the end */
static bool own_memory(void *arg, uint64_t address, uint64_t *ret)
{
	struct iovec to = { ret, 8 }, from = { (void *)(uintptr_t)address, 8 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 8;
}

static struct unwind_maps *own_maps(void)
{
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = xcalloc(1, 1 << 20);
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, (1 << 20) - len)) > 0)
		len += (size_t)n;
	return unwind_maps_parse(text, len);
}

struct result {
	struct unwind_maps *maps; /* names are in there */
	struct unwind_frame frames[MOST];
	size_t count;
	enum unwind_end end;
	void *truth[MOST];
	int truth_count;
};

static __attribute__((noinline)) void look(struct result *r)
{
	struct unwind_thread t = { .memory = own_memory, .file = own_file };
	struct unwind_regs regs = { .known = (1u << UNWIND_REGS) - 1 };
	static const uint8_t from[UNWIND_REGS] = {
		REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
		REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
	};
	ucontext_t here;

	r->truth_count = backtrace(r->truth, MOST);
	t.maps = r->maps = own_maps();
	CHECK(!getcontext(&here));
	for (size_t i = 0; i < UNWIND_REGS; i++)
		regs.value[i] = (uint64_t)here.uc_mcontext.gregs[from[i]];
	r->end = unwind_frames(&t, regs, r->frames, MOST, &r->count);
}

/* so that a call is not the last thing its function does, and the frame has some size */
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory")

static __attribute__((noinline)) void third(struct result *r, int depth)
{
	char room[2000];

	KEEP(room);
	if (depth)
		third(r, depth - 1);
	else
		look(r);
	KEEP(room);
}

/* how large its frame is, the compiler cannot know: it hangs on another register */
static volatile int room_size = 3000;

static __attribute__((noinline)) void second(struct result *r)
{
	char room[room_size];

	KEEP(room);
	third(r, 2);
	KEEP(room);
}

static __attribute__((noinline)) void first(struct result *r)
{
	second(r);
	KEEP(r);
}

static void must_agree(const struct result *r)
{
	/* sanitizers put a function of theirs between us and theirs */
	size_t more = r->truth_count - r->count;

	CHECK(r->end == UNWIND_COMPLETE);
	CHECK(more <= 1);
	/* the innermost one is not at the same place: it called both */
	for (size_t i = 1; i < r->count; i++)
		CHECK_EQ_U64(r->frames[i].ip, (uintptr_t)r->truth[i + more]);
}

static void must_be_called(const struct result *r, size_t at, const char *name)
{
	CHECK(at < r->count && r->frames[at].function);
	CHECK_STR(r->frames[at].function, name);
	CHECK_STR(r->frames[at].module, "test_unwind");
	CHECK(r->frames[at].offset > 0);
}

TEST(agrees_with_exceptions)
{
	static const char *const names[] = { "look", "third", "third", "third", "second", "first" };
	struct result r;

	first(&r);
	must_agree(&r);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		must_be_called(&r, i, names[i]);
	must_be_called(&r, r.count - 1, "_start");
	unwind_maps_freep(&r.maps);
}

static struct result in_handler;

static void on_signal(int number)
{
	look(&in_handler);
	KEEP(&in_handler);
}

static __attribute__((noinline)) void interrupted(void)
{
	raise(SIGUSR1);
	KEEP(&in_handler);
}

/* the frame of the signal is the kernel's; behind it goes on who was interrupted */
TEST(through_a_signal_handler)
{
	const struct result *r = &in_handler;
	size_t at = 0;

	signal(SIGUSR1, on_signal);
	interrupted();
	must_agree(r);
	must_be_called(r, 1, "on_signal");
	CHECK_STR(r->frames[2].function, "<signal handler called>");
	while (at < r->count && (!r->frames[at].function ||
				 strcmp(r->frames[at].function, "interrupted")))
		at++;
	must_be_called(r, at, "interrupted");
	unwind_maps_freep(&in_handler.maps);
}

TEST(only_as_many_as_asked_for)
{
	struct unwind_frame frames[3];
	struct unwind_maps *maps = own_maps();
	struct unwind_thread t = { maps, own_memory, own_file, NULL };
	struct unwind_regs regs = { .known = 1u << UNWIND_IP };
	size_t count;

	/* an address of nothing; code of no file comes with what it is in */
	regs.value[UNWIND_IP] = 1;
	CHECK(unwind_frames(&t, regs, frames, 3, &count) == UNWIND_NO_FILE);
	CHECK_EQ_U64(count, 1);
	CHECK(!frames[0].function && !frames[0].module);
	/* without the registers that its rule is about */
	regs.value[UNWIND_IP] = (uintptr_t)first + 8;
	CHECK(unwind_frames(&t, regs, frames, 3, &count) == UNWIND_UNSUPPORTED);
	CHECK_EQ_U64(count, 1);
	CHECK_STR(frames[0].function, "first");
	CHECK_EQ_U64(frames[0].offset, 8);
	unwind_maps_freep(&maps);
}

/* the kernel's part of every process is a file in memory, with rules and names like any */
TEST(of_the_kernel)
{
	const Elf64_Ehdr *head = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct file f = { .data = (char *)head };
	struct unwind_image image = { read_data, &f, 0 };
	struct unwind_elf *elf = NULL;
	const char *name = NULL;
	uint64_t offset, at = 0;

	if (!head)
		TEST_SKIP("this kernel has none");
	f.size = image.size = head->e_shoff + (uint64_t)head->e_shnum * head->e_shentsize;
	CHECK_EQ_I64(unwind_elf_open(&image, &elf), 0);
	/* "__vdso_clock_gettime" is another name for it */
	while (at < f.size &&
	       !((name = elf_function(elf, at, &offset)) && !strcmp(name, "clock_gettime")))
		at++;
	CHECK(at < f.size);
	CHECK_EQ_U64(offset, 0);
	CHECK(elf_cfi_entry(elf, at));
	unwind_elf_freep(&elf);
}

/* --------------------------------------------------------------- cut-off files */

/* whatever part of it there is: no crash (and with sanitizers, no read behind its end) */
TEST(cut_off_anywhere)
{
	struct file whole, part = {};
	uint64_t offset;
	size_t opened = 0;

	slurp("/proc/self/exe", &whole);
	for (size_t size = 0; size < whole.size; size += size < 4096 ? 1 : whole.size / 200) {
		struct unwind_image image = { read_data, &part, size };
		struct unwind_elf *elf = NULL;

		part.data = xcalloc(1, size + 1);
		memcpy(part.data, whole.data, size);
		part.size = size;
		if (!unwind_elf_open(&image, &elf)) {
			opened++;
			for (uint64_t at = 0; at < whole.size; at += 997)
				elf_function(elf, at, &offset);
		}
		unwind_elf_freep(&elf);
		free(part.data);
	}
	CHECK(opened > 0);
	free(whole.data);
}

TEST(not_such_a_file)
{
	struct file f = { .data = "#!/bin/sh\n", .size = 10 };
	struct unwind_image image = { read_data, &f, f.size };
	struct unwind_elf *elf = NULL;
	_cleanup_free_ char *other = NULL;

	CHECK_EQ_I64(unwind_elf_open(&image, &elf), -ENOEXEC);
	slurp("/proc/self/exe", &f);
	other = f.data;
	image.size = f.size;
	f.data[18] = 183; /* arm64 */
	CHECK_EQ_I64(unwind_elf_open(&image, &elf), -ENOEXEC);
	CHECK(!elf);
}

/* many names for one address, which differ only far behind: no reason to compare all of them */
TEST(names_without_end)
{
	const size_t count = 100000, len = 4 << 20;
	const size_t symbols_at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr);
	const size_t names_at = symbols_at + count * sizeof(Elf64_Sym);
	struct file f = { .size = names_at + len };
	struct unwind_image image = { read_data, &f, f.size };
	struct unwind_elf *elf = NULL;
	uint64_t offset;
	Elf64_Ehdr *head;
	Elf64_Shdr *sections;
	Elf64_Sym *symbols;

	f.data = xcalloc(1, f.size);
	head = (void *)f.data;
	*head = (Elf64_Ehdr){ .e_machine = EM_X86_64, .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = 1, .e_phoff = symbols_at, .e_shoff = sizeof(*head),
			      .e_shentsize = sizeof(*sections), .e_shnum = 3 };
	memcpy(head->e_ident, ELFMAG "\2\1", 6);
	sections = (void *)(head + 1);
	sections[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_link = 2, .sh_offset = symbols_at,
				    .sh_size = count * sizeof(*symbols),
				    .sh_entsize = sizeof(*symbols) };
	sections[2] = (Elf64_Shdr){ .sh_offset = names_at, .sh_size = len };
	symbols = (void *)(f.data + symbols_at);
	for (size_t i = 0; i < count; i++)
		symbols[i] = (Elf64_Sym){ .st_name = (Elf64_Word)i, .st_info = STT_FUNC,
					  .st_shndx = 1, .st_value = CODE, .st_size = 8 };
	memset(f.data + names_at, '_', len);
	CHECK_EQ_I64(unwind_elf_open(&image, &elf), 0);
	CHECK(elf_function(elf, CODE + 7, &offset));
	CHECK_EQ_U64(offset, 7);
	CHECK(!elf_function(elf, CODE + 8, &offset));
	unwind_elf_freep(&elf);
	free(f.data);
}

/* -------------------------------------------------------------------- mappings */

TEST(mappings)
{
	static const char text[] =
		"00400000-00401000 r--p 00000000 fe:00 42      /usr/bin/a\n"
		"00401000-00402000 r-xp 00001000 fe:00 42      /usr/bin/a b\\012c (deleted)\n"
		"00500000-00501000 rwxp 00000000 00:00 0 \n"
		"nonsense\n"
		"00600000-00600000 r-xp 00000000 00:00 0 \n"
		"7fff0000-7fff2000 r-xp 00000000 00:00 0       [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";
	struct unwind_maps *maps = unwind_maps_parse(text, sizeof(text) - 1);
	const struct unwind_mapping *m = unwind_maps_find(maps, 0x401fff);

	CHECK(m);
	CHECK_STR(m->path, "/usr/bin/a b\\012c (deleted)");
	CHECK_EQ_U64(m->offset, 0x1000);
	CHECK_EQ_U64(m->major, 0xfe);
	CHECK_EQ_U64(m->ino, 42);
	/* not code, nothing, no file */
	CHECK(!unwind_maps_find(maps, 0x400000));
	CHECK(!unwind_maps_find(maps, 0x402000));
	m = unwind_maps_find(maps, 0x500000);
	CHECK(m && !m->ino && !*m->path);
	CHECK_STR(unwind_maps_find(maps, 0x7fff1000)->path, "[vdso]");
	CHECK(unwind_maps_find(maps, 0xffffffffff600000));
	unwind_maps_freep(&maps);
	maps = unwind_maps_parse("", 0);
	CHECK(!unwind_maps_find(maps, 0));
	unwind_maps_freep(&maps);
}
